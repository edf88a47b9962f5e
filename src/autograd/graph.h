// The graph behind a variable, to look at.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.h"
#include "report/graph_plot.h"

namespace handgrad {

/// The operations and leaves that `y` was computed from, in the order in which they were made, and
/// y. Operations are ovals, leaves that require a gradient are boxes, other leaves are plain text;
/// each stands with its shape, and with its name where `names` gives one. To be called before
/// backward frees the graph.
template <class T>
std::vector<GraphNode> graph_of(const Variable<T>& y,
                                const std::vector<std::pair<std::string, Variable<T>>>& names = {});

/// A graph in Graphviz' language; `dot -Tsvg` draws it.
std::string graph_dot(const std::vector<GraphNode>& graph);

}  // namespace handgrad
