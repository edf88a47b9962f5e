// A check is worth what it catches: every layer and loss of the registry is broken on purpose, each
// gradient in each of the ways below, and must be found out.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "catch.h"
#include "check/registry.h"
#include "core/random.h"

using namespace handgrad;

namespace {

/// dL/dx (row 0) or dL/dparameter (row 1, ...) of a layer, by one forward and one backward pass.
Tensor<double> gradient_of(Layer<double>& layer, const Tensor<double>& x, const Tensor<double>& dy,
                           std::size_t row) {
    layer.forward(x);
    const auto parameters = layer.parameters();
    for (const Parameter<double>* parameter : parameters) parameter->grad.fill(0);
    const Tensor<double> dx = layer.backward(dy);
    return (row == 0 ? dx : parameters[row - 1]->grad).clone();
}

/// A wrong gradient in the place of gradient_of(layer, x, dy, row).
struct Mutation {
    std::string name;
    Tensor<double> (*gradient)(Layer<double>& layer, const Tensor<double>& x,
                               const Tensor<double>& dy, std::size_t row);
};

Tensor<double> scaled(const Tensor<double>& g, double factor) {
    for (double& v : g.span()) v *= factor;
    return g;
}

Tensor<double> element_changed(const Tensor<double>& g, double to) {
    const auto all = g.span();
    *std::max_element(all.begin(), all.end(),
                      [](double a, double b) { return std::abs(a) < std::abs(b); }) = to;
    return g;
}

const std::vector<Mutation> mutations = {
    {"a wrong sign", [](auto& layer, auto& x, auto& dy,
                        auto row) { return scaled(gradient_of(layer, x, dy, row), -1); }},
    {"wrong in the sixth digit",
     [](auto& layer, auto& x, auto& dy, auto row) {
         return scaled(gradient_of(layer, x, dy, row), 1 + 1e-5);
     }},
    {"a forgotten 1/N",
     [](auto& layer, auto& x, auto& dy, auto row) {
         return scaled(gradient_of(layer, x, dy, row), static_cast<double>(x.dim(0)));
     }},
    {"one element forgotten",
     [](auto& layer, auto& x, auto& dy, auto row) {
         return element_changed(gradient_of(layer, x, dy, row), 0);
     }},
    {"one element NaN",
     [](auto& layer, auto& x, auto& dy, auto row) {
         return element_changed(gradient_of(layer, x, dy, row),
                                std::numeric_limits<double>::quiet_NaN());
     }},
    {"a missing sum",  // over samples: the first alone
     [](auto& layer, auto& x, auto& dy, auto row) {
         if (dy.rank() == 0) {
             const Tensor<double> g = gradient_of(layer, x, dy, row);
             for (Index i = g.shape().row_size(); i < g.size(); ++i) g.data()[i] = 0;
             return g;
         }
         const Tensor<double> first = dy.clone();
         for (Index i = dy.shape().row_size(); i < dy.size(); ++i) first.data()[i] = 0;
         return gradient_of(layer, x, first, row);
     }},
    {"dy left out",
     [](auto& layer, auto& x, auto& dy, auto row) {
         return gradient_of(layer, x, Tensor<double>::full(dy.shape(), 1), row);
     }},
    {"a transposed index",
     [](auto& layer, auto& x, auto& dy, auto row) {
         const Tensor<double> g = gradient_of(layer, x, dy, row), transposed = g.clone();
         const Index rows = g.rank() > 1 ? g.dim(0) : 1, cols = g.size() / rows;
         for (Index i = 0; i < g.size(); ++i)
             transposed.data()[i % cols * rows + i / cols] = g.data()[i];
         return transposed;
     }},
    {"an index off by one",
     [](auto& layer, auto& x, auto& dy, auto row) {
         const Tensor<double> g = gradient_of(layer, x, dy, row);
         const auto all = g.span();
         std::rotate(all.begin(), all.begin() + 1, all.end());
         return g;
     }},
    {"the wrong branch: the derivative at another input",
     [](auto& layer, auto& x, auto& dy, auto row) {
         const Tensor<double> other = x.clone();
         const auto all = other.span();
         std::reverse(all.begin(), all.end());
         return gradient_of(layer, other, dy, row);
     }},
};

/// A layer with one of its gradients wrong.
class Broken final : public Layer<double> {
  public:
    Broken(Layer<double>& layer, std::size_t row, const Mutation& mutation)
        : layer_(layer), row_(row), mutation_(mutation) {}

    Tensor<double> forward(const Tensor<double>& x) override {
        x_ = x;
        return layer_.forward(x);
    }
    Tensor<double> backward(const Tensor<double>& dy) override {
        std::vector<Tensor<double>> before;
        for (const Parameter<double>* parameter : parameters())
            before.push_back(parameter->grad.clone());
        const Tensor<double> wrong = mutation_.gradient(layer_, x_, dy, row_);
        const Tensor<double> dx = gradient_of(layer_, x_, dy, 0);
        for (std::size_t i = 0; i < before.size(); ++i) {
            const Tensor<double>& grad = parameters()[i]->grad;
            if (i + 1 == row_) grad.copy_from(wrong);
            for (Index k = 0; k < grad.size(); ++k) grad.data()[k] += before[i].data()[k];
        }
        return row_ == 0 ? wrong : dx;
    }
    std::vector<Parameter<double>*> parameters() override { return layer_.parameters(); }
    [[nodiscard]] std::string describe() const override { return "broken " + layer_.describe(); }

  private:
    Layer<double>& layer_;
    std::size_t row_;
    const Mutation& mutation_;
    Tensor<double> x_;
};

/// Does the mutation change this gradient by more than the check allows? A transposed vector, say,
/// is the vector.
bool changes(const Tensor<double>& right, const Tensor<double>& wrong) {
    double largest = 0, difference = 0;
    for (Index i = 0; i < right.size(); ++i) {
        if (!std::isfinite(wrong.data()[i])) return true;
        largest = std::max({largest, std::abs(right.data()[i]), std::abs(wrong.data()[i])});
        difference = std::max(difference, std::abs(right.data()[i] - wrong.data()[i]));
    }
    return difference > 5e-6 * largest;
}

/// "Linear" of "Linear(7, 5) on (3, 7)".
std::string kind_of(const std::string& name) {
    return name.substr(0, name.find('('));
}

}  // namespace

TEST_CASE("every layer and loss that is broken on purpose is caught", "[check][mutation]") {
    std::set<std::string> kinds, broken_kinds;
    std::map<std::string, std::set<std::string>> applied;  // by kind
    GradientCheckOptions options;
    options.max_elements = 1'000'000;  // all: the one that is wrong must be among them
    GradientCheckOptions directions;   // as layers are checked that are too large for that
    directions.max_jacobian = directions.max_elements = 0;
    for (const GradientCase& gradient_case : gradient_cases(7)) {
        kinds.insert(kind_of(gradient_case.name));
        Layer<double>& layer = *gradient_case.layer;
        const Tensor<double>& x = gradient_case.x;
        if (x.size() + count_parameters(layer) > 150) continue;  // for speed
        broken_kinds.insert(kind_of(gradient_case.name));

        Tensor<double> dy = Tensor<double>::empty(layer.forward(x).shape());
        Random(options.seed + 1).uniform(dy, -1, 1);  // as check_layer draws it
        for (std::size_t row = 0; row <= layer.parameters().size(); ++row) {
            const Tensor<double> right = gradient_of(layer, x, dy, row);
            for (const Mutation& mutation : mutations) {
                INFO(gradient_case.name << ", row " << row << ": " << mutation.name);
                const bool must_change = &mutation - mutations.data() < 2;
                if (!changes(right, mutation.gradient(layer, x, dy, row))) {
                    REQUIRE_FALSE(must_change);
                    continue;
                }
                applied[kind_of(gradient_case.name)].insert(mutation.name);
                Broken broken(layer, row, mutation);
                const auto rows = check_layer(broken, x, gradient_case.tape, options);
                INFO(table(rows));
                for (std::size_t i = 0; i < rows.size(); ++i) {
                    REQUIRE(rows[i].differences.pass() == (i != row));
                    REQUIRE(rows[i].autograd.value().pass() == (i != row));
                }
                REQUIRE_FALSE(check_layer(broken, x, {}, directions)[row].pass());
            }
        }
    }
    CHECK(kinds == broken_kinds);
    // Of the mistakes that people make, each in each kind; but for those that a kind has no room
    // for.
    const std::map<std::string, std::set<std::string>> exceptions = {
        {"DonskerVaradhan", {"a transposed index"}},  // its input is one column
    };
    std::set<std::string> somewhere;
    for (const auto& [kind, names] : applied) {
        INFO(kind);
        for (const char* mistake :
             {"a wrong sign", "a missing sum", "a transposed index", "a forgotten 1/N"}) {
            INFO(mistake);
            const auto excused = exceptions.find(kind);
            CHECK(names.count(mistake) +
                      (excused != exceptions.end() ? excused->second.count(mistake) : 0) ==
                  1);
        }
        somewhere.insert(names.begin(), names.end());
    }
    CHECK(somewhere.size() == mutations.size());
}

TEST_CASE("a layer that overwrites its gradients instead of adding to them is caught",
          "[check][mutation]") {
    class Overwrites final : public Layer<double> {
      public:
        explicit Overwrites(Layer<double>& layer) : layer_(layer) {}
        Tensor<double> forward(const Tensor<double>& x) override { return layer_.forward(x); }
        Tensor<double> backward(const Tensor<double>& dy) override {
            for (const Parameter<double>* parameter : parameters()) parameter->grad.fill(0);
            return layer_.backward(dy);
        }
        std::vector<Parameter<double>*> parameters() override { return layer_.parameters(); }
        [[nodiscard]] std::string describe() const override { return layer_.describe(); }

      private:
        Layer<double>& layer_;
    };
    int seen = 0;
    for (const GradientCase& gradient_case : gradient_cases(8)) {
        if (gradient_case.layer->parameters().empty()) continue;
        INFO(gradient_case.name);
        Overwrites broken(*gradient_case.layer);
        const auto rows = check_layer(broken, gradient_case.x);
        for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(rows[i].pass() == (i == 0));
        ++seen;
    }
    REQUIRE(seen > 30);
}
