#include "optim/sgd.h"

namespace handgrad {

template <class T>
void SGD<T>::step() {
    for (Parameter<T>* parameter : this->parameters())
        backend<T>(parameter->value.device())
            .sgd_step(parameter->value.data(), parameter->grad.data(), static_cast<T>(this->lr()),
                      parameter->value.size());
}

template class SGD<float>;
template class SGD<double>;

}  // namespace handgrad
