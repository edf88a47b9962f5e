#include "kernels/cpu/parallel.h"

#include <numeric>
#include <vector>

#include "catch.h"

using namespace handgrad;
using namespace handgrad::cpu;

TEST_CASE("parallel runs every thread once, and has seen all of their work when it returns") {
    for (const int threads : {1, 2, 3, 7}) {
        std::vector<int> runs(static_cast<std::size_t>(threads));
        int team_of_first = 0;
        for (int repeat = 0; repeat < 50; ++repeat)
            parallel(threads, [&](int thread, int team) {
                ++runs[static_cast<std::size_t>(thread)];
                if (thread == 0) team_of_first = team;
            });
        CHECK(team_of_first == threads);
        for (const int count : runs) CHECK(count == 50);
    }
}

TEST_CASE("share_of cuts a range into parts that touch, at multiples of the grain") {
    for (const Index total : {0, 1, 15, 16, 17, 97, 1000})
        for (const Index grain : {1, 16})
            for (const int threads : {1, 2, 3, 16}) {
                Index end = 0;
                for (int thread = 0; thread < threads; ++thread) {
                    const Range range = share_of(total, thread, threads, grain);
                    CHECK(range.begin == end);
                    CHECK((range.begin % grain == 0 || range.begin == total));
                    CHECK(range.begin <= range.end);
                    end = range.end;
                }
                CHECK(end == total);
            }
}

TEST_CASE("parallel_ranges covers each element once, whatever the number of threads") {
    const int threads_before = max_threads();
    for (const int threads : {1, 2, 5}) {
        set_max_threads(threads);
        for (const Index n : {0, 1, 16, 17, 1009}) {
            std::vector<int> visits(static_cast<std::size_t>(n));
            const Cost worth_threads{.flops = 1'000'000'000};
            parallel_ranges(n, worth_threads, [&](Index begin, Index end) {
                for (Index i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
            });
            CHECK(std::accumulate(visits.begin(), visits.end(), Index{0}) == n);
            for (const int visit : visits) REQUIRE(visit == 1);
        }
    }
    set_max_threads(threads_before);
}

TEST_CASE("small work stays on one thread") {
    const int threads_before = max_threads();
    set_max_threads(64);
    CHECK(threads_for({}) == 1);
    CHECK(threads_for({.flops = 1000, .bytes = 1000}) == 1);
    CHECK(threads_for({.flops = 1'000'000'000}) == 64);
    set_max_threads(0);
    CHECK(max_threads() == 1);
    CHECK(threads_for({.flops = 1'000'000'000}) == 1);
    set_max_threads(threads_before);
}

TEST_CASE("FlushDenormals reaches the worker threads, and ends with its scope") {
    volatile double smallest_normal = 2.2250738585072014e-308;
    const auto halves = [&] {
        std::vector<double> results(3);
        parallel(3, [&](int thread, int) {
            results[static_cast<std::size_t>(thread)] = smallest_normal / 2;
        });
        return results;
    };
    {
        const FlushDenormals flush;
        CHECK(halves() == std::vector<double>{0, 0, 0});
    }
    for (const double half : halves()) CHECK(half > 0);
}
