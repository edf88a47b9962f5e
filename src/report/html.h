// The report of a lesson: one HTML page that needs nothing beside it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"

namespace handgrad {

/// Text as HTML shows it: & < > " ' escaped.
std::string escape_html(std::string_view text);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

/// Collects what a page says, in order. All text is escaped.
class HtmlPage {
  public:
    void section(const std::string& title);
    void paragraph(const std::string& text);
    /// A preformatted line, below the one before if nothing came between. True where it starts
    /// anew.
    bool line(const std::string& text);
    void preformatted(const std::string& text);
    void table(const Row& header, const std::vector<Row>& rows);
    /// A picture, embedded: the bytes of a PNG or GIF file. It fits the page, and a click or a tap
    /// shows it large. A plot, drawn dark on white, is turned over for readers in the dark; a
    /// photograph is not. `narrow`, if there is one, is what a phone shows in its place.
    enum class Picture : std::uint8_t { plot, photograph };
    void figure(std::string_view picture, const std::string& caption,
                Picture kind = Picture::photograph, std::string_view narrow = {});
    /// A lesson on the index page: a link to its report, what it is about, how it went, and a
    /// picture, if there is one.
    void card(const std::string& link, const std::string& title, const std::string& text,
              const std::string& verdict, bool ok, const std::string& picture);
    void check(const std::string& name, bool ok, const std::string& detail);

    /// The whole page; the verdict stands under the summary.
    [[nodiscard]] std::string page(const std::string& title, const std::string& summary,
                                   const std::string& verdict, const std::string& footer) const;

  private:
    std::string body_;
    std::size_t lines_end_ = 0;  // where body_ ended after the last line
};

}  // namespace handgrad
