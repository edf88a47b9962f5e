// The functions of kernels/cpu/math.h against the C library's in the next larger precision: their
// error in units of the last place, on every instruction set.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>

#include "every_backend.h"

using namespace handgrad;

namespace {

template <class T>
struct Function {
    using Wide = typename Wider<T>::type;
    const char* name;
    double ulps;  // the error that is allowed
    void (*run)(const Backend<T>&, T* y, const T* x, Index n);
    Wide (*exact)(Wide);
    // The function is x times another. Where that is denormal, so has lost digits, its error counts
    // x times.
    bool product = false;
};

template <class T, UnaryOp op>
void run_unary(const Backend<T>& backend, T* y, const T* x, Index n) {
    backend.unary(op, y, x, n);
}

template <class T, Activation f>
void run_activation(const Backend<T>& backend, T* y, const T* x, Index n) {
    backend.activation_forward(f, y, x, T{1}, std::numeric_limits<T>::infinity(), n);
}

template <class W>
W normal_cdf(W x) {
    return std::erfc(-x / std::sqrt(W{2})) / 2;
}

template <class T>
std::vector<Function<T>> functions() {
    using W = typename Wider<T>::type;
    return {
        {"exp", 1, run_unary<T, UnaryOp::exp>, [](W x) { return std::exp(x); }},
        {"log", 1, run_unary<T, UnaryOp::log>, [](W x) { return std::log(x); }},
        {"tanh", 1.5, run_unary<T, UnaryOp::tanh>, [](W x) { return std::tanh(x); }},
        {"erf", 1.51, run_unary<T, UnaryOp::erf>, [](W x) { return std::erf(x); }},
        {"elu", 1.5, run_activation<T, Activation::elu>,
         [](W x) { return x > 0 ? x : std::expm1(x); }},
        {"log1p", 1.5, run_unary<T, UnaryOp::log1p>, [](W x) { return std::log1p(x); }},
        {"sigmoid", 2.5, run_activation<T, Activation::sigmoid>,
         [](W x) { return 1 / (1 + std::exp(-x)); }},
        {"silu", 3, run_activation<T, Activation::silu>, [](W x) { return x / (1 + std::exp(-x)); },
         true},
        {"softplus", 2.1, run_activation<T, Activation::softplus>,
         [](W x) { return std::max(x, W{0}) + std::log1p(std::exp(-std::abs(x))); }, true},
        {"gelu", 5.8, run_activation<T, Activation::gelu>, [](W x) { return x * normal_cdf(x); },
         true},
    };
}

/// |got - exact| in distances between neighbouring numbers of T at `exact`. An infinite `got` is
/// taken as the power of two that comes after the largest number.
template <class T>
double error_in_ulps(T got, typename Wider<T>::type exact) {
    using W = typename Wider<T>::type;
    constexpr int digits = std::numeric_limits<T>::digits;
    constexpr int lowest = std::numeric_limits<T>::min_exponent;
    const W limit = std::ldexp(W{1}, std::numeric_limits<T>::max_exponent);
    if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) == std::isnan(got) ? 0 : 1e9;
    if (exact == 0 && std::signbit(got) != std::signbit(exact)) return 1e9;
    const W there = std::clamp(exact, -limit, limit);
    const W here = std::clamp(W{got}, -limit, limit);
    int exponent = lowest;
    if (there != 0) std::frexp(there, &exponent);
    exponent = std::min(std::max(exponent, lowest), std::numeric_limits<T>::max_exponent);
    return static_cast<double>(std::abs(here - there) / std::ldexp(W{1}, exponent - digits));
}

/// Every `stride`-th number of [begin, end) in the order of their bits.
template <class T>
std::vector<T> bit_patterns(typename Wider<T>::Bits begin, typename Wider<T>::Bits end,
                            typename Wider<T>::Bits stride) {
    std::vector<T> x;
    for (auto word = begin; word < end; word += stride) {
        x.push_back(std::bit_cast<T>(word));
        if (end - word <= stride) break;  // word + stride may be past the largest word
    }
    return x;
}

/// Zeros, infinities, NaN, the ends of the denormals and of T, and the neighbourhoods of where the
/// functions change their formula, overflow or vanish.
template <class T>
std::vector<T> edges() {
    using Limits = std::numeric_limits<T>;
    std::vector<T> x = {0,
                        Limits::infinity(),
                        Limits::quiet_NaN(),
                        Limits::max(),
                        Limits::min(),
                        Limits::denorm_min()};
    for (const double centre :
         {0x1p-126,  0.34657359, 0.625,     0.70710678, 1.0,    1.41421356, 2.0,
          4.0,       6.0,        10.0,      14.5,       18.0,   20.0,       39.0,
          87.33654,  88.72284,   103.27893, 103.97208,  104.0,  708.3964,   709.782713,
          744.44007, 745.13322,  0x1p23,    0x1p52,     0x1p127}) {
        T low = static_cast<T>(centre), high = low;
        x.push_back(low);
        for (int i = 0; i < 50; ++i) {
            x.push_back(low = std::nextafter(low, T{0}));
            x.push_back(high = std::nextafter(high, Limits::max()));
        }
    }
    const std::size_t count = x.size();
    for (std::size_t i = 0; i < count; ++i) x.push_back(-x[i]);
    return x;
}

template <class T>
void check(const Function<T>& function, const std::vector<T>& x, double& worst) {
    std::vector<typename Wider<T>::type> exact(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) exact[i] = function.exact(x[i]);
    std::vector<T> y(x.size());
    for (const cpu::Isa isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512}) {
        if (!cpu::supported(isa)) continue;
        function.run(cpu::backend<T>(isa), y.data(), x.data(), static_cast<Index>(x.size()));
        std::size_t at = 0;
        double highest = -1;
        for (std::size_t i = 0; i < x.size(); ++i) {
            double error = error_in_ulps(y[i], exact[i]);
            if (function.product && std::abs(x[i]) > 1 &&
                std::abs(exact[i]) < std::numeric_limits<T>::min() * std::abs(x[i]))
                error /= static_cast<double>(std::abs(x[i]));
            if (!(error <= highest)) highest = error, at = i;
        }
        worst = std::max(worst, highest);
        if (x.empty() || highest <= function.ulps) continue;
        INFO(function.name << ", " << cpu::name_of(isa) << ": " << highest << " ulp at x = "
                           << std::hexfloat << x[at] << ": " << y[at] << " for " << exact[at]);
        CHECK(highest <= function.ulps);
    }
}

}  // namespace

TEST_CASE("functions of float are within their bounds", "[kernels][math]") {
    for (const Function<float>& function : functions<float>()) {
        double worst = 0;
        check(function, edges<float>(), worst);
        check(function, bit_patterns<float>(0, 0xffffffff, 997), worst);
        UNSCOPED_INFO(function.name << ": " << worst << " ulp");
        CHECK(worst <= function.ulps);
    }
}

TEST_CASE("functions of double are within their bounds", "[kernels][math]") {
    for (const Function<double>& function : functions<double>()) {
        double worst = 0;
        check(function, edges<double>(), worst);
        check(function, bit_patterns<double>(0, 0xffffffffffffffff, 0x000fffe4af17b3c5), worst);
        // 2^-12 to 2^10, where the functions are neither 0 nor x nor 1.
        for (const std::uint64_t sign : {0ULL, 1ULL << 63})
            check(function,
                  bit_patterns<double>(sign + 0x3f30000000000000, sign + 0x4090000000000000,
                                       0x000001ae4af17b3c5),
                  worst);
        UNSCOPED_INFO(function.name << ": " << worst << " ulp");
        CHECK(worst <= function.ulps);
    }
}

// Half an hour in all, and so only by name: handgrad_tests "every float is within its bound" -c exp
TEST_CASE("every float is within its bound", "[.][exhaustive]") {
    for (const Function<float>& function : functions<float>()) {
        DYNAMIC_SECTION(function.name) {
            double worst = 0;
            constexpr std::uint32_t block = 1 << 20;
            for (std::uint32_t i = 0; i < 4096; ++i) {
                std::vector<float> x(block);
                for (std::uint32_t j = 0; j < block; ++j)
                    x[j] = std::bit_cast<float>(i * block + j);
                check(function, x, worst);
            }
            WARN(function.name << ": " << worst << " ulp");
            CHECK(worst <= function.ulps);
        }
    }
}

// Threads cut an array where they like, and a row's place among others differs.
TEMPLATE_TEST_CASE("no bit of a function depends on where its element stands", "[kernels][math]",
                   float, double) {
    const std::vector<TestType> x = numbers<TestType>(131, 5);
    on_every_backend<TestType>([&](const Backend<TestType>& backend) {
        for (const Function<TestType>& function : functions<TestType>()) {
            INFO(function.name);
            std::vector<TestType> whole(x.size()), part(x.size());
            function.run(backend, whole.data(), x.data(), 131);
            for (const Index begin : {1, 5, 16, 67}) {
                for (const Index n : {1, 3, 16, 33})
                    function.run(backend, part.data() + begin, x.data() + begin, n);
                CHECK(std::memcmp(part.data() + begin, whole.data() + begin,
                                  33 * sizeof(TestType)) == 0);
            }
        }
        // Rows of softmax: few columns and many.
        for (const Index cols : {1, 3, 10, 16, 17, 64, 65, 130}) {
            INFO(cols << " columns");
            constexpr Index rows = 37;
            const std::vector<TestType> logits = numbers<TestType>(rows * cols, 7);
            std::vector<TestType> whole(logits.size()), part(logits.size());
            for (const bool logarithm : {false, true}) {
                const auto run = [&](std::vector<TestType>& y, Index first, Index count) {
                    TestType* to = y.data() + first * cols;
                    const TestType* from = logits.data() + first * cols;
                    if (logarithm)
                        backend.log_softmax_forward(to, from, count, cols);
                    else
                        backend.softmax_forward(to, from, count, cols);
                };
                run(whole, 0, rows);
                // The last rows first: what is stored behind a part must not be touched.
                Index end = rows;
                for (const Index begin : {36, 20, 16, 5, 4, 0}) {
                    run(part, begin, end - begin);
                    end = begin;
                }
                CHECK(part == whole);
            }
        }
    });
}
