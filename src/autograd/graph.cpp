#include "autograd/graph.h"

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
std::vector<GraphNode> graph_of(const Variable<T>& y,
                                const std::vector<std::pair<std::string, Variable<T>>>& names) {
    std::unordered_map<const Node<T>*, std::string> name_of;
    for (const auto& [name, variable] : names) name_of[variable.node().get()] = name + "\n";

    std::vector<const Node<T>*> nodes = {y.node().get()};
    std::unordered_set<const Node<T>*> seen(nodes.begin(), nodes.end());
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const auto& input : nodes[i]->inputs)
            if (seen.insert(input.node.get()).second) nodes.push_back(input.node.get());
    // In the order in which they were made: the same program, the same text.
    std::sort(nodes.begin(), nodes.end(), [](auto a, auto b) { return a->number < b->number; });
    std::unordered_map<const Node<T>*, std::size_t> place;
    for (std::size_t i = 0; i < nodes.size(); ++i) place[nodes[i]] = i;

    std::vector<GraphNode> graph;
    for (const Node<T>* node : nodes) {
        const auto name = name_of.find(node);
        GraphNode drawn{name == name_of.end() ? "" : name->second,
                        !node->is_leaf()      ? NodeForm::oval
                        : node->requires_grad ? NodeForm::box
                                              : NodeForm::plain,
                        {}};
        if (!node->is_leaf()) drawn.label.append(node->operation).append("\n");
        drawn.label += node->value.shape().str();
        for (const auto& input : node->inputs) drawn.inputs.push_back(place[input.node.get()]);
        graph.push_back(drawn);
    }
    return graph;
}

std::string graph_dot(const std::vector<GraphNode>& graph) {
    std::string text = "digraph {\n    rankdir=BT\n";
    for (std::size_t i = 0; i < graph.size(); ++i) {
        const std::string id = "n" + std::to_string(i);
        const NodeForm form = graph[i].form;
        const char* shape = form == NodeForm::oval  ? "oval"
                            : form == NodeForm::box ? "box"
                                                    : "plaintext";
        text += "    " + id + " [shape=" + shape + ", label=" + quoted(graph[i].label) + "]\n";
        for (const std::size_t input : graph[i].inputs)
            text.append("    n").append(std::to_string(input)).append(" -> " + id + "\n");
    }
    return text + "}\n";
}

template std::vector<GraphNode> graph_of(
    const Variable<float>&, const std::vector<std::pair<std::string, Variable<float>>>&);
template std::vector<GraphNode> graph_of(
    const Variable<double>&, const std::vector<std::pair<std::string, Variable<double>>>&);

}  // namespace handgrad
