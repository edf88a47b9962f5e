#include "autograd/graph_dot.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "autograd/node.h"

namespace handgrad {
namespace {

std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        if (c == '\n')
            result += "\\n";
        else
            result += c;
    }
    return result + '"';
}

}  // namespace

template <class T>
std::string graph_dot(const Variable<T>& y,
                      const std::vector<std::pair<std::string, Variable<T>>>& names) {
    std::unordered_map<const Node<T>*, std::string> name_of;
    for (const auto& [name, variable] : names) name_of[variable.node().get()] = name + "\n";

    std::vector<const Node<T>*> nodes = {y.node().get()};
    std::unordered_set<const Node<T>*> seen(nodes.begin(), nodes.end());
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const auto& input : nodes[i]->inputs)
            if (seen.insert(input.get()).second) nodes.push_back(input.get());
    // In the order in which they were made, and counted from 0: the same program, the same text.
    std::sort(nodes.begin(), nodes.end(), [](auto a, auto b) { return a->number < b->number; });
    std::unordered_map<const Node<T>*, std::string> id;
    for (std::size_t i = 0; i < nodes.size(); ++i)
        id[nodes[i]].append("n").append(std::to_string(i));

    std::string text = "digraph {\n    rankdir=BT\n";
    for (const Node<T>* node : nodes) {
        const char* form = !node->is_leaf() ? "oval" : node->requires_grad ? "box" : "plaintext";
        const auto name = name_of.find(node);
        std::string label = name == name_of.end() ? "" : name->second;
        if (!node->is_leaf()) label.append(node->operation).append("\n");
        label += node->value.shape().str();
        text += "    " + id[node] + " [shape=" + form + ", label=" + quoted(label) + "]\n";
        for (const auto& input : node->inputs)
            text += "    " + id[input.get()] + " -> " + id[node] + "\n";
    }
    return text + "}\n";
}

template std::string graph_dot(const Variable<float>&,
                               const std::vector<std::pair<std::string, Variable<float>>>&);
template std::string graph_dot(const Variable<double>&,
                               const std::vector<std::pair<std::string, Variable<double>>>&);

}  // namespace handgrad
