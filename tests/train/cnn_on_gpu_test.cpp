// A convolutional network learns on a GPU what it learns on the CPU.
#include <cmath>
#include <vector>

#include "catch.h"
#include "data/digits.h"
#include "gpus.h"
#include "layers/activations.h"
#include "layers/conv2d.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/pool2d.h"
#include "layers/sequential.h"
#include "losses/cross_entropy.h"
#include "optim/adam.h"

using namespace handgrad;

namespace {

constexpr Index images = 24, steps = 12;

/// The losses of its steps, on some of the embedded digits.
std::vector<double> losses_of(Device device) {
    const Dataset digits = load_digits();
    const auto x = Tensor<double>::empty({images, 1, 8, 8});
    std::vector<std::int32_t> names;
    for (Index i = 0; i < images; ++i) {
        for (Index j = 0; j < 64; ++j)
            x.data()[i * 64 + j] = static_cast<double>(digits.x.data()[i * 64 + j]);
        names.push_back(digits.y.data()[i]);
    }
    const auto there = x.to(device);
    const Labels labels = Labels::from({images}, names, device);

    Random random(3);
    Sequential<double> model;
    model.add<Conv2d<double>>(1, 4, 3, random, Conv2dOptions{.padding = 1}, device);
    model.add<ReLU<double>>();
    model.add<MaxPool2d<double>>(2);
    model.add<Flatten<double>>();
    model.add<Linear<double>>(64, 10, random, device);
    CrossEntropyLoss<double> loss;
    Adam<double> adam(model.parameters(), 0.05);
    std::vector<double> losses;
    for (Index step = 0; step < steps; ++step) {
        adam.zero_grad();
        const auto value = loss.forward(model.forward(there), labels);
        model.backward_parameters(loss.backward());
        adam.step();
        losses.push_back(value.item());
    }
    return losses;
}

}  // namespace

TEST_CASE("a convolutional network trains on a GPU as on the CPU", "[emulated]") {
    const std::vector<double> expected = losses_of(Device::cpu);
    REQUIRE(expected.back() < expected.front() / 2);
    for (const Device device : gpus()) {
        const std::vector<double> got = losses_of(device);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            INFO(name_of(device) << ", step " << i);
            CHECK(std::abs(got[i] - expected[i]) <= 1e-9);
        }
    }
}
