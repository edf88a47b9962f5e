// The primitives of the tape, on every instruction set, held against their definitions.
#include <array>
#include <cmath>
#include <limits>

#include "every_backend.h"

using namespace handgrad;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

double expected_unary(UnaryOp op, double x) {
    switch (op) {
        case UnaryOp::neg:
            return -x;
        case UnaryOp::exp:
            return std::exp(x);
        case UnaryOp::log:
            return std::log(x);
        case UnaryOp::log1p:
            return std::log1p(x);
        case UnaryOp::sqrt:
            return std::sqrt(x);
        case UnaryOp::tanh:
            return std::tanh(x);
        case UnaryOp::erf:
            return std::erf(x);
        case UnaryOp::abs:
            return std::abs(x);
        case UnaryOp::sign:
            return x > 0 ? 1 : x < 0 ? -1 : 0;
    }
    return not_a_number;
}

double expected_binary(BinaryOp op, double a, double b) {
    switch (op) {
        case BinaryOp::add:
            return a + b;
        case BinaryOp::sub:
            return a - b;
        case BinaryOp::mul:
            return a * b;
        case BinaryOp::div:
            return a / b;
        case BinaryOp::pow:
            return std::pow(a, b);
        case BinaryOp::maximum:
            return std::max(a, b);
        case BinaryOp::step:
            return a > b ? 1 : a == b ? 0.5 : 0;
        case BinaryOp::pow_da:
            return b * std::pow(a, b - 1);
        case BinaryOp::pow_db:
            return std::pow(a, b) * std::log(a);
    }
    return not_a_number;
}

constexpr std::array unary_ops = {UnaryOp::neg,   UnaryOp::exp,  UnaryOp::log,
                                  UnaryOp::log1p, UnaryOp::sqrt, UnaryOp::tanh,
                                  UnaryOp::erf,   UnaryOp::abs,  UnaryOp::sign};
constexpr std::array binary_ops = {BinaryOp::add,  BinaryOp::sub,    BinaryOp::mul,
                                   BinaryOp::div,  BinaryOp::pow,    BinaryOp::maximum,
                                   BinaryOp::step, BinaryOp::pow_da, BinaryOp::pow_db};

/// Visits the positions of a walk one by one: visit(y, a, b), offsets into the arrays.
template <class Visit>
void each_position(const std::vector<Axis>& axes, Visit&& visit) {
    Index n = 1;
    for (const Axis& axis : axes) n *= axis.size;
    for (Index position = 0; position < n; ++position) {
        Index rest = position, y = 0, a = 0, b = 0;
        for (std::size_t j = axes.size(); j-- > 0;) {
            const Index i = rest % axes[j].size;
            rest /= axes[j].size;
            y += i * axes[j].y;
            a += i * axes[j].a;
            b += i * axes[j].b;
        }
        visit(static_cast<std::size_t>(y), static_cast<std::size_t>(a),
              static_cast<std::size_t>(b));
    }
}

/// Dense, repeated (stride 0), spread and transposed inputs; y is always dense.
const std::vector<std::vector<Axis>> walks = {
    {{0, 1, 1, 1}},
    {{1, 0, 0, 0}},
    {{17, 1, 1, 0}},
    {{33, 1, 0, 1}},
    {{1009, 1, 1, 1}},
    {{5, 7, 7, 0}, {7, 1, 1, 1}},
    {{5, 16, 1, 16}, {16, 1, 5, 1}},
    {{5, 17, 1, 0}, {17, 1, 0, 1}},
    {{3, 10, 0, 1}, {5, 2, 2, 3}, {2, 1, 1, 0}},
    {{2, 48, 1, 24}, {1, 48, 9, 9}, {3, 16, 2, 0}, {2, 8, 0, 6}, {2, 4, 6, 3}, {4, 1, 12, 1}},
    {{300, 400, 400, 0}, {400, 1, 1, 1}},
};

}  // namespace

TEMPLATE_TEST_CASE("unary and select", "[kernels]", float, double) {
    using T = TestType;
    const double epsilon = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([&](const Backend<T>& backend) {
        for (const Index n : sizes) {
            auto x = numbers<T>(n, 1), c = numbers<T>(n, 2);
            for (const UnaryOp op : unary_ops) {
                if (op == UnaryOp::log || op == UnaryOp::log1p || op == UnaryOp::sqrt)
                    for (T& v : x) v = std::abs(v) + T(0.1);
                std::vector<T> y(x.size()), expected(x.size());
                for (std::size_t i = 0; i < x.size(); ++i)
                    expected[i] = static_cast<T>(expected_unary(op, double{x[i]}));
                backend.unary(op, y.data(), x.data(), n);
                INFO("op " << static_cast<int>(op) << ", n " << n);
                CHECK(close(y, expected, 4 * epsilon));
                y = x;
                backend.unary(op, y.data(), y.data(), n);
                CHECK(close(y, expected, 4 * epsilon));
            }
            const auto b = numbers<T>(n, 3);
            std::vector<T> y(x.size()), expected(x.size());
            for (std::size_t i = 0; i < x.size(); ++i) {
                if (i % 3 != 0) c[i] = 0;
                expected[i] = c[i] != 0 ? x[i] : b[i];
            }
            backend.select(y.data(), c.data(), x.data(), b.data(), n);
            CHECK(y == expected);
        }
    });
}

TEMPLATE_TEST_CASE("binary along every kind of walk", "[kernels]", float, double) {
    using T = TestType;
    const double epsilon = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([&](const Backend<T>& backend) {
        for (const auto& axes : walks) {
            Index n = 1;
            for (const Axis& axis : axes) n *= axis.size;
            auto a = numbers<T>(n + 1, 4), b = numbers<T>(n + 1, 5);
            for (T& v : a) v = std::abs(v) + T(0.5);
            for (std::size_t i = 0; i < b.size(); ++i)
                b[i] = i % 5 == 0 ? a[i] : T(2) * std::abs(b[i]) + T(0.25);
            for (const BinaryOp op : binary_ops) {
                std::vector<T> y(static_cast<std::size_t>(n), T(not_a_number)), expected = y;
                each_position(axes, [&](std::size_t yi, std::size_t ai, std::size_t bi) {
                    expected[yi] =
                        static_cast<T>(expected_binary(op, double{a[ai]}, double{b[bi]}));
                });
                backend.binary(op, y.data(), a.data(), b.data(), axes.data(),
                               static_cast<int>(axes.size()));
                INFO("op " << static_cast<int>(op) << ", n " << n << ", rank " << axes.size());
                CHECK(close(y, expected, 20 * epsilon));
            }
        }
        auto x = numbers<T>(100, 6), y = numbers<T>(100, 7), expected = y;
        for (std::size_t i = 0; i < 100; ++i) expected[i] = y[i] + x[i];
        const Axis axis{100, 1, 1, 1};
        backend.binary(BinaryOp::add, y.data(), y.data(), x.data(), &axis, 1);
        CHECK(y == expected);
    });
}

TEMPLATE_TEST_CASE("copies and sums along walks", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([&](const Backend<T>& backend) {
        for (const auto& axes : walks) {
            Index n = 1;
            for (const Axis& axis : axes) n *= axis.size;
            const int rank = static_cast<int>(axes.size());
            const auto x = numbers<T>(n + 1, 8);
            std::vector<T> y(static_cast<std::size_t>(n), T(not_a_number)), expected = y;
            each_position(axes, [&](auto yi, auto ai, auto) { expected[yi] = x[ai]; });
            backend.copy_walk(y.data(), x.data(), axes.data(), rank);
            CHECK(y == expected);
            // Back again: elements that were repeated get a sum, in the order of the walk.
            std::vector<Axis> back = axes;
            for (Axis& axis : back) std::swap(axis.y, axis.a);
            auto sums = numbers<T>(n + 1, 9), expected_sums = sums;
            each_position(back, [&](auto yi, auto ai, auto) { expected_sums[yi] += y[ai]; });
            backend.add_walk(sums.data(), y.data(), back.data(), rank);
            CHECK(sums == expected_sums);
        }
    });
}

namespace {

/// An index chooses along one axis of a, of `size` entries, `stride` apart.
struct Choice {
    Index size, stride;
    std::vector<Axis> axes;
};

const std::vector<Choice> choices = {
    {4, 1, {{5, 1, 0, 1}}},                                    // elements of a vector
    {4, 17, {{5, 17, 0, 1}, {17, 1, 1, 0}}},                   // rows
    {4, 40'000, {{5, 40'000, 0, 1}, {40'000, 1, 1, 0}}},       // rows worth two threads
    {7, 1, {{6, 4, 7, 0}, {4, 1, 0, 1}}},                      // columns
    {5, 3, {{2, 12, 15, 0}, {4, 3, 0, 1}, {3, 1, 1, 0}}},      // along an axis in the middle
    {5, 3, {{2, 12, 15, 12}, {4, 3, 0, 3}, {3, 1, 1, 1}}},     // the same, each element its own
    {7, 1, {{300, 200, 7, 200}, {200, 1, 0, 1}}},              // of each row, worth two threads
    {3, 10'000, {{5, 10'000, 0, 10'000}, {10'000, 1, 1, 1}}},  // of each column, worth two threads
    {4, 3, {{5, 0, 0, 1}, {0, 1, 1, 0}}},                      // none
};

}  // namespace

TEMPLATE_TEST_CASE("what an index chooses, and sums of it", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([&](const Backend<T>& backend) {
        for (const Choice& choice : choices) {
            const Index size = choice.size, stride = choice.stride;
            const std::vector<Axis>& axes = choice.axes;
            Index n = 1, last_a = 0, last_b = 0;
            for (const Axis& axis : axes) {
                n *= axis.size;
                last_a += (axis.size - 1) * axis.a;
                last_b += (axis.size - 1) * axis.b;
            }
            const int rank = static_cast<int>(axes.size());
            std::vector<Index> indices;
            for (Index i = 0; i <= last_b; ++i) indices.push_back((i * i + 2) % 11 % size);
            const auto x = numbers<T>(last_a + (size - 1) * stride + 1, 10);
            std::vector<T> y(static_cast<std::size_t>(n), T(not_a_number)), expected = y;
            const auto chosen = [&](auto ai, auto bi) {
                return ai + static_cast<std::size_t>(indices[bi] * stride);
            };
            each_position(axes,
                          [&](auto yi, auto ai, auto bi) { expected[yi] = x[chosen(ai, bi)]; });
            backend.gather_walk(y.data(), x.data(), indices.data(), size, stride, axes.data(),
                                rank);
            INFO("size " << size << ", stride " << stride << ", n " << n);
            CHECK(y == expected);
            // Back again: what is chosen often gets a sum, in the order of the walk.
            auto sums = x, expected_sums = x;
            each_position(
                axes, [&](auto yi, auto ai, auto bi) { expected_sums[chosen(ai, bi)] += y[yi]; });
            backend.add_at_walk(sums.data(), y.data(), indices.data(), size, stride, axes.data(),
                                rank);
            CHECK(sums == expected_sums);
        }
    });
}

TEST_CASE("a GPU gives NaN for what is not there, and adds nothing to it", "[kernels]") {
    on_every_gpu<float>([](const Backend<float>& backend) {
        constexpr Index largest = std::numeric_limits<Index>::max();
        const std::vector<Index> indices = {1, -1, 2, -largest - 1, 0, largest};
        const Axis axes[] = {{6, 2, 0, 1}, {2, 1, 1, 0}};
        const std::vector<float> x = {1, 2, 3, 4};
        std::vector<float> y(12), sums(4, 0.5F);
        backend.gather_walk(y.data(), x.data(), indices.data(), 2, 2, axes, 2);
        for (const std::size_t i : std::vector<std::size_t>{0, 1, 8, 9})
            CHECK(y[i] == (i < 2 ? x[i + 2] : x[i - 8]));
        for (const std::size_t i : std::vector<std::size_t>{2, 3, 4, 5, 6, 7, 10, 11})
            CHECK(std::isnan(y[i]));
        backend.add_at_walk(sums.data(), y.data(), indices.data(), 2, 2, axes, 2);
        CHECK(sums == std::vector<float>{1.5F, 2.5F, 3.5F, 4.5F});
    });
}

TEMPLATE_TEST_CASE("reductions along an axis", "[kernels]", float, double) {
    using T = TestType;
    const double epsilon = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([&](const Backend<T>& backend) {
        for (const auto& [outer, n, inner] : std::vector<std::array<Index, 3>>{{0, 3, 2},
                                                                               {2, 0, 3},
                                                                               {1, 1, 1},
                                                                               {1, 1009, 1},
                                                                               {17, 33, 1},
                                                                               {1, 33, 17},
                                                                               {3, 5, 7},
                                                                               {2, 1, 65},
                                                                               {200, 500, 1},
                                                                               {1, 500, 200},
                                                                               {7, 300, 33}}) {
            const auto x = numbers<T>(outer * n * inner, 12);
            for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::logsumexp}) {
                std::vector<T> y(static_cast<std::size_t>(outer * inner), T(not_a_number));
                backend.reduce(op, y.data(), x.data(), outer, n, inner);
                double worst = 0;
                for (Index o = 0; o < outer; ++o)
                    for (Index i = 0; i < inner; ++i) {
                        double sum = 0, largest = -INFINITY, exps = 0;
                        for (Index k = 0; k < n; ++k) {
                            const double v{x[static_cast<std::size_t>((o * n + k) * inner + i)]};
                            sum += v;
                            largest = std::max(largest, v);
                            exps += std::exp(v);
                        }
                        const double expected = op == ReduceOp::sum   ? sum
                                                : op == ReduceOp::max ? largest
                                                                      : std::log(exps);
                        const double got{y[static_cast<std::size_t>(o * inner + i)]};
                        if (got == expected) continue;  // infinity, too
                        const double error = std::abs(got - expected);
                        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
                    }
                INFO("op " << static_cast<int>(op) << ": " << outer << ", " << n << ", " << inner);
                CHECK(worst <=
                      (op == ReduceOp::max ? 0 : 2 * epsilon * static_cast<double>(n + 4)));
            }
        }
    });
}
