// Sequential takes a Linear and the ReLU after it forward together. Nobody may see it: layer by
// layer comes to the same bits.
#include "layers/sequential.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "allocation_count.h"
#include "catch.h"
#include "gpus.h"
#include "kernels/emulator/watch.h"
#include "layers/activations.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"

using namespace handgrad;

namespace {

std::vector<Device> devices() {
    std::vector<Device> all = gpus();
    all.insert(all.begin(), Device::cpu);
    return all;
}

/// To the bit: NaN is NaN, and -0 is not 0.
template <class T>
bool same(const Tensor<T>& a, const Tensor<T>& b) {
    const std::vector<T> u = a.values(), v = b.values();
    return a.shape() == b.shape() &&
           (u.empty() || std::memcmp(u.data(), v.data(), u.size() * sizeof(T)) == 0);
}

/// Normal numbers, and a row each of NaN, infinity and -0.
template <class T>
Tensor<T> input(Index rows, Index cols, std::uint64_t seed, Device device) {
    const auto x = Tensor<T>::empty({rows, cols});
    Random(seed).normal(x, 0, 1);
    constexpr T hard[] = {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                          T(-0.0)};
    for (Index r = 0; r < 3 && r < rows; ++r) x.rows(r, r + 1).fill(hard[r]);
    return x.to(device);
}

/// What the networks have in them, in a row: a pair at the start; two ReLUs that follow; a pair
/// without a bias; something between Linear and ReLU; a ReLU that is last.
template <class T>
Sequential<T> network(Device device) {
    Random random(3);
    Sequential<T> model;
    model.template add<Linear<T>>(7, 33, random, device);
    model.template add<ReLU<T>>();
    model.template add<Linear<T>>(33, 16, random, device);
    model.template add<ReLU<T>>();
    model.template add<ReLU<T>>();
    model.template add<Linear<T>>(16, 17, random, LinearOptions{.bias = false}, device);
    model.template add<ReLU<T>>();
    model.template add<Linear<T>>(17, 9, random, device);
    model.template add<Dropout<T>>(0.25, 5);
    model.template add<ReLU<T>>();
    model.template add<Linear<T>>(9, 5, random, device);
    model.template add<ReLU<T>>();
    return model;
}

template <class T>
Tensor<T> forward_by_layer(Sequential<T>& model, const Tensor<T>& x) {
    Tensor<T> y = x;
    for (std::size_t i = 0; i < model.size(); ++i) y = model[i].forward(y);
    return y;
}
template <class T>
Tensor<T> backward_by_layer(Sequential<T>& model, const Tensor<T>& dy) {
    Tensor<T> dx = dy;
    for (std::size_t i = model.size(); i-- > 0;) dx = model[i].backward(dx);
    return dx;
}

template <class T>
void require_same_gradients(Sequential<T>& a, Sequential<T>& b) {
    for (std::size_t i = 0; i < a.parameters().size(); ++i) {
        INFO(a.parameters()[i]->name);
        REQUIRE(same(a.parameters()[i]->grad, b.parameters()[i]->grad));
    }
}

}  // namespace

TEMPLATE_TEST_CASE("Sequential joins Linear and ReLU to the bit", "[layers][emulated]", float,
                   double) {
    using T = TestType;
    for (const Device device : devices())
        for (const bool training : {true, false}) {
            INFO(name_of(device) << (training ? ", training" : ", evaluation"));
            Sequential<T> joined = network<T>(device), apart = network<T>(device);
            joined.train(training);
            apart.train(training);
            for (const Index rows : {6, 0, 1, 37}) {  // each step's sizes are new
                const Tensor<T> x = input<T>(rows, 7, 4, device), dy = input<T>(rows, 5, 5, device);
                REQUIRE(same(joined.forward(x), forward_by_layer(apart, x)));
                REQUIRE(same(joined.backward(dy), backward_by_layer(apart, dy)));
                require_same_gradients(joined, apart);
            }
            // All but the gradient of the input.
            const Tensor<T> x = input<T>(8, 7, 6, device), dy = input<T>(8, 5, 7, device);
            joined.forward(x);
            forward_by_layer(apart, x);
            joined.backward_parameters(dy);
            backward_by_layer(apart, dy);
            require_same_gradients(joined, apart);
        }
}

TEST_CASE("layers that Sequential joined work alone as before", "[layers][emulated]") {
    for (const Device device : devices()) {
        INFO(name_of(device));
        Sequential<double> joined = network<double>(device), apart = network<double>(device);
        const auto x = input<double>(6, 7, 1, device), other = input<double>(4, 7, 2, device);
        const auto dy = input<double>(4, 33, 3, device);
        joined.forward(x);
        // The pair at the start, by hand, after it went together: Linear gives negative numbers.
        const Tensor<double> between = joined[0].forward(other);
        REQUIRE(same(between, apart[0].forward(other)));
        const std::vector<double> values = between.values();
        REQUIRE(std::any_of(values.begin(), values.end(), [](double v) { return v < 0; }));
        REQUIRE(same(joined[1].forward(between), apart[1].forward(between)));
        REQUIRE(same(joined[1].backward(dy), apart[1].backward(dy)));
        REQUIRE(same(joined[0].backward(dy), apart[0].backward(dy)));
        // A ReLU alone goes back through what the pair gave last, and the Linear, too.
        joined.forward(other);
        const Tensor<double> y = apart[1].forward(apart[0].forward(other));
        REQUIRE(same(joined[1].backward(dy), apart[1].backward(dy)));
        REQUIRE(same(joined[0].backward(dy), apart[0].backward(dy)));
        CHECK(y.shape() == Shape{4, 33});
    }
}

TEST_CASE("a joined pair is one launch, and its first step takes all memory",
          "[layers][emulated]") {
    Random random(1);
    const std::vector<Index> widths = {20, 30, 30, 10};
    if (emulator::sees_accesses()) {
        Sequential<float> model = mlp<float>(widths, random, 0, Device::emulated);
        const auto x = input<float>(5, 20, 1, Device::emulated);
        emulator::take_traffic();
        emulator::set_counting(true);
        model.forward(x);
        emulator::set_counting(false);
        std::int64_t launches = 0;
        for (const emulator::Traffic& kernel : emulator::take_traffic())
            launches += kernel.launches;
        CHECK(launches == 3);  // Linear and ReLU twice, Linear
    }
    Sequential<float> model = mlp<float>(widths, random);
    CrossEntropyLoss<float> loss;
    SGD<float> sgd(model.parameters(), 0.01);
    const auto x = Tensor<float>::full({5, 20}, 0.5F);
    const auto labels = Labels::from({5}, {0, 1, 2, 3, 9});
    const auto step = [&] {
        sgd.zero_grad();
        loss.forward(model.forward(x), labels);
        model.backward_parameters(loss.backward());
        sgd.step();
    };
    step();
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    for (int i = 0; i < 3; ++i) step();
    CHECK(system_allocations() == blocks);
    CHECK(operator_new_calls() == news);
}
