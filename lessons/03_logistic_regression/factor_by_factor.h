// Lesson 3: the chain rule in figures. dl/dq and dq/do can be huge or tiny; their product is q - y.
#pragma once

#include "core/tensor_ops.h"
#include "report/lesson.h"

namespace handgrad {

/// From the scores and the labels of some samples, (N, 1) both.
inline void factor_by_factor(Lesson& lesson, const Tensor<double>& o, const Tensor<double>& y) {
    lesson.section("The gradient, factor by factor");
    lesson.say(
        "The score o = w x + b becomes a probability q = logistic(o), and the loss of a sample is "
        "l = -y log q - (1 - y) log(1 - q): minus the logarithm of the probability that the model "
        "gives to what came. The least sum of these is the model of maximum likelihood, so one "
        "layer with this loss is logistic regression.");
    lesson.say(
        "By the chain rule dl/dw = dl/dq dq/do do/dw, with do/dw = x. The first two factors for "
        "four samples, before any training:");
    const Tensor<double> q = logistic(o);  // (N, 1), as all that follow
    const Tensor<double> dl_dq = (1 - y) / (1 - q) - y / q, dq_do = q * (1 - q);
    const Tensor<double> product = dl_dq * dq_do, left = q - y;
    std::vector<Row> rows;
    for (Index i = 0; i < 4; ++i)
        rows.push_back(cells("%g | %.4f | %.4f | %.4f | %.4f | %.4f", y(i, 0), q(i, 0), dl_dq(i, 0),
                             dq_do(i, 0), product(i, 0), left(i, 0)));
    lesson.table({"y", "q", "dl/dq", "dq/do = q(1-q)", "product", "q - y"}, rows);
    const double far = max(abs(product - left)).item();
    lesson.check("the factors multiply to q - y", far < 1e-14,
                 format("largest distance %.1e", far));
}

}  // namespace handgrad
