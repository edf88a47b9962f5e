#include "autograd/graph.h"

#include "autograd/operations.h"
#include "catch.h"

using namespace handgrad;

TEST_CASE("a graph is written for Graphviz", "[autograd]") {
    const Variable<float> x(Tensor<float>::zeros({16, 4})), w(Tensor<float>::zeros({3, 4}), true);
    const Variable<float> y = matmul(x, w, Trans::no, Trans::yes);
    const Variable<float> loss = mean(y * y);
    const std::string expected = R"dot(digraph {
    rankdir=BT
    n0 [shape=plaintext, label="x\n(16, 4)"]
    n1 [shape=box, label="the \"weight\"\n(3, 4)"]
    n2 [shape=oval, label="matmul\n(16, 3)"]
    n0 -> n2
    n1 -> n2
    n3 [shape=oval, label="mul\n(16, 3)"]
    n2 -> n3
    n2 -> n3
    n4 [shape=oval, label="mean\n()"]
    n3 -> n4
}
)dot";
    REQUIRE(graph_dot(graph_of(loss, {{"x", x}, {"the \"weight\"", w}})) == expected);
    REQUIRE(graph_dot(graph_of(x)) ==
            "digraph {\n    rankdir=BT\n    n0 [shape=plaintext, label=\"(16, 4)\"]\n}\n");
}
