#include "autograd/variable.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "autograd/node.h"
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

/// The operations that `root` was computed through, each one after all of its inputs. An input is
/// always older than what is computed from it, so the order of creation will do.
template <class T>
NodeList<T> operations_behind(const typename Node<T>::Ptr& root) {
    const std::uint64_t visit = next_number();
    NodeList<T> nodes;
    nodes.reserve(64);
    const auto add = [&](const typename Node<T>::Ptr& node) {
        if (node->is_leaf() || !node->requires_grad || node->last_visit == visit) return;
        node->last_visit = visit;
        nodes.push_back(node);
    };
    add(root);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const Node<T>& node = *nodes[i];  // `nodes` may move as it grows, the node stays
        for (const typename Node<T>::Ptr& input : node.inputs) add(input);
    }
    std::sort(nodes.begin(), nodes.end(),
              [](const auto& a, const auto& b) { return a->number < b->number; });
    return nodes;
}

template <class T>
void run_backward(const typename Node<T>::Ptr& root, const Tensor<T>& seed, bool retain_graph) {
    NodeList<T> nodes = operations_behind<T>(root);
    for (const typename Node<T>::Ptr& node : nodes)
        if (node->freed)
            throw Error("Variable.backward: a part of the graph was freed",
                        std::string("a second backward through ") + node->operation +
                            ", whose result has shape " + node->value.shape().str(),
                        "a graph that no backward has gone through",
                        "run the forward pass again, or pass {.retain_graph = true} to the first "
                        "backward");
    root->receive(seed);
    try {
        // The last node has all of its gradient: whatever was computed from it came later.
        while (!nodes.empty()) {
            Node<T>& node = *nodes.back();
            const Tensor<T> dy = std::exchange(node.grad, {});
            if (dy.defined()) node.run_backward(dy);
            if (!retain_graph) node.free_inputs();
            nodes.pop_back();
        }
    } catch (...) {
        for (const typename Node<T>::Ptr& node : nodes) node->grad = {};
        throw;
    }
}

}  // namespace

// ---- nodes --------------------------------------------------------------------------------------

bool recording() {
    return recording_here;
}

template <class T>
Node<T>::Node(const char* name, Tensor<T> x, bool wanted)
    : operation(name), value(std::move(x)), requires_grad(wanted), number(next_number()) {}

template <class T>
void Node<T>::receive(Tensor<T> gradient) {
    if (!requires_grad) return;
    if (gradient.shape() != value.shape())
        throw Error("Variable.backward: a rule gave a gradient that does not fit",
                    "shape " + gradient.shape().str(),
                    "shape " + value.shape().str() + ", that of the operation's input");
    // An operation may hand one tensor to several inputs, and a caller holds the seed. So memory
    // that others see is not written to, and a leaf, whose gradient the caller will see, gets its
    // own from the start.
    if (!grad.defined())
        grad = is_leaf() && gradient.shared() ? gradient.clone() : std::move(gradient);
    else if (!is_leaf() && grad.shared())
        grad = grad + gradient;
    else
        grad += gradient;
}

template <class T>
void Node<T>::give_sum(std::size_t i, const Tensor<T>& gradient) {
    give(i, sum_to(gradient, input(i).shape()));
}

template <class T>
void Node<T>::drop_inputs() {
    // If destroying a node destroyed its inputs, and they theirs, a long chain would overflow the
    // stack. Here a node is only destroyed after its inputs have been moved to the list.
    NodeList<T> dying;
    const auto drop = [&](Ptr& input) {
        if (input.use_count() == 1 && !input->inputs.empty()) dying.push_back(std::move(input));
        input.reset();
    };
    for (Ptr& input : std::exchange(inputs, {})) drop(input);
    while (!dying.empty()) {
        const Ptr node = std::move(dying.back());
        dying.pop_back();
        for (Ptr& input : std::exchange(node->inputs, {})) drop(input);
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
    run_backward<T>(node(), seed, options.retain_graph);
}

template class Variable<float>;
template class Variable<double>;

NoGrad::NoGrad() : was_recording_(recording_here) {
    recording_here = false;
}

NoGrad::~NoGrad() {
    recording_here = was_recording_;
}

}  // namespace handgrad
