// Gradients of the tape against finite differences, in double.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/operations.h"
#include "catch.h"
#include "check/gradient_check.h"
#include "core/random.h"

using Var = handgrad::Variable<double>;

/// Numbers in [low, high).
inline handgrad::Tensor<double> uniform(const handgrad::Shape& shape, handgrad::Random& random,
                                        double low = -2, double high = 2) {
    const auto x = handgrad::Tensor<double>::empty(shape);
    random.uniform(x, low, high);
    return x;
}

/// L = sum r f(x_0, x_1, ...) with random r: requires that backward gives dL/dx_i of every input as
/// central differences do.
inline void check_operation(const std::string& name,
                            const std::vector<handgrad::Tensor<double>>& inputs,
                            const std::function<Var(const std::vector<Var>&)>& f) {
    using namespace handgrad;
    Tensor<double> r;
    std::vector<Var> leaves;
    const auto loss = [&] {
        leaves.clear();
        for (const Tensor<double>& input : inputs) leaves.emplace_back(input, true);
        const Var y = f(leaves);
        if (!r.defined()) {
            Random random(99);
            r = uniform(y.shape(), random, 0.5, 1.5);
        }
        return sum(y * Var(r));
    };
    loss().backward();
    std::vector<Parameter<double>> parameters;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        parameters.push_back({"input " + std::to_string(i), inputs[i], leaves[i].grad()});
    std::vector<Parameter<double>*> pointers;
    for (Parameter<double>& parameter : parameters) pointers.push_back(&parameter);
    const auto rows = check_gradients(pointers, [&] {
        const NoGrad no_grad;
        return loss().item();
    });
    INFO(name << "\n" << table(rows));
    CHECK(all_pass(rows));
}
