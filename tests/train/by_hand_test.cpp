#include "train/by_hand.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "core/tensor_ops.h"

using namespace handgrad;

namespace {

Dataset three_samples(const std::vector<std::string>& classes) {
    const auto last = static_cast<std::int32_t>(classes.size() - 1);
    return {"three",
            Tensor<float>::from({3, 2}, {1, 2, 3, 4, 5, 6}),
            Labels::from({3}, {last, 0, last}),
            {2, 1},
            classes,
            "a test"};
}

}  // namespace

TEST_CASE("binary_samples has labels as a column, and wants two classes", "[by_hand]") {
    const auto samples = binary_samples<double>(three_samples({"no", "yes"}));
    CHECK(samples.x.values() == std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(samples.y.shape() == Shape{3, 1});
    CHECK(samples.y.values() == std::vector<double>{1, 0, 1});
    CHECK(samples.labels(0) == 1);
    CHECK_THROWS_WITH(binary_samples<float>(three_samples({"a", "b", "c"})),
                      ContainsSubstring("3 classes"));
}

TEST_CASE("one_hot_samples has a column for each class, on the device asked for", "[by_hand]") {
    const auto samples = one_hot_samples<float>(three_samples({"a", "b", "c"}), Device::emulated);
    CHECK(samples.x.device() == Device::emulated);
    CHECK(samples.y.device() == Device::emulated);
    CHECK(samples.y.values() == std::vector<float>{0, 0, 1, 1, 0, 0, 0, 0, 1});
    CHECK(samples.labels(2) == 2);
}

TEST_CASE("normal_layer draws W, then b, the same in float and double", "[by_hand]") {
    Random a(3), b(3), c(3);
    const auto layer = normal_layer<float>(2, 3, 0.1, a);
    const auto exact = normal_layer<double>(2, 3, 0.1, b);
    const auto W = Tensor<float>::empty({2, 3}), bias = Tensor<float>::empty({2});
    c.normal(W, 0, 0.1);
    c.normal(bias, 0, 0.1);
    CHECK(layer.W.shape() == Shape{2, 3});
    CHECK(layer.W.values() == W.values());
    CHECK(layer.b.values() == bias.values());
    CHECK(exact.W.cast<float>().values() == W.values());
    CHECK(exact.b.cast<float>().values() == bias.values());
}

TEST_CASE("distance_from_linear sees a gradient that is off, or NaN", "[by_hand]") {
    Random random(1);
    const auto layer = normal_layer<double>(2, 3, 1, random);
    const auto x = Tensor<double>::from({2, 3}, {1, 2, 3, -1, 0.5, 2});
    const auto square = [](const Tensor<double>& o) { return 2 * o; };  // of the loss sum o^2
    const Tensor<double> d = 2 * (matmul(x, layer.W, Trans::no, Trans::yes) + layer.b);  // (2, 2)
    const OneLayer<double> right{matmul(d, x, Trans::yes), sum(d, {0})};
    CHECK(distance_from_linear(layer, right, x, square) < 1e-12);
    for (const bool bias : {false, true})
        for (const double off : {0.25, std::nan("")}) {
            const OneLayer<double> wrong{right.W.clone(), right.b.clone()};
            (bias ? wrong.b : wrong.W).data()[1] += off;
            const double distance = distance_from_linear(layer, wrong, x, square);
            if (std::isnan(off))
                CHECK(std::isnan(distance));
            else
                CHECK(distance == Approx(0.25));
        }
}
