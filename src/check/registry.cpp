#include "check/registry.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <span>
#include <utility>

#include "autograd/functional.h"
#include "check/loss_layer.h"
#include "core/tensor_ops.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/flatten.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "layers/pool2d.h"
#include "layers/prelu.h"
#include "layers/residual.h"
#include "layers/softmax.h"
#include "layers/stochastic_depth.h"
#include "losses/cross_entropy.h"
#include "losses/donsker_varadhan.h"
#include "losses/nll.h"
#include "losses/penalty.h"
#include "losses/pointwise.h"
#include "train/safetensors.h"

namespace handgrad {
namespace {

namespace F = functional;

/// The tape's side of a layer without parameters.
template <class Function>
auto of_x(const Function& f) {
    return [f](const auto& x, const auto&) { return f(x); };
}

/// A layer in training mode that draws the same numbers at every forward, as the check needs: a
/// new one each time.
template <class T>
class SameDraws final : public Layer<T> {
  public:
    using Make = std::function<std::unique_ptr<Layer<T>>()>;
    explicit SameDraws(Make make) : make_(std::move(make)) {}
    Tensor<T> forward(const Tensor<T>& x) override {
        layer_ = make_();
        return layer_->forward(x);
    }
    Tensor<T> backward(const Tensor<T>& dy) override { return layer_->backward(dy); }
    [[nodiscard]] std::string describe() const override {
        return make_()->describe() + " in training";
    }

  private:
    Make make_;
    std::unique_ptr<Layer<T>> layer_;
};

constexpr double penalty_strength = 0.3;

/// A penalty as a layer: y = strength R(x).
template <class T, template <class> class P>
class PenaltyLayer final : public Layer<T> {
  public:
    Tensor<T> forward(const Tensor<T>& x) override {
        w_.value = x;
        return penalty_.forward();
    }
    Tensor<T> backward(const Tensor<T>& dy) override {
        w_.grad = Tensor<T>::zeros(w_.value.shape(), w_.value.device());
        penalty_.backward();
        binary_in_place("backward", BinaryOp::mul, w_.grad, dy);
        return w_.grad;
    }
    [[nodiscard]] std::string describe() const override { return penalty_.describe(); }

  private:
    Parameter<T> w_{"w", {}, {}};
    P<T> penalty_{{&w_}, penalty_strength};
};

/// The sizes that random shapes may have.
struct Ranks {
    int lowest = 1, highest = 4;
    Index least_last = 1;  // size of the last axis
};

/// Where a layer is checked.
struct Points {
    Ranks ranks = {};
    std::vector<double> kinks = {0};
    double first_sign = 0;  // of the first element, where it matters
};

/// Collects the cases and draws their numbers.
template <class T>
class Cases {
  public:
    explicit Cases(const CaseOptions& options) : options_(options), random_(options.seed) {}

    [[nodiscard]] const CaseOptions& options() const { return options_; }

    /// build(shape) -> LayerCase<T>, for each of these shapes and for random ones; or for a large
    /// one instead.
    template <class Build>
    void add(const std::vector<Shape>& shapes, const Ranks& ranks, const Build& build) {
        if (options_.large) return list_.push_back(build(large_shape(ranks)));
        for (const Shape& shape : shapes) list_.push_back(build(shape));
        for (int i = 0; i < options_.random_shapes; ++i)
            list_.push_back(build(random_shape(ranks)));
    }
    /// At a shape of its own.
    void add(LayerCase<T> one) {
        if (!options_.large) list_.push_back(std::move(one));
    }

    /// Numbers in [low, high) that keep a distance of 0.01 from each kink.
    Tensor<T> input(const Shape& shape, double low, double high,
                    const std::vector<double>& kinks = {}) {
        const Tensor<T> x = Tensor<T>::empty(shape), number = Tensor<T>::empty({});
        const auto near = [&](double kink) { return std::abs(number.item() - kink) < 0.01; };
        for (T& v : x.span()) {
            do random_.uniform(number, low, high);
            while (std::any_of(kinks.begin(), kinks.end(), near));
            v = number.item();
        }
        return x;
    }

    /// Numbers that differ from each other by 0.02 at least, and are not 0.
    Tensor<T> distinct(const Shape& shape) {
        const Tensor<T> x = Tensor<T>::empty(shape);
        std::vector<Index> order;
        random_.permutation(order, x.size());
        const Index middle = x.size() / 2;
        for (Index i = 0; i < x.size(); ++i) {
            const Index place = order[static_cast<std::size_t>(i)] - middle;
            x.data()[i] = static_cast<T>(0.01 + 0.02 * static_cast<double>(place));
        }
        return x;
    }

    Labels labels(const Shape& shape, Index classes) {
        Labels y = Labels::zeros(shape);
        for (std::int32_t& label : y.span()) label = static_cast<std::int32_t>(below(classes));
        return y;
    }

    /// 0 .. n-1
    Index below(Index n) {
        return static_cast<Index>(random_.int63() % static_cast<std::uint64_t>(n));
    }

    Random& random() { return random_; }
    std::vector<LayerCase<T>> take() { return std::move(list_); }

  private:
    Shape random_shape(const Ranks& ranks) {
        constexpr Index largest[] = {1, 40, 20, 8, 5};  // of each size: at most 625 elements in all
        const Index rank = ranks.lowest + below(ranks.highest - ranks.lowest + 1);
        std::vector<Index> sizes;
        for (Index axis = 0; axis < rank; ++axis)
            sizes.push_back((axis == rank - 1 ? ranks.least_last : 1) + below(largest[rank]));
        return Shape(std::span<const Index>(sizes));
    }

    static Shape large_shape(const Ranks& ranks) {
        const int rank = std::max(ranks.lowest, std::min(2, ranks.highest));
        if (rank == 1) return {65536};
        if (rank == 2) return {256, 256};
        if (rank == 3) return {64, 128, 128};
        return {16, 16, 32, 32};
    }

    CaseOptions options_;
    Random random_;
    std::vector<LayerCase<T>> list_;
};

template <class T>
LayerCase<T> on(std::shared_ptr<Layer<T>> layer, const Tensor<T>& x, TapeForwardOf<T> tape) {
    const std::string name = layer->describe() + " on " + x.shape().str();
    return {name, std::move(layer), x, std::move(tape)};
}

/// L(args...) at shapes of any rank.
template <class L, class T, class Tape, class... Args>
void add_layer(Cases<T>& cases, const Points& points, const Tape& tape, Args... args) {
    cases.add({{13}, {5, 7}, {2, 3, 4, 5}}, points.ranks, [&](const Shape& shape) {
        const Tensor<T> x = cases.input(shape, -3, 3, points.kinks);
        if (points.first_sign != 0)
            x.data()[0] = std::copysign(x.data()[0], static_cast<T>(points.first_sign));
        return on<T>(std::make_shared<L>(args...), x, tape);
    });
}

/// L(args..., seed), which drops some of its input, in training and in evaluation mode.
template <class L, class T, class... Args>
void add_drop(Cases<T>& cases, std::uint64_t first_seed, Args... args) {
    const std::vector<Shape> shapes = {{13}, {5, 7}, {2, 3, 4, 5}};
    cases.add(shapes, {}, [&](const Shape& shape) {
        // The first seed that does not drop all.
        for (std::uint64_t seed = first_seed;; ++seed) {
            auto layer =
                std::make_shared<SameDraws<T>>([=] { return std::make_unique<L>(args..., seed); });
            const Tensor<T> scale = layer->forward(Tensor<T>::full(shape, 1));
            if (scale.values() == std::vector<T>(scale.values().size(), 0)) continue;
            return on<T>(layer, cases.input(shape, -3, 3),
                         of_x([scale](const auto& x) { return x * Variable<T>(scale); }));
        }
    });
    cases.add(shapes, {}, [&](const Shape& shape) {
        auto layer = std::make_shared<L>(args..., first_seed);
        layer->eval();
        return on<T>(layer, cases.input(shape, -3, 3), of_x([](const auto& x) { return x * 1; }));
    });
}

/// Draws all that a layer keeps: weights and running statistics at which it is not the identity.
template <class T>
void draw_state(Layer<T>& layer, Random& random) {
    for (const auto& [name, value] : state_dict(layer)) random.uniform(value, 0.5, 2);
}

/// In shape s, x has the shape of s with three more rows: where a channel has fewer than four
/// values, the normalisation leaves next to nothing of dy, and little to check.
template <class Norm, class T>
void add_batch_norm(Cases<T>& cases, const std::vector<Shape>& shapes, int lowest, int highest) {
    struct Kind {
        bool training, affine, tracked;
    };
    const Kind kinds[] = {{true, true, true},   {true, false, true},  {false, true, true},
                          {false, false, true}, {true, false, false}, {false, true, false}};
    for (const Kind& kind : kinds)
        cases.add(shapes, {.lowest = lowest, .highest = highest}, [&](const Shape& s) {
            const BatchNormOptions options{.eps = kind.tracked ? 1e-5 : 0.01,
                                           .affine = kind.affine,
                                           .track_running_stats = kind.tracked};
            const auto norm = std::make_shared<Norm>(s[1], options);
            draw_state(*norm, cases.random());
            norm->train(kind.training);
            const auto tape = [=](const auto& x, const auto& w) {
                const Variable<T> weight = kind.affine ? w[0] : Variable<T>(),
                                  bias = kind.affine ? w[1] : Variable<T>();
                if (kind.training || !kind.tracked)
                    return F::batch_norm(x, weight, bias, options.eps);
                return F::batch_norm(x, weight, bias, options.eps, norm->running_mean.value,
                                     norm->running_var.value);
            };
            LayerCase<T> made = on<T>(norm, cases.input(s.with_rows(s[0] + 3), -3, 3), tape);
            if (!kind.training) made.name += " in evaluation";
            return made;
        });
}

template <class T>
void add_layer_norm(Cases<T>& cases) {
    for (const int axes : {1, 2, 3})
        for (const bool affine : {true, false})
            cases.add({{2, 3, 4}, {2, 3, 4, 5}}, {.lowest = axes, .least_last = 4},
                      [&](const Shape& shape) {
                          std::vector<Index> last;
                          for (int axis = -axes; axis < 0; ++axis) last.push_back(shape[axis]);
                          const Shape normalized{std::span<const Index>(last)};
                          const LayerNormOptions options{.eps = affine ? 1e-5 : 0.01,
                                                         .elementwise_affine = affine};
                          const auto norm = std::make_shared<LayerNorm<T>>(normalized, options);
                          draw_state(*norm, cases.random());
                          return on<T>(
                              norm, cases.input(shape, -3, 3), [=](const auto& x, const auto& w) {
                                  return F::layer_norm(x, normalized, affine ? w[0] : Variable<T>(),
                                                       affine ? w[1] : Variable<T>(), options.eps);
                              });
                      });
}

/// Keeps all that reaches a ReLU of the model away from its kink? And is some of it let through?
template <class T>
bool fits_relu(const Sequential<T>& model, Tensor<T> x) {
    for (std::size_t i = 0; i < model.size(); ++i) {
        if (dynamic_cast<const ReLU<T>*>(&model[i]) != nullptr) {
            const auto all = x.span();
            const auto near = [](T v) { return std::abs(v) < 1e-4; };
            if (std::any_of(all.begin(), all.end(), near) ||
                std::all_of(all.begin(), all.end(), [](T v) { return v < 0; }))
                return false;
        }
        x = model[i].forward(x);
    }
    return true;
}

template <class T>
void add_residuals(Cases<T>& cases) {
    // Inside others, with a kink deep down.
    cases.add({{1, 3}, {5, 7}}, {.lowest = 2, .highest = 2}, [&](const Shape& s) {
        const Tensor<T> x = cases.input(s, -1, 1);
        std::unique_ptr<Sequential<T>> branch;
        do {
            branch = std::make_unique<Sequential<T>>();
            branch->template add<Linear<T>>(s[1], 4, cases.random());
            branch->template add<ReLU<T>>();
            branch->template add<Linear<T>>(4, s[1], cases.random());
        } while (!fits_relu(*branch, x));
        auto inner = std::make_unique<Sequential<T>>();
        inner->template add<Residual<T>>(std::move(branch));
        auto model = std::make_shared<Sequential<T>>();
        model->append(std::move(inner));
        model->template add<Linear<T>>(s[1], 2, cases.random());
        return on<T>(model, x, [](const auto& v, const auto& w) {
            const Variable<T> h = v + F::linear(F::relu(F::linear(v, w[0], w[1])), w[2], w[3]);
            return F::linear(h, w[4], w[5]);
        });
    });
    cases.add({{1, 3}, {5, 7}}, {.lowest = 2, .highest = 2}, [&](const Shape& s) {
        auto branch = std::make_unique<Sequential<T>>();
        branch->template add<Linear<T>>(s[1], 3, cases.random());
        branch->template add<Tanh<T>>();
        branch->template add<Linear<T>>(3, s[1], cases.random());
        return on<T>(std::make_shared<Residual<T>>(std::move(branch)), cases.input(s, -1, 1),
                     [](const auto& x, const auto& w) {
                         return x + F::linear(tanh(F::linear(x, w[0], w[1])), w[2], w[3]);
                     });
    });
    // In evaluation mode, which must reach all that is nested.
    cases.add({{1, 3}, {5, 7}}, {.lowest = 2, .highest = 2}, [&](const Shape& s) {
        auto branch = std::make_unique<Sequential<T>>();
        const auto& norm = branch->template add<BatchNorm1d<T>>(s[1]);
        branch->template add<Linear<T>>(s[1], 4, cases.random());
        branch->template add<StochasticDepth<T>>(0.9, StochasticDepth<T>::Mode::row, 0);
        auto model = std::make_shared<Sequential<T>>();
        model->template add<Residual<T>>(std::move(branch),
                                         std::make_unique<Linear<T>>(s[1], 4, cases.random()));
        draw_state(*model, cases.random());
        model->eval();
        return on<T>(model, cases.input(s, -1, 1), [model, &norm](const auto& x, const auto& w) {
            const Variable<T> y =
                F::batch_norm(x, w[0], w[1], 1e-5, norm.running_mean.value, norm.running_var.value);
            return F::linear(x, w[4], w[5]) + F::linear(y, w[2], w[3]);
        });
    });
}

std::array<Index, 2> both(const Pair& pair) {
    return {pair.h, pair.w};
}

/// On x (N, in_channels / groups, H, W): shapes say how many channels a group has.
template <class T>
LayerCase<T> conv_case(Cases<T>& cases, const Shape& s, Index out_channels, Pair kernel_size,
                       const Conv2dOptions& options) {
    const Index channels = s[1] * options.groups;
    auto conv =
        std::make_shared<Conv2d<T>>(channels, out_channels, kernel_size, cases.random(), options);
    return on<T>(conv, cases.input({s[0], channels, s[2], s[3]}, -1, 1),
                 [options](const auto& x, const auto& w) {
                     return F::conv2d(x, w[0], options.bias ? w[1] : Variable<T>(),
                                      {.stride = both(options.stride),
                                       .padding = both(options.padding),
                                       .dilation = both(options.dilation)},
                                      options.groups);
                 });
}

template <class T>
void add_convolutions(Cases<T>& cases) {
    cases.add(conv_case(cases, {1, 1, 1, 1}, 1, 1, {}));
    cases.add(conv_case(cases, {2, 3, 5, 4}, 2, {5, 4}, {}));  // kernel = image
    cases.add(conv_case(cases, {2, 1, 7, 5}, 3, 3, {.padding = 1}));
    cases.add(conv_case(cases, {2, 5, 3, 2}, 3, 1, {.bias = false}));
    cases.add(conv_case(cases, {1, 3, 11, 13}, 2, 1, {}));
    cases.add(conv_case(cases, {3, 2, 7, 6}, 2, 2, {.stride = 3}));  // stride > kernel
    cases.add(conv_case(cases, {2, 2, 9, 8}, 3, {3, 2},
                        {.stride = {2, 1}, .padding = {2, 3}, .dilation = {2, 3}}));
    cases.add(conv_case(cases, {2, 1, 5, 5}, 3, 3, {.padding = 1, .groups = 3}));  // = channels
    cases.add(conv_case(cases, {2, 2, 4, 5}, 6, 2, {.groups = 3, .bias = false}));
    cases.add({}, {.lowest = 4, .highest = 4}, [&](const Shape& s) {
        const auto pair = [&](Index least, Index count) {
            return Pair{least + cases.below(count), least + cases.below(count)};
        };
        const Pair kernel = pair(1, 3), stride = pair(1, 3), dilation = pair(1, 2);
        // A multiple of dilation, so that the first window has a pixel even of the smallest image;
        // and as much as a window needs to fit.
        const auto padding = [&](Index size, Index k, Index d) {
            const Index drawn = d * cases.below(k), reach = d * (k - 1);
            return size + 2 * drawn > reach ? drawn : reach;
        };
        const Index groups = 1 + cases.below(3);
        return conv_case(
            cases, s, groups * (1 + cases.below(3)), kernel,
            {.stride = stride,
             .padding = {padding(s[2], kernel.h, dilation.h), padding(s[3], kernel.w, dilation.w)},
             .dilation = dilation,
             .groups = groups,
             .bias = cases.below(2) == 1});
    });
}

/// pool_case(shape of x, kernel_size, stride, padding) at awkward shapes and at random ones.
template <class T, class PoolCase>
void add_pools(Cases<T>& cases, const PoolCase& pool_case) {
    cases.add(pool_case({1, 1, 1, 1}, 1, 1, 0));
    cases.add(pool_case({2, 3, 4, 6}, 2, 2, 0));
    cases.add(pool_case({2, 2, 5, 7}, {5, 7}, 1, 0));  // kernel = image
    cases.add(pool_case({2, 2, 7, 5}, 3, 2, 1));
    cases.add(pool_case({1, 2, 11, 8}, 2, {3, 5}, {1, 0}));  // stride > kernel
    cases.add(pool_case({2, 2, 1, 2}, {3, 5}, 1, {1, 2}));   // kernel > image
    cases.add({}, {.lowest = 4, .highest = 4}, [&](const Shape& s) {
        const Pair kernel{1 + cases.below(s[2]), 1 + cases.below(s[3])};
        const Pair stride{1 + cases.below(3), 1 + cases.below(3)};
        const Pair padding{cases.below(kernel.h / 2 + 1), cases.below(kernel.w / 2 + 1)};
        return pool_case(s, kernel, stride, padding);
    });
}

template <class T>
void add_pools(Cases<T>& cases) {
    add_pools(cases, [&](const Shape& s, Pair kernel, Pair stride, Pair padding) {
        const UnfoldOptions windows{.stride = both(stride), .padding = both(padding)};
        return on<T>(std::make_shared<MaxPool2d<T>>(kernel, stride, padding), cases.distinct(s),
                     of_x([=](const auto& x) { return F::max_pool2d(x, both(kernel), windows); }));
    });
    for (const bool count : {true, false})
        add_pools(cases, [&](const Shape& s, Pair kernel, Pair stride, Pair padding) {
            const UnfoldOptions windows{.stride = both(stride), .padding = both(padding)};
            return on<T>(std::make_shared<AvgPool2d<T>>(kernel, stride, padding, count),
                         cases.input(s, -1, 1), of_x([=](const auto& x) {
                             return F::avg_pool2d(x, both(kernel), windows, count);
                         }));
        });
}

template <class L, class T, class Tape>
void add_softmax(Cases<T>& cases, int dim, const Tape& tape) {
    const int lowest = dim < 0 ? -dim : dim + 1;
    cases.add({{3, 5}, {1, 1, 7}, {2, 3, 4, 1}}, {.lowest = lowest}, [&](const Shape& s) {
        // Two more entries along the axis: with a single one every gradient is zero.
        const int along = dim < 0 ? dim + s.rank() : dim;
        std::vector<Index> sizes;
        for (int axis = 0; axis < s.rank(); ++axis)
            sizes.push_back(s[axis] + (axis == along ? 2 : 0));
        return on<T>(std::make_shared<L>(dim),
                     cases.input(Shape(std::span<const Index>(sizes)), -3, 3), tape);
    });
}

template <class T>
void add_flatten(Cases<T>& cases) {
    struct Axes {
        int start, end;
    };
    for (const Axes axes : {Axes{0, -1}, {1, -1}, {2, -1}, {0, 1}, {1, 2}, {-3, -2}}) {
        const int lowest = std::max({axes.start + 1, axes.end + 1, -axes.start});
        cases.add({{5, 7, 3}, {2, 3, 4, 5}}, {.lowest = lowest}, [&](const Shape& shape) {
            return on<T>(
                std::make_shared<Flatten<T>>(axes.start, axes.end), cases.input(shape, -3, 3),
                of_x([axes](const auto& x) { return F::flatten(x, axes.start, axes.end); }));
        });
    }
    // A small network of all of them.
    cases.add({{2, 2, 7, 6}}, {.lowest = 4, .highest = 4}, [&](const Shape& s) {
        auto model = std::make_shared<Sequential<T>>();
        model->template add<Conv2d<T>>(s[1], 2, 3, cases.random(), Conv2dOptions{.padding = 1});
        model->template add<Tanh<T>>();
        model->template add<AvgPool2d<T>>(2, 1, 1);
        model->template add<Conv2d<T>>(2, 3, 1, cases.random());
        model->template add<Flatten<T>>();
        return on<T>(model, cases.input(s, -1, 1), [](const auto& x, const auto& w) {
            const Variable<T> h = tanh(F::conv2d(x, w[0], w[1], {.padding = {1, 1}}));
            return F::flatten(F::conv2d(F::avg_pool2d(h, {2, 2}, {.padding = {1, 1}}), w[2], w[3]));
        });
    });
}

template <class T>
void add_layers(Cases<T>& cases) {
    // A shape of Linear is (N, in, out).
    std::vector<Shape> shapes;
    for (const Index n : {1, 2, 17})
        for (const Index in : {1, 3, 16, 33})
            for (const Index out : {1, 10, 17}) shapes.push_back({n, in, out});
    for (const bool bias : {true, false})
        cases.add(shapes, {.lowest = 3, .highest = 3}, [&](const Shape& s) {
            return on<T>(std::make_shared<Linear<T>>(s[1], s[2], cases.random(),
                                                     LinearOptions{.bias = bias}),
                         cases.input({s[0], s[1]}, -1, 1), [bias](const auto& x, const auto& w) {
                             return F::linear(x, w[0], bias ? w[1] : Variable<T>());
                         });
        });

    // A positive input at least, lest the gradient of a small ReLU is zero; a negative for PReLU.
    const auto prelu_tape = [](const auto& x, const auto& w) { return F::prelu(x, w[0]); };
    add_layer<ReLU<T>>(cases, {.first_sign = 1}, of_x(F::relu<T>));
    add_layer<LeakyReLU<T>>(cases, {}, of_x([](const auto& x) { return F::leaky_relu(x); }));
    add_layer<LeakyReLU<T>>(cases, {}, of_x([](const auto& x) { return F::leaky_relu(x, 0.3); }),
                            0.3);
    add_layer<PReLU<T>>(cases, {.first_sign = -1}, prelu_tape);
    cases.add({{2, 5}, {3, 7}, {2, 3, 4}, {2, 3, 4, 5}}, {.lowest = 2}, [&](const Shape& shape) {
        const auto prelu = std::make_shared<PReLU<T>>(shape[1]);
        cases.random().uniform(prelu->weight.value, 0.1, 0.9);
        const Tensor<T> x = cases.input(shape, -3, 3, {0});
        x.data()[0] = -std::abs(x.data()[0]);
        return on<T>(prelu, x, prelu_tape);
    });
    add_layer<ELU<T>>(cases, {}, of_x([](const auto& x) { return F::elu(x); }));
    add_layer<ELU<T>>(cases, {}, of_x([](const auto& x) { return F::elu(x, 0.5); }), 0.5);
    add_layer<Softplus<T>>(cases, {}, of_x([](const auto& x) { return F::softplus(x); }));
    add_layer<Softplus<T>>(cases, {.kinks = {0.5}},
                           of_x([](const auto& x) { return F::softplus(x, 2, 1); }), 2, 1);
    add_layer<Sigmoid<T>>(cases, {}, of_x(F::sigmoid<T>));
    add_layer<Tanh<T>>(cases, {}, of_x([](const auto& x) { return tanh(x); }));
    add_layer<SiLU<T>>(cases, {}, of_x(F::silu<T>));
    add_layer<GELU<T>>(cases, {}, of_x(F::gelu<T>));
    add_layer<GELU<T>>(cases, {}, of_x(F::gelu_tanh<T>), GELU<T>::Approximate::tanh);
    add_layer<Identity<T>>(cases, {}, of_x([](const auto& x) { return x * 1; }));
    for (const int dim : {-1, -2, 0, 1}) {
        add_softmax<Softmax<T>>(cases, dim,
                                of_x([dim](const auto& x) { return F::softmax(x, dim); }));
        add_softmax<LogSoftmax<T>>(cases, dim,
                                   of_x([dim](const auto& x) { return F::log_softmax(x, dim); }));
    }
    add_convolutions(cases);
    add_pools(cases);
    add_flatten(cases);

    using Depth = StochasticDepth<T>;
    const std::uint64_t seed = cases.options().seed;
    add_drop<Dropout<T>>(cases, seed, 0.3);
    add_drop<Depth>(cases, seed, 0.3, Depth::Mode::batch);
    add_drop<Depth>(cases, seed, 0.3, Depth::Mode::row);

    // A shape is that of x but for the first axis, which is three longer.
    add_batch_norm<BatchNorm1d<T>>(cases, {{1, 1}, {2, 3}, {14, 10}, {1, 2, 3}}, 2, 3);
    add_batch_norm<BatchNorm2d<T>>(cases, {{1, 1, 1, 1}, {1, 2, 3, 2}, {2, 3, 4, 5}}, 4, 4);
    add_layer_norm(cases);
    add_residuals(cases);

    cases.add({{6, 13}}, {.lowest = 2, .highest = 2}, [&](const Shape& s) {
        const std::vector<Index> widths = {s[1], 11, 5, 3};
        const Tensor<T> x = cases.input(s, -1, 1);
        auto model = std::make_shared<Sequential<T>>(mlp<T>(widths, cases.random()));
        while (!fits_relu(*model, x)) *model = mlp<T>(widths, cases.random());
        return on<T>(model, x, [](const auto& v, const auto& w) {
            const Variable<T> h = F::relu(F::linear(v, w[0], w[1]));
            return F::linear(F::relu(F::linear(h, w[2], w[3])), w[4], w[5]);
        });
    });
    cases.add({{4, 3}}, {.lowest = 2, .highest = 2}, [&](const Shape& shape) {
        auto model = std::make_shared<Sequential<T>>();
        model->template add<Linear<T>>(shape[1], 7, cases.random());
        model->template add<Tanh<T>>();
        model->template add<Linear<T>>(7, 2, cases.random());
        return on<T>(model, cases.input(shape, -1, 1), [](const auto& x, const auto& w) {
            return F::linear(tanh(F::linear(x, w[0], w[1])), w[2], w[3]);
        });
    });
}

/// A loss of each element, on x = target + difference. tape(x, target) is its expression.
template <class L, class T, class Tape, class... Args>
void add_difference_loss(Cases<T>& cases, const std::vector<double>& kinks, const Tape& tape,
                         Args... args) {
    cases.add({{1}, {17}, {5, 7}, {2, 3, 4}}, {.lowest = 0}, [&](const Shape& shape) {
        const Tensor<T> target = cases.input(shape, -1, 1), x = cases.input(shape, -2, 2, kinks);
        for (Index i = 0; i < x.size(); ++i) x.data()[i] += target.data()[i];
        return on<T>(std::make_shared<LossLayer<T>>(std::make_shared<L>(args...), "", target), x,
                     of_x([=](const auto& v) { return tape(v, target); }));
    });
}

template <class T>
void add_losses(Cases<T>& cases, Reduction reduction) {
    add_difference_loss<MSELoss<T>>(
        cases, {}, [=](auto& x, auto& t) { return F::mse_loss(x, t, reduction); }, reduction);
    add_difference_loss<L1Loss<T>>(
        cases, {0}, [=](auto& x, auto& t) { return F::l1_loss(x, t, reduction); }, reduction);
    for (const double beta : {1.0, 0.4})
        add_difference_loss<SmoothL1Loss<T>>(
            cases, {-beta, beta},
            [=](auto& x, auto& t) { return F::smooth_l1_loss(x, t, reduction, beta); }, reduction,
            beta);
    const std::vector<Shape> shapes = {{1}, {17}, {5, 7}, {2, 3, 4}};
    cases.add(shapes, {}, [&](const Shape& shape) {
        auto loss = std::make_shared<BCELoss<T>>(reduction);
        const Tensor<T> target = cases.input(shape, 0, 1);
        return on<T>(
            std::make_shared<LossLayer<T>>(loss, "", target), cases.input(shape, 0.05, 0.95),
            of_x([=](const auto& x) { return F::binary_cross_entropy(x, target, reduction); }));
    });
    for (const bool weighted : {false, true})
        cases.add(shapes, {}, [&](const Shape& shape) {
            const Tensor<T> weight = weighted ? cases.input({shape[-1]}, 0.5, 3) : Tensor<T>();
            auto loss = std::make_shared<BCEWithLogitsLoss<T>>(reduction, weight);
            const Tensor<T> target = cases.input(shape, 0, 1);
            return on<T>(std::make_shared<LossLayer<T>>(loss, "", target),
                         cases.input(shape, -3, 3), of_x([=](const auto& x) {
                             return F::binary_cross_entropy_with_logits(x, target, reduction,
                                                                        weight);
                         }));
        });

    // A shape is that of x but for one class more: with a single one every gradient is zero.
    const std::vector<Shape> rows = {{1, 1},  {1, 9},    {3, 1},      {17, 9},
                                     {3, 32}, {2, 2, 3}, {2, 1, 3, 2}};
    const auto scores = [&](const Shape& shape, double low, double high) {
        std::vector<Index> sizes;
        for (int axis = 0; axis < shape.rank(); ++axis) sizes.push_back(shape[axis] + (axis == 1));
        return cases.input(Shape(std::span<const Index>(sizes)), low, high);
    };
    for (const bool weighted : {false, true}) {
        cases.add(rows, {.lowest = 2}, [&](const Shape& shape) {
            const Tensor<T> x = scores(shape, -3, 0);
            const Tensor<T> weight = weighted ? cases.input({x.dim(1)}, 0.5, 2) : Tensor<T>();
            auto loss = std::make_shared<NLLLoss<T>>(reduction, weight);
            const Labels labels = cases.labels(without_classes(shape), x.dim(1));
            return on<T>(
                std::make_shared<LossLayer<T>>(loss, "", labels), x,
                of_x([=](const auto& v) { return F::nll_loss(v, labels, reduction, weight); }));
        });
        for (const double smoothing : {0.0, 0.2})
            for (const std::string target : {" of labels", " of one-hot", " of soft targets"})
                cases.add(rows, {.lowest = 2}, [&](const Shape& shape) {
                    const Tensor<T> x = scores(shape, -3, 3);
                    const Index classes = x.dim(1), inner = x.size() / (x.dim(0) * classes);
                    const Tensor<T> weight =
                        weighted ? cases.input({classes}, 0.5, 2) : Tensor<T>();
                    auto loss = std::make_shared<CrossEntropyLoss<T>>(reduction, smoothing, weight);
                    const auto tape = [=](const auto& t) {
                        return of_x([=](const auto& v) {
                            return F::cross_entropy(v, t, reduction, smoothing, weight);
                        });
                    };
                    const Labels labels = cases.labels(without_classes(shape), classes);
                    if (target == " of labels")
                        return on<T>(std::make_shared<LossLayer<T>>(loss, target, labels), x,
                                     tape(labels));
                    const Tensor<T> shares = cases.input(x.shape(), 0, 1);
                    for (Index i = 0; i < labels.size(); ++i) {
                        T* share = shares.data() + i / inner * classes * inner + i % inner;
                        T sum = 0;
                        for (Index c = 0; c < classes; ++c) sum += share[c * inner];
                        for (Index c = 0; c < classes; ++c)
                            share[c * inner] = target == " of one-hot"
                                                   ? (c == labels.data()[i] ? 1 : 0)
                                                   : share[c * inner] / sum;
                    }
                    return on<T>(std::make_shared<LossLayer<T>>(loss, target, shares), x,
                                 tape(shares));
                });
    }
}

/// Losses that are one number.
template <class T>
void add_scalar_losses(Cases<T>& cases) {
    // A shape of DonskerVaradhan is (n, n').
    cases.add({{1, 1}, {2, 5}, {7, 3}}, {.lowest = 2, .highest = 2}, [&](const Shape& s) {
        auto loss = std::make_shared<DonskerVaradhan<T>>();
        return on<T>(std::make_shared<LossLayer<T>>(loss, "", s[0]),
                     cases.input({s[0] + s[1], 1}, -3, 3),
                     of_x([n = s[0]](const auto& t) { return F::donsker_varadhan(t, n); }));
    });
    add_layer<PenaltyLayer<T, L1Penalty>>(
        cases, {}, of_x([](const auto& w) { return penalty_strength * sum(abs(w)); }));
    add_layer<PenaltyLayer<T, L2Penalty>>(
        cases, {}, of_x([](const auto& w) { return penalty_strength * sum(w * w); }));
}

}  // namespace

template <class T>
std::vector<LayerCase<T>> layer_cases(const CaseOptions& options) {
    Cases<T> cases(options);
    add_layers(cases);
    for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none})
        if (!options.large || reduction == Reduction::mean) add_losses(cases, reduction);
    add_scalar_losses(cases);
    return cases.take();
}

template std::vector<LayerCase<float>> layer_cases(const CaseOptions&);
template std::vector<LayerCase<double>> layer_cases(const CaseOptions&);

}  // namespace handgrad
