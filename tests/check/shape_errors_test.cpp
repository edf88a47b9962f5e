// The shape errors of every layer and loss of the registry: each names the layer, the shape that it
// got, the one that it needs, and what to change.
#include <algorithm>
#include <set>

#include "catch.h"
#include "check/loss_layer.h"
#include "check/registry.h"
#include "core/error.h"
#include "losses/cross_entropy.h"
#include "losses/donsker_varadhan.h"
#include "losses/nll.h"
#include "losses/pointwise.h"

using namespace handgrad;

namespace {

/// "Linear" of "Linear(7, 5) on (3, 7)".
std::string kind_of(const std::string& name) {
    return name.substr(0, name.find('('));
}

/// What stands after `label` in an error's text, to the end of the line; "" where it is missing.
std::string line_of(const std::string& text, const std::string& label) {
    const std::size_t at = text.find("\n  " + label);
    if (at == std::string::npos) return "";
    const std::size_t begin = text.find_first_not_of(' ', at + 3 + label.size());
    return text.substr(begin, text.find('\n', begin) - begin);
}

/// Does the call throw an Error? If so it must be a good one. A layer made of layers may leave it
/// to the one inside.
template <class Call>
bool refuses(const Layer<double>& layer, const std::string& direction, const std::string& got,
             const std::string& needs, const Call& call) {
    try {
        call();
    } catch (const Error& error) {
        const std::string text = error.what();
        INFO(text);
        const std::string name = text.substr(0, text.find("." + direction + ":"));
        CHECK(text.size() > name.size());
        CHECK_THAT(layer.describe(), ContainsSubstring(name));
        CHECK_THAT(line_of(text, "got:"), ContainsSubstring(got));
        CHECK_THAT(line_of(text, "needs:"), ContainsSubstring(needs));
        const std::string both = line_of(text, "got:") + line_of(text, "needs:");
        if (got != "undefined") CHECK(std::count(both.begin(), both.end(), '(') >= 2);
        CHECK_FALSE(line_of(text, "hint:").empty());
        return true;
    }
    return false;
}

/// A scalar, an axis more, one less, and each axis longer by one.
std::vector<Shape> other_shapes(const Shape& shape) {
    std::vector<Index> sizes;
    for (int axis = 0; axis < shape.rank(); ++axis) sizes.push_back(shape[axis]);
    const auto as_shape = [](const std::vector<Index>& s) {
        return Shape(std::span<const Index>(s));
    };
    std::vector<Shape> others = {Shape{}};
    for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
        std::vector<Index> longer = sizes;
        ++longer[axis];
        others.push_back(as_shape(longer));
    }
    if (!sizes.empty()) others.push_back(as_shape({sizes.begin() + 1, sizes.end()}));
    sizes.insert(sizes.begin(), 2);
    others.push_back(as_shape(sizes));
    return others;
}

}  // namespace

TEST_CASE("shape errors of every layer and loss name it, both shapes and what to change",
          "[check][errors]") {
    std::set<std::string> take_any_shape;
    for (const GradientCase& gradient_case : gradient_cases(0))
        take_any_shape.insert(kind_of(gradient_case.name));
    for (const GradientCase& gradient_case : gradient_cases(0)) {
        INFO(gradient_case.name);
        Layer<double>& layer = *gradient_case.layer;
        const std::string kind = kind_of(gradient_case.name);
        if (kind.ends_with("Penalty")) continue;  // of parameters of any shape
        CHECK(refuses(layer, "forward", "undefined", "", [&] { layer.forward({}); }));
        for (const Shape& shape : other_shapes(gradient_case.x.shape()))
            if (refuses(layer, "forward", shape.str(), "",
                        [&] { layer.forward(Tensor<double>::zeros(shape)); }))
                take_any_shape.erase(kind);
        const Shape y = layer.forward(gradient_case.x).shape();
        for (const Shape& shape : other_shapes(y))
            CHECK((shape == y || refuses(layer, "backward", shape.str(), y.str(),
                                         [&] { layer.backward(Tensor<double>::zeros(shape)); })));
    }
    CHECK(take_any_shape == std::set<std::string>{"Dropout", "ELU", "GELU", "Identity", "L1Penalty",
                                                  "L2Penalty", "LeakyReLU", "ReLU", "SiLU",
                                                  "Sigmoid", "Softplus", "Tanh"});
}

TEST_CASE("losses refuse targets, labels and weights that do not fit, naming both shapes",
          "[check][errors]") {
    using T = Tensor<double>;
    const Shape rows{2, 3}, pixels{2, 3, 2, 4};
    int refused = 0;
    const auto refuse = [&](const auto& loss, const auto& target, const Shape& x,
                            const std::string& got) {
        LossLayer<double> layer(loss, "", target);
        INFO(layer.describe() << ", x " << x.str() << ", " << got);
        CHECK(refuses(layer, "forward", got, "", [&] { layer.forward(T::full(x, 0.5)); }));
        ++refused;
    };
    const auto refuse_targets = [&](const auto& loss) {
        for (const Shape& x : {rows, pixels}) {
            for (const Shape& target : other_shapes(x))
                refuse(loss, T::zeros(target), x, "target of shape " + target.str());
            refuse(loss, T{}, x, "undefined");
        }
    };
    const auto refuse_labels = [&](const auto& loss) {
        for (const Shape& x : {rows, pixels}) {
            for (const Shape& labels : other_shapes(without_classes(x)))
                refuse(loss, Labels::zeros(labels), x, "labels of shape " + labels.str());
            refuse(loss, Labels{}, x, "undefined");
        }
        refuse(loss, Labels::zeros({}), {3}, "input of shape (3)");  // no batch
    };
    const auto refuse_weights = [&](const auto& make, const auto& target, Index right) {
        for (const Shape& weight : {Shape{}, Shape{right + 1}, Shape{right - 1}, Shape{1, right}})
            refuse(make(T::full(weight, 1)), target, rows, "weights of shape " + weight.str());
    };
    for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
        refuse_targets(std::make_shared<MSELoss<double>>(reduction));
        refuse_targets(std::make_shared<L1Loss<double>>(reduction));
        refuse_targets(std::make_shared<SmoothL1Loss<double>>(reduction));
        refuse_targets(std::make_shared<BCELoss<double>>(reduction));
        refuse_targets(std::make_shared<BCEWithLogitsLoss<double>>(reduction));
        refuse_targets(std::make_shared<CrossEntropyLoss<double>>(reduction));
        refuse_targets(std::make_shared<CrossEntropyLoss<double>>(reduction, 0.1));
        refuse_labels(std::make_shared<CrossEntropyLoss<double>>(reduction));
        refuse_labels(std::make_shared<CrossEntropyLoss<double>>(reduction, 0.1));
        refuse_labels(std::make_shared<NLLLoss<double>>(reduction));
        refuse_weights(
            [&](const T& weight) {
                return std::make_shared<BCEWithLogitsLoss<double>>(reduction, weight);
            },
            T::zeros(rows), 3);
        const auto cross_entropy = [&](const T& weight) {
            return std::make_shared<CrossEntropyLoss<double>>(reduction, 0, weight);
        };
        refuse_weights(cross_entropy, T::zeros(rows), 3);
        refuse_weights(cross_entropy, Labels::zeros({2}), 3);
        refuse_weights(
            [&](const T& weight) { return std::make_shared<NLLLoss<double>>(reduction, weight); },
            Labels::zeros({2}), 3);
    }
    const auto dv = std::make_shared<DonskerVaradhan<double>>();
    for (const Index n : {0, -1, 5, 6}) refuse(dv, n, {5, 1}, "t of shape (5, 1), of which");
    for (const Shape& x : {Shape{}, Shape{5, 2}, Shape{5, 1, 1}}) refuse(dv, Index{2}, x, x.str());
    CHECK(refused > 200);
}
