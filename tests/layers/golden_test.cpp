// Every layer against PyTorch: tests/golden/layers.npz, computed in double. float is held to 1e-5
// relative, double to 1e-12.
#include "golden.h"

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
#include "layers/mlp.h"
#include "layers/pool2d.h"
#include "layers/prelu.h"
#include "layers/residual.h"
#include "layers/sequential.h"
#include "layers/softmax.h"
#include "layers/stochastic_depth.h"

using namespace handgrad;

namespace {

template <class T>
std::vector<std::shared_ptr<Layer<T>>> all_layers() {
    Random random(0);
    const std::vector<Index> widths = {5, 4, 5};
    using Depth = StochasticDepth<T>;
    auto branch = std::make_unique<Sequential<T>>(), block = std::make_unique<Sequential<T>>();
    branch->template add<Linear<T>>(5, 4, random);
    branch->template add<Tanh<T>>();
    branch->template add<Linear<T>>(4, 5, random);
    block->template add<Linear<T>>(5, 4, random, LinearOptions{.bias = false});
    block->template add<BatchNorm1d<T>>(4);
    block->template add<ReLU<T>>();
    block->template add<Linear<T>>(4, 5, random);
    block->template add<Depth>(0.4, Depth::Mode::row, 7);
    auto network = std::make_shared<Sequential<T>>();
    network->template add<Residual<T>>(
        std::move(block), std::make_unique<Linear<T>>(5, 5, random, LinearOptions{.bias = false}));
    network->template add<Linear<T>>(5, 2, random);
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
        std::make_shared<BatchNorm1d<T>>(5, BatchNormOptions{.track_running_stats = false}),
        std::make_shared<Dropout<T>>(0.5, 7),
        std::make_shared<Dropout<T>>(0.25, 7),
        std::make_shared<Depth>(0.4, Depth::Mode::row, 7),
        std::make_shared<Depth>(0.1, Depth::Mode::batch, 7),
        std::make_shared<Depth>(0.9, Depth::Mode::batch, 7),
        std::make_shared<Sequential<T>>(mlp<T>(widths, random)),
        std::make_shared<Residual<T>>(std::move(branch)),
        network};
}

/// They start as in a new layer; in evaluation mode, as they are to stay.
template <class T>
void set_buffers(Layer<T>& layer, const nlohmann::json& expected) {
    REQUIRE(layer.buffers().size() == expected["buffers"].size());
    for (Buffer<T>* buffer : layer.buffers()) {
        if (layer.training())
            buffer->value.fill(buffer->name.ends_with("running_var") ? 1 : 0);
        else
            buffer->value.copy_from(golden_tensor<T>(expected["buffers"][buffer->name]));
    }
}

}  // namespace

TEMPLATE_TEST_CASE("every layer gives PyTorch's outputs and gradients", "[layers][golden]", float,
                   double) {
    using T = TestType;
    const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
    std::set<std::string> seen;
    const nlohmann::json values = golden("layers");
    for (const nlohmann::json& expected : values["cases"]) {
        const std::string name = expected["layer"];
        INFO(name);
        std::shared_ptr<Layer<T>> found;
        for (const auto& one : all_layers<T>())  // new ones, as some draw numbers
            if (one->describe() == name) found = one;
        REQUIRE(found);
        seen.insert(name);
        Layer<T>& layer = *found;
        REQUIRE(layer.parameters().size() == expected["parameters"].size());
        for (Parameter<T>* parameter : layer.parameters()) {
            const nlohmann::json& value = expected["parameters"][parameter->name]["value"];
            parameter->value.copy_from(golden_tensor<T>(value));
            parameter->grad.fill(0);
        }
        layer.train(expected["training"]);
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
    REQUIRE(seen.size() == all_layers<T>().size());
}
