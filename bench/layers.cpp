// Forward and backward of every layer and loss of src/check/registry.cpp, in float, at one shape of
// some 65,000 elements each.
//
//   bench_layers                                         all, one thread and all
//   bench_layers --benchmark_filter='Conv2d.*backward'
//
// GB/s counts x once and y once for forward; x, y, dx and dy for backward. Before it is measured,
// each is held against autograd: no speed is printed for a wrong gradient.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "check/registry.h"
#include "core/random.h"
#include "kernels/cpu/parallel.h"

using namespace handgrad;

namespace {

/// Are all elements within a relative error? Of a tenth of the largest at least.
bool close(const Tensor<float>& a, const Tensor<float>& b, float tolerance) {
    if (a.shape() != b.shape()) return false;
    float largest = 0;
    for (const float v : b.span()) largest = std::max(largest, std::abs(v));
    for (Index i = 0; i < a.size(); ++i) {
        const float v = b.data()[i];
        if (!(std::abs(a.data()[i] - v) <= tolerance * std::max(std::abs(v), 0.1F * largest)))
            return false;
    }
    return true;
}

/// Does autograd give the same y and dx?
bool agrees(const LayerCase<float>& one, const Tensor<float>& dy) {
    std::vector<Variable<float>> weights;
    for (const Parameter<float>* weight : one.layer->parameters())
        weights.emplace_back(weight->value, true);
    const Variable<float> x(one.x, true);
    const Variable<float> y = one.tape(x, TapeParametersOf<float>(weights));
    y.backward(dy);
    return close(one.layer->forward(one.x), y.value(), 1e-3F) &&
           close(one.layer->backward(dy), x.grad(), 1e-3F);
}

void measure(benchmark::State& state, const LayerCase<float>& one, bool backward, int threads) {
    cpu::set_max_threads(threads);
    const Tensor<float> y = one.layer->forward(one.x), dy = Tensor<float>::empty(y.shape());
    Random(1).uniform(dy, -1, 1);
    if (backward && !agrees(one, dy)) return state.SkipWithError("autograd says otherwise");
    for (auto _ : state) {
        const Tensor<float> result = backward ? one.layer->backward(dy) : one.layer->forward(one.x);
        benchmark::DoNotOptimize(result.data());
    }
    const Index moved = (one.x.size() + y.size()) * (backward ? 2 : 1);
    state.SetBytesProcessed(state.iterations() * moved * static_cast<Index>(sizeof(float)));
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    std::vector<int> threads = {1};
    if (cpu::max_threads() > 1) threads.push_back(cpu::max_threads());
    const auto cases = layer_cases<float>({.large = true});
    for (const LayerCase<float>& one : cases)
        for (const bool backward : {false, true})
            for (const int count : threads)
                benchmark::RegisterBenchmark((one.name + (backward ? "/backward" : "/forward") +
                                              "/threads:" + std::to_string(count))
                                                 .c_str(),
                                             measure, one, backward, count)
                    ->Unit(benchmark::kMicrosecond)
                    ->UseRealTime()
                    ->MinTime(0.05);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
