#include "report/html.h"

#include "catch.h"

using namespace handgrad;

TEST_CASE("escape_html leaves nothing that a browser would read as markup") {
    REQUIRE(escape_html("<a href=\"x\">'1' & 2</a>") ==
            "&lt;a href=&quot;x&quot;&gt;&#39;1&#39; &amp; 2&lt;/a&gt;");
}

TEST_CASE("base64 gives the values of RFC 4648") {
    const char* const expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (std::size_t n = 0; n <= 6; ++n)
        REQUIRE(base64(std::string("foobar").substr(0, n)) == expected[n]);
    REQUIRE(base64("\xff\xfe\xfd") == "//79");
}

TEST_CASE("a page holds what was said, in order and escaped, and refers to nothing outside") {
    HtmlPage page;
    page.section("A & B");
    page.paragraph("x < y");
    REQUIRE(page.line("epoch 1"));
    REQUIRE_FALSE(page.line("epoch <2>"));
    page.preformatted("dW = dy' x");
    REQUIRE(page.line("epoch 3"));
    page.table({"name", "value"}, {{"<w>", "1.5"}, {"b"}});
    page.figure("PNG", "a \"figure\"");
    page.figure("GIF89a", "a plot", HtmlPage::Picture::plot);
    page.figure("wide", "two forms", HtmlPage::Picture::plot, "GIF89a narrow");
    page.card("a/r.html", "Card <1>", "text & more", "2 of 2", true, "a/p.png");
    page.check("grad<ient>", false, "off by 1");
    const std::string html = page.page("T<", "S<", "1 of 1 checks failed: x.", "F<");
    std::size_t at = 0;
    for (const char* part : {"<title>T&lt;</title>",
                             "<h1>T&lt;</h1>",
                             "S&lt;",
                             "1 of 1 checks failed",
                             "<h2>A &amp; B</h2>",
                             "<p>x &lt; y</p>",
                             "<pre>epoch 1\nepoch &lt;2&gt;\n</pre>",
                             "<pre>dW = dy&#39; x</pre>",
                             "<pre>epoch 3\n</pre>",
                             "<td>&lt;w&gt;</td><td class=\"number\">1.5</td>",
                             "alt=\"a &quot;figure&quot;\" src=\"data:image/png;base64,UE5H\"",
                             "<figcaption>a &quot;figure&quot;</figcaption>",
                             "<figure class=\"plot\">",
                             "data:image/gif;base64,R0lGODlh",
                             "<picture><source media=\"(max-width: 40rem)\"",
                             "srcset=\"data:image/gif;base64,R0lGODlhIG5hcnJvdw==\">",
                             "<img alt=\"two forms\" src=\"data:image/png;base64,d2lkZQ==\">",
                             "</picture>",
                             "href=\"a/r.html\"",
                             "src=\"a/p.png\"",
                             "<h2>Card &lt;1&gt;</h2>",
                             "text &amp; more",
                             "2 of 2",
                             "FAIL",
                             "grad&lt;ient&gt;: off by 1",
                             "<footer>F&lt;</footer>"}) {
        INFO(part);
        at = html.find(part, at);
        REQUIRE(at != std::string::npos);
    }
    REQUIRE(html.find("<source") == html.rfind("<source"));  // only where there are two
    for (const char* outside : {"http", "<script", "<link", "url("})
        REQUIRE(html.find(outside) == std::string::npos);
}
