#include "layers/residual.h"

#include <utility>

#include "core/error.h"

// Residual: y = s(x) + f(x), with s(x) = x where there is no shortcut
//
// x is used twice, so its gradients add up, each carried back by its own layer:
//   dL/dx = (ds/dx)' dL/dy + (df/dx)' dL/dy
// With s(x) = x the first is dL/dy itself, which reaches x however small df/dx is: deep networks of
// such blocks can be trained.

namespace handgrad {
namespace {

template <class T>
Tensor<T> add(const Tensor<T>& a, const Tensor<T>& b) {
    const Axis all = {a.size(), 1, 1, 1};
    Tensor<T> sum = Tensor<T>::empty(a.shape(), a.device());
    backend<T>(a.device()).binary(BinaryOp::add, sum.data(), a.data(), b.data(), &all, 1);
    return sum;
}

bool differ(std::optional<Index> a, std::optional<Index> b) {
    return a && b && *a != *b;
}

}  // namespace

template <class T>
Residual<T>::Residual(std::unique_ptr<Layer<T>> inner, std::unique_ptr<Layer<T>> shortcut)
    : inner_(std::move(inner)), shortcut_(std::move(shortcut)) {
    if (!inner_)
        throw Error("Residual: no such layer", "no inner layer", "a layer to add to its input");
    const Features f = inner_->features();
    const Features s = shortcut_ ? shortcut_->features() : Features{f.in, f.in};
    if (differ(f.in, s.in) || differ(f.out, s.out))
        throw Error("Residual: the two ways do not meet", describe(),
                    "equal numbers of features into both and out of both",
                    shortcut_ ? "change one of the widths"
                              : "pass a shortcut that projects x to the features of inner(x)");
    prefix_names(*inner_, "inner.");
    if (shortcut_) prefix_names(*shortcut_, "shortcut.");
}

template <class T>
Tensor<T> Residual<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    const Tensor<T> branch = inner_->forward(x);
    const Tensor<T> straight = shortcut_ ? shortcut_->forward(x) : x;
    if (branch.shape() != straight.shape())
        throw Error(describe() + ".forward: the two ways do not meet",
                    "inner(x) of shape " + branch.shape().str() + " and " +
                        (shortcut_ ? "shortcut(x)" : "x") + " of shape " + straight.shape().str(),
                    "equal shapes",
                    "make inner keep the shape of x, or pass a shortcut that changes it likewise");
    y_ = add(straight, branch);
    return y_;
}

template <class T>
Tensor<T> Residual<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    const Tensor<T> branch = inner_->backward(dy);
    return add(shortcut_ ? shortcut_->backward(dy) : dy, branch);
}

template <class T>
std::vector<Parameter<T>*> Residual<T>::parameters() {
    std::vector<Parameter<T>*> all = inner_->parameters();
    if (shortcut_)
        for (Parameter<T>* parameter : shortcut_->parameters()) all.push_back(parameter);
    return all;
}

template <class T>
std::vector<Buffer<T>*> Residual<T>::buffers() {
    std::vector<Buffer<T>*> all = inner_->buffers();
    if (shortcut_)
        for (Buffer<T>* buffer : shortcut_->buffers()) all.push_back(buffer);
    return all;
}

template <class T>
Features Residual<T>::features() const {
    const Features f = inner_->features();
    const Features s = shortcut_ ? shortcut_->features() : Features{f.in, f.in};
    return {f.in ? f.in : s.in, f.out ? f.out : s.out};
}

template <class T>
std::string Residual<T>::describe() const {
    return "Residual(" + inner_->describe() + (shortcut_ ? ", " + shortcut_->describe() : "") + ")";
}

template <class T>
void Residual<T>::prepack() {
    inner_->prepack();
    if (shortcut_) shortcut_->prepack();
}

template <class T>
void Residual<T>::train(bool on) {
    Layer<T>::train(on);
    inner_->train(on);
    if (shortcut_) shortcut_->train(on);
}

template class Residual<float>;
template class Residual<double>;

}  // namespace handgrad
