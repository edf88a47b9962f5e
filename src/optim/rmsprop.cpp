#include "optim/rmsprop.h"

// RMSprop (Tieleman and Hinton 2012, lecture 6e), with g = dL/dw + weight_decay w
//
//   q <- alpha q + (1 - alpha) g^2        zero before the first step, as a and v
//   d = g / (sqrt(q) + eps)
//   w <- w - lr d
//
// Centred (Graves 2013), it keeps the mean of g as well and divides by the deviation from it:
//   a <- alpha a + (1 - alpha) g
//   d = g / (sqrt(q - a^2) + eps)
// q - a^2 cannot be negative but for rounding; then it counts as 0.
//
// With momentum b (torch.optim.RMSprop):
//   v <- b v + d
//   w <- w - lr v

namespace handgrad {

void RMSpropOptions::require_valid() const {
    require_fraction(optimizer, "alpha", alpha);
    require_not_negative(optimizer, "eps", eps);
    require_not_negative(optimizer, "weight decay", weight_decay);
    require_fraction(optimizer, "momentum", momentum);
}

std::vector<StateTensor> RMSpropOptions::state() const {
    std::vector<StateTensor> state = {{"square_avg"}};
    if (centered) state.push_back({"grad_avg"});
    if (momentum > 0) state.push_back({"momentum_buffer"});
    return state;
}

template <class T>
void RMSprop<T>::update(const Move& move, const RMSpropOptions& o) {
    move.kernels.rmsprop_step(move.parameters, move.count,
                              {.lr = static_cast<T>(o.lr),
                               .weight_decay = static_cast<T>(o.weight_decay),
                               .alpha = static_cast<T>(o.alpha),
                               .gain = static_cast<T>(1 - o.alpha),
                               .momentum = static_cast<T>(o.momentum),
                               .eps = static_cast<T>(o.eps),
                               .centered = o.centered});
}

template class RMSprop<float>;
template class RMSprop<double>;

}  // namespace handgrad
