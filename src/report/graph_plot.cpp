#include "report/graph_plot.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "core/text.h"
#include "report/gnuplot.h"

// In layers, after Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
// system structures", 1981: an edge that passes over layers gets a corner in each of them, layers
// are sorted again and again by the mean place of each node's neighbours, so that few edges cross,
// and then the nodes move up and down towards their neighbours, as far as they do not overlap.

namespace handgrad {
namespace {

/// Where a node stands, or a corner of an edge.
struct Place {
    std::size_t layer = 0;
    double y = 0;                           // downwards, in rows
    double weight = 4;                      // leaves, which are light, make way for the others
    std::vector<std::size_t> near_by = {};  // neighbours in the layers beside its own
};

using Layer = std::vector<std::size_t>;  // places from top to bottom

struct Layout {
    std::vector<Place> places;  // of the nodes, then of the corners
    std::vector<Layer> layers;
    std::vector<std::vector<std::size_t>> edges;  // of all inputs of all nodes in turn, as places
};

Layout in_layers(const std::vector<GraphNode>& nodes) {
    Layout layout;
    auto& places = layout.places;
    places.resize(nodes.size());
    std::vector<std::size_t> first_use(nodes.size(), 0);  // its layer; 0: none
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].inputs.empty()) places[i].weight = 1;
        for (const std::size_t input : nodes[i].inputs)
            places[i].layer = std::max(places[i].layer, places[input].layer + 1);
        for (const std::size_t input : nodes[i].inputs)
            if (first_use[input] == 0 || first_use[input] > places[i].layer)
                first_use[input] = places[i].layer;
    }
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (nodes[i].inputs.empty() && first_use[i] > 0) places[i].layer = first_use[i] - 1;

    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const std::size_t input : nodes[i].inputs) {
            std::vector<std::size_t> edge = {input};
            for (std::size_t layer = places[input].layer + 1; layer < places[i].layer; ++layer) {
                edge.push_back(places.size());
                places.push_back({.layer = layer});
            }
            edge.push_back(i);
            for (std::size_t k = 1; k < edge.size(); ++k) {
                places[edge[k - 1]].near_by.push_back(edge[k]);
                places[edge[k]].near_by.push_back(edge[k - 1]);
            }
            layout.edges.push_back(edge);
        }
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (layout.layers.size() <= places[i].layer) layout.layers.resize(places[i].layer + 1);
        layout.layers[places[i].layer].push_back(i);
    }
    return layout;
}

/// The mean of its neighbours' y.
double wish(const Layout& layout, std::size_t i) {
    double sum = 0, weight = 0;
    for (const std::size_t other : layout.places[i].near_by) {
        sum += layout.places[other].weight * layout.places[other].y;
        weight += layout.places[other].weight;
    }
    return weight > 0 ? sum / weight : layout.places[i].y;
}

/// Moves the places of a layer as near to their wishes as can be at one row from each other or
/// more: least squares, where those that would overlap move as one block.
void settle(Layout& layout, const Layer& layer) {
    struct Block {
        double sum, weight;
        std::size_t size;
        [[nodiscard]] double mean() const { return sum / weight; }
    };
    std::vector<Block> blocks;
    for (std::size_t k = 0; k < layer.size(); ++k) {
        const double weight = layout.places[layer[k]].weight;
        blocks.push_back({weight * (wish(layout, layer[k]) - static_cast<double>(k)), weight, 1});
        while (blocks.size() > 1 && blocks[blocks.size() - 2].mean() >= blocks.back().mean()) {
            const Block last = blocks.back();
            blocks.pop_back();
            blocks.back().sum += last.sum;
            blocks.back().weight += last.weight;
            blocks.back().size += last.size;
        }
    }
    std::size_t k = 0;
    for (const Block& block : blocks)
        for (std::size_t i = 0; i < block.size; ++i, ++k)
            layout.places[layer[k]].y = block.mean() + static_cast<double>(k);
}

void arrange(Layout& layout) {
    for (const Layer& layer : layout.layers)
        for (std::size_t k = 0; k < layer.size(); ++k)
            layout.places[layer[k]].y =
                static_cast<double>(k) - static_cast<double>(layer.size() - 1) / 2;
    for (int sweep = 0; sweep < 24; ++sweep)
        for (std::size_t i = 0; i < layout.layers.size(); ++i) {
            // From the left and from the right in turn.
            Layer& layer = layout.layers[sweep % 2 ? layout.layers.size() - 1 - i : i];
            if (sweep < 12)
                std::stable_sort(layer.begin(), layer.end(), [&](std::size_t a, std::size_t b) {
                    return wish(layout, a) < wish(layout, b);
                });
            settle(layout, layer);
        }
}

}  // namespace

GraphPlot::operator Drawing() const {
    if (nodes.empty()) throw Error("GraphPlot", "no nodes", "at least one");
    std::size_t most_lines = 1;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const auto ends = std::count(nodes[i].label.begin(), nodes[i].label.end(), '\n');
        most_lines = std::max(most_lines, static_cast<std::size_t>(ends) + 1);
        for (const std::size_t input : nodes[i].inputs)
            if (input >= i)
                throw Error("GraphPlot: an input does not come first",
                            format("node %zu with input %zu", i, input),
                            "inputs before their node");
    }
    Layout layout = in_layers(nodes);
    arrange(layout);
    double top = 0, bottom = 0;
    for (const Place& place : layout.places) {
        top = std::min(top, place.y);
        bottom = std::max(bottom, place.y);
    }

    // In pixels from here on, y upwards.
    const double column = 1200 / static_cast<double>(layout.layers.size());
    const double font = std::clamp(column / 8, 9.0, 18.0), line = 1.6 * font;
    const double half_width = std::min(0.38 * column, 110.0);
    const double half_height = line * static_cast<double>(most_lines) / 2 + 10;
    const double row = 2 * half_height + 24;
    const auto x_of = [&](std::size_t i) {
        return (static_cast<double>(layout.places[i].layer) + 0.5) * column;
    };
    const auto y_of = [&](std::size_t i) { return -layout.places[i].y * row; };
    // How far a node reaches to its sides at `y` from its middle.
    const auto reach = [&](std::size_t i, double y) {
        if (i >= nodes.size()) return 0.0;  // a corner
        if (nodes[i].form == NodeForm::plain) return 0.6 * half_width;
        const double share = y / half_height;
        return nodes[i].form == NodeForm::box ? half_width
                                              : half_width * std::sqrt(1 - share * share);
    };

    const double height = (bottom - top + 1) * row;
    const int title_height = 60;
    Drawing drawing{"set title " + gnuplot::quoted(title) + " font ',20'\n", 1200,
                    static_cast<int>(height) + title_height};
    drawing.script +=
        "unset border\nunset tics\nunset key\nunset grid\n"
        "set lmargin at screen 0\nset rmargin at screen 1\nset bmargin at screen 0\n" +
        format("set tmargin at screen %.4f\n", height / (height + title_height)) +
        format("set xrange [0:1200]\nset yrange [%.1f:%.1f]\n", (-bottom - 0.5) * row,
               (-top + 0.5) * row);
    std::size_t first_edge = 0;
    for (const GraphNode& node : nodes) {
        // Arrows arrive below one another in the order in which they come, so that none cross, and
        // an input that comes twice is seen twice.
        std::vector<std::size_t> arriving(node.inputs.size());
        for (std::size_t k = 0; k < arriving.size(); ++k) arriving[k] = first_edge + k;
        first_edge += arriving.size();
        const auto from_above = [&](std::size_t a, std::size_t b) {
            const auto before_last = [&](std::size_t edge) {
                return layout.places[layout.edges[edge][layout.edges[edge].size() - 2]].y;
            };
            return before_last(a) < before_last(b);
        };
        std::stable_sort(arriving.begin(), arriving.end(), from_above);
        for (std::size_t k = 0; k < arriving.size(); ++k) {
            const std::vector<std::size_t>& edge = layout.edges[arriving[k]];
            const double apart = half_height * (0.5 - static_cast<double>(k + 1) /
                                                          static_cast<double>(arriving.size() + 1));
            const bool repeated =
                std::count(node.inputs.begin(), node.inputs.end(), edge.front()) > 1;
            for (std::size_t i = 1; i < edge.size(); ++i) {
                const std::size_t from = edge[i - 1], to = edge[i];
                const bool last = i + 1 == edge.size();
                const double leave = i == 1 && repeated ? apart : 0, arrive = last ? apart : 0;
                drawing.script += format("set arrow from %.1f,%.1f to %.1f,%.1f %s",
                                         x_of(from) + reach(from, leave), y_of(from) + leave,
                                         x_of(to) - reach(to, arrive), y_of(to) + arrive,
                                         last ? "head filled size 10,18" : "nohead") +
                                  " linecolor '#555555' linewidth 1.5\n";
            }
        }
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].form != NodeForm::plain)
            drawing.script +=
                format("set object %s center %.1f,%.1f size %.1f,%.1f fillcolor rgb '%s'",
                       nodes[i].form == NodeForm::oval ? "ellipse" : "rectangle", x_of(i), y_of(i),
                       2 * half_width, 2 * half_height,
                       nodes[i].form == NodeForm::oval ? "#ffffff" : "#fdf0e0") +
                " fillstyle solid border linecolor '" + gnuplot::color(0) + "' linewidth 2\n";
        std::istringstream label(nodes[i].label);
        std::vector<std::string> lines;
        for (std::string text; std::getline(label, text);) lines.push_back(text);
        for (std::size_t k = 0; k < lines.size(); ++k)
            drawing.script += "set label " + gnuplot::quoted(lines[k]) +
                              format(" at %.1f,%.1f center font ',%.0f'\n", x_of(i),
                                     y_of(i) + line * (static_cast<double>(lines.size() - 1) / 2 -
                                                       static_cast<double>(k)),
                                     font);
    }
    drawing.script += "plot NaN notitle\n";
    return drawing;
}

}  // namespace handgrad
