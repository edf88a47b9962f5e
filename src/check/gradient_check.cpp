#include "check/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"

namespace handgrad {
namespace {

GradientRow check_one(const Parameter<double>& parameter, const std::function<double()>& loss,
                      const GradientCheckOptions& options, Random& random) {
    GradientRow row{.name = parameter.name, .shape = parameter.value.shape()};
    const Tensor<double> values = parameter.value, grads = parameter.grad;
    if (!grads.defined() || grads.shape() != values.shape())
        throw Error("check_gradients: " + parameter.name + " has no gradient to check",
                    grads.defined() ? "grad of shape " + grads.shape().str() : "no grad",
                    "grad of shape " + values.shape().str(), "run backward first");
    for (const double g : grads.span()) row.norm += g * g;
    row.norm = std::sqrt(row.norm);

    std::vector<Index> order;
    random.permutation(order, values.size());
    order.resize(static_cast<std::size_t>(std::min(options.max_elements, values.size())));

    double largest = 0, worst_error = -1;
    bool all_finite = true;
    for (const Index i : order) {
        double& w = values.data()[i];
        const double saved = w;
        const double h = options.step * std::max(1.0, std::abs(saved));
        w = saved + h;
        const double above = w, loss_above = loss();
        w = saved - h;
        const double loss_below = loss();
        const double difference = (loss_above - loss_below) / (above - w);
        w = saved;

        const double by_hand = grads.data()[i];
        const double error = std::abs(by_hand - difference);
        if (!std::isfinite(error)) all_finite = false;
        if (!std::isfinite(error) || (all_finite && error > worst_error)) {
            worst_error = error;
            row.worst = i;
            row.by_hand = by_hand;
            row.by_difference = difference;
        }
        largest = std::max({largest, std::abs(by_hand), std::abs(difference)});
    }
    row.checked = static_cast<Index>(order.size());
    row.max_relative_error = largest > 0 ? worst_error / largest : 0;
    if (row.checked == 0)
        row.reason = "nothing to check";
    else if (!all_finite)
        row.reason = "not a finite number";
    else if (largest == 0)
        row.reason = "all zero both ways: nothing was seen";
    else if (!(row.max_relative_error <= options.tolerance))
        row.reason = "they differ";
    row.pass = row.reason.empty();
    return row;
}

}  // namespace

std::vector<GradientRow> check_gradients(const std::vector<Parameter<double>*>& parameters,
                                         const std::function<double()>& loss,
                                         const GradientCheckOptions& options) {
    if (parameters.empty())
        throw Error("check_gradients: nothing to check", "no parameters", "at least one");
    Random random(options.seed);
    std::vector<GradientRow> rows;
    for (const Parameter<double>* parameter : parameters)
        rows.push_back(check_one(*parameter, loss, options, random));
    return rows;
}

std::vector<GradientRow> check_layer(Layer<double>& layer, const Tensor<double>& x,
                                     const GradientCheckOptions& options) {
    for (const Parameter<double>* parameter : layer.parameters()) parameter->grad.fill(0);
    const Tensor<double> y = layer.forward(x);
    const Tensor<double> r = Tensor<double>::empty(y.shape());
    Random(options.seed + 1).uniform(r, -1, 1);
    Parameter<double> input{"x", x, layer.backward(r)};  // dL/dy = r
    // Gradients are added to: twice the same is double, which a layer that overwrites would miss.
    layer.backward(r);
    for (const Parameter<double>* parameter : layer.parameters())
        for (double& g : parameter->grad.span()) g /= 2;

    std::vector<Parameter<double>*> all = {&input};
    for (Parameter<double>* parameter : layer.parameters()) all.push_back(parameter);
    return check_gradients(
        all,
        [&] {
            const Tensor<double> out = layer.forward(x);
            double loss = 0;
            for (Index i = 0; i < out.size(); ++i) loss += r.data()[i] * out.data()[i];
            return loss;
        },
        options);
}

bool all_pass(const std::vector<GradientRow>& rows) {
    return !rows.empty() && std::all_of(rows.begin(), rows.end(), [](auto& r) { return r.pass; });
}

std::string table(const std::vector<GradientRow>& rows) {
    std::vector<Row> cells;
    for (const GradientRow& row : rows)
        cells.push_back({row.name, row.shape.str(), std::to_string(row.checked),
                         format("%.4e", row.norm), format("%.2e", row.max_relative_error),
                         row.pass ? "PASS" : "FAIL"});
    std::string text = format_table(
        {"with respect to", "shape", "checked", "|gradient|", "relative error", ""}, cells);
    for (const GradientRow& row : rows)
        if (!row.pass)
            text += format("%s: %s; worst at element %td: %.10g by hand, %.10g by differences\n",
                           row.name.c_str(), row.reason.c_str(), row.worst, row.by_hand,
                           row.by_difference);
    return text;
}

}  // namespace handgrad
