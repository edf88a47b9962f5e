#include "check/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"

namespace handgrad {
namespace {

/// (above - below) / distance, and how far rounding can be from the true slope: some units in the
/// last place of the two, which no small gradient beside a large y can be told from.
struct Slope {
    double value, noise;
    Slope(double above, double below, double distance)
        : value((above - below) / distance),
          noise(16 * std::numeric_limits<double>::epsilon() *
                std::max(std::abs(above), std::abs(below)) / distance) {}
};

/// Is shown pairs of numbers that should be equal, and finds the worst.
class Comparer {
  public:
    void see(double by_hand, const Slope& slope, Index place) {
        see(by_hand, slope.value, place, slope.noise);
    }
    /// Numbers no further apart than `noise` count as equal.
    void see(double by_hand, double other, Index place, double noise = 0) {
        seen_.push_back({by_hand, other, noise, place});
        largest_ = std::max({largest_, std::abs(by_hand), std::abs(other)});
        noise_ = std::max(noise_, noise);
    }

    /// Relative errors are of `floor` times the largest number at least. `name_of` says what stands
    /// at a place.
    template <class NameOf>
    GradientComparison result(const std::string& of, double tolerance, double floor,
                              const NameOf& name_of) const {
        GradientComparison result{.of = of, .checked = static_cast<Index>(seen_.size())};
        const Pair* worst = nullptr;
        for (const Pair& pair : seen_) {
            const double scale =
                std::max({std::abs(pair.by_hand), std::abs(pair.other), floor * largest_});
            const double difference = std::abs(pair.by_hand - pair.other);
            const double error =
                scale == 0 || (std::isfinite(difference) && difference <= pair.noise)
                    ? 0
                    : difference / scale;  // inf / inf: NaN
            // A NaN is worse than any number, and the first stays.
            if (worst != nullptr &&
                (std::isnan(result.max_relative_error) || error <= result.max_relative_error))
                continue;
            worst = &pair;
            result.max_relative_error = error;
        }
        if (worst != nullptr) {
            result.worst = name_of(worst->place);
            result.by_hand = worst->by_hand;
            result.other = worst->other;
        }
        if (worst == nullptr)
            result.reason = "nothing to check";
        else if (!std::isfinite(result.max_relative_error))
            result.reason = "not a finite number";
        else if (largest_ == 0)
            result.reason = zero_both_ways;
        else if (!(largest_ > noise_))
            result.reason = "lost in the rounding of the loss: nothing was seen";
        else if (!(result.max_relative_error <= tolerance))
            result.reason = "they differ";
        return result;
    }

    static constexpr const char* zero_both_ways = "all zero both ways: nothing was seen";

  private:
    struct Pair {
        double by_hand, other, noise;
        Index place;
    };
    std::vector<Pair> seen_;
    double largest_ = 0, noise_ = 0;
};

constexpr double difference_floor = 0.1, autograd_floor = 1e-3;

std::string element_name(Index i) {
    return "element " + std::to_string(i);
}

double norm_of(const Tensor<double>& x) {
    double sum = 0;
    for (const double v : x.span()) sum += v * v;
    return std::sqrt(sum);
}

/// Runs `at_above` with w a step above its value and `at_below` with it a step below; returns the
/// distance of the two, as rounded.
template <class Above, class Below>
double move(double& w, double step, const Above& at_above, const Below& at_below) {
    const double saved = w, h = step * std::max(1.0, std::abs(saved));
    const double above = saved + h, below = saved - h;
    w = above;
    at_above();
    w = below;
    at_below();
    w = saved;
    return above - below;
}

GradientComparison compare_elements(const Tensor<double>& values, const Tensor<double>& grads,
                                    const std::function<double()>& loss,
                                    const GradientCheckOptions& options) {
    Comparer comparer;
    for (Index i = 0; i < values.size(); ++i) {
        double above = 0, below = 0;
        const double distance = move(
            values.data()[i], options.step, [&] { above = loss(); }, [&] { below = loss(); });
        comparer.see(grads.data()[i], Slope(above, below, distance), i);
    }
    return comparer.result("elements", options.tolerance, difference_floor, element_name);
}

GradientComparison compare_directions(const Tensor<double>& values, const Tensor<double>& grads,
                                      const std::function<double()>& loss,
                                      const GradientCheckOptions& options, Random& random) {
    Comparer comparer;
    const Tensor<double> saved = values.clone(), v = Tensor<double>::empty(values.shape());
    const auto loss_at = [&](double h) {
        for (Index i = 0; i < values.size(); ++i)
            values.data()[i] = saved.data()[i] + h * v.data()[i];
        return loss();
    };
    for (int direction = 0; direction < options.directions; ++direction) {
        random.uniform(v, -1, 1);
        double by_hand = 0;
        for (Index i = 0; i < v.size(); ++i) by_hand += grads.data()[i] * v.data()[i];
        const double above = loss_at(options.step), below = loss_at(-options.step);
        comparer.see(by_hand, Slope(above, below, 2 * options.step), direction);
    }
    values.copy_from(saved);
    return comparer.result("directions", options.tolerance, difference_floor,
                           [](Index i) { return "direction " + std::to_string(i); });
}

void require_gradient(const Layer<double>& layer, const std::string& name,
                      const Tensor<double>& gradient, const Shape& shape) {
    if (!gradient.defined() || gradient.shape() != shape)
        throw Error("check_layer: " + layer.describe() + " has no such gradient for " + name,
                    gradient.defined() ? "shape " + gradient.shape().str() : "no tensor",
                    "shape " + shape.str(),
                    name == "x" ? "backward returns dL/dx, as large as x"
                                : "a Parameter's value and grad are made together, equally large");
}

/// x and dy belong to others, who use them, too: the layer before, a branch beside.
void require_unwritten(const Layer<double>& layer, const std::string& name,
                       const Tensor<double>& now, const Tensor<double>& before) {
    for (Index i = 0; i < now.size(); ++i) {
        const double was = before.data()[i], is = now.data()[i];
        if (was == is || (std::isnan(was) && std::isnan(is))) continue;
        throw Error("check_layer: " + layer.describe() + " writes to " + name,
                    format("element %td of it was %g and is %g", i, was, is),
                    name + " as it came, since others read it, too",
                    "write to a tensor of its own");
    }
}

/// dL/dx and dL/dw of every parameter, from dL/dy.
std::vector<Tensor<double>> gradients_by_hand(Layer<double>& layer, const Tensor<double>& x,
                                              const Tensor<double>& dy) {
    for (const Parameter<double>* parameter : layer.parameters()) parameter->grad.fill(0);
    const Tensor<double> dx = layer.backward(dy);
    require_gradient(layer, "x", dx, x.shape());
    std::vector<Tensor<double>> gradients = {dx.clone()};
    // Gradients are added to: twice the same is double, which a layer that overwrites would miss.
    layer.backward(dy);
    for (const Parameter<double>* parameter : layer.parameters()) {
        gradients.push_back(parameter->grad.clone());
        for (double& g : gradients.back().span()) g /= 2;
    }
    return gradients;
}

/// Row j of each Jacobian by hand is what backward makes of dy = (0, .., s, .., 0), s at place j,
/// divided by s: were it a whole number, a backward that forgets its dy could pass. Column i by
/// differences is how far all of y moves with element i.
std::vector<GradientComparison> compare_jacobians(Layer<double>& layer, const Tensor<double>& x,
                                                  const std::vector<Parameter<double>*>& all,
                                                  const GradientCheckOptions& options) {
    const Tensor<double> dy = Tensor<double>::zeros(layer.forward(x).shape());
    std::vector<std::vector<Tensor<double>>> by_hand;  // [j][of which]
    constexpr double s = 0.73;
    for (double& dy_j : dy.span()) {
        dy_j = s;
        by_hand.push_back(gradients_by_hand(layer, x, dy));
        dy_j = 0;
    }
    std::vector<GradientComparison> results;
    for (std::size_t p = 0; p < all.size(); ++p) {
        Comparer comparer;
        const Index size = all[p]->value.size();
        for (Index i = 0; i < size; ++i) {
            Tensor<double> above, below;
            const double distance = move(
                all[p]->value.data()[i], options.step, [&] { above = layer.forward(x).clone(); },
                [&] { below = layer.forward(x).clone(); });
            for (Index j = 0; j < dy.size(); ++j)
                comparer.see(by_hand[static_cast<std::size_t>(j)][p].data()[i] / s,
                             Slope(above.data()[j], below.data()[j], distance), j * size + i);
        }
        results.push_back(comparer.result(
            "Jacobian entries", options.tolerance, difference_floor, [&](Index place) {
                return format("dy[%td]/d%s[%td]", place / size, all[p]->name.c_str(), place % size);
            }));
    }
    return results;
}

GradientComparison compare_with_tape(const Tensor<double>& by_hand, const Tensor<double>& by_tape,
                                     const GradientCheckOptions& options) {
    if (!by_tape.defined() || by_tape.shape() != by_hand.shape())
        return {.of = "elements", .reason = "autograd has no such gradient"};
    Comparer comparer;
    for (Index i = 0; i < by_hand.size(); ++i)
        comparer.see(by_hand.data()[i], by_tape.data()[i], i);
    return comparer.result("elements", options.autograd_tolerance, autograd_floor, element_name);
}

/// Adds what autograd says to each row; `all` are the input and the parameters, with gradients.
void add_autograd(std::vector<GradientRow>& rows, const std::vector<Parameter<double>*>& all,
                  const Tensor<double>& y, const Tensor<double>& dy, const TapeForward& tape,
                  const GradientCheckOptions& options) {
    std::vector<Variable<double>> variables;
    for (const Parameter<double>* parameter : all) variables.emplace_back(parameter->value, true);
    const Variable<double> by_tape =
        tape(variables[0], TapeParameters(std::span(variables).subspan(1)));
    GradientComparison output = compare_with_tape(y, by_tape.value(), options);
    if (!output.pass() && output.reason != Comparer::zero_both_ways) {  // an output may be zero
        output.reason = "autograd computes another y: " + output.reason;
        for (GradientRow& row : rows) row.autograd = output;
        return;
    }
    by_tape.backward(dy);
    for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i].autograd = compare_with_tape(all[i]->grad, variables[i].grad(), options);
}

}  // namespace

std::vector<GradientRow> check_gradients(const std::vector<Parameter<double>*>& parameters,
                                         const std::function<double()>& loss,
                                         const GradientCheckOptions& options) {
    if (parameters.empty())
        throw Error("check_gradients: nothing to check", "no parameters", "at least one");
    Random random(options.seed);
    std::vector<GradientRow> rows;
    for (const Parameter<double>* parameter : parameters) {
        const Tensor<double>&values = parameter->value, &grads = parameter->grad;
        if (!grads.defined() || grads.shape() != values.shape())
            throw Error("check_gradients: " + parameter->name + " has no gradient to check",
                        grads.defined() ? "grad of shape " + grads.shape().str() : "no grad",
                        "grad of shape " + values.shape().str(), "run backward first");
        rows.push_back({parameter->name, values.shape(), norm_of(grads),
                        values.size() <= options.max_elements
                            ? compare_elements(values, grads, loss, options)
                            : compare_directions(values, grads, loss, options, random)});
    }
    return rows;
}

template <class T>
const Variable<T>& TapeParametersOf<T>::operator[](std::size_t i) const {
    if (i >= variables_.size())
        throw Error("check_layer: the tape asks for a parameter that the layer does not have",
                    "parameter " + std::to_string(i),
                    "one of the " + std::to_string(variables_.size()) + " that parameters() lists",
                    "does parameters() forget one?");
    return variables_[i];
}

template class TapeParametersOf<float>;
template class TapeParametersOf<double>;

std::vector<GradientRow> check_layer(Layer<double>& layer, const Tensor<double>& x,
                                     const TapeForward& tape, const GradientCheckOptions& options) {
    for (const Parameter<double>* parameter : layer.parameters())
        require_gradient(layer, parameter->name, parameter->grad, parameter->value.shape());
    const Tensor<double> x_before = x.clone();
    const Tensor<double> y = layer.forward(x).clone(), dy = Tensor<double>::empty(y.shape());
    Random(options.seed + 1).uniform(dy, -1, 1);  // of L = sum r y this is r
    const Tensor<double> dy_before = dy.clone();
    std::vector<Parameter<double>> checked = {{"x", x, {}}};
    for (const Parameter<double>* parameter : layer.parameters()) checked.push_back(*parameter);
    const std::vector<Tensor<double>> by_hand = gradients_by_hand(layer, x, dy);
    require_unwritten(layer, "x", x, x_before);
    require_unwritten(layer, "dy", dy, dy_before);
    std::vector<Parameter<double>*> all;
    Index elements = 0;
    for (std::size_t i = 0; i < checked.size(); ++i) {
        checked[i].grad = by_hand[i];
        all.push_back(&checked[i]);
        elements += checked[i].value.size();
    }

    std::vector<GradientRow> rows;
    if (y.size() * elements <= options.max_jacobian) {
        const auto comparisons = compare_jacobians(layer, x, all, options);
        for (std::size_t i = 0; i < all.size(); ++i)
            rows.push_back(
                {all[i]->name, all[i]->value.shape(), norm_of(by_hand[i]), comparisons[i]});
    } else {
        const auto loss = [&] {
            const Tensor<double> out = layer.forward(x);
            double sum = 0;
            for (Index i = 0; i < out.size(); ++i) sum += dy.data()[i] * out.data()[i];
            return sum;
        };
        rows = check_gradients(all, loss, options);
    }
    if (tape) add_autograd(rows, all, y, dy, tape, options);
    return rows;
}

bool all_pass(const std::vector<GradientRow>& rows) {
    return !rows.empty() &&
           std::all_of(rows.begin(), rows.end(), [](const GradientRow& row) { return row.pass(); });
}

std::string table(const std::vector<GradientRow>& rows) {
    std::vector<Row> cells;
    for (const GradientRow& row : rows)
        cells.push_back({row.name, row.shape.str(), format("%.4e", row.norm),
                         row.autograd ? format("%.1e", row.autograd->max_relative_error) : "-",
                         format("%.1e", row.differences.max_relative_error),
                         std::to_string(row.differences.checked) + " " + row.differences.of,
                         row.pass() ? "PASS" : "FAIL"});
    std::string text = format_table(
        {"with respect to", "shape", "|gradient|", "autograd", "differences", "at", ""}, cells);
    const auto explain = [&](const GradientRow& row, const GradientComparison& failed,
                             const char* way) {
        if (failed.pass()) return;
        text += row.name + ": " + failed.reason;
        if (!failed.worst.empty())
            text += format("; worst at %s: %.10g by hand, %.10g by %s", failed.worst.c_str(),
                           failed.by_hand, failed.other, way);
        text += "\n";
    };
    for (const GradientRow& row : rows) {
        explain(row, row.differences, "differences");
        if (row.autograd) explain(row, *row.autograd, "autograd");
    }
    return text;
}

}  // namespace handgrad
