// Every kernel but the product, on every instruction set that this processor has, at sizes around
// the vector widths, on one thread and on two. Each is held against its definition in plain code.
#include "kernels/backend.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "kernels/every_backend.h"

using namespace handgrad;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEMPLATE_TEST_CASE("elementwise kernels", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes) {
            const auto x = numbers<T>(n, 1), dy = numbers<T>(n, 2);
            auto y = x, dx = x, expected = x;
            backend.activation_forward(Activation::relu, y.data(), x.data(), 0, 0, n);
            for (auto& v : expected) v = v > 0 ? v : 0;
            CHECK(y == expected);
            backend.activation_backward(Activation::relu, dx.data(), dy.data(), y.data(), 0, 0, n);
            for (std::size_t i = 0; i < x.size(); ++i) expected[i] = x[i] > 0 ? dy[i] : 0;
            CHECK(dx == expected);
            backend.multiply(y.data(), x.data(), dy.data(), n);
            for (std::size_t i = 0; i < x.size(); ++i) expected[i] = x[i] * dy[i];
            CHECK(y == expected);
            auto w = x;
            backend.fill(w.data(), T(3), n);
            CHECK(w == std::vector<T>(x.size(), T(3)));
        }
    });
}

TEMPLATE_TEST_CASE("NaN and signed zeros pass through ReLU as they should", "[kernels]", float,
                   double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        std::vector<T> x(37, T(not_a_number)), y(37, T(1)), dx(37);
        x[5] = -std::numeric_limits<T>::infinity();
        x[6] = std::numeric_limits<T>::infinity();
        backend.activation_forward(Activation::relu, y.data(), x.data(), 0, 0, 37);
        CHECK(std::isnan(y[0]));
        CHECK(std::isnan(y[36]));
        CHECK(y[5] == 0);
        CHECK(y[6] == std::numeric_limits<T>::infinity());
        // The derivative at NaN is 1, as PyTorch has it: a gradient is not silenced there.
        const std::vector<T> dy(37, T(2));
        backend.activation_backward(Activation::relu, dx.data(), dy.data(), y.data(), 0, 0, 37);
        CHECK(dx[0] == 2);
        CHECK(dx[36] == 2);
        CHECK(dx[5] == 0);
        CHECK(dx[6] == 2);
    });
}

namespace {

std::size_t at(Index i) {
    return static_cast<std::size_t>(i);
}

}  // namespace

TEMPLATE_TEST_CASE("linear_forward is its definition", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const auto& [rows, in, out] :
             {std::array<Index, 3>{1, 1, 1}, {3, 0, 2}, {5, 7, 3}, {17, 33, 10}}) {
            std::vector<T> x(at(rows * in)), w(at(out * in)), bias(at(out)),
                y(at(rows * out), T(not_a_number));
            for (Index i = 0; i < rows * in; ++i) x[at(i)] = static_cast<T>(i % 7 - 3);
            for (Index i = 0; i < out * in; ++i) w[at(i)] = static_cast<T>(i % 5 - 2);
            for (Index i = 0; i < out; ++i) bias[at(i)] = static_cast<T>(i + 1);
            backend.linear_forward(y.data(), x.data(), w.data(), bias.data(), rows, in, out);
            for (Index r = 0; r < rows; ++r)
                for (Index o = 0; o < out; ++o) {
                    T sum = bias[at(o)];
                    for (Index i = 0; i < in; ++i) sum += x[at(r * in + i)] * w[at(o * in + i)];
                    REQUIRE(y[at(r * out + o)] == sum);  // whole numbers: exact
                }
        }
    });
}

TEMPLATE_TEST_CASE("linear_relu_forward is linear_forward and then ReLU, to the bit", "[kernels]",
                   float, double) {
    using T = TestType;
    constexpr T least = std::numeric_limits<T>::denorm_min();
    on_every_backend<T>([](const Backend<T>& backend) {
        // Each way that a product takes on the CPU and on a GPU, and what sticks out of its tiles.
        for (const auto& [rows, in, out] : {std::array<Index, 3>{0, 3, 2},
                                            {3, 0, 2},
                                            {3, 2, 0},
                                            {1, 1, 1},
                                            {5, 7, 3},
                                            {17, 33, 10},
                                            {16, 5, 65},
                                            {67, 19, 131},
                                            {2, 1500, 3},
                                            {130, 40, 1}}) {
            std::vector<T> x = numbers<T>(rows * in, 1), w = numbers<T>(out * in, 2),
                           bias = numbers<T>(out, 3);
            if (rows > 1 && in > 0) x[at(in)] = T(not_a_number);
            if (rows > 2 && in > 0) x[at(2 * in)] = std::numeric_limits<T>::infinity();
            if (rows > 4)  // products that round to -0, and then the bias makes the sign
                for (Index i = 0; i < in; ++i) x[at(4 * in + i)] = -least;
            if (in > 0 && out > 1) w[at(in)] = T(0);
            if (out > 1) bias[1] = T(-0.0);
            if (out > 2) bias[2] = T(not_a_number);
            for (const T* b :
                 {static_cast<const T*>(bias.data()), static_cast<const T*>(nullptr)}) {
                const Index n = rows * out;
                std::vector<T> apart(at(n), T(not_a_number)), joined = apart;
                backend.linear_forward(apart.data(), x.data(), w.data(), b, rows, in, out);
                backend.activation_forward(Activation::relu, apart.data(), apart.data(), 0, 0, n);
                backend.linear_relu_forward(joined.data(), x.data(), w.data(), b, rows, in, out);
                INFO(rows << " x " << in << " x " << out << (b == nullptr ? ", no bias" : ""));
                REQUIRE(
                    (n == 0 || std::memcmp(apart.data(), joined.data(), at(n) * sizeof(T)) == 0));
            }
        }
    });
}

TEMPLATE_TEST_CASE("linear_backward_weight adds to both gradients", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const auto& [rows, in, out] : {std::array<Index, 3>{1, 1, 1},
                                            {0, 3, 2},
                                            {3, 0, 2},
                                            {5, 7, 3},
                                            {17, 33, 10},
                                            {40, 50, 70}}) {
            std::vector<T> dy(at(rows * out)), x(at(rows * in)), dw(at(out * in)), db(at(out));
            for (Index i = 0; i < rows * out; ++i) dy[at(i)] = static_cast<T>(i % 7 - 3);
            for (Index i = 0; i < rows * in; ++i) x[at(i)] = static_cast<T>(i % 5 - 2);
            for (Index i = 0; i < out * in; ++i) dw[at(i)] = static_cast<T>(i % 11);
            for (Index i = 0; i < out; ++i) db[at(i)] = static_cast<T>(i % 3);
            backend.linear_backward_weight(dw.data(), db.data(), dy.data(), x.data(), rows, in,
                                           out);
            for (Index o = 0; o < out; ++o) {
                T of_bias = static_cast<T>(o % 3);
                for (Index r = 0; r < rows; ++r) of_bias += dy[at(r * out + o)];
                REQUIRE(db[at(o)] == of_bias);  // whole numbers: exact
                for (Index i = 0; i < in; ++i) {
                    T sum = static_cast<T>((o * in + i) % 11);
                    for (Index r = 0; r < rows; ++r) sum += dy[at(r * out + o)] * x[at(r * in + i)];
                    REQUIRE(dw[at(o * in + i)] == sum);
                }
            }
        }
    });
}

namespace {

/// The activations in double, as kernels/backend.h defines them.
double reference(Activation f, double x, double a, double b) {
    const double s = 1 / (1 + std::exp(-x));
    switch (f) {
        case Activation::relu:
            return x > 0 ? x : 0;
        case Activation::leaky_relu:
            return x > 0 ? x : a * x;
        case Activation::elu:
            return x > 0 ? x : a * (std::exp(x) - 1);
        case Activation::softplus:
            return a * x > b ? x : std::log(1 + std::exp(a * x)) / a;
        case Activation::sigmoid:
            return s;
        case Activation::tanh:
            return std::tanh(x);
        case Activation::silu:
            return x * s;
        case Activation::gelu:
            return x * (1 + std::erf(x / std::sqrt(2))) / 2;
        case Activation::gelu_tanh:
            return x / 2 *
                   (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    }
    return not_a_number;
}

}  // namespace

TEMPLATE_TEST_CASE("every activation and its derivative", "[kernels]", float, double) {
    using T = TestType;
    constexpr double eps = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Activation f : {Activation::relu, Activation::leaky_relu, Activation::elu,
                                   Activation::softplus, Activation::sigmoid, Activation::tanh,
                                   Activation::silu, Activation::gelu, Activation::gelu_tanh})
            for (const Index n : {0, 1, 15, 16, 17, 1009, 20011}) {
                INFO("activation " << static_cast<int>(f) << ", n = " << n);
                const double a = 1.5, b = 3;
                auto x = numbers<T>(n, 7);
                for (T& v : x) v *= 5;
                const auto dy = numbers<T>(n, 8);
                std::vector<T> y(x.size(), T(not_a_number)), dx = y, expected = y, d_expected = y;
                for (std::size_t i = 0; i < x.size(); ++i) {
                    const double h = 1e-5, v = double{x[i]};
                    expected[i] = static_cast<T>(reference(f, v, a, b));
                    d_expected[i] = static_cast<T>(
                        (reference(f, v + h, a, b) - reference(f, v - h, a, b)) / (2 * h));
                    d_expected[i] *= dy[i];
                }
                backend.activation_forward(f, y.data(), x.data(), T(a), T(b), n);
                CHECK(close(y, expected, 20 * eps));
                const bool from_y =
                    f == Activation::relu || f == Activation::sigmoid || f == Activation::tanh;
                backend.activation_backward(f, dx.data(), dy.data(), (from_y ? y : x).data(), T(a),
                                            T(b), n);
                CHECK(close(dx, d_expected, 20 * eps + 1e-9));
                backend.activation_forward(f, x.data(), x.data(), T(a), T(b), n);  // in place
                CHECK(x == y);
            }
    });
}

TEMPLATE_TEST_CASE("PReLU", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index outer : {0, 1, 3, 50})
            for (const Index channels : {1, 2, 17, 40})
                for (const Index inner : {0, 1, 7, 64}) {
                    const Index n = outer * channels * inner;
                    const auto x = numbers<T>(n, 9), dy = numbers<T>(n, 10);
                    const auto slope = numbers<T>(channels, 11);
                    std::vector<T> y = x, dx = x, expected = x, d_expected = x;
                    auto dslope = slope, dslope_expected = slope;
                    for (std::size_t i = 0; i < x.size(); ++i) {
                        const std::size_t c = i / static_cast<std::size_t>(inner) %
                                              static_cast<std::size_t>(channels);
                        expected[i] = x[i] > 0 ? x[i] : slope[c] * x[i];
                        d_expected[i] = x[i] > 0 ? dy[i] : slope[c] * dy[i];
                        if (x[i] < 0) dslope_expected[c] += x[i] * dy[i];
                    }
                    backend.prelu_forward(y.data(), x.data(), slope.data(), outer, channels, inner);
                    CHECK(y == expected);
                    backend.prelu_backward(dx.data(), dslope.data(), dy.data(), x.data(),
                                           slope.data(), outer, channels, inner);
                    CHECK(dx == d_expected);
                    CHECK(close(dslope, dslope_expected,
                                3200 * 50 * std::numeric_limits<T>::epsilon()));
                }
    });
}

TEMPLATE_TEST_CASE("softmax, its logarithm and their derivatives", "[kernels]", float, double) {
    using T = TestType;
    constexpr double eps = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index rows : {0, 1, 5, 300})
            for (const Index cols : {0, 1, 2, 10, 17, 100}) {
                auto x = numbers<T>(rows * cols, 12);
                for (T& v : x) v *= 10;
                const auto dy = numbers<T>(rows * cols, 13);
                std::vector<T> y(x.size(), T(not_a_number)), dx = y, log_y = y, d_log = y;
                std::vector<T> e_y = y, e_dx = y, e_log_y = y, e_d_log = y;
                for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
                    const auto n = static_cast<std::size_t>(cols), first = r * n;
                    double sum = 0, dot = 0, dy_sum = 0;
                    for (std::size_t i = first; i < first + n; ++i) {
                        sum += std::exp(double{x[i]});
                        dy_sum += double{dy[i]};
                    }
                    for (std::size_t i = first; i < first + n; ++i)
                        dot += double{dy[i]} * std::exp(double{x[i]}) / sum;
                    for (std::size_t i = first; i < first + n; ++i) {
                        const double q = std::exp(double{x[i]}) / sum;
                        e_y[i] = static_cast<T>(q);
                        e_dx[i] = static_cast<T>(q * (double{dy[i]} - dot));
                        e_log_y[i] = static_cast<T>(double{x[i]} - std::log(sum));
                        e_d_log[i] = static_cast<T>(double{dy[i]} - q * dy_sum);
                    }
                }
                backend.softmax_forward(y.data(), x.data(), rows, cols);
                backend.softmax_backward(dx.data(), dy.data(), y.data(), rows, cols);
                backend.log_softmax_forward(log_y.data(), x.data(), rows, cols);
                backend.log_softmax_backward(d_log.data(), dy.data(), log_y.data(), rows, cols);
                CHECK(close(y, e_y, 20 * eps));
                CHECK(close(dx, e_dx, 20 * eps));
                CHECK(close(log_y, e_log_y, 50 * eps));
                CHECK(close(d_log, e_d_log, 100 * eps));  // dy_sum reaches 10
            }
    });
}

TEMPLATE_TEST_CASE("softmax and its logarithm are within their bounds", "[kernels]", float,
                   double) {
    using T = TestType;
    using W = typename Wider<T>::type;
    constexpr W u = unit_roundoff<T>, least = std::numeric_limits<T>::denorm_min();
    for (const Index cols : {1, 2, 10, 16, 17, 64, 65, 130, 1000, 4097})
        for (const std::string kind : {"within 1", "within 100", "within 400", "one far above",
                                       "all equal", "with -infinity"}) {
            const Index rows = 2 + 1000 / cols;
            const auto n = static_cast<std::size_t>(cols);
            auto x = numbers<T>(rows * cols, 14);
            for (std::size_t i = 0; i < x.size(); ++i) {
                if (kind == "within 100") x[i] *= 100;
                if (kind == "within 400") x[i] *= 400;
                if (kind == "one far above" && i % n == n / 2) x[i] += T(1e4);
                if (kind == "all equal") x[i] = T(-3.7);
                if (kind == "with -infinity" && i % n % 2 == 1) x[i] = T(-HUGE_VAL);
            }
            std::vector<W> exact(x.size()), exact_log(x.size()), below(x.size());
            for (std::size_t first = 0; first < x.size(); first += n) {
                const W highest = *std::max_element(&x[first], &x[first] + n);
                W sum = 0;
                for (std::size_t i = first; i < first + n; ++i) {
                    below[i] = highest - x[i];
                    sum += std::exp(-below[i]);
                }
                for (std::size_t i = first; i < first + n; ++i) {
                    exact[i] = std::exp(-below[i]) / sum;
                    exact_log[i] = -below[i] - std::log(sum);
                }
            }
            const W of_sum = W{1.5} * static_cast<W>(cols);
            on_every_backend<T>([&](const Backend<T>& backend) {
                std::vector<T> y(x.size(), T(not_a_number)), log_y = y;
                backend.softmax_forward(y.data(), x.data(), rows, cols);
                backend.log_softmax_forward(log_y.data(), x.data(), rows, cols);
                INFO(cols << " columns, " << kind);
                CHECK(part_of_bound(y, [&](auto i) {
                          const W bound = (below[i] + of_sum + 5) * u * exact[i] + W{1.5} * least;
                          return std::pair(exact[i], bound);
                      }) <= 1);
                CHECK(part_of_bound(log_y, [&](auto i) {
                          const W bound = (3 * std::abs(exact_log[i]) + of_sum + 1) * u;
                          return std::pair(exact_log[i], bound);
                      }) <= 1);
            });
        }
}

TEMPLATE_TEST_CASE("sum", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes) {
            const auto x = numbers<T>(n, 3);
            double expected = 0, magnitude = 0;
            for (const T v : x) expected += double{v}, magnitude += std::abs(double{v});
            T total = T(not_a_number);
            backend.sum(&total, x.data(), T(0.25), n);
            // A sum of n numbers in any order errs by at most (n - 1) eps sum |x|.
            const double bound =
                static_cast<double>(n) * std::numeric_limits<T>::epsilon() * magnitude;
            CHECK(std::abs(double{total} - 0.25 * expected) <= 0.25 * bound);
        }
    });
}

TEMPLATE_TEST_CASE("kernels on rows", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index rows : {0, 1, 2, 17, 1000})
            for (const Index cols : {0, 1, 3, 10, 16, 33, 129}) {
                const auto n = static_cast<std::size_t>(rows * cols);
                const auto x = numbers<T>(rows * cols, 4), bias = numbers<T>(cols, 5);
                auto y = x, expected = x, sums = bias, expected_sums = bias;
                for (std::size_t i = 0; i < n; ++i) {
                    expected[i] += bias[i % static_cast<std::size_t>(cols)];
                    expected_sums[i % static_cast<std::size_t>(cols)] += x[i];
                }
                backend.add_to_rows(y.data(), bias.data(), rows, cols);
                CHECK(y == expected);
                backend.sum_rows(sums.data(), x.data(), rows, cols);
                CHECK(close(sums, expected_sums, 1000 * 1000 * std::numeric_limits<T>::epsilon()));

                std::vector<Index> indices;
                for (Index i = 0; i < 2 * rows; ++i) indices.push_back(i * 7 % rows);
                std::vector<T> gathered(2 * n, T(not_a_number)), expected_rows;
                for (const Index i : indices)
                    for (Index c = 0; c < cols; ++c)
                        expected_rows.push_back(x[static_cast<std::size_t>(i * cols + c)]);
                backend.gather_rows(gathered.data(), x.data(), indices.data(), 2 * rows, cols);
                CHECK(gathered == expected_rows);
            }
    });
}

TEMPLATE_TEST_CASE("cross entropy", "[kernels]", float, double) {
    using T = TestType;
    constexpr double eps = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index rows : {0, 1, 5, 64, 1000})
            for (const Index cols : {1, 2, 10, 17, 100}) {
                auto logits = numbers<T>(rows * cols, 6);
                for (T& o : logits) o *= 20;
                std::vector<std::int32_t> labels;
                for (Index r = 0; r < rows; ++r)
                    labels.push_back(static_cast<std::int32_t>(r * 13 % cols));
                std::vector<T> losses(labels.size(), T(not_a_number)),
                    q(logits.size(), T(not_a_number)), dlogits = q;
                std::vector<T> expected_losses = losses, expected_q = q, expected_d = q;
                for (std::size_t r = 0; r < labels.size(); ++r) {
                    const T* o = &logits[r * static_cast<std::size_t>(cols)];
                    double sum = 0;
                    for (Index c = 0; c < cols; ++c) sum += std::exp(double{o[c]});
                    expected_losses[r] = static_cast<T>(std::log(sum) - double{o[labels[r]]});
                    for (Index c = 0; c < cols; ++c) {
                        const std::size_t i =
                            r * static_cast<std::size_t>(cols) + static_cast<std::size_t>(c);
                        const double p = std::exp(double{o[c]}) / sum;
                        expected_q[i] = static_cast<T>(p);
                        expected_d[i] = static_cast<T>(0.5 * (p - (c == labels[r] ? 1 : 0)));
                    }
                }
                backend.cross_entropy_forward(losses.data(), q.data(), logits.data(), labels.data(),
                                              rows, cols);
                const std::vector<T> dlosses(labels.size(), T(0.5));
                backend.cross_entropy_backward(dlogits.data(), dlosses.data(), q.data(),
                                               labels.data(), rows, cols);
                CHECK(close(losses, expected_losses, 100 * eps));  // losses reach 40
                CHECK(close(q, expected_q, 100 * eps));
                CHECK(close(dlogits, expected_d, 100 * eps));
            }
    });
}

TEMPLATE_TEST_CASE("cross entropy of huge logits is finite", "[kernels]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        const std::vector<T> logits = {T(1e4), T(-1e4), T(0), T(-3e4), T(-3e4), T(-3e4)};
        const std::vector<std::int32_t> labels = {1, 2};
        std::vector<T> losses(2), q(6);
        backend.cross_entropy_forward(losses.data(), q.data(), logits.data(), labels.data(), 2, 3);
        CHECK(losses[0] == T(2e4));
        CHECK(std::abs(losses[1] - std::log(T(3))) <= T(1e-2));  // 3e4 + log 3 - 3e4 in float
        CHECK(q[0] == 1);
        CHECK(std::abs(q[5] - T(1) / 3) < T(1e-6));
    });
}

namespace {

/// The losses of one element in double, as kernels/backend.h defines them.
double reference(PointwiseLoss l, double x, double t, double a) {
    const double d = std::abs(x - t);
    switch (l) {
        case PointwiseLoss::mse:
            return d * d;
        case PointwiseLoss::l1:
            return d;
        case PointwiseLoss::smooth_l1:
            return d < a ? d * d / (2 * a) : d - a / 2;
        case PointwiseLoss::bce:
            return -t * std::log(x) - (1 - t) * std::log(1 - x);
    }
    return not_a_number;
}

}  // namespace

TEMPLATE_TEST_CASE("losses of each element and their derivatives", "[kernels]", float, double) {
    using T = TestType;
    constexpr double eps = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const PointwiseLoss l :
             {PointwiseLoss::mse, PointwiseLoss::l1, PointwiseLoss::smooth_l1, PointwiseLoss::bce})
            for (const Index n : {0, 1, 15, 16, 17, 1009, 20011}) {
                INFO("loss " << static_cast<int>(l) << ", n = " << n);
                auto x = numbers<T>(n, 14), target = numbers<T>(n, 15);
                const auto dl = numbers<T>(n, 16);
                for (T& v : x) v = T(0.5) + T(0.45) * v;
                for (std::size_t i = 0; i < x.size(); ++i) {
                    T& t = target[i];
                    t = T(0.5) + T(0.5) * t;
                    // Off the kinks |x - t| = 0 and a.
                    if (std::abs(std::abs(x[i] - t) - T(0.25)) < T(1e-3)) t += T(2e-3);
                    if (std::abs(x[i] - t) < T(1e-3)) t += T(2e-3);
                }
                std::vector<T> losses(x.size(), T(not_a_number)), dx = losses, expected = losses,
                                                                  d_expected = losses;
                const double a = 0.25, h = 1e-5;
                for (std::size_t i = 0; i < x.size(); ++i) {
                    const double v = double{x[i]}, t = double{target[i]};
                    expected[i] = static_cast<T>(reference(l, v, t, a));
                    d_expected[i] = static_cast<T>(
                        double{dl[i]} * (reference(l, v + h, t, a) - reference(l, v - h, t, a)) /
                        (2 * h));
                }
                backend.pointwise_loss_forward(l, losses.data(), x.data(), target.data(), T(a), n);
                backend.pointwise_loss_backward(l, dx.data(), dl.data(), x.data(), target.data(),
                                                T(a), n);
                CHECK(close(losses, expected, 50 * eps));
                CHECK(close(dx, d_expected, 200 * eps + 1e-5));  // 20000 h^2 for bce at 0.05
            }
    });
}

TEMPLATE_TEST_CASE("losses of each row and their derivatives", "[kernels]", float, double) {
    using T = TestType;
    constexpr double eps = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index rows : {0, 1, 5, 300})
            for (const Index cols : {1, 2, 10, 17}) {
                const Index n = rows * cols;
                auto x = numbers<T>(n, 17), target = numbers<T>(n, 18);
                for (T& v : x) v *= 3;
                for (T& t : target) t = t > 0 ? t : 0;
                const auto dl = numbers<T>(rows, 19), dl_each = numbers<T>(n, 20);
                const auto weight = numbers<T>(cols, 21);
                std::vector<std::int32_t> labels;
                for (Index r = 0; r < rows; ++r)
                    labels.push_back(static_cast<std::int32_t>(r * 13 % cols));

                const std::vector<T> unset(x.size(), T(not_a_number)),
                    unset_rows(labels.size(), T(not_a_number));
                auto bce = unset, d_bce = unset, plain = unset, q = unset, d_soft = unset,
                     d_nll = unset, e_bce = unset, e_d_bce = unset, e_plain = unset,
                     e_d_soft = unset, e_d_nll = unset;
                auto soft = unset_rows, nll = unset_rows, e_soft = unset_rows, e_nll = unset_rows;
                for (std::size_t r = 0; r < labels.size(); ++r) {
                    const auto columns = static_cast<std::size_t>(cols);
                    double exps = 0, targets = 0, loss = 0;
                    for (std::size_t i = r * columns; i < (r + 1) * columns; ++i) {
                        exps += std::exp(double{x[i]});
                        targets += double{target[i]};
                    }
                    for (std::size_t c = 0; c < columns; ++c) {
                        const std::size_t i = r * columns + c;
                        const double v = double{x[i]}, t = double{target[i]}, p = double{weight[c]};
                        const double s = 1 / (1 + std::exp(-v)), share = std::exp(v) / exps;
                        e_bce[i] = static_cast<T>(-p * t * std::log(s) - (1 - t) * std::log(1 - s));
                        e_d_bce[i] =
                            static_cast<T>(double{dl_each[i]} * ((1 - t) * s - p * t * (1 - s)));
                        e_plain[i] = static_cast<T>(-t * std::log(s) - (1 - t) * std::log(1 - s));
                        loss -= t * std::log(share);
                        e_d_soft[i] = static_cast<T>(double{dl[r]} * (share * targets - t));
                        const bool is_label = labels[r] == static_cast<std::int32_t>(c);
                        e_d_nll[i] = is_label ? -weight[c] * dl[r] : 0;
                        if (is_label) e_nll[r] = -weight[c] * x[i];
                    }
                    e_soft[r] = static_cast<T>(loss);
                }
                backend.bce_with_logits_forward(bce.data(), x.data(), target.data(), weight.data(),
                                                rows, cols);
                backend.bce_with_logits_backward(d_bce.data(), dl_each.data(), x.data(),
                                                 target.data(), weight.data(), rows, cols);
                backend.bce_with_logits_forward(plain.data(), x.data(), target.data(), nullptr,
                                                rows, cols);
                CHECK(close(bce, e_bce, 20 * eps));
                CHECK(close(d_bce, e_d_bce, 20 * eps));
                CHECK(close(plain, e_plain, 20 * eps));
                backend.soft_cross_entropy_forward(soft.data(), q.data(), x.data(), target.data(),
                                                   rows, cols);
                backend.soft_cross_entropy_backward(d_soft.data(), dl.data(), q.data(),
                                                    target.data(), rows, cols);
                CHECK(close(soft, e_soft, 200 * eps));
                CHECK(close(d_soft, e_d_soft, 100 * eps));
                backend.nll_forward(nll.data(), x.data(), labels.data(), weight.data(), rows, cols);
                backend.nll_backward(d_nll.data(), dl.data(), labels.data(), weight.data(), rows,
                                     cols);
                CHECK(nll == e_nll);
                CHECK(d_nll == e_d_nll);

                auto shares = unset;
                double total = 0;
                for (const std::int32_t label : labels)
                    total += double{weight[static_cast<std::size_t>(label)]};
                for (const bool weighted : {false, true})
                    for (const bool by_targets : {false, true}) {
                        auto expected = unset;
                        for (std::size_t i = 0; i < expected.size(); ++i) {
                            const std::size_t c = i % static_cast<std::size_t>(cols),
                                              r = i / static_cast<std::size_t>(cols);
                            const bool is_label = labels[r] == static_cast<std::int32_t>(c);
                            const T t = by_targets ? target[i] : is_label ? T(1) : T(0);
                            // One rounding less where the compiler multiplies and adds in one.
                            expected[i] = (T(0.75) * t + T(0.125)) * (weighted ? weight[c] : T(1));
                        }
                        shares = unset;
                        backend.class_shares(shares.data(), by_targets ? target.data() : nullptr,
                                             by_targets ? nullptr : labels.data(),
                                             weighted ? weight.data() : nullptr, T(0.75), T(0.125),
                                             rows, cols);
                        CHECK(close(shares, expected, 2 * eps));
                    }
                T sum = T(not_a_number);
                backend.sum_class_weights(&sum, labels.data(), weight.data(), rows, cols);
                CHECK(std::abs(double{sum} - total) <= eps * (1 + std::abs(total)));
            }
    });
}
