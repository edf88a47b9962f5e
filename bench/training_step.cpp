// One step of training an MLP with ReLU: zero_grad, forward, cross entropy, backward, SGD.
//
//   bench_training_step                                  all sizes, one thread and all
//   bench_training_step --benchmark_filter='784-128-10/16'
//
// bench/compare_pytorch.py runs it beside the same step in PyTorch.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"

using namespace handgrad;

namespace {

void training_step(benchmark::State& state, const std::vector<Index>& widths, Index batch,
                   int threads) {
    cpu::set_max_threads(threads);
    const cpu::FlushDenormals flush;
    Random random(0);
    Sequential<float> model;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        if (i > 0) model.add<ReLU<float>>();
        model.add<Linear<float>>(widths[i], widths[i + 1], random);
    }
    const auto x = Tensor<float>::empty({batch, widths.front()});
    random.uniform(x, 0, 1);
    const Labels labels = Labels::zeros({batch});
    for (Index i = 0; i < batch; ++i) labels(i) = static_cast<std::int32_t>(i % widths.back());
    CrossEntropyLoss<float> loss;
    SGD<float> sgd(model.parameters(), 0.005);

    const auto step = [&] {
        sgd.zero_grad();
        const Tensor<float> value = loss.forward(model.forward(x), labels);
        model.backward_parameters(loss.backward());
        sgd.step();
        return value.item();
    };
    const float first = step();
    float last = first;
    for (int i = 0; i < 100; ++i) last = step();
    if (!(last < first)) return state.SkipWithError("the loss did not fall: the step is wrong");
    for (auto _ : state) step();
    state.SetItemsProcessed(state.iterations() * batch);  // samples a second
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::vector<Index>> models = {{784, 128, 10}, {64, 32, 10}};
    std::vector<int> threads = {1};
    if (cpu::max_threads() > 1) threads.push_back(cpu::max_threads());
    for (const std::vector<Index>& widths : models)
        for (const Index batch : {16, 64, 256})
            for (const int count : threads) {
                std::string name;
                for (const Index width : widths) name.append(std::to_string(width)).append("-");
                name.back() = '/';
                name.append(std::to_string(batch))
                    .append("/threads:")
                    .append(std::to_string(count));
                benchmark::RegisterBenchmark(name.c_str(), training_step, widths, batch, count)
                    ->Unit(benchmark::kMicrosecond)
                    ->UseRealTime();
            }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
