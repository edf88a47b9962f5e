#include "optim/sgd.h"

#include <cmath>

#include "core/error.h"

// SGD, with g = dL/dw + weight_decay w
//
//   w <- w - lr g
//
// With momentum b it walks along a velocity v, zero before the first step. In PyTorch's form v sums
// up gradients (Polyak 1964; torch.optim.SGD):
//   v <- b v + (1 - dampening) g       in the first step without dampening: v = g
//   w <- w - lr v
// As a moving average, with moving_average:
//   v <- b v + (1 - b) g
//   w <- w - lr v
// By induction the second v is (1 - b) times the first without dampening: both take the same path
// where lr of the moving average is lr / (1 - b) of the sum. A steady gradient moves the sum by
// lr g / (1 - b) a step, and the average by lr g.
//
// Nesterov's form (Sutskever et al. 2013) looks one step ahead along v:
//   w <- w - lr (b v + g)              as a moving average: w - lr (b v + (1 - b) g)

namespace handgrad {

void SGDOptions::require_valid() const {
    require_not_negative(optimizer, "momentum", momentum);
    require_option(optimizer, "dampening", dampening, std::isfinite(dampening), "a finite number");
    require_not_negative(optimizer, "weight decay", weight_decay);
    const auto refuse = [](const char* got, const char* needs, const char* hint) {
        throw Error("SGD: options that do not go together", got, needs, hint);
    };
    if (nesterov && momentum == 0)
        refuse("nesterov without momentum", "a momentum above 0", "momentum = 0.9 is usual");
    if (moving_average && (momentum == 0 || momentum >= 1))
        refuse("moving_average without such a momentum", "a momentum above 0 and below 1",
               "momentum = 0.9 is usual");
    if (dampening != 0 && nesterov)
        refuse("nesterov with dampening", "dampening = 0", "leave one of the two out");
    if (dampening != 0 && moving_average)
        refuse("moving_average with dampening", "dampening = 0",
               "a moving average weakens the gradient by 1 - momentum already");
}

std::vector<StateTensor> SGDOptions::state() const {
    if (momentum == 0) return {};
    return {{"momentum_buffer"}};
}

template <class T>
void SGD<T>::update(const Move& move, const SGDOptions& o) {
    const double gain = 1 - (o.moving_average ? o.momentum : o.dampening);
    move.kernels.sgd_step(move.parameters, move.count, move.step,
                          {.lr = static_cast<T>(o.lr),
                           .weight_decay = static_cast<T>(o.weight_decay),
                           .momentum = static_cast<T>(o.momentum),
                           .first_gain = static_cast<T>(o.moving_average ? gain : 1),
                           .gain = static_cast<T>(gain),
                           .nesterov = o.nesterov});
}

template class SGD<float>;
template class SGD<double>;

}  // namespace handgrad
