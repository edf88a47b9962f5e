#include "optim/optimizer.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace handgrad {

template <class T>
Optimizer<T>::Optimizer(std::vector<Parameter<T>*> parameters, double lr)
    : parameters_(std::move(parameters)) {
    set_lr(lr);
}

template <class T>
void Optimizer<T>::zero_grad() {
    for (Parameter<T>* parameter : parameters_) parameter->grad.fill(T{0});
}

template <class T>
void Optimizer<T>::set_lr(double lr) {
    if (!std::isfinite(lr) || lr < 0)
        throw Error("Optimizer: no such learning rate", std::to_string(lr),
                    "a finite number, 0 or more");
    lr_ = lr;
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace handgrad
