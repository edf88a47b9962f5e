// The speed of the kernels on elements and rows, beside a plain copy of as many bytes.
//
// Each kernel takes turns with std::memcpy: %copy compares the medians of their bytes a second. An
// array counts once where it is read and once where it is written, so that a copy of n bytes counts
// 2n. Sizes are those of all arrays together: 256 KiB is in L2, 8 MiB beyond most, 128 MiB in
// memory, where memcpy may write past the caches and so save a third of the traffic.
//
// Beyond L2, what only adds and multiplies is bound by memory. The functions of math.h are bound by
// arithmetic as long as their arrays are in L3: on Zen 3 a copy takes 4 cycles there for 8 floats
// in and 8 out, while exp has 18 operations, 11 of them on the two ports that multiply, and takes 9
// cycles; sigmoid takes 13, log 12, tanh 16, erf 28, gelu and softplus 31. Their chains of 20 to 40
// dependent operations fill the scheduler, not the ports. In memory, exp is at the copy's speed.
//
// On an Intel Xeon with AVX-512 and 2 MB of L2 these stay below 80 %, in %copy at 8 MiB and at
// 128 MiB on one thread of a virtual machine that others used, too (--benchmark_min_time=0.05,
// medians of three runs):
//   erf 58 87, bce 53 91, softplus 55 86, gelu 62 88, bce_with_logits 65 98: arithmetic, as above
//   logsumexp_x10 40 60, _x128 50 61, _x1000 52 64; softmax_x10 59 85; log_softmax_x10 50 79,
//     _x128 75 97, _x1000 83 77; cross_entropy_x10 51 77, _x128 79 91: exp of each number after
//     its row's maximum; of ten columns also their way into lanes; and reductions count no writes
//   layer_norm_x10 64 84, its backward x10 61 90, channel_moments_7 69 65: each vector becomes two
//     of doubles, by exchanges and conversions
//   batch_norm_backward_28 92 57, _7 56 62: five passes over memory that count as three, where the
//     channels in work do not fit L2
//   avg_pool2d_backward_7 64 67, reduce_sum_x10 91 75, reduce_max_x10 91 77: loads and stores of
//     pieces that straddle cache lines
//   transpose 89 64: each line that it writes is in another page
//   dropout 68 89: ten rounds of Philox
//   fill 100 65: no reads, and each line that it writes is read before
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
