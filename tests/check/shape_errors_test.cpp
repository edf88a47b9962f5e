// The shape errors of every layer and loss of the registry: each names the layer, the shape that it
// got, the one that it needs, and what to change.
#include <algorithm>
#include <set>

#include "catch.h"
#include "check/registry.h"
#include "core/error.h"

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
