#include "report/html.h"

namespace handgrad {
namespace {

// Plots are drawn dark on white. For readers in the dark they are turned over: light and dark
// change places, and turning the hue by half a circle brings each colour back to about what it was.
constexpr const char* style = R"(
:root { color-scheme: light dark; --text: #1d2127; --soft: #5b6470; --line: #d8dde3;
        --page: #fdfdfc; --box: #f2f4f6; --pass: #00704e; --fail: #b33a00; }
@media (prefers-color-scheme: dark) {
    :root { --text: #e6e8eb; --soft: #a2abb6; --line: #3a424c; --page: #15181c; --box: #20252b;
            --pass: #4fc79b; --fail: #ff9a66; }
}
* { box-sizing: border-box; }
html { font-size: clamp(16px, 12px + .5vw, 28px); }  /* a projector's rows at the back read too */
body { margin: 0 auto; padding: 2rem 1.1rem 3rem; max-width: 50rem; background: var(--page);
       color: var(--text); font: 1.0625rem/1.6 system-ui, "Segoe UI", Roboto, sans-serif;
       overflow-wrap: break-word; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 2.6rem 0 .6rem; padding-top: 1rem;
     border-top: 1px solid var(--line); }
.summary { font-size: 1.2rem; color: var(--soft); margin: 0 0 .6rem; }
pre { background: var(--box); border-radius: .5rem; padding: .8rem 1rem; overflow-x: auto;
      font: .875rem/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.wide { overflow-x: auto; margin: 1.2rem 0; }
@media (min-width: 64rem) {  /* a table wider than the text may use the page, and lies in its middle */
    .wide { position: relative; left: 50%; transform: translateX(-50%); width: max-content;
            min-width: 100%; max-width: 94vw; }
}
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid var(--line);
         white-space: nowrap; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
.number { text-align: right; }
figure { margin: 1.6rem 0; }
figure img { display: block; margin: 0 auto; max-width: 100%; height: auto; background: #fff;
             border: 1px solid var(--line); border-radius: .6rem; padding: .5rem; }
figure label { display: block; overflow-x: auto; cursor: zoom-in; }
figure input { position: absolute; opacity: 0; }
figure input:focus-visible + picture img { outline: 3px solid var(--pass); }
figure input:checked + picture img { max-width: none; min-width: 60rem; cursor: zoom-out; }
@media (prefers-color-scheme: dark) {
    .plot img { filter: invert(.91) hue-rotate(180deg); border-color: #fff; }
}
.card { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: center; margin: 1.2rem 0;
        padding: 1.1rem; border: 1px solid var(--line); border-radius: .6rem; color: inherit;
        text-decoration: none; }
.card:hover, .card:focus-visible { border-color: var(--pass); }
.card h2 { border: 0; margin: 0; padding: 0; }
.card p { margin: .3rem 0 0; }
.card div { flex: 1 1 18rem; }
.card img { flex: 0 1 14rem; width: 14rem; max-height: 9rem; object-fit: contain; background: #fff;
            border-radius: .4rem; }
figcaption { color: var(--soft); font-size: .95rem; margin-top: .5rem; text-align: center; }
.check { margin: .4rem 0; padding-left: 4.2rem; text-indent: -4.2rem; }
.check b { display: inline-block; width: 4.2rem; text-indent: 0; }
.pass b { color: var(--pass); }
.fail b { color: var(--fail); }
@media (max-width: 40rem) { table { font-size: .9rem; } th, td { padding: .3rem .5rem; } }
th:first-child, td:first-child { padding-left: 0; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line);
         color: var(--soft); font-size: .9rem; }
)";

std::string element(const std::string& name, const std::string& text) {
    return "<" + name + ">" + escape_html(text) + "</" + name + ">\n";
}

}  // namespace

std::string escape_html(std::string_view text) {
    static constexpr std::string_view special = "&<>\"'";
    static constexpr const char* names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    std::string escaped;
    for (const char c : text) {
        const std::size_t at = special.find(c);
        if (at == std::string_view::npos)
            escaped += c;
        else
            escaped += names[at];
    }
    return escaped;
}

std::string base64(std::string_view bytes) {
    static constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned group = 0;  // three bytes are four digits of six bits
        for (std::size_t k = i; k < i + 3; ++k)
            group = group << 8 | (k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k)
            text += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

void HtmlPage::section(const std::string& title) {
    body_ += element("h2", title);
}

void HtmlPage::paragraph(const std::string& text) {
    body_ += element("p", text);
}

bool HtmlPage::line(const std::string& text) {
    static constexpr std::string_view start = "<pre>", end = "</pre>\n";
    const bool first = lines_end_ == 0 || body_.size() != lines_end_;
    if (first)
        body_ += start;
    else
        body_.resize(body_.size() - end.size());
    body_.append(escape_html(text)).append("\n").append(end);
    lines_end_ = body_.size();
    return first;
}

void HtmlPage::preformatted(const std::string& text) {
    body_ += element("pre", text);
}

void HtmlPage::table(const Row& header, const std::vector<Row>& rows) {
    const std::vector<bool> numeric = numeric_columns(header, rows);
    const auto add = [&](const Row& row, const std::string& cell) {
        body_ += "<tr>";
        for (std::size_t i = 0; i < row.size(); ++i)
            body_ += "<" + cell + (numeric[i] ? " class=\"number\">" : ">") + escape_html(row[i]) +
                     "</" + cell + ">";
        body_ += "</tr>\n";
    };
    body_ += "<div class=\"wide\"><table>\n";
    add(header, "th");
    for (const Row& row : rows) add(row, "td");
    body_ += "</table></div>\n";
}

void HtmlPage::figure(std::string_view picture, const std::string& caption, Picture kind,
                      std::string_view narrow) {
    const auto embedded = [](std::string_view bytes) {
        return std::string("\"data:image/") + (bytes.starts_with("GIF8") ? "gif" : "png") +
               ";base64," + base64(bytes) + "\"";
    };
    body_ += std::string("<figure") + (kind == Picture::plot ? " class=\"plot\"" : "") +
             "><label><input type=\"checkbox\"><picture>";
    if (!narrow.empty())
        body_ += "<source media=\"(max-width: 40rem)\" srcset=" + embedded(narrow) + ">";
    body_ += "<img alt=\"" + escape_html(caption) + "\" src=" + embedded(picture) +
             "></picture></label>\n" + element("figcaption", caption) + "</figure>\n";
}

void HtmlPage::card(const std::string& link, const std::string& title, const std::string& text,
                    const std::string& verdict, bool ok, const std::string& picture) {
    body_ += "<a class=\"card\" href=\"" + escape_html(link) + "\">";
    if (!picture.empty()) body_ += "<img alt=\"\" src=\"" + escape_html(picture) + "\">";
    body_ += "<div>" + element("h2", title) + element("p", text) + "<p class=\"" +
             (ok ? "pass" : "fail") + "\"><b>" + escape_html(verdict) + "</b></p></div></a>\n";
}

void HtmlPage::check(const std::string& name, bool ok, const std::string& detail) {
    body_ += std::string("<p class=\"check ") + (ok ? "pass\"><b>PASS</b>" : "fail\"><b>FAIL</b>") +
             escape_html(detail.empty() ? name : name + ": " + detail) + "</p>\n";
}

std::string HtmlPage::page(const std::string& title, const std::string& summary,
                           const std::string& verdict, const std::string& footer) const {
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
           element("title", title) + "<style>" + style + "</style>\n</head>\n<body>\n" +
           element("h1", title) + "<p class=\"summary\">" + escape_html(summary) + "</p>\n" +
           (verdict.empty() ? "" : element("p", verdict)) + body_ + element("footer", footer) +
           "</body>\n</html>\n";
}

}  // namespace handgrad
