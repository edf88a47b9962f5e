// A tape of our own: reverse-mode differentiation of single numbers.
//
// Every operation computes its value and notes its inputs, with the slope towards each. backward
// follows these notes from the result to what it was computed from.
#pragma once

#include <cmath>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

namespace handgrad {

/// A number on the tape: what it is, what it was computed from, and how it changes with each.
struct Entry {
    double value;
    struct Input {
        std::shared_ptr<Entry> entry;
        double slope;  // dvalue/dinput
    };
    std::vector<Input> inputs = {};
    double grad = 0;
};

class Number {
  public:
    Number(double value) : Number(value, {}) {}  // NOLINT(google-explicit-constructor)
    Number(double value, std::vector<Entry::Input> inputs)
        : entry(std::make_shared<Entry>(Entry{value, std::move(inputs)})) {}
    [[nodiscard]] double value() const { return entry->value; }
    [[nodiscard]] double grad() const { return entry->grad; }

    std::shared_ptr<Entry> entry;
};

inline Number operator+(const Number& a, const Number& b) {
    return {a.value() + b.value(), {{a.entry, 1}, {b.entry, 1}}};
}
inline Number operator-(const Number& a, const Number& b) {
    return {a.value() - b.value(), {{a.entry, 1}, {b.entry, -1}}};
}
inline Number operator*(const Number& a, const Number& b) {
    return {a.value() * b.value(), {{a.entry, b.value()}, {b.entry, a.value()}}};
}
inline Number tanh(const Number& x) {
    const double y = std::tanh(x.value());
    return {y, {{x.entry, 1 - y * y}}};
}

/// Every entry that y was computed from, inputs before their results, y last.
inline std::vector<Entry*> inputs_first(const Number& y) {
    std::vector<Entry*> order;
    std::unordered_set<Entry*> seen = {y.entry.get()};
    struct Visit {
        Entry* entry;
        std::size_t next;  // of its inputs
    };
    std::vector<Visit> stack = {{y.entry.get(), 0}};  // not recursion, which deep graphs overflow
    while (!stack.empty()) {
        auto& [entry, next] = stack.back();
        if (next == entry->inputs.size()) {
            order.push_back(entry);
            stack.pop_back();
        } else if (Entry* input = entry->inputs[next++].entry.get(); seen.insert(input).second) {
            stack.push_back({input, 0});
        }
    }
    return order;
}

/// Adds dy/dx to the gradient of every x that y was computed from.
inline void backward(const Number& y) {
    const std::vector<Entry*> order = inputs_first(y);
    y.entry->grad += 1;
    for (std::size_t i = order.size(); i-- > 0;)  // results first: each gradient is complete
        for (const auto& [input, slope] : order[i]->inputs) input->grad += slope * order[i]->grad;
}

}  // namespace handgrad
