#include "core/text.h"

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

TEST_CASE("format prints like printf, at any length") {
    REQUIRE(format("%.2f %% of %d", 97.5, 10) == "97.50 % of 10");
    REQUIRE(format("%s", "") == "");
    const std::string longest(5000, 'x');
    REQUIRE(format("%s!", longest.c_str()) == longest + "!");
}

TEST_CASE("cells cuts a formatted text into the cells of a row") {
    REQUIRE(cells("%g | %.2f |%s", 0.5, 1.0, "a b") == Row{"0.5", "1.00", "a b"});
    REQUIRE(cells("%d", 7) == Row{"7"});
    REQUIRE(cells("| %s |  ", "x") == Row{"", "x", ""});
    REQUIRE(cells(" ") == Row{""});
}

TEST_CASE("wrap breaks between words, by columns rather than bytes") {
    REQUIRE(wrap("", 10).empty());
    REQUIRE(wrap("  one   two\nthree ", 80) == "one two three");
    REQUIRE(wrap("aaa bbb ccc", 7) == "aaa bbb\nccc");
    REQUIRE(wrap("aaa bbb ccc", 6) == "aaa\nbbb\nccc");
    REQUIRE(wrap("longerthanaline b", 5) == "longerthanaline\nb");
    REQUIRE(wrap("\u2202L/\u2202w = dy", 10) == "\u2202L/\u2202w = dy");  // 10 columns, 14 bytes
}

TEST_CASE("tables align numbers to the right and text to the left") {
    REQUIRE(format_table({"layer", "parameters", "share"},
                         {{"0.weight", "100,352", "98.7 %"}, {"bias", "-1e-3", ""}, {"ReLU"}}) ==
            "layer     parameters   share\n"
            "--------  ----------  ------\n"
            "0.weight     100,352  98.7 %\n"
            "bias           -1e-3\n"
            "ReLU\n");
    REQUIRE(format_table({"a"}, {}) == "a\n-\n");
    REQUIRE_THROWS_AS(format_table({"a"}, {{"1", "2"}}), Error);
}

TEST_CASE("a column holds numbers when all its cells do") {
    const auto numeric = [](const std::string& cell) -> bool {
        return numeric_columns({"x"}, {{cell}})[0];
    };
    for (const char* cell : {"0", "-1.5", "+.5", "1e-3", "12,345", "3.2x", "97 %", "1.5 ms", "nan"})
        CHECK(numeric(cell));
    for (const char* cell : {"", "-", "x1", "0.weight", "784 -> 128", "(N, 3)", "e5", "."})
        CHECK_FALSE(numeric(cell));
    REQUIRE_FALSE(numeric_columns({"x"}, {{"1"}, {"one"}})[0]);
    REQUIRE(numeric_columns({"x"}, {{"1"}, {""}, {}})[0]);
}
