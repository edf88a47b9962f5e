// The speed of the kernels on elements and rows, beside a plain copy of as many bytes.
//
// Each kernel takes turns with std::memcpy: %copy compares the medians of their bytes a second. An
// array counts once where it is read and once where it is written, so that a copy of n bytes counts
// 2n. Sizes are those of all arrays together: 256 KiB is in L2, 8 MiB beyond most, 128 MiB in
// memory, where results go past the caches and so save a third of the traffic; memcpy does that
// too, but on a virtual machine only for still larger arrays.
//
// Beyond L2, what only adds and multiplies is bound by memory. The functions of math.h are bound by
// arithmetic as long as their arrays are in L3: a Zen 4 with 1 MB of L2 copies 8 MiB at 72 GB/s,
// where exp makes 45. It copies 128 MiB at 26; there most are at the copy's speed.
//
// On that Zen 4 these stay below 80 %, in %copy at 8 MiB and at 128 MiB on one thread
// (--benchmark_min_time=0.03, medians of three runs):
//   exp 69 163, log 44 102, sqrt 64 138, erf 21 45, sigmoid 43 114, silu 40 109, gelu
//     20 49, gelu_backward 26 71, gelu_tanh 30 82, softplus 20 47, bce 22 51, bce_with_logits 25
//     67, and their like: arithmetic, as above
//   logsumexp_x10 16 37, _x128 22 45, _x1000 26 59; softmax_x10 25 51, _x128 37 79, _x1000 46 90;
//     log_softmax_x10 20 42, _x128 29 64, _x1000 44 84; cross_entropy_x10 21 38, _x128 29 64,
//     _x1000 42 82, and their backwards of ten columns: exp of each number after its row's maximum;
//     of ten columns also their way into lanes; and reductions count no writes
//   sum_rows 71-78 93-106, reduce_sum_x10 43 71, reduce_max_x10 42 64, sum_squares 74 105: memory
//     gives what is only read no faster than what is copied
//   layer_norm_x10 27 49, _x128 32 72, _x1000 47 85, its backward x10 28 36, _x128 34 76, _x1000 37
//     61, channel_moments_7 27 51, _28 44 104: each vector becomes two of doubles, by exchanges and
//     conversions
//   batch_norm_7 70 114, its backward 32 53, _28 55 48, prelu_7 62 118: five passes over memory
//     that count as three, where the channels in work do not fit L2; rows of 7 x 7
//   max_pool2d_7 31 51, _28 47 90, avg_pool2d_7 34 52, _28 54 96, its backward 26 43 and 66 99;
//     gather_rows_x10 46 89, _x128 91 68, gather_walk_x10 50 93, _x128 91 63, scale_rows_x10 49
//     118, add_at_walk_x10 50 135: loads and stores of pieces that straddle cache lines, or lie
//     apart
//   transpose 49 35: its lines lie a row apart
//   dropout 29 61: ten rounds of Philox
#include <benchmark/benchmark.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/timing.h"
#include "kernel_list.h"
#include "kernels/cpu/parallel.h"

using namespace handgrad;
using namespace handgrad::bench;

namespace {

void run_benchmark(benchmark::State& state, const Kernel& kernel, Index bytes, int threads) {
    static std::map<Index, std::unique_ptr<Arrays>> known;
    std::unique_ptr<Arrays>& arrays = known[bytes];
    if (!arrays) arrays = std::make_unique<Arrays>(bytes);
    cpu::set_max_threads(threads);
    const Backend<T>& backend = cpu::backend<T>(cpu::chosen_isa());
    const Index n = static_cast<Index>(static_cast<double>(bytes) / (kernel.touches * sizeof(T)));
    std::vector<double> kernel_times, copy_times;
    for (auto _ : state) {
        kernel_times.push_back(seconds_of([&] { kernel.run(backend, *arrays, n); }));
        copy_times.push_back(seconds_of([&] {
            cpu::parallel_ranges(
                bytes / 2, {.flops = 0, .bytes = bytes},
                [&](Index begin, Index end) {
                    std::memcpy(arrays->to.get() + begin, arrays->from.get() + begin,
                                static_cast<std::size_t>(end - begin));
                },
                64);
            benchmark::ClobberMemory();
        }));
        state.SetIterationTime(kernel_times.back());
    }
    const double time = median(kernel_times), copy_time = median(copy_times);
    state.counters["GB/s"] = static_cast<double>(bytes) / time / 1e9;
    state.counters["%copy"] = 100 * copy_time / time;
    state.counters["ns/element"] = 1e9 * time / static_cast<double>(n);
}

}  // namespace

int main(int argc, char** argv) {
    for (const auto& size : {std::pair<Index, const char*>{256 << 10, "256KiB"},
                             {8 << 20, "8MiB"},
                             {128 << 20, "128MiB"}})
        for (const int threads : {1, 2})
            for (const Kernel& kernel : kernels()) {
                const std::string title =
                    kernel.name + "/" + size.second + "/threads:" + std::to_string(threads);
                benchmark::RegisterBenchmark(title.c_str(), [=](benchmark::State& state) {
                    run_benchmark(state, kernel, size.first, threads);
                })->UseManualTime();
            }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
}
