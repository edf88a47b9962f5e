#include "train/by_hand.h"

#include "check/gradient_check.h"
#include "core/error.h"
#include "core/tensor_ops.h"
#include "layers/linear.h"
#include "report/lesson.h"

namespace handgrad {

template <class T>
LabelledSamples<T> binary_samples(const Dataset& two, Device device) {
    if (two.classes.size() != 2)
        throw Error("binary_samples of " + two.name,
                    std::to_string(two.classes.size()) + " classes", "two",
                    "two_classes picks them from a set of more");
    return {two.x.cast<T>().to(device), two.y.cast<T>().reshape({two.size(), 1}).to(device), two.y};
}

template <class T>
LabelledSamples<T> one_hot_samples(const Dataset& set, Device device) {
    return {set.x.cast<T>().to(device), one_hot<T>(set.y, std::ssize(set.classes)).to(device),
            set.y};
}

template <class T>
OneLayer<T> normal_layer(Index outputs, Index inputs, double std, Random& random, Device device) {
    const auto W = Tensor<float>::empty({outputs, inputs}), b = Tensor<float>::empty({outputs});
    random.normal(W, 0, std);
    random.normal(b, 0, std);
    return {W.cast<T>().to(device), b.cast<T>().to(device)};
}

double distance_from_linear(
    const OneLayer<double>& layer, const OneLayer<double>& gradient, const Tensor<double>& x,
    const std::function<Tensor<double>(const Tensor<double>& o)>& loss_gradient) {
    Random unused(0);
    Linear<double> linear(layer.W.dim(1), layer.W.dim(0), unused);
    linear.weight.value.copy_from(layer.W);
    linear.bias.value.copy_from(layer.b);
    linear.backward_parameters(loss_gradient(linear.forward(x)));
    return maximum(max(abs(linear.weight.grad - gradient.W)),  // NaN where either is
                   max(abs(linear.bias.grad - gradient.b)))
        .item();
}

void check_one_layer(Lesson& lesson, const OneLayer<double>& layer,
                     const OneLayer<double>& gradient, const Tensor<double>& x,
                     const std::function<Tensor<double>(const Tensor<double>& o)>& loss_gradient,
                     const std::function<double()>& loss) {
    Parameter<double> W{"W", layer.W, gradient.W}, b{"b", layer.b, gradient.b};
    const std::vector<GradientRow> rows = check_gradients({&W, &b}, loss);
    lesson.pre(table(rows));
    const double off = distance_from_linear(layer, gradient, x, loss_gradient);
    lesson.check("by hand and by the library's layer agree", off < 1e-15,
                 format("largest distance %.1e", off));
    lesson.check("by hand and by differences agree", all_pass(rows));
}

#define HANDGRAD_INSTANTIATE(T)                                          \
    template LabelledSamples<T> binary_samples(const Dataset&, Device);  \
    template LabelledSamples<T> one_hot_samples(const Dataset&, Device); \
    template OneLayer<T> normal_layer(Index, Index, double, Random&, Device);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
