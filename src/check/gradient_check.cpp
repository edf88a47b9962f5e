#include "check/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"

namespace handgrad {
namespace {

/// Is shown pairs of numbers that should be equal, and keeps the worst.
class Comparer {
  public:
    void see(double by_hand, double other, Index place) {
        const double error = std::abs(by_hand - other);
        // A NaN is worse than any number, and the first stays.
        if (!std::isnan(worst_error_) && !(error <= worst_error_)) {
            worst_error_ = error;
            worst_ = place;
            by_hand_ = by_hand;
            other_ = other;
        }
        finite_ = finite_ && std::isfinite(error);
        largest_ = std::max({largest_, std::abs(by_hand), std::abs(other)});
        ++seen_;
    }

    /// `name_of` says what stands at a place.
    template <class NameOf>
    GradientComparison result(const std::string& of, double tolerance,
                              const NameOf& name_of) const {
        GradientComparison result{.of = of, .checked = seen_, .by_hand = by_hand_, .other = other_};
        if (seen_ > 0) result.worst = name_of(worst_);
        result.max_relative_error = largest_ > 0 ? worst_error_ / largest_ : 0;
        if (seen_ == 0)
            result.reason = "nothing to check";
        else if (!finite_)
            result.reason = "not a finite number";
        else if (largest_ == 0)
            result.reason = "all zero both ways: nothing was seen";
        else if (!(result.max_relative_error <= tolerance))
            result.reason = "they differ";
        return result;
    }

  private:
    double worst_error_ = -1, largest_ = 0, by_hand_ = 0, other_ = 0;
    bool finite_ = true;
    Index worst_ = 0, seen_ = 0;
};

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
        comparer.see(grads.data()[i], (above - below) / distance, i);
    }
    return comparer.result("elements", options.tolerance, element_name);
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
        comparer.see(by_hand, (above - below) / (2 * options.step), direction);
    }
    values.copy_from(saved);
    return comparer.result("directions", options.tolerance,
                           [](Index i) { return "direction " + std::to_string(i); });
}

/// dL/dx and dL/dw of every parameter, from dL/dy.
std::vector<Tensor<double>> gradients_by_hand(Layer<double>& layer, const Tensor<double>& dy) {
    for (const Parameter<double>* parameter : layer.parameters()) parameter->grad.fill(0);
    std::vector<Tensor<double>> gradients = {layer.backward(dy).clone()};
    // Gradients are added to: twice the same is double, which a layer that overwrites would miss.
    layer.backward(dy);
    for (const Parameter<double>* parameter : layer.parameters()) {
        gradients.push_back(parameter->grad.clone());
        for (double& g : gradients.back().span()) g /= 2;
    }
    return gradients;
}

/// Row j of each Jacobian by hand is half of what backward makes of dy = (0, .., 2, .., 0), the 2
/// at j (with a 1 there, a backward that forgets its dy could pass); column i by differences is how
/// far all of y moves with element i.
std::vector<GradientComparison> compare_jacobians(Layer<double>& layer, const Tensor<double>& x,
                                                  const std::vector<Parameter<double>*>& all,
                                                  const GradientCheckOptions& options) {
    const Tensor<double> dy = Tensor<double>::zeros(layer.forward(x).shape());
    std::vector<std::vector<Tensor<double>>> by_hand;  // [j][of which]
    constexpr double s = 0.73;
    for (double& dy_j : dy.span()) {
        dy_j = s;
        by_hand.push_back(gradients_by_hand(layer, dy));
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
                             (above.data()[j] - below.data()[j]) / distance, j * size + i);
        }
        results.push_back(comparer.result("Jacobian entries", options.tolerance, [&](Index place) {
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
    return comparer.result("elements", options.autograd_tolerance, element_name);
}

/// Adds what autograd says to each row; `all` are the input and the parameters, with gradients.
void add_autograd(std::vector<GradientRow>& rows, const std::vector<Parameter<double>*>& all,
                  const Tensor<double>& y, const Tensor<double>& dy, const TapeForward& tape,
                  const GradientCheckOptions& options) {
    std::vector<Variable<double>> variables;
    for (const Parameter<double>* parameter : all) variables.emplace_back(parameter->value, true);
    const Variable<double> by_tape = tape(variables[0], std::span(variables).subspan(1));
    GradientComparison output = compare_with_tape(y, by_tape.value(), options);
    if (!output.pass()) {
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

std::vector<GradientRow> check_layer(Layer<double>& layer, const Tensor<double>& x,
                                     const TapeForward& tape, const GradientCheckOptions& options) {
    const Tensor<double> y = layer.forward(x).clone(), dy = Tensor<double>::empty(y.shape());
    Random(options.seed + 1).uniform(dy, -1, 1);  // of L = sum r y this is r
    std::vector<Parameter<double>> checked = {{"x", x, {}}};
    for (const Parameter<double>* parameter : layer.parameters()) checked.push_back(*parameter);
    const std::vector<Tensor<double>> by_hand = gradients_by_hand(layer, dy);
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
