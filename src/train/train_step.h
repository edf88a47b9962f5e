// One step of training, for where the loop is not what the program is about.
#pragma once

#include "losses/loss.h"
#include "optim/optimizer.h"

namespace handgrad {

/// zero_grad, forward, loss, backward, step. Returns the loss before the step; on a GPU the host
/// waits for it when all of that has been asked for. `target` is whatever the loss takes: a
/// Tensor<T>, or Labels.
template <class T, class SomeLoss, class Target>
double train_step(Layer<T>& model, SomeLoss& loss, Optimizer<T>& optimizer, const Tensor<T>& x,
                  const Target& target) {
    optimizer.zero_grad();
    const Tensor<T> value = loss.forward(model.forward(x), target);
    model.backward_parameters(loss.backward());
    optimizer.step();
    return static_cast<double>(value.item());
}

}  // namespace handgrad
