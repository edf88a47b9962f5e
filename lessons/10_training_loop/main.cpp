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

struct Settings {
    std::vector<Index> widths;  // inputs, hidden units, classes
    double lr = 0;              // 0: what suits the data
    int batch_size = 16;
    double dropout = 0;
    bool copy_batches = false;  // to the device, one ahead, instead of all samples at the start
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
    model.prepack();  // the same weights for every batch
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
History train(Sequential<float>& model, const Data& data, const Settings& settings, double lr,
              const LessonOptions& options, AfterEpoch after_epoch) {
    History history;
    CrossEntropyLoss<float> loss;
    SGD<float> optimizer(model.parameters(), lr);
    LoaderOptions loading{.batch_size = settings.batch_size,
                          .shuffle = true,
                          .seed = options.seed,
                          .device = options.device};
    if (settings.copy_batches) loading.most_on_device = 0;
    DataLoader loader(data.train, loading);
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
            const Tensor<float> batch_loss = loss.forward(logits, batch.y);
            model.backward_parameters(loss.backward());  // from dlogits down to dW
            optimizer.step();

            // Read last: a GPU has been asked for the whole step before the host waits for it.
            const double value = batch_loss.item();
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

/// 1, 2, ... for the horizontal axis.
std::vector<double> epoch_numbers(const History& history) {
    std::vector<double> numbers;
    for (Index epoch = 1; epoch <= history.epochs(); ++epoch)
        numbers.push_back(static_cast<double>(epoch));
    return numbers;
}

std::string percent(double fraction) {
    return format("%.2f %%", 100 * fraction);
}

/// The images, split as the notebook splits them, and a picture of a batch.
Data load_data(Lesson& lesson) {
    lesson.section("The data");
    const LessonOptions& options = lesson.options();
    const ImageSet images =
        load_image_set(options.data.empty() ? std::nullopt : std::optional(options.data));
    const Split split = random_split(images.train, 0.8, 42);
    const Data data{split.first, split.second, images.test};
    lesson.say(
        format("%s, from %s: %td images to train on, %td to validate, %td to test. Each is "
               "a row of %td grey values from 0 to 1.",
               data.train.name.c_str(), data.train.source.c_str(), data.train.size(),
               data.val.size(), data.test.size(), data.train.features()));
    lesson.result("data_set", data.train.name);
    return data;
}

Batch first_batch(Lesson& lesson, const Dataset& set) {
    DataLoader loader(set, {.batch_size = 16, .shuffle = true, .seed = lesson.options().seed});
    Batch batch = *loader.begin();
    std::vector<std::string> captions;
    for (const std::int32_t label : batch.y.span())
        captions.push_back(set.classes[static_cast<std::size_t>(label)]);
    write_image_grid(
        lesson.path("batch.png"), batch.x,
        {.height = set.sample[0], .width = set.sample[1], .captions = captions, .columns = 4});
    lesson.figure("batch.png", "The first batch: sixteen images with their labels.");
    return batch;
}

/// The gradients that backward gives for a batch, against finite differences.
void check_model(Lesson& lesson, Sequential<float>& trained, const Settings& settings,
                 const Batch& batch) {
    lesson.section("Its gradients, checked");
    lesson.say(
        "Before training on gradients derived by hand, hold them against finite differences: each "
        "weight is moved a little to both sides, and the change of the loss is divided by the way. "
        "In double precision, with this model's weights, on this batch:");
    Random random(0);
    Sequential<double> model = mlp<double>(settings.widths, random);
    for (std::size_t i = 0; i < model.parameters().size(); ++i)
        model.parameters()[i]->value.copy_from(
            trained.parameters()[i]->value.to(Device::cpu).cast<double>());
    CrossEntropyLoss<double> loss;
    const Tensor<double> x = batch.x.cast<double>();
    const auto forward = [&] { return loss.forward(model.forward(x), batch.y).item(); };
    forward();
    model.backward_parameters(loss.backward());
    const std::vector<GradientRow> rows = check_gradients(model.parameters(), forward);
    lesson.pre(table(rows));
    std::map<std::string, double> errors;
    for (const GradientRow& row : rows) errors[row.name] = row.differences.max_relative_error;
    lesson.result("gradient_check", errors);
    lesson.check("gradients by hand equal finite differences", all_pass(rows));
}

/// One pass, for its shapes and values to be seen. The weights stay.
void show_one_step(Lesson& lesson, Sequential<float>& model, const Batch& batch) {
    lesson.section("One step, slowly");
    CrossEntropyLoss<float> loss;
    const Device device = lesson.options().device;
    const Tensor<float> logits = model.forward(batch.x.to(device));
    const float value = loss.forward(logits, batch.y.to(device)).item();
    const Tensor<float> dlogits = loss.backward().to(Device::cpu);
    lesson.line("x       " + batch.x.shape().str() + ", labels " + batch.y.shape().str());
    lesson.line("logits  " + logits.shape().str() + ", the first sample's:");
    lesson.line("        " + logits.rows(0, 1).reshape({logits.dim(1)}).str());
    lesson.line(format("loss    %.4f; guessing costs ln %td = %.4f", value, logits.dim(1),
                       std::log(logits.dim(1))));
    lesson.line(format("dlogits of its class %d: (q - 1) / N = %.4f, of the others q / N > 0",
                       batch.y(0), dlogits(0, batch.y(0))));
}

/// Trains the model and draws how the loss fell.
void train_and_show(Lesson& lesson, Sequential<float>& model, const Data& data,
                    const Settings& settings) {
    lesson.section("Training");
    const LessonOptions& options = lesson.options();
    lesson.say(
        format("%d epochs of stochastic gradient descent: batches of %d, learning rate %g, "
               "on %s.",
               options.epochs, settings.batch_size, settings.lr, describe(options.device).c_str()));
    lesson.line("epoch  train loss  validation loss  validation accuracy");
    const History history =
        train(model, data, settings, settings.lr, options, [&](int epoch, const History& h) {
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
                      1e6 * settings.batch_size / speed, settings.batch_size));

    const std::size_t in_epoch = history.batch_loss.size() / history.train_loss.size();
    const Index window = std::clamp<Index>(static_cast<Index>(in_epoch) / 5, 1, 50);
    lesson.figure(
        "batch_loss.png",
        "The loss of every batch of the first epoch, and its moving average, drawn at the "
        "middle of its window. Single batches scatter because they are small.",
        {.title = "Loss of each batch, first epoch",
         .x_label = "batch",
         .y_label = "cross entropy",
         .series = smoothed("mean of " + std::to_string(window),
                            std::span(history.batch_loss).first(in_epoch), window)});
    const std::vector<double> epochs = epoch_numbers(history);
    lesson.figure("loss.png",
                  "Training and validation loss. The training loss is the mean over the epoch's "
                  "batches, taken while the weights were still moving.",
                  {.title = "Loss of each epoch",
                   .x_label = "epoch",
                   .y_label = "cross entropy",
                   .series = {{"training", history.train_loss, epochs},
                              {"validation", history.val_loss, epochs}}});
}

/// The accuracy on the test set that a run with the default flags surely reaches, by experience;
/// after fewer epochs, just more than guessing.
double expected_accuracy(const std::string& set, const LessonOptions& options) {
    if (options.epochs < 20) return 0.3;
    return set == "mnist" ? 0.955 : set == "fashion-mnist" ? 0.85 : 0.9;
}

/// The same for the best of the learning rates tried.
double expected_best(const std::string& set, const LessonOptions& options) {
    if (options.epochs < 20) return 0.3;
    return set == "mnist" ? 0.97 : set == "fashion-mnist" ? 0.87 : 0.9;
}

Score test(Lesson& lesson, Sequential<float>& model, const Dataset& set) {
    lesson.section("The test");
    const Score score = evaluate(model, set, lesson.options().device);
    const Interval interval = wilson_interval(score.correct, set.size());
    lesson.say(
        format("%td of %td test images are right: an accuracy of %s, between %s and %s at "
               "95 %% confidence.",
               score.correct, set.size(), percent(score.accuracy).c_str(),
               percent(interval.low).c_str(), percent(interval.high).c_str()));
    lesson.result("test_accuracy", score.accuracy);
    lesson.result("test_accuracy_low", interval.low);
    lesson.result("test_accuracy_high", interval.high);
    lesson.result("test_loss", score.loss);
    const double expected = expected_accuracy(set.name, lesson.options());
    lesson.check("the network has learned", score.accuracy >= expected,
                 percent(score.accuracy) + " against " + percent(expected) + " expected");
    return score;
}

/// Writes the weights, reads them into a new model, and compares.
void save_and_load(Lesson& lesson, Sequential<float>& model, const Settings& settings,
                   const Dataset& set, const Score& score) {
    lesson.section("Saving the weights");
    const LessonOptions& options = lesson.options();
    save_model(lesson.path("weights.safetensors"), model);
    Random other_random(options.seed + 1);
    Sequential<float> loaded =
        mlp<float>(settings.widths, other_random, settings.dropout, options.device);
    load_model(lesson.path("weights.safetensors"), loaded);
    bool equal = evaluate(loaded, set, options.device).loss == score.loss;
    std::vector<Row> rows;
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
        const Parameter<float>&saved = *model.parameters()[i], &read = *loaded.parameters()[i];
        const bool same = saved.value.values() == read.value.values();
        equal = equal && same;
        rows.push_back({saved.name, saved.value.shape().str(), same ? "equal" : "DIFFERENT"});
    }
    lesson.table({"parameter", "shape", "after loading"}, rows);
    lesson.check("a new model with the loaded weights is the same model", equal);
}

/// Trains from the same weights at other learning rates.
void sweep_learning_rates(Lesson& lesson, const Data& data, const Settings& settings) {
    lesson.section("The learning rate");
    lesson.say(
        "The same training from the same weights, at other rates. Too small a rate gets nowhere in "
        "time; too large a one throws units so far that their ReLU never opens again (dead units "
        "give no gradient), or the loss leaves the numbers altogether.");
    const LessonOptions& options = lesson.options();
    std::vector<Series> curves;
    double best_rate = 0, best_val = 0;
    Score best_test;
    lesson.line("  rate  train loss  validation accuracy  dead units");
    for (const double rate : {0.0005, 0.005, 0.05, 0.5, 1.0, 10.0}) {
        Random random(options.seed);
        Sequential<float> model =
            mlp<float>(settings.widths, random, settings.dropout, options.device);
        const History history =
            train(model, data, settings, rate, options, [](int, const History&) {});
        const Index dead = dead_units(model, data.val, options.device);
        curves.push_back({format("rate %g", rate), history.val_accuracy, epoch_numbers(history)});
        lesson.result(format("val_accuracy_at_%g", rate), history.val_accuracy);
        if (history.diverged) {
            lesson.line(format("%6g  diverged in epoch %td", rate, history.epochs() + 1));
            continue;
        }
        const double val = history.val_accuracy.back();
        lesson.line(format("%6g  %10.4f  %17.2f %%  %td of %td", rate, history.train_loss.back(),
                           100 * val, dead, settings.widths[1]));
        if (val > best_val) {
            best_rate = rate;
            best_val = val;
            best_test = evaluate(model, data.test, options.device);
        }
    }
    lesson.figure("learning_rates.png", "Validation accuracy after each epoch, by learning rate.",
                  {.title = "The learning rate decides",
                   .x_label = "epoch",
                   .y_label = "validation accuracy",
                   .series = curves});
    lesson.say(format("Chosen by validation, the rate %g reaches %s on the test set.", best_rate,
                      percent(best_test.accuracy).c_str()));
    lesson.result("best_rate", best_rate);
    lesson.result("best_rate_test_accuracy", best_test.accuracy);
    const double expected = expected_best(data.train.name, options);
    lesson.check("the best rate does well", best_test.accuracy >= expected,
                 percent(best_test.accuracy) + " against " + percent(expected) + " expected");
}

}  // namespace

int main(int argc, char** argv) {
    Settings settings;
    const LessonInfo info{
        .name = "10_training_loop",
        .title = "The training loop",
        .summary =
            "Trains a network with one hidden layer to tell images apart, step by step: the "
            "data, the model, its gradients checked, the loop, the test, the saved weights.",
        .epochs = 20,
        .quick_epochs = 2,
        .data_help = image_set_help,
        .flags =
            {{"--lr", "learning rate; 0 stands for 0.005, or 0.1 on the embedded digits",
              &settings.lr},
             {"--batch", "samples in a batch", &settings.batch_size},
             {"--dropout", "probability of dropping a hidden unit", &settings.dropout},
             {"--copy-batches",
              "keep the samples on the CPU, and copy each batch to the device while it computes "
              "with the one before",
              &settings.copy_batches}},
        .any_device = true,
        .any_precision = true,
    };
    return run_lesson(argc, argv, info, [&](Lesson& lesson) {
        const Data data = load_data(lesson);
        // A size of batches that does not fit is refused here, not after all that comes first.
        const DataLoader fits(data.train, {.batch_size = settings.batch_size});
        const Batch batch = first_batch(lesson, data.train);
        const bool embedded = data.train.source == "embedded";
        const Index inputs = data.train.features(), hidden = embedded ? 32 : 128;
        const auto classes = static_cast<Index>(data.train.classes.size());
        settings.widths = {inputs, hidden, classes};
        if (settings.lr == 0) settings.lr = embedded ? 0.1 : 0.005;

        lesson.section("The model");
        Random random(lesson.options().seed);
        Sequential<float> model =
            mlp<float>(settings.widths, random, settings.dropout, lesson.options().device);
        lesson.pre(model.summary({settings.batch_size, inputs}));
        lesson.result("parameters", count_parameters(model));
        lesson.check("parameters counted by hand",
                     count_parameters(model) == (inputs + 1) * hidden + (hidden + 1) * classes,
                     format("(%td + 1) %td + (%td + 1) %td", inputs, hidden, hidden, classes));

        check_model(lesson, model, settings, batch);
        show_one_step(lesson, model, batch);
        train_and_show(lesson, model, data, settings);
        const Score score = test(lesson, model, data.test);
        save_and_load(lesson, model, settings, data.test, score);
        sweep_learning_rates(lesson, data, settings);
    });
}
