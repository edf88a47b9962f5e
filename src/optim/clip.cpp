#include "optim/clip.h"

#include <cmath>

#include "core/error.h"

namespace handgrad {

template <class T>
double clip_grad_norm(const std::vector<Parameter<T>*>& parameters, double max_norm) {
    if (!(max_norm > 0))
        throw Error("clip_grad_norm: no such norm", std::to_string(max_norm), "a number above 0");
    if (parameters.empty()) return 0;
    const Device device = parameters[0]->grad.device();
    const Tensor<double> squares = Tensor<double>::zeros({}, device);
    for (const Parameter<T>* parameter : parameters) {
        const Tensor<T>& g = parameter->grad;
        if (g.device() != device)
            throw Error("clip_grad_norm: gradients on two devices",
                        std::string(name_of(device)) + " and " + std::string(name_of(g.device())),
                        "one device", "clip the parameters of each device alone");
        backend<T>(device).add_squares(squares.data(), g.data(), g.size());
    }
    const double norm = std::sqrt(squares.item());
    const double factor = max_norm / (norm + 1e-6);
    if (!(factor >= 1))  // NaN takes this way
        for (const Parameter<T>* parameter : parameters)
            backend<T>(device).scale(parameter->grad.data(), static_cast<T>(factor),
                                     parameter->grad.size());
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

template double clip_grad_norm(const std::vector<Parameter<float>*>&, double);
template double clip_grad_norm(const std::vector<Parameter<double>*>&, double);
template void clip_grad_value(const std::vector<Parameter<float>*>&, double);
template void clip_grad_value(const std::vector<Parameter<double>*>&, double);

}  // namespace handgrad
