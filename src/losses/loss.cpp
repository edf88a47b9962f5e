#include "losses/loss.h"

#include <array>

#include "core/error.h"
#include "core/tensor_ops.h"

// Mean and sum: L = s sum_i l_i with s = 1/count or 1
//
// dL/dl_i = s, hence with the gradient dL of what becomes of L, each loss receives s dL.
//
// On a GPU the host reads none of these numbers, for which it would have to wait.

namespace handgrad {
namespace {

template <class T>
std::string shape_of(const Tensor<T>& x) {
    return x.defined() ? "of shape " + x.shape().str() : "undefined";
}

template <class T, class B>
void require_same_device(const Loss<T>& loss, const Tensor<T>& input, const Tensor<B>& target) {
    if (input.device() != target.device())
        throw Error(loss.describe() + ".forward: the inputs are on two devices",
                    "input on " + std::string(name_of(input.device())) + ", target on " +
                        std::string(name_of(target.device())),
                    "both on one device", "move one with to()");
}

}  // namespace

std::string name_of(Reduction reduction) {
    return reduction == Reduction::none ? "none" : reduction == Reduction::mean ? "mean" : "sum";
}

template <class T>
Tensor<T> Loss<T>::room_for_losses(const Shape& shape, Device device) {
    losses_ = {};
    losses_ = Tensor<T>::empty(shape, device);
    return losses_;
}

template <class T>
Tensor<T> Loss<T>::reduce(const Tensor<T>& losses, double count) {
    losses_ = losses;
    weights_sum_ = {};
    if (reduction_ == Reduction::none) return losses;
    scale_ = reduction_ == Reduction::mean ? static_cast<T>(1 / count) : T{1};
    Tensor<T> loss = Tensor<T>::empty({}, losses.device());
    backend<T>(losses.device()).sum(loss.data(), losses.data(), scale_, losses.size());
    return loss;
}

template <class T>
Tensor<T> Loss<T>::reduce(const Tensor<T>& losses, const Labels& labels, const Tensor<T>& weight) {
    const bool by_weights = weight.defined() && reduction_ == Reduction::mean;
    Tensor<T> loss = reduce(losses, by_weights ? 1 : static_cast<double>(labels.size()));
    if (!by_weights) return loss;
    weights_sum_ = Tensor<T>::empty({}, losses.device());
    backend<T>(losses.device())
        .sum_class_weights(weights_sum_.data(), labels.data(), weight.data(), labels.size(),
                           weight.size());
    binary_in_place("mean", BinaryOp::div, loss, weights_sum_);
    return loss;
}

template <class T>
Tensor<T> Loss<T>::backward(const Tensor<T>& dloss) {
    if (!losses_.defined())
        throw Error(describe() + ".backward: nothing to go back through",
                    "backward before any forward", "a forward pass first",
                    "call forward(input, target), then backward()");
    const bool reduced = reduction_ != Reduction::none;
    if (!dloss.defined() && !reduced)
        throw Error(describe() + ".backward: no gradient to start from",
                    "losses of shape " + losses_.shape().str() + " and no dloss",
                    "dL/dlosses of that shape",
                    "pass it to backward, or reduce the losses to their mean or sum");
    if (dloss.defined() && dloss.shape() != (reduced ? Shape{} : losses_.shape()))
        throw Error(describe() + ".backward: the gradient does not fit",
                    "dloss of shape " + dloss.shape().str(),
                    "dloss of shape " + (reduced ? Shape{} : losses_.shape()).str() +
                        ", that of the last loss",
                    "pass dL/dloss for what the last forward returned, or nothing where that is L");
    if (dloss.defined() && dloss.device() != losses_.device())
        throw Error(describe() + ".backward: the gradient is on another device",
                    "dloss on " + std::string(name_of(dloss.device())),
                    "dloss on " + std::string(name_of(losses_.device())), "move it with to()");
    if (!reduced) return input_gradient(dloss);
    const Tensor<T> dlosses = Tensor<T>::full(losses_.shape(), scale_, losses_.device());
    if (weights_sum_.defined())
        binary_in_place("backward of mean", BinaryOp::div, dlosses, weights_sum_);
    if (dloss.defined()) binary_in_place("backward", BinaryOp::mul, dlosses, dloss);
    return input_gradient(dlosses);
}

template <class T>
void Loss<T>::require_equal_shapes(const Tensor<T>& input, const Tensor<T>& target) const {
    if (!input.defined() || !target.defined() || input.shape() != target.shape() ||
        input.size() == 0)
        throw Error(describe() + ".forward: the inputs do not fit",
                    "input " + shape_of(input) + ", target " + shape_of(target),
                    "input and target of one shape, with at least one element",
                    input.defined() && target.defined() && input.size() == target.size()
                        ? "reshape one of them to the shape of the other"
                        : "one target for each element of the input");
    require_same_device(*this, input, target);
}

template <class T>
void Loss<T>::require_labels(const Tensor<T>& input, const Labels& labels) const {
    if (!input.defined() || !labels.defined() || input.rank() < 2 ||
        labels.shape() != without_classes(input.shape()) || input.size() == 0)
        throw Error(
            describe() + ".forward: the inputs do not fit",
            "input " + shape_of(input) + ", labels " + shape_of(labels),
            "input (N, C) and labels (N), or input (N, C, d1, ...) and labels (N, d1, ...), "
            "no size being 0",
            "one label for each row of scores; classes are the second axis");
    require_same_device(*this, input, labels);
    if (labels.device() != Device::cpu) return;
    const Index classes = input.dim(1);
    for (const std::int32_t label : labels.span())
        if (label < 0 || label >= classes)
            throw Error(describe() + ".forward: a label is out of range",
                        "label " + std::to_string(label),
                        "labels 0 to " + std::to_string(classes - 1) + " for input of shape " +
                            input.shape().str(),
                        "give the last layer as many outputs as there are classes");
}

template <class T>
void Loss<T>::require_weights(const Tensor<T>& input, const Tensor<T>& weight, int axis) const {
    if (weight.defined() && weight.shape() != Shape{input.dim(axis)})
        throw Error(describe() + ".forward: the weights do not fit",
                    "weights " + shape_of(weight) + " for input " + shape_of(input),
                    "weights of shape " + Shape{input.dim(axis)}.str(),
                    axis == 1 ? "give one weight for each class, the second axis of the input"
                              : "give one weight for each entry of the last axis");
}

Shape without_classes(const Shape& shape) {
    std::array<Index, Shape::max_rank> sizes{};
    std::size_t rank = 0;
    for (int axis = 0; axis < shape.rank(); ++axis)
        if (axis != 1) sizes[rank++] = shape[axis];
    return Shape(std::span<const Index>(sizes.data(), rank));
}

template class Loss<float>;
template class Loss<double>;

}  // namespace handgrad
