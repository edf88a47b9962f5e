// The tape: reverse-mode automatic differentiation over tensors.
//
// A Variable is a tensor that knows how it was computed. Operations on variables
// (autograd/operations.h) compute at once; where an input requires a gradient, the result is linked
// to its inputs, with the rule that carries a gradient back. backward() follows these links from
// the result to the leaves, the variables that a caller made:
//
//     const Variable<double> x(Tensor<double>::from({2}, {1, 2}), true);
//     sum(x * x).backward();
//     x.grad();  // (2, 4)
//
// The tape derives primitive operations only and calls no layer, so that a gradient which a layer
// derives by hand can be held against it.
#pragma once

#include <memory>
#include <vector>

#include "core/tensor.h"

namespace handgrad {

template <class T>
class Node;

struct BackwardOptions {
    /// Keeps the graph for another backward; otherwise it is freed on the way.
    bool retain_graph = false;
};

/// A handle, as a Tensor is: copies are the same variable.
template <class T>
class Variable {
  public:
    /// No variable: nothing may be asked of it.
    Variable() = default;
    /// A leaf. It shares the tensor's memory: when an optimiser moves the tensor, the variable
    /// moves. Between forward and backward the numbers must stand still, and backward throws Error
    /// where a rule needs one that did not (Tensor::version says what writes it sees).
    explicit Variable(Tensor<T> value, bool requires_grad = false);

    [[nodiscard]] bool defined() const { return node_ != nullptr; }
    [[nodiscard]] const Tensor<T>& value() const;
    [[nodiscard]] const Shape& shape() const { return value().shape(); }
    [[nodiscard]] T item() const { return value().item(); }

    /// Is it a leaf that wants a gradient, or computed from one?
    [[nodiscard]] bool requires_grad() const;
    /// dL/dx of a leaf, the sum over every backward since zero_grad. Undefined before the first;
    /// undefined also in variables that are not leaves, whose gradients are dropped once used.
    [[nodiscard]] const Tensor<T>& grad() const;
    /// Forgets the gradient; its memory goes to the next one.
    void zero_grad() const;

    /// Adds to each leaf x that requires a gradient and that this one was computed from
    ///   dL/dx = (dy/dx)' seed,   y this variable
    /// The seed is dL/dy and has the shape of y; without one, y must have one element and the seed
    /// is 1. The graph is freed on the way unless it is to be retained; a second backward through
    /// what was freed is refused, and so is one that needs a tensor which was written to since the
    /// forward pass, say by an optimiser's step. Throws Error also where nothing requires a
    /// gradient. Whenever it throws, nothing has been added to any leaf. Not recursive: a graph may
    /// be as deep as memory allows.
    void backward(BackwardOptions options = {}) const;
    void backward(const Tensor<T>& seed, BackwardOptions options = {}) const;

    /// A leaf with the same memory that requires no gradient: what is computed from it is not
    /// traced back.
    [[nodiscard]] Variable detach() const { return Variable(value()); }

    /// For operations.
    explicit Variable(std::shared_ptr<Node<T>> node) : node_(std::move(node)) {}
    [[nodiscard]] const std::shared_ptr<Node<T>>& node() const;

  private:
    std::shared_ptr<Node<T>> node_;
};

struct GradOptions {
    /// Records what the gradients are computed by, so that they can be differentiated again. The
    /// graph of y is kept then, too.
    bool create_graph = false;
    /// Keeps the graph of y for another use.
    bool retain_graph = false;
};

/// dy/dx for each of these leaves, as variables; zero where y was not computed from x. y has one
/// element. No leaf's grad() is touched.
///
///     const auto first = grad(pow(x, 3), {x}, {.create_graph = true});  // 3 x^2
///     grad(first[0], {x});                                              // 6 x
///
/// A penalty on a gradient is an expression of it, and backward() takes it on to the weights. The
/// product of the second derivatives with v is grad(sum(first[0] * v), {x}).
/// Throws Error as backward does, and for an x that is no leaf that requires a gradient.
template <class T>
std::vector<Variable<T>> grad(const Variable<T>& y, const std::vector<Variable<T>>& xs,
                              GradOptions options = {});

/// While one lives, operations of this thread are not recorded: their results require no gradient.
class NoGrad {
  public:
    NoGrad();
    ~NoGrad();
    NoGrad(const NoGrad&) = delete;
    NoGrad& operator=(const NoGrad&) = delete;

  private:
    bool was_recording_;
};

}  // namespace handgrad
