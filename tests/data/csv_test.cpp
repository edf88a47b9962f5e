#include "data/csv.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "temp_dir.h"

using namespace handgrad;

namespace {

void check_refused(const std::string& text, const std::string& found) {
    INFO(text);
    REQUIRE_THROWS_WITH(parse_csv(text, "a test"),
                        ContainsSubstring("a test") && ContainsSubstring(found));
    REQUIRE_THROWS_AS(parse_csv(text, "a test"), Error);
}

}  // namespace

TEST_CASE("parse_csv reads names and numbers", "[csv]") {
    for (const std::string text : {"a,b\n1,-2.5\n3e2,4\n", "a,b\r\n1,-2.5\r\n3e2,4",
                                   "\xef\xbb\xbf\"a\", \"b\"\n1 ,\t-2.5\n\n3e2, 4\n\n"}) {
        const CsvTable table = parse_csv(text, "a test");
        REQUIRE(table.names == std::vector<std::string>{"a", "b"});
        REQUIRE(table.values.shape() == Shape{2, 2});
        REQUIRE(table.values.values() == std::vector<double>{1, -2.5, 300, 4});
        REQUIRE(table.column("b").values() == std::vector<double>{-2.5, 4});
        REQUIRE_THROWS_WITH(table.column("c"),
                            ContainsSubstring("'c'") && ContainsSubstring("a, b"));
    }
    REQUIRE(parse_csv("a,b\n", "a test").values.shape() == Shape{0, 2});
    REQUIRE(std::isnan(parse_csv("a\nnan\n", "a test").values(0, 0)));
}

TEST_CASE("parse_csv says where a table is wrong", "[csv]") {
    check_refused("", "an empty file");
    check_refused("\n\n", "an empty file");
    check_refused("a,\n1,2\n", "a column without a name in line 1");
    check_refused("a,b,a\n", "two columns called 'a' in line 1");
    check_refused("a,b\n1,2\n3\n", "1 fields in line 3");
    check_refused("a,b\n1,2,\n", "3 fields in line 2");
    check_refused("a,b\n\n1,2x\n", "'2x' under 'b' in line 3");
    check_refused("a,b\n1,\n", "'' under 'b' in line 2");
    check_refused("a\n1e999\n", "'1e999'");
    const TempDir dir;
    REQUIRE(read_csv(dir.write("t.csv", "a\n7\n")).values(0, 0) == 7);
    REQUIRE_THROWS_WITH(read_csv(dir.write("t.csv", "a\nx\n")), ContainsSubstring("t.csv"));
    REQUIRE_THROWS_AS(read_csv(dir / "none.csv"), Error);
}
