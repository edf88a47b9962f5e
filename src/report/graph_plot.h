// Graphs of a computation, drawn by gnuplot.
#pragma once

#include <string>
#include <vector>

#include "report/drawing.h"

namespace handgrad {

/// What a node of a graph looks like: an operation, a leaf that is trained, another leaf.
enum class NodeForm : std::uint8_t { oval, box, plain };

struct GraphNode {
    std::string label;  // may have several lines
    NodeForm form = NodeForm::oval;
    std::vector<std::size_t> inputs;  // places in the list, all before its own; one may come twice
};

/// Nodes from left to right: each right of its inputs, and of leaves as near to their use as can
/// be. Meant for graphs of a few dozen nodes; Graphviz draws larger ones (autograd/graph.h).
struct GraphPlot {
    std::string title = {};
    std::vector<GraphNode> nodes = {};

    /// Throws Error where there is no node, or an input does not come before its node.
    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

}  // namespace handgrad
