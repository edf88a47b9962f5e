// Rungs 9 and 10 and their tiles: on plain C++ everywhere, and on AMX where there is one.
#include "kernels/cpu/precision.h"
#include "kernels/cpu/share_always.h"
#include "kernels/gemm_cases.h"

// The tiles in plain C++, compiled for these tests alone.
#define HANDGRAD_ISA tiles_under_test
#include "kernels/cpu/tiles.h"

using namespace handgrad;

namespace {

using cpu::tiles_under_test::Tiles;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float no_number = std::numeric_limits<float>::quiet_NaN();
constexpr float largest = std::numeric_limits<float>::max();
constexpr int tile_rungs[] = {ladder::bf16_rung, ladder::bf16x3_rung};

std::vector<cpu::Isa> isas_with_tiles() {
    std::vector<cpu::Isa> isas;
    for (const auto isa : supported_isas())
        if (ladder::has_tiles(isa)) isas.push_back(isa);
    return isas;
}

std::string name_of(int number, cpu::Isa isa, const Case& c) {
    return "rung " + std::to_string(number) + " " + std::string(cpu::name_of(isa)) + " " + c.name();
}

std::uint16_t upper_half(float x) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x, 4);
    return static_cast<std::uint16_t>(bits >> 16);
}

/// A tile in memory, as Intel's manual counts it: 16 rows of 32 bf16, or of 16 floats.
struct TileInMemory {
    std::uint16_t bf16[16][32] = {};
};
struct SumsInMemory {
    float at[16][16] = {};
};

/// C + A B for one tile of each.
SumsInMemory multiplied(const TileInMemory& a, const TileInMemory& b, const SumsInMemory& c) {
    Tiles tiles;
    tiles.load<1>(a.bf16, 64);
    tiles.load<2>(b.bf16, 64);
    tiles.load<0>(c.at, 64);
    tiles.multiply_add<0, 1, 2>();
    SumsInMemory result;
    tiles.store<0>(result.at, 64);
    return result;
}

/// One row of A times one column of B, with a(k) b(k) for k = 0, 1, ... and C at c.
float dot(const std::vector<std::pair<float, float>>& terms, float c) {
    TileInMemory a, b;
    SumsInMemory sums;
    sums.at[3][5] = c;
    for (std::size_t k = 0; k < terms.size(); ++k) {
        a.bf16[3][k] = upper_half(terms[k].first);
        b.bf16[k / 2][10 + k % 2] = upper_half(terms[k].second);
    }
    return multiplied(a, b, sums).at[3][5];
}

/// Sizes around tiles of 16, panels of 32, and blocks: KC is 1024 or 512, NC 512 or 256, and A is
/// packed by 256 rows where there is one block of columns, by MC = 4096 where there are more.
std::vector<Case> edge_cases() {
    std::vector<Case> shapes;
    for (const Index m : {1, 15, 16, 17, 31, 32, 33, 65})
        for (const Index n : {1, 16, 31, 32, 33, 47}) shapes.push_back({.M = m, .N = n, .K = 7});
    for (const Index k : {1, 2, 3, 31, 32, 33, 63, 65, 511, 512, 513, 1023, 1024, 1025})
        shapes.push_back({.M = 33, .N = 18, .K = k});
    for (const Index m : {255, 256, 257, 513}) shapes.push_back({.M = m, .N = 20, .K = 30});
    for (const Index n : {255, 256, 257, 511, 512, 513, 1025})
        shapes.push_back({.M = 20, .N = n, .K = 30});

    std::vector<Case> cases;
    for (Case c : shapes)
        for (const Trans trans_a : both)
            for (const Trans trans_b : both) {
                c.trans_a = trans_a;
                c.trans_b = trans_b;
                c.gap = (c.M + c.N) % 3;
                c.beta = c.K % 2 == 0 ? 0 : 1;
                cases.push_back(c);
            }
    for (const Trans trans : both)
        cases.push_back({trans, trans, 70, 518, 1030, 1, 0, 0});  // blocks beside blocks
    cases.push_back({no, no, 4100, 520, 3, 1, 0, 0});
    cases.push_back({no, no, 260, 20, 1030, 1, 0, 0});
    return cases;
}

void require_exact(const Case& c) {
    const Operands<float> operands(c, WholeNumbers{});
    const std::vector<float> wanted = operands.naive<float>(c);
    for (const int number : tile_rungs)
        for (const auto isa : isas_with_tiles())
            require_same(operands.product(ladder::rung<float>(number, isa), c), wanted,
                         name_of(number, isa, c));
}

/// Sums of squares of the errors against the definition in double.
double squared_error(const Operands<float>& operands, const Case& c, ladder::Gemm<float> gemm) {
    const std::vector<float> got = operands.product(gemm, c);
    std::vector<double> a(operands.A.data.begin(), operands.A.data.end());
    std::vector<double> b(operands.B.data.begin(), operands.B.data.end());
    std::vector<double> exact(got.size());
    ladder::gemm_naive<double>(c.trans_a, c.trans_b, c.M, c.N, c.K, 1, a.data(), operands.A.ld,
                               b.data(), operands.B.ld, 0, exact.data(), operands.C.ld);
    double sum = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double error = double{got[i]} - exact[i];
        sum += error * error;
    }
    return sum;
}

}  // namespace

TEST_CASE("a tile lies in memory as Intel's manual says", "[gemm]") {
    // a(m, k) is bf16 k of row m; b(k, n) is bf16 2n + k % 2 of row k / 2; c(m, n) is float n of
    // row m. Each number stands in one place alone, so that any exchange shows.
    TileInMemory a, b;
    SumsInMemory c;
    double wanted[16][16] = {};
    std::mt19937 engine(1);
    const auto small = [&] { return static_cast<float>(static_cast<int>(engine() % 255) - 127); };
    std::vector<std::vector<float>> A(16, std::vector<float>(32)), B(32, std::vector<float>(16));
    for (std::size_t m = 0; m < 16; ++m)
        for (std::size_t k = 0; k < 32; ++k) a.bf16[m][k] = upper_half(A[m][k] = small());
    for (std::size_t k = 0; k < 32; ++k)
        for (std::size_t n = 0; n < 16; ++n)
            b.bf16[k / 2][2 * n + k % 2] = upper_half(B[k][n] = small());
    for (std::size_t m = 0; m < 16; ++m)
        for (std::size_t n = 0; n < 16; ++n) {
            c.at[m][n] = small();
            wanted[m][n] = double{c.at[m][n]};
            for (std::size_t k = 0; k < 32; ++k) wanted[m][n] += double{A[m][k]} * double{B[k][n]};
        }
    const SumsInMemory got = multiplied(a, b, c);
    for (std::size_t m = 0; m < 16; ++m)
        for (std::size_t n = 0; n < 16; ++n) REQUIRE(double{got.at[m][n]} == wanted[m][n]);
}

TEST_CASE("a tile adds in the instruction's order, and flushes what is subnormal", "[gemm]") {
    constexpr float big = 0x1p24F;  // big + 1 rounds to big, big + 2 does not
    // Even and odd k meet before they are added to C.
    CHECK(dot({{1, 1}, {1, 1}}, big) == big + 2);
    CHECK(dot({{1, 1}, {0, 0}, {1, 1}}, big) == big + 2);
    // Each half is summed in order: the ones are lost one by one.
    CHECK(dot({{big, 1}, {0, 0}, {1, 1}, {0, 0}, {1, 1}}, 0) == big);
    CHECK(dot({{1, 1}, {0, 0}, {1, 1}, {0, 0}, {big, 1}}, 0) == big + 2);
    // The halves are rounded apart: 1 + 1 is not lost in the even half's big.
    CHECK(dot({{big, 1}, {1, 1}, {0, 0}, {1, 1}}, 0) == big + 2);
    // A product is not rounded before it is added, not even where it is subnormal by itself.
    CHECK(dot({{0x1p-100F, 0x1p-27F}, {0, 0}, {0x1p-100F, 0x1p-26F}}, 0) == 0x1p-126F);
    CHECK(dot({{0x1p-100F, 0x1p-26F}, {0, 0}, {-0x1p-100F, 0x1p-27F}}, 0x1p-126F) == 0x1p-126F);
    CHECK(dot({{0x1p-100F, 0x1p-26F}, {0, 0}, {0x1p-100F, 0x1p-30F}}, 0) == 0x1p-126F + 0x1p-130F);
    // Operands, C and sums that are subnormal are zero.
    CHECK(dot({{0x1p-127F, 0x1p100F}}, 0) == 0);
    CHECK(dot({{0, 0}}, 0x1p-127F) == 0);
    CHECK(dot({{0x1p-100F, 0x1p-27F}}, 0) == 0);
    CHECK(std::isnan(dot({{infinity, 0}}, 0)));
    CHECK(dot({{infinity, 2}}, 1) == infinity);
}

TEST_CASE("rungs 9 and 10 are exact on whole numbers for small sizes", "[gemm]") {
    std::mt19937 engine(3);
    const auto size = [&] { return static_cast<Index>(engine() % 71); };
    const double alphas[] = {1, 1, -2, 0.5};
    const double betas[] = {0, 1, -3};
    for (const Trans trans_a : both)
        for (const Trans trans_b : both)
            for (int sample = 0; sample < 60; ++sample)
                require_exact({trans_a, trans_b, size(), size(), size(), alphas[engine() % 4],
                               betas[engine() % 3], static_cast<Index>(engine() % 4)});
}

TEST_CASE("rungs 9 and 10 are exact around the sizes of tiles and blocks", "[gemm]") {
    for (const Case& c : edge_cases()) require_exact(c);
}

TEST_CASE("rungs 9 and 10 stay within their bounds", "[gemm]") {
    struct Size {
        Index M, N, K;
    };
    for (const auto [M, N, K] :
         {Size{40, 50, 1}, {33, 34, 31}, {64, 100, 784}, {16, 10, 2000}, {130, 131, 300}})
        for (const Trans trans_a : both)
            for (const Trans trans_b : both) {
                const Case c{trans_a, trans_b, M, N, K, 1, 0, 1};
                const Operands<float> operands(c, Reals{});
                Operands<float> sizes = operands;
                for (auto* matrix : {&sizes.A, &sizes.B})
                    for (float& x : matrix->data) x = std::fabs(x);
                const std::vector<float> wanted = operands.naive<double>(c);
                const std::vector<float> magnitude = sizes.naive<double>(c);
                for (const int number : tile_rungs)
                    for (const auto isa : isas_with_tiles()) {
                        const std::vector<float> got =
                            operands.product(ladder::rung<float>(number, isa), c);
                        double worst = 0;
                        for (Index m = 0; m < M; ++m)
                            for (Index n = 0; n < N; ++n) {
                                const auto i = static_cast<std::size_t>(m * operands.C.ld + n);
                                // One u more, for what is compared with is rounded as well.
                                const double allowed = (ladder::error_bound(number, K) + 0x1p-24) *
                                                       double{magnitude[i]};
                                worst = larger(
                                    worst, std::fabs(double{got[i]} - double{wanted[i]}) / allowed);
                            }
                        INFO(name_of(number, isa, c));
                        CHECK(worst <= 1);
                        // bf16 must have rounded, and by no less than it must.
                        CHECK(worst > (number == ladder::bf16_rung ? 0.01 : 0));
                    }
            }
}

TEST_CASE("rung 9 rounds to the nearest bf16, ties to even", "[gemm]") {
    const std::pair<float, float> rounded[] = {{1, 1},
                                               {1 + 0x1p-8F, 1},
                                               {-1 - 0x1p-8F, -1},
                                               {1 + 0x1p-8F + 0x1p-23F, 1 + 0x1p-7F},
                                               {1 + 3 * 0x1p-8F, 1 + 0x1p-6F},
                                               {1 + 3 * 0x1p-8F - 0x1p-23F, 1 + 0x1p-7F},
                                               {2 - 0x1p-23F, 2},
                                               {0x1.fep127F, 0x1.fep127F}};
    for (const auto isa : isas_with_tiles())
        for (const auto& [x, wanted] : rounded) {
            const float one = 1;
            float c[] = {no_number, no_number};
            const ladder::Gemm<float> gemm = ladder::rung<float>(ladder::bf16_rung, isa);
            gemm(no, no, 1, 1, 1, 1, &x, 1, &one, 1, 0, &c[0], 1);
            gemm(no, no, 1, 1, 1, 1, &one, 1, &x, 1, 0, &c[1], 1);
            INFO(x);
            CHECK(c[0] == wanted);
            CHECK(c[1] == wanted);
        }
}

TEST_CASE("rung 10 errs like float", "[gemm]") {
    std::mt19937 engine(17);
    std::uniform_real_distribution<> uniform(-1, 1), positive(0, 1);
    std::normal_distribution<> normal;
    struct Numbers {
        const char* what;
        std::function<double()> draw;
        double allowed;  // of its error over that of rung 8
    };
    const auto over_orders = [&](double orders) {
        return [&, orders] { return uniform(engine) * std::exp2(orders * uniform(engine)); };
    };
    const Numbers all[] = {{"uniform in (-1, 1)", [&] { return uniform(engine); }, 2},
                           {"uniform in (0, 1)", [&] { return positive(engine); }, 2},
                           {"normal", [&] { return normal(engine); }, 2},
                           {"over 20 binary orders", over_orders(20), 2.5},
                           {"over 60 binary orders", over_orders(60), 2.5}};
    for (const auto& [what, draw, allowed] : all)
        for (const auto& [size, K] : {std::pair<Index, Index>{96, 64}, {96, 512}, {64, 2048}}) {
            const Case c{no, no, size, size, K, 1, 0, 0};
            const Operands<float> operands(c, draw);
            for (const auto isa : isas_with_tiles()) {
                const double ours =
                    squared_error(operands, c, ladder::rung<float>(ladder::bf16x3_rung, isa));
                for (const auto float_isa : supported_isas()) {
                    const double theirs = squared_error(
                        operands, c, ladder::rung<float>(ladder::last_rung, float_isa));
                    const double ratio = std::sqrt(ours / theirs);
                    INFO(what << ", K " << K << ", " << cpu::name_of(isa) << " over "
                              << cpu::name_of(float_isa) << ": " << ratio);
                    CHECK(ratio <= allowed);
                    CHECK(ratio > 0.1);
                }
            }
        }
}

TEST_CASE("rungs 9 and 10 never read what a zero factor makes pointless", "[gemm]") {
    const auto all_nan = [] { return std::numeric_limits<double>::quiet_NaN(); };
    for (const int number : tile_rungs)
        for (const auto isa : isas_with_tiles()) {
            const ladder::Gemm<float> gemm = ladder::rung<float>(number, isa);
            for (const Index size : {1, 32, 33, 70}) {
                Case c{no, yes, size, size + 1, size + 2, 1, 0, 1};
                Operands<float> operands(c, WholeNumbers{});
                operands.C.fill(all_nan);
                require_same(operands.product(gemm, c), operands.naive<float>(c),
                             "C of NaN, " + name_of(number, isa, c));
                c.alpha = 0;
                c.beta = -2;
                operands = Operands<float>(c, WholeNumbers{});
                operands.A.fill(all_nan);
                operands.B.fill(all_nan);
                require_same(operands.product(gemm, c), operands.naive<float>(c),
                             "A and B of NaN, " + name_of(number, isa, c));
            }
            float c[] = {1, 2, 3, 4};
            gemm(no, no, 2, 2, 0, 1, nullptr, 1, nullptr, 2, 3, c, 2);
            CHECK(c[0] == 3);
            CHECK(c[3] == 12);
            gemm(no, no, 0, 2, 5, 1, nullptr, 5, nullptr, 2, 0, nullptr, 2);
            gemm(no, no, 2, 0, 5, 1, nullptr, 5, nullptr, 1, 0, nullptr, 1);
        }
}

TEST_CASE("in rungs 9 and 10 NaN and infinity come out as in float", "[gemm]") {
    // bf16 would round the last two to infinity.
    const std::vector<float> specials = {no_number, infinity, -infinity, largest,
                                         -0x1.fep127F - 0x1p119F};
    struct Size {
        Index M, N, K;
    };
    const auto check = [](const Case& c, float special, int number, cpu::Isa isa) {
        Operands<float> operands(c, WholeNumbers{});
        // One in each operand, in the first block of k and in the last.
        const auto put = [&](Matrix<float>& matrix, Trans trans, Index i, Index k) {
            (trans == yes ? matrix.at(k, i) : matrix.at(i, k)) = special;
        };
        const Index row = c.M - 20;
        (c.trans_a == yes ? operands.A.at(c.K - 1, row) : operands.A.at(row, c.K - 1)) = 0;
        put(operands.A, c.trans_a, row, 3);
        put(operands.B, c.trans_b == yes ? no : yes, c.N - 1, c.K - 1);
        const std::vector<float> got = operands.product(ladder::rung<float>(number, isa), c);
        const std::vector<float> wanted = operands.naive<float>(c);
        // Sums of large numbers round, in whatever order.
        for (std::size_t i = 0; i < got.size(); ++i) {
            const bool right =
                std::isfinite(wanted[i])
                    ? std::fabs(got[i] - wanted[i]) <= 1e-4F * std::fabs(wanted[i])
                    : got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]));
            if (!right)
                FAIL(name_of(number, isa, c) << " with " << special << ": element " << i << " is "
                                             << got[i] << ", needs " << wanted[i]);
        }
        SUCCEED();
    };
    for (const auto [M, N, K] : {Size{60, 38, 1060}, {300, 33, 40}})
        for (const int number : tile_rungs)
            for (const auto isa : isas_with_tiles())
                for (const Trans trans_a : both)
                    for (const Trans trans_b : both)
                        for (const float special : specials)
                            check({trans_a, trans_b, M, N, K, 1, 1, 0}, special, number, isa);
}

TEST_CASE("rung 10 loses what is below the normal numbers, and says how much", "[gemm]") {
    for (const auto isa : isas_with_tiles()) {
        const ladder::Gemm<float> gemm = ladder::rung<float>(ladder::bf16x3_rung, isa);
        const auto product = [&](float a, float b) {
            float c = no_number;
            gemm(no, no, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1);
            return double{c};
        };
        std::mt19937 engine(23);
        std::uniform_real_distribution<float> mantissa(1, 2), exponent(-126, 120);
        for (int sample = 0; sample < 2000; ++sample) {
            const float a = mantissa(engine) * std::exp2(std::floor(exponent(engine)));
            const float b = mantissa(engine) * std::exp2(std::floor(exponent(engine)));
            const double exact = double{a} * double{b};
            if (exact > double{largest} * (1 - 0x1p-7)) continue;
            const double allowed = ladder::error_bound(ladder::bf16x3_rung, 1) * exact +
                                   0x1p-126 * (double{a} + double{b} + 8);
            INFO(a << " * " << b);
            CHECK(std::fabs(product(a, b) - exact) <= allowed);
        }
        CHECK(product(0x1p-126F, 4) == 0x1p-124);
        CHECK(product(0x1p-130F, 4) == 0);                          // a subnormal operand
        CHECK(product(0x1p-100F, 0x1p-30F) == 0);                   // a subnormal product
        CHECK(product(1 + 0x1p-23F, 1 + 0x1p-23F) == 1 + 0x1p-22);  // rounded once, as float
    }
}

TEST_CASE("rungs 9 and 10 give the same bits for every number of threads", "[gemm]") {
    struct Size {
        Index M, N, K;
    };
    for (const int number : tile_rungs)
        for (const auto isa : isas_with_tiles())
            for (const auto [M, N, K] : {Size{200, 130, 300}, {33, 520, 600}, {130, 99, 520}}) {
                const Case c{no, yes, M, N, K, 1, 1, 0};
                Operands<float> operands(c, Reals{});
                operands.A.at(M - 1, 5) = infinity;
                std::vector<float> first;
                for (const int threads : {1, 2, 3}) {
                    const cpu::ShareAlways set(threads);
                    const std::vector<float> got =
                        operands.product(ladder::rung<float>(number, isa), c);
                    if (first.empty()) first = got;
                    if (std::memcmp(first.data(), got.data(), got.size() * sizeof(float)) != 0)
                        FAIL(name_of(number, isa, c) << " with " << threads << " threads");
                }
                SUCCEED();
            }
}

TEST_CASE("set_precision changes the products of float, and nothing else", "[gemm]") {
    using cpu::Precision;
    const Case c{no, yes, 20, 33, 50, 1, 0, 0};
    const Operands<float> operands(c, Reals{});
    const Operands<double> doubles(c, Reals{});
    for (const auto isa : supported_isas()) {
        const Backend<float>& backend = cpu::backend<float>(isa);
        const std::vector<float> bias(33, 0.25F);
        const auto layer = [&](bool relu = false) {
            std::vector<float> y(bias.size() * 20);
            const auto forward =
                relu ? &Backend<float>::linear_relu_forward : &Backend<float>::linear_forward;
            (backend.*forward)(y.data(), operands.A.data.data(), operands.B.data.data(),
                               bias.data(), 20, 50, 33);
            return y;
        };
        const std::vector<float> dy(bias.size() * 20, 0.3F);
        const auto gradients = [&] {  // of the weights (33, 50), then of the bias (33)
            std::vector<float> d(bias.size() * 51);
            backend.linear_backward_weight(d.data(), d.data() + Index{33} * 50, dy.data(),
                                           operands.A.data.data(), 20, 50, 33);
            return d;
        };
        const std::vector<float> plain = operands.product(backend, c), plain_layer = layer();
        const std::vector<float> plain_gradients = gradients();
        const std::vector<double> plain_double = doubles.product(cpu::backend<double>(isa), c);
        for (const Precision precision : {Precision::bf16, Precision::bf16x3}) {
            cpu::set_precision(precision, cpu::Isa::portable);
            const std::vector<float> got = operands.product(backend, c), got_layer = layer();
            const std::vector<float> got_relu = layer(true);
            const std::vector<float> got_gradients = gradients();
            const std::vector<double> got_double = doubles.product(cpu::backend<double>(isa), c);
            const bool told = cpu::precision() == precision;
            cpu::set_precision(Precision::float32);
            CHECK(told);
            const int number =
                precision == Precision::bf16 ? ladder::bf16_rung : ladder::bf16x3_rung;
            const std::vector<float> wanted =
                operands.product(ladder::rung<float>(number, cpu::Isa::portable), c);
            require_same(got, wanted, std::string(cpu::name_of(precision)));
            for (std::size_t i = 0; i < wanted.size(); ++i) {
                REQUIRE(got_layer[i] == wanted[i] + 0.25F);
                REQUIRE(got_relu[i] == std::max(wanted[i] + 0.25F, 0.0F));
            }
            CHECK(got != plain);
            CHECK(got_gradients != plain_gradients);
            CHECK(got_gradients.back() == plain_gradients.back());
            require_same(got_double, plain_double, "double");
        }
        require_same(operands.product(backend, c), plain, "float again");
        require_same(layer(), plain_layer, "float again");
    }
    CHECK(cpu::supported(Precision::float32, cpu::Isa::avx2));
    CHECK(cpu::supported(Precision::bf16, cpu::Isa::portable));
    CHECK_FALSE(cpu::supported(Precision::bf16x3, cpu::Isa::avx2));
}
