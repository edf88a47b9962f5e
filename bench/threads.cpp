// No kernel, at no size, may be slower where it may use threads than on one.
//
//   make bench-threads                            all; ends with 1 where one is slower
//   make bench-threads ARGS="sum_rows softmax"    those whose name holds one of these words
//
// Kernels take turns on one thread and on as many as OpenMP gives; a gain is the median of the
// turns' ratios. Sizes are doubled from where no kernel has threads to where all have. What lies
// below the bound is measured again, several times, before it counts: a neighbour on the machine
// slows two threads more than one. Where other cores are busy, kernels stay on one thread, and none
// is slower; so a run counts only where many are faster, too.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bench/timing.h"
#include "kernel_list.h"
#include "kernels/cpu/parallel.h"

using namespace handgrad;
using namespace handgrad::bench;

namespace {

constexpr double bound = 0.97;

struct Work {
    std::string name, size;
    std::function<void()> run;
};

/// How many times faster `run` is with all threads, in turns that take `seconds` together.
double gain_of(const std::function<void()>& run, double seconds) {
    const int all = cpu::max_threads();
    int times = 1;
    const auto turn = [&](int threads) {
        const cpu::Threads set(threads);
        run();  // wakes the workers, fills the caches
        return seconds_of([&] {
            for (int t = 0; t < times; ++t) run();
        });
    };
    constexpr double long_enough = 50e-6;
    while (turn(1) < long_enough) times *= 2;
    std::vector<double> ratios;
    for (const auto start = Clock::now(); ratios.size() < 7 || seconds_since(start) < seconds;) {
        const bool one_first = ratios.size() % 2 == 0;
        const double first = turn(one_first ? 1 : all), second = turn(one_first ? all : 1);
        ratios.push_back(one_first ? first / second : second / first);
    }
    return median(ratios);
}

std::vector<Work> all_work(const Backend<T>& backend) {
    std::vector<Work> all;
    static std::vector<std::pair<Index, Arrays>> sizes;
    for (Index kib = 4; kib <= 16 << 10; kib *= 2) sizes.emplace_back(kib, kib << 10);
    for (const Kernel& kernel : kernels())
        for (auto& [kib, arrays] : sizes) {
            const double bytes = static_cast<double>(kib << 10);
            const auto n = static_cast<Index>(bytes / (kernel.touches * sizeof(T)));
            all.push_back({kernel.name, std::to_string(kib) + " KiB",
                           [&backend, &x = arrays, run = kernel.run, n] { run(backend, x, n); }});
        }

    Arrays& largest = sizes.back().second;
    const auto product = [&](const char* name, Trans ta, Trans tb, Index M, Index N, Index K) {
        all.push_back({name, std::to_string(M) + "x" + std::to_string(K) + "x" + std::to_string(N),
                       [=, &backend, &x = largest] {
                           backend.gemm(ta, tb, M, N, K, T{1}, x.a, ta == Trans::yes ? M : K, x.b,
                                        tb == Trans::yes ? K : N, T{0}, x.c, N);
                       }});
    };
    constexpr auto no = Trans::no, yes = Trans::yes;
    for (Index n = 8; n <= 512; n += n / 4)
        for (const auto& [name, ta, tb] :
             {std::tuple{"square_NN", no, no}, {"square_NT", no, yes}, {"square_TN", yes, no}})
            product(name, ta, tb, n, n, n);
    for (const auto& [in, out] :
         {std::pair<Index, Index>{784, 128}, {100, 100}, {100, 10}, {4096, 10}, {10, 1}})
        for (Index batch = 1; batch <= 256; batch *= 2) {
            product("forward", no, yes, batch, out, in);
            product("weight_gradient", yes, no, out, in, batch);
            product("input_gradient", no, no, batch, in, out);
        }
    for (Index images = 1; images <= 64; images *= 2) {
        constexpr WindowAxis axis = {.in = 14, .out = 14, .kernel = 3, .padding = 1};
        const Conv2dSizes s = {
            .n = images, .in_channels = 8, .out_channels = 8, .windows = {axis, axis}};
        const auto add = [&](const char* name, auto run) {
            all.push_back({name, std::to_string(images) + " images", run});
        };
        add("conv2d",
            [=, &backend, &x = largest] { backend.conv2d_forward(x.a, x.b, x.c, x.d, s); });
        add("conv2d_backward_input",
            [=, &backend, &x = largest] { backend.conv2d_backward_input(x.a, x.b, x.c, s); });
        add("conv2d_backward_weight", [=, &backend, &x = largest] {
            backend.conv2d_backward_weight(x.sums, x.sums + 1000, x.a, x.b, s);
        });
    }
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> wanted(argv + 1, argv + argc);
    const Backend<T>& backend = cpu::backend<T>(cpu::chosen_isa());
    std::printf("gain of %d threads, kernels for %s\n", cpu::max_threads(),
                cpu::name_of(cpu::chosen_isa()).data());
    int slower = 0, faster = 0, measured = 0;
    for (const Work& work : all_work(backend)) {
        const auto in_name = [&](const std::string& word) {
            return work.name.find(word) != std::string::npos;
        };
        if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), in_name)) continue;
        double gain = gain_of(work.run, 0.01);
        for (int again = 0; again < 6 && !(gain >= bound); ++again)
            gain = std::max(gain, gain_of(work.run, 0.05));
        const bool is_slower = !(gain >= bound);
        std::printf("%-26s %-16s %5.2f%s\n", work.name.c_str(), work.size.c_str(), gain,
                    is_slower ? "  slower" : "");
        std::fflush(stdout);
        slower += is_slower;
        faster += gain >= 1.5;
        ++measured;
    }
    std::printf("%d of %d are slower, %d at least 1.5 times as fast\n", slower, measured, faster);
    if (faster > 0 && 10 * faster >= measured) return slower == 0 && measured > 0 ? 0 : 1;
    std::printf("Too few for an idle machine: measure again.\n");
    return 1;
}
