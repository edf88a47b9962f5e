#include "losses/penalty.h"

#include <utility>

#include "core/error.h"

namespace handgrad {

template <class T>
WeightPenalty<T>::WeightPenalty(const std::string& name, Penalty R,
                                std::vector<Parameter<T>*> parameters, double strength)
    : R_(R), parameters_(std::move(parameters)), strength_(strength) {
    if (!(strength >= 0))
        throw Error(name + ": no such strength", number_str(strength), "strength >= 0");
    bool all = !parameters_.empty();
    for (const Parameter<T>* parameter : parameters_) all = all && parameter != nullptr;
    if (!all)
        throw Error(name + ": nothing to penalise",
                    parameters_.empty() ? "no parameters" : "a null parameter",
                    "at least one parameter", "pass {&linear.weight} or model.parameters()");
}

template <class T>
Tensor<T> WeightPenalty<T>::forward() const {
    const Device device = parameters_[0]->value.device();
    Tensor<T> sum = Tensor<T>::zeros({}, device);
    for (const Parameter<T>* parameter : parameters_)
        if (parameter->value.device() != device)
            throw Error(describe() + ": parameters on two devices",
                        std::string(name_of(device)) + " and " +
                            std::string(name_of(parameter->value.device())),
                        "one device", "make a penalty for the parameters of each device");
    for (const Parameter<T>* parameter : parameters_)
        backend<T>(device).penalty_forward(R_, sum.data(), parameter->value.data(),
                                           static_cast<T>(strength_), parameter->value.size());
    return sum;
}

template <class T>
void WeightPenalty<T>::backward() const {
    for (const Parameter<T>* parameter : parameters_)
        backend<T>(parameter->value.device())
            .penalty_backward(R_, parameter->grad.data(), parameter->value.data(),
                              static_cast<T>(strength_), parameter->value.size());
}

template <class T>
L1Penalty<T>::L1Penalty(std::vector<Parameter<T>*> parameters, double strength)
    : WeightPenalty<T>("L1Penalty", Penalty::l1, std::move(parameters), strength) {}

template <class T>
std::string L1Penalty<T>::describe() const {
    return "L1Penalty(" + number_str(this->strength()) + ")";
}

template <class T>
L2Penalty<T>::L2Penalty(std::vector<Parameter<T>*> parameters, double strength)
    : WeightPenalty<T>("L2Penalty", Penalty::l2, std::move(parameters), strength) {}

template <class T>
std::string L2Penalty<T>::describe() const {
    return "L2Penalty(" + number_str(this->strength()) + ")";
}

#define HANDGRAD_INSTANTIATE(T)      \
    template class WeightPenalty<T>; \
    template class L1Penalty<T>;     \
    template class L2Penalty<T>;
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
