// Every layer against PyTorch: tests/golden/layers.npz, computed in double. float is held to 1e-5
// relative, double to 1e-12.
#include "golden.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <type_traits>

#include "catch.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/pool2d.h"
#include "layers/prelu.h"
#include "layers/softmax.h"
#include "layers/stochastic_depth.h"

using namespace handgrad;

namespace {

template <class T>
std::vector<std::shared_ptr<Layer<T>>> all_layers() {
    Random random(0);
    return {
        std::make_shared<Linear<T>>(5, 3, random),
        std::make_shared<Linear<T>>(5, 3, random, LinearOptions{.bias = false}),
        std::make_shared<ReLU<T>>(),
        std::make_shared<LeakyReLU<T>>(),
        std::make_shared<LeakyReLU<T>>(0.3),
        std::make_shared<PReLU<T>>(),
        std::make_shared<PReLU<T>>(5),
        std::make_shared<ELU<T>>(),
        std::make_shared<ELU<T>>(0.5),
        std::make_shared<Softplus<T>>(),
        std::make_shared<Softplus<T>>(2, 1),
        std::make_shared<Sigmoid<T>>(),
        std::make_shared<Tanh<T>>(),
        std::make_shared<SiLU<T>>(),
        std::make_shared<GELU<T>>(),
        std::make_shared<GELU<T>>(GELU<T>::Approximate::tanh),
        std::make_shared<Identity<T>>(),
        std::make_shared<Softmax<T>>(),
        std::make_shared<Softmax<T>>(0),
        std::make_shared<Softmax<T>>(1),
        std::make_shared<LogSoftmax<T>>(),
        std::make_shared<LogSoftmax<T>>(-2),
        std::make_shared<BatchNorm1d<T>>(5),
        std::make_shared<BatchNorm1d<T>>(
            5, BatchNormOptions{.eps = 0.01, .momentum = 0.3, .affine = false}),
        std::make_shared<BatchNorm2d<T>>(2),
        std::make_shared<LayerNorm<T>>(Shape{5}),
        std::make_shared<LayerNorm<T>>(Shape{3, 4},
                                       LayerNormOptions{.eps = 0.01, .elementwise_affine = false}),
        std::make_shared<Conv2d<T>>(2, 3, 3, random),
        std::make_shared<Conv2d<T>>(3, 2, 1, random, Conv2dOptions{.bias = false}),
        std::make_shared<Conv2d<T>>(
            2, 4, Pair{3, 2}, random,
            Conv2dOptions{.stride = {1, 2}, .padding = {2, 1}, .dilation = {2, 1}, .groups = 2}),
        std::make_shared<MaxPool2d<T>>(2),
        std::make_shared<MaxPool2d<T>>(3, Pair{2, 1}, 1),
        std::make_shared<AvgPool2d<T>>(Pair{2, 3}),
        std::make_shared<AvgPool2d<T>>(3, 2, 1),
        std::make_shared<AvgPool2d<T>>(3, 2, 1, false),
        std::make_shared<Flatten<T>>(),
        std::make_shared<Flatten<T>>(-2),
        std::make_shared<Flatten<T>>(0, 2),
        std::make_shared<Dropout<T>>(0.25, 7),
        std::make_shared<StochasticDepth<T>>(0.4, StochasticDepth<T>::Mode::row, 7)};
}

/// They start as in a new layer; in evaluation mode, as they are to stay.
template <class T>
void set_buffers(Layer<T>& layer, const nlohmann::json& expected) {
    REQUIRE(layer.buffers().size() == (expected.contains("buffers") ? 2 : 0));
    for (Buffer<T>* buffer : layer.buffers()) {
        if (layer.training())
            buffer->value.fill(buffer->name == "running_var" ? 1 : 0);
        else
            buffer->value.copy_from(golden_tensor<T>(expected["buffers"][buffer->name]));
    }
}

}  // namespace

TEMPLATE_TEST_CASE("every layer gives PyTorch's outputs and gradients", "[layers][golden]", float,
                   double) {
    using T = TestType;
    const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
    std::map<std::string, std::shared_ptr<Layer<T>>> layers;
    for (const auto& layer : all_layers<T>()) layers[layer->describe()] = layer;
    std::set<std::string> seen;
    const nlohmann::json values = golden("layers");
    for (const nlohmann::json& expected : values["cases"]) {
        const std::string name = expected["layer"];
        INFO(name);
        REQUIRE(layers.count(name) == 1);
        seen.insert(name);
        Layer<T>& layer = *layers[name];
        REQUIRE(layer.parameters().size() == expected["parameters"].size());
        for (Parameter<T>* parameter : layer.parameters()) {
            const nlohmann::json& value = expected["parameters"][parameter->name]["value"];
            parameter->value.copy_from(golden_tensor<T>(value));
            parameter->grad.fill(0);
        }
        layer.train(expected.value("training", true));
        set_buffers(layer, expected);
        const Tensor<T> y = layer.forward(golden_tensor<T>(expected["x"]));
        const Tensor<T> dx = layer.backward(golden_tensor<T>(expected["dy"]));
        CHECK(matches_golden(y, expected["y"], tolerance));
        CHECK(matches_golden(dx, expected["dx"], tolerance));
        for (Parameter<T>* parameter : layer.parameters()) {
            INFO(parameter->name);
            const nlohmann::json& grad = expected["parameters"][parameter->name]["grad"];
            CHECK(matches_golden(parameter->grad, grad, tolerance));
        }
        for (const Buffer<T>* buffer : layer.buffers()) {
            INFO(buffer->name);
            CHECK(matches_golden(buffer->value, expected["buffers"][buffer->name], tolerance));
        }
    }
    REQUIRE(seen.size() == layers.size());
}
