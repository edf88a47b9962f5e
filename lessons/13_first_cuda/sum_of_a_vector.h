// Four ways in which the threads of a block add up their numbers, and what happens without a
// barrier.
#pragma once

#include <cmath>
#include <limits>

#include "traffic.h"

namespace handgrad {

inline void sum_a_vector(Lesson& lesson) {
    lesson.section("A sum");
    lesson.say(
        "The sum of all elements needs the threads of a block to meet. Each puts its "
        "element into the block's shared memory; then the sums are halved, step by step, "
        "with a barrier (__syncthreads) between the steps. Four ways to choose who adds "
        "what. The blocks' sums, one for each, are added up on the CPU.");
    const Device device = gpu_of(lesson);
    const Index n = lesson.options().quick ? 5'000 : 50'000, blocks = (n + 255) / 256;
    const auto x = random_tensor({n}, Device::emulated, 4);
    const auto partial = Tensor<float>::empty({blocks}, Device::emulated);
    const auto there = x.to(device);
    const auto sums = Tensor<float>::empty({blocks}, device);
    double exact = 0, magnitude = 0;
    for (const float v : x.values()) exact += double{v}, magnitude += std::abs(double{v});

    struct Way {
        const char* name;
        Halving how;
    };
    std::vector<Row> rows;
    std::vector<double> conflicts;
    double worst = 0;
    for (const auto& [name, how] : {Way{"every 2nd, 4th, 8th ... thread", Halving::interleaved},
                                    {"first threads, 2, 4, 8 ... apart", Halving::strided},
                                    {"the first half, neighbours", Halving::halves},
                                    {"warps, by shuffles", Halving::shuffles}}) {
        const auto traffic = counted([&, how = how] {
            kernels_of(Device::emulated).sum_blocks(how, partial.data(), x.data(), n);
        });
        const auto run = [&, how = how] {
            kernels_of(device).sum_blocks(how, sums.data(), there.data(), n);
        };
        run();
        double sum = 0;
        for (const float s : sums.values()) sum += double{s};
        worst = std::isnan(sum) ? sum : std::max(worst, std::abs(sum - exact));
        conflicts.push_back(static_cast<double>(traffic.shared_wavefronts - traffic.shared_ideal));
        rows.push_back({name, format("%td", traffic.shared_requests),
                        format("%td", traffic.shared_wavefronts), format("%.0f", conflicts.back()),
                        time_of(device, run)});
    }
    timed_table(lesson, {"who adds", "shared requests", "wavefronts", "of them conflicts", "time"},
                rows);
    lesson.say(
        "Shared memory has 32 banks; word i lies in bank i mod 32. Lanes that want "
        "different words of one bank are served one after another, each in a wavefront of "
        "its own. The second way asks for words 2, 4, 8, ... apart, and waits; the third "
        "asks for neighbours. The fourth hardly asks at all.");
    lesson.result("bank_conflicts", conflicts);
    // Each block's float sum errs by at most 255 roundings.
    const double bound = 255 * double{std::numeric_limits<float>::epsilon()} / 2 * magnitude;
    lesson.check("all four give the sum", worst <= bound,
                 format("off by at most %.1e of %.1e allowed", worst, bound));
    if (emulator::sees_accesses())
        lesson.check(
            "only the strided way has bank conflicts",
            conflicts[0] == 0 && conflicts[1] > 0 && conflicts[2] == 0 && conflicts[3] == 0);
}

inline void show_a_mistake(Lesson& lesson) {
    lesson.section("A barrier forgotten");
    lesson.say(
        "The third way without the barrier in its loop. On a GPU it is right or wrong as "
        "the warps happen to run. The emulator reports that two threads touch a word with "
        "nothing between them, whichever came first:");
    const auto x = random_tensor({256}, Device::emulated, 5);
    const auto partial = Tensor<float>::empty({1}, Device::emulated);
    std::string mistake;
    try {
        kernels_of(Device::emulated).sum_without_barrier(partial.data(), x.data(), 256);
    } catch (const emulator::Mistake& found) {
        mistake = found.what();
    }
    if (!emulator::sees_accesses()) return;
    lesson.pre(wrap(mistake, 90));
    lesson.check("the emulator finds the race", mistake.find("race") != std::string::npos);
}

}  // namespace handgrad
