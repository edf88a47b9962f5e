#include "report/graph_plot.h"

#include <algorithm>
#include <sstream>

#include "core/error.h"
#include "core/text.h"
#include "report/gnuplot.h"

// In layers, after Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
// system structures", 1981: an edge that passes over layers gets a corner in each of them, and
// layers are sorted again and again by the mean place of each node's neighbours, so that few edges
// cross.

namespace handgrad {
namespace {

struct Place {
    std::size_t layer = 0;
    double y = 0;                          // downwards, in rows
    std::vector<std::size_t> left, right;  // neighbours in the next layers
};

struct Layout {
    std::vector<Place> places;                     // of the nodes, then of the corners of edges
    std::vector<std::vector<std::size_t>> layers;  // places from top to bottom
    std::vector<std::vector<std::size_t>> edges;   // of all inputs of all nodes in turn, as places
};

Layout in_layers(const std::vector<GraphNode>& nodes) {
    Layout layout;
    auto& places = layout.places;
    places.resize(nodes.size());
    std::vector<std::size_t> first_use(nodes.size(), nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const std::size_t input : nodes[i].inputs)
            places[i].layer = std::max(places[i].layer, places[input].layer + 1);
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const std::size_t input : nodes[i].inputs)
            first_use[input] = std::min(first_use[input], places[i].layer);
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (nodes[i].inputs.empty() && first_use[i] < nodes.size())
            places[i].layer = first_use[i] - 1;

    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const std::size_t input : nodes[i].inputs) {
            std::vector<std::size_t> edge = {input};
            for (std::size_t layer = places[input].layer + 1; layer < places[i].layer; ++layer) {
                edge.push_back(places.size());
                places.push_back({layer, 0, {}, {}});
            }
            edge.push_back(i);
            for (std::size_t k = 1; k < edge.size(); ++k) {
                places[edge[k - 1]].right.push_back(edge[k]);
                places[edge[k]].left.push_back(edge[k - 1]);
            }
            layout.edges.push_back(edge);
        }
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (layout.layers.size() <= places[i].layer) layout.layers.resize(places[i].layer + 1);
        layout.layers[places[i].layer].push_back(i);
    }
    return layout;
}

/// Puts the places of a layer one row apart, around the middle.
void spread(Layout& layout, const std::vector<std::size_t>& layer) {
    for (std::size_t k = 0; k < layer.size(); ++k)
        layout.places[layer[k]].y =
            static_cast<double>(k) - static_cast<double>(layer.size() - 1) / 2;
}

void untangle(Layout& layout) {
    const auto sort_by = [&](std::vector<std::size_t>& layer, auto neighbours) {
        const auto wish = [&](std::size_t place) {
            const std::vector<std::size_t>& near = layout.places[place].*neighbours;
            if (near.empty()) return layout.places[place].y;
            double sum = 0;
            for (const std::size_t other : near) sum += layout.places[other].y;
            return sum / static_cast<double>(near.size());
        };
        std::stable_sort(layer.begin(), layer.end(),
                         [&](std::size_t a, std::size_t b) { return wish(a) < wish(b); });
        spread(layout, layer);
    };
    for (const auto& layer : layout.layers) spread(layout, layer);
    for (int sweep = 0; sweep < 8; ++sweep) {
        for (auto& layer : layout.layers) sort_by(layer, &Place::left);
        for (std::size_t i = layout.layers.size(); i-- > 0;)
            sort_by(layout.layers[i], &Place::right);
    }
}

std::string at(double x, double y) {
    return format("%.4f,%.4f", x, -y);
}

}  // namespace

GraphPlot::operator Drawing() const {
    if (nodes.empty()) throw Error("GraphPlot", "no nodes", "at least one");
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const std::size_t input : nodes[i].inputs)
            if (input >= i)
                throw Error("GraphPlot: an input does not come first",
                            format("node %zu with input %zu", i, input),
                            "inputs before their node");

    Layout layout = in_layers(nodes);
    untangle(layout);
    std::size_t rows = 0;
    for (const auto& layer : layout.layers) rows = std::max(rows, layer.size());
    const double columns = static_cast<double>(layout.layers.size());
    const double half_width = 0.38, half_height = 0.32;
    const int font = std::clamp(static_cast<int>(150 / columns), 9, 18);

    Drawing drawing{"set title " + gnuplot::quoted(title) + "\n", 1200,
                    static_cast<int>(110 * rows) + 90};
    drawing.script += "unset border\nunset tics\nunset key\nunset grid\nset margins 1,1,1,3\n" +
                      format("set xrange [-0.5:%.1f]\nset yrange [%.2f:%.2f]\n", columns - 0.5,
                             -static_cast<double>(rows) / 2, static_cast<double>(rows) / 2);
    std::size_t edge = 0;
    for (const GraphNode& node : nodes)
        for (std::size_t k = 0; k < node.inputs.size(); ++k, ++edge) {
            const std::vector<std::size_t>& way = layout.edges[edge];
            for (std::size_t i = 1; i < way.size(); ++i) {
                const Place &from = layout.places[way[i - 1]], &to = layout.places[way[i]];
                const bool last = i + 1 == way.size();
                // Several inputs arrive one below the other, so that one that comes twice is seen.
                const double apart =
                    (static_cast<double>(k + 1) / static_cast<double>(node.inputs.size() + 1) -
                     0.5) *
                    half_height;
                drawing.script += "set arrow from " +
                                  at(static_cast<double>(from.layer) + (i == 1 ? half_width : 0),
                                     from.y + (i == 1 ? apart / 2 : 0)) +
                                  " to " +
                                  at(static_cast<double>(to.layer) - (last ? half_width : 0),
                                     to.y + (last ? apart : 0)) +
                                  (last ? " head filled size screen 0.009,18" : " nohead") +
                                  " linecolor '#555555' linewidth 1.5\n";
            }
        }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const Place& place = layout.places[i];
        const std::string center = at(static_cast<double>(place.layer), place.y);
        const std::string size = format(" size %.2f,%.2f", 2 * half_width, 2 * half_height);
        const std::string style =
            " fillstyle solid border linecolor '" + gnuplot::color(0) + "' linewidth 2\n";
        if (nodes[i].form == NodeForm::oval)
            drawing.script +=
                "set object ellipse center " + center + size + " fillcolor rgb '#ffffff'" + style;
        if (nodes[i].form == NodeForm::box)
            drawing.script +=
                "set object rectangle center " + center + size + " fillcolor rgb '#fdf0e0'" + style;
        std::istringstream label(nodes[i].label);
        std::vector<std::string> lines;
        for (std::string line; std::getline(label, line);) lines.push_back(line);
        for (std::size_t k = 0; k < lines.size(); ++k)
            drawing.script += "set label " + gnuplot::quoted(lines[k]) + " at " +
                              at(static_cast<double>(place.layer),
                                 place.y + 0.24 * (static_cast<double>(k) -
                                                   static_cast<double>(lines.size() - 1) / 2)) +
                              format(" center font ',%d'\n", font);
    }
    drawing.script += "plot NaN notitle\n";
    return drawing;
}

}  // namespace handgrad
