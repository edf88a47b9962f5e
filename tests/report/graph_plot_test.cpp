#include "report/graph_plot.h"

#include <cstdlib>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "temp_dir.h"

using namespace handgrad;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++n;
    return n;
}

/// Where the label stands.
std::pair<double, double> place_of(const std::string& script, const std::string& label) {
    const std::string start = "set label '" + label + "' at ";
    const std::size_t at = script.find(start);
    REQUIRE(at != std::string::npos);
    char* end = nullptr;
    const double x = std::strtod(script.c_str() + at + start.size(), &end);
    return {x, std::strtod(end + 1, nullptr)};
}

}  // namespace

TEST_CASE("a node stands right of its inputs, a leaf just left of its first use", "[report]") {
    const GraphPlot plot{.nodes = {{"x", NodeForm::plain, {}},
                                   {"late", NodeForm::box, {}},
                                   {"f", NodeForm::oval, {0}},
                                   {"g", NodeForm::oval, {2}},
                                   {"h", NodeForm::oval, {3, 1}}}};
    const std::string script = Drawing(plot).script;
    std::vector<double> x;
    for (const char* name : {"x", "late", "f", "g", "h"}) x.push_back(place_of(script, name).first);
    REQUIRE(x[0] < x[2]);
    REQUIRE(x[2] < x[3]);
    REQUIRE(x[3] < x[4]);
    REQUIRE(x[1] == x[3]);
    REQUIRE(count(script, "head filled") == 4);
    REQUIRE(count(script, "set object ellipse") == 3);
    REQUIRE(count(script, "set object rectangle") == 1);
}

TEST_CASE("an input that comes twice has two arrows", "[report]") {
    const GraphPlot plot{.nodes = {{"a", NodeForm::box, {}}, {"b", NodeForm::oval, {0, 0}}}};
    REQUIRE(count(Drawing(plot).script, "head filled") == 2);
}

TEST_CASE("an edge that passes over layers goes around their nodes", "[report]") {
    // h takes x itself, and x by way of f and g.
    const GraphPlot plot{.nodes = {{"x", NodeForm::box, {}},
                                   {"f", NodeForm::oval, {0}},
                                   {"g", NodeForm::oval, {1}},
                                   {"h", NodeForm::oval, {0, 2}}}};
    const Drawing drawing = plot;
    REQUIRE(count(drawing.script, "nohead") == 2);
    REQUIRE(count(drawing.script, "head filled") == 4);
    // Two rows: higher than a chain of one.
    const Drawing chain =
        GraphPlot{.nodes = {{"x", NodeForm::box, {}}, {"f", NodeForm::oval, {0}}}};
    REQUIRE(drawing.height > chain.height + 40);
}

TEST_CASE("edges do not cross where they need not", "[report]") {
    const GraphPlot plot{.nodes = {{"a", NodeForm::box, {}},
                                   {"b", NodeForm::box, {}},
                                   {"of_b", NodeForm::oval, {1}},
                                   {"of_a", NodeForm::oval, {0}},
                                   {"both", NodeForm::oval, {2, 3}}}};
    const std::string script = Drawing(plot).script;
    const auto y = [&](const char* label) { return place_of(script, label).second; };
    REQUIRE((y("a") - y("b")) * (y("of_a") - y("of_b")) > 0);
}

TEST_CASE("nodes of one layer do not overlap", "[report]") {
    GraphPlot plot;
    for (int i = 0; i < 7; ++i)
        plot.nodes.push_back({"leaf" + std::to_string(i), NodeForm::box, {}});
    plot.nodes.push_back({"sum", NodeForm::oval, {0, 1, 2, 3, 4, 5, 6}});
    const std::string script = Drawing(plot).script;
    for (int i = 0; i < 7; ++i)
        for (int j = 0; j < i; ++j)
            REQUIRE(std::abs(place_of(script, "leaf" + std::to_string(i)).second -
                             place_of(script, "leaf" + std::to_string(j)).second) > 40);
}

TEST_CASE("a graph without nodes, or with an input that comes late, is refused", "[report]") {
    REQUIRE_THROWS_AS(Drawing(GraphPlot{}), Error);
    const GraphPlot late{.nodes = {{"a", NodeForm::oval, {1}}, {"b", NodeForm::box, {}}}};
    REQUIRE_THROWS_AS(Drawing(late), Error);
    const GraphPlot itself{.nodes = {{"a", NodeForm::oval, {0}}}};
    REQUIRE_THROWS_AS(Drawing(itself), Error);
}

TEST_CASE("the real gnuplot draws a graph, whatever its labels hold", "[report]") {
    if (std::system("gnuplot --version > /dev/null 2>&1") != 0) return;
    const TempDir dir;
    const GraphPlot plot{.title = "it's",
                         .nodes = {{"", NodeForm::plain, {}},
                                   {"it's\n`date`\n\\n", NodeForm::box, {}},
                                   {"mul\n(2, 3)", NodeForm::oval, {0, 1, 1}}}};
    REQUIRE(draw(plot, dir / "graph.png"));
    REQUIRE(read_file(dir / "graph.png").size() > 1000);
    REQUIRE(draw(plot, dir / "graph.svg"));
}
