// The speed of the kernels on elements and rows, beside a plain copy of as many bytes.
//
// Each kernel takes turns with std::memcpy: %copy compares the medians of their bytes a second. An
// array counts once where it is read and once where it is written, so that a copy of n bytes counts
// 2n. Sizes are those of all arrays together: 256 KiB is in L2, 8 MiB beyond most, 128 MiB in
// memory, where results go past the caches and so save a third of the traffic; memcpy does that
// too, but on a virtual machine only for still larger arrays.
//
// Beyond L2, what only adds and multiplies is bound by memory. The functions of math.h are bound by
// arithmetic as long as their arrays are in L3: at 256 KiB, on an Intel Xeon with AVX-512 that
// others used, an element of exp takes 0.23 ns, sigmoid 0.38, tanh 0.58, gelu 0.87, softplus 0.91
// and erf 0.92, where relu takes 0.29 at 8 MiB. In memory most are at the copy's speed.
//
// On that Xeon with 2 MB of L2 these stay below 80 %, in %copy at 8 MiB and at 128 MiB on one
// thread of a virtual machine that others used heavily, which slows arithmetic more than the copy
// (--benchmark_min_time=0.03, medians of three runs):
//   log 58 138, erf 31 88, tanh 67 132, silu 64 140, softplus 41 91, gelu 32 98, gelu_backward 44
//     127, gelu_tanh 50 136, bce 32 88, bce_with_logits 53 105, and their like: arithmetic, as
//     above
//   logsumexp_x10 23 62, _x128 42 71, _x1000 34 66; softmax_x10 50 77, _x128 70 114, _x1000 63 107;
//     log_softmax_x10 33 69, _x128 48 108, _x1000 55 108; cross_entropy_x10 41 66, _x128 51 113,
//     _x1000 60 103: exp of each number after its row's maximum; of ten columns also their way into
//     lanes; and reductions count no writes
//   layer_norm_x10 45 77, _x128 68 124, _x1000 74 124, its backward x10 45 63, _x128 64 117, _x1000
//     58 100, channel_moments_7 42 90: each vector becomes two of doubles, by exchanges and
//     conversions
//   batch_norm_backward_28 71 66, _7 48 62: five passes over memory that count as three, where the
//     channels in work do not fit L2
//   max_pool2d_7 53 97, avg_pool2d_7 51 94, its backward 41 76, gather_rows_x10 57 81: loads and
//     stores of pieces that straddle cache lines
//   dropout 39 97: ten rounds of Philox
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
