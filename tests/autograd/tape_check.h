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

/// With random r: requires that backward gives the gradients of sum r f(x_0, x_1, ...) as central
/// differences do, and those of sum_i v_i dM/dx_i, M = sum r f^3, which take every rule once more.
inline void check_operation(const std::string& name,
                            const std::vector<handgrad::Tensor<double>>& inputs,
                            const std::function<Var(const std::vector<Var>&)>& f) {
    using namespace handgrad;
    Random random(99);
    Tensor<double> r;
    std::vector<Var> leaves, v;
    for (const Tensor<double>& input : inputs)
        v.emplace_back(uniform(input.shape(), random, 0.5, 1.5));
    const auto forward = [&] {
        leaves.clear();
        for (const Tensor<double>& input : inputs) leaves.emplace_back(input, true);
        const Var y = f(leaves);
        if (!r.defined()) r = uniform(y.shape(), random, 0.5, 1.5);
        return y;
    };
    const auto once = [&] {
        const Var y = forward();
        return sum(y * Var(r));
    };
    const auto twice = [&] {
        const Var y = forward();
        const std::vector<Var> first =
            grad(sum(y * y * y * Var(r)), leaves, {.create_graph = true});
        Var total = sum(first[0] * v[0]);
        for (std::size_t i = 1; i < v.size(); ++i) total = total + sum(first[i] * v[i]);
        return total;
    };
    for (const std::function<Var()>& loss : {std::function<Var()>(once), {twice}}) {
        loss().backward();
        std::vector<Parameter<double>> parameters;
        for (std::size_t i = 0; i < inputs.size(); ++i)
            parameters.push_back({"input " + std::to_string(i), inputs[i], leaves[i].grad()});
        std::vector<Parameter<double>*> pointers;
        for (Parameter<double>& parameter : parameters) pointers.push_back(&parameter);
        const auto rows = check_gradients(pointers, [&] { return loss().item(); });
        INFO(name << "\n" << table(rows));
        CHECK(all_pass(rows));
    }
}
