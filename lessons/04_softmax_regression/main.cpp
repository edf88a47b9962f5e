// Losses, and softmax regression by hand: one layer, ten classes.
//
//   make lesson N=4
//
// What a loss must be to be descended; the softmax Jacobian and how it cancels to q - y; the
// overflow of the unshifted form; then the ten signs, which of them are mixed up, and ten
// one-against-all classifiers beside them. README.md beside this file has the derivations.
#include <algorithm>
#include <cmath>

#include "check/gradient_check.h"
#include "data/notebook_sets.h"
#include "layers/linear.h"
#include "losses/cross_entropy.h"
#include "report/confusion_matrix.h"
#include "report/image_grid.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "report/training_curves.h"
#include "train/metrics.h"

using namespace handgrad;

namespace {

constexpr double rate = 0.1;

template <class T>
struct OneLayer {
    Tensor<T> W;  // (C, F)
    Tensor<T> b;  // (C)
};

/// The notebook's start: everything normal with a standard deviation of 0.1.
OneLayer<float> random_layer(Index classes, Index features, std::uint64_t seed) {
    const OneLayer<float> layer{Tensor<float>::empty({classes, features}),
                                Tensor<float>::empty({classes})};
    Random random(seed);
    random.normal(layer.W, 0, 0.1);
    random.normal(layer.b, 0, 0.1);
    return layer;
}

/// The scores o = x W' + b, (N, C)
template <class T>
Tensor<T> scores(const OneLayer<T>& layer, const Tensor<T>& x) {
    const auto o = Tensor<T>::empty({x.dim(0), layer.b.size()});
    for (Index n = 0; n < o.dim(0); ++n)
        for (Index c = 0; c < o.dim(1); ++c) o(n, c) = layer.b(c);
    matmul(o, x, layer.W, {.trans_b = Trans::yes, .beta = 1});
    return o;
}

/// q_c = exp(o_c) / sum_k exp(o_k), as the textbook has it.
template <class T>
std::vector<T> unshifted_softmax(std::span<const T> o) {
    std::vector<T> q(o.begin(), o.end());
    T sum = 0;
    for (T& v : q) sum += v = std::exp(v);
    for (T& v : q) v /= sum;
    return q;
}

/// The same with the greatest score subtracted from all, which cancels.
template <class T>
std::vector<T> softmax(std::span<const T> o) {
    std::vector<T> shifted(o.begin(), o.end());
    const T most = *std::max_element(o.begin(), o.end());
    for (T& v : shifted) v -= most;
    return unshifted_softmax<T>(shifted);
}

/// Ten logistic functions, which know nothing of one another: one against all.
template <class T>
std::vector<T> logistics(std::span<const T> o) {
    std::vector<T> q(o.begin(), o.end());
    for (T& v : q) v = 1 / (1 + std::exp(-v));
    return q;
}

template <class T>
using Activate = std::vector<T> (*)(std::span<const T>);

/// Each row of scores turned into probabilities, (N, C).
template <class T>
Tensor<T> activate(const Tensor<T>& o, Activate<T> f) {
    const Tensor<T> q = o.clone();
    for (Index n = 0; n < o.dim(0); ++n) {
        const std::vector<T> row = f(o.rows(n, n + 1).span());
        std::copy(row.begin(), row.end(), q.rows(n, n + 1).data());
    }
    return q;
}

/// dW = d' x and db = column sums of d, with d = (q - y) / N for softmax and logistics alike.
template <class T>
OneLayer<T> backward(const Tensor<T>& q, const Labels& y, const Tensor<T>& x) {
    const Tensor<T> d = q.clone();  // (N, C)
    const T n = static_cast<T>(d.dim(0));
    const OneLayer<T> grad{Tensor<T>::empty({d.dim(1), x.dim(1)}), Tensor<T>::zeros({d.dim(1)})};
    for (Index i = 0; i < d.dim(0); ++i)
        for (Index c = 0; c < d.dim(1); ++c) {
            d(i, c) = (d(i, c) - (y(i) == c ? 1 : 0)) / n;
            grad.b(c) += d(i, c);
        }
    matmul(grad.W, d, x, {.trans_a = Trans::yes});
    return grad;
}

/// The mean over samples of -log q_y, and how often the greatest q is that of y.
template <class T>
LossAndAccuracy score(const Tensor<T>& q, const Labels& y) {
    double loss = 0;
    for (Index i = 0; i < y.size(); ++i) loss -= std::log(static_cast<double>(q(i, y(i))));
    const auto n = static_cast<double>(y.size());
    return {loss / n, static_cast<double>(count_correct(q, y)) / n};
}

struct Training {
    OneLayer<float> layer;
    TrainingCurves curves;
};

/// Full-batch gradient descent; the curves begin before the first step.
Training train(const TrainVal<Dataset>& data, int epochs, double lr, std::uint64_t seed,
               Activate<float> activation) {
    const Dataset &train = data.train, &val = data.val;
    Training run{random_layer(std::ssize(train.classes), train.features(), seed), {}};
    for (int epoch = 0; epoch <= epochs; ++epoch) {
        const Tensor<float> q = activate(scores(run.layer, train.x), activation);
        run.curves.add(epoch, score(q, train.y),
                       score(activate(scores(run.layer, val.x), activation), val.y));
        if (epoch == epochs) break;
        const OneLayer<float> d = backward(q, train.y, train.x);
        const auto step = static_cast<float>(lr);
        for (Index i = 0; i < d.W.size(); ++i) run.layer.W.data()[i] -= step * d.W.data()[i];
        for (Index c = 0; c < d.b.size(); ++c) run.layer.b(c) -= step * d.b(c);
    }
    return run;
}

void show_losses(Lesson& lesson) {
    lesson.section("Three losses");
    lesson.say(
        "A loss says how far a probability q of class 1 is from the label. For y = 1: the square "
        "(1 - q)^2, the absolute 1 - q, and the cross entropy -log q. With q = logistic(o), what "
        "training feels is the slope by the score o:");
    const auto q = [](double o) { return 1 / (1 + std::exp(-o)); };
    const auto square = [&](double o) { return -2 * (1 - q(o)) * q(o) * (1 - q(o)); };
    const auto absolute = [&](double o) { return -q(o) * (1 - q(o)); };
    const auto entropy = [&](double o) { return q(o) - 1; };
    std::vector<Row> rows;
    for (const double o : {-8.0, -4.0, 0.0, 4.0, 8.0})
        rows.push_back({format("%g", o), format("%.4f", q(o)),
                        format("%.2g", std::pow(1 - q(o), 2)), format("%.2g", square(o)),
                        format("%.2g", 1 - q(o)), format("%.2g", absolute(o)),
                        format("%.2g", -std::log(q(o))), format("%.2g", entropy(o))});
    lesson.table({"o", "q", "square", "slope", "absolute", "slope", "cross entropy", "slope"},
                 rows);
    lesson.say(
        "At o = -8 the classifier is sure, and wrong. Square and absolute loss hardly pull there, "
        "as the logistic function is flat; cross entropy pulls with all its force.");
    const AxisRange range{-8, 8};
    lesson.figure(
        "losses.png",
        "The losses of a sample of class 1, and their slopes. Far left it is badly wrong.",
        panels(
            {Plot{
                 .title = "Loss, y = 1",
                 .x_label = "score o",
                 .series = {curve(
                                "square", [&](double o) { return std::pow(1 - q(o), 2); }, range),
                            curve(
                                "absolute", [&](double o) { return 1 - q(o); }, range),
                            curve(
                                "cross entropy", [&](double o) { return -std::log(q(o)); }, range)},
                 .y_range = {0, 4}},
             Plot{.title = "Slope by the score",
                  .x_label = "score o",
                  .series = {curve("square", square, range), curve("absolute", absolute, range),
                             curve("cross entropy", entropy, range)}}},
            {.columns = 2}));
    lesson.check("only cross entropy pulls where the classifier is badly wrong",
                 entropy(-8) < -0.99 && std::max(-square(-8), -absolute(-8)) < 0.001);

    lesson.say("The same for three classes, of which the first is right:");
    rows.clear();
    for (const std::vector<double>& p : {std::vector<double>{0.8, 0.1, 0.1},
                                         {0.5, 0.5, 0},
                                         {0.5, 0.25, 0.25},
                                         {0.01, 0.98, 0.01}}) {
        double squares = 0, absolutes = 0;
        for (std::size_t c = 0; c < 3; ++c) {
            squares += std::pow(p[c] - (c == 0 ? 1 : 0), 2);
            absolutes += std::abs(p[c] - (c == 0 ? 1 : 0));
        }
        rows.push_back({format("%g, %g, %g", p[0], p[1], p[2]), format("%.4f", squares),
                        format("%.4f", absolutes), format("%.4f", -std::log(p[0]))});
    }
    lesson.table({"q", "square |y-q|^2", "absolute |y-q|_1", "cross entropy -log q_y"}, rows);
    lesson.say(
        "Absolute loss, 2 (1 - q_y), and cross entropy ask only for the right class's share; "
        "square loss also for how the rest is spread.");
}

/// Along one line through weight space, accuracy is a staircase and the loss a slope.
void accuracy_is_flat(Lesson& lesson, const TrainVal<Dataset>& data) {
    lesson.section("Why accuracy can't be descended");
    const OneLayer<float> start =
        random_layer(std::ssize(data.train.classes), data.train.features(), lesson.options().seed);
    const Dataset few = data.train.rows(0, 100);
    const Tensor<float> o = scores(start, few.x);
    const OneLayer<float> d = backward(activate(o, softmax<float>), few.y, few.x);
    const Tensor<float> change = scores(d, few.x);  // of the scores, for a step of length 1
    Series losses{.label = "cross entropy"}, accuracies{.label = "accuracy", .right = true};
    int flat = 0;
    for (int i = 0; i <= 2000; ++i) {
        const float t = static_cast<float>(i) * 2e-5F;
        const Tensor<float> moved = o.clone();
        for (Index k = 0; k < o.size(); ++k) moved.data()[k] -= t * change.data()[k];
        const auto [loss, accuracy] = score(activate(moved, softmax<float>), few.y);
        if (i > 0) flat += accuracy == accuracies.y.back();
        losses.x.push_back(static_cast<double>(t));
        accuracies.x.push_back(static_cast<double>(t));
        losses.y.push_back(loss);
        accuracies.y.push_back(accuracy);
    }
    lesson.say(format(
        "Accuracy is what is wanted, so why not descend it? One step against the gradient of "
        "the cross entropy, from random weights on 100 images, divided into 2000: %d of the "
        "2000 leave the accuracy exactly as it was. Its derivative is 0 where it has one, "
        "and where it jumps it has none. The loss falls all the way, whatever the "
        "accuracy does.",
        flat));
    lesson.figure("accuracy.png", "Accuracy is a staircase: its slope says nothing.",
                  {.title = "Against the gradient",
                   .x_label = "step length",
                   .y_label = "cross entropy",
                   .series = {losses, accuracies},
                   .right_label = "accuracy"});
    const bool falls = std::is_sorted(losses.y.rbegin(), losses.y.rend());
    lesson.check("the loss falls all the way, the accuracy is flat nearly everywhere",
                 falls && flat > 1900, format("%d of 2000", flat));
}

void show_jacobian(Lesson& lesson, const TrainVal<Dataset>& data) {
    lesson.section("The softmax Jacobian, and what is left of it");
    const std::vector<double> o = {1, 2, 0, -1};
    const std::vector<double> q = softmax<double>(o);
    const std::size_t label = 2;
    lesson.say(
        "q_i = exp(o_i) / sum_k exp(o_k). Every score moves every probability: dq_i/do_j = "
        "q_i ([i = j] - q_j), the matrix diag(q) - q q'. For o = (1, 2, 0, -1), with the largest "
        "distance from differences, and its product with dl/dq, which for a sample of class 2 is "
        "-1/q_2 in one place and 0 elsewhere:");
    std::vector<Row> rows;
    double far = 0, off = 0;
    for (std::size_t i = 0; i < o.size(); ++i) {
        Row row = {format("%.4f", q[i])};
        for (std::size_t j = 0; j < o.size(); ++j) {
            const double by_hand = q[i] * ((i == j ? 1 : 0) - q[j]), e = 1e-5;
            std::vector<double> up = o, down = o;
            up[j] += e;
            down[j] -= e;
            far = std::max(
                far,
                std::abs(by_hand - (softmax<double>(up)[i] - softmax<double>(down)[i]) / (2 * e)));
            row.push_back(format("%.4f", by_hand));
        }
        // The matrix is symmetric: row i times dl/dq is dl/do_i.
        const double dl_do = q[i] * ((i == label ? 1 : 0) - q[label]) * (-1 / q[label]);
        const double left = q[i] - (i == label ? 1 : 0);
        off = std::max(off, std::abs(dl_do - left));
        row.push_back(format("%.4f", dl_do));
        row.push_back(format("%.4f", left));
        rows.push_back(row);
    }
    lesson.table({"q", "dq/do_0", "dq/do_1", "dq/do_2", "dq/do_3", "times dl/dq", "q - y"}, rows);
    lesson.check("the Jacobian is the one that differences measure", far < 1e-9,
                 format("%.1e", far));
    lesson.check("the product cancels to q - y", off < 1e-15, format("%.1e", off));

    lesson.say(
        "So dL/dW = 1/N sum (q - y) x'. Twenty images in double, by the library's layers and by "
        "differences:");
    const Tensor<double> x = data.train.x.rows(0, 20).cast<double>();
    const Labels y = data.train.y.rows(0, 20);
    const OneLayer<float> start =
        random_layer(std::ssize(data.train.classes), x.dim(1), lesson.options().seed);
    const OneLayer<double> layer{start.W.cast<double>(), start.b.cast<double>()};
    const OneLayer<double> d = backward(activate(scores(layer, x), softmax<double>), y, x);
    Random unused(0);
    Linear<double> linear(x.dim(1), layer.b.size(), unused);
    linear.weight.value.copy_from(layer.W);
    linear.bias.value.copy_from(layer.b);
    CrossEntropyLoss<double> loss;
    loss.forward(linear.forward(x), y);
    linear.backward_parameters(loss.backward());
    double from_layers = 0;
    for (Index i = 0; i < d.W.size(); ++i)
        from_layers = std::max(from_layers, std::abs(linear.weight.grad.data()[i] - d.W.data()[i]));
    Parameter<double> W{"W", layer.W, d.W}, b{"b", layer.b, d.b};
    const auto checked = check_gradients(
        {&W, &b}, [&] { return score(activate(scores(layer, x), softmax<double>), y).loss; });
    lesson.pre(table(checked));
    lesson.check("by hand, by layers and by differences agree",
                 from_layers < 1e-15 && all_pass(checked),
                 format("%.1e from the layers", from_layers));
}

void show_overflow(Lesson& lesson, const TrainVal<Dataset>& data) {
    lesson.section("Overflow");
    lesson.say(
        "In float exp overflows at 88.7, and infinity by infinity is NaN. Subtracting the greatest "
        "score from all changes nothing on paper, and everything here: exp is then at most 1.");
    const auto list = [](const std::vector<float>& q) {
        std::string text;
        for (const float v : q)
            text += (text.empty() ? "" : ", ") +
                    (std::isnan(v) ? "nan" : format("%.4g", static_cast<double>(v)));
        return text;
    };
    std::vector<Row> rows;
    bool broke = true, held = true;
    for (const std::vector<float>& o :
         {std::vector<float>{1, 2, 3}, {81, 82, 83}, {91, 92, 93}, {-200, -201, -202}}) {
        const auto bad = unshifted_softmax<float>(o), good = softmax<float>(o);
        if (std::abs(o[0]) > 90) broke = broke && std::isnan(bad[0]);
        held = held && std::abs(good[0] + good[1] + good[2] - 1) < 1e-6F;
        rows.push_back({format("%g, %g, %g", static_cast<double>(o[0]), static_cast<double>(o[1]),
                               static_cast<double>(o[2])),
                        list(bad), list(good)});
    }
    lesson.table({"o", "unshifted", "shifted"}, rows);
    lesson.check("the unshifted form overflows, the shifted one does not", broke && held);

    const double large = 2 * 4096 / static_cast<double>(data.train.features());
    const auto bad = train(data, 20, large, lesson.options().seed, unshifted_softmax<float>).curves;
    const auto good = train(data, 20, large, lesson.options().seed, softmax<float>).curves;
    const auto first = std::find_if(bad.train_loss.begin(), bad.train_loss.end(),
                                    [](double l) { return std::isnan(l); });
    const auto chance =
        static_cast<double>(std::count(data.train.y.span().begin(), data.train.y.span().end(), 0)) /
        static_cast<double>(data.train.size());
    lesson.say(
        format("In training it is worse than a print: NaN goes into the gradient, and all weights "
               "are NaN from then on. At rate %g that is after %td steps; the accuracy stays at "
               "%.3f. Shifted, the same 20 steps reach %.3f.",
               large, first - bad.train_loss.begin(), bad.last_train().accuracy,
               good.last_train().accuracy));
    lesson.check("the unshifted form ends training",
                 std::isnan(bad.train_loss.back()) &&
                     good.last_train().accuracy > bad.last_train().accuracy + chance);
}

void likelihood(Lesson& lesson, const Tensor<float>& q, const Labels& y) {
    double product = 1, sum = 0;
    Index until = 0;
    for (Index i = 0; i < y.size(); ++i) {
        product *= static_cast<double>(q(i, y(i)));
        sum -= std::log(static_cast<double>(q(i, y(i))));
        if (product > 0) until = i + 1;
        if (i == 9)
            lesson.check("the loss summed is the negative log likelihood",
                         std::abs(sum + std::log(product)) < 1e-12,
                         format("-log of the product of ten %.6f, sum of ten losses %.6f",
                                -std::log(product), sum));
    }
    lesson.say(
        format("The likelihood of all labels is the product of %td probabilities. The product "
               "itself is 0 in double after %td; its logarithm, minus %.1f, is no trouble.",
               y.size(), until, sum));
}

/// The classes that are taken for one another, and images of the worst pair.
void show_confusion(Lesson& lesson, const Dataset& val, const Tensor<float>& q,
                    const Tensor<float>& images) {
    lesson.section("Which classes are mixed up");
    const Tensor<Index> counts = confusion_matrix(q, val.y);
    lesson.figure("confusion.png",
                  "Rows: the class that it is. Columns: the class that was predicted.",
                  ConfusionMatrix{"Validation set", val.classes, counts});
    struct Pair {
        Index a, b, count;
    };
    std::vector<Pair> pairs;
    const Index classes = counts.dim(0);
    for (Index a = 0; a < classes; ++a)
        for (Index b = 0; b < a; ++b) pairs.push_back({b, a, counts(a, b) + counts(b, a)});
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Pair& a, const Pair& b) { return a.count > b.count; });
    std::vector<Row> rows;
    for (std::size_t i = 0; i < 5; ++i) {
        const auto [a, b, count] = pairs[i];
        rows.push_back({format("%td and %td", a, b), std::to_string(counts(a, b)),
                        std::to_string(counts(b, a)), std::to_string(count)});
    }
    lesson.table({"classes", "first taken for second", "second for first", "together"}, rows);
    Dataset unscaled = val;
    unscaled.x = images;
    std::vector<Index> wrong;
    std::vector<std::string> captions;
    for (Index i = 0; i < val.size() && wrong.size() < 24; ++i) {
        const float* const row = q.data() + i * classes;
        const Index guess = std::max_element(row, row + classes) - row;
        if (guess == val.y(i)) continue;
        wrong.push_back(i);
        captions.push_back(val.classes[static_cast<std::size_t>(val.y(i))] + " as " +
                           val.classes[static_cast<std::size_t>(guess)]);
    }
    write_image_grid(
        lesson.path("mistakes.png"), unscaled.subset(wrong).x,
        {.height = val.sample[0], .width = val.sample[1], .captions = captions, .columns = 8});
    lesson.figure("mistakes.png", "The first mistakes of the validation set.");
    lesson.result("most_confused", format("%td and %td", pairs[0].a, pairs[0].b));
}

void one_against_all(Lesson& lesson, const TrainVal<Dataset>& data,
                     const TrainingCurves& softmax_curves, bool compare) {
    lesson.section("Ten classifiers, each against all others");
    const Training run =
        train(data, lesson.options().epochs, rate, lesson.options().seed, logistics<float>);
    const Tensor<float> q = activate(scores(run.layer, data.val.x), logistics<float>);
    Index none = 0, several = 0;
    double least = INFINITY, most = 0;
    for (Index i = 0; i < q.dim(0); ++i) {
        int said_yes = 0;
        double sum = 0;
        for (Index c = 0; c < q.dim(1); ++c) {
            said_yes += q(i, c) >= 0.5F;
            sum += static_cast<double>(q(i, c));
        }
        none += said_yes == 0;
        several += said_yes > 1;
        least = std::min(least, sum);
        most = std::max(most, sum);
    }
    const double accuracy = run.curves.last_val().accuracy;
    lesson.say(
        "Lesson 3 ten times over: classifier c says whether an image is of class c or not. The "
        "gradient is (q - y) x again, but each q has its own logistic function. From the same "
        "weights, by the same steps:");
    const auto n = static_cast<double>(q.dim(0));
    lesson.table({"", "training accuracy", "validation accuracy", "sum of the ten q",
                  "none says yes", "several do"},
                 {{"softmax", format("%.3f", softmax_curves.last_train().accuracy),
                   format("%.3f", softmax_curves.last_val().accuracy), "1", "", ""},
                  {"one against all", format("%.3f", run.curves.last_train().accuracy),
                   format("%.3f", accuracy), format("%.2f to %.2f", least, most),
                   format("%.1f %%", 100 * static_cast<double>(none) / n),
                   format("%.1f %%", 100 * static_cast<double>(several) / n)}});
    lesson.say(
        "The greatest of ten answers is right about as often. But the ten are no distribution: "
        "they were never told that exactly one of them is right.");
    lesson.result("one_against_all_val_accuracy", accuracy);
    lesson.check("the ten do not add up to 1", most - least > 0.5);
    // tools/reference_lessons.py softmax
    if (compare) check_reached(lesson, run.curves, {0.739222, 0.84112}, {1.046845, 0.69492}, 0.005);
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "04_softmax_regression",
        .title = "Losses, and softmax regression by hand",
        .summary =
            "Ten signs of a hand with one layer: what a loss must do, the Jacobian that "
            "cancels to q - y, the overflow, and which signs are mixed up.",
        .epochs = 300,
        .quick_epochs = 60,
        .data_help = notebook_set_help,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const LessonOptions& options = lesson.options();
        const NotebookSet signs =
            load_sign_digits(options.data, options.out.parent_path() / "cache");
        const auto data = get_dataset(signs.set);
        const bool compare = !signs.stand_in && options.epochs == 300 && options.seed == 42;

        show_losses(lesson);
        accuracy_is_flat(lesson, data);
        show_jacobian(lesson, data);
        show_overflow(lesson, data);

        lesson.section(signs.stand_in ? "Ten digits" : "Ten signs");
        lesson.say(signs.note);
        lesson.say(
            format("%td to train on, %td to validate. Weights and biases start normal with "
                   "standard deviation 0.1; %d full-batch steps at rate %g.",
                   data.train.size(), data.val.size(), options.epochs, rate));
        write_samples(lesson.path("signs.png"), signs.set, 8);
        lesson.figure("signs.png", "Eight of each class.");
        const Training run = train(data, options.epochs, rate, options.seed, softmax<float>);
        const auto [val_loss, val_accuracy] = run.curves.last_val();
        log_curves(lesson, run.curves, 50);
        lesson.figure("training.png", "Mean losses and accuracies, before each step.", run.curves);
        lesson.result("val_accuracy", val_accuracy);
        lesson.result("val_loss", val_loss);
        lesson.check("the classes are told apart far better than by chance", val_accuracy > 0.5,
                     format("%.3f, chance 0.1", val_accuracy));
        // tools/reference_lessons.py softmax
        if (compare)
            check_reached(lesson, run.curves, {0.550746, 0.85870}, {0.904655, 0.70460}, 0.005);
        likelihood(lesson, activate(scores(run.layer, data.train.x), softmax<float>), data.train.y);

        const OneLayer<float> start =
            random_layer(run.layer.b.size(), data.train.features(), options.seed);
        std::vector<Drawing> added;
        for (Index c = 0; c < run.layer.b.size(); ++c) {
            std::vector<float> change = run.layer.W.rows(c, c + 1).values();
            for (std::size_t i = 0; i < change.size(); ++i)
                change[i] -= start.W.rows(c, c + 1).data()[i];
            HeatMap map = pixel_map(data.train.classes[static_cast<std::size_t>(c)], change,
                                    data.train.sample);
            map.color_bar = false;
            added.push_back(map);
        }
        lesson.figure("weights.png",
                      "What training added to the weights of each class: it asks for bright pixels "
                      "where it is red, dark ones where it is blue.",
                      panels(added, {.columns = 5, .panel_height = 440}));
        show_confusion(lesson, data.val, activate(scores(run.layer, data.val.x), softmax<float>),
                       train_test_split(signs.set).val.x);
        one_against_all(lesson, data, run.curves, compare);
    });
}
