#include "check/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"

namespace handgrad {
namespace {

/// Relative errors are of this part of the largest gradient of the same output at least, and of the
/// row's largest.
constexpr double output_floor = 0.1, row_floor = 1e-3;
/// Rounding may hide this part of the largest gradient of a row, no more.
constexpr double largest_noise = 1e-3;

constexpr const char* zero_both_ways = "all zero both ways: nothing was seen";
constexpr const char* they_differ = "they differ";

/// dy/dt by a central difference, and how far it may be from the true one: rounding, some units in
/// the last place of y, which no small gradient beside a large y can be told from; and a kink.
struct Slope {
    double value = 0, noise = 0, kink = 0;
};

/// The slopes of y(t) at t = 0, of which `at(t)` gives all numbers. `origin` is the number that is
/// moved by t.
///
/// The slopes to the right and to the left differ by
///   gap(h) = (y(h) - y(0)) / h - (y(0) - y(-h)) / h
/// which is h y'' + O(h^3) where y is smooth, so that gap(h) - 2 gap(h/2) = O(h^3). Where y has a
/// kink within the step, its own share of the gap does not shrink so, and is left. Where the gap is
/// too small to matter, there is none.
template <class At>
std::vector<Slope> slopes(const At& at, const std::vector<double>& y, double origin, double h,
                          double tolerance) {
    const double distance = (origin + h) - (origin - h);  // as rounded
    const std::vector<double> above = at(h), below = at(-h);
    std::vector<Slope> all;
    std::vector<double> gaps;
    bool bent = false;
    for (std::size_t j = 0; j < y.size(); ++j) {
        const double noise = 16 * std::numeric_limits<double>::epsilon() *
                             std::max(std::abs(above[j]), std::abs(below[j])) / distance;
        all.push_back({(above[j] - below[j]) / distance, noise});
        gaps.push_back((above[j] - 2 * y[j] + below[j]) / h);
        if (!(std::abs(gaps[j]) <= tolerance * std::abs(all[j].value) + 4 * noise)) bent = true;
    }
    if (!bent) return all;
    const std::vector<double> half_above = at(h / 2), half_below = at(-h / 2);
    for (std::size_t j = 0; j < y.size(); ++j) {
        const double half_gap = (half_above[j] - 2 * y[j] + half_below[j]) / (h / 2);
        all[j].kink = std::abs(gaps[j] - 2 * half_gap) - 16 * all[j].noise;
    }
    return all;
}

/// Is shown pairs of numbers that should be equal, and finds the worst.
class Comparer {
  public:
    /// Gradients of the same output are told that they are by the same number.
    void see(double by_hand, const Slope& other, Index place, std::size_t output = 0) {
        seen_.push_back({by_hand, other, place, output});
        if (output >= largest_of_.size()) largest_of_.resize(output + 1);
        for (const double v : {by_hand, other.value}) {
            if (std::abs(v) > largest_of_[output]) largest_of_[output] = std::abs(v);
            if (std::abs(v) > largest_) largest_ = std::abs(v);
        }
        if (other.noise > noise_) noise_ = other.noise;
    }

    /// `floor` is that of an output. `name_of` says what stands at a place.
    template <class NameOf>
    GradientComparison result(const std::string& of, double tolerance, double floor,
                              const NameOf& name_of) const {
        GradientComparison result{.of = of, .checked = static_cast<Index>(seen_.size())};
        const Pair* worst = nullptr;
        Verdict verdict = Verdict::equal;
        for (const Pair& pair : seen_) {
            const double difference = std::abs(pair.by_hand - pair.other.value);
            const double scale = std::max({std::abs(pair.by_hand), std::abs(pair.other.value),
                                           floor * largest_of_[pair.output], row_floor * largest_});
            const double error = difference == 0 ? 0 : difference / scale;
            const Verdict found = verdict_of(pair, difference, tolerance * scale);
            if (worst != nullptr &&
                (found < verdict || (found == verdict && !(error > result.max_relative_error))))
                continue;
            worst = &pair;
            verdict = found;
            result.max_relative_error = error;
        }
        if (worst != nullptr) {
            result.worst = name_of(worst->place);
            result.by_hand = worst->by_hand;
            result.other = worst->other.value;
        }
        if (worst == nullptr)
            result.reason = "nothing to check";
        else if (verdict == Verdict::not_finite)
            result.reason = "not a finite number";
        else if (largest_ == 0)
            result.reason = zero_both_ways;
        else if (!(noise_ <= largest_noise * largest_))
            result.reason = "lost in the rounding of the loss: too little was seen";
        else if (verdict == Verdict::different)
            result.reason = they_differ;
        else if (verdict == Verdict::kink)
            result.reason = "a kink within the step, where no gradient is right: move off it";
        return result;
    }

  private:
    struct Pair {
        double by_hand;
        Slope other;
        Index place;
        std::size_t output;
    };
    enum class Verdict : std::uint8_t {
        equal,
        kink,
        different,
        not_finite
    };  // the worse the later

    [[nodiscard]] Verdict verdict_of(const Pair& pair, double difference, double allowed) const {
        if (!std::isfinite(difference)) return Verdict::not_finite;
        if (!(pair.other.kink <= allowed)) return Verdict::kink;
        // What rounding alone may have made is no difference, where it hides little of the output.
        if (pair.other.noise <= largest_noise * largest_of_[pair.output])
            allowed = std::max(allowed, pair.other.noise);
        return difference <= allowed ? Verdict::equal : Verdict::different;
    }

    std::vector<Pair> seen_;
    std::vector<double> largest_of_;  // each output
    double largest_ = 0, noise_ = 0;
};

std::string element_name(Index i) {
    return "element " + std::to_string(i);
}

double norm_of(const Tensor<double>& x) {
    double sum = 0;
    for (const double v : x.span()) sum += v * v;
    return std::sqrt(sum);
}

/// The slopes of all that `y` gives, as element w is moved.
template <class Y>
std::vector<Slope> slopes_along(double& w, const Y& y, const std::vector<double>& y_here,
                                const GradientCheckOptions& options) {
    const double saved = w;
    const auto at = [&](double t) {
        w = saved + t;
        const std::vector<double> moved = y();
        w = saved;
        return moved;
    };
    return slopes(at, y_here, saved, options.step * std::max(1.0, std::abs(saved)),
                  options.tolerance);
}

GradientComparison compare_elements(const Tensor<double>& values, const Tensor<double>& grads,
                                    const std::function<double()>& loss,
                                    const GradientCheckOptions& options) {
    Comparer comparer;
    const auto y = [&] { return std::vector<double>{loss()}; };
    const std::vector<double> here = y();
    for (Index i = 0; i < values.size(); ++i)
        comparer.see(grads.data()[i], slopes_along(values.data()[i], y, here, options)[0], i);
    return comparer.result("elements", options.tolerance, output_floor, element_name);
}

/// The gradient by hand times a direction, and the slope of the loss along it.
class Directions {
  public:
    Directions(const Tensor<double>& values, const Tensor<double>& grads,
               const std::function<double()>& loss, const GradientCheckOptions& options)
        : values_(values), grads_(grads), loss_(loss), options_(options), here_{loss()} {}

    [[nodiscard]] double by_hand(const Tensor<double>& v) const {
        double sum = 0;
        for (Index i = 0; i < v.size(); ++i) sum += grads_.data()[i] * v.data()[i];
        return sum;
    }
    [[nodiscard]] Slope slope(const Tensor<double>& v) const {
        const auto at = [&](double t) {
            for (Index i = 0; i < v.size(); ++i)
                values_.data()[i] = saved_.data()[i] + t * v.data()[i];
            const double loss = loss_();
            values_.copy_from(saved_);
            return std::vector<double>{loss};
        };
        return slopes(at, here_, 0, options_.step, options_.tolerance)[0];
    }

    /// The element where half after half of the direction the two are furthest apart.
    [[nodiscard]] Index furthest_element(const Tensor<double>& v) const {
        const Tensor<double> part = Tensor<double>::zeros(v.shape());
        Index begin = 0, end = v.size();
        const auto apart = [&](Index from, Index to) {
            part.fill(0);
            std::copy(v.data() + from, v.data() + to, part.data() + from);
            return std::abs(by_hand(part) - slope(part).value);
        };
        while (end - begin > 1) {
            const Index middle = begin + (end - begin) / 2;
            if (apart(begin, middle) >= apart(middle, end))
                end = middle;
            else
                begin = middle;
        }
        return begin;
    }

  private:
    const Tensor<double>&values_, &grads_;
    const std::function<double()>& loss_;
    const GradientCheckOptions& options_;
    Tensor<double> saved_ = values_.clone();
    std::vector<double> here_;
};

GradientComparison compare_directions(const Tensor<double>& values, const Tensor<double>& grads,
                                      const std::function<double()>& loss,
                                      const GradientCheckOptions& options, Random& random) {
    const Directions directions(values, grads, loss, options);
    Comparer comparer;
    const Tensor<double> v = Tensor<double>::empty(values.shape()), furthest = v.clone();
    double most = -1;
    for (int number = 0; number < options.directions; ++number) {
        random.uniform(v, -1, 1);
        const double by_hand = directions.by_hand(v);
        const Slope slope = directions.slope(v);
        comparer.see(by_hand, slope, number);
        if (std::abs(by_hand - slope.value) > most) {
            most = std::abs(by_hand - slope.value);
            furthest.copy_from(v);
        }
    }
    GradientComparison result =
        comparer.result("random directions", options.tolerance, output_floor, [](Index number) {
            return "random direction " + std::to_string(number) + ", through all elements";
        });
    const auto all = grads.span();
    const auto wrong =
        std::find_if(all.begin(), all.end(), [](double g) { return !std::isfinite(g); });
    if (wrong == all.end() && result.reason != they_differ) return result;
    const Index i =
        wrong == all.end() ? directions.furthest_element(furthest) : wrong - all.begin();
    const Tensor<double> alone = Tensor<double>::zeros(values.shape());
    alone.data()[i] = 1;
    result.worst = element_name(i);
    result.by_hand = grads.data()[i];
    result.other = directions.slope(alone).value;
    return result;
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

/// Throws Error, "check_layer: LAYER DOES", where an element is not what it was.
void require_same(const Layer<double>& layer, const std::string& does, const Tensor<double>& now,
                  const Tensor<double>& before, const std::string& needs, const std::string& hint) {
    for (Index i = 0; i < now.size(); ++i) {
        const double was = before.data()[i], is = now.data()[i];
        if (was == is || (std::isnan(was) && std::isnan(is))) continue;
        throw Error("check_layer: " + layer.describe() + " " + does,
                    format("element %td of it was %.10g and is %.10g", i, was, is), needs, hint);
    }
}

/// x and dy belong to others, who use them, too: the layer before, a branch beside.
void require_unwritten(const Layer<double>& layer, const std::string& name,
                       const Tensor<double>& now, const Tensor<double>& before) {
    require_same(layer, "writes to " + name, now, before,
                 name + " as it came, since others read it, too", "write to a tensor of its own");
}

/// dL/dx and dL/dw of every parameter, from dL/dy.
std::vector<Tensor<double>> gradients_by_hand(Layer<double>& layer, const Tensor<double>& x,
                                              const Tensor<double>& dy) {
    for (const Parameter<double>* parameter : layer.parameters()) parameter->grad.fill(0);
    const Tensor<double> same_dy =
        dy.clone();  // check_layer looks for a backward that writes to it
    const Tensor<double> dx = layer.backward(dy);
    require_gradient(layer, "x", dx, x.shape());
    std::vector<Tensor<double>> gradients = {dx.clone()};
    // Gradients are added to: thrice the same is threefold, which a layer that overwrites would
    // miss, and one whose backward_parameters is another.
    require_same(layer, "gives another dx each time", layer.backward(same_dy), gradients[0],
                 "one dx for one dy", "does backward write to what forward kept?");
    layer.backward_parameters(dy);
    for (const Parameter<double>* parameter : layer.parameters()) {
        gradients.push_back(parameter->grad.clone());
        for (double& g : gradients.back().span()) g /= 3;
    }
    return gradients;
}

/// Row j of each Jacobian by hand is what backward makes of dy = (0, .., s, .., 0), s at place j,
/// divided by s: were it a whole number, a backward that forgets its dy could pass. Column i by
/// differences is how far all of y moves with element i. One dy_j at a time cannot show a sum over
/// the outputs that is missing, so L = sum r y is held, too.
std::vector<GradientComparison> compare_jacobians(Layer<double>& layer, const Tensor<double>& x,
                                                  const std::vector<Parameter<double>*>& all,
                                                  const Tensor<double>& r,
                                                  const GradientCheckOptions& options) {
    const Tensor<double> dy = Tensor<double>::zeros(r.shape());
    std::vector<std::vector<Tensor<double>>> by_hand;  // [j][of which]
    constexpr double s = 0.73;
    for (double& dy_j : dy.span()) {
        dy_j = s;
        by_hand.push_back(gradients_by_hand(layer, x, dy));
        dy_j = 0;
    }
    const auto y = [&] { return layer.forward(x).values(); };
    const std::vector<double> here = y();
    std::vector<GradientComparison> results;
    for (std::size_t p = 0; p < all.size(); ++p) {
        Comparer comparer;
        const Index size = all[p]->value.size();
        for (Index i = 0; i < size; ++i) {
            const auto column = slopes_along(all[p]->value.data()[i], y, here, options);
            Slope of_sum;
            for (std::size_t j = 0; j < column.size(); ++j) {
                comparer.see(by_hand[j][p].data()[i] / s, column[j],
                             static_cast<Index>(j) * size + i, j);
                of_sum.value += r.data()[j] * column[j].value;
                of_sum.noise += std::abs(r.data()[j]) * column[j].noise;
                of_sum.kink += std::abs(r.data()[j]) * std::max(0.0, column[j].kink);
            }
            comparer.see(all[p]->grad.data()[i], of_sum, r.size() * size + i, column.size());
        }
        results.push_back(
            comparer.result("Jacobian entries", options.tolerance, output_floor, [&](Index place) {
                const std::string of =
                    place / size < r.size() ? format("dy[%td]", place / size) : "dL";
                return of + format("/d%s[%td]", all[p]->name.c_str(), place % size);
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
        comparer.see(by_hand.data()[i], {.value = by_tape.data()[i]}, i);
    return comparer.result("elements", options.autograd_tolerance, row_floor, element_name);
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
    if (!output.pass() && output.reason != zero_both_ways) {  // an output may be zero
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
    require_unwritten(layer, "x", x, x_before);
    require_same(layer, "gives another y each time", layer.forward(x), y,
                 "one y for one x, lest nothing can be told from two of them",
                 "does it draw numbers? Draw the same at each forward, or check it in eval()");
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
        const auto comparisons = compare_jacobians(layer, x, all, dy, options);
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
        text += '\n';
    };
    for (const GradientRow& row : rows) {
        explain(row, row.differences, "differences");
        if (row.autograd) explain(row, *row.autograd, "autograd");
    }
    return text;
}

}  // namespace handgrad
