// The CPU's product, and every rung of the ladder to it, against the definition, for each
// instruction set that this processor has.
#include <array>
#include <cstdlib>

#include "kernels/cpu/caches.h"
#include "kernels/cpu/share_always.h"
#include "kernels/gemm_cases.h"

using namespace handgrad;

namespace {

// With a check at every access the plain loops of rungs 1 to 4 take most of the time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

template <class T>
void require_exact(const Case& c, int first_rung = 1) {
    const Operands<T> operands(c, WholeNumbers{});
    const std::vector<T> wanted = operands.template naive<T>(c);
    for (const auto isa : supported_isas()) {
        const std::string name = std::string(cpu::name_of(isa)) + " " + c.name();
        require_same(operands.product(cpu::backend<T>(isa), c), wanted, name);
        // Rung 8 is what the backend runs.
        for (int number = first_rung; number < ladder::last_rung; ++number)
            require_same(operands.product(ladder::rung<T>(number, isa), c), wanted,
                         "rung " + std::to_string(number) + " " + name);
    }
}

/// Around the edges of tiles and blocks, and of the choice between the paths of rung 7. MR is 4,
/// 6 or 8, narrow strips have up to 16 rows, NR is 4 to 48, MC 128 or less, KC 128 to 512, NC 3072
/// for double where L3 has 32 MB. A C beyond L2 assumes one of 2 MB or less.
std::vector<Case> edge_cases() {
    std::vector<Case> shapes;
    for (const Index m : {3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17})
        for (const Index n : {7, 8, 9, 15, 16, 17, 23, 24, 25, 47, 48, 49, 95, 97, 128})
            shapes.push_back({.M = m, .N = n, .K = 5});
    for (const Index k : {127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025})
        for (const Index m : {1, 16, 65}) shapes.push_back({.M = m, .N = 50, .K = k});
    for (const Index m : {95, 96, 97, 127, 128, 129, 257})
        for (const Index n : {47, 48, 49, 130}) shapes.push_back({.M = m, .N = n, .K = 150});
    for (const Index m : {63, 64, 65})  // where thin strips go rows first
        for (const Index n : {63, 64, 65}) shapes.push_back({.M = m, .N = n, .K = 71});
    for (const Index n : {3071, 3072, 3073})
        for (const Index m : {2, 70}) shapes.push_back({.M = m, .N = n, .K = 17});
    for (const Index n : {1, 2, 3, 7, 8, 9, 10, 15, 16, 17})  // dot products, turned around
        for (const Index m : {31, 32, 33, 63, 64, 65, 130})
            shapes.push_back({.M = m, .N = n, .K = 530});
    shapes.push_back({.M = 301, .N = 10, .K = 1000});  // dot products
    shapes.push_back({.M = 10, .N = 301, .K = 1000});
    shapes.push_back({.M = 41, .N = 10, .K = 2501});  // in pieces of k, where L2 is slow
    shapes.push_back({.M = 7, .N = 70, .K = 2501});
    shapes.push_back({.M = 290, .N = 10, .K = 2003});  // beyond L2
    shapes.push_back({.M = 420, .N = 1000, .K = 20});  // a C beyond L2: rows first, B as it lies,
    shapes.push_back({.M = 411, .N = 1024, .K = 35});  // or packed,
    shapes.push_back({.M = 1024, .N = 420, .K = 35});  // A' too
    shapes.push_back({.M = 130, .N = 261, .K = 133});
    shapes.push_back({.M = 127, .N = 255, .K = 60});
    shapes.push_back({.M = 128, .N = 256, .K = 60});
    for (const Index k : {256, 257}) shapes.push_back({.M = 130, .N = 70, .K = k});
    for (const Index m : {12, 13}) shapes.push_back({.M = m, .N = 1024, .K = 40});
    shapes.push_back({.M = 1024, .N = 100, .K = 40});  // rows of A a page apart
    shapes.push_back({.M = 65, .N = 8, .K = 1024});    // in tiles of one vector
    shapes.push_back({.M = 70, .N = 13, .K = 1024});   // rows of B, and a copy of them
    shapes.push_back({.M = 130, .N = 1024, .K = 20});
    shapes.push_back({.M = 70, .N = 1024, .K = 300});
    shapes.push_back({.M = 70, .N = 50, .K = 300});
    shapes.push_back({.M = 9, .N = 1000, .K = 1100});
    shapes.push_back({.M = 260, .N = 1030, .K = 520});  // all of A' B packed
    shapes.push_back({.M = 10, .N = 1024, .K = 300});
    shapes.push_back({.M = 17, .N = 1024, .K = 530});  // beyond L2: B by lines, or copied,
    shapes.push_back({.M = 17, .N = 1003, .K = 530});  // beyond one of 1 MB,
    shapes.push_back({.M = 7, .N = 5301, .K = 101});
    shapes.push_back({.M = 5300, .N = 10, .K = 100});  // A, in dot products, in a strip,
    shapes.push_back({.M = 5300, .N = 17, .K = 100});
    shapes.push_back({.M = 2700, .N = 64, .K = 200});  // in some strips
    shapes.push_back({.M = 64, .N = 100, .K = 700});   // last columns that fill no vector
    shapes.push_back({.M = 65, .N = 49, .K = 301});
    shapes.push_back({.M = 1, .N = 97, .K = 401});  // one row, one column
    shapes.push_back({.M = 1, .N = 300, .K = 130});
    shapes.push_back({.M = 97, .N = 1, .K = 401});
    shapes.push_back({.M = 300, .N = 1, .K = 130});
    shapes.push_back({.M = 1, .N = 1, .K = 5000});
    shapes.push_back({.M = 200, .N = 200, .K = 1});
    shapes.push_back({.M = 1, .N = 1, .K = 16383});  // threads share out k
    shapes.push_back({.M = 1, .N = 1, .K = 16384});
    shapes.push_back({.M = 10, .N = 11, .K = 20481});

    std::vector<Case> cases;
    for (Case c : shapes)
        for (const Trans trans_a : both)
            for (const Trans trans_b : both) {
                c.trans_a = trans_a;
                c.trans_b = trans_b;
                const bool pages = c.M == 1024 || c.N == 1024 || c.K == 1024;
                c.gap = pages ? 0 : (c.M + c.N) % 3;
                c.beta = c.K % 2 == 0 ? 0 : 1;
                cases.push_back(c);
            }
    return cases;
}

}  // namespace

TEMPLATE_TEST_CASE("gemm is exact on whole numbers for all small sizes", "[gemm]", float, double) {
    std::mt19937 engine(3);
    const auto size = [&] { return static_cast<Index>(engine() % 71); };
    const double alphas[] = {1, 1, -2, 0.5};
    const double betas[] = {0, 1, -3};
    for (const Trans trans_a : both)
        for (const Trans trans_b : both)
            for (int sample = 0; sample < (sanitized ? 100 : 250); ++sample)
                require_exact<TestType>({trans_a, trans_b, size(), size(), size(),
                                         alphas[engine() % 4], betas[engine() % 3],
                                         static_cast<Index>(engine() % 4)});
}

TEMPLATE_TEST_CASE("gemm is exact around the sizes of tiles and blocks", "[gemm]", float, double) {
    // Where all is slow, shapes take turns with their four transpositions: each has two, and one in
    // rungs 1 to 4. The largest takes as long as all others, and is there for A' B.
    const std::vector<Case> cases = edge_cases();
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const Case& c = cases[i];
        const bool taken = c.M * c.N * c.K > 100'000'000 ? c.trans_a == yes && c.trans_b == no
                                                         : (i + i / 4) % 2 == 0;
        if (sanitized && !taken) continue;
        require_exact<TestType>(cases[i], sanitized && i % 4 != i / 4 % 4 ? 5 : 1);
    }
}

TEST_CASE("gemm is exact where B comes from memory", "[gemm]") {
    for (const Index N : {4096, 4100}) {  // rows a multiple of a page apart, and not
        const Index beyond = cpu::caches().l3 / 2 / (N * Index{sizeof(float)}) + 7;
        const Index K = std::min<Index>(beyond, sanitized ? 2048 : 8192);
        for (const Trans trans_a : both)
            require_exact<float>({.trans_a = trans_a, .M = 9, .N = N, .K = K});
        require_exact<float>({.trans_a = yes, .M = N, .N = 9, .K = K});   // turned around
        if (!sanitized) require_exact<float>({.M = 49, .N = N, .K = K});  // copied
    }
}

TEST_CASE("gemm is exact where A comes from memory", "[gemm]") {
    const Index K = 1030, beyond = cpu::caches().l3 / 2 / (K * Index{sizeof(float)}) + 7;
    const Index M = std::min<Index>(beyond, sanitized ? 1024 : 8192);
    for (const Index N : {5, 17, 40})  // dot products, tiles
        require_exact<float>({.M = M, .N = N, .K = K});
}

TEMPLATE_TEST_CASE("gemm's epilogue adds the bias, then cuts at zero", "[gemm]", float, double) {
    using T = TestType;
    std::vector<Case> cases = edge_cases();
    for (const Index k : {0, 1, 30}) cases.push_back({.M = 20, .N = 33, .K = k});
    // Blocks of columns, each of pieces of k: at most this many columns of 512 fit where they go.
    const Index block = cpu::caches().l3 * 3 / 8 / (512 * Index{sizeof(float)});
    cases.push_back({.M = 3, .N = std::min<Index>(block, 8192) + 9, .K = 130});
    // Sums of op(A)'s rows: without columns of B, shared out by threads, and by parts of a sum.
    for (const Case& c : {Case{.M = 5, .N = 0, .K = 9},
                          {.M = 40, .N = 100, .K = 1000},
                          {.M = 130, .N = 70, .K = 500},
                          {.M = 300, .N = 20, .K = 601}})
        for (const Trans trans_a : both) {
            cases.push_back(c);
            cases.back().trans_a = trans_a;
        }
    // A step of three meets every transposition, and every third shape of each.
    for (std::size_t at = 0; at < cases.size(); at += sanitized ? 3 : 1) {
        Case c = cases[at];
        c.gap = 0;
        c.beta = 0;
        const Operands<T> operands(c, WholeNumbers{});
        WholeNumbers draw;
        std::vector<T> bias(static_cast<std::size_t>(c.N));
        for (T& b : bias) b = static_cast<T>(draw());
        if (!bias.empty()) bias.back() = std::numeric_limits<T>::quiet_NaN();
        const std::vector<T> product = operands.template naive<T>(c);
        std::vector<T> shifted = product, cut = product, both_done = product;
        for (std::size_t i = 0; i < product.size(); ++i) {
            shifted[i] += bias[i % bias.size()];
            if (cut[i] < 0) cut[i] = 0;
            both_done[i] = shifted[i] < 0 ? T{0} : shifted[i];
        }
        for (const auto isa : supported_isas())
            for (const int threads : {1, 2}) {
                const cpu::ShareAlways set(threads);
                const std::string name = std::string(cpu::name_of(isa)) + " " + c.name();
                const auto run = [&](const T* b, bool relu, T* row_sums = nullptr) {
                    std::vector<T> result(product.size());
                    ladder::fused_rung<T>(isa)(c.trans_a, c.trans_b, c.M, c.N, c.K,
                                               operands.A.data.data(), operands.B.data.data(), b,
                                               relu, row_sums, result.data());
                    return result;
                };
                require_same_or_nan(run(nullptr, false), product, name);
                require_same_or_nan(run(bias.data(), false), shifted, name + " bias");
                require_same_or_nan(run(nullptr, true), cut, name + " relu");
                require_same_or_nan(run(bias.data(), true), both_done, name + " bias, relu");
                if (c.trans_a == yes) {
                    std::vector<T> sums(static_cast<std::size_t>(c.M), T{3}), wanted = sums;
                    for (Index k = 0; k < c.K; ++k)
                        for (std::size_t m = 0; m < wanted.size(); ++m)
                            wanted[m] +=
                                operands.A.data[static_cast<std::size_t>(k) * wanted.size() + m];
                    require_same_or_nan(run(nullptr, false, sums.data()), product, name + " sums");
                    require_same_or_nan(sums, wanted, name + " sums of rows");
                }
                if (c.trans_a == no && c.trans_b == yes) {
                    std::vector<T> y(product.size());
                    cpu::backend<T>(isa).linear_forward(y.data(), operands.A.data.data(),
                                                        operands.B.data.data(), bias.data(), c.M,
                                                        c.K, c.N);
                    require_same_or_nan(y, shifted, name + " linear_forward");
                    cpu::backend<T>(isa).linear_relu_forward(y.data(), operands.A.data.data(),
                                                             operands.B.data.data(), bias.data(),
                                                             c.M, c.K, c.N);
                    require_same_or_nan(y, both_done, name + " linear_relu_forward");
                    const Backend<T>& backend = cpu::backend<T>(isa);
                    const Index size = backend.packed_weight_size(c.K, c.N);
                    if (size == 0) continue;
                    std::vector<T> packed(static_cast<std::size_t>(size));
                    backend.pack_weight(packed.data(), operands.B.data.data(), c.K, c.N);
                    for (const bool relu : {false, true}) {
                        std::ranges::fill(y, std::numeric_limits<T>::quiet_NaN());
                        backend.linear_forward_packed(y.data(), operands.A.data.data(),
                                                      operands.B.data.data(), packed.data(),
                                                      bias.data(), relu, c.M, c.K, c.N);
                        require_same_or_nan(y, relu ? both_done : shifted, name + " packed");
                    }
                }
            }
    }
}

TEST_CASE("gemm's epilogue comes once where rows of C are made in blocks of columns and of k",
          "[gemm]") {
    const Index M = 257, N = 1600, K = sanitized ? 130 : 530;
    for (const Trans trans_b : both) {
        const Case c{.trans_b = trans_b, .M = M, .N = N, .K = K};
        const Operands<float> operands(c, WholeNumbers{});
        WholeNumbers draw;
        std::vector<float> bias(static_cast<std::size_t>(N));
        for (float& b : bias) b = static_cast<float>(draw());
        std::vector<float> wanted = operands.naive<float>(c);
        for (std::size_t i = 0; i < wanted.size(); ++i)
            wanted[i] = std::max(0.0F, wanted[i] + bias[i % bias.size()]);
        for (const auto isa : supported_isas())
            for (const int threads : {1, 2}) {
                const cpu::ShareAlways set(threads);
                std::vector<float> got(wanted.size());
                ladder::fused_rung<float>(isa)(no, trans_b, M, N, K, operands.A.data.data(),
                                               operands.B.data.data(), bias.data(), true, nullptr,
                                               got.data());
                require_same(got, wanted, std::string(cpu::name_of(isa)) + " " + c.name());
            }
    }
}

TEST_CASE("a packed weight is exact in pieces of k, and where L2 does not hold it", "[gemm]") {
    // In strips of the narrowest tile, a fifth of L2 holds so many values of k.
    const Index pieces = cpu::caches().l2 / 5 / (8 * Index{sizeof(float)}) + 7;
    for (const auto [M, N, K] : {std::array<Index, 3>{1, 1509, sanitized ? 300 : 1400},
                                 {17, 1509, sanitized ? 300 : 1400},
                                 {9, 60, pieces},
                                 {130, 31, sanitized ? 700 : pieces}}) {
        const Case c{.trans_b = yes, .M = M, .N = N, .K = K};
        const Operands<float> operands(c, WholeNumbers{});
        std::vector<float> wanted = operands.naive<float>(c);
        const std::vector<float> bias(static_cast<std::size_t>(N), -3);
        for (float& y : wanted) y = std::max(0.0F, y - 3);
        for (const auto isa : supported_isas())
            for (const int threads : {1, 2}) {
                const cpu::ShareAlways set(threads);
                const Backend<float>& backend = cpu::backend<float>(isa);
                std::vector<float> got(wanted.size());
                std::vector<float> packed(
                    static_cast<std::size_t>(backend.packed_weight_size(K, N)));
                if (packed.empty()) continue;
                backend.pack_weight(packed.data(), operands.B.data.data(), K, N);
                backend.linear_forward_packed(got.data(), operands.A.data.data(),
                                              operands.B.data.data(), packed.data(), bias.data(),
                                              true, M, K, N);
                require_same(got, wanted, std::string(cpu::name_of(isa)) + " " + c.name());
            }
    }
}

TEMPLATE_TEST_CASE("gemm's rounding error stays within its bound", "[gemm]", float, double) {
    // A sum of K products, however ordered, errs by at most about K u sum |a| |b|, with u half an
    // epsilon; alpha, beta and the last addition round a few times more.
    using T = TestType;
    constexpr double u = std::numeric_limits<T>::epsilon() / 2.0;
    struct Size {
        Index M, N, K;
    };
    for (const auto [M, N, K] : {Size{16, 128, 784},
                                 {128, 784, 16},
                                 {16, 10, 128},
                                 {10, 128, 16},
                                 {16, 128, 10},
                                 {64, 100, 784},
                                 {130, 131, 1033},
                                 {37, 5, 2000},
                                 {45, 12, 2501},  // dot products in pieces of k
                                 {10, 70, 2501}})
        for (const Trans trans_a : both)
            for (const Trans trans_b : both) {
                const Case c{trans_a, trans_b, M, N, K, 1.5, -0.75, 1};
                const Operands<T> operands(c, Reals{});
                // In long double, so that a double has a better reference than itself.
                const std::vector<T> wanted = operands.template naive<long double>(c);
                Operands<T> sizes = operands;
                for (auto* matrix : {&sizes.A, &sizes.B, &sizes.C})
                    for (T& x : matrix->data) x = std::fabs(x);
                const std::vector<T> magnitude =
                    sizes.template naive<double>({trans_a, trans_b, M, N, K, 1.5, 0.75, 1});
                for (const auto isa : supported_isas()) {
                    const std::vector<T> got = operands.product(cpu::backend<T>(isa), c);
                    double worst = 0;  // share of the allowance that the worst element uses
                    for (Index m = 0; m < M; ++m)
                        for (Index n = 0; n < N; ++n) {
                            const auto i = static_cast<std::size_t>(m * operands.C.ld + n);
                            const double error = std::fabs(static_cast<double>(got[i]) -
                                                           static_cast<double>(wanted[i]));
                            const double allowed = (static_cast<double>(K) + 5) * u *
                                                   static_cast<double>(magnitude[i]);
                            worst = larger(worst, error / allowed);
                        }
                    INFO(cpu::name_of(isa) << " " << c.name());
                    CHECK(worst <= 1);
                    CHECK(worst > 0);  // real numbers must have rounded somewhere
                }
            }
}

TEMPLATE_TEST_CASE("gemm never reads what a zero factor makes pointless", "[gemm]", float, double) {
    using T = TestType;
    const auto nan = [] { return std::numeric_limits<double>::quiet_NaN(); };
    for (const auto isa : supported_isas()) {
        const Backend<T>& backend = cpu::backend<T>(isa);
        for (const Trans trans_a : both)
            for (const Trans trans_b : both)
                for (const Index size : {1, 9, 33, 150}) {
                    Case c{trans_a, trans_b, size, size + 1, size + 2, 1, 0, 1};
                    Operands<T> operands(c, WholeNumbers{});
                    operands.C.fill(nan);
                    require_same(operands.product(backend, c), operands.template naive<T>(c),
                                 "C of NaN, " + c.name());
                    for (int number = 1; number <= ladder::last_rung; ++number)
                        require_same(operands.product(ladder::rung<T>(number, isa), c),
                                     operands.template naive<T>(c),
                                     "C of NaN, rung " + std::to_string(number) + " " + c.name());

                    c.alpha = 0;
                    c.beta = -2;
                    operands = Operands<T>(c, WholeNumbers{});
                    operands.A.fill(nan);
                    operands.B.fill(nan);
                    require_same(operands.product(backend, c), operands.template naive<T>(c),
                                 "A and B of NaN, " + c.name());
                }
        T c[] = {1, 2, 3, 4};
        backend.gemm(no, no, 2, 2, 0, T{1}, nullptr, 1, nullptr, 2, T{3}, c, 2);
        CHECK(c[0] == 3);
        CHECK(c[3] == 12);
        backend.gemm(no, no, 0, 2, 5, T{1}, nullptr, 5, nullptr, 2, T{0}, nullptr, 2);
        backend.gemm(no, no, 2, 0, 5, T{1}, nullptr, 5, nullptr, 1, T{0}, nullptr, 1);
    }
}

TEMPLATE_TEST_CASE("gemm lets NaN and infinity through", "[gemm]", float, double) {
    using T = TestType;
    for (const auto isa : supported_isas())
        for (const Trans trans_b : both)
            for (const Index size : {5, 40, 150}) {
                const Case c{no, trans_b, size, size, size, 1, 0, 0};
                Operands<T> operands(c, WholeNumbers{});
                operands.A.at(size / 2, size - 1) = std::numeric_limits<T>::quiet_NaN();
                operands.A.at(0, 0) = std::numeric_limits<T>::infinity();
                const std::vector<T> got = operands.product(cpu::backend<T>(isa), c);
                const std::vector<T> wanted = operands.template naive<T>(c);
                require_same_or_nan(got, wanted, std::string(cpu::name_of(isa)) + " " + c.name());
            }
}

TEMPLATE_TEST_CASE("gemm gives the same bits for every number of threads", "[gemm]", float,
                   double) {
    using T = TestType;
    struct Size {
        Index M, N, K, gap = 0;
    };
    for (const auto isa : supported_isas())
        for (const auto [M, N, K, gap] :
             {Size{16, 128, 784}, {128, 784, 16},    {300, 10, 700},  {230, 270, 530},
              {3, 999, 400},      {12, 12, 50000},   {1, 1, 30000},   {301, 10, 1000},
              {6, 10, 2500},      {10, 70, 2500},    {66, 20, 190},   {64, 16, 128},
              {64, 100, 700},     {9, 9, 300},       {1, 1000, 300},  {400, 1, 100},
              {36, 1, 2000},      {20, 1, 2000},     {20, 1024, 600}, {70, 1024, 300},
              {420, 1000, 20},    {270, 1500, 130},  {7, 5301, 101},  {5301, 7, 101},
              {5300, 17, 100},    {14, 30, 264, 994}})
            for (const Trans trans_a : both)
                for (const Trans trans_b : both) {
                    const Case c{trans_a, trans_b, M, N, K, 1, 1, gap};
                    const Operands<T> operands(c, Reals{});
                    std::vector<T> first;
                    for (const int threads : {1, 2, 2, 3, 4}) {
                        const cpu::ShareAlways set(threads);
                        const std::vector<T> got = operands.product(cpu::backend<T>(isa), c);
                        if (first.empty()) first = got;
                        if (std::memcmp(first.data(), got.data(), got.size() * sizeof(T)) != 0)
                            FAIL(cpu::name_of(isa)
                                 << " " << c.name() << " with " << threads << " threads");
                    }
                    SUCCEED();
                }
}

TEMPLATE_TEST_CASE("a packed weight gives the same bits for every number of threads", "[gemm]",
                   float, double) {
    using T = TestType;
    for (const auto isa : supported_isas())
        for (const auto [M, N, K] : {std::array<Index, 3>{12, 1024, 1400},
                                     {1, 100, 2300},
                                     {9, 64, 7000},
                                     {100, 301, 200}}) {
            const Backend<T>& backend = cpu::backend<T>(isa);
            const Case c{.trans_b = yes, .M = M, .N = N, .K = K};
            const Operands<T> operands(c, Reals{});
            std::vector<T> packed(static_cast<std::size_t>(backend.packed_weight_size(K, N)));
            if (packed.empty()) continue;
            backend.pack_weight(packed.data(), operands.B.data.data(), K, N);
            std::vector<T> first;
            for (const int threads : {1, 2, 3, 4}) {
                const cpu::ShareAlways set(threads);
                std::vector<T> got(static_cast<std::size_t>(M * N));
                backend.linear_forward_packed(got.data(), operands.A.data.data(),
                                              operands.B.data.data(), packed.data(), nullptr, false,
                                              M, K, N);
                if (first.empty()) first = got;
                INFO(cpu::name_of(isa) << " " << c.name() << " with " << threads << " threads");
                CHECK(std::memcmp(first.data(), got.data(), got.size() * sizeof(T)) == 0);
            }
        }
}

// Only where the environment names some: see tests/CMakeLists.txt.
TEST_CASE("caches are those that HANDGRAD_CACHES names", "[.][caches]") {
    const cpu::Caches& c = cpu::caches();
    std::string names;
    for (const Index bytes : {c.l1, c.l2, c.l3}) names += std::to_string(bytes >> 10) + ",";
    REQUIRE(std::getenv("HANDGRAD_CACHES") == names + (c.near_l3 ? "near" : "far"));
}

TEMPLATE_TEST_CASE("gemm passes the random vector check on big matrices", "[gemm]", float, double) {
    // C v = A (B v) costs little at any size. v is +-1, so that no column of C counts less.
    using T = TestType;
    using Reference = std::vector<double>;
    const Index M = 643, N = 619, K = 1201;
    const auto times = [](const Matrix<T>& matrix, Trans trans, const Reference& v, bool absolute) {
        Reference result(static_cast<std::size_t>(trans == yes ? matrix.cols : matrix.rows));
        for (Index r = 0; r < matrix.rows; ++r)
            for (Index c = 0; c < matrix.cols; ++c) {
                const double x =
                    static_cast<double>(matrix.data[static_cast<std::size_t>(r * matrix.ld + c)]);
                const Index out = trans == yes ? c : r;
                const Index in = trans == yes ? r : c;
                result[static_cast<std::size_t>(out)] +=
                    (absolute ? std::fabs(x) : x) * v[static_cast<std::size_t>(in)];
            }
        return result;
    };
    for (const Trans trans_a : both)
        for (const Trans trans_b : both) {
            const Case c{trans_a, trans_b, M, N, K, 1, 0, 3};
            Operands<T> operands(c, Reals{});
            Reference v(static_cast<std::size_t>(N));
            std::mt19937 engine(5);
            for (double& x : v) x = engine() % 2 == 0 ? 1 : -1;
            const Reference ones(v.size(), 1.0);
            const Reference wanted =
                times(operands.A, trans_a, times(operands.B, trans_b, v, false), false);
            const Reference magnitude =
                times(operands.A, trans_a, times(operands.B, trans_b, ones, true), true);
            for (const auto isa : supported_isas()) {
                Matrix<T> C = operands.C;
                C.data = operands.product(cpu::backend<T>(isa), c);
                const Reference got = times(C, no, v, false);
                double worst = 0;
                for (std::size_t m = 0; m < got.size(); ++m) {
                    // K for the product in T, and N + K more in double for the check itself.
                    const double allowed =
                        magnitude[m] *
                        (static_cast<double>(K) * std::numeric_limits<T>::epsilon() / 2 +
                         static_cast<double>(N + K) * std::numeric_limits<double>::epsilon());
                    worst = larger(worst, std::fabs(got[m] - wanted[m]) / allowed);
                }
                INFO(cpu::name_of(isa) << " " << c.name());
                CHECK(worst <= 1);
            }
        }
}
