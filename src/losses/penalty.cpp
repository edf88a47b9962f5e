#include "losses/penalty.h"

#include <iterator>
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
typename WeightPenalty<T>::Arrays WeightPenalty<T>::arrays() const {
    const Device device = parameters_[0]->value.device();
    Arrays all;
    all.reserve(parameters_.size());
    for (const Parameter<T>* parameter : parameters_) {
        const Tensor<T>&w = parameter->value, &dw = parameter->grad;
        if (w.device() != device)
            throw Error(describe() + ": parameters on two devices",
                        std::string(name_of(device)) + " and " + std::string(name_of(w.device())),
                        "one device", "make a penalty for the parameters of each device");
        all.push_back({.w = w.data(), .dw = dw.data(), .kept = {}, .n = w.size()});
    }
    return all;
}

template <class T>
Tensor<T> WeightPenalty<T>::forward() const {
    const Arrays all = arrays();
    const Device device = parameters_[0]->value.device();
    Tensor<T> value = Tensor<T>::empty({}, device);
    backend<T>(device).penalty_forward(R_, value.data(), all.data(), std::ssize(all),
                                       static_cast<T>(strength_));
    return value;
}

template <class T>
void WeightPenalty<T>::backward() const {
    const Arrays all = arrays();
    backend<T>(parameters_[0]->value.device())
        .penalty_backward(R_, all.data(), std::ssize(all), static_cast<T>(strength_));
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
