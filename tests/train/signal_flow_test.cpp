#include "train/signal_flow.h"

#include <cmath>

#include "catch.h"
#include "layers/activations.h"
#include "layers/linear.h"

using namespace handgrad;

TEMPLATE_TEST_CASE("signal_flow measures before, between and behind the layers", "", float,
                   double) {
    using T = TestType;
    Random random(0);
    Sequential<T> model;
    auto& linear = model.template add<Linear<T>>(2, 2, random);
    model.template add<ReLU<T>>();
    linear.weight.value.copy_from(Tensor<T>::from({2, 2}, {2, 0, 0, -3}));
    linear.bias.value.fill(0);
    const auto x = Tensor<T>::from({1, 2}, {1, 1});   // through the weight (2, -3), the ReLU (2, 0)
    const auto dy = Tensor<T>::from({1, 2}, {1, 7});  // back (1, 0), then (2, 0)
    const SignalFlow<T> flow = signal_flow(model, x, dy);
    const std::vector<double> signal = {1, std::sqrt(6.5), std::sqrt(2)};
    const std::vector<double> gradient = {std::sqrt(2), std::sqrt(0.5), 5};
    for (std::size_t i = 0; i < 3; ++i) {
        REQUIRE(std::abs(flow.signal[i] - signal[i]) <= 1e-12);
        REQUIRE(std::abs(flow.gradient[i] - gradient[i]) <= 1e-12);
    }
    REQUIRE(flow.signal.size() == 3);
    REQUIRE(flow.gradient.size() == 3);
    REQUIRE(flow.y.values() == std::vector<T>{2, 0});
    REQUIRE(signal_flow(model, x).gradient.empty());
    REQUIRE(signal_flow(model, x).signal == flow.signal);
}
