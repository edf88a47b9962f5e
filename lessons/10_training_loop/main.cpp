// The training loop: a classifier of images, from the first batch to the saved weights.
//
//   make lesson N=10                        whatever images this machine has
//   make lesson N=10 ARGS="--data mnist"    MNIST: ends near 96 % on the test set
//
// Every step stands below as it happens: forward, loss, backward, update; evaluation in between.
// README.md beside this file derives the gradients. Nothing here derives one: the layers in
// src/layers/ do, each above its own code.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "check/gradient_check.h"
#include "data/data_loader.h"
#include "data/image_set.h"
#include "kernels/cpu/parallel.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"
#include "report/image_grid.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "report/progress.h"
#include "train/metrics.h"
#include "train/safetensors.h"

using namespace handgrad;

namespace {

struct Data {
    Dataset train, val, test;
};

/// What one training run leaves behind.
struct History {
    std::vector<double> batch_loss;                          // of every batch
    std::vector<double> train_loss, val_loss, val_accuracy;  // of every epoch
    Index samples = 0;                                       // seen in training steps,
    double seconds = 0;                                      // and the time they took
    bool diverged = false;                                   // a loss was NaN or infinite

    [[nodiscard]] Index epochs() const { return static_cast<Index>(train_loss.size()); }
    [[nodiscard]] double samples_per_second() const {
        return static_cast<double>(samples) / seconds;
    }
};

struct Score {
    double loss = 0;
    Index correct = 0;
    double accuracy = 0;
};

/// The mean loss and the accuracy over a whole set. Losses are summed and divided once, so that a
/// shorter last batch does not count for more than its samples.
Score evaluate(Sequential<float>& model, const Dataset& set, Device device) {
    model.eval();
    CrossEntropyLoss<float> loss(Reduction::sum);
    DataLoader loader(set, {.batch_size = std::min<Index>(256, set.size()), .device = device});
    Score score;
    for (const Batch& batch : loader) {
        const Tensor<float> logits = model.forward(batch.x);
        score.loss += loss.forward(logits, batch.y).item();
        score.correct += count_correct(logits, batch.y);
    }
    model.train();
    const auto n = static_cast<double>(set.size());
    score.loss /= n;
    score.accuracy = static_cast<double>(score.correct) / n;
    return score;
}

/// Trains for some epochs, with an evaluation after each. `after_epoch` sees how it went.
template <class AfterEpoch>
History train(Sequential<float>& model, const Data& data, double lr, Index batch_size,
              const LessonOptions& options, AfterEpoch after_epoch) {
    History history;
    CrossEntropyLoss<float> loss;
    SGD<float> optimizer(model.parameters(), lr);
    DataLoader loader(data.train, {.batch_size = batch_size,
                                   .shuffle = true,
                                   .seed = options.seed,
                                   .device = options.device});
    // Weights that fade towards zero become denormal numbers, which a processor handles many times
    // more slowly than others. While this lives they are zero.
    const cpu::FlushDenormals flush;

    for (int epoch = 1; epoch <= options.epochs; ++epoch) {
        ProgressBar progress(
            "epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs),
            loader.samples());
        double sum = 0;
        const auto start = std::chrono::steady_clock::now();
        for (const Batch& batch : loader) {
            optimizer.zero_grad();
            const Tensor<float> logits = model.forward(batch.x);  // (B, 10)
            const double value = loss.forward(logits, batch.y).item();
            model.backward_parameters(loss.backward());  // from dlogits down to dW
            optimizer.step();

            history.batch_loss.push_back(value);
            sum += value;
            history.samples += batch.y.size();
            progress.advance(batch.y.size());
            if (!std::isfinite(value)) {
                history.diverged = true;
                return history;
            }
        }
        history.seconds +=
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        progress.finish();
        const Score val = evaluate(model, data.val, options.device);
        history.train_loss.push_back(sum / static_cast<double>(loader.batches()));
        history.val_loss.push_back(val.loss);
        history.val_accuracy.push_back(val.accuracy);
        after_epoch(epoch, history);
    }
    return history;
}

/// Hidden units that are zero for every sample of a set: a ReLU that never opens learns no more.
Index dead_units(Sequential<float>& model, const Dataset& set, Device device) {
    const Tensor<float> hidden =
        model[1].forward(model[0].forward(set.x.to(device))).to(Device::cpu);
    Index dead = 0;
    for (Index unit = 0; unit < hidden.dim(1); ++unit) {
        bool opens = false;
        for (Index n = 0; n < hidden.dim(0) && !opens; ++n) opens = hidden(n, unit) > 0;
        dead += !opens;
    }
    return dead;
}

/// The accuracy on the test set that a run with the default flags surely reaches, by experience;
/// after a single epoch, or with flags of one's own, just more than guessing.
double expected_accuracy(const std::string& set, const LessonOptions& options) {
    if (options.epochs < 20) return 0.3;
    return set == "mnist" ? 0.955 : set == "fashion-mnist" ? 0.85 : 0.9;
}

std::string percent(double fraction) {
    return format("%.2f %%", 100 * fraction);
}

}  // namespace

int main(int argc, char** argv) {
    double lr = 0, dropout = 0;
    int batch_size = 16;
    const LessonInfo info{
        .name = "10_training_loop",
        .title = "The training loop",
        .summary =
            "Trains a network with one hidden layer to tell images apart, step by step: the "
            "data, the model, its gradients checked, the loop, the test, the saved weights.",
        .epochs = 20,
        .quick_epochs = 2,
        .data = "",
        .flags = {{"--lr", "learning rate (default: 0.005; 0.1 on the embedded digits)", &lr},
                  {"--batch", "samples in a batch", &batch_size},
                  {"--dropout", "probability of dropping a hidden unit", &dropout}},
    };

    return run_lesson(argc, argv, info, [&](Lesson& lesson) {
        const LessonOptions& options = lesson.options();

        lesson.section("The data");
        const ImageSet images =
            load_image_set(options.data.empty() ? std::nullopt : std::optional(options.data));
        const auto [train_set, val_set] = random_split(images.train, 0.8, 42);
        const Data data{train_set, val_set, images.test};
        const bool embedded = data.train.source == "embedded";
        lesson.say(data.train.name + ", from " + data.train.source + ": " +
                   std::to_string(data.train.size()) + " images to train on, " +
                   std::to_string(data.val.size()) + " to validate, " +
                   std::to_string(data.test.size()) + " to test. Each is a row of " +
                   std::to_string(data.train.features()) + " grey values from 0 to 1.");
        lesson.result("data_set", data.train.name);
        DataLoader loader(data.train, {.batch_size = 16, .shuffle = true, .seed = options.seed});
        const Batch batch = *loader.begin();
        std::vector<std::string> captions;
        for (const std::int32_t label : batch.y.span())
            captions.push_back(data.train.classes[static_cast<std::size_t>(label)]);
        write_image_grid(lesson.path("batch.png"), batch.x,
                         {.height = data.train.sample[0],
                          .width = data.train.sample[1],
                          .captions = captions,
                          .columns = 4});
        lesson.figure("batch.png", "The first batch: sixteen images with their labels.");

        lesson.section("The model");
        const Index inputs = data.train.features(), hidden = embedded ? 32 : 128;
        const auto classes = static_cast<Index>(data.train.classes.size());
        const std::vector<Index> widths = {inputs, hidden, classes};
        if (lr == 0) lr = embedded ? 0.1 : 0.005;
        Random random(options.seed);
        Sequential<float> model = mlp<float>(widths, random, dropout, options.device);
        lesson.pre(model.summary({batch_size, inputs}));
        lesson.result("parameters", count_parameters(model));
        lesson.check("parameters counted by hand",
                     count_parameters(model) == (inputs + 1) * hidden + (hidden + 1) * classes,
                     format("(%td + 1) %td + (%td + 1) %td", inputs, hidden, hidden, classes));

        lesson.section("Its gradients, checked");
        lesson.say(
            "Before training on gradients derived by hand, hold them against finite "
            "differences: each weight is moved a little to both sides, and the change of "
            "the loss is divided by the way. In double precision, on this batch:");
        Random same_random(options.seed);
        Sequential<double> twin = mlp<double>(widths, same_random);
        CrossEntropyLoss<double> twin_loss;
        const Tensor<double> x = batch.x.cast<double>();
        twin_loss.forward(twin.forward(x), batch.y);
        twin.backward_parameters(twin_loss.backward());
        const std::vector<GradientRow> rows = check_gradients(
            twin.parameters(), [&] { return twin_loss.forward(twin.forward(x), batch.y).item(); });
        lesson.pre(table(rows));
        std::map<std::string, double> errors;
        for (const GradientRow& row : rows) errors[row.name] = row.max_relative_error;
        lesson.result("gradient_check", errors);
        lesson.check("gradients by hand equal finite differences", all_pass(rows));

        lesson.section("Training");
        lesson.say(
            format("%d epochs of stochastic gradient descent: batches of %d, learning rate "
                   "%g, on %s.",
                   options.epochs, batch_size, lr, describe(options.device).c_str()));
        lesson.line("epoch  train loss  validation loss  validation accuracy");
        const History history =
            train(model, data, lr, batch_size, options, [&](int epoch, const History& h) {
                lesson.line(format("%5d  %10.4f  %15.4f  %17.2f %%", epoch, h.train_loss.back(),
                                   h.val_loss.back(), 100 * h.val_accuracy.back()));
            });
        if (history.diverged)
            require_finite_loss(history.batch_loss.back(), history.epochs() + 1,
                                static_cast<Index>(history.batch_loss.size()));
        lesson.result("loss", history.train_loss);
        lesson.result("val_loss", history.val_loss);
        lesson.result("val_accuracy", history.val_accuracy);
        const double speed = history.samples_per_second();
        lesson.result("samples_per_second", speed);
        lesson.say(format("%.0f samples a second: %.1f us for a step of %d.", speed,
                          1e6 * batch_size / speed, batch_size));

        const std::size_t in_epoch = history.batch_loss.size() / history.train_loss.size();
        const std::span first_epoch = std::span(history.batch_loss).first(in_epoch);
        lesson.figure("batch_loss.png",
                      "The loss of every batch of the first epoch, and its mean over 50 batches, "
                      "drawn at the middle of the fifty. It starts near ln " +
                          std::to_string(classes) + format(" = %.2f", std::log(classes)) +
                          ", the loss of guessing; single batches scatter because they are small.",
                      {.title = "Loss of each batch, first epoch",
                       .x_label = "batch",
                       .y_label = "cross entropy",
                       .series = smoothed("mean of 50", first_epoch, 50)});
        std::vector<double> epoch_numbers;
        for (std::size_t i = 1; i <= history.train_loss.size(); ++i)
            epoch_numbers.push_back(static_cast<double>(i));
        lesson.figure("loss.png",
                      "Training and validation loss. The training loss is the mean over the "
                      "epoch's batches, taken while the weights were still moving.",
                      {.title = "Loss of each epoch",
                       .x_label = "epoch",
                       .y_label = "cross entropy",
                       .series = {{"training", history.train_loss, epoch_numbers},
                                  {"validation", history.val_loss, epoch_numbers}}});

        lesson.section("The test");
        const Score test = evaluate(model, data.test, options.device);
        const Interval interval = wilson_interval(test.correct, data.test.size());
        lesson.say(std::to_string(test.correct) + " of " + std::to_string(data.test.size()) +
                   " test images are right: an accuracy of " + percent(test.accuracy) +
                   ", between " + percent(interval.low) + " and " + percent(interval.high) +
                   " at 95 % confidence.");
        lesson.result("test_accuracy", test.accuracy);
        lesson.result("test_accuracy_low", interval.low);
        lesson.result("test_accuracy_high", interval.high);
        lesson.result("test_loss", test.loss);
        const double expected = expected_accuracy(data.train.name, options);
        lesson.check("the network has learned", test.accuracy >= expected,
                     percent(test.accuracy) + " against " + percent(expected) + " expected");

        lesson.section("Saving the weights");
        save_parameters(lesson.path("weights.safetensors"), model.parameters());
        Random other_random(options.seed + 1);
        Sequential<float> loaded = mlp<float>(widths, other_random, dropout, options.device);
        load_parameters(lesson.path("weights.safetensors"), loaded.parameters());
        bool equal = true;
        std::vector<Row> tensors;
        for (std::size_t i = 0; i < model.parameters().size(); ++i) {
            const Parameter<float>&saved = *model.parameters()[i], &read = *loaded.parameters()[i];
            const bool same = saved.value.values() == read.value.values();
            equal = equal && same;
            tensors.push_back(
                {saved.name, saved.value.shape().str(), same ? "equal" : "DIFFERENT"});
        }
        lesson.table({"parameter", "shape", "after loading"}, tensors);
        lesson.check("a new model with the loaded weights is the same model",
                     equal && evaluate(loaded, data.test, options.device).correct == test.correct);

        lesson.section("The learning rate");
        lesson.say(
            "The same training from the same weights, at other rates. Too small a rate "
            "gets nowhere in time; too large a one throws units so far that their ReLU "
            "never opens again (dead units give no gradient), or the loss leaves the "
            "numbers altogether.");
        std::vector<Row> sweep;
        std::vector<Series> curves;
        for (const double rate : {0.0005, 0.005, 0.05, 0.5, 1.0, 10.0}) {
            Random again(options.seed);
            Sequential<float> other = mlp<float>(widths, again, dropout, options.device);
            const History run =
                train(other, data, rate, batch_size, options, [](int, const History&) {});
            const Index dead = dead_units(other, data.val, options.device);
            const bool ended = !run.train_loss.empty();
            sweep.push_back({format("%g", rate),
                             ended ? format("%.4f", run.train_loss.back()) : "-",
                             ended ? percent(run.val_accuracy.back()) : "-",
                             format("%td of %td", dead, hidden), run.diverged ? "diverged" : ""});
            curves.push_back({format("%g", rate), run.val_accuracy, epoch_numbers});
            curves.back().x.resize(curves.back().y.size());
            lesson.result(format("sweep_val_accuracy_%g", rate), run.val_accuracy);
        }
        lesson.table({"rate", "train loss", "validation accuracy", "dead units", ""}, sweep);
        lesson.figure("learning_rates.png",
                      "Validation accuracy after each epoch, by learning rate.",
                      {.title = "The learning rate decides",
                       .x_label = "epoch",
                       .y_label = "validation accuracy",
                       .series = curves});
    });
}
