// What autograd refuses, each time with its message: a backward through what was not recorded, from
// a vector without a seed, and through a graph that is gone.
#pragma once

#include <string>

#include "autograd/operations.h"
#include "core/error.h"
#include "core/tensor_ops.h"
#include "report/lesson.h"

namespace handgrad {

/// What a call throws, as text; empty where it does not.
template <class Call>
std::string refusal(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

inline void what_autograd_refuses(Lesson& lesson) {
    lesson.section("Not recorded, not a scalar, not twice");
    using Values = Tensor<double>;
    const Device device = lesson.options().device;
    const Variable<double> w(Values::from({3}, {1, 2, 3}, device), true);
    std::string error;
    {
        const NoGrad resting;
        error = refusal([&] { sum(w * w).backward(); });
    }
    lesson.say("Within NoGrad nothing is recorded. It costs less, and nothing can go back:");
    lesson.pre(error);
    lesson.check("nothing is recorded within NoGrad", !error.empty() && !w.grad().defined());

    lesson.say("A gradient is that of one number. Of three at once, backward asks which:");
    error = refusal([&] { (w * w).backward(); });
    lesson.pre(error);
    lesson.check("a vector is refused without a seed", !error.empty());
    lesson.say(
        "\"Backward only on scalars\" is too narrow, though. With a seed dL/dy it gives (dy/dx)' "
        "seed. Seeds of ones give the gradient of the sum; the unit vectors give the Jacobian row "
        "by row. For y = w^2 / (sum of w):");
    const Values ones = Values::from({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, device);  // unit vectors
    const Values jacobian = Values::empty({3, 3}, device);
    for (Index i = 0; i < 3; ++i) {
        w.zero_grad();
        (w * w / sum(w)).backward(ones.rows(i, i + 1).reshape({3}));
        jacobian.rows(i, i + 1).reshape({3}).copy_from(w.grad());
    }
    // dy_i/dw_j = 2 w_i / S where i = j, less w_i^2 / S^2, with S = 6
    const Values column = w.value().reshape({3, 1});
    const Values expected = 2 * column / 6 * ones - column * column / 36;
    const double far = max(abs(jacobian - expected)).item();
    lesson.pre(jacobian.to(Device::cpu).str());
    lesson.check("unit seeds give the Jacobian", far < 1e-15, format("%.1e", far));

    lesson.say("The graph is freed as backward goes through it. A second time is refused:");
    const Variable<double> y = sum(w * w);
    y.backward();
    error = refusal([&] { y.backward(); });
    lesson.pre(error);
    lesson.check("a second backward is refused", !error.empty());
}

}  // namespace handgrad
