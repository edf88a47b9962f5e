#include "optim/adam.h"

#include <cmath>

// Adam (Kingma and Ba 2015), step t = 1, 2, ..., with g = dL/dw + weight_decay w
//
//   m <- b1 m + (1 - b1) g             moving averages of the gradient and of its square,
//   v <- b2 v + (1 - b2) g^2           zero before the first step
//   w <- w - lr m^ / (sqrt(v^) + eps)  with  m^ = m / (1 - b1^t),  v^ = v / (1 - b2^t)
//
// The start at zero draws the averages towards zero: of gradients that are all g, m is
// (1 - b1) (1 + b1 + ... + b1^(t-1)) g = (1 - b1^t) g. Dividing by 1 - b1^t mends that.
//
// AMSGrad (Reddi, Kale and Kumar 2018): v^ is the largest v so far, over 1 - b2^t, so that rare
// large gradients are not forgotten.
// AdamW (Loshchilov and Hutter 2019): g is dL/dw alone, and first w <- (1 - lr weight_decay) w, so
// that the decay is not divided by sqrt(v^).

namespace handgrad {
namespace {

template <class Options>
void require_valid_adam(const Options& o) {
    require_fraction(Options::optimizer, "first beta", o.betas[0]);
    require_fraction(Options::optimizer, "second beta", o.betas[1]);
    require_not_negative(Options::optimizer, "eps", o.eps);
    require_not_negative(Options::optimizer, "weight decay", o.weight_decay);
}

std::vector<StateTensor> adam_state(bool amsgrad) {
    std::vector<StateTensor> state = {{"exp_avg"}, {"exp_avg_sq"}};
    if (amsgrad) state.push_back({"max_exp_avg_sq"});
    return state;
}

}  // namespace

void AdamOptions::require_valid() const {
    require_valid_adam(*this);
}
std::vector<StateTensor> AdamOptions::state() const {
    return adam_state(amsgrad);
}

void AdamWOptions::require_valid() const {
    require_valid_adam(*this);
}
std::vector<StateTensor> AdamWOptions::state() const {
    return adam_state(amsgrad);
}

template <class T, class Options>
void AdamOf<T, Options>::update(const Move& move, const Options& o) {
    const auto [b1, b2] = o.betas;
    move.kernels.adam_step(
        move.parameters, move.count, move.step,
        {.lr = static_cast<T>(o.lr),
         .weight_decay = static_cast<T>(Options::decoupled_decay ? 0 : o.weight_decay),
         .keep = static_cast<T>(Options::decoupled_decay ? 1 - o.lr * o.weight_decay : 1),
         .beta1 = static_cast<T>(b1),
         .gain1 = static_cast<T>(1 - b1),
         .beta2 = static_cast<T>(b2),
         .gain2 = static_cast<T>(1 - b2),
         .log_beta1 = static_cast<T>(std::log(b1)),
         .log_beta2 = static_cast<T>(std::log(b2)),
         .eps = static_cast<T>(o.eps)});
}

template class AdamOf<float, AdamOptions>;
template class AdamOf<double, AdamOptions>;
template class AdamOf<float, AdamWOptions>;
template class AdamOf<double, AdamWOptions>;

}  // namespace handgrad
