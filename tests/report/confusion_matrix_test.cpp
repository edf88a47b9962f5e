#include "report/confusion_matrix.h"

#include "catch.h"
#include "core/error.h"
#include "report/fake_gnuplot.h"

using namespace handgrad;

TEST_CASE("a confusion matrix has its counts in their squares", "[confusion_matrix]") {
    const ConfusionMatrix matrix{.classes = {"cat", "it's"},
                                 .counts = Tensor<Index>::from({2, 2}, {9, 1, 0, 5})};
    // x is what was predicted, y what is true.
    REQUIRE_THAT(Drawing(matrix).script,
                 ContainsSubstring("$dark << END\n1 0 1\nEND\n") &&
                     ContainsSubstring("$light << END\n0 0 9\n1 1 5\nEND\n") &&
                     ContainsSubstring("\n0 1 16777215\n") && ContainsSubstring("'it''s' 1"));
    REQUIRE_THROWS_WITH(Drawing(ConfusionMatrix{.classes = {"a"}, .counts = matrix.counts}),
                        ContainsSubstring("(2, 2)") && ContainsSubstring("(1, 1)"));
    REQUIRE_THROWS_AS(Drawing(ConfusionMatrix{.classes = {"a"}}), Error);
    REQUIRE_THROWS_AS(Drawing(ConfusionMatrix{}), Error);
}

TEST_CASE("the real gnuplot draws confusion matrices", "[confusion_matrix]") {
    if (!has_gnuplot()) {
        WARN("no gnuplot here: nothing was drawn");
        return;
    }
    const TempDir dir;
    for (const Index n : {1, 2, 10, 25}) {
        std::vector<std::string> names;
        for (Index i = 0; i < n; ++i) names.push_back("class " + std::to_string(i));
        for (const Index count : {0, 7})
            REQUIRE(draw(ConfusionMatrix{"t", names, Tensor<Index>::full({n, n}, count)},
                         dir / "x.png"));
    }
}
