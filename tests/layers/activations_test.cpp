// Each activation: values worked by hand, extreme inputs, NaN and errors. Gradients:
// tests/check/registry_test.cpp; against PyTorch: tests/layers/golden_test.cpp.
#include "layers/activations.h"

#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "gpus.h"
#include "layers/prelu.h"
#include "layers/softmax.h"

using namespace handgrad;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class T>
std::vector<std::shared_ptr<Layer<T>>> elementwise_layers() {
    return {std::make_shared<ReLU<T>>(),
            std::make_shared<LeakyReLU<T>>(),
            std::make_shared<ELU<T>>(),
            std::make_shared<Softplus<T>>(),
            std::make_shared<Sigmoid<T>>(),
            std::make_shared<Tanh<T>>(),
            std::make_shared<SiLU<T>>(),
            std::make_shared<GELU<T>>(),
            std::make_shared<GELU<T>>(GELU<T>::Approximate::tanh),
            std::make_shared<Identity<T>>(),
            std::make_shared<PReLU<T>>()};
}

template <class T>
std::vector<std::shared_ptr<Layer<T>>> all_layers() {
    auto layers = elementwise_layers<T>();
    layers.push_back(std::make_shared<Softmax<T>>());
    layers.push_back(std::make_shared<LogSoftmax<T>>());
    return layers;
}

/// f(x) and f'(x) of a layer, at one point.
struct Point {
    double y, dx;
};
Point at(Layer<double>& layer, double x) {
    const double y = layer.forward(Tensor<double>::from({1}, {x})).item();
    return {y, layer.backward(Tensor<double>::from({1}, {1})).item()};
}
void check_point(Layer<double>&& layer, double x, double y, double dx) {
    INFO(layer.describe() << " at " << x);
    const Point got = at(layer, x);
    CHECK(std::abs(got.y - y) <= 1e-15);
    CHECK(std::abs(got.dx - dx) <= 1e-15);
}

}  // namespace

TEST_CASE("activations worked by hand", "[layers]") {
    const double ln2 = std::log(2);
    check_point(ReLU<double>(), -3, 0, 0);
    check_point(ReLU<double>(), 3, 3, 1);
    check_point(LeakyReLU<double>(), -3, -0.03, 0.01);
    check_point(LeakyReLU<double>(0.2), -3, -0.6, 0.2);
    check_point(LeakyReLU<double>(-1), -3, 3, -1);  // |x|
    check_point(LeakyReLU<double>(), 3, 3, 1);
    check_point(PReLU<double>(), -3, -0.75, 0.25);
    check_point(PReLU<double>(1, 0.5), 3, 3, 1);
    check_point(ELU<double>(), -ln2, -0.5, 0.5);
    check_point(ELU<double>(3), -ln2, -1.5, 1.5);
    check_point(ELU<double>(3), 2, 2, 1);
    check_point(Softplus<double>(), 0, ln2, 0.5);
    check_point(Softplus<double>(2), 0, ln2 / 2, 0.5);
    check_point(Softplus<double>(), std::log(3), std::log(4), 0.75);
    check_point(Softplus<double>(2, 1), 0.6, 0.6, 1);  // 2 * 0.6 is beyond the threshold
    check_point(Softplus<double>(2, 1), -std::log(3), std::log(10.0 / 9) / 2, 0.1);
    check_point(Sigmoid<double>(), std::log(3), 0.75, 3.0 / 16);
    check_point(Sigmoid<double>(), -std::log(3), 0.25, 3.0 / 16);
    check_point(Tanh<double>(), ln2, 0.6, 0.64);
    check_point(SiLU<double>(), 0, 0, 0.5);
    check_point(SiLU<double>(), std::log(3), 0.75 * std::log(3), 0.75 + std::log(3) * 3 / 16);
    check_point(GELU<double>(), 0, 0, 0.5);
    // Phi(1) = 0.841344746068542949, phi(1) = 0.241970724519143349
    check_point(GELU<double>(), 1, 0.841344746068542949,
                0.841344746068542949 + 0.24197072451914335);
    check_point(GELU<double>(), -1, -0.158655253931457051,
                0.158655253931457051 - 0.24197072451914335);
    check_point(GELU<double>(GELU<double>::Approximate::tanh), 0, 0, 0.5);
    check_point(Identity<double>(), -7, -7, 1);
}

TEST_CASE("at its kink an activation takes the derivative to the left", "[layers]") {
    check_point(ReLU<double>(), 0, 0, 0);
    check_point(LeakyReLU<double>(), 0, 0, 0.01);
    check_point(PReLU<double>(), 0, 0, 0.25);
    check_point(ELU<double>(3), 0, 0, 3);
}

TEST_CASE("the tanh form of GELU stays within 5e-4 of the exact one", "[layers]") {
    const auto x = Tensor<double>::empty({1001});
    for (Index i = 0; i < 1001; ++i) x(i) = static_cast<double>(i - 500) / 100;
    const auto exact = GELU<double>().forward(x);
    const auto fast = GELU<double>(GELU<double>::Approximate::tanh).forward(x);
    double largest = 0;
    for (Index i = 0; i < 1001; ++i) largest = std::max(largest, std::abs(exact(i) - fast(i)));
    REQUIRE(largest < 5e-4);
    REQUIRE(largest > 1e-4);
}

TEST_CASE("GELU keeps its digits far below zero", "[layers]") {
    // -8 Phi(-8), with Phi(-8) = 6.220960574271785e-16; 1 + erf(-8 / sqrt 2) has none of them.
    const double y = GELU<float>().forward(Tensor<float>::from({1}, {-8})).item();
    REQUIRE(std::abs(y / -4.976768459417428e-15 - 1) < 1e-5);
}

TEST_CASE("PReLU has one slope for each channel", "[layers]") {
    PReLU<double> prelu(3);
    prelu.weight.value.copy_from(Tensor<double>::from({3}, {0.1, 0.2, 0.3}));
    const auto x = Tensor<double>::from({2, 3, 2}, {1, -1, 2, -2, -3, -4, -5, 6, -7, 8, 9, 10});
    const auto y = prelu.forward(x);
    REQUIRE(y.values() ==
            std::vector<double>{1, -0.1, 2, -0.4, -0.3 * 3, -1.2, -0.5, 6, -0.2 * 7, 8, 9, 10});
    const auto dx = prelu.backward(Tensor<double>::full({2, 3, 2}, 1));
    REQUIRE(dx.values() == std::vector<double>{1, 0.1, 1, 0.2, 0.3, 0.3, 0.1, 1, 0.2, 1, 1, 1});
    REQUIRE(prelu.weight.grad.values() == std::vector<double>{-6, -9, -7});
    prelu.backward(Tensor<double>::full({2, 3, 2}, 2));
    REQUIRE(prelu.weight.grad.values() == std::vector<double>{-18, -27, -21});
    REQUIRE(prelu.parameters().size() == 1);
    REQUIRE_THROWS_WITH(prelu.forward(Tensor<double>::zeros({2, 4})),
                        ContainsSubstring("PReLU(3).forward") && ContainsSubstring("(2, 4)") &&
                            ContainsSubstring("(N, 3, ...)"));
    REQUIRE_THROWS_AS(prelu.forward(Tensor<double>::zeros({3})), Error);
    REQUIRE_THROWS_AS(PReLU<double>(0), Error);
}

TEST_CASE("Softmax and LogSoftmax worked by hand", "[layers]") {
    const auto x = Tensor<double>::from({1, 2, 3}, {0, std::log(2), std::log(5), 7, 7, 7});
    const auto dy = Tensor<double>::from({1, 2, 3}, {8, 0, 0, 3, 0, -3});
    Softmax<double> softmax;
    const auto close = [](const Tensor<double>& got, const std::vector<double>& expected) {
        for (Index i = 0; i < got.size(); ++i)
            if (!(std::abs(got.data()[i] - expected[static_cast<std::size_t>(i)]) < 1e-14))
                return false;
        return got.size() == static_cast<Index>(expected.size());
    };
    const double third = 1.0 / 3;
    REQUIRE(close(softmax.forward(x), {0.125, 0.25, 0.625, third, third, third}));
    // dy . y = 1 in the first row, 0 in the second.
    REQUIRE(close(softmax.backward(dy), {0.875, -0.25, -0.625, 1, 0, -1}));
    LogSoftmax<double> log_softmax;
    const double ln8 = std::log(8), ln3 = std::log(3);
    REQUIRE(close(log_softmax.forward(x),
                  {-ln8, std::log(2) - ln8, std::log(5) - ln8, -ln3, -ln3, -ln3}));
    REQUIRE(close(log_softmax.backward(dy), {7, -2, -5, 3, 0, -3}));
    REQUIRE_THROWS_WITH(softmax.forward(Tensor<double>::zeros({})),
                        ContainsSubstring("Softmax().forward") && ContainsSubstring("()"));
    REQUIRE_THROWS_AS(log_softmax.forward(Tensor<double>::zeros({})), Error);
    REQUIRE(softmax.forward(Tensor<double>::zeros({3, 0})).size() == 0);
    REQUIRE(softmax.backward(Tensor<double>::zeros({3, 0})).size() == 0);
    REQUIRE(log_softmax.forward(Tensor<double>::zeros({0, 3})).size() == 0);
}

TEST_CASE("Softmax and LogSoftmax along any axis are those along the last one, transposed",
          "[layers]") {
    const double ln2 = std::log(2), ln3 = std::log(3);
    const auto x = Tensor<double>::from({2, 2}, {0, ln3, ln3, ln3});
    REQUIRE(Softmax<double>(0).forward(x)(0, 0) == Approx(0.25));
    REQUIRE(Softmax<double>(0).forward(x)(1, 0) == Approx(0.75));
    REQUIRE(Softmax<double>(-2).forward(x)(0, 1) == Approx(0.5));
    LogSoftmax<double> columns(0);
    REQUIRE(columns.forward(x)(1, 1) == Approx(-ln2));
    const auto dx = columns.backward(Tensor<double>::from({2, 2}, {4, 1, 0, 1}));
    REQUIRE(dx(0, 0) == Approx(4 - 0.25 * 4));
    REQUIRE(dx(1, 0) == Approx(-0.75 * 4));
    REQUIRE(dx(0, 1) == Approx(0).margin(1e-15));
    REQUIRE(Softmax<double>(1).forward(Tensor<double>::zeros({2, 0, 3})).size() == 0);
    REQUIRE(Softmax<double>(1).describe() == "Softmax(1)");
    REQUIRE_THROWS_WITH(Softmax<double>(2).forward(x), ContainsSubstring("Softmax(2).forward") &&
                                                           ContainsSubstring("(2, 2)") &&
                                                           ContainsSubstring("axis 2"));
    REQUIRE_THROWS_AS(LogSoftmax<double>(-3).forward(x), Error);
}

TEST_CASE("huge inputs give finite activations and gradients", "[layers]") {
    for (const auto& layer : all_layers<float>()) {
        INFO(layer->describe());
        const auto y = layer->forward(Tensor<float>::from({5}, {-1e4F, -100, 0, 100, 1e4F}));
        const auto dx = layer->backward(Tensor<float>::full({5}, 1));
        for (const float v : y.span()) CHECK(std::isfinite(v));
        for (const float v : dx.span()) CHECK(std::isfinite(v));
    }
    const auto y = LogSoftmax<float>().forward(Tensor<float>::from({3}, {-1e4F, 1e4F, 1e4F}));
    REQUIRE(std::abs(y(0) + 2e4F) < 1);
    REQUIRE(std::abs(y(1) + std::log(2.F)) < 1e-7F);  // not lost beside 1e4
}

TEST_CASE("infinite inputs give the limit where there is one", "[layers]") {
    check_point(ReLU<double>(), -inf, 0, 0);
    check_point(ELU<double>(), -inf, -1, 0);
    check_point(Softplus<double>(), -inf, 0, 0);
    check_point(Sigmoid<double>(), -inf, 0, 0);
    check_point(Sigmoid<double>(), inf, 1, 0);
    check_point(Tanh<double>(), -inf, -1, 0);
    check_point(Tanh<double>(), inf, 1, 0);
    for (const auto& layer : elementwise_layers<double>()) {
        INFO(layer->describe());
        const double y = at(*layer, inf).y;
        CHECK((y == inf || y == 1));
    }
    // A score of -inf is a class that cannot be.
    const auto masked = Tensor<double>::from({3}, {-inf, 0, 0});
    REQUIRE(Softmax<double>().forward(masked).values() == std::vector<double>{0, 0.5, 0.5});
    REQUIRE(LogSoftmax<double>().forward(masked)(0) == -inf);
}

TEST_CASE("NaN goes through every activation", "[layers][emulated]") {
    for (const auto& layer : all_layers<double>()) {
        INFO(layer->describe());
        for (const Index where : {0, 1, 2}) {
            const auto x = Tensor<double>::from({3}, {1, -1, 0.5});
            x(where) = not_a_number;
            const auto good = Tensor<double>::from({3}, {1, 1, 0.5});
            const auto dy = Tensor<double>::full({3}, 1);
            dy(where) = not_a_number;
            std::vector<Device> devices{Device::cpu};
            // PReLU's slope is on the CPU.
            if (layer->parameters().empty())
                for (const Device gpu : gpus()) devices.push_back(gpu);
            for (const Device device : devices) {
                INFO(name_of(device) << ", element " << where);
                const auto i = static_cast<std::size_t>(where);
                CHECK(std::isnan(layer->forward(x.to(device)).values()[i]));
                layer->forward(good.to(device));
                CHECK(std::isnan(layer->backward(dy.to(device)).values()[i]));
            }
        }
    }
}

TEST_CASE("every activation keeps the shape, takes empty input and names itself in errors",
          "[layers]") {
    for (const auto& layer : all_layers<float>()) {
        const std::string name = layer->describe();
        INFO(name);
        REQUIRE_THROWS_WITH(layer->backward(Tensor<float>::zeros({1})),
                            ContainsSubstring(name) && ContainsSubstring("before any forward"));
        REQUIRE_THROWS_WITH(layer->forward({}),
                            ContainsSubstring(name) && ContainsSubstring("undefined"));
        for (const Shape& shape : {Shape{0}, Shape{1}, Shape{3, 0, 2}, Shape{2, 3, 4, 5}}) {
            REQUIRE(layer->forward(Tensor<float>::zeros(shape)).shape() == shape);
            REQUIRE(layer->backward(Tensor<float>::zeros(shape)).shape() == shape);
        }
        REQUIRE_THROWS_WITH(layer->backward(Tensor<float>::zeros({2, 3, 4, 4})),
                            ContainsSubstring(name) && ContainsSubstring("(2, 3, 4, 4)") &&
                                ContainsSubstring("(2, 3, 4, 5)"));
        REQUIRE_THROWS_AS(layer->backward({}), Error);
    }
    REQUIRE_THROWS_AS(Softplus<float>(0), Error);
    REQUIRE_THROWS_AS(Softplus<float>(not_a_number), Error);
}

TEST_CASE("activations describe themselves as code, with PyTorch's defaults", "[layers]") {
    std::string all;
    for (const auto& layer : all_layers<float>()) all += layer->describe() + " ";
    REQUIRE(all ==
            "ReLU() LeakyReLU(0.01) ELU(1) Softplus(1, 20) Sigmoid() Tanh() SiLU() GELU() "
            "GELU(tanh) Identity() PReLU(1) Softmax() LogSoftmax() ");
}

TEST_CASE("after the first step no activation allocates", "[layers]") {
    for (const auto& layer : all_layers<float>()) {
        INFO(layer->describe());
        const auto x = Tensor<float>::zeros({4, 10});
        const auto step = [&] { layer->backward(layer->forward(x)); };
        step();
        const std::size_t blocks = system_allocations(), news = operator_new_calls();
        step();
        CHECK(system_allocations() == blocks);
        CHECK(operator_new_calls() == news);
    }
}
