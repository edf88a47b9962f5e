// Every registered layer and loss on a GPU, beside the CPU.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch.h"
#include "check/registry.h"
#include "core/device_graph.h"
#include "core/random.h"
#include "gpus.h"
#include "layers/dropout.h"
#include "layers/stochastic_depth.h"

using namespace handgrad;

namespace {

using Values = std::vector<double>;

struct Result {
    std::string name;
    Values values;
};

void move_to(Device device, Layer<double>& layer) {
    for (Parameter<double>* parameter : layer.parameters()) {
        parameter->value = parameter->value.to(device);
        parameter->grad = Tensor<double>::zeros(parameter->value.shape(), device);
    }
    for (Buffer<double>* buffer : layer.buffers()) buffer->value = buffer->value.to(device);
}

Tensor<double> gradient_for(const Tensor<double>& y) {
    const auto dy = Tensor<double>::empty(y.shape());
    Random(1).uniform(dy, -1, 1);
    return dy.to(y.device());
}

/// y, dx and the gradients of all parameters, with the layer moved to the device.
std::vector<Result> on_device(const GradientCase& one, Device device) {
    Layer<double>& layer = *one.layer;
    move_to(device, layer);
    const Tensor<double> y = layer.forward(one.x.to(device));
    std::vector<Result> results = {{"y", y.values()},
                                   {"dx", layer.backward(gradient_for(y)).values()}};
    for (const Parameter<double>* parameter : layer.parameters())
        results.push_back({parameter->name, parameter->grad.values()});
    for (const Buffer<double>* buffer : layer.buffers())
        results.push_back({buffer->name, buffer->value.values()});
    return results;
}

double greatest(const Values& values) {
    double most = 0;
    for (const double v : values) most = std::max(most, std::abs(v));
    return most;
}

/// Sums of at most some hundred numbers, in another order: some hundred roundings of 1e-16.
bool close(const Values& got, const Values& expected) {
    const double allowed = 1e-13 * (1 + greatest(expected));
    for (std::size_t i = 0; i < expected.size(); ++i)
        if (!(std::abs(got[i] - expected[i]) <= allowed)) return false;
    return got.size() == expected.size();
}

}  // namespace

TEST_CASE("every layer and loss has the CPU's outputs and gradients on a GPU",
          "[check][emulated]") {
    for (const Device device : gpus()) {
        const auto here = gradient_cases(7), there = gradient_cases(7);
        REQUIRE(here.size() > 100);
        for (std::size_t i = 0; i < here.size(); ++i) {
            INFO(here[i].name << " on " << name_of(device));
            const auto expected = on_device(here[i], Device::cpu),
                       got = on_device(there[i], device);
            REQUIRE(got.size() == expected.size());
            for (std::size_t r = 0; r < got.size(); ++r) {
                INFO(got[r].name);
                CHECK(close(got[r].values, expected[r].values));
            }
            CHECK(greatest(expected[1].values) > 0);
        }
    }
}

namespace {

/// Records forward and backward in a graph, which can hold nothing that the host has a part in: who
/// reads a number back meanwhile is refused. Then replays it. Is the result that of before?
bool recorded_as_not(Layer<double>& layer, const Tensor<double>& x) {
    move_to(x.device(), layer);
    Tensor<double> y = layer.forward(x);
    const Tensor<double> dy = gradient_for(y);
    Tensor<double> dx = layer.backward(dy);
    const Values y_before = y.values(), dx_before = dx.values();
    const DeviceGraph graph(x.device(), [&] {
        y = layer.forward(x);
        dx = layer.backward(dy);
    });
    graph.replay();
    return y.values() == y_before && dx.values() == dx_before;
}

}  // namespace

TEST_CASE("no layer and no loss lets the host wait for a GPU", "[check][emulated]") {
    for (const Device device : gpus()) {
        for (const GradientCase& one : gradient_cases(7)) {
            // These stand for a layer that is made anew at each forward, which is for the host.
            if (one.name.find("in training") != std::string::npos) continue;
            INFO(one.name << " on " << name_of(device));
            CHECK(recorded_as_not(*one.layer, one.x.to(device)));
        }
        const auto x = Tensor<double>::full({6, 5}, 1, device);
        Dropout<double> dropout(0.3, 1);
        StochasticDepth<double> depth(0.3, StochasticDepth<double>::Mode::row, 1);
        CHECK_FALSE(recorded_as_not(dropout, x));  // which draws others each time
        CHECK_FALSE(recorded_as_not(depth, x));
    }
}
