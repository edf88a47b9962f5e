// Does it pay to prepare a layer's weights once and to use them often? y = x W' on one thread, with
// W (outputs, inputs):
//
//   as it lies        what CpuBackend runs
//   packed each time  rung 5 of the ladder: W' and x are copied into panels first
//   turned once       W' is kept as it is read, (inputs, outputs), and costs nothing here
//
//   bench_constant_operand --benchmark_filter='16x784x128'      batch x inputs x outputs
//
// On an AMD EPYC (Zen 5, AVX-512), in us (--benchmark_min_time=0.3):
//
//                   as it lies   packed each time   turned once
//   16x784x128            14.5               20.7          13.4
//   64x784x100            45.7               55.1          44.9
//   256x784x512            917                959           921
//   1024x512x256          1141               1159          1126
//   256x4096x10            121                264           133
//   64x100x10             0.87               1.43          0.99
//
// So it hardly pays even for weights that stay as they are over many batches, 8 % at the most, and
// needs no format of its own: a matrix that is turned once is read in place. In training the
// weights change with each step, and each way of packing them would be used once: dx = dy W
// reads W as it lies.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "core/random.h"
#include "core/tensor.h"
#include "kernels/cpu/parallel.h"
#include "kernels/ladder/ladder.h"

using namespace handgrad;

namespace {

struct Layer {
    Index batch, in, out;
};

void product(benchmark::State& state, Layer layer, int rung, bool turned) {
    const auto [batch, in, out] = layer;
    cpu::set_max_threads(1);
    Random random(0);
    Tensor<float> x = Tensor<float>::empty({batch, in}), w = Tensor<float>::empty({out, in});
    random.uniform(x, -1, 1);
    random.uniform(w, -1, 1);
    Tensor<float> kept = Tensor<float>::empty({in, out});
    for (Index i = 0; i < in; ++i)
        for (Index o = 0; o < out; ++o) kept(i, o) = w(o, i);
    Tensor<float> y = Tensor<float>::empty({batch, out}),
                  wanted = Tensor<float>::empty({batch, out});

    const auto run = [&, batch = batch, in = in, out = out](int number, bool use_kept, float* c) {
        ladder::rung<float>(number, cpu::chosen_isa())(
            Trans::no, use_kept ? Trans::no : Trans::yes, batch, out, in, 1, x.data(), in,
            use_kept ? kept.data() : w.data(), use_kept ? out : in, 0, c, out);
    };
    run(1, false, wanted.data());
    run(rung, turned, y.data());
    for (Index i = 0; i < batch * out; ++i)
        if (!(std::fabs(y.data()[i] - wanted.data()[i]) <= 1e-3F))
            return state.SkipWithError("the product is wrong");
    for (auto _ : state) run(rung, turned, y.data());
}

}  // namespace

int main(int argc, char** argv) {
    for (const Layer layer : {Layer{16, 784, 128},
                              {64, 784, 100},
                              {256, 784, 512},
                              {1024, 512, 256},
                              {256, 4096, 10},
                              {64, 100, 10}}) {
        const std::string size = std::to_string(layer.batch) + "x" + std::to_string(layer.in) +
                                 "x" + std::to_string(layer.out);
        const auto add = [&](const char* name, int rung, bool turned) {
            benchmark::RegisterBenchmark((size + "/" + name).c_str(), product, layer, rung, turned)
                ->Unit(benchmark::kMicrosecond);
        };
        add("as it lies", ladder::last_rung, false);
        add("packed each time", 5, false);
        add("turned once", ladder::last_rung, true);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
