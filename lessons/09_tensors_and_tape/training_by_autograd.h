// Training with nothing but autograd, and what no_grad is for.
#pragma once

#include "autograd/operations.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "report/lesson.h"

namespace handgrad {

inline void training_by_autograd(Lesson& lesson) {
    lesson.section("Training in five lines");
    using Values = Tensor<double>;
    const Device device = lesson.options().device;
    const Index n = 50;
    const int steps = 200;
    const double rate = 0.3;
    Random random(lesson.options().seed);
    const Values inputs = Values::empty({n, 3}, device), truth = Values::from({3, 1}, {1, -2, 3});
    random.normal(inputs, 0, 1);
    const Values targets = matmul(inputs, truth.to(device));  // (n, 1)
    lesson.say(
        format("%td targets that are x1 - 2 x2 + 3 x3. From zero weights, %d steps at rate %g:", n,
               steps, rate));
    lesson.pre(
        "const Variable<double> error = matmul(x, w) - y;\n"
        "mean(error * error).backward();\n"
        "const NoGrad resting;\n"
        "w.value() -= rate * w.grad();\n"
        "w.zero_grad();");
    const Variable<double> x(inputs), y(targets), w(Values::zeros({3, 1}, device), true);
    const Values by_hand = Values::zeros({3, 1}, device);
    for (int step = 0; step < steps; ++step) {
        const Variable<double> error = matmul(x, w) - y;
        mean(error * error).backward();
        const NoGrad resting;
        w.value() -= rate * w.grad();
        w.zero_grad();

        // dL/dw = 2/n x' (x w - y)
        const Values off = matmul(inputs, by_hand) - targets;
        by_hand -= rate * (2.0 / n * matmul(inputs, off, Trans::yes));
    }
    const std::vector<double> found = w.value().values(), hand = by_hand.values();
    std::vector<Row> rows;
    for (std::size_t i = 0; i < 3; ++i)
        rows.push_back(
            cells("w%zu | %.12f | %.12f | %g", i + 1, found[i], hand[i], truth.values()[i]));
    lesson.table({"", "by autograd", "by hand", "true"}, rows);
    const double far = max(abs(w.value() - by_hand)).item();
    const double left = max(abs(w.value() - truth.to(device))).item();
    lesson.check("autograd and the gradient by hand train alike", far < 1e-12, format("%.1e", far));
    lesson.check("the weights are found", left < 1e-6, format("to %.1e", left));

    sum(w * w).backward();
    const Variable<double> gradient(w.grad());
    const bool recorded = (w - rate * gradient).requires_grad();
    const NoGrad resting;
    const bool at_rest = (w - rate * gradient).requires_grad();
    lesson.say(
        "What is the NoGrad for? w.value() is a plain tensor, which no tape records, so here it "
        "could be left out. In PyTorch w is the tensor, and w - rate * w.grad would be one more "
        "operation of the graph: the next backward would go through it, and so on to the first w, "
        "where the gradient would arrive. The same in variables:");
    lesson.table(
        {"w - rate * gradient", "is recorded"},
        {{"as it stands", recorded ? "yes" : "no"}, {"within NoGrad", at_rest ? "yes" : "no"}});
    lesson.check("a step is recorded, unless within NoGrad", recorded && !at_rest);
}

}  // namespace handgrad
