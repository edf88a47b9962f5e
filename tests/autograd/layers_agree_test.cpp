// What the layers derive by hand, the tape derives from primitive operations: both must agree.
#include <algorithm>
#include <cmath>

#include "autograd/tape_check.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"

using namespace handgrad;

namespace {

constexpr int shapes = 50;

/// The largest |a - b| over the largest magnitude in either; NaN where there is one. Two gradients
/// that are all zero agree about nothing: 1.
double relative_error(const Tensor<double>& a, const Tensor<double>& b) {
    if (!a.defined() || !b.defined() || a.shape() != b.shape()) return NAN;
    double error = 0, largest = 0;
    for (Index i = 0; i < a.size(); ++i) {
        const double difference = std::abs(a.data()[i] - b.data()[i]);
        if (!std::isfinite(difference)) return NAN;
        error = std::max(error, difference);
        largest = std::max({largest, std::abs(a.data()[i]), std::abs(b.data()[i])});
    }
    return largest > 0 ? error / largest : 1;
}

#define REQUIRE_AGREE(by_hand, by_tape) REQUIRE(relative_error(by_hand, by_tape) <= 1e-10)

Index size_below(Random& random, Index limit) {
    return 1 + static_cast<Index>(random.int63() % static_cast<std::uint64_t>(limit));
}

Labels random_labels(Random& random, Index n, Index classes) {
    const Labels labels = Labels::empty({n});
    for (std::int32_t& label : labels.span())
        label = static_cast<std::int32_t>(size_below(random, classes) - 1);
    return labels;
}

Var linear(const Var& x, const Var& weight, const Var& bias) {
    return matmul(x, weight, Trans::no, Trans::yes) + bias;
}

Var cross_entropy(const Var& logits, const Labels& labels, Reduction reduction) {
    const Var losses = logsumexp(logits, {1}) - gather(logits, labels);
    return reduction == Reduction::mean ? mean(losses) : sum(losses);
}

}  // namespace

TEST_CASE("Linear agrees with the tape", "[autograd][agree]") {
    Random random(10);
    for (int i = 0; i < shapes; ++i) {
        const Index n = size_below(random, 40), in = size_below(random, 70),
                    out = size_below(random, 50);
        INFO("Linear(" << in << ", " << out << ") on " << n);
        Linear<double> layer(in, out, random);
        const auto x = uniform({n, in}, random), dy = uniform({n, out}, random);
        const Var xv(x, true), w(layer.weight.value, true), b(layer.bias.value, true);
        const Var y = linear(xv, w, b);
        REQUIRE_AGREE(layer.forward(x), y.value());
        y.backward(dy);
        REQUIRE_AGREE(layer.backward(dy), xv.grad());
        REQUIRE_AGREE(layer.weight.grad, w.grad());
        REQUIRE_AGREE(layer.bias.grad, b.grad());
    }
}

TEST_CASE("ReLU agrees with the tape", "[autograd][agree]") {
    Random random(11);
    for (int i = 0; i < shapes; ++i) {
        const Shape shape{size_below(random, 9), size_below(random, 9), size_below(random, 9)};
        ReLU<double> layer;
        const auto x = uniform(shape, random), dy = uniform(shape, random);
        x.data()[0] = 1;  // so that not all gradients are zero
        const Var xv(x, true);
        const Var y = maximum(xv, 0);
        REQUIRE_AGREE(layer.forward(x), y.value());
        y.backward(dy);
        REQUIRE_AGREE(layer.backward(dy), xv.grad());
    }
}

TEST_CASE("CrossEntropyLoss agrees with the tape", "[autograd][agree]") {
    Random random(12);
    for (int i = 0; i < shapes; ++i) {
        const Index n = size_below(random, 40), classes = 1 + size_below(random, 40);
        INFO(n << ", " << classes);
        const auto logits = uniform({n, classes}, random, -5, 5);
        const Labels labels = random_labels(random, n, classes);
        for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
            CrossEntropyLoss<double> loss(reduction);
            const Var x(logits, true);
            const Var value = cross_entropy(x, labels, reduction);
            REQUIRE_AGREE(loss.forward(logits, labels), value.value());
            value.backward();
            REQUIRE_AGREE(loss.backward(), x.grad());
        }
    }
}

TEST_CASE("a whole MLP agrees with the tape", "[autograd][agree]") {
    Random random(13);
    for (int i = 0; i < shapes; ++i) {
        const Index n = size_below(random, 20), classes = 1 + size_below(random, 12);
        std::vector<Index> widths = {size_below(random, 30)};
        while (widths.size() < 2 + random.int63() % 3) widths.push_back(8 + size_below(random, 30));
        widths.push_back(classes);
        Sequential<double> model = mlp<double>(widths, random);
        CrossEntropyLoss<double> loss;
        const auto x = uniform({n, widths[0]}, random);
        const Labels labels = random_labels(random, n, classes);

        const Var xv(x, true);
        std::vector<Var> parameters;
        for (const Parameter<double>* p : model.parameters())
            parameters.emplace_back(p->value, true);
        Var y = xv;
        for (std::size_t p = 0; p < parameters.size(); p += 2) {
            if (p > 0) y = maximum(y, 0);
            y = linear(y, parameters[p], parameters[p + 1]);
        }
        const Var value = cross_entropy(y, labels, Reduction::mean);
        value.backward();

        INFO(model.describe() << " on " << n);
        REQUIRE_AGREE(loss.forward(model.forward(x), labels), value.value());
        REQUIRE_AGREE(model.backward(loss.backward()), xv.grad());
        for (std::size_t p = 0; p < parameters.size(); ++p) {
            INFO(model.parameters()[p]->name);
            REQUIRE_AGREE(model.parameters()[p]->grad, parameters[p].grad());
        }
    }
}
