#include "autograd/variable.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "autograd/node.h"
#include "autograd/operations.h"
#include "core/error.h"
#include "core/tensor_ops.h"

namespace handgrad {
namespace {

thread_local bool recording_here = true;

std::uint64_t next_number() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

template <class T>
using NodeList = std::vector<typename Node<T>::Ptr, CachedAllocator<typename Node<T>::Ptr>>;

template <class T>
struct Graph {
    NodeList<T> operations;  // each one after all of its inputs
    NodeList<T> leaves;
};

/// What `root` was computed through, as far as it requires a gradient. An input is always older
/// than what is computed from it, so the order of creation will do.
template <class T>
Graph<T> graph_behind(const typename Node<T>::Ptr& root) {
    const std::uint64_t visit = next_number();
    Graph<T> graph;
    NodeList<T>& operations = graph.operations;
    operations.reserve(64);
    const auto add = [&](const typename Node<T>::Ptr& node) {
        if (!node->requires_grad || node->last_visit == visit) return;
        node->last_visit = visit;
        (node->is_leaf() ? graph.leaves : operations).push_back(node);
    };
    add(root);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const Node<T>& node = *operations[i];  // the list may move as it grows, the node stays
        for (const typename Node<T>::Input& input : node.inputs) add(input.node);
    }
    std::sort(operations.begin(), operations.end(),
              [](const auto& a, const auto& b) { return a->number < b->number; });
    return graph;
}

/// Carries the seed, dL/droot, back to the leaves, where the gradients then wait in `arrived`.
/// Returns those leaves.
template <class T>
NodeList<T> carry_back(const typename Node<T>::Ptr& root, const Tensor<T>& seed, bool retain_graph,
                       bool create_graph) {
    auto [nodes, leaves] = graph_behind<T>(root);
    for (const typename Node<T>::Ptr& node : nodes)
        if (node->freed)
            throw Error("Variable.backward: a part of the graph was freed",
                        std::string("a second backward through ") + node->operation +
                            ", whose result has shape " + node->value.shape().str(),
                        "a graph that no backward has gone through",
                        "run the forward pass again, or pass {.retain_graph = true} to the first "
                        "backward");
    std::optional<NoGrad> unrecorded;
    if (!create_graph) unrecorded.emplace();
    try {
        root->receive(Variable<T>(seed));
        // The last node has all of its gradient: whatever was computed from it came later.
        while (!nodes.empty()) {
            Node<T>& node = *nodes.back();
            const Variable<T> dy = std::exchange(node.arrived, {});
            if (dy.defined()) node.run_backward(dy);
            if (!retain_graph) node.free_inputs();
            nodes.pop_back();
        }
    } catch (...) {  // no leaf has got anything yet
        for (const NodeList<T>& list : {nodes, leaves})
            for (const typename Node<T>::Ptr& node : list) node->arrived = {};
        throw;
    }
    return std::move(leaves);
}

/// Does anybody else hold the variable, or its memory?
template <class T>
bool is_shared(const Variable<T>& x) {
    return x.node().use_count() > 1 || x.value().shared();
}

}  // namespace

// ---- nodes --------------------------------------------------------------------------------------

bool recording() {
    return recording_here;
}

template <class T>
Node<T>::Node(const char* name, Tensor<T> x, bool wanted)
    : operation(name),
      value(std::move(x)),
      version(value.version()),
      requires_grad(wanted),
      number(next_number()) {}

template <class T>
Variable<T> Node<T>::input(std::size_t i) const {
    const Input& input = inputs[i];
    if (input.node->value.version() != input.version)
        refuse_changed("input " + std::to_string(i), input.node->value.shape());
    return Variable<T>(input.node);
}

template <class T>
Variable<T> Node<T>::result() {
    if (value.version() != version) refuse_changed("the result", value.shape());
    return Variable<T>(this->shared_from_this());
}

template <class T>
void Node<T>::refuse_changed(const std::string& what, const Shape& shape) const {
    throw Error("Variable.backward: a tensor has changed since the forward pass",
                what + " of " + operation + ", of shape " + shape.str() + ", was written to",
                "the numbers of the forward pass, which the gradient is computed from",
                "run the forward pass again after the change, or make the change to a clone()");
}

template <class T>
void Node<T>::receive(Variable<T> gradient) {
    if (!requires_grad) return;
    if (gradient.shape() != value.shape())
        throw Error("Variable.backward: a rule gave a gradient that does not fit",
                    "shape " + gradient.shape().str(),
                    "shape " + value.shape().str() + ", that of the operation's input");
    // An operation may hand one gradient to several inputs, and a caller holds the seed. So what
    // others see is not written to, nor is what is recorded.
    if (!arrived.defined())
        arrived = std::move(gradient);
    else if (recording() || is_shared(arrived))
        arrived = arrived + gradient;
    else
        arrived.value() += gradient.value();
}

template <class T>
void Node<T>::keep_arrived() {
    const Variable<T> sum = std::exchange(arrived, {});
    if (!sum.defined()) return;
    if (grad.defined())
        grad += sum.value();
    else
        grad = is_shared(sum) ? sum.value().clone() : sum.value();  // the caller may write to it
}

template <class T>
void Node<T>::give_sum(std::size_t i, const Variable<T>& gradient) {
    give(i, sum_to(gradient, input_shape(i)));
}

template <class T>
void Node<T>::drop_inputs() {
    // If destroying a node destroyed its inputs, and they theirs, a long chain would overflow the
    // stack. Here a node is only destroyed after its inputs have been moved to the list.
    NodeList<T> dying;
    const auto drop = [&](Input& input) {
        if (input.node.use_count() == 1 && !input.node->inputs.empty())
            dying.push_back(std::move(input.node));
        input.node.reset();
    };
    for (Input& input : std::exchange(inputs, {})) drop(input);
    while (!dying.empty()) {
        const Ptr node = std::move(dying.back());
        dying.pop_back();
        for (Input& input : std::exchange(node->inputs, {})) drop(input);
    }
}

template class Node<float>;
template class Node<double>;

// ---- variables ----------------------------------------------------------------------------------

template <class T>
Variable<T>::Variable(Tensor<T> value, bool requires_grad) {
    if (!value.defined())
        throw Error("Variable", "an undefined tensor", "a tensor with memory",
                    "make it with Tensor::zeros, empty or from");
    node_ = std::allocate_shared<Node<T>>(CachedAllocator<char>{}, std::move(value), requires_grad);
}

template <class T>
const std::shared_ptr<Node<T>>& Variable<T>::node() const {
    if (node_ == nullptr)
        throw Error("Variable", "an undefined variable", "a variable with a value",
                    "make it from a tensor: Variable<float>(tensor)");
    return node_;
}

template <class T>
const Tensor<T>& Variable<T>::value() const {
    return node()->value;
}

template <class T>
bool Variable<T>::requires_grad() const {
    return node()->requires_grad;
}

template <class T>
const Tensor<T>& Variable<T>::grad() const {
    return node()->grad;
}

template <class T>
void Variable<T>::zero_grad() const {
    node()->grad = {};
}

template <class T>
void Variable<T>::backward(BackwardOptions options) const {
    if (value().size() != 1)
        throw Error("Variable.backward: a gradient of many numbers at once",
                    "a variable of shape " + shape().str(), "one element, or a seed",
                    "call backward on a loss such as mean(y), or pass dL/dy: y.backward(seed)");
    backward(Tensor<T>::full(shape(), T{1}, value().device()), options);
}

template <class T>
void Variable<T>::backward(const Tensor<T>& seed, BackwardOptions options) const {
    if (!requires_grad())
        throw Error("Variable.backward: nothing requires a gradient",
                    "a variable of shape " + shape().str() + " that depends on no such leaf",
                    "a leaf made with requires_grad, used outside of NoGrad",
                    "build the leaf with Variable(tensor, true)");
    if (!seed.defined() || seed.shape() != shape() || seed.device() != value().device())
        throw Error("Variable.backward: the seed does not fit",
                    seed.defined() ? "a seed of shape " + seed.shape().str() + " on " +
                                         std::string(name_of(seed.device()))
                                   : "an undefined seed",
                    "shape " + shape().str() + " on " + std::string(name_of(value().device())) +
                        ", as the variable",
                    "the seed is dL/dy, one number for each of y");
    for (const typename Node<T>::Ptr& leaf :
         carry_back<T>(node(), seed, options.retain_graph, false))
        leaf->keep_arrived();
}

template <class T>
std::vector<Variable<T>> grad(const Variable<T>& y, const std::vector<Variable<T>>& xs,
                              GradOptions options) {
    const auto refuse = [&](const char* what, const Variable<T>& of, const char* needs,
                            const char* hint) {
        throw Error(std::string("grad: ") + what, "a variable of shape " + of.shape().str(), needs,
                    hint);
    };
    if (y.value().size() != 1)
        refuse("a gradient of many numbers at once", y, "one element",
               "weigh them by dL/dy: grad(sum(y * seed), xs)");
    if (!y.requires_grad())
        refuse("nothing requires a gradient", y, "a variable computed from a leaf that does",
               options.create_graph ? "build the leaf with Variable(tensor, true)"
                                    : "gradients of gradients need {.create_graph = true}");
    for (const Variable<T>& x : xs)
        if (!x.node()->is_leaf() || !x.requires_grad())
            refuse("no such leaf", x, "leaves that require a gradient",
                   "build the leaf with Variable(tensor, true)");
    const Tensor<T> seed = Tensor<T>::full(y.shape(), T{1}, y.value().device());
    const NodeList<T> leaves = carry_back<T>(
        y.node(), seed, options.retain_graph || options.create_graph, options.create_graph);
    std::vector<Variable<T>> gradients;
    for (const Variable<T>& x : xs) gradients.push_back(x.node()->arrived);
    for (const typename Node<T>::Ptr& leaf : leaves) leaf->arrived = {};
    for (std::size_t i = 0; i < xs.size(); ++i)
        if (!gradients[i].defined())
            gradients[i] = Variable<T>(Tensor<T>::zeros(xs[i].shape(), xs[i].value().device()));
    return gradients;
}

template class Variable<float>;
template class Variable<double>;
template std::vector<Variable<float>> grad(const Variable<float>&,
                                           const std::vector<Variable<float>>&, GradOptions);
template std::vector<Variable<double>> grad(const Variable<double>&,
                                            const std::vector<Variable<double>>&, GradOptions);

NoGrad::NoGrad() : was_recording_(recording_here) {
    recording_here = false;
}

NoGrad::~NoGrad() {
    recording_here = was_recording_;
}

}  // namespace handgrad
