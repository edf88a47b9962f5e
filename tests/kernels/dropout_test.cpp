// Dropout on every backend, against a plain Philox4x32-10, which is held against known answers.
#include <array>
#include <cmath>
#include <limits>

#include "catch.h"
#include "kernels/every_backend.h"

using namespace handgrad;

namespace {

using Words = std::array<std::uint32_t, 4>;

/// As the paper writes it: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as
/// easy as 1, 2, 3", 2011.
Words philox(Words counter, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = 0xD2511F53ULL * counter[0], b = 0xCD9E8D57ULL * counter[2];
        counter = {
            static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(b),
            static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(a)};
        key0 += 0x9E3779B9U;
        key1 += 0xBB67AE85U;
    }
    return counter;
}

std::uint32_t low(std::uint64_t x) {
    return static_cast<std::uint32_t>(x);
}
std::uint32_t high(std::uint64_t x) {
    return static_cast<std::uint32_t>(x >> 32);
}

/// Number i of a call.
std::uint32_t number(std::uint64_t seed, Index call, Index i) {
    const auto c = static_cast<std::uint64_t>(call), group = static_cast<std::uint64_t>(i / 4);
    return philox({low(c), high(c), low(group), high(group)}, low(seed),
                  high(seed))[static_cast<std::size_t>(i % 4)];
}

}  // namespace

TEST_CASE("Philox4x32-10 gives Random123's known answers", "[kernels][dropout]") {
    // The file kat_vectors of Random123.
    const auto ones = std::numeric_limits<std::uint32_t>::max();
    CHECK(philox({0, 0, 0, 0}, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox({ones, ones, ones, ones}, ones, ones) ==
          Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0) ==
          Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEMPLATE_TEST_CASE("dropout keeps the numbers that Philox says", "[kernels][dropout]", float,
                   double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes)
            for (const auto& [seed, call] :
                 {std::pair<std::uint64_t, Index>{0, 1}, {0xa4093822299f31d0, 0x123456789a}}) {
                const DropoutDraw draw{.seed = seed, .last_kept = 0xb0000000};
                const auto x = numbers<T>(n, 1);
                std::vector<T> y(x.size()), expected(x.size());
                for (std::size_t i = 0; i < x.size(); ++i) {
                    const std::uint32_t drawn = number(seed, call, static_cast<Index>(i));
                    expected[i] = x[i] * (drawn <= draw.last_kept ? T(1.5) : T(0));
                }
                backend.dropout(y.data(), x.data(), &call, draw, T(1.5), n);
                CHECK(y == expected);
                y = x;
                backend.dropout(y.data(), y.data(), &call, draw, T(1.5), n);
                CHECK(y == expected);
            }
    });
}

TEST_CASE("dropout keeps a number that is just at the border, and lets NaN through",
          "[kernels][dropout]") {
    on_every_backend<double>([](const Backend<double>& backend) {
        constexpr Index n = 70, call = 3, at = 67;
        std::vector<double> x(n, 1), y(n);
        x[5] = std::nan("");
        const std::uint32_t drawn = number(9, call, at);
        for (const std::uint32_t last : {drawn - 1, drawn}) {
            backend.dropout(y.data(), x.data(), &call, {.seed = 9, .last_kept = last}, 2, n);
            CHECK(y[at] == (last == drawn ? 2 : 0));
            CHECK(std::isnan(y[5]));
        }
        Index number = 0x7ffffffff;
        backend.count(&number);
        CHECK(number == 0x800000000);
    });
}
