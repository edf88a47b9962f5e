#include "core/device_graph.h"

#include <vector>

#include "catch.h"
#include "core/error.h"
#include "core/random.h"
#include "gpus.h"
#include "layers/dropout.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"

using namespace handgrad;

namespace {

constexpr Index batch = 9, features = 6, classes = 4;

struct Data {
    Tensor<double> x;
    Labels y;
};

Data data_of(int step, Device device) {
    Random random(static_cast<std::uint64_t>(step));
    const auto x = Tensor<double>::empty({batch, features});
    random.normal(x, 0, 1);
    std::vector<std::int32_t> y;
    for (int i = 0; i < batch; ++i) y.push_back((i + step) % static_cast<int>(classes));
    return {x.to(device), Labels::from({batch}, y, device)};
}

/// The parameters after some steps, the later ones by replaying a graph if `graphs`. make gives the
/// optimiser.
template <class Make>
std::vector<std::vector<double>> trained(Device device, bool graphs, Make make) {
    Random random(1);
    Sequential<double> model =
        mlp<double>(std::vector<Index>{features, 7, classes}, random, 0.2, device);
    CrossEntropyLoss<double> loss;
    auto optimizer = make(model.parameters());
    const auto x = Tensor<double>::empty({batch, features}, device);
    const Labels y = Labels::zeros({batch}, device);
    const auto step = [&] {
        optimizer.zero_grad();
        loss.forward(model.forward(x), y);
        model.backward_parameters(loss.backward());
        clip_grad_norm(model.parameters(), 0.1);
        optimizer.step();
    };
    const auto feed = [&](int number) {
        const Data data = data_of(number, device);
        x.copy_from(data.x);
        y.copy_from(data.y);
    };
    feed(0);
    step();
    if (graphs) {
        const DeviceGraph graph(device, step);
        for (int number = 1; number < 5; ++number) {
            feed(number);
            graph.replay();
            // Other work between replays takes no memory that the graph uses.
            Tensor<double>::full({batch, 7}, 1e9, device);
            Tensor<double>::full({batch, classes}, 1e9, device);
        }
    } else {
        for (int number = 1; number < 5; ++number) {
            feed(number);
            step();
        }
    }
    CHECK(optimizer.steps() == 5);
    std::vector<std::vector<double>> values;
    for (const auto* parameter : model.parameters()) values.push_back(parameter->value.values());
    return values;
}

/// Does it come to the same, recorded or not?
template <class Make>
bool recorded_as_not(Device device, Make make) {
    const auto expected = trained(device, false, make);
    return trained(device, true, make) == expected;
}

}  // namespace

TEST_CASE("a recorded training step trains as one that is not", "[emulated]") {
    for (const Device device : gpus()) {
        INFO(name_of(device));
        using Parameters = std::vector<Parameter<double>*>;
        CHECK(recorded_as_not(device, [](const Parameters& p) {
            return SGD<double>(p, {.lr = 0.1, .momentum = 0.9, .dampening = 0.5});
        }));
        CHECK(recorded_as_not(device, [](const Parameters& p) {
            return Adam<double>(p, {.lr = 0.1, .amsgrad = true});
        }));
        CHECK(recorded_as_not(device,
                              [](const Parameters& p) { return AdamW<double>(p, {.lr = 0.1}); }));
        CHECK(recorded_as_not(device, [](const Parameters& p) {
            return Adagrad<double>(p, {.lr = 0.1, .lr_decay = 0.5});
        }));
        CHECK(recorded_as_not(device, [](const Parameters& p) {
            return RMSprop<double>(p, {.momentum = 0.5, .centered = true});
        }));
    }
}

TEST_CASE("recording does nothing yet, and replays do", "[emulated]") {
    for (const Device device : gpus()) {
        const auto x = Tensor<float>::zeros({3}, device);
        {
            const DeviceGraph graph(device, [&] {
                CHECK(recording(device));
                CHECK_FALSE(recording(Device::cpu));
                x.fill(5);
            });
            CHECK_FALSE(recording(device));
            CHECK(x.values() == std::vector<float>{0, 0, 0});
            graph.replay();
            CHECK(x.values() == std::vector<float>{5, 5, 5});
            x.fill(0);
            graph.replay();
            graph.replay();
        }
        CHECK(x.values() == std::vector<float>{5, 5, 5});
    }
}

TEST_CASE("what the host has a part in cannot be recorded", "[emulated]") {
    CHECK_THROWS_WITH(DeviceGraph(Device::cpu, [] {}), ContainsSubstring("cuda or emulated"));
    for (const Device device : gpus()) {
        const auto x = Tensor<float>::zeros({3}, device), here = Tensor<float>::zeros({3});
        Dropout<float> dropout(0.5, 1);  // has drawn nothing yet: its counter is not there
        const auto refused = [&](const std::function<void()>& work) {
            CHECK_THROWS_WITH(DeviceGraph(device, work),
                              ContainsSubstring("a graph is being recorded"));
            CHECK_FALSE(recording(device));
        };
        refused([&] { static_cast<void>(x.values()); });
        refused([&] { x.copy_from(here); });
        refused([&] { dropout.forward(x); });
        refused([&] { const DeviceGraph inner(device, [] {}); });
        x.fill(2);  // the device goes on
        CHECK(x.values() == std::vector<float>{2, 2, 2});
    }
}
