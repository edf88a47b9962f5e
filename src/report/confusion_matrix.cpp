#include "report/confusion_matrix.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "report/gnuplot.h"

namespace handgrad {

ConfusionMatrix::operator Drawing() const {
    const auto n = static_cast<Index>(classes.size());
    if (n == 0 || !counts.defined() || counts.shape() != Shape{n, n})
        throw Error("ConfusionMatrix",
                    counts.defined() ? "counts of shape " + counts.shape().str() : "no counts",
                    format("shape (%td, %td), as there are %td names of classes", n, n, n));
    std::string tics, squares, dark, light;
    std::size_t longest = 0;
    for (Index i = 0; i < n; ++i) {
        const std::string& name = classes[static_cast<std::size_t>(i)];
        longest = std::max(longest, columns_of(name));
        tics += (tics.empty() ? "" : ", ") + gnuplot::quoted(name) + format(" %td", i);
        Index sum = 0;
        for (Index j = 0; j < n; ++j) sum += counts(i, j);
        for (Index j = 0; j < n; ++j) {
            const Index count = counts(i, j);
            const double share =
                sum == 0 ? 0 : static_cast<double>(count) / static_cast<double>(sum);
            // 60 % of a row is drawn as dark as all of it, so that rare mistakes are seen too.
            const auto mix = [&](int full) {
                return static_cast<int>(
                    255 - (255 - full) * std::min(1.0, share / 0.6 + (count > 0 ? 0.06 : 0)));
            };
            squares += format("%td %td %d\n", j, i, mix(0x00) << 16 | mix(0x5a) << 8 | mix(0x96));
            if (count > 0) (share > 0.3 ? light : dark) += format("%td %td %td\n", j, i, count);
        }
    }
    const std::string counts_font = n <= 4 ? ",34" : n <= 12 ? ",24" : n <= 20 ? ",16" : ",10";
    const auto labels = [&](const char* name, const std::string& lines, const char* color) {
        return lines.empty() ? ""
                             : std::string(", ") + name + " using 1:2:3 with labels font '" +
                                   counts_font + "' textcolor '" + color + "'";
    };
    return {set_labels(title, "predicted", "true class") +
                "unset grid\nunset key\nset border 0\nset tics scale 0\nset size square\n"
                "set style fill solid 1 border linecolor '#d8d8d8'\n" +
                format("set xrange [-0.5:%g]\nset yrange [%g:-0.5]\n", static_cast<double>(n) - 0.5,
                       static_cast<double>(n) - 0.5) +
                "set xtics (" + tics + ")" + (longest > 4 && n > 4 ? " rotate by 45 right" : "") +
                "\nset ytics (" + tics + ")\n$squares << END\n" + squares + "END\n" +
                (dark.empty() ? "" : "$dark << END\n" + dark + "END\n") +
                (light.empty() ? "" : "$light << END\n" + light + "END\n") +
                "plot $squares using 1:2:(0.5):(0.5):3 with boxxyerror linecolor rgb variable" +
                labels("$dark", dark, "#222222") + labels("$light", light, "#ffffff") + "\n",
            900, 900};
}

}  // namespace handgrad
