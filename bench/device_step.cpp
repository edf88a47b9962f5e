// One step of training 784-128-10 on a GPU, launched kernel by kernel and as a recorded graph.
//
//   bench_device_step cuda 16 1      device, batch, seconds for each
//
// Prints {"eager_us": .., "graph_us": ..}, medians over bursts of 50 steps, after each of which it
// waits for the device. bench/compare_pytorch_gpu.py runs it beside the same step in PyTorch.
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "bench/mlp_sizes.h"
#include "bench/timing.h"
#include "core/device_graph.h"
#include "core/error.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"

using namespace handgrad;
using namespace handgrad::bench;

namespace {

/// Median microseconds of a step. One burst warms up.
double step_us(Device device, double seconds, const std::function<void()>& step) {
    const int steps = device == Device::emulated ? 1 : 50;
    std::vector<double> bursts;
    const auto burst = [&] {
        for (int i = 0; i < steps; ++i) step();
        synchronize(device);
    };
    burst();
    const auto start = Clock::now();
    do {
        bursts.push_back(1e6 * seconds_of(burst) / steps);
    } while (seconds_since(start) < seconds);
    return median(bursts);
}

void measure(Device device, Index batch, double seconds) {
    const std::vector<Index> widths = {784, 128, 10};
    Random random(0);
    Sequential<float> model = mlp<float>(widths, random, 0, device);
    const MlpBatch data(widths, batch, random);
    const Tensor<float> next_x = data.x.to(device), x = next_x.clone();
    const Labels next_y = data.labels.to(device), y = next_y.clone();
    CrossEntropyLoss<float> loss;
    SGD<float> sgd(model.parameters(), 0.005);
    Tensor<float> value;
    const auto step = [&] {
        sgd.zero_grad();
        value = loss.forward(model.forward(x), y);
        model.backward_parameters(loss.backward());
        sgd.step();
    };
    const auto feed = [&] {
        x.copy_from(next_x);
        y.copy_from(next_y);
    };
    step();
    const float first = value.item();
    const double eager = step_us(device, seconds, [&] { feed(), step(); });
    const DeviceGraph graph(device, step);
    const double recorded = step_us(device, seconds, [&] { feed(), graph.replay(); });
    if (!(value.item() < first))
        throw Error("bench_device_step", "a loss that did not fall", "less");
    std::printf("{\"eager_us\": %.3f, \"graph_us\": %.3f}\n", eager, recorded);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("bench_device_step DEVICE BATCH SECONDS\n", stderr);
        return 2;
    }
    try {
        measure(parse_device(argv[1]), std::stol(argv[2]), std::stod(argv[3]));
    } catch (const DeviceError& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
