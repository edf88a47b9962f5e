// Two layers by hand: five hidden units between the pixels and the decision.
//
//   make lesson N=5
//
// The full derivation, as the code below has it; a slip in it, caught by the gradient check; both
// data sets of lesson 3; settings that go wrong, and why; then other activations, solvers and
// batch sizes. README.md beside this file has the derivations.
#include <algorithm>
#include <cmath>

#include "check/gradient_check.h"
#include "data/data_loader.h"
#include "data/notebook_sets.h"
#include "kernels/cpu/parallel.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/adam.h"
#include "optim/sgd.h"
#include "report/histogram.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "report/training_curves.h"

using namespace handgrad;

namespace {

template <class T>
T logistic(T o) {
    return 1 / (1 + std::exp(-o));
}

/// What backward multiplies by at a hidden unit h = 2 logistic(o) - 1: dh/do.
double true_slope(double h) {
    return (1 - h * h) / 2;
}
double book_slope(double h) {  // the notebook's
    return (1 - h) * (1 - h);
}

/// Images of fewer pixels than 64x64 have smaller gradients, and need larger rates.
double rate_unit(const Dataset& set) {
    return std::sqrt(4096 / static_cast<double>(set.features()));
}

std::string class_names(const Dataset& set) {
    return set.classes[0] + " and " + set.classes[1];
}

/// In what the settings called the notebook's are not.
std::string changes(const LessonOptions& options, const Dataset& set) {
    return std::string(options.epochs == 10'000 ? "" : ", shortened") +
           (rate_unit(set) > 1 ? ", at a larger rate" : "");
}

template <class T>
struct TwoLayers {
    Tensor<T> W1, b1;  // (H, F), (H)
    Tensor<T> w2, b2;  // (1, H), (1)

    [[nodiscard]] std::vector<Tensor<T>> all() const { return {W1, b1, w2, b2}; }
};

template <class T>
struct Samples {
    Tensor<T> x, y;  // (N, F), (N, 1)
    explicit Samples(const Dataset& set)
        : x(set.x.cast<T>()), y(set.y.cast<T>().reshape({set.size(), 1})) {}
};

/// The hidden values h (N, H) and the scores o (N, 1).
template <class T>
struct Output {
    Tensor<T> h, o;
};

template <class T>
Output<T> forward(const TwoLayers<T>& net, const Tensor<T>& x) {
    const auto h = Tensor<T>::empty({x.dim(0), net.b1.size()});
    matmul(h, x, net.W1, {.trans_b = Trans::yes});  // o1 = x W1' + b1
    for (Index n = 0; n < h.dim(0); ++n)
        for (Index k = 0; k < h.dim(1); ++k) {
            T& value = h.data()[n * h.dim(1) + k];
            value = 2 * logistic(value + net.b1.data()[k]) - 1;
        }
    const auto o = Tensor<T>::full({x.dim(0), 1}, net.b2.item());
    matmul(o, h, net.w2, {.trans_b = Trans::yes, .beta = 1});  // o = h w2' + b2
    return {h, o};
}

/// From the loss down: d = dL/do, then dL/dh = d w2, then dL/do1 = dL/dh dh/do1, then the pixels.
template <class T>
TwoLayers<T> backward(const TwoLayers<T>& net, const Output<T>& out, const Samples<T>& data,
                      double (*slope)(double)) {
    const auto n = data.x.dim(0), hidden = net.b1.size();
    const auto d = Tensor<T>::empty({n, 1}), d1 = Tensor<T>::empty({n, hidden});
    const TwoLayers<T> grad{Tensor<T>::empty(net.W1.shape()), Tensor<T>::zeros(net.b1.shape()),
                            Tensor<T>::empty(net.w2.shape()), Tensor<T>::zeros(net.b2.shape())};
    for (Index i = 0; i < n; ++i) {
        d.data()[i] = (logistic(out.o.data()[i]) - data.y.data()[i]) / static_cast<T>(n);
        grad.b2.data()[0] += d.data()[i];
    }
    matmul(grad.w2, d, out.h, {.trans_a = Trans::yes});  // dw2 = d' h
    matmul(d1, d, net.w2);                               // dL/dh = d w2
    for (Index i = 0; i < n; ++i)
        for (Index k = 0; k < hidden; ++k) {
            T& value = d1.data()[i * hidden + k];
            value *= static_cast<T>(slope(static_cast<double>(out.h.data()[i * hidden + k])));
            grad.b1.data()[k] += value;
        }
    matmul(grad.W1, d1, data.x, {.trans_a = Trans::yes});  // dW1 = d1' x
    return grad;
}

template <class T>
LossAndAccuracy score(const Tensor<T>& o, const Tensor<T>& y) {
    double loss = 0;
    Index correct = 0;
    for (Index i = 0; i < o.size(); ++i) {
        const auto score = static_cast<double>(o.data()[i]);
        const auto label = static_cast<double>(y.data()[i]);
        loss += std::max(score, 0.0) - label * score + std::log1p(std::exp(-std::abs(score)));
        correct += (score >= 0) == (label == 1);
    }
    const auto n = static_cast<double>(o.size());
    return {loss / n, static_cast<double>(correct) / n};
}

struct Settings {
    int epochs = 1;
    double lr = 0;
    double hidden_lr = 0;  // 0: a tenth of lr, as in the notebook
    double init = 0.01;    // standard deviation of all weights and biases
    double (*slope)(double) = true_slope;
};

struct Training {
    TrainingCurves curves;
    std::vector<double> hidden;  // all values h of the training set at the end

    [[nodiscard]] double saturated() const {  // the share of them beyond +-0.99
        const auto beyond = std::count_if(hidden.begin(), hidden.end(),
                                          [](double h) { return std::abs(h) > 0.99; });
        return static_cast<double>(beyond) / static_cast<double>(hidden.size());
    }
};

template <class T>
TwoLayers<T> random_network(Index features, double std, std::uint64_t seed) {
    constexpr Index hidden = 5;
    Random random(seed);
    const auto normal = [&](const Shape& shape) {
        const auto x = Tensor<float>::empty(shape);
        random.normal(x, 0, std);
        return x.cast<T>();
    };
    const Tensor<T> W1 = normal({hidden, features}), b1 = normal({hidden});
    const Tensor<T> w2 = normal({1, hidden}), b2 = normal({1});
    return {W1, b1, w2, b2};
}

/// Full-batch gradient descent; a hundred points of each curve are measured.
template <class T = float>
Training train(const TrainVal<Dataset>& data, const Settings& s, std::uint64_t seed) {
    const Samples<T> train(data.train), val(data.val);
    const TwoLayers<T> net = random_network<T>(train.x.dim(1), s.init, seed);
    const double hidden_lr = s.hidden_lr > 0 ? s.hidden_lr : s.lr / 10;
    const int every = std::max(1, s.epochs / 100);
    Training run;
    for (int epoch = 0;; ++epoch) {
        const Output<T> out = forward(net, train.x);
        if (epoch % every == 0 || epoch == s.epochs)
            run.curves.add(epoch, score(out.o, train.y), score(forward(net, val.x).o, val.y));
        if (epoch == s.epochs) {
            run.hidden.assign(out.h.span().begin(), out.h.span().end());
            return run;
        }
        const auto grads = backward(net, out, train, s.slope).all();
        const auto parameters = net.all();
        for (std::size_t p = 0; p < 4; ++p) {
            const auto lr = static_cast<T>(p < 2 ? hidden_lr : s.lr);
            for (Index i = 0; i < parameters[p].size(); ++i)
                parameters[p].data()[i] -= lr * grads[p].data()[i];
        }
    }
}

void check_gradient(Lesson& lesson, const TrainVal<Dataset>& signs) {
    lesson.section("The gradient, and a slip in it");
    lesson.say(
        "h = 2 logistic(x W1' + b1) - 1, five hidden units; o = h w2' + b2; q = logistic(o). "
        "Backwards: dL/do = (q - y) / N as in lesson 3, dL/dh = dL/do w2, times the slope dh/do1 "
        "of "
        "the hidden unit, times x. Held against differences, on twenty images in double:");
    const Samples<double> data(signs.train.rows(0, 20));
    const auto net = random_network<double>(data.x.dim(1), 0.1, lesson.options().seed);
    const auto checked = [&](double (*slope)(double)) {
        const auto d = backward(net, forward(net, data.x), data, slope);
        Parameter<double> W1{"W1", net.W1, d.W1}, b1{"b1", net.b1, d.b1}, w2{"w2", net.w2, d.w2},
            b2{"b2", net.b2, d.b2};
        const auto rows = check_gradients(
            {&W1, &b1, &w2, &b2}, [&] { return score(forward(net, data.x).o, data.y).loss; });
        lesson.pre(table(rows));
        return rows;
    };
    lesson.check("with the slope (1 - h^2) / 2 it is right", all_pass(checked(true_slope)));
    lesson.say(
        "The notebook calls the hidden unit a hyperbolic tangent and multiplies by (1 - h)^2. The "
        "same check:");
    const auto wrong = checked(book_slope);
    lesson.check("(1 - h)^2 is caught, below the output layer",
                 !wrong[0].pass() && !wrong[1].pass() && wrong[2].pass() && wrong[3].pass());
    lesson.say(
        "2 logistic(o) - 1 is tanh(o/2), and its derivative (1 - h^2) / 2. The notebook's is 2 (1 "
        "- "
        "h) / (1 + h) times as large: twice where the unit rests, hundreds of times where it "
        "saturates at -1, so that it is driven on. Lesson 11 has more of it. Both gradients "
        "go along in what follows.");
}

/// Trains by both gradients, draws all curves and returns the runs: by the true one, then the
/// notebook's.
std::vector<Training> compare(Lesson& lesson, const TrainVal<Dataset>& data, Settings settings,
                              const std::string& file, const std::string& caption) {
    std::vector<Training> runs;
    std::vector<Row> rows;
    Plot losses{.title = "Mean loss", .x_label = "epoch"};
    Plot accuracies{.title = "Validation accuracy", .x_label = "epoch"};
    for (const auto& [name, slope] :
         {std::pair{"true", &true_slope}, {"notebook's", &book_slope}}) {
        settings.slope = slope;
        const Training& run = runs.emplace_back(train(data, settings, lesson.options().seed));
        const auto [train_loss, train_accuracy] = run.curves.last_train();
        const auto [val_loss, val_accuracy] = run.curves.last_val();
        rows.push_back({name, format("%.4f", train_loss), format("%.3f", train_accuracy),
                        format("%.4f", val_loss), format("%.3f", val_accuracy),
                        format("%.1f %%", 100 * run.saturated())});
        const int color = slope == &book_slope;
        const std::string label = name + std::string(" gradient");
        losses.series.push_back(
            {.label = label, .y = run.curves.train_loss, .x = run.curves.epoch, .color = color});
        losses.series.push_back({.y = run.curves.val_loss,
                                 .x = run.curves.epoch,
                                 .style = Style::dashed,
                                 .color = color});
        accuracies.series.push_back(
            {.label = label, .y = run.curves.val_accuracy, .x = run.curves.epoch, .color = color});
    }
    lesson.table(
        {"gradient", "training loss", "accuracy", "validation loss", "accuracy", "|h| > 0.99"},
        rows);
    lesson.figure(file, caption, panels({losses, accuracies}, {.columns = 2}));
    return runs;
}

void train_signs(Lesson& lesson, const TrainVal<Dataset>& signs, bool real) {
    const LessonOptions& options = lesson.options();
    const bool told = real && !options.quick;
    const double unit = rate_unit(signs.train);
    const double low = 0.001 * unit, middle = 0.01 * unit, high = 0.05 * unit;
    lesson.section(real ? "Two signs" : "Two digits");
    lesson.say(
        format("The notebook's settings%s: five hidden units, all weights normal with standard "
               "deviation 0.01, %d epochs at rate %g, a tenth of it for the hidden layer.",
               changes(options, signs.train).c_str(), options.epochs, low));
    const auto slow = compare(lesson, signs, {.epochs = options.epochs, .lr = low},
                              "signs_slow.png", "Both gradients. Dashed: validation.");
    const int steps = std::max(1, options.epochs / 10), good = options.quick ? 500 : 1000;
    lesson.say(
        format("%sNear zero weights each layer's gradient is proportional to the other layer's "
               "weights, so both grow like a small sum at interest, and the rate is the interest: "
               "what counts is rate times epochs. At rate %g, %d epochs get just as far. At %g, %d "
               "get farther:",
               slow[0].curves.last_train().loss > 0.6
                   ? "Hardly anything is learnt, by either gradient. Nothing is broken; it has not "
                     "begun. "
                   : "",
               middle, steps, high, good));
    const auto same = train(signs, {.epochs = steps, .lr = middle}, options.seed).curves;
    lesson.line(format("rate %5g, %5d epochs: training loss %.4f", low, options.epochs,
                       slow[0].curves.last_train().loss));
    lesson.line(
        format("rate %5g, %5d epochs: training loss %.4f", middle, steps, same.last_train().loss));
    lesson.check("ten times the rate needs a tenth of the epochs",
                 std::abs(same.last_train().loss - slow[0].curves.last_train().loss) < 0.002);
    const auto runs =
        compare(lesson, signs, {.epochs = good, .lr = high}, "signs.png",
                told ? "The true gradient learns, the notebook's stalls. Dashed: validation."
                     : "Both gradients. Dashed: validation.");
    const LossAndAccuracy val = runs[0].curves.last_val();
    lesson.result("signs_val_accuracy", val.accuracy);
    lesson.result("signs_val_loss", val.loss);
    const auto histogram = [](const std::string& name, const Training& run) {
        return Histogram{.title = "Hidden values, " + name,
                         .x_label = "h",
                         .samples = {{"", run.hidden}},
                         .x_range = {-1, 1},
                         .density_curve = false};
    };
    lesson.figure(
        "hidden.png", "The hidden values of all training images after the last training.",
        panels({histogram("true gradient", runs[0]), histogram("notebook's gradient", runs[1])},
               {.columns = 2}));
    lesson.check("the true gradient trains further",
                 runs[0].curves.last_train().loss < runs[1].curves.last_train().loss);
    if (!real || options.epochs != 10'000 || options.seed != 42) return;
    // tools/reference_lessons.py two_layers
    check_reached(lesson, slow[0].curves, {0.676252, 0.53354}, {0.698150, 0.37349});
    check_reached(lesson, runs[0].curves, {0.078326, 0.98476}, {0.091001, 0.98795});
}

void train_dogs(Lesson& lesson, const TrainVal<Dataset>& dogs, bool real) {
    const LessonOptions& options = lesson.options();
    const int epochs = std::max(1, options.epochs / 20);
    const double rate = 0.5 * rate_unit(dogs.train), low = rate / 10;
    lesson.section(real ? "Dogs and cats" : "Even and odd digits");
    lesson.say(format("The notebook's faster settings%s: %d epochs at rate %g.",
                      changes(options, dogs.train).c_str(), epochs, rate));
    const auto runs = compare(lesson, dogs, {.epochs = epochs, .lr = rate}, "dogs.png",
                              real && !options.quick
                                  ? "By the notebook's gradient even the training loss rises in "
                                    "the end. Dashed: validation."
                                  : "Both gradients. Dashed: validation.");
    const LossAndAccuracy val = runs[0].curves.last_val();
    lesson.result("dogs_val_accuracy", val.accuracy);
    const bool full = options.epochs == 10'000 && options.seed == 42;
    if (real && full)
        check_reached(lesson, runs[0].curves, {0.635291, 0.65094}, {0.699170, 0.55875});
    if (options.quick) return;
    lesson.say(format("And its slower ones: %d epochs at rate %g, by the true gradient.",
                      10 * epochs, low));
    const auto slow = train(dogs, {.epochs = 10 * epochs, .lr = low}, options.seed).curves;
    lesson.figure("dogs_slow.png", format("Rate %g, and ten times as many steps.", low), slow);
    if (!real) return;
    lesson.check("again rate times epochs is what counts",
                 std::abs(slow.last_train().loss - runs[0].curves.last_train().loss) < 0.005,
                 format("training loss %.4f and %.4f", slow.last_train().loss,
                        runs[0].curves.last_train().loss));
    lesson.check("five hidden units do not tell dogs from cats", slow.last_val().accuracy < 0.62,
                 format("validation accuracy %.3f", slow.last_val().accuracy));
}

/// What can go wrong on the easy set, in float and in double.
void go_wrong(Lesson& lesson, const TrainVal<Dataset>& signs, bool real) {
    const double unit = rate_unit(signs.train);
    lesson.section("Settings that go wrong");
    lesson.say(
        "The notebook warns of divergence and puts it down to numerical issues of tanh. 500 epochs "
        "on the classes 0 and 1, everything computed once in float, with 24 bits, and once in "
        "double, with 53. If it were the numbers, double would do better.");
    struct Case {
        std::string what;
        Settings settings;
    };
    const int epochs = 500;
    const double good = 0.2 * unit, large = 20 * unit;
    const std::vector<Case> cases = {
        {format("rate %g", good), {epochs, good, good}},
        {format("rate %g, notebook's gradient", good), {epochs, good, good, 0.01, book_slope}},
        {"the same, hidden layer at a tenth", {epochs, good, good / 10, 0.01, book_slope}},
        {format("rate %g", large), {epochs, large, large}},
        {"starting weights 100 times as large", {epochs, good, good, 1}},
        {"starting weights 0", {epochs, good, good, 0}}};
    std::vector<Row> rows;
    std::vector<Training> runs;
    double least_wrong = INFINITY;
    for (const Case& c : cases) {
        const Training& run =
            runs.emplace_back(train<float>(signs, c.settings, lesson.options().seed));
        const Training exact = train<double>(signs, c.settings, lesson.options().seed);
        const double loss = run.curves.last_train().loss,
                     loss_double = exact.curves.last_train().loss;
        least_wrong = std::min(
            {least_wrong, rows.empty() ? INFINITY : loss, rows.empty() ? INFINITY : loss_double});
        rows.push_back({c.what,
                        format("%.3f", *std::max_element(run.curves.train_loss.begin(),
                                                         run.curves.train_loss.end())),
                        format("%.4f", loss), format("%.4f", loss_double),
                        format("%.3f", run.curves.last_val().accuracy),
                        format("%.1f %%", 100 * run.saturated())});
    }
    lesson.table(
        {"", "largest loss", "last, float", "last, double", "validation accuracy", "|h| > 0.99"},
        rows);
    if (real)
        lesson.say(
            "Double goes wrong wherever float does. (Where units jump about between saturated "
            "values the two part, since any small difference grows; neither is right.) The "
            "notebook's gradient drives its units to -1 and +1, where the true slope is nearly 0 "
            "and nothing can be mended; a tenth of the rate only makes that slower. Too large a "
            "rate or a start does the same by itself.");
    else
        lesson.say(
            "Digits are easier than hands, and not all of these settings fail on them. What "
            "fails in float fails in double too.");
    lesson.say(
        "From zero weights nothing but the output bias ever moves: h = 0, so dw2 = 0; "
        "w2 = 0, so dW1 = 0. tanh has no numerical trouble anywhere: it is bounded, and so is its "
        "slope.");
    const double right = runs[0].curves.last_train().loss;
    if (real)
        lesson.check("the first learns; all others fail in float and in double",
                     right < 0.02 && least_wrong > 5 * right,
                     format("training loss %.4f, at least %.4f", right, least_wrong));
    lesson.check("from zero weights nothing is learnt", runs[5].curves.last_train().loss > 0.6);
    if (real)
        lesson.check(
            "the notebook's gradient saturates the units",
            runs[1].saturated() > 0.5 && runs[0].saturated() < 0.2,
            format("%.2f of them, %.2f by the true one", runs[1].saturated(), runs[0].saturated()));
}

/// One way of training the same network by the library's parts.
struct Variation {
    std::string activation, solver;
    double lr;
    Index batch, hidden;
};

std::unique_ptr<Layer<float>> activation(const std::string& name) {
    if (name == "logistic") return std::make_unique<Sigmoid<float>>();
    if (name == "ReLU") return std::make_unique<ReLU<float>>();
    return std::make_unique<Tanh<float>>();
}

/// Stops when the validation loss has not fallen for `patience` epochs. Returns a row of the table.
Row try_out(const TrainVal<Dataset>& data, const Variation& v, int epochs, int patience,
            std::uint64_t seed, double& best_accuracy) {
    Random random(seed);
    Sequential<float> model;
    model.add<Linear<float>>(data.train.features(), v.hidden, random);
    model.append(activation(v.activation));
    model.add<Linear<float>>(v.hidden, 1, random);
    std::unique_ptr<Optimizer<float>> optimizer;
    if (v.solver == "Adam")
        optimizer = std::make_unique<Adam<float>>(model.parameters(), v.lr);
    else
        optimizer = std::make_unique<SGD<float>>(
            model.parameters(),
            SGDOptions{.lr = v.lr, .momentum = v.solver == "momentum 0.9" ? 0.9 : 0});
    DataLoader loader(
        data.train,
        {.batch_size = std::min(v.batch, data.train.size()), .shuffle = true, .seed = seed});
    const Samples<float> val(data.val);
    BCEWithLogitsLoss<float> loss;
    LossAndAccuracy best{INFINITY, 0};
    int best_epoch = 0, epoch = 0;
    while (epoch < epochs && epoch - best_epoch < patience) {
        ++epoch;
        for (const Batch& batch : loader) {
            optimizer->zero_grad();
            loss.forward(model.forward(batch.x),
                         batch.y.cast<float>().reshape({batch.y.size(), 1}));
            model.backward_parameters(loss.backward());
            optimizer->step();
        }
        const LossAndAccuracy now = score(model.forward(val.x), val.y);
        if (now.loss < best.loss) {
            best = now;
            best_epoch = epoch;
        }
    }
    best_accuracy = std::max(best_accuracy, best.accuracy);
    return {v.activation,
            v.solver,
            format("%g", v.lr),
            std::to_string(v.batch),
            std::to_string(v.hidden),
            std::to_string(epoch),
            std::to_string(best_epoch),
            format("%.4f", best.loss),
            format("%.3f", best.accuracy)};
}

void vary(Lesson& lesson, const TrainVal<Dataset>& signs, const TrainVal<Dataset>& dogs) {
    lesson.section("Other ways");
    const int most = lesson.options().quick ? 5 : 100, patience = 10;
    lesson.say(format(
        "The same two layers from the library: other activations, solvers, batch sizes and more "
        "units, in shuffled minibatches. Training stops once the validation loss has not fallen "
        "for %d epochs, at %d at the latest; the loss and accuracy are those of its best epoch.",
        patience, most));
    const std::vector<Variation> variations = {
        {"tanh", "SGD", 0.1, 10'000, 5}, {"tanh", "SGD", 0.1, 64, 5},
        {"tanh", "SGD", 0.1, 16, 5},     {"logistic", "SGD", 0.1, 16, 5},
        {"ReLU", "SGD", 0.1, 16, 5},     {"ReLU", "momentum 0.9", 0.01, 16, 5},
        {"ReLU", "Adam", 0.001, 16, 5},  {"ReLU", "Adam", 0.001, 16, 50}};
    for (const bool is_dogs : {false, true}) {
        std::vector<Row> rows;
        double best = 0;
        for (const Variation& v : variations)
            rows.push_back(
                try_out(is_dogs ? dogs : signs, v, most, patience, lesson.options().seed, best));
        for (Row& row : rows)
            if (row[3] == "10000") row[3] = "all";
        lesson.say("Classes " + class_names((is_dogs ? dogs : signs).train) + ":");
        lesson.table({"activation", "solver", "rate", "batch", "units", "epochs", "best",
                      "validation loss", "accuracy"},
                     rows);
        lesson.result(is_dogs ? "best_dogs" : "best_signs", best);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "05_two_layers",
        .title = "Two layers, by hand",
        .summary =
            "Five hidden units: the whole derivation, a slip in it that the check catches, "
            "settings that go wrong, and why they do.",
        .epochs = 10'000,
        .quick_epochs = 500,
        .data_help = notebook_set_help,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const cpu::FlushDenormals flush;
        const auto& options = lesson.options();
        const auto cache = options.out.parent_path() / "cache";
        const NotebookSet all = load_sign_digits(options.data, cache);
        const NotebookSet pets = load_dogs_cats(options.data, cache);
        lesson.section("The data");
        lesson.say(all.note);
        lesson.say(pets.note);
        lesson.say("Both prepared as in lesson 3; of the first set, only the classes 0 and 1.");
        const auto signs = get_dataset(two_classes(all.set, 0, 1));
        const auto dogs = get_dataset(pets.set);
        for (const Dataset& set : {signs.train, dogs.train})
            if (rate_unit(set) > 1)
                lesson.say(
                    format("Images of the classes %s have only %td pixels, and smaller gradients: "
                           "the training by hand takes rates %g times as large for them.",
                           class_names(set).c_str(), set.features(), rate_unit(set)));
        check_gradient(lesson, signs);
        train_signs(lesson, signs, !all.stand_in);
        train_dogs(lesson, dogs, !pets.stand_in);
        go_wrong(lesson, signs, !all.stand_in);
        vary(lesson, signs, dogs);
    });
}
