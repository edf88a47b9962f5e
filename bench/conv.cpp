// The speed of a convolution beside the product that it comes to.
//
// With K = in_channels kernel_h kernel_w and P windows in each of n images, each of its three
// kernels is a product of (out_channels, K) and (K, n P), or a transpose of that. %gemm compares
// the medians of its operations a second with those of one plain product of that shape, with which
// it takes turns: what is missing from 100 is what unfolding costs, and small pieces.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/timing.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/parallel.h"

using namespace handgrad;
using namespace handgrad::bench;

namespace {

using T = float;

struct Layer {
    Index n, in, side, out, kernel, stride, padding;
};
const std::vector<Layer> layers = {
    {16, 1, 28, 6, 5, 1, 2},    {16, 6, 14, 16, 5, 1, 0},   {16, 32, 32, 32, 3, 1, 1},
    {8, 64, 28, 64, 3, 1, 1},   {8, 128, 28, 128, 3, 2, 1}, {8, 256, 14, 256, 3, 1, 1},
    {16, 256, 4, 256, 3, 1, 1}, {8, 512, 7, 512, 3, 1, 1},  {8, 256, 14, 64, 1, 1, 0},
};

std::vector<T> values(Index n) {
    std::vector<T> x(static_cast<std::size_t>(n));
    std::uint32_t seed = 1;
    for (T& v : x) {
        seed = seed * 1664525 + 1013904223;
        v = static_cast<T>(seed >> 8) / T{1 << 23} - T{1};
    }
    return x;
}

enum class Pass { forward, backward_input, backward_weight };

void run_benchmark(benchmark::State& state, const Layer& l, Pass pass, int threads) {
    cpu::set_max_threads(threads);
    const Backend<T>& backend = cpu::backend<T>(cpu::chosen_isa());
    const Index side = (l.side + 2 * l.padding - l.kernel) / l.stride + 1;
    const WindowAxis axis = {
        .in = l.side, .out = side, .kernel = l.kernel, .stride = l.stride, .padding = l.padding};
    const Conv2dSizes sizes = {
        .n = l.n, .in_channels = l.in, .out_channels = l.out, .windows = {axis, axis}};
    const Index O = l.out, K = l.in * l.kernel * l.kernel, P = l.n * side * side;
    auto x = values(l.n * l.in * l.side * l.side), y = values(O * P), weight = values(O * K),
         bias = values(O), columns = values(K * P);
    std::vector<double> times, gemm_times;
    const auto conv = [&] {
        if (pass == Pass::forward)
            backend.conv2d_forward(y.data(), x.data(), weight.data(), bias.data(), sizes);
        else if (pass == Pass::backward_input)
            backend.conv2d_backward_input(x.data(), y.data(), weight.data(), sizes);
        else
            backend.conv2d_backward_weight(weight.data(), bias.data(), y.data(), x.data(), sizes);
    };
    const auto gemm = [&] {
        if (pass == Pass::forward)
            backend.gemm(Trans::no, Trans::no, O, P, K, 1, weight.data(), K, columns.data(), P, 0,
                         y.data(), P);
        else if (pass == Pass::backward_input)
            backend.gemm(Trans::yes, Trans::no, K, P, O, 1, weight.data(), K, y.data(), P, 0,
                         columns.data(), P);
        else
            backend.gemm(Trans::no, Trans::yes, O, K, P, 1, y.data(), P, columns.data(), P, 0,
                         weight.data(), K);
    };
    for (auto _ : state) {
        times.push_back(seconds_of(conv));
        gemm_times.push_back(seconds_of(gemm));
        state.SetIterationTime(times.back());
    }
    const double time = median(times), flops = 2 * static_cast<double>(O * K * P);
    state.counters["GFLOP/s"] = flops / time / 1e9;
    state.counters["%gemm"] = 100 * median(gemm_times) / time;
}

}  // namespace

int main(int argc, char** argv) {
    for (const int threads : {1, 2})
        for (const Layer& l : layers)
            for (const auto& [pass, name] : {std::pair{Pass::forward, "forward"},
                                             {Pass::backward_input, "backward_input"},
                                             {Pass::backward_weight, "backward_weight"}}) {
                const auto number = [](Index i) { return std::to_string(i); };
                const std::string title =
                    "conv2d/" + number(l.n) + "x" + number(l.in) + "x" + number(l.side) + "x" +
                    number(l.side) + "->" + number(l.out) + "/k" + number(l.kernel) + "s" +
                    number(l.stride) + "/" + name + "/threads:" + std::to_string(threads);
                benchmark::RegisterBenchmark(title.c_str(), [&l, which = pass,
                                                             threads](benchmark::State& state) {
                    run_benchmark(state, l, which, threads);
                })->UseManualTime();
            }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
}
