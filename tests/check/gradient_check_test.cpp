// The checker itself: it must find what is wrong, or its PASS means nothing.
#include "check/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/functional.h"
#include "catch.h"
#include "check/loss_layer.h"
#include "core/error.h"
#include "layers/activations.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/residual.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"

using namespace handgrad;

namespace {

/// L = sum_i sin(w_i), dL/dw_i = cos(w_i)
struct Sines {
    Parameter<double> w{"w", Tensor<double>::from({5}, {-2, -1, 0.3, 1, 20}),
                        Tensor<double>::empty({5})};
    double loss() const {
        double sum = 0;
        for (const double v : w.value.span()) sum += std::sin(v);
        return sum;
    }
    Sines() {
        for (Index i = 0; i < 5; ++i) w.grad(i) = std::cos(w.value(i));
    }
    GradientRow check(const GradientCheckOptions& options = {}) {
        return check_gradients(
            {&w}, [this] { return loss(); }, options)[0];
    }
};

}  // namespace

TEST_CASE("a right gradient passes and values are restored", "[check]") {
    Sines sines;
    const auto before = sines.w.value.values();
    const GradientRow row = sines.check();
    INFO(table({row}));
    REQUIRE(row.pass());
    REQUIRE(row.differences.checked == 5);
    REQUIRE(row.differences.max_relative_error < 1e-6);
    REQUIRE(sines.w.value.values() == before);
}

TEST_CASE("a wrong gradient fails and is located", "[check]") {
    Sines sines;
    sines.w.grad(3) *= 1.0001;
    const GradientRow row = sines.check();
    REQUIRE_FALSE(row.pass());
    REQUIRE(row.differences.worst == "element 3");
    REQUIRE_THAT(table({row}), ContainsSubstring("FAIL") && ContainsSubstring("element 3"));
    REQUIRE_FALSE(all_pass({row}));
}

TEST_CASE("a gradient small beside its loss is judged by what rounding leaves of it", "[check]") {
    const auto reason = [](double loss_at_0, double by_hand) {
        Parameter<double> w{"w", Tensor<double>::from({1}, {0.3}),
                            Tensor<double>::from({1}, {by_hand})};
        const auto loss = [&] { return loss_at_0 + 1e-6 * w.value(0); };
        return check_gradients({&w}, loss)[0].differences.reason;
    };
    CHECK(reason(1, 1e-6) == "");
    CHECK(reason(1, 1.01e-6) == "they differ");
    // Rounding may make 2e-8 of a slope here, in which 1 % too much would be lost.
    CHECK_THAT(reason(100, 1.01e-6), ContainsSubstring("lost in the rounding"));
    CHECK_THAT(reason(100, 1e-6), ContainsSubstring("lost in the rounding"));
    CHECK_THAT(reason(1e6, 1e-6), ContainsSubstring("lost in the rounding"));
    CHECK_THAT(reason(1e6, 0), ContainsSubstring("nothing was seen"));
}

TEST_CASE("what rounding explains is recorded as it is", "[check]") {
    // Of a loss of 1e3 rounding may make a slope of 2e-7.
    Parameter<double> w{"w", Tensor<double>::from({1}, {0.3}), Tensor<double>::from({1}, {1})};
    const auto check = [&](double by_hand) {
        w.grad(0) = by_hand;
        return check_gradients({&w}, [&] { return 1e3 + 1e-3 * w.value(0); })[0].differences;
    };
    CHECK(check(1e-3 + 1e-7).pass());
    CHECK(check(1e-3 + 1e-7).max_relative_error > 5e-5);
    CHECK(check(1e-3 + 1e-6).reason == "they differ");
}

TEST_CASE("a point on a kink is refused, even where the numbers agree", "[check]") {
    const auto reason = [](double at, double by_hand, const auto& loss) {
        Parameter<double> w{"w", Tensor<double>::from({2}, {at, 0.7}),
                            Tensor<double>::from({2}, {by_hand, 2})};
        return check_gradients({&w}, [&] { return loss(w.value(0)) + 2 * w.value(1); })[0]
            .differences.reason;
    };
    const auto relu = [](double v) { return std::max(v, 0.0); };
    for (const double by_hand : {0.0, 0.5, 1.0})  // the difference at 0 is 0.5
        CHECK_THAT(reason(0, by_hand, relu), ContainsSubstring("kink"));
    for (const double at : {3e-6, -3e-6, 9e-6, -9e-6, 1e-9}) {
        CHECK_THAT(reason(at, at > 0, relu), ContainsSubstring("kink"));
        CHECK_THAT(reason(at, at > 0 ? 1 : -1, [](double v) { return std::abs(v); }),
                   ContainsSubstring("kink"));
    }
    CHECK(reason(1.1e-5, 1, relu) == "");
    CHECK(reason(-1.1e-5, 0, relu) == "");
    CHECK(reason(1.1e-5, 1.1, relu) == "they differ");
    CHECK_THAT(reason(0, 0, [](double v) { return v < 0 ? 0.0 : 1e-3; }),  // a leap
               ContainsSubstring("kink"));
    // Bent, but smooth.
    CHECK(reason(0, 0, [](double v) { return 1e3 * v * v; }) == "");
    CHECK(reason(0, 1, [](double v) { return std::exp(v) + 100 * v * v; }) == "");
}

TEST_CASE("a kink deep inside a network is refused, and named", "[check]") {
    Random random(1);
    auto branch = std::make_unique<Sequential<double>>();
    auto& linear = branch->add<Linear<double>>(2, 2, random);
    branch->add<ReLU<double>>();
    linear.weight.value.copy_from(Tensor<double>::from({2, 2}, {1, 1, 1, -1}));
    linear.bias.value.fill(0);
    Sequential<double> model;
    model.add<Residual<double>>(std::move(branch));
    CHECK(all_pass(check_layer(model, Tensor<double>::from({1, 2}, {0.5, 0.25}))));
    const auto rows = check_layer(model, Tensor<double>::from({1, 2}, {0.5, 0.5}));  // x0 - x1 = 0
    INFO(table(rows));
    for (const GradientRow& row : rows) CHECK_FALSE(row.pass());
    CHECK_THAT(table(rows), ContainsSubstring("0.inner.0.bias: a kink") &&
                                ContainsSubstring("dy[1]/d0.inner.0.bias[1]"));
}

TEST_CASE("NaN, zero against zero and nothing at all fail", "[check]") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    Sines sines;
    sines.w.grad(2) = nan;
    REQUIRE(sines.check().differences.worst == "element 2");
    REQUIRE(sines.check().differences.reason == "not a finite number");
    sines.w.grad.fill(nan);
    REQUIRE(sines.check().differences.reason == "not a finite number");
    sines.w.grad.fill(INFINITY);
    REQUIRE(sines.check().differences.reason == "not a finite number");
    sines.w.grad.fill(0);
    for (const double loss : {nan, double{INFINITY}})
        REQUIRE(check_gradients({&sines.w}, [&] { return loss; })[0].differences.reason ==
                "not a finite number");
    REQUIRE_THAT(check_gradients({&sines.w}, [] { return 1.0; })[0].differences.reason,
                 ContainsSubstring("all zero both ways"));
    REQUIRE_FALSE(all_pass({}));
    Parameter<double> empty{"e", Tensor<double>::empty({0}), Tensor<double>::empty({0})};
    REQUIRE_FALSE(check_gradients({&empty}, [] { return 1.0; })[0].pass());
    Parameter<double> no_grad{"n", Tensor<double>::zeros({2}), {}};
    REQUIRE_THROWS_AS(check_gradients({&no_grad}, [] { return 1.0; }), Error);
    REQUIRE_THROWS_AS(check_gradients({}, [] { return 1.0; }), Error);
}

namespace {

/// Linear(3, 2) whose dW is wrong in one element.
class WrongLinear final : public Layer<double> {
  public:
    Tensor<double> forward(const Tensor<double>& x) override { return inner.forward(x); }
    Tensor<double> backward(const Tensor<double>& dy) override {
        const Tensor<double> dx = inner.backward(dy);
        inner.weight.grad(1, 2) += error;
        return dx;
    }
    std::vector<Parameter<double>*> parameters() override { return inner.parameters(); }
    [[nodiscard]] std::string describe() const override { return "WrongLinear"; }

    Random random{1};
    Linear<double> inner{3, 2, random};
    double error = 0;
};

const Tensor<double> some_x = Tensor<double>::from({2, 3}, {1, -2, 0.5, 3, 0.25, -1});

Variable<double> linear_tape(const Variable<double>& x, const TapeParameters& w) {
    return functional::linear(x, w[0], w[1]);
}

}  // namespace

TEST_CASE("a small layer is checked by its whole Jacobian", "[check]") {
    WrongLinear layer;
    REQUIRE(all_pass(check_layer(layer, some_x)));
    layer.error = 1e-3;
    const auto rows = check_layer(layer, some_x);
    INFO(table(rows));
    REQUIRE(rows.size() == 3);
    REQUIRE(rows[0].differences.of == "Jacobian entries");
    REQUIRE(rows[0].differences.checked == 30);  // 4 outputs and their sum, 6 inputs
    REQUIRE(rows[0].pass());
    REQUIRE_FALSE(rows[1].pass());
    REQUIRE(rows[2].pass());
    REQUIRE_THAT(table(rows), ContainsSubstring("weight: they differ; worst at d") &&
                                  ContainsSubstring("/dweight[5]"));
}

TEST_CASE("a small output is not judged by a large one beside it", "[check]") {
    struct TwoScales final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override {
            return Tensor<double>::from({2}, {1e3 * x(0), x(1) + x(0)});
        }
        Tensor<double> backward(const Tensor<double>& dy) override {
            return Tensor<double>::from({2}, {1e3 * dy(0) + dy(1), wrong * dy(1)});
        }
        [[nodiscard]] std::string describe() const override { return "TwoScales"; }
        double wrong = 1;
    } layer;
    const auto x = Tensor<double>::from({2}, {0.5, -0.7});
    REQUIRE(all_pass(check_layer(layer, x)));
    layer.wrong = 1 + 5e-6;  // a tenth of a thousand times the tolerance is 1e-4
    const auto rows = check_layer(layer, x);
    REQUIRE(rows[0].differences.worst == "dy[1]/dx[1]");
    REQUIRE_FALSE(rows[0].pass());
}

TEST_CASE("a sum over outputs that is missing is seen without a tape", "[check]") {
    struct Neighbours final : public Layer<double> {  // y_j = x_j x_j + x_j+1
        Tensor<double> forward(const Tensor<double>& x) override {
            x_ = x;
            return Tensor<double>::from({2}, {x(0) * x(0) + x(1), x(1) * x(1) + x(2)});
        }
        Tensor<double> backward(const Tensor<double>& dy) override {
            double shared = 2 * x_(1) * dy(1);
            if (adds)
                shared += dy(0);
            else if (dy(0) != 0)
                shared = dy(0);
            return Tensor<double>::from({3}, {2 * x_(0) * dy(0), shared, dy(1)});
        }
        [[nodiscard]] std::string describe() const override { return "Neighbours"; }
        bool adds = true;
        Tensor<double> x_;
    } layer;
    const auto x = Tensor<double>::from({3}, {0.5, -0.7, 0.9});
    REQUIRE(all_pass(check_layer(layer, x)));
    layer.adds = false;
    const auto rows = check_layer(layer, x);
    REQUIRE_FALSE(rows[0].pass());
    REQUIRE(rows[0].differences.worst == "dL/dx[1]");
}

TEST_CASE("rounding does not excuse the gradient of an output that it hides", "[check]") {
    struct Offset final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override {
            return Tensor<double>::from({2}, {1e6 + 1e-4 * x(0), 1e3 * x(0)});
        }
        Tensor<double> backward(const Tensor<double>& dy) override {
            return Tensor<double>::from({1}, {small * dy(0) + 1e3 * dy(1)});
        }
        [[nodiscard]] std::string describe() const override { return "Offset"; }
        double small = 0;  // where 1e-4 is right
    } layer;
    REQUIRE_FALSE(all_pass(check_layer(layer, Tensor<double>::from({1}, {0.5}))));
}

TEST_CASE("a backward that spoils what it needs again is refused", "[check]") {
    struct Square final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override {
            x_ = x.clone();
            return Tensor<double>::from({1}, {x(0) * x(0)});
        }
        Tensor<double> backward(const Tensor<double>& dy) override {
            x_.data()[0] *= 2 * dy(0);
            return x_;
        }
        [[nodiscard]] std::string describe() const override { return "Square"; }
        Tensor<double> x_;
    } layer;
    REQUIRE_THROWS_WITH(check_layer(layer, Tensor<double>::from({1}, {0.5})),
                        ContainsSubstring("Square gives another dx each time"));
}

TEST_CASE("a large layer is checked along random directions", "[check]") {
    WrongLinear layer;
    GradientCheckOptions options;
    options.max_jacobian = 0;
    REQUIRE(check_layer(layer, some_x, {}, options)[1].differences.of == "elements");
    options.max_elements = 5;
    const auto before = layer.inner.weight.value.values();
    REQUIRE(all_pass(check_layer(layer, some_x, {}, options)));
    REQUIRE(layer.inner.weight.value.values() == before);
    layer.error = 1e-3;
    const auto rows = check_layer(layer, some_x, {}, options);
    INFO(table(rows));
    REQUIRE(rows[1].differences.of == "random directions");
    REQUIRE(rows[1].differences.checked == options.directions);
    REQUIRE_FALSE(rows[1].pass());
    REQUIRE(rows[1].differences.worst == "element 5");
    REQUIRE(std::abs(rows[1].differences.by_hand - rows[1].differences.other - 1e-3) < 1e-9);
    layer.error = std::numeric_limits<double>::quiet_NaN();
    REQUIRE(check_layer(layer, some_x, {}, options)[1].differences.worst == "element 5");
    REQUIRE(layer.inner.weight.value.values() == before);
}

TEST_CASE("what autograd finds is a column of its own", "[check]") {
    WrongLinear layer;
    const auto right = check_layer(layer, some_x, linear_tape);
    INFO(table(right));
    REQUIRE(all_pass(right));
    REQUIRE(right[1].autograd.value().max_relative_error < 1e-14);

    layer.error = 1e-9;  // too little for differences to see
    const auto rows = check_layer(layer, some_x, linear_tape);
    INFO(table(rows));
    REQUIRE(rows[1].differences.pass());
    REQUIRE_FALSE(rows[1].autograd.value().pass());
    REQUIRE(rows[1].autograd.value().worst == "element 5");
    REQUIRE_FALSE(rows[1].pass());
    REQUIRE_THAT(table(rows), ContainsSubstring("by autograd"));
}

TEST_CASE("a gradient that autograd lacks, and another output, are failures", "[check]") {
    WrongLinear layer;
    const auto detached = check_layer(layer, some_x, [](const auto& x, const auto& w) {
        return functional::linear(x, w[0], w[1].detach());
    });
    INFO(table(detached));
    REQUIRE(detached[1].pass());
    REQUIRE_FALSE(detached[2].pass());
    REQUIRE_THAT(table(detached), ContainsSubstring("bias: autograd has no such gradient"));

    const auto other = check_layer(layer, some_x, [](const auto& x, const auto& w) {
        return functional::linear(x, w[0], w[1]) + 1;
    });
    for (const GradientRow& row : other) REQUIRE_FALSE(row.pass());
    REQUIRE_THAT(table(other), ContainsSubstring("another y"));
}

TEST_CASE("gradients that are missing or of another shape are refused", "[check]") {
    struct Faulty final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override { return x.clone(); }
        Tensor<double> backward(const Tensor<double>&) override { return dx; }
        std::vector<Parameter<double>*> parameters() override {
            return has_parameter ? std::vector<Parameter<double>*>{&parameter}
                                 : std::vector<Parameter<double>*>{};
        }
        [[nodiscard]] std::string describe() const override { return "Faulty"; }

        Tensor<double> dx;
        bool has_parameter = false;
        Parameter<double> parameter{"w", Tensor<double>::zeros({2}), {}};
    } layer;
    const auto refused = [&](const std::string& says) {
        REQUIRE_THROWS_WITH(check_layer(layer, some_x),
                            ContainsSubstring("Faulty") && ContainsSubstring(says));
    };
    refused("no tensor");
    layer.dx = Tensor<double>::zeros({2});
    refused("(2, 3)");
    layer.dx = Tensor<double>::zeros({3, 2});
    refused("(3, 2)");
    layer.dx = some_x;
    layer.has_parameter = true;
    refused("for w");
}

TEST_CASE("a layer that writes to its input or to dy is refused", "[check]") {
    struct InPlace final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override {
            const Tensor<double> y = to_x ? x : x.clone();
            for (double& v : y.span()) v = std::max(v, 0.0);
            return y;
        }
        Tensor<double> backward(const Tensor<double>& dy) override {
            const Tensor<double> dx = to_dy ? dy : dy.clone();
            for (double& v : dx.span()) v *= 0.5;
            return dx;
        }
        [[nodiscard]] std::string describe() const override { return "InPlace"; }
        bool to_x = false, to_dy = false;
    } layer;
    const auto x = Tensor<double>::from({3}, {1, -2, 3});
    layer.to_dy = true;
    REQUIRE_THROWS_WITH(check_layer(layer, x), ContainsSubstring("InPlace writes to dy"));
    layer.to_dy = false;
    layer.to_x = true;
    REQUIRE_THROWS_WITH(check_layer(layer, x), ContainsSubstring("InPlace writes to x") &&
                                                   ContainsSubstring("element 1 of it was -2"));
}

TEST_CASE("a layer that gives another y each time is refused", "[check]") {
    Dropout<double> dropout(0.5, 1);
    const auto x = Tensor<double>::full({20}, 1);
    REQUIRE_THROWS_WITH(check_layer(dropout, x),
                        ContainsSubstring("Dropout(0.5) gives another y each time"));
    dropout.eval();
    REQUIRE(all_pass(check_layer(dropout, x)));
}

TEST_CASE("a backward_parameters that adds something else is caught", "[check]") {
    struct Other final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override { return inner.forward(x); }
        Tensor<double> backward(const Tensor<double>& dy) override { return inner.backward(dy); }
        void backward_parameters(const Tensor<double>& dy) override {
            inner.backward_parameters(dy);
            inner.bias.grad(1) += 1e-4;
        }
        std::vector<Parameter<double>*> parameters() override { return inner.parameters(); }
        [[nodiscard]] std::string describe() const override { return "Other"; }
        Random random{1};
        Linear<double> inner{3, 2, random};
    } layer;
    const auto rows = check_layer(layer, some_x);
    INFO(table(rows));
    REQUIRE((rows[0].pass() && rows[1].pass() && !rows[2].pass()));
}

TEST_CASE("a layer that forgets to list a parameter is found out by the tape", "[check]") {
    struct Forgetful final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override { return inner.forward(x); }
        Tensor<double> backward(const Tensor<double>& dy) override { return inner.backward(dy); }
        std::vector<Parameter<double>*> parameters() override { return {&inner.weight}; }
        [[nodiscard]] std::string describe() const override { return "Forgetful"; }
        Random random{1};
        Linear<double> inner{3, 2, random};
    } layer;
    REQUIRE_THROWS_WITH(check_layer(layer, some_x, linear_tape),
                        ContainsSubstring("parameter 1") && ContainsSubstring("forget"));
}

TEST_CASE("an output that is zero is no failure", "[check]") {
    // The mean of (1, -1): y = 0, and its gradient (0.5, 0.5) is right.
    struct Mean final : public Layer<double> {
        Tensor<double> forward(const Tensor<double>& x) override {
            return Tensor<double>::from({1}, {(x(0) + x(1)) / 2});
        }
        Tensor<double> backward(const Tensor<double>& dy) override {
            return Tensor<double>::full({2}, dy(0) / 2);
        }
        [[nodiscard]] std::string describe() const override { return "Mean"; }
    } layer;
    const auto rows = check_layer(layer, Tensor<double>::from({2}, {1, -1}),
                                  [](const auto& x, const auto&) { return reshape(mean(x), {1}); });
    INFO(table(rows));
    REQUIRE(all_pass(rows));
}

TEST_CASE("a loss is checked as a layer", "[check]") {
    LossLayer layer(std::make_shared<MSELoss<double>>(), " of numbers",
                    Tensor<double>::from({2, 3}, {1, 2, 3, 4, 5, 6}));
    REQUIRE(layer.describe() == "MSELoss(mean) of numbers");
    REQUIRE(all_pass(check_layer(layer, some_x)));
}
