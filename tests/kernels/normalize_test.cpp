// Normalisation on every instruction set, on one thread and on two, against its definition in plain
// loops in long double. Derivatives: tests/check/registry_test.cpp.
#include <limits>
#include <string>
#include <vector>

#include "catch.h"
#include "kernels/backend.h"
#include "kernels/every_backend.h"

using namespace handgrad;

namespace {

struct Dims {
    Index outer, channels, inner;
};

/// Around the sixteen sums and the tile of 64 channels, two that are worth threads, and one whose
/// images give each thread many channels.
const std::vector<Dims> channel_shapes = {
    {1, 1, 1},   {2, 1, 1},     {5, 3, 1},     {3, 63, 1},  {3, 64, 1}, {3, 65, 1},
    {7, 131, 1}, {4, 3, 2},     {3, 5, 7},     {2, 33, 15}, {2, 3, 16}, {2, 3, 17},
    {3, 2, 63},  {2, 3, 64},    {1, 2, 65},    {1, 1, 97},  {0, 3, 2},  {3, 0, 2},
    {2, 3, 0},   {600, 129, 1}, {64, 3, 1009}, {3, 131, 66}};

std::string str(const char* what, Dims d) {
    return std::string(what) + " (" + std::to_string(d.outer) + ", " + std::to_string(d.channels) +
           ", " + std::to_string(d.inner) + ")";
}

/// f(c, j) for each element j of each channel c.
template <class F>
void each(Dims d, F f) {
    for (Index o = 0; o < d.outer; ++o)
        for (Index c = 0; c < d.channels; ++c)
            for (Index i = 0; i < d.inner; ++i)
                f(static_cast<std::size_t>(c),
                  static_cast<std::size_t>((o * d.channels + c) * d.inner + i));
}

/// The moments of each channel.
struct Moments {
    std::vector<long double> mean, var;
};
template <class T>
Moments moments(const std::vector<T>& x, Dims d) {
    const auto count = static_cast<long double>(d.outer * d.inner);
    Moments m;
    m.mean.resize(static_cast<std::size_t>(d.channels));
    m.var = m.mean;
    each(d, [&](auto c, auto j) { m.mean[c] += x[j] / count; });
    each(d, [&](auto c, auto j) { m.var[c] += (x[j] - m.mean[c]) * (x[j] - m.mean[c]) / count; });
    return m;
}

template <class T>
std::vector<T> rounded(const std::vector<long double>& x) {
    return std::vector<T>(x.begin(), x.end());
}

template <class T>
constexpr double eps = std::numeric_limits<T>::epsilon();
template <class T>
constexpr double moments_allowed = eps<T> + 30 * eps<double>;  // sums run in double
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

}  // namespace

TEMPLATE_TEST_CASE("moments of channels", "[kernels][normalize]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Dims d : channel_shapes) {
            if (d.outer * d.inner == 0) continue;
            INFO(str("moments", d));
            const auto x = numbers<T>(d.outer * d.channels * d.inner, 1);
            const auto expected = moments(x, d);
            std::vector<T> mean(expected.mean.size(), not_a_number<T>), var = mean;
            backend.channel_moments(mean.data(), var.data(), x.data(), d.outer, d.channels,
                                    d.inner);
            CHECK(close(mean, rounded<T>(expected.mean), moments_allowed<T>));
            CHECK(close(var, rounded<T>(expected.var), moments_allowed<T>));
        }
    });
}

TEMPLATE_TEST_CASE("variances keep their digits beside a large mean", "[kernels][normalize]", float,
                   double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Dims d : {Dims{1000, 3, 1}, Dims{10, 3, 100}}) {
            INFO(str("moments", d));
            // x - mean is exact: whole numbers beside 2^20; their squares differ beyond any digit.
            auto x = numbers<T>(d.outer * d.channels * d.inner, 1);
            for (T& v : x) v = T(1 << 20) + std::round(8 * v);
            const auto expected = moments(x, d);
            std::vector<T> mean(3), var(3);
            backend.channel_moments(mean.data(), var.data(), x.data(), d.outer, 3, d.inner);
            for (std::size_t c = 0; c < 3; ++c) {
                CHECK(expected.var[c] > 10);
                const double error = var[c] / static_cast<double>(expected.var[c]) - 1;
                CHECK(std::abs(error) <= eps<T> + 1000 * eps<double>);
            }
        }
        for (const Index cols : {50, 1000}) {
            INFO("3 rows of " << cols);
            auto x = numbers<T>(3 * cols, 1);
            for (T& v : x) v = T(1 << 20) + std::round(8 * v);
            const auto expected = moments(x, {1, 3, cols});
            std::vector<T> y(x.size()), mean(3), rstd(3);
            backend.layer_norm_forward(y.data(), mean.data(), rstd.data(), x.data(), nullptr,
                                       nullptr, T(0), 3, cols);
            for (std::size_t r = 0; r < 3; ++r) {
                const double error = rstd[r] * std::sqrt(static_cast<double>(expected.var[r])) - 1;
                CHECK(std::abs(error) <= 2 * eps<T> + 1000 * eps<double>);
            }
        }
    });
}

TEMPLATE_TEST_CASE("batch_norm_forward and batch_norm_backward", "[kernels][normalize]", float,
                   double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Dims d : channel_shapes)
            for (const bool affine : {true, false})
                for (const bool of_batch : {true, false}) {
                    INFO(str("batch_norm", d)
                         << (affine ? " affine" : "") << (of_batch ? " of the batch" : " fixed"));
                    const Index size = d.outer * d.channels * d.inner;
                    const auto x = numbers<T>(size, 1), dy = numbers<T>(size, 2);
                    auto weight = numbers<T>(d.channels, 3), bias = numbers<T>(d.channels, 4);
                    auto mean = numbers<T>(d.channels, 5), var = numbers<T>(d.channels, 6);
                    for (T& v : var) v += T(1.5);
                    if (of_batch) {
                        const auto m = moments(x, d);
                        mean = rounded<T>(m.mean);
                        var = rounded<T>(m.var);
                    }
                    const T e = T(0.1);
                    const auto channels = static_cast<std::size_t>(d.channels);
                    const auto n = static_cast<long double>(d.outer * d.inner);
                    const auto rstd = [&](auto c) {
                        return 1 / std::sqrt(static_cast<long double>(var[c]) + e);
                    };
                    const auto xn = [&](auto c, auto j) {
                        return (static_cast<long double>(x[j]) - mean[c]) * rstd(c);
                    };
                    const auto w = [&](auto c) { return affine ? weight[c] : T(1); };
                    std::vector<long double> y(x.size()), dx(x.size()), db(channels, 7),
                        dw(channels, 8);
                    std::vector<long double> sum_dy(channels), sum_dy_xn(channels);
                    each(d, [&](auto c, auto j) {
                        y[j] = w(c) * xn(c, j) + (affine ? bias[c] : T(0));
                        sum_dy[c] += dy[j];
                        sum_dy_xn[c] += dy[j] * xn(c, j);
                    });
                    each(d, [&](auto c, auto j) {
                        dx[j] = w(c) * rstd(c) * dy[j];
                        if (of_batch)
                            dx[j] -= w(c) * rstd(c) * (sum_dy[c] + xn(c, j) * sum_dy_xn[c]) / n;
                    });
                    for (std::size_t c = 0; c < channels; ++c) {
                        db[c] += sum_dy[c];
                        dw[c] += sum_dy_xn[c];
                    }
                    std::vector<T> got(x.size(), not_a_number<T>), got_dw(channels, T(8)),
                        got_db(channels, T(7));
                    backend.batch_norm_forward(got.data(), x.data(), mean.data(), var.data(),
                                               affine ? weight.data() : nullptr,
                                               affine ? bias.data() : nullptr, e, d.outer,
                                               d.channels, d.inner);
                    CHECK(close(got, rounded<T>(y), 20 * eps<T>));
                    backend.batch_norm_backward(got.data(), affine ? got_dw.data() : nullptr,
                                                affine ? got_db.data() : nullptr, dy.data(),
                                                x.data(), mean.data(), var.data(),
                                                affine ? weight.data() : nullptr, e, of_batch,
                                                d.outer, d.channels, d.inner);
                    CHECK(close(got, rounded<T>(dx), 40 * eps<T>));
                    if (!affine) continue;
                    const double allowed = 40 * eps<T> * std::sqrt(static_cast<double>(n) + 100);
                    CHECK(close(got_dw, rounded<T>(dw), allowed));
                    CHECK(close(got_db, rounded<T>(db), allowed));
                }
    });
}

TEMPLATE_TEST_CASE("layer_norm_forward and layer_norm_backward", "[kernels][normalize]", float,
                   double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const auto& [rows, cols] : std::vector<std::pair<Index, Index>>{{0, 3},
                                                                             {1, 1},
                                                                             {3, 2},
                                                                             {5, 15},
                                                                             {5, 16},
                                                                             {7, 17},
                                                                             {2, 63},
                                                                             {2, 64},
                                                                             {3, 65},
                                                                             {131, 7},
                                                                             {1, 1009},
                                                                             {300, 257},
                                                                             {600, 257},
                                                                             {20'003, 7}})
            for (const bool affine : {true, false}) {
                INFO(rows << " rows of " << cols << (affine ? ", affine" : ""));
                const auto x = numbers<T>(rows * cols, 1), dy = numbers<T>(rows * cols, 2);
                const auto weight = numbers<T>(cols, 3), bias = numbers<T>(cols, 4);
                const T e = T(0.1);
                const auto k = static_cast<std::size_t>(cols);
                const auto of_rows = moments(x, {1, rows, cols});
                std::vector<long double> y(x.size()), dx(x.size()), dw(k, 8), db(k, 7), rstd;
                for (const long double v : of_rows.var) rstd.push_back(1 / std::sqrt(v + e));
                const auto w = [&](auto c) { return affine ? weight[c] : T(1); };
                for (std::size_t r = 0; r < rstd.size(); ++r) {
                    long double sum_g = 0, sum_g_xn = 0;
                    const auto xn = [&](auto c) {
                        return (x[r * k + c] - of_rows.mean[r]) * rstd[r];
                    };
                    for (std::size_t c = 0; c < k; ++c) {
                        const std::size_t j = r * k + c;
                        y[j] = w(c) * xn(c) + (affine ? bias[c] : T(0));
                        sum_g += w(c) * dy[j];
                        sum_g_xn += w(c) * dy[j] * xn(c);
                        dw[c] += dy[j] * xn(c);
                        db[c] += dy[j];
                    }
                    for (std::size_t c = 0; c < k; ++c)
                        dx[r * k + c] = rstd[r] * (w(c) * dy[r * k + c] - sum_g / cols -
                                                   xn(c) * sum_g_xn / cols);
                }
                std::vector<T> got(x.size(), not_a_number<T>), mean(rstd.size()), got_rstd = mean;
                std::vector<T> got_dw(k, T(8)), got_db(k, T(7));
                backend.layer_norm_forward(got.data(), mean.data(), got_rstd.data(), x.data(),
                                           affine ? weight.data() : nullptr,
                                           affine ? bias.data() : nullptr, e, rows, cols);
                CHECK(close(got, rounded<T>(y), 20 * eps<T>));
                CHECK(close(mean, rounded<T>(of_rows.mean), moments_allowed<T>));
                CHECK(close(got_rstd, rounded<T>(rstd), 10 * eps<T>));
                backend.layer_norm_backward(got.data(), affine ? got_dw.data() : nullptr,
                                            affine ? got_db.data() : nullptr, dy.data(), x.data(),
                                            mean.data(), got_rstd.data(),
                                            affine ? weight.data() : nullptr, rows, cols);
                CHECK(close(got, rounded<T>(dx), 40 * eps<T>));
                const double allowed = 40 * eps<T> * std::sqrt(static_cast<double>(rows) + 100);
                if (affine) {
                    CHECK(close(got_dw, rounded<T>(dw), allowed));
                    CHECK(close(got_db, rounded<T>(db), allowed));
                }
            }
    });
}

TEMPLATE_TEST_CASE("scale_rows and moving_average", "[kernels][normalize]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes) {
            const auto x = numbers<T>(3 * n, 1), scale = numbers<T>(3, 2);
            auto y = x, expected = x;
            for (std::size_t i = 0; i < x.size(); ++i)
                expected[i] = x[i] * scale[i / static_cast<std::size_t>(n)];
            backend.scale_rows(y.data(), x.data(), scale.data(), 3, n);
            CHECK(y == expected);
            y = x;
            backend.scale_rows(y.data(), y.data(), scale.data(), 3, n);  // in place
            CHECK(y == expected);
            auto average = x;
            for (std::size_t i = 0; i < x.size(); ++i) expected[i] = T(0.75) * x[i] + T(0.5) * y[i];
            backend.moving_average(average.data(), y.data(), T(0.75), T(0.5), 3 * n);
            CHECK(close(average, expected, 2 * eps<T>));
        }
    });
}

TEMPLATE_TEST_CASE("NaN in one channel or row stays there", "[kernels][normalize]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Dims d : {Dims{9, 20, 1}, Dims{2, 20, 33}}) {
            auto x = numbers<T>(d.outer * d.channels * d.inner, 1);
            std::vector<T> mean(20), var(20), y = x;
            x[static_cast<std::size_t>(5 * d.inner)] = not_a_number<T>;  // in channel 5
            backend.channel_moments(mean.data(), var.data(), x.data(), d.outer, 20, d.inner);
            backend.batch_norm_forward(y.data(), x.data(), mean.data(), var.data(), nullptr,
                                       nullptr, T(0), d.outer, 20, d.inner);
            each(d, [&](auto c, auto j) { CHECK(std::isnan(y[j]) == (c == 5)); });
        }
        auto x = numbers<T>(9 * 37, 1);
        std::vector<T> y = x, mean(9), rstd(9);
        x[3 * 37 + 36] = not_a_number<T>;
        backend.layer_norm_forward(y.data(), mean.data(), rstd.data(), x.data(), nullptr, nullptr,
                                   T(0), 9, 37);
        for (std::size_t j = 0; j < y.size(); ++j) CHECK(std::isnan(y[j]) == (j / 37 == 3));
    });
}
