// The steps of the optimisers, each against its formula in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "catch.h"
#include "kernels/every_backend.h"

using namespace handgrad;

namespace {

/// Arrays that a step reads and writes. Averages of squares are not negative.
template <class T>
struct Arrays {
    explicit Arrays(Index n)
        : w(numbers<T>(n, 1)),
          dw(numbers<T>(n, 2)),
          a(numbers<T>(n, 3)),
          q(numbers<T>(n, 4)),
          q_max(numbers<T>(n, 5)) {
        for (T& v : a) v /= 2;               // a^2 <= 1/4:
        for (T& v : q) v = (v + 3) / 4;      // q in [1/2, 1), so that q - a^2 is positive
        for (T& v : q_max) v = (v + 3) / 4;  // above q for some, below it for others
    }
    std::vector<T> w, dw, a, q, q_max;
};

/// expected[i] = rule(i), in double.
template <class T, class Rule>
std::vector<T> by_rule(const std::vector<T>& like, Rule rule) {
    std::vector<T> expected(like.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<T>(rule(i));
    return expected;
}

/// The arrays cut into three parameters, one of them empty.
template <class T>
std::vector<ParameterArrays<T>> parameters(std::vector<T>& w, const std::vector<T>& dw,
                                           std::vector<std::vector<T>*> kept = {}) {
    std::vector<ParameterArrays<T>> all;
    const auto n = static_cast<Index>(w.size());
    for (const auto& [begin, end] : {std::pair(Index{0}, n / 2), {n / 2, n / 2}, {n / 2, n}}) {
        ParameterArrays<T> p{
            .w = w.data() + begin, .dw = const_cast<T*>(dw.data()) + begin, .n = end - begin};
        for (std::size_t k = 0; k < kept.size(); ++k)
            if (kept[k] != nullptr) p.kept[k] = kept[k]->data() + begin;
        all.push_back(p);
    }
    return all;
}

/// A step takes some ten operations on numbers of size 1.
template <class T>
constexpr double tolerance = 20 * std::numeric_limits<T>::epsilon();

/// Arrays of many sizes, some of what is kept as before the first step.
template <class T>
Arrays<T> of_many_sizes(Index n) {
    Arrays<T> x(n);
    const auto of_w = numbers<T>(n, 31), of_dw = numbers<T>(n, 32), of_kept = numbers<T>(n, 33);
    for (std::size_t i = 0; i < x.w.size(); ++i) {
        x.w[i] *= std::exp2(7 * of_w[i] - 3);
        x.dw[i] *= std::exp2(13 * of_dw[i] - 7);
        const T size = i % 7 == 0 ? T{0} : std::exp2(13 * of_kept[i] - 7);
        x.a[i] *= size;
        x.q[i] *= size * size;
        x.q_max[i] *= size * size;
    }
    return x;
}

/// A number, and its size: what it would be if no term of a sum cancelled another.
template <class W>
struct Sized {
    explicit Sized(W v) : value(v), size(std::abs(v)) {}
    Sized(W v, W s) : value(v), size(s) {}
    W value, size;

    friend Sized operator+(Sized a, Sized b) { return {a.value + b.value, a.size + b.size}; }
    friend Sized operator-(Sized a, Sized b) { return {a.value - b.value, a.size + b.size}; }
    friend Sized operator*(W a, Sized b) { return Sized(a) * b; }
    friend Sized operator*(Sized a, Sized b) { return {a.value * b.value, a.size * b.size}; }
    friend Sized higher(Sized a, Sized b) {
        return {std::max(a.value, b.value), std::max(a.size, b.size)};
    }
    /// a / (sqrt(square) + eps), whose size has the factor K of kernels/cpu/optimizers.h.
    friend Sized over_root(Sized a, Sized square, W eps) {
        const W root = std::sqrt(square.value) + eps, K = square.size / square.value;
        return {a.value / root, K * a.size / root};
    }
};

/// |got[i] - exact(i)| <= (roundings |exact(i)| + c size(i)) u
template <class T, class Exact>
void check_bound(const char* what, double c, const std::vector<T>& got, Exact exact,
                 double roundings = 1) {
    using W = typename Wider<T>::type;
    INFO(what);
    CHECK(part_of_bound(got, [&](auto i) {
              const Sized<W> e = exact(i);
              return std::pair(e.value,
                               (roundings * std::abs(e.value) + c * e.size) * unit_roundoff<T>);
          }) <= 1);
}

}  // namespace

TEMPLATE_TEST_CASE("SGD kernel", "[kernels][optim]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes) {
            const Arrays<T> x(n);
            const auto g = [&](std::size_t i) { return double{x.dw[i]} + 0.25 * double{x.w[i]}; };
            auto w = x.w;
            const Index first = 1, second = 2;
            backend.sgd_step(parameters(w, x.dw).data(), 3, &first,
                             {.lr = T(0.5), .weight_decay = T(0.25)});
            CHECK(close(w, by_rule(w, [&](auto i) { return x.w[i] - 0.5 * g(i); }), tolerance<T>));
            for (const bool nesterov : {false, true})
                for (const Index step : {first, second}) {
                    auto v = x.a;
                    w = x.w;
                    backend.sgd_step(parameters(w, x.dw, {&v}).data(), 3, &step,
                                     {.lr = T(0.5),
                                      .weight_decay = T(0.25),
                                      .momentum = T(0.75),
                                      .first_gain = T(0.5),
                                      .gain = T(0.125),
                                      .nesterov = nesterov});
                    const double gain = step == 1 ? 0.5 : 0.125;
                    const auto v_new = [&](std::size_t i) { return 0.75 * x.a[i] + gain * g(i); };
                    CHECK(close(v, by_rule(v, v_new), tolerance<T>));
                    const auto w_new = [&](std::size_t i) {
                        const double d = nesterov ? 0.75 * v_new(i) + gain * g(i) : v_new(i);
                        return x.w[i] - 0.5 * d;
                    };
                    CHECK(close(w, by_rule(w, w_new), tolerance<T>));
                }
        }
    });
}

TEMPLATE_TEST_CASE("Adam kernel", "[kernels][optim]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes)
            for (const bool amsgrad : {false, true}) {
                const Arrays<T> x(n);
                auto w = x.w, m = x.a, v = x.q, v_max = x.q_max;
                const Index step = 3;
                backend.adam_step(parameters(w, x.dw, {&m, &v, amsgrad ? &v_max : nullptr}).data(),
                                  3, &step,
                                  {.lr = T(0.5),
                                   .weight_decay = T(0.25),
                                   .keep = T(0.875),
                                   .beta1 = T(0.75),
                                   .gain1 = T(0.375),
                                   .beta2 = T(0.5),
                                   .gain2 = T(0.625),
                                   .log_beta1 = static_cast<T>(std::log(0.75)),
                                   .log_beta2 = static_cast<T>(std::log(0.5)),
                                   .eps = T(0.0625)});
                const auto g = [&](std::size_t i) { return double{x.dw[i]} + 0.25 * x.w[i]; };
                const auto m_new = [&](std::size_t i) { return 0.75 * x.a[i] + 0.375 * g(i); };
                const auto v_new = [&](std::size_t i) {
                    return 0.5 * x.q[i] + 0.625 * g(i) * g(i);
                };
                const auto second = [&](std::size_t i) {
                    return amsgrad ? std::max(v_new(i), double{x.q_max[i]}) : v_new(i);
                };
                CHECK(close(m, by_rule(m, m_new), tolerance<T>));
                CHECK(close(v, by_rule(v, v_new), tolerance<T>));
                if (amsgrad)
                    CHECK(close(v_max, by_rule(v_max, second), tolerance<T>));
                else
                    CHECK(v_max == x.q_max);
                const auto w_new = [&](std::size_t i) {
                    const double m_hat = m_new(i) / (1 - 27.0 / 64), v_hat = second(i) / (7.0 / 8);
                    return 0.875 * x.w[i] - 0.5 * m_hat / (std::sqrt(v_hat) + 0.0625);
                };
                CHECK(close(w, by_rule(w, w_new), tolerance<T>));
            }
    });
}

TEMPLATE_TEST_CASE("Adagrad kernel", "[kernels][optim]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes) {
            const Arrays<T> x(n);
            auto w = x.w, sum = x.q;
            const Index step = 5;
            backend.adagrad_step(
                parameters(w, x.dw, {&sum}).data(), 3, &step,
                {.lr = T(1), .lr_decay = T(0.25), .weight_decay = T(0.25), .eps = T(0.0625)});
            const auto g = [&](std::size_t i) { return double{x.dw[i]} + 0.25 * x.w[i]; };
            const auto sum_new = [&](std::size_t i) { return x.q[i] + g(i) * g(i); };
            CHECK(close(sum, by_rule(sum, sum_new), tolerance<T>));
            const auto w_new = [&](std::size_t i) {
                return x.w[i] - 0.5 * g(i) / (std::sqrt(sum_new(i)) + 0.0625);
            };
            CHECK(close(w, by_rule(w, w_new), tolerance<T>));
        }
    });
}

TEMPLATE_TEST_CASE("RMSprop kernel", "[kernels][optim]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes)
            for (const bool centered : {false, true})
                for (const bool momentum : {false, true}) {
                    const Arrays<T> x(n);
                    auto w = x.w, q = x.q, a = x.a, v = x.q_max;
                    std::vector<std::vector<T>*> kept = {&q};
                    if (centered) kept.push_back(&a);
                    if (momentum) kept.push_back(&v);
                    backend.rmsprop_step(parameters(w, x.dw, kept).data(), 3,
                                         {.lr = T(0.5),
                                          .weight_decay = T(0.25),
                                          .alpha = T(0.875),
                                          .gain = T(0.125),
                                          .momentum = momentum ? T(0.75) : T(0),
                                          .eps = T(0.0625),
                                          .centered = centered});
                    const auto g = [&](std::size_t i) { return double{x.dw[i]} + 0.25 * x.w[i]; };
                    const auto q_new = [&](std::size_t i) {
                        return 0.875 * x.q[i] + 0.125 * g(i) * g(i);
                    };
                    const auto a_new = [&](std::size_t i) {
                        return centered ? 0.875 * x.a[i] + 0.125 * g(i) : double{x.a[i]};
                    };
                    const auto d = [&](std::size_t i) {
                        const double mean = centered ? a_new(i) : 0;
                        return g(i) / (std::sqrt(q_new(i) - mean * mean) + 0.0625);
                    };
                    const auto v_new = [&](std::size_t i) {
                        return momentum ? 0.75 * x.q_max[i] + d(i) : double{x.q_max[i]};
                    };
                    CHECK(close(q, by_rule(q, q_new), tolerance<T>));
                    CHECK(close(a, by_rule(a, a_new), tolerance<T>));
                    CHECK(close(v, by_rule(v, v_new), tolerance<T>));
                    const auto w_new = [&](std::size_t i) {
                        return x.w[i] - 0.5 * (momentum ? v_new(i) : d(i));
                    };
                    CHECK(close(w, by_rule(w, w_new), tolerance<T>));
                }
    });
}

TEMPLATE_TEST_CASE("steps are within their bounds", "[kernels][optim]", float, double) {
    using T = TestType;
    using W = typename Wider<T>::type;
    using S = Sized<W>;
    const Arrays<T> x = of_many_sizes<T>(2003);
    on_every_backend<T>([&](const Backend<T>& backend) {
        for (const Index step : {1, 2, 1000})
            for (const T decay : {T(0), T(0.01)}) {
                INFO("step " << step << ", weight decay " << decay);
                const auto g = [&](auto i) { return S(x.dw[i]) + decay * S(x.w[i]); };
                // Each step in turn from the same arrays, w by what `change` takes from it.
                Arrays<T> y = x;
                const auto arrays = [&](const std::vector<std::vector<T>*>& kept) {
                    return parameters(y.w, y.dw, kept);
                };
                const auto check_w = [&](const char* rule, double c, auto change, T keep = 1) {
                    const auto w = [&](auto i) {
                        const S d = change(i), kept = keep * S(x.w[i]);
                        return S(kept.value - d.value, d.size);
                    };
                    check_bound(rule, c, y.w, w, keep == 1 ? 1 : 2);
                    y = x;
                };

                SgdStep<T> sgd{.lr = T(0.1), .weight_decay = decay};
                backend.sgd_step(arrays({}).data(), 3, &step, sgd);
                check_w("SGD", 3, [&](auto i) { return sgd.lr * g(i); });
                sgd.momentum = T(0.9), sgd.gain = T(0.1);
                for (const bool nesterov : {false, true}) {
                    sgd.nesterov = nesterov;
                    backend.sgd_step(arrays({&y.a}).data(), 3, &step, sgd);
                    const auto gain_g = [&](auto i) {
                        return (step == 1 ? sgd.first_gain : sgd.gain) * g(i);
                    };
                    const auto v = [&](auto i) { return sgd.momentum * S(x.a[i]) + gain_g(i); };
                    check_bound("v of SGD", 3, y.a, v);
                    check_w("SGD with momentum", nesterov ? 7 : 5, [&](auto i) {
                        return sgd.lr * (nesterov ? sgd.momentum * v(i) + gain_g(i) : v(i));
                    });
                }

                for (const bool amsgrad : {false, true}) {
                    AdamStep<T> s{.lr = T(0.01), .weight_decay = decay};
                    // With the decay of AdamW, too.
                    s.keep = amsgrad ? T(0.999) : T(1);
                    s.beta1 = T(0.9), s.gain1 = T(0.1), s.log_beta1 = T(-0.105360516);
                    s.beta2 = T(0.999), s.gain2 = T(0.001), s.log_beta2 = T(-0.00100050033);
                    s.eps = T(1e-8);
                    backend.adam_step(arrays({&y.a, &y.q, amsgrad ? &y.q_max : nullptr}).data(), 3,
                                      &step, s);
                    const auto m = [&](auto i) { return s.beta1 * S(x.a[i]) + s.gain1 * g(i); };
                    const auto v = [&](auto i) {
                        return s.beta2 * S(x.q[i]) + s.gain2 * g(i) * g(i);
                    };
                    const auto v_max = [&](auto i) { return higher(v(i), S(x.q_max[i])); };
                    check_bound("m of Adam", 3, y.a, m);
                    check_bound("v of Adam", 6, y.q, v);
                    if (amsgrad) check_bound("v_max of Adam", 6, y.q_max, v_max);
                    const auto unbiased = [&](S average, W log_beta) {
                        return -1 / std::expm1(static_cast<W>(step) * log_beta) * average;
                    };
                    check_w(
                        "Adam", amsgrad ? 21 : 20,
                        [&](auto i) {
                            const S square = unbiased(amsgrad ? v_max(i) : v(i), s.log_beta2);
                            return over_root(s.lr * unbiased(m(i), s.log_beta1), square, s.eps);
                        },
                        s.keep);
                }

                const AdagradStep<T> adagrad{
                    .lr = T(0.1), .lr_decay = T(0.01), .weight_decay = decay, .eps = T(1e-10)};
                backend.adagrad_step(arrays({&y.q}).data(), 3, &step, adagrad);
                const auto sum = [&](auto i) { return S(x.q[i]) + g(i) * g(i); };
                check_bound("sum of Adagrad", 5, y.q, sum);
                check_w("Adagrad", 12, [&](auto i) {
                    const W lr = adagrad.lr / (1 + static_cast<W>(step - 1) * adagrad.lr_decay);
                    return over_root(lr * g(i), sum(i), adagrad.eps);
                });

                for (const bool centered : {false, true})
                    for (const T momentum : {T(0), T(0.9)}) {
                        RmspropStep<T> s{.lr = T(0.01), .weight_decay = decay};
                        s.alpha = T(0.99), s.gain = T(0.01), s.eps = T(1e-8);
                        s.momentum = momentum, s.centered = centered;
                        std::vector<T>& v_kept = y.q_max;
                        backend.rmsprop_step(
                            arrays({&y.q, centered ? &y.a : &v_kept, centered ? &v_kept : nullptr})
                                .data(),
                            3, s);
                        const auto q = [&](auto i) {
                            return s.alpha * S(x.q[i]) + s.gain * g(i) * g(i);
                        };
                        const auto a = [&](auto i) {
                            return centered ? s.alpha * S(x.a[i]) + s.gain * g(i) : S(0);
                        };
                        const auto v = [&](auto i) {
                            return momentum * S(x.q_max[i]) +
                                   over_root(g(i), q(i) - a(i) * a(i), s.eps);
                        };
                        check_bound("q of RMSprop", 6, y.q, q);
                        if (centered) check_bound("a of RMSprop", 3, y.a, a);
                        if (momentum != 0) check_bound("v of RMSprop", 10, v_kept, v);
                        check_w("RMSprop", 12, [&](auto i) { return s.lr * v(i); });
                    }
            }
    });
}

TEMPLATE_TEST_CASE("a variance that rounding made negative counts as zero", "[kernels][optim]",
                   float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        std::vector<T> w(37, T(1)), q(37, T(0.25)), a(37, T(0.5) + T(1e-3)), dw(37, T(0));
        dw[3] = std::numeric_limits<T>::quiet_NaN();
        backend.rmsprop_step(
            parameters(w, dw, {&q, &a}).data(), 3,
            {.lr = T(1), .alpha = T(1), .gain = T(0), .eps = T(1), .centered = true});
        CHECK(w[0] == 1);
        CHECK(w[36] == 1);
        CHECK(std::isnan(w[3]));
    });
}

TEMPLATE_TEST_CASE("clipping kernels", "[kernels][optim]", float, double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes) {
            auto w = numbers<T>(n, 7), dw = numbers<T>(n, 6);
            const auto w_before = w, dw_before = dw;
            const auto all = parameters(w, dw);
            double expected = 0, total = 1;
            for (const T v : dw) expected += double{v} * double{v};
            backend.sum_squares(&total, all.data(), 3);
            CHECK(std::abs(total - expected) <= 1e-12 * expected);
            backend.clamp_gradients(all.data(), 3, T(0.5));
            CHECK(dw ==
                  by_rule(dw, [&](auto i) { return std::clamp(dw_before[i], T(-0.5), T(0.5)); }));
            CHECK(w == w_before);
        }
        double none = 1;
        backend.sum_squares(&none, nullptr, 0);
        CHECK(none == 0);
        std::vector<T> extremes(37, std::numeric_limits<T>::quiet_NaN()), w = extremes;
        extremes[1] = std::numeric_limits<T>::infinity();
        extremes[2] = -std::numeric_limits<T>::infinity();
        backend.clamp_gradients(parameters(w, extremes).data(), 3, T(3));
        CHECK(std::isnan(extremes[0]));
        CHECK(extremes[1] == 3);
        CHECK(extremes[2] == -3);
        CHECK(std::isnan(extremes[36]));
    });
}

TEMPLATE_TEST_CASE("gradients are set to zero and clipped by their norm", "[kernels][optim]", float,
                   double) {
    using T = TestType;
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes) {
            auto w = numbers<T>(n, 7), dw = numbers<T>(n, 6);
            const auto w_before = w, dw_before = dw;
            const auto all = parameters(w, dw);
            const auto clip = [&](double squares, double max_norm) {
                dw = dw_before;
                backend.clip_gradients(all.data(), 3, &squares, max_norm);
                return dw;
            };
            const double factor = 2 / (8 + 1e-6),
                         infinity = std::numeric_limits<double>::infinity();
            CHECK(close(clip(64, 2),
                        by_rule(dw, [&](auto i) { return factor * double{dw_before[i]}; }),
                        tolerance<T>));
            CHECK(clip(64, 9) == dw_before);
            CHECK(clip(64, infinity) == dw_before);
            for (const T v : clip(std::nan(""), 9)) CHECK(std::isnan(v));
            backend.zero_gradients(all.data(), 3);
            CHECK(dw == std::vector<T>(dw.size(), T(0)));
            CHECK(w == w_before);
        }
    });
}

TEMPLATE_TEST_CASE("penalties and their derivatives", "[kernels][optim]", float, double) {
    using T = TestType;
    constexpr double eps = std::numeric_limits<T>::epsilon();
    on_every_backend<T>([](const Backend<T>& backend) {
        for (const Index n : sizes)
            for (const Penalty R : {Penalty::l1, Penalty::l2}) {
                auto w = numbers<T>(n, 22), dw = numbers<T>(n, 23);
                if (n > 2) w[2] = 0;  // the kink
                const auto before = numbers<T>(n, 23);
                const auto all = parameters(w, dw);
                double sum = 0;
                for (const T v : w) sum += R == Penalty::l1 ? std::abs(double{v}) : double{v} * v;
                T total = std::numeric_limits<T>::quiet_NaN();
                backend.penalty_forward(R, &total, all.data(), 3, T(0.25));
                CHECK(std::abs(double{total} - 0.25 * sum) <=
                      static_cast<double>(n + 1) * eps * (1 + sum));
                backend.penalty_backward(R, all.data(), 3, T(0.25));
                CHECK(close(
                    dw,
                    by_rule(dw,
                            [&](auto i) {
                                const double v = double{w[i]}, sign = v > 0 ? 1 : v < 0 ? -1 : 0;
                                return before[i] + (R == Penalty::l1 ? 0.25 * sign : 0.5 * v);
                            }),
                    4 * eps));
            }
    });
}

TEST_CASE("a step moves more parameters than one launch has room for", "[kernels][optim]") {
    on_every_backend<float>([](const Backend<float>& backend) {
        constexpr Index count = 131;  // two launches of 64, and three
        std::vector<std::vector<float>> w, dw;
        std::vector<ParameterArrays<float>> all;
        for (Index k = 0; k < count; ++k) {
            w.push_back(numbers<float>(k % 300, static_cast<std::uint32_t>(k)));
            dw.push_back(numbers<float>(k % 300, static_cast<std::uint32_t>(k + 1)));
        }
        for (std::size_t k = 0; k < w.size(); ++k)
            all.push_back(
                {.w = w[k].data(), .dw = dw[k].data(), .n = static_cast<Index>(w[k].size())});
        const auto before = w;
        const Index step = 1;
        backend.sgd_step(all.data(), count, &step, {.lr = 0.5F});
        for (std::size_t k = 0; k < w.size(); ++k)
            CHECK(w[k] == by_rule(w[k], [&](auto i) { return before[k][i] - 0.5F * dw[k][i]; }));
        backend.sgd_step(nullptr, 0, &step, {.lr = 0.5F});

        double expected = 0, total = 0;
        for (const auto& gradients : dw)
            for (const float g : gradients) expected += double{g} * double{g};
        backend.sum_squares(&total, all.data(), count);
        CHECK(std::abs(total - expected) <= 1e-12 * expected);

        double size = 0;
        for (const auto& values : w)
            for (const float v : values) size += std::abs(double{v});
        float penalty = 0;
        backend.penalty_forward(Penalty::l1, &penalty, all.data(), count, 0.5F);
        CHECK(std::abs(double{penalty} - 0.5 * size) <= 1e-5 * size);
        const auto dw_before = dw;
        backend.penalty_backward(Penalty::l2, all.data(), count, 0.5F);
        for (std::size_t k = 0; k < dw.size(); ++k)
            CHECK(dw[k] == by_rule(dw[k], [&](auto i) { return dw_before[k][i] + w[k][i]; }));
    });
}

TEST_CASE("the squares of huge floats do not overflow", "[kernels][optim]") {
    on_every_backend<float>([](const Backend<float>& backend) {
        std::vector<float> w(37), dw(37, 1e30F);
        double total = 0;
        backend.sum_squares(&total, parameters(w, dw).data(), 3);
        CHECK(std::abs(total / 37e60 - 1) < 1e-6);
    });
}
