#include "kernels/cpu/parallel.h"

#include <atomic>
#include <limits>
#include <vector>

#include "catch.h"
#include "core/device.h"

using namespace handgrad;

TEST_CASE("small work stays on one thread, large work gets all", "[parallel]") {
    const cpu::Threads two(2);
    REQUIRE(cpu::threads_for({}) == 1);
    REQUIRE(cpu::threads_for({.flops = 1000, .bytes = 1000}) == 1);
    REQUIRE(cpu::threads_for({.flops = 1'000'000'000, .bytes = 0}) == 2);
    REQUIRE(cpu::threads_for({.flops = 0, .bytes = 100'000'000}) == 2);
    const cpu::Threads one(0);  // at least one
    REQUIRE(cpu::threads_for({.flops = 1'000'000'000, .bytes = 0}) == 1);
}

TEST_CASE("ranges cover everything once, at multiples of the grain", "[parallel]") {
    for (const Index total : {0, 1, 15, 16, 17, 31, 100, 1009})
        for (const int threads : {1, 2, 3, 7})
            for (const Index grain : {1, 16, 64}) {
                Index next = 0;
                for (int t = 0; t < threads; ++t) {
                    const cpu::Range range = cpu::share_of(total, t, threads, grain);
                    REQUIRE(range.begin == next);
                    REQUIRE(range.end >= range.begin);
                    REQUIRE((range.end % grain == 0 || range.end == total));
                    next = range.end;
                }
                REQUIRE(next == total);
            }
}

TEST_CASE("every thread of a region runs once", "[parallel]") {
    std::atomic<int> calls = 0, threads_seen = 0;
    cpu::parallel(3, [&](int thread, int threads) {
        calls += 1 << (8 * thread);
        threads_seen = threads;
    });
    REQUIRE(calls == 0x010101);
    REQUIRE(threads_seen == 3);
}

TEST_CASE("work within a region stays on its thread", "[parallel]") {
    const cpu::Threads two(2);
    const cpu::Cost large{.flops = 1'000'000'000, .bytes = 0};
    std::atomic<int> within = 0;
    cpu::parallel(2, [&](int, int) { within += cpu::threads_for(large); });
    REQUIRE(within == 2);
    REQUIRE(cpu::threads_for(large) == 2);
}

#if defined(__x86_64__) || defined(__aarch64__)
TEST_CASE("denormals are flushed in every thread, and only while asked for", "[parallel]") {
    const cpu::Threads two(2);
    constexpr Index n = 1 << 20;
    std::vector<float> w(n), dw(n, 1.0F);
    constexpr float tiny = std::numeric_limits<float>::min() / 8;
    const auto step = [&] {
        for (float& v : w) v = 3 * tiny;
        const ParameterArrays<float> all{.w = w.data(), .dw = dw.data(), .n = n};
        const Index first = 1;
        backend<float>(Device::cpu).sgd_step(&all, 1, &first, {.lr = tiny});  // 2 tiny: a denormal
        return std::pair(w.front(), w.back());  // the two halves belong to two threads
    };
    REQUIRE(step() == std::pair(2 * tiny, 2 * tiny));
    {
        const cpu::FlushDenormals flush;
        REQUIRE(step() == std::pair(0.0F, 0.0F));
    }
    REQUIRE(step() == std::pair(2 * tiny, 2 * tiny));
}
#endif
