// What the graph is made of: for those who write an operation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace handgrad {

/// One variable: a leaf, or the result of an operation.
template <class T>
class Node : public std::enable_shared_from_this<Node<T>> {
  public:
    using Ptr = std::shared_ptr<Node>;

    /// A leaf.
    Node(Tensor<T> x, bool wanted) : Node(nullptr, std::move(x), wanted) {}
    virtual ~Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    [[nodiscard]] bool is_leaf() const { return operation == nullptr; }

    /// An input of an operation, and the version of its value that the operation read.
    struct Input {
        Ptr node;
        std::uint64_t version = 0;
        Input() = default;
        explicit Input(Ptr of) : node(std::move(of)), version(node->value.version()) {}
    };

    // For the backward rule of an operation, which is written in operations on variables, too, so
    // that it can be differentiated again. Outside of create_graph they are not recorded.

    /// Input i, and the result, with the values that they had in the forward pass: throws Error
    /// where they were written to since.
    [[nodiscard]] Variable<T> input(std::size_t i) const;
    [[nodiscard]] Variable<T> result();
    [[nodiscard]] const Shape& input_shape(std::size_t i) const {
        return inputs[i].node->value.shape();
    }
    /// Does input i require a gradient? Where it does not, the rule may save the work.
    [[nodiscard]] bool wants(std::size_t i) const { return inputs[i].node->requires_grad; }
    /// Hands input i its part of the gradient, of the input's shape. It may share memory with dy.
    void give(std::size_t i, Variable<T> gradient) { inputs[i].node->receive(std::move(gradient)); }
    /// The same for an input that was broadcast: the gradient has the wider shape. One element of
    /// the input stands in many places there, and its gradient is the sum over them.
    void give_sum(std::size_t i, const Variable<T>& gradient);

    // For the engine:

    /// Adds to what has arrived; does nothing where no gradient is required.
    void receive(Variable<T> gradient);
    /// The end of a backward pass, for a leaf: adds what has arrived to grad.
    void keep_arrived();
    /// Runs the rule on dy = dL/dvalue.
    virtual void run_backward(const Variable<T>& /*dy*/) {}
    /// Drops the inputs and all that the rule had kept. The node can not go back again.
    virtual void free_inputs() {}

    const char* const operation;  // nullptr: a leaf
    const Tensor<T> value;
    const std::uint64_t version;  // of the value, when the node was made
    Tensor<T> grad;               // of a leaf
    Variable<T> arrived;          // dL/dvalue, as far as this backward pass has come
    const bool requires_grad;
    bool freed = false;
    const std::uint64_t number;    // counts up: an operation's is higher than its inputs'
    std::uint64_t last_visit = 0;  // by the walk with this number
    std::span<Input> inputs;       // in the derived class

  protected:
    Node(const char* name, Tensor<T> x, bool wanted);
    [[noreturn]] void refuse_changed(const std::string& what, const Shape& shape) const;
    /// Lets go of the inputs. Those that nobody else holds end here, and theirs in turn.
    void drop_inputs();
};

/// The result of an operation with its inputs, an array or vector of them, and its backward
/// rule, called as rule(node, dy).
template <class T, class Inputs, class Rule>
class OperationNode final : public Node<T> {
  public:
    OperationNode(const char* name, Tensor<T> y, Inputs nodes, Rule rule)
        : Node<T>(name, std::move(y), true), inputs_(std::move(nodes)), rule_(std::move(rule)) {
        this->inputs = inputs_;
    }
    ~OperationNode() override { this->drop_inputs(); }
    OperationNode(const OperationNode&) = delete;
    OperationNode& operator=(const OperationNode&) = delete;

    void run_backward(const Variable<T>& dy) override { (*rule_)(*this, dy); }
    void free_inputs() override {
        this->drop_inputs();
        rule_.reset();
        this->freed = true;
    }

  private:
    Inputs inputs_;
    std::optional<Rule> rule_;
};

/// Are operations of this thread recorded? Not within NoGrad.
bool recording();

/// The variable that an operation returns: its value, linked to its inputs where one of them
/// requires a gradient and operations are recorded. `operation` must outlive the program: a
/// literal. Nodes take their memory from where tensors do, so that a training loop allocates
/// nothing.
template <class T, std::size_t n, class Rule>
Variable<T> record(const char* operation, Tensor<T> value, const Variable<T> (&inputs)[n],
                   Rule rule) {
    bool wanted = false;
    for (const Variable<T>& input : inputs) wanted |= input.requires_grad();
    if (!wanted || !recording()) return Variable<T>(std::move(value));
    using Inputs = std::array<typename Node<T>::Input, n>;
    Inputs nodes;
    for (std::size_t i = 0; i < n; ++i) nodes[i] = typename Node<T>::Input(inputs[i].node());
    return Variable<T>(std::allocate_shared<OperationNode<T, Inputs, Rule>>(
        CachedAllocator<char>{}, operation, std::move(value), std::move(nodes), std::move(rule)));
}

/// The same for any number of inputs.
template <class T, class Rule>
Variable<T> record(const char* operation, Tensor<T> value, std::span<const Variable<T>> inputs,
                   Rule rule) {
    bool wanted = false;
    for (const Variable<T>& input : inputs) wanted |= input.requires_grad();
    if (!wanted || !recording()) return Variable<T>(std::move(value));
    using Input = typename Node<T>::Input;
    std::vector<Input, CachedAllocator<Input>> nodes;
    nodes.reserve(inputs.size());
    for (const Variable<T>& input : inputs) nodes.emplace_back(input.node());
    return Variable<T>(std::allocate_shared<OperationNode<T, decltype(nodes), Rule>>(
        CachedAllocator<char>{}, operation, std::move(value), std::move(nodes), std::move(rule)));
}

}  // namespace handgrad
