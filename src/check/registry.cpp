#include "check/registry.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <utility>

#include "autograd/functional.h"
#include "layers/activations.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "layers/prelu.h"
#include "layers/softmax.h"
#include "losses/cross_entropy.h"
#include "losses/donsker_varadhan.h"
#include "losses/nll.h"
#include "losses/penalty.h"
#include "losses/pointwise.h"

namespace handgrad {
namespace {

using Input = Tensor<double>;
using Var = Variable<double>;
using Vars = std::span<const Variable<double>>;
namespace F = functional;

/// The tape's side of a layer without parameters.
template <class Function>
TapeForward of_x(const Function& f) {
    return [f](const Var& x, Vars) { return f(x); };
}

/// Dropout in training mode that draws the same mask at every forward, as the check needs.
class SameDropout final : public Layer<double> {
  public:
    explicit SameDropout(std::uint64_t seed) : seed_(seed) {}
    Input forward(const Input& x) override {
        dropout_ = std::make_unique<Dropout<double>>(0.3, seed_);
        return dropout_->forward(x);
    }
    Input backward(const Input& dy) override { return dropout_->backward(dy); }
    [[nodiscard]] std::string describe() const override { return "Dropout(0.3) in training"; }

  private:
    std::uint64_t seed_;
    std::unique_ptr<Dropout<double>> dropout_;
};

/// A loss as a layer: y = loss(x, target).
class LossLayer final : public Layer<double> {
  public:
    template <class L, class... Target>
    LossLayer(std::shared_ptr<L> loss, std::string target, Target... targets)
        : name_(loss->describe() + std::move(target)), loss_(loss) {
        forward_ = [loss, targets...](const Input& x) { return loss->forward(x, targets...); };
    }
    Input forward(const Input& x) override { return forward_(x); }
    Input backward(const Input& dy) override { return loss_->backward(dy); }
    [[nodiscard]] std::string describe() const override { return name_; }

  private:
    std::string name_;
    std::shared_ptr<Loss<double>> loss_;
    std::function<Input(const Input&)> forward_;
};

constexpr double penalty_strength = 0.3;

/// A penalty as a layer: y = strength R(x).
template <template <class> class P>
class PenaltyLayer final : public Layer<double> {
  public:
    Input forward(const Input& x) override {
        w_.value = x;
        return penalty_.forward();
    }
    Input backward(const Input& dy) override {
        w_.grad = Input::zeros(w_.value.shape());
        penalty_.backward();
        for (double& g : w_.grad.span()) g *= dy.item();
        return w_.grad;
    }
    [[nodiscard]] std::string describe() const override { return penalty_.describe(); }

  private:
    Parameter<double> w_{"w", {}, {}};
    P<double> penalty_{{&w_}, penalty_strength};
};

/// Collects the cases and draws their numbers.
class Cases {
  public:
    Cases(std::uint64_t seed, int random_shapes) : random_(seed), random_shapes_(random_shapes) {}

    /// The sizes that random shapes may have.
    struct Ranks {
        int lowest = 1, highest = 4;
        Index least_last = 1;  // size of the last axis
    };

    /// build(shape) -> GradientCase, for each of these shapes and for random ones.
    template <class Build>
    void add(const std::vector<Shape>& shapes, const Ranks& ranks, const Build& build) {
        for (const Shape& shape : shapes) list_.push_back(build(shape));
        for (int i = 0; i < random_shapes_; ++i) list_.push_back(build(random_shape(ranks)));
    }
    void add(GradientCase gradient_case) { list_.push_back(std::move(gradient_case)); }

    /// Where a layer is checked.
    struct Points {
        Ranks ranks = {};
        std::vector<double> kinks = {0};
        double first_sign = 0;  // of the first element, where it matters
    };

    /// L(args...) at shapes of any rank.
    template <class L, class... Args>
    void add_layer(const Points& points, const TapeForward& tape, Args... args) {
        add({{13}, {5, 7}, {2, 3, 4, 5}}, points.ranks, [&](const Shape& shape) {
            const Input x = input(shape, -3, 3, points.kinks);
            if (points.first_sign != 0) x.data()[0] = std::copysign(x.data()[0], points.first_sign);
            return on(std::make_shared<L>(args...), x, tape);
        });
    }

    /// Numbers in [low, high) that keep a distance of 0.01 from each kink.
    Input input(const Shape& shape, double low, double high,
                const std::vector<double>& kinks = {}) {
        const Input x = Input::empty(shape), number = Input::empty({});
        const auto near = [&](double kink) { return std::abs(number.item() - kink) < 0.01; };
        for (double& v : x.span()) {
            do random_.uniform(number, low, high);
            while (std::any_of(kinks.begin(), kinks.end(), near));
            v = number.item();
        }
        return x;
    }

    Labels labels(Index n, Index classes) {
        Labels y = Labels::zeros({n});
        for (std::int32_t& label : y.span()) label = static_cast<std::int32_t>(below(classes));
        return y;
    }

    /// 0 .. n-1
    Index below(Index n) {
        return static_cast<Index>(random_.int63() % static_cast<std::uint64_t>(n));
    }

    static GradientCase on(std::shared_ptr<Layer<double>> layer, const Input& x, TapeForward tape) {
        const std::string name = layer->describe() + " on " + x.shape().str();
        return {name, std::move(layer), x, std::move(tape)};
    }

    Random& random() { return random_; }
    std::vector<GradientCase> take() { return std::move(list_); }

  private:
    Shape random_shape(const Ranks& ranks) {
        constexpr Index largest[] = {1, 40, 20, 8, 5};  // of each size: at most 625 elements in all
        const Index rank = ranks.lowest + below(ranks.highest - ranks.lowest + 1);
        std::vector<Index> sizes;
        for (Index axis = 0; axis < rank; ++axis)
            sizes.push_back((axis == rank - 1 ? ranks.least_last : 1) + below(largest[rank]));
        return Shape(std::span<const Index>(sizes));
    }

    Random random_;
    int random_shapes_;
    std::vector<GradientCase> list_;
};

void add_layers(Cases& cases, std::uint64_t seed) {
    // A shape of Linear is (N, in, out).
    std::vector<Shape> shapes;
    for (const Index n : {1, 2, 17})
        for (const Index in : {1, 3, 16, 33})
            for (const Index out : {1, 10, 17}) shapes.push_back({n, in, out});
    cases.add(shapes, {.lowest = 3, .highest = 3}, [&](const Shape& s) {
        return Cases::on(std::make_shared<Linear<double>>(s[1], s[2], cases.random()),
                         cases.input({s[0], s[1]}, -1, 1),
                         [](const Var& x, Vars w) { return F::linear(x, w[0], w[1]); });
    });

    // A positive input at least, lest the gradient of a small ReLU is zero; a negative for PReLU.
    const auto prelu_tape = [](const Var& x, Vars w) { return F::prelu(x, w[0]); };
    cases.add_layer<ReLU<double>>({.first_sign = 1}, of_x(F::relu<double>));
    cases.add_layer<LeakyReLU<double>>({}, of_x([](const Var& x) { return F::leaky_relu(x); }));
    cases.add_layer<LeakyReLU<double>>({}, of_x([](const Var& x) { return F::leaky_relu(x, 0.3); }),
                                       0.3);
    cases.add_layer<PReLU<double>>({.first_sign = -1}, prelu_tape);
    cases.add({{2, 5}, {3, 7}, {2, 3, 4}, {2, 3, 4, 5}}, {.lowest = 2}, [&](const Shape& shape) {
        const auto prelu = std::make_shared<PReLU<double>>(shape[1]);
        cases.random().uniform(prelu->weight.value, 0.1, 0.9);
        const Input x = cases.input(shape, -3, 3, {0});
        x.data()[0] = -std::abs(x.data()[0]);
        return Cases::on(prelu, x, prelu_tape);
    });
    cases.add_layer<ELU<double>>({}, of_x([](const Var& x) { return F::elu(x); }));
    cases.add_layer<ELU<double>>({}, of_x([](const Var& x) { return F::elu(x, 0.5); }), 0.5);
    cases.add_layer<Softplus<double>>({}, of_x([](const Var& x) { return F::softplus(x); }));
    cases.add_layer<Softplus<double>>(
        {.kinks = {0.5}}, of_x([](const Var& x) { return F::softplus(x, 2, 1); }), 2, 1);
    cases.add_layer<Sigmoid<double>>({}, of_x(F::sigmoid<double>));
    cases.add_layer<Tanh<double>>({}, of_x([](const Var& x) { return tanh(x); }));
    cases.add_layer<SiLU<double>>({}, of_x(F::silu<double>));
    cases.add_layer<GELU<double>>({}, of_x(F::gelu<double>));
    cases.add_layer<GELU<double>>({}, of_x(F::gelu_tanh<double>), GELU<double>::Approximate::tanh);
    cases.add_layer<Identity<double>>({}, of_x([](const Var& x) { return x * 1; }));
    cases.add_layer<Softmax<double>>({.ranks = {.least_last = 2}}, of_x(F::softmax<double>));
    cases.add_layer<LogSoftmax<double>>({.ranks = {.least_last = 2}}, of_x(F::log_softmax<double>));

    cases.add({{13}, {5, 7}, {2, 3, 4, 5}}, {}, [&](const Shape& shape) {
        const auto resting = std::make_shared<Dropout<double>>(0.5, seed);
        resting->eval();
        return Cases::on(resting, cases.input(shape, -3, 3),
                         of_x([](const Var& x) { return x * 1; }));
    });
    // A mask that drops all of twelve elements is one in two million.
    cases.add_layer<SameDropout>({.ranks = {.least_last = 12}}, of_x([seed](const Var& x) {
                                     const Input scale =
                                         SameDropout(seed).forward(Input::full(x.shape(), 1));
                                     return x * Var(scale);
                                 }),
                                 seed);

    const std::vector<Index> widths = {13, 11, 5, 3};
    cases.add(Cases::on(std::make_shared<Sequential<double>>(mlp<double>(widths, cases.random())),
                        cases.input({6, 13}, -1, 1), [](const Var& x, Vars w) {
                            const Var h = F::relu(F::linear(x, w[0], w[1]));
                            return F::linear(F::relu(F::linear(h, w[2], w[3])), w[4], w[5]);
                        }));
    cases.add({{4, 3}}, {.lowest = 2, .highest = 2}, [&](const Shape& shape) {
        auto model = std::make_shared<Sequential<double>>();
        model->add<Linear<double>>(shape[1], 7, cases.random());
        model->add<Tanh<double>>();
        model->add<Linear<double>>(7, 2, cases.random());
        return Cases::on(model, cases.input(shape, -1, 1), [](const Var& x, Vars w) {
            return F::linear(tanh(F::linear(x, w[0], w[1])), w[2], w[3]);
        });
    });
}

/// A loss of each element, on x = target + difference. tape(x, target) is its expression.
template <class L, class Tape, class... Args>
void add_difference_loss(Cases& cases, const std::vector<double>& kinks, const Tape& tape,
                         Args... args) {
    cases.add({{1}, {17}, {5, 7}, {2, 3, 4}}, {.lowest = 0}, [&](const Shape& shape) {
        const Input target = cases.input(shape, -1, 1), x = cases.input(shape, -2, 2, kinks);
        for (Index i = 0; i < x.size(); ++i) x.data()[i] += target.data()[i];
        return Cases::on(std::make_shared<LossLayer>(std::make_shared<L>(args...), "", target), x,
                         of_x([=](const Var& v) { return tape(v, target); }));
    });
}

void add_losses(Cases& cases, Reduction reduction) {
    add_difference_loss<MSELoss<double>>(
        cases, {}, [=](auto& x, auto& t) { return F::mse_loss(x, t, reduction); }, reduction);
    add_difference_loss<L1Loss<double>>(
        cases, {0}, [=](auto& x, auto& t) { return F::l1_loss(x, t, reduction); }, reduction);
    for (const double beta : {1.0, 0.4})
        add_difference_loss<SmoothL1Loss<double>>(
            cases, {-beta, beta},
            [=](auto& x, auto& t) { return F::smooth_l1_loss(x, t, reduction, beta); }, reduction,
            beta);
    const std::vector<Shape> shapes = {{1}, {17}, {5, 7}, {2, 3, 4}};
    cases.add(shapes, {}, [&](const Shape& shape) {
        auto loss = std::make_shared<BCELoss<double>>(reduction);
        const Input target = cases.input(shape, 0, 1);
        return Cases::on(
            std::make_shared<LossLayer>(loss, "", target), cases.input(shape, 0.05, 0.95),
            of_x([=](const Var& x) { return F::binary_cross_entropy(x, target, reduction); }));
    });
    for (const bool weighted : {false, true})
        cases.add(shapes, {}, [&](const Shape& shape) {
            const Input weight = weighted ? cases.input({shape[-1]}, 0.5, 3) : Input();
            auto loss = std::make_shared<BCEWithLogitsLoss<double>>(reduction, weight);
            const Input target = cases.input(shape, 0, 1);
            return Cases::on(std::make_shared<LossLayer>(loss, "", target),
                             cases.input(shape, -3, 3), of_x([=](const Var& x) {
                                 return F::binary_cross_entropy_with_logits(x, target, reduction,
                                                                            weight);
                             }));
        });

    const std::vector<Shape> rows = {{1, 2}, {1, 10}, {3, 2}, {17, 10}, {3, 33}};
    for (const bool weighted : {false, true}) {
        cases.add(rows, {.lowest = 2, .highest = 2, .least_last = 2}, [&](const Shape& shape) {
            const Input weight = weighted ? cases.input({shape[1]}, 0.5, 2) : Input();
            auto loss = std::make_shared<NLLLoss<double>>(reduction, weight);
            const Labels labels = cases.labels(shape[0], shape[1]);
            return Cases::on(
                std::make_shared<LossLayer>(loss, "", labels), cases.input(shape, -3, 0),
                of_x([=](const Var& x) { return F::nll_loss(x, labels, reduction, weight); }));
        });
        for (const double smoothing : {0.0, 0.2})
            for (const std::string target : {" of labels", " of one-hot", " of soft targets"})
                cases.add(
                    rows, {.lowest = 2, .highest = 2, .least_last = 2}, [&](const Shape& shape) {
                        const Index n = shape[0], classes = shape[1];
                        const Input weight = weighted ? cases.input({classes}, 0.5, 2) : Input();
                        auto loss = std::make_shared<CrossEntropyLoss<double>>(reduction, smoothing,
                                                                               weight);
                        const auto tape = [=](const auto& t) {
                            return of_x([=](const Var& x) {
                                return F::cross_entropy(x, t, reduction, smoothing, weight);
                            });
                        };
                        const Labels labels = cases.labels(n, classes);
                        const Input x = cases.input(shape, -3, 3);
                        if (target == " of labels")
                            return Cases::on(std::make_shared<LossLayer>(loss, target, labels), x,
                                             tape(labels));
                        const Input shares = cases.input(shape, 0, 1);
                        for (Index r = 0; r < n; ++r) {
                            double sum = 0;
                            for (Index c = 0; c < classes; ++c) sum += shares(r, c);
                            for (Index c = 0; c < classes; ++c)
                                shares(r, c) = target == " of one-hot" ? (c == labels(r) ? 1 : 0)
                                                                       : shares(r, c) / sum;
                        }
                        return Cases::on(std::make_shared<LossLayer>(loss, target, shares), x,
                                         tape(shares));
                    });
    }
}

}  // namespace

std::vector<GradientCase> gradient_cases(std::uint64_t seed, int random_shapes) {
    Cases cases(seed, random_shapes);
    add_layers(cases, seed);
    for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
        add_losses(cases, reduction);
    // A shape of DonskerVaradhan is (n, n').
    cases.add({{1, 1}, {2, 5}, {7, 3}}, {.lowest = 2, .highest = 2}, [&](const Shape& s) {
        auto loss = std::make_shared<DonskerVaradhan<double>>();
        return Cases::on(std::make_shared<LossLayer>(loss, "", s[0]),
                         cases.input({s[0] + s[1], 1}, -3, 3),
                         of_x([n = s[0]](const Var& t) { return F::donsker_varadhan(t, n); }));
    });
    cases.add_layer<PenaltyLayer<L1Penalty>>(
        {}, of_x([](const Var& w) { return penalty_strength * sum(abs(w)); }));
    cases.add_layer<PenaltyLayer<L2Penalty>>(
        {}, of_x([](const Var& w) { return penalty_strength * sum(w * w); }));
    return cases.take();
}

}  // namespace handgrad
