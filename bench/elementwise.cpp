// The speed of the kernels on elements and rows, beside a plain copy of as many bytes.
//
// Each kernel takes turns with std::memcpy: %copy compares the medians of their bytes a second. An
// array counts once where it is read and once where it is written, so that a copy of n bytes counts
// 2n. Sizes are those of all arrays together: 256 KiB is in L2, 8 MiB beyond most, 128 MiB in
// memory, where results go past the caches and so save a third of the traffic; memcpy does that
// too, but on a virtual machine only for still larger arrays.
//
// Beyond L2, what only adds and multiplies is bound by memory. The functions of math.h are bound by
// arithmetic as long as their arrays are in L3: a Zen 5 with 1 MB of L2 copies 8 MiB at 115 GB/s,
// where exp makes 80. It copies 128 MiB at 40; there most are at the copy's speed.
//
// On that Zen 5 these stay below 80 %, in %copy at 8 MiB and at 128 MiB on one thread
// (--benchmark_min_time=0.03, medians of three runs):
//   exp 68 120, log 42 125, erf 19 56, elu 47 127, sigmoid 47 126, tanh 36 102, silu 45 123, gelu
//     24 64, gelu_backward 31 89, gelu_tanh 31 88, softplus 19 53, bce 21 60, bce_with_logits 24
//     75, and their like: arithmetic, as above. The longer ones are chains of operations that wait
//     for each other for longer than the processor looks ahead
//   logsumexp_x10 14 39, _x128 14 43, _x1000 21 49; softmax_x10 18 48, _x128 33 81, _x1000 39 91;
//     log_softmax_x10 16 40, _x128 26 67, _x1000 36 82; cross_entropy_x10 17 40, _x128 25 64,
//     _x1000 36 80, and their backwards of ten columns: exp of each number after its row's maximum;
//     of ten columns also their way into lanes; and reductions count no writes
//   sum_rows_x1000 77 95, reduce_sum_x10 38 72, reduce_max_x10 38 71, _x128 65 91: memory
//     gives what is only read no faster than what is copied
//   layer_norm_x10 20 47, _x128 27 71, _x1000 39 103, its backward x10 22 38, _x128 41 106, _x1000
//     42 78, channel_moments_7 25 76, _28 57 91: each vector becomes two of doubles, by exchanges
//     and conversions
//   batch_norm_7 76 96, its backward 34 62, _28 45 46, prelu_7 57 106, its backward 64 101: five
//     passes over memory that count as three, where the channels in work do not fit L2; rows of
//     seven
//   max_pool2d_7 25 71, _28 33 76, avg_pool2d_7 28 65, _28 51 85, its backward 20 54 and 57 87;
//     gather_rows_x10 38 98, gather_walk_x10 38 99, scale_rows_x10 54 114, add_at_walk_x10 43 114:
//     loads and stores of pieces that straddle cache lines, or lie apart
//   transpose 68 65: its lines lie a row apart
//   dropout 27 75: ten rounds of Philox
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
