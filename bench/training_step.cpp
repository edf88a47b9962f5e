// One step of training an MLP with ReLU: zero_grad, forward, cross entropy, backward, SGD.
//
//   bench_training_step                                  all sizes, one thread and all
//   bench_training_step --benchmark_filter='784-128-10/16'
//
// bench/compare_pytorch.py runs it beside the same step in PyTorch.
#include <benchmark/benchmark.h>

#include <vector>

#include "bench/mlp_sizes.h"
#include "kernels/cpu/parallel.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"

using namespace handgrad;

namespace {

void training_step(benchmark::State& state, const std::vector<Index>& widths, Index batch,
                   int threads) {
    cpu::set_max_threads(threads);
    const cpu::FlushDenormals flush;
    Random random(0);
    Sequential<float> model = mlp<float>(widths, random);
    const MlpBatch data(widths, batch, random);
    CrossEntropyLoss<float> loss;
    SGD<float> sgd(model.parameters(), 0.005);

    const auto step = [&] {
        sgd.zero_grad();
        const Tensor<float> value = loss.forward(model.forward(data.x), data.labels);
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
    return run_at_mlp_sizes(argc, argv, {16, 64, 256}, training_step,
                            [](benchmark::internal::Benchmark* run) { run->UseRealTime(); });
}
