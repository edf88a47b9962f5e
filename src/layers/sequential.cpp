#include "layers/sequential.h"

#include "core/error.h"
#include "core/text.h"
#include "layers/activations.h"
#include "layers/linear.h"

// Sequential: y = f_k(... f_1(f_0(x)))
//
// The chain rule, from the last layer to the first: with x_i the input of layer i,
//   dL/dx_i = (df_i/dx_i)' dL/dx_{i+1},   dL/dx_{k+1} = dy
//
// A Linear and the ReLU after it go forward together, y = max(x W' + b, 0): the product has each
// number in a register once it is found, and a pass of its own would read and write them all again.
// What lies between the two is never stored. Nobody misses it: the backward of ReLU reads y, that
// of Linear reads x, so both go back as if each had gone forward alone, with the same bits.

namespace handgrad {

template <class T>
void Sequential<T>::append(std::unique_ptr<Layer<T>> layer) {
    if (!layer)
        throw Error("Sequential.append: no such layer", "a null pointer", "a layer",
                    "was it moved from?");
    // The last layer before it that changes the number of features decides what comes in.
    for (std::size_t i = layers_.size(); i-- > 0;) {
        const std::optional<Index> given = layers_[i]->features().out;
        const std::optional<Index> taken = layer->features().in;
        if (!given) continue;
        if (taken && *taken != *given)
            throw Error("Sequential: two layers do not fit",
                        "layer " + std::to_string(i) + " " + layers_[i]->describe() + " gives " +
                            std::to_string(*given) + " features, layer " +
                            std::to_string(layers_.size()) + " " + layer->describe() + " takes " +
                            std::to_string(*taken),
                        "equal numbers", "change one of the two widths");
        break;
    }
    prefix_names(*layer, std::to_string(layers_.size()) + ".");
    layers_.push_back(std::move(layer));
}

template <class T>
Tensor<T> Sequential<T>::forward(const Tensor<T>& x) {
    Tensor<T> y = x;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        auto* const linear = dynamic_cast<Linear<T>*>(layers_[i].get());
        auto* const relu =
            i + 1 < layers_.size() ? dynamic_cast<ReLU<T>*>(layers_[i + 1].get()) : nullptr;
        if (linear != nullptr && relu != nullptr) {
            y = linear->forward_relu(y);
            relu->keep_output(y);
            ++i;
        } else {
            y = layers_[i]->forward(y);
        }
    }
    return y;
}

template <class T>
Tensor<T> Sequential<T>::backward(const Tensor<T>& dy) {
    Tensor<T> dx = dy;
    for (std::size_t i = layers_.size(); i-- > 0;) dx = layers_[i]->backward(dx);
    return dx;
}

template <class T>
void Sequential<T>::backward_parameters(const Tensor<T>& dy) {
    Tensor<T> dx = dy;
    for (std::size_t i = layers_.size(); i-- > 1;) dx = layers_[i]->backward(dx);
    if (!layers_.empty()) layers_[0]->backward_parameters(dx);
}

template <class T>
std::vector<Parameter<T>*> Sequential<T>::parameters() {
    std::vector<Parameter<T>*> all;
    for (const auto& layer : layers_)
        for (Parameter<T>* parameter : layer->parameters()) all.push_back(parameter);
    return all;
}

template <class T>
std::vector<Buffer<T>*> Sequential<T>::buffers() {
    std::vector<Buffer<T>*> all;
    for (const auto& layer : layers_)
        for (Buffer<T>* buffer : layer->buffers()) all.push_back(buffer);
    return all;
}

template <class T>
Features Sequential<T>::features() const {
    Features outer;
    for (const auto& layer : layers_) {
        const Features inner = layer->features();
        if (!outer.in && !outer.out) outer.in = inner.in;
        if (inner.out) outer.out = inner.out;
    }
    return outer;
}

template <class T>
std::string Sequential<T>::describe() const {
    std::string text = "Sequential(";
    for (const auto& layer : layers_) {
        if (text.back() != '(') text += ", ";
        text += layer->describe();
    }
    return text + ")";
}

template <class T>
void Sequential<T>::prepack() {
    for (const auto& layer : layers_) layer->prepack();
}

template <class T>
void Sequential<T>::train(bool on) {
    Layer<T>::train(on);
    for (const auto& layer : layers_) layer->train(on);
}

template <class T>
Layer<T>& Sequential<T>::operator[](std::size_t i) const {
    if (i >= layers_.size())
        throw Error("Sequential[]: no such layer", "layer " + std::to_string(i),
                    "a layer below " + std::to_string(layers_.size()));
    return *layers_[i];
}

template <class T>
std::string Sequential<T>::summary(const Shape& input) {
    const bool was_training = this->training();
    this->eval();
    Device device = Device::cpu;
    for (const Parameter<T>* parameter : parameters()) device = parameter->value.device();
    std::vector<Row> rows;
    Tensor<T> y = Tensor<T>::zeros(input, device);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        y = layers_[i]->forward(y);
        rows.push_back({std::to_string(i), layers_[i]->describe(), y.shape().str(),
                        std::to_string(count_parameters(*layers_[i]))});
    }
    rows.push_back({"", "in all", "", std::to_string(count_parameters(*this))});
    train(was_training);
    return format_table({"#", "layer", "output", "parameters"}, rows);
}

template class Sequential<float>;
template class Sequential<double>;

}  // namespace handgrad
