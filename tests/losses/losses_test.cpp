// Each loss but cross entropy: numbers worked by hand, extreme inputs and errors. Gradients:
// tests/check/registry_test.cpp; against PyTorch: tests/losses/golden_test.cpp.
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "kernels/emulator/watch.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "layers/softmax.h"
#include "losses/cross_entropy.h"
#include "losses/donsker_varadhan.h"
#include "losses/nll.h"
#include "losses/penalty.h"
#include "losses/pointwise.h"

using namespace handgrad;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

bool close(const Tensor<double>& got, const std::vector<double>& expected) {
    for (Index i = 0; i < got.size(); ++i)
        if (!(std::abs(got.data()[i] - expected[static_cast<std::size_t>(i)]) < 1e-14))
            return false;
    return got.size() == static_cast<Index>(expected.size());
}

/// Checks the losses and their gradients of a loss with no reduction, then the sum and the mean.
template <template <class> class L, class... Args>
void check_loss(const Tensor<double>& x, const Tensor<double>& target,
                const std::vector<double>& losses, const std::vector<double>& gradient,
                const Args&... args) {
    L<double> none(Reduction::none, args...), sum(Reduction::sum, args...),
        mean(Reduction::mean, args...);
    INFO(none.describe());
    CHECK(close(none.forward(x, target), losses));
    CHECK(close(none.backward(Tensor<double>::full(x.shape(), 1)), gradient));
    double total = 0;
    for (const double l : losses) total += l;
    const auto n = static_cast<double>(losses.size());
    CHECK(close(sum.forward(x, target), {total}));
    CHECK(close(mean.forward(x, target), {total / n}));
    CHECK(close(sum.backward(), gradient));
    std::vector<double> shared = gradient;
    for (double& g : shared) g /= n;
    CHECK(close(mean.backward(), shared));
    for (double& g : shared) g *= -3;
    CHECK(close(mean.backward(Tensor<double>::from({}, {-3})), shared));
}

const auto x3 = Tensor<double>::from({3}, {1, 2, -4}), t3 = Tensor<double>::from({3}, {3, 1.5, -1});

}  // namespace

TEST_CASE("losses of each element worked by hand", "[losses]") {
    check_loss<MSELoss>(x3, t3, {4, 0.25, 9}, {-4, 1, -6});
    check_loss<L1Loss>(x3, t3, {2, 0.5, 3}, {-1, 1, -1});
    check_loss<SmoothL1Loss>(x3, t3, {1.5, 0.125, 2.5}, {-1, 0.5, -1});
    check_loss<SmoothL1Loss>(x3, t3, {1, 0.0625, 2}, {-1, 0.25, -1}, 2.0);
    check_loss<SmoothL1Loss>(x3, t3, {2, 0.5, 3}, {-1, 1, -1}, 0.0);  // L1Loss
    const auto p = Tensor<double>::from({3}, {0.5, 0.25, 0.8});
    const auto t = Tensor<double>::from({3}, {1, 0, 0.5});
    check_loss<BCELoss>(p, t, {std::log(2), -std::log(0.75), -std::log(0.16) / 2},
                        {-2, 4.0 / 3, 0.3 / 0.16});
    // The same probabilities as logits log(p / (1 - p)): the gradient becomes p - t.
    const auto o = Tensor<double>::from({3}, {0, -std::log(3), std::log(4)});
    check_loss<BCEWithLogitsLoss>(o, t, {std::log(2), -std::log(0.75), -std::log(0.16) / 2},
                                  {-0.5, 0.25, 0.3});
    const auto pos_weight = Tensor<double>::from({3}, {2, 2, 10});
    check_loss<BCEWithLogitsLoss>(
        o, t, {2 * std::log(2), -std::log(0.75), -5 * std::log(0.8) - std::log(0.2) / 2},
        {-1, 0.25, 0.4 - 1}, pos_weight);
}

TEST_CASE("the derivative of |x - t| is 0 at its kink", "[losses]") {
    L1Loss<double> loss(Reduction::sum);
    REQUIRE(loss.forward(x3, x3).item() == 0);
    REQUIRE(loss.backward().values() == std::vector<double>{0, 0, 0});
}

TEST_CASE("pos_weight stands along the last axis", "[losses]") {
    const auto o = Tensor<double>::zeros({2, 1, 3}), t = Tensor<double>::full({2, 1, 3}, 1);
    BCEWithLogitsLoss<double> loss(Reduction::none, Tensor<double>::from({3}, {1, 2, 3}));
    const double ln2 = std::log(2);
    REQUIRE(close(loss.forward(o, t), {ln2, 2 * ln2, 3 * ln2, ln2, 2 * ln2, 3 * ln2}));
    REQUIRE(close(loss.backward(t), {-0.5, -1, -1.5, -0.5, -1, -1.5}));
    REQUIRE_THROWS_WITH(loss.forward(Tensor<double>::zeros({2, 4}), Tensor<double>::zeros({2, 4})),
                        ContainsSubstring("pos_weight (3)") && ContainsSubstring("(2, 4)") &&
                            ContainsSubstring("(4)"));
    REQUIRE_THROWS_AS(loss.forward(Tensor<double>::zeros({}), Tensor<double>::zeros({})), Error);
}

TEST_CASE("BCELoss is finite at 0 and 1, and refuses what is no probability", "[losses]") {
    const auto p = Tensor<double>::from({4}, {0, 1, 0, 1});
    const auto t = Tensor<double>::from({4}, {0, 1, 1, 0});
    BCELoss<double> loss(Reduction::none);
    REQUIRE(loss.forward(p, t).values() == std::vector<double>{0, 0, 100, 100});
    REQUIRE(loss.backward(Tensor<double>::full({4}, 1)).values() ==
            std::vector<double>{0, 0, -1e12, 1e12});
    REQUIRE_THROWS_WITH(loss.forward(Tensor<double>::from({2}, {0.5, 1.25}), p.rows(0, 2)),
                        ContainsSubstring("BCELoss(none)") && ContainsSubstring("1.25") &&
                            ContainsSubstring("Sigmoid"));
    REQUIRE_THROWS_AS(loss.forward(Tensor<double>::from({1}, {-0.1}), p.rows(0, 1)), Error);
}

TEST_CASE("BCEWithLogitsLoss takes any logit", "[losses]") {
    const auto o = Tensor<float>::from({4}, {1e4F, -1e4F, 1e4F, -1e4F});
    const auto t = Tensor<float>::from({4}, {1, 0, 0, 1});
    BCEWithLogitsLoss<float> loss(Reduction::none);
    REQUIRE(loss.forward(o, t).values() == std::vector<float>{0, 0, 1e4F, 1e4F});
    REQUIRE(loss.backward(Tensor<float>::full({4}, 1)).values() == std::vector<float>{0, 0, 1, -1});
    // A sure and right answer keeps its digits: log(1 + e^-20).
    const auto sure = Tensor<float>::from({1}, {-20}), no = Tensor<float>::from({1}, {0});
    REQUIRE(std::abs(loss.forward(sure, no)(0) / 2.0611537e-9F - 1) < 1e-6F);
}

TEST_CASE("NLLLoss by hand", "[losses]") {
    const auto x = Tensor<double>::from({2, 3}, {-1, -2, -3, -4, -5, -6});
    const auto labels = Labels::from({2}, {2, 0});
    NLLLoss<double> none(Reduction::none), sum(Reduction::sum), mean;
    REQUIRE(none.forward(x, labels).values() == std::vector<double>{3, 4});
    REQUIRE(none.backward(Tensor<double>::from({2}, {1, 2})).values() ==
            std::vector<double>{0, 0, -1, -2, 0, 0});
    REQUIRE(sum.forward(x, labels).item() == 7);
    REQUIRE(mean.forward(x, labels).item() == 3.5);
    REQUIRE(mean.backward().values() == std::vector<double>{0, 0, -0.5, -0.5, 0, 0});
    const auto weight = Tensor<double>::from({3}, {3, 7, 1});
    NLLLoss<double> weighted(Reduction::mean, weight);
    REQUIRE(weighted.forward(x, labels).item() == 15.0 / 4);
    REQUIRE(weighted.backward().values() == std::vector<double>{0, 0, -0.25, -0.75, 0, 0});
    REQUIRE_THROWS_WITH(mean.forward(x, Labels::from({2}, {0, 3})),
                        ContainsSubstring("NLLLoss(mean)") && ContainsSubstring("label 3") &&
                            ContainsSubstring("0 to 2"));
    REQUIRE_THROWS_WITH(mean.forward(x, Labels::zeros({3})),
                        ContainsSubstring("(2, 3)") && ContainsSubstring("(3)"));
    REQUIRE_THROWS_AS(mean.forward({}, {}), Error);
    NLLLoss<double> wrong(Reduction::mean, Tensor<double>::zeros({2}));
    REQUIRE_THROWS_AS(wrong.forward(x, labels), Error);
}

TEST_CASE("LogSoftmax and NLLLoss are CrossEntropyLoss", "[losses]") {
    Random random(3);
    const auto logits = Tensor<double>::empty({7, 5});
    random.uniform(logits, -5, 5);
    const auto labels = Labels::from({7}, {0, 1, 2, 3, 4, 0, 2});
    const auto weight = Tensor<double>::from({5}, {1, 2, 0.5, 0, 3});
    for (const Tensor<double>& w : {Tensor<double>(), weight}) {
        LogSoftmax<double> log_softmax;
        NLLLoss<double> nll(Reduction::mean, w);
        CrossEntropyLoss<double> fused(Reduction::mean, 0, w);
        const double in_two = nll.forward(log_softmax.forward(logits), labels).item();
        REQUIRE(std::abs(in_two - fused.forward(logits, labels).item()) < 1e-14);
        REQUIRE(close(log_softmax.backward(nll.backward()), fused.backward().values()));
    }
}

TEST_CASE("the Donsker-Varadhan bound by hand", "[losses]") {
    // Z: log 2 and log 8, of mean log 4. Z': log 1, log 2, log 5: the mean of exp is 8/3.
    const auto t =
        Tensor<double>::from({5, 1}, {std::log(2), std::log(8), 0, std::log(2), std::log(5)});
    DonskerVaradhan<double> loss;
    REQUIRE(close(loss.forward(t, 2), {-(std::log(4) - std::log(8.0 / 3))}));
    const auto dt = loss.backward();
    REQUIRE(dt.shape() == Shape{5, 1});
    REQUIRE(close(dt, {-0.5, -0.5, 0.125, 0.25, 0.625}));
    REQUIRE(close(loss.backward(Tensor<double>::from({}, {-2})), {1, 1, -0.25, -0.5, -1.25}));
    // One sample each, and one constant on all of them: no divergence.
    REQUIRE(close(loss.forward(Tensor<double>::full({2}, 7), 1), {0}));
    REQUIRE_THROWS_WITH(loss.forward(t, 5), ContainsSubstring("DonskerVaradhan") &&
                                                ContainsSubstring("(5, 1)") &&
                                                ContainsSubstring("of which 5"));
    REQUIRE_THROWS_AS(loss.forward(t, 0), Error);
    REQUIRE_THROWS_AS(loss.forward(Tensor<double>::zeros({5, 2}), 2), Error);
    REQUIRE_THROWS_AS(loss.forward({}, 2), Error);
    REQUIRE_THROWS_AS(DonskerVaradhan<double>().backward(), Error);
}

TEST_CASE("the Donsker-Varadhan bound of huge outputs is finite", "[losses]") {
    const auto t = Tensor<float>::from({4}, {1e4F, -1e4F, 1e4F, -1e4F});
    DonskerVaradhan<float> loss;
    REQUIRE(std::abs(loss.forward(t, 2).item() - (1e4F - std::log(2.F))) < 1e-2F);
    REQUIRE(loss.backward().values() == std::vector<float>{-0.5F, -0.5F, 1, 0});
}

TEST_CASE("penalties by hand, on chosen parameters", "[losses]") {
    Random random(0);
    Linear<double> linear(2, 2, random);
    linear.weight.value.copy_from(Tensor<double>::from({2, 2}, {1, -2, 0, 3}));
    linear.bias.value.fill(100);
    L1Penalty<double> l1({&linear.weight}, 0.5);
    L2Penalty<double> l2({&linear.weight}, 0.5);
    REQUIRE(l1.forward().item() == 3);
    REQUIRE(l2.forward().item() == 7);
    linear.weight.grad.fill(10);
    l1.backward();
    REQUIRE(linear.weight.grad.values() == std::vector<double>{10.5, 9.5, 10, 10.5});
    l2.backward();
    REQUIRE(linear.weight.grad.values() == std::vector<double>{11.5, 7.5, 10, 13.5});
    REQUIRE(linear.bias.grad.values() == std::vector<double>{0, 0});
    REQUIRE(L2Penalty<double>(linear.parameters(), 1).forward().item() == 14 + 20000);
    // What the course asks of them: on x = (1, 1, 1, 1), w1 = (1, 0, 0, 0) and w2 = (1/4, ...)
    // give the same score; L2 prefers the second, L1 neither.
    Parameter<double> w1{"w1", Tensor<double>::from({4}, {1, 0, 0, 0}), {}};
    Parameter<double> w2{"w2", Tensor<double>::full({4}, 0.25), {}};
    REQUIRE(L2Penalty<double>({&w1}, 1).forward().item() == 1);
    REQUIRE(L2Penalty<double>({&w2}, 1).forward().item() == 0.25);
    REQUIRE(L1Penalty<double>({&w1}, 1).forward().item() == 1);
    REQUIRE(L1Penalty<double>({&w2}, 1).forward().item() == 1);
    REQUIRE(l2.describe() == "L2Penalty(0.5)");
    REQUIRE_THROWS_WITH(L1Penalty<double>({}, 1), ContainsSubstring("L1Penalty"));
    REQUIRE_THROWS_AS(L1Penalty<double>({nullptr}, 1), Error);
    REQUIRE_THROWS_WITH(L2Penalty<double>({&w1}, -1), ContainsSubstring("strength"));
    REQUIRE_THROWS_AS(L2Penalty<double>({&w1}, not_a_number), Error);
}

TEST_CASE("a penalty of many parameters is one launch on a GPU", "[losses][emulated]") {
    if (!emulator::sees_accesses()) return;
    Random random(0);
    Sequential<double> model =
        mlp<double>(std::vector<Index>{7, 5, 3}, random, 0, Device::emulated);
    const L2Penalty<double> penalty(model.parameters(), 0.5);
    emulator::take_traffic();
    emulator::set_counting(true);
    const Tensor<double> value = penalty.forward();
    penalty.backward();
    emulator::set_counting(false);
    const auto traffic = emulator::take_traffic();
    REQUIRE(traffic.size() == 2);
    CHECK(traffic[0].launches == 1);
    CHECK(traffic[1].launches == 1);
    double squares = 0;
    for (const Parameter<double>* parameter : model.parameters()) {
        const auto w = parameter->value.values(), dw = parameter->grad.values();
        for (const double v : w) squares += v * v;
        CHECK(dw == w);
    }
    CHECK(std::abs(value.item() - 0.5 * squares) <= 1e-14 * squares);
}

namespace {

/// Every loss on input (4, 3) of its own choosing, bound to one target, for tests of what all
/// have in common.
template <class T>
struct Bound {
    std::shared_ptr<Loss<T>> loss;
    std::function<Tensor<T>(const Tensor<T>&)> forward;
};
template <class T>
std::vector<Bound<T>> every_loss(Reduction reduction) {
    std::vector<Bound<T>> all;
    const auto add = [&](const auto& loss, const auto& target) {
        all.push_back({loss, [=](const Tensor<T>& x) { return loss->forward(x, target); }});
    };
    const auto half = Tensor<T>::full({4, 3}, T(0.5));
    const auto labels = Labels::from({4}, {0, 1, 2, 0});
    const auto weight = Tensor<T>::from({3}, {1, 2, 3});
    add(std::make_shared<MSELoss<T>>(reduction), half);
    add(std::make_shared<L1Loss<T>>(reduction), half);
    add(std::make_shared<SmoothL1Loss<T>>(reduction), half);
    add(std::make_shared<BCELoss<T>>(reduction), half);
    add(std::make_shared<BCEWithLogitsLoss<T>>(reduction), half);
    add(std::make_shared<BCEWithLogitsLoss<T>>(reduction, weight), half);
    add(std::make_shared<NLLLoss<T>>(reduction), labels);
    add(std::make_shared<NLLLoss<T>>(reduction, weight), labels);
    add(std::make_shared<CrossEntropyLoss<T>>(reduction), labels);
    add(std::make_shared<CrossEntropyLoss<T>>(reduction, 0.1, weight), labels);
    add(std::make_shared<CrossEntropyLoss<T>>(reduction), half);
    if (reduction == Reduction::sum) {
        auto dv = std::make_shared<DonskerVaradhan<T>>();
        all.push_back({dv, [=](const Tensor<T>& x) { return dv->forward(x.reshape({12}), 5); }});
    }
    return all;
}

}  // namespace

TEST_CASE("the contract of every loss", "[losses]") {
    for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum})
        for (const auto& [loss, forward] : every_loss<float>(reduction)) {
            const std::string name = loss->describe();
            INFO(name);
            REQUIRE_THROWS_WITH(loss->backward(),
                                ContainsSubstring(name) && ContainsSubstring("before any forward"));
            const auto x = Tensor<float>::full({4, 3}, 0.25F);
            const auto value = forward(x);
            REQUIRE_THROWS_WITH(loss->backward(Tensor<float>::zeros({2, 2})),
                                ContainsSubstring(name) && ContainsSubstring("(2, 2)") &&
                                    ContainsSubstring(value.shape().str()));
            if (reduction == Reduction::none) {
                REQUIRE(value.rank() > 0);
                REQUIRE_THROWS_WITH(loss->backward(), ContainsSubstring("no dloss"));
            } else {
                REQUIRE(value.shape() == Shape{});
                REQUIRE(loss->backward().values() ==
                        loss->backward(Tensor<float>::full({}, 1)).values());
            }
            const auto ones = Tensor<float>::full(value.shape(), 1);
            REQUIRE(loss->backward(ones).size() == 12);

            const auto broken = x.clone();
            broken(1, 1) = std::numeric_limits<float>::quiet_NaN();
            bool seen = false;
            const auto losses = forward(broken);
            for (const float v : losses.span()) seen = seen || std::isnan(v);
            REQUIRE(seen);

            const auto step = [&forward = forward, &loss = loss, &x, &ones] {
                forward(x);
                loss->backward(ones);
            };
            step();
            const std::size_t blocks = system_allocations(), news = operator_new_calls();
            step();
            CHECK(system_allocations() == blocks);
            CHECK(operator_new_calls() == news);
        }
}

TEST_CASE("losses of each element refuse shapes that differ, naming both", "[losses]") {
    MSELoss<float> loss;
    REQUIRE_THROWS_WITH(loss.forward(Tensor<float>::zeros({4, 1}), Tensor<float>::zeros({4})),
                        ContainsSubstring("MSELoss(mean).forward") && ContainsSubstring("(4, 1)") &&
                            ContainsSubstring("target of shape (4)") &&
                            ContainsSubstring("reshape"));
    REQUIRE_THROWS_AS(loss.forward(Tensor<float>::zeros({0}), Tensor<float>::zeros({0})), Error);
    REQUIRE_THROWS_AS(loss.forward({}, {}), Error);
    REQUIRE_THROWS_AS(loss.forward(Tensor<float>::zeros({1}), {}), Error);
    REQUIRE_THROWS_AS(SmoothL1Loss<float>(Reduction::mean, -1), Error);
    REQUIRE_THROWS_AS(SmoothL1Loss<float>(Reduction::mean, not_a_number), Error);
}

TEST_CASE("infinite predictions give infinite losses", "[losses]") {
    const auto x = Tensor<double>::from({2}, {inf, 1}), t = Tensor<double>::zeros({2});
    REQUIRE(MSELoss<double>().forward(x, t).item() == inf);
    REQUIRE(L1Loss<double>().forward(x, t).item() == inf);
    REQUIRE(SmoothL1Loss<double>().forward(x, t).item() == inf);
    SmoothL1Loss<double> loss(Reduction::sum);
    loss.forward(x, t);
    REQUIRE(loss.backward().values() == std::vector<double>{1, 1});
}
