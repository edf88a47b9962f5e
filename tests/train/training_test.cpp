// The training loop as a whole: data, model, loss, optimiser.
#include <cmath>
#include <vector>

#include "allocation_count.h"
#include "catch.h"
#include "core/device.h"
#include "data/data_loader.h"
#include "data/digits.h"
#include "golden.h"
#include "kernels/cpu/parallel.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"

using namespace handgrad;

namespace {

const std::vector<Index> widths = {64, 32, 10};

/// Two epochs on the digits; returns the loss of every batch, then all weights.
std::vector<float> run(std::uint64_t seed, double dropout = 0) {
    Random random(seed);
    Sequential<float> model = mlp<float>(widths, random, dropout);
    CrossEntropyLoss<float> loss;
    SGD<float> sgd(model.parameters(), 0.1);
    DataLoader loader(load_digits(), {.batch_size = 16, .shuffle = true, .seed = seed});
    std::vector<float> trace;
    for (int epoch = 0; epoch < 2; ++epoch)
        for (const Batch& batch : loader) {
            sgd.zero_grad();
            trace.push_back(loss.forward(model.forward(batch.x), batch.y).item());
            model.backward(loss.backward());
            sgd.step();
        }
    for (const Parameter<float>* parameter : model.parameters())
        for (const float w : parameter->value.span()) trace.push_back(w);
    return trace;
}

}  // namespace

TEST_CASE("training lowers the loss, and repeats to the last bit for one seed", "[training]") {
    const std::vector<float> first = run(1), second = run(1), other = run(2);
    REQUIRE(first == second);
    REQUIRE(first != other);
    const std::size_t batches = 2 * 113;  // 1797 / 16, rounded up
    REQUIRE(std::abs(first[0] - std::log(10.0F)) < 0.3F);
    REQUIRE(first[batches - 2] < 0.6F);
    REQUIRE(run(1, 0.5) == run(1, 0.5));
}

TEST_CASE("a training run follows PyTorch's, batch by batch", "[training][golden]") {
    const nlohmann::json expected = golden("training");
    const std::vector<float> trace = run(expected["seed"].get<std::uint64_t>());
    REQUIRE(expected["losses"].size() == 2 * 113);
    for (std::size_t i = 0; i < expected["losses"].size(); ++i) {
        const double theirs = expected["losses"][i].get<double>();
        INFO("batch " << i << ": " << trace[i] << " against PyTorch's " << theirs);
        REQUIRE(std::abs(trace[i] - theirs) <= 1e-4 * theirs);  // rounding, grown over 226 steps
    }
}

TEST_CASE("one thread and two give the same training run where the work is too small to share",
          "[training]") {
    const int before = cpu::max_threads();
    cpu::set_max_threads(1);
    const std::vector<float> one = run(3);
    cpu::set_max_threads(2);
    const std::vector<float> two = run(3);
    cpu::set_max_threads(before);
    REQUIRE(one == two);
}

TEST_CASE("after the first steps a training loop allocates nothing", "[training]") {
    Random random(0);
    Sequential<float> model = mlp<float>(widths, random, 0.2);
    CrossEntropyLoss<float> loss;
    SGD<float> sgd(model.parameters(), 0.1);
    DataLoader loader(load_digits().rows(0, 320), {.batch_size = 16, .shuffle = true});
    const auto epoch = [&] {
        for (const Batch& batch : loader) {
            sgd.zero_grad();
            loss.forward(model.forward(batch.x), batch.y);
            model.backward_parameters(loss.backward());
            sgd.step();
        }
    };
    epoch();
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    for (int i = 0; i < 3; ++i) epoch();
    REQUIRE(system_allocations() == blocks);
    REQUIRE(operator_new_calls() == news);
}
