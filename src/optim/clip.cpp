#include "optim/clip.h"

#include <iterator>

#include "core/error.h"

namespace handgrad {
namespace {

template <class T>
using Gradients = std::vector<ParameterArrays<T>, CachedAllocator<ParameterArrays<T>>>;

/// The gradients of parameters, of which there is one at least. Throws Error unless they are on one
/// device.
template <class T>
Gradients<T> gradients_of(const std::vector<Parameter<T>*>& parameters, const char* operation) {
    const Device device = parameters[0]->grad.device();
    Gradients<T> gradients;
    gradients.reserve(parameters.size());
    for (const Parameter<T>* parameter : parameters) {
        const Tensor<T>& g = parameter->grad;
        if (g.device() != device)
            throw Error(std::string(operation) + ": gradients on two devices",
                        std::string(name_of(device)) + " and " + std::string(name_of(g.device())),
                        "one device", "clip the parameters of each device alone");
        gradients.push_back({.w = nullptr, .dw = g.data(), .kept = {}, .n = g.size()});
    }
    return gradients;
}

}  // namespace

template <class T>
Tensor<double> clip_grad_norm(const std::vector<Parameter<T>*>& parameters, double max_norm) {
    if (!(max_norm > 0))
        throw Error("clip_grad_norm: no such norm", std::to_string(max_norm), "a number above 0");
    if (parameters.empty()) return Tensor<double>::zeros({});
    const Gradients<T> all = gradients_of(parameters, "clip_grad_norm");
    const Device device = parameters[0]->grad.device();
    const Backend<T>& kernels = backend<T>(device);
    const Tensor<double> norm = Tensor<double>::empty({}, device);
    kernels.sum_squares(norm.data(), all.data(), std::ssize(all));
    kernels.clip_gradients(all.data(), std::ssize(all), norm.data(), max_norm);
    backend<double>(device).unary(UnaryOp::sqrt, norm.data(), norm.data(), 1);
    return norm;
}

template <class T>
void clip_grad_value(const std::vector<Parameter<T>*>& parameters, double limit) {
    if (!(limit > 0))
        throw Error("clip_grad_value: no such limit", std::to_string(limit), "a number above 0");
    if (parameters.empty()) return;
    const Gradients<T> all = gradients_of(parameters, "clip_grad_value");
    backend<T>(parameters[0]->grad.device())
        .clamp_gradients(all.data(), std::ssize(all), static_cast<T>(limit));
}

template Tensor<double> clip_grad_norm(const std::vector<Parameter<float>*>&, double);
template Tensor<double> clip_grad_norm(const std::vector<Parameter<double>*>&, double);
template void clip_grad_value(const std::vector<Parameter<float>*>&, double);
template void clip_grad_value(const std::vector<Parameter<double>*>&, double);

}  // namespace handgrad
