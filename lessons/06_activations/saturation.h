// What becomes of twenty layers of tanh units when their weights are too small or too large.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "core/tensor_ops.h"
#include "deep_net.h"
#include "report/lesson.h"
#include "train/metrics.h"

namespace handgrad {

inline void saturation(Lesson& lesson) {
    lesson.section("Saturation");
    lesson.say(
        "Twenty layers of 100 tanh units again. A unit is called saturated where |h| > 0.99: its "
        "slope is below 0.02 there.");
    std::vector<Row> rows;
    std::map<double, double> saturated;  // share, by gain
    for (const double gain : {0.01, 1.0, 4.0, 25.0, 100.0}) {
        Sequential<double> model =
            deep_net(unit<Tanh<double>>("tanh"), 100, gain, lesson.options());
        const DeepFlow flow = flow_through(model, 100, gain, lesson.options());
        saturated[gain] = share_beyond(flow.output, 0.99);
        std::vector<double> slopes = (1 - flow.output * flow.output).values();
        std::nth_element(slopes.begin(), slopes.begin() + std::ssize(slopes) / 2, slopes.end());
        rows.push_back(cells("%.2f | %.1f %% | %.1e | %.1e | %.1e", std::sqrt(gain / 100),
                             100 * saturated[gain], slopes[slopes.size() / 2], flow.signal.back(),
                             flow.gradient.front() / flow.gradient.back()));
    }
    lesson.table({"std of w", "saturated", "median slope", "signal", "gradient left"}, rows);
    lesson.say(
        "Small weights lose the signal and with it the gradient. With large ones most units sit "
        "at their ends and learn next to nothing. The gradient as a whole does not vanish then, "
        "as the lecture says: it explodes, since the few units in between have large "
        "weights above them. Both are bad, for different reasons.");
    lesson.check("large weights saturate", saturated[100] > 0.7 && saturated[1] < 0.01,
                 format("%.0f %% of units at std 1", 100 * saturated[100]));
}

}  // namespace handgrad
