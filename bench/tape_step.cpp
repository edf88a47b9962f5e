// What the tape costs: one training step of an MLP by explicit layers and by the tape, in turn.
//
//   bench_tape_step                                      all sizes, one thread and all
//   bench_tape_step --benchmark_filter='784-128-10/16'
//
// The step: zero the gradients, forward, cross entropy, backward, SGD. Both start from the same
// weights and take bursts of 20 steps in turn, so that a busy neighbour slows both alike. Time is
// that of a step by the tape; explicit_us, tape_us and ratio are medians over the bursts.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "autograd/operations.h"
#include "bench/mlp_sizes.h"
#include "bench/timing.h"
#include "kernels/cpu/parallel.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"

using namespace handgrad;
using namespace handgrad::bench;

namespace {

constexpr double lr = 0.005;

class ExplicitStep {
  public:
    explicit ExplicitStep(Sequential<float>& model) : model_(model), sgd_(model.parameters(), lr) {}

    float operator()(const Tensor<float>& x, const Labels& labels) {
        sgd_.zero_grad();
        const Tensor<float> value = loss_.forward(model_.forward(x), labels);
        model_.backward_parameters(loss_.backward());
        sgd_.step();
        return value.item();
    }

  private:
    Sequential<float>& model_;
    CrossEntropyLoss<float> loss_;
    SGD<float> sgd_;
};

class TapeStep {
  public:
    /// Takes copies of the model's weights.
    explicit TapeStep(Sequential<float>& model) {
        for (const Parameter<float>* parameter : model.parameters())
            parameters_.emplace_back(parameter->value.clone(), true);
        arrays_.resize(parameters_.size());
    }

    float operator()(const Tensor<float>& x, const Labels& labels) {
        for (const Variable<float>& parameter : parameters_) parameter.zero_grad();
        Variable<float> y(x);
        for (std::size_t i = 0; i < parameters_.size(); i += 2) {
            if (i > 0) y = maximum(y, 0);
            y = matmul(y, parameters_[i], Trans::no, Trans::yes) + parameters_[i + 1];
        }
        const Variable<float> loss = mean(logsumexp(y, {1}) - gather(y, labels));
        loss.backward();
        for (std::size_t i = 0; i < arrays_.size(); ++i)
            arrays_[i] = {.w = parameters_[i].value().data(),
                          .dw = parameters_[i].grad().data(),
                          .kept = {},
                          .n = parameters_[i].value().size()};
        constexpr Index step = 1;
        backend<float>(Device::cpu)
            .sgd_step(arrays_.data(), std::ssize(arrays_), &step, {.lr = static_cast<float>(lr)});
        return loss.item();
    }

  private:
    std::vector<Variable<float>> parameters_;
    std::vector<ParameterArrays<float>> arrays_;
};

void compare(benchmark::State& state, const std::vector<Index>& widths, Index batch, int threads) {
    cpu::set_max_threads(threads);
    const cpu::FlushDenormals flush;
    Random random(0);
    Sequential<float> model = mlp<float>(widths, random);
    TapeStep by_tape(model);
    ExplicitStep by_layers(model);
    const MlpBatch data(widths, batch, random);

    float layers_loss = 0, tape_loss = 0;
    const float first_loss = by_tape(data.x, data.labels);
    by_layers(data.x, data.labels);
    const auto burst = [&](auto& step, float& loss) {  // seconds a step
        constexpr int steps = 20;
        return seconds_of([&] {
                   for (int i = 0; i < steps; ++i) loss = step(data.x, data.labels);
               }) /
               steps;
    };
    std::vector<double> layers_seconds, tape_seconds;
    for (auto _ : state) {
        layers_seconds.push_back(burst(by_layers, layers_loss));
        tape_seconds.push_back(burst(by_tape, tape_loss));
        state.SetIterationTime(tape_seconds.back());
        if (!(std::abs(layers_loss - tape_loss) <= 1e-2F * layers_loss)) {
            state.SkipWithError("the losses differ: one of the two steps is wrong");
            return;
        }
    }
    if (!(tape_loss < first_loss)) state.SkipWithError("the loss did not fall");
    const double by_layers_median = median(layers_seconds), by_tape_median = median(tape_seconds);
    state.counters["explicit_us"] = 1e6 * by_layers_median;
    state.counters["tape_us"] = 1e6 * by_tape_median;
    const double ratio = by_tape_median / by_layers_median;
    state.counters["ratio"] = ratio;
    if (widths.front() == 784 && !(ratio <= 1.5))
        state.SkipWithError("the tape costs more than 1.5 times the layers");
}

}  // namespace

int main(int argc, char** argv) {
    return run_at_mlp_sizes(argc, argv, {16, 256}, compare,
                            [](benchmark::internal::Benchmark* run) { run->UseManualTime(); });
}
