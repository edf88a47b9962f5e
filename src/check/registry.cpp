#include "check/registry.h"

#include <memory>

#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "layers/activations.h"
#include "losses/cross_entropy.h"

namespace handgrad {
namespace {

/// Numbers in +-1 that keep a distance of 0.01 from zero, where ReLU and its like have a kink.
Tensor<double> off_zero(const Shape& shape, Random& random) {
    Tensor<double> x = Tensor<double>::empty(shape);
    random.uniform(x, -1, 1);
    for (double& v : x.span()) v += v < 0 ? -0.01 : 0.01;
    return x;
}

GradientCase layer_case(std::shared_ptr<Layer<double>> layer, const Tensor<double>& x) {
    return {layer->describe() + " on " + x.shape().str(),
            [layer, x] { return check_layer(*layer, x); }};
}

GradientCase cross_entropy_case(Index n, Index classes, Reduction reduction, Random& random) {
    const Parameter<double> logits{"logits", Tensor<double>::empty({n, classes}), {}};
    random.uniform(logits.value, -3, 3);
    const Labels labels = Labels::zeros({n});
    for (Index i = 0; i < n; ++i) labels(i) = static_cast<std::int32_t>(i % classes);
    const std::string name = std::string("CrossEntropyLoss(") +
                             (reduction == Reduction::mean ? "mean" : "sum") + ") on " +
                             logits.value.shape().str();
    return {name, [=] {
                CrossEntropyLoss<double> loss(reduction);
                loss.forward(logits.value, labels);
                Parameter<double> checked = logits;
                checked.grad = loss.backward();
                return check_gradients({&checked},
                                       [&] { return loss.forward(checked.value, labels).item(); });
            }};
}

}  // namespace

std::vector<GradientCase> gradient_cases(std::uint64_t seed) {
    Random random(seed);
    std::vector<GradientCase> cases;
    for (const Index n : {1, 2, 17})
        for (const Index in : {1, 3, 16, 33})
            for (const Index out : {1, 10, 17})
                cases.push_back(layer_case(std::make_shared<Linear<double>>(in, out, random),
                                           off_zero({n, in}, random)));
    for (const Shape& shape : {Shape{13}, Shape{5, 7}, Shape{2, 3, 4, 5}}) {
        cases.push_back(layer_case(std::make_shared<ReLU<double>>(), off_zero(shape, random)));
        auto resting = std::make_shared<Dropout<double>>(0.5, seed);
        resting->eval();
        cases.push_back(layer_case(resting, off_zero(shape, random)));
    }
    const std::vector<Index> widths = {13, 11, 5, 3};
    cases.push_back(layer_case(std::make_shared<Sequential<double>>(mlp<double>(widths, random)),
                               off_zero({6, 13}, random)));
    for (const Reduction reduction : {Reduction::mean, Reduction::sum})
        for (const Index n : {1, 3, 17})
            for (const Index classes : {2, 10, 33})
                cases.push_back(cross_entropy_case(n, classes, reduction, random));
    return cases;
}

}  // namespace handgrad
