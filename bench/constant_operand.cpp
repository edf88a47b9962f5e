// What does it bring to pack a layer's weights once and to use them often? y = x W' on one thread,
// with W (outputs, inputs):
//
//   as it lies   what a Linear does in training, where W changes with each step
//   packed       what it does after prepack(): kernels/ladder/packed_operand.h
//   packing      what prepack() itself takes
//
//   bench_constant_operand --benchmark_filter='16x784x128'      batch x inputs x outputs
//
// On an AMD EPYC (Zen 5, AVX-512, 1 MB of L2), in us (--benchmark_min_time=0.3, medians of three
// runs):
//
//                   as it lies   packed   packing
//   1x1024x1024             42       43        92
//   16x784x128            13.9     12.7       6.8
//   16x1024x1024           170      135        90
//   16x4096x4096          5880     3934      4945
//   64x1024x1024           648      534        91
//   256x784x512            861      842        38
//
// So packing is paid for after a few batches, unless they have one row, but not by the one forward
// that a training step has.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "core/random.h"
#include "core/tensor.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/parallel.h"

using namespace handgrad;

namespace {

struct Layer {
    Index batch, in, out;
};

enum class What { as_it_lies, packed, packing };

void product(benchmark::State& state, Layer layer, What what) {
    const auto [batch, in, out] = layer;
    cpu::set_max_threads(1);
    Random random(0);
    const Backend<float>& backend = cpu::backend<float>(cpu::chosen_isa());
    Tensor<float> x = Tensor<float>::empty({batch, in}), w = Tensor<float>::empty({out, in});
    random.uniform(x, -1, 1);
    random.uniform(w, -1, 1);
    const Index size = backend.packed_weight_size(in, out);
    if (size == 0) return state.SkipWithError("products read this weight best as it lies");
    Tensor<float> packed = Tensor<float>::empty({size});
    Tensor<float> y = Tensor<float>::empty({batch, out}), wanted = y.clone();

    const auto forward = [&, batch = batch, in = in, out = out] {
        backend.linear_forward(wanted.data(), x.data(), w.data(), nullptr, batch, in, out);
    };
    const auto pack = [&, in = in, out = out] {
        backend.pack_weight(packed.data(), w.data(), in, out);
    };
    const auto forward_packed = [&, batch = batch, in = in, out = out] {
        backend.linear_forward_packed(y.data(), x.data(), w.data(), packed.data(), nullptr, false,
                                      batch, in, out);
    };
    forward();
    pack();
    forward_packed();
    for (Index i = 0; i < batch * out; ++i)
        if (!(std::fabs(y.data()[i] - wanted.data()[i]) <= 1e-3F))
            return state.SkipWithError("the product is wrong");
    for (auto _ : state) {
        if (what == What::as_it_lies)
            forward();
        else if (what == What::packed)
            forward_packed();
        else
            pack();
    }
    if (what != What::packing)
        state.counters["GFLOP/s"] =
            benchmark::Counter(2.0 * static_cast<double>(batch * in * out) *
                                   static_cast<double>(state.iterations()) / 1e9,
                               benchmark::Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
    for (const Layer layer : {Layer{1, 1024, 1024},
                              {16, 784, 128},
                              {16, 1024, 1024},
                              {16, 4096, 4096},
                              {64, 1024, 1024},
                              {256, 784, 512}}) {
        const std::string size = std::to_string(layer.batch) + "x" + std::to_string(layer.in) +
                                 "x" + std::to_string(layer.out);
        const auto add = [&](const char* name, What what) {
            benchmark::RegisterBenchmark((size + "/" + name).c_str(), product, layer, what)
                ->Unit(benchmark::kMicrosecond);
        };
        add("as it lies", What::as_it_lies);
        add("packed", What::packed);
        add("packing", What::packing);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
