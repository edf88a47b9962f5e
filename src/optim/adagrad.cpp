#include "optim/adagrad.h"

// Adagrad (Duchi, Hazan and Singer 2011), step t = 1, 2, ..., with g = dL/dw + weight_decay w
//
//   sum <- sum + g^2                                  initial_accumulator_value before all steps
//   w <- w - lr_t g / (sqrt(sum) + eps)               with lr_t = lr / (1 + (t - 1) lr_decay)
//
// Of gradients that are all g, step t is lr_t / sqrt(t): it shrinks without a schedule.

namespace handgrad {

void AdagradOptions::require_valid() const {
    require_not_negative(optimizer, "lr_decay", lr_decay);
    require_not_negative(optimizer, "weight decay", weight_decay);
    require_not_negative(optimizer, "initial accumulator value", initial_accumulator_value);
    require_not_negative(optimizer, "eps", eps);
}

std::vector<StateTensor> AdagradOptions::state() const {
    return {{"sum", initial_accumulator_value}};
}

template <class T>
void Adagrad<T>::update(const Move& move, const AdagradOptions& o) {
    move.kernels.adagrad_step(move.parameters, move.count, move.step,
                              {.lr = static_cast<T>(o.lr),
                               .lr_decay = static_cast<T>(o.lr_decay),
                               .weight_decay = static_cast<T>(o.weight_decay),
                               .eps = static_cast<T>(o.eps)});
}

template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace handgrad
