#include "optim/clip.h"

#include <iterator>

#include "core/error.h"

namespace handgrad {

template <class T>
Tensor<double> clip_grad_norm(const std::vector<Parameter<T>*>& parameters, double max_norm) {
    if (!(max_norm > 0))
        throw Error("clip_grad_norm: no such norm", std::to_string(max_norm), "a number above 0");
    if (parameters.empty()) return Tensor<double>::zeros({});
    const Device device = parameters[0]->grad.device();
    const Backend<T>& kernels = backend<T>(device);
    const Tensor<double> norm = Tensor<double>::zeros({}, device);
    std::vector<ParameterArrays<T>, CachedAllocator<ParameterArrays<T>>> arrays;
    arrays.reserve(parameters.size());
    for (const Parameter<T>* parameter : parameters) {
        const Tensor<T>& g = parameter->grad;
        if (g.device() != device)
            throw Error("clip_grad_norm: gradients on two devices",
                        std::string(name_of(device)) + " and " + std::string(name_of(g.device())),
                        "one device", "clip the parameters of each device alone");
        arrays.push_back({.w = nullptr, .dw = g.data(), .kept = {}, .n = g.size()});
        kernels.add_squares(norm.data(), g.data(), g.size());
    }
    kernels.clip_gradients(arrays.data(), std::ssize(arrays), norm.data(), max_norm);
    backend<double>(device).unary(UnaryOp::sqrt, norm.data(), norm.data(), 1);
    return norm;
}

template <class T>
void clip_grad_value(const std::vector<Parameter<T>*>& parameters, double limit) {
    if (!(limit > 0))
        throw Error("clip_grad_value: no such limit", std::to_string(limit), "a number above 0");
    for (const Parameter<T>* parameter : parameters)
        backend<T>(parameter->grad.device())
            .clamp(parameter->grad.data(), static_cast<T>(limit), parameter->grad.size());
}

template Tensor<double> clip_grad_norm(const std::vector<Parameter<float>*>&, double);
template Tensor<double> clip_grad_norm(const std::vector<Parameter<double>*>&, double);
template void clip_grad_value(const std::vector<Parameter<float>*>&, double);
template void clip_grad_value(const std::vector<Parameter<double>*>&, double);

}  // namespace handgrad
