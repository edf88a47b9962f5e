// The same two layers from the library: other activations, solvers, batch sizes, and more units.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>

#include "data/data_loader.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/adam.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/training_curves.h"
#include "train/metrics.h"
#include "train/train_step.h"

namespace handgrad {

struct Variation {
    std::string activation, solver;
    double lr;
    Index batch, hidden;
};

inline std::unique_ptr<Layer<float>> activation(const std::string& name) {
    if (name == "logistic") return std::make_unique<Sigmoid<float>>();
    if (name == "ReLU") return std::make_unique<ReLU<float>>();
    return std::make_unique<Tanh<float>>();
}

inline std::unique_ptr<Optimizer<float>> solver(const Variation& v,
                                                const std::vector<Parameter<float>*>& parameters) {
    if (v.solver == "Adam") return std::make_unique<Adam<float>>(parameters, v.lr);
    return std::make_unique<SGD<float>>(
        parameters, SGDOptions{.lr = v.lr, .momentum = v.solver == "momentum 0.9" ? 0.9 : 0});
}

struct EarlyStopped {
    int epochs = 0, best_epoch = 0;
    LossAndAccuracy best{INFINITY, 0};  // in validation
};

/// Trains in shuffled minibatches until the validation loss has not fallen for `patience` epochs.
inline EarlyStopped try_out(const TrainVal<Dataset>& data, const Variation& v, int most,
                            int patience, const LessonOptions& options) {
    Random random(options.seed);
    Sequential<float> model;
    model.add<Linear<float>>(data.train.features(), v.hidden, random, options.device);
    model.append(activation(v.activation));
    model.add<Linear<float>>(v.hidden, 1, random, options.device);
    const auto optimizer = solver(v, model.parameters());
    BCEWithLogitsLoss<float> loss;
    const auto targets = [&](const Labels& y) {  // (N, 1)
        return y.to(Device::cpu).cast<float>().reshape({y.size(), 1}).to(options.device);
    };
    const Tensor<float> x_val = data.val.x.to(options.device), y_val = targets(data.val.y);
    DataLoader loader(data.train, {.batch_size = std::min(v.batch, data.train.size()),
                                   .shuffle = true,
                                   .seed = options.seed,
                                   .device = options.device});
    EarlyStopped run;
    while (run.epochs < most && run.epochs - run.best_epoch < patience) {
        ++run.epochs;
        for (const Batch& batch : loader)
            train_step(model, loss, *optimizer, batch.x, targets(batch.y));
        const Tensor<float> o = model.forward(x_val);  // (N, 1)
        const double value = loss.forward(o, y_val).item();
        if (!(value < run.best.loss)) continue;
        run.best = {value, binary_accuracy(o, data.val.y)};
        run.best_epoch = run.epochs;
    }
    return run;
}

inline void other_ways(Lesson& lesson, const TrainVal<Dataset>& signs,
                       const TrainVal<Dataset>& dogs, bool real) {
    lesson.section("Other ways");
    const LessonOptions& options = lesson.options();
    const int most = options.tiny ? 2 : options.quick ? 8 : 100, patience = options.quick ? 2 : 10;
    lesson.say(format(
        "The same two layers from the library: other activations, solvers, batch sizes and more "
        "units, in shuffled minibatches. Training stops once the validation loss has not fallen "
        "for %d epochs, at %d at the latest; the loss and accuracy are those of its best epoch.",
        patience, most));
    constexpr Index all = 1'000'000;
    const Variation variations[] = {
        {"tanh", "SGD", 0.1, all, 5},   {"tanh", "SGD", 0.1, 64, 5},
        {"tanh", "SGD", 0.1, 16, 5},    {"logistic", "SGD", 0.1, 16, 5},
        {"ReLU", "SGD", 0.1, 16, 5},    {"ReLU", "momentum 0.9", 0.01, 16, 5},
        {"ReLU", "Adam", 0.001, 16, 5}, {"ReLU", "Adam", 0.001, 16, 50}};
    for (const TrainVal<Dataset>* data : {&signs, &dogs}) {
        std::vector<Row> rows;
        std::vector<EarlyStopped> runs;
        double best = 0;
        for (const Variation& v : variations) {
            const EarlyStopped& run = runs.emplace_back(try_out(*data, v, most, patience, options));
            best = std::max(best, run.best.accuracy);
            rows.push_back(cells("%s | %s | %g | %s | %td | %d | %d | %.4f | %.3f",
                                 v.activation.c_str(), v.solver.c_str(), v.lr,
                                 v.batch == all ? "all" : std::to_string(v.batch).c_str(), v.hidden,
                                 run.epochs, run.best_epoch, run.best.loss, run.best.accuracy));
        }
        lesson.say("On the classes " + data->train.classes[0] + " and " + data->train.classes[1] +
                   ":");
        lesson.table({"activation", "solver", "rate", "batch", "units", "epochs", "best",
                      "validation loss", "accuracy"},
                     rows);
        lesson.result(data == &dogs ? "best_dogs" : "best_signs", best);
        if (options.tiny) continue;
        const EarlyStopped &whole = runs[0], &small = runs[2];  // of equal units, solver and rate
        const Index n = data->val.size();
        const Interval around = wilson_interval(std::llround(best * static_cast<double>(n)), n);
        const std::string chance = format(
            "The best accuracy is %.3f; of %td images that is known to lie from %.3f to %.3f, and "
            "a best of eight flatters.",
            best, n, around.low, around.high);
        if (data == &signs) {
            lesson.say(
                format("A pass in minibatches of 16 has many steps, and so pass %d is better "
                       "than pass %d of the full batch, which has one. ",
                       small.best_epoch, whole.best_epoch) +
                chance);
            lesson.check("minibatches get further in fewer passes",
                         small.best.loss < whole.best.loss && small.best_epoch <= whole.best_epoch,
                         format("validation loss %.4f after %d, %.4f after %d", small.best.loss,
                                small.best_epoch, whole.best.loss, whole.best_epoch));
            continue;
        }
        lesson.say(chance);
        if (real)
            lesson.check("no other way tells dogs from cats either", best < 0.65,
                         format("%.3f", best));
    }
}

}  // namespace handgrad
