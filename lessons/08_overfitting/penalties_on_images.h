// L1 and L2 on 640 weights that can be looked at: ten scores of a digit from its 64 pixels.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "data/digits.h"
#include "layers/linear.h"
#include "losses/cross_entropy.h"
#include "losses/penalty.h"
#include "optim/sgd.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "train/metrics.h"

namespace handgrad {

inline void penalties_on_images(Lesson& lesson) {
    lesson.section("On images");
    const LessonOptions& options = lesson.options();
    const Split split = random_split(load_digits(), 0.8, 42);
    const Dataset train = options.tiny ? split.first.rows(0, 64) : split.first;
    const auto x = train.x.cast<double>().to(options.device);  // (N, 64)
    const auto x_test = split.second.x.cast<double>().to(options.device);
    const Labels y = train.y.to(options.device), y_test = split.second.y.to(options.device);
    const int steps = options.tiny ? 40 : 300;
    lesson.say(
        format("A linear classifier of the 8x8 digits, %td to train and %td to test: 640 weights, "
               "%d full-batch steps.",
               y.size(), y_test.size(), steps));
    std::vector<Row> rows;
    std::vector<float> weights;  // (30, 64): of ten digits without a penalty, under L2, under L1
    std::vector<std::string> names;
    std::map<std::string, Index> zeros;
    for (const std::string name : {"none", "L2", "L1"}) {
        Random random(0);
        Linear<double> model(64, 10, random, options.device);
        model.weight.value.fill(0);
        model.bias.value.fill(0);
        CrossEntropyLoss<double> loss;
        SGD<double> sgd(model.parameters(), 1.0);
        const L2Penalty<double> squares({&model.weight}, name == "L2" ? 0.003 : 0);
        const L1Penalty<double> sizes({&model.weight}, name == "L1" ? 0.003 : 0);
        Tensor<double> train_loss;  // read after the last step, or a GPU would be waited for
        for (int step = 0; step < steps; ++step) {
            sgd.zero_grad();
            train_loss = loss.forward(model.forward(x), y);
            model.backward_parameters(loss.backward());
            squares.backward();
            sizes.backward();
            sgd.step();
        }
        const std::vector<double> w = model.weight.value.values();
        zeros[name] =
            std::count_if(w.begin(), w.end(), [](double v) { return std::abs(v) < 0.01; });
        const Tensor<double> scores = model.forward(x_test);
        rows.push_back(cells("%s | %.4f | %.4f | %.3f | %.1f | %.1f | %td", name.c_str(),
                             train_loss.item(), loss.forward(scores, y_test).item(),
                             accuracy(scores, y_test),
                             L2Penalty<double>({&model.weight}, 1).forward().item(),
                             L1Penalty<double>({&model.weight}, 1).forward().item(), zeros[name]));
        weights.insert(weights.end(), w.begin(), w.end());
        for (const std::string& digit : digit_classes())
            names.push_back(digit + (name == "none" ? "" : ", " + name));
    }
    lesson.table({"penalty", "training loss", "test loss", "test accuracy", "sum w^2", "sum |w|",
                  "|w| < 0.01"},
                 rows);
    lesson.figure(
        "weights.png",
        "The weights of each digit as images: red pixels speak for it, blue ones against. "
        "Above without a penalty, in the middle under L2, below under L1; one scale.",
        panels(weight_maps(Tensor<float>::from({30, 64}, weights), {8, 8}, names),
               {.columns = 10, .panel_height = 240}));
    lesson.result("zeros_L1", zeros["L1"]);
    lesson.result("zeros_L2", zeros["L2"]);
    lesson.check("L1 leaves more weights at zero than L2", 2 * zeros["L1"] > 3 * zeros["L2"],
                 format("%td against %td of 640", zeros["L1"], zeros["L2"]));
}

}  // namespace handgrad
