// Losses, and softmax regression by hand: one layer, ten classes.
//
//   make lesson N=4
//
// The softmax Jacobian and how it cancels to q - y; then the ten signs, and which of them are mixed
// up. README.md beside this file has the derivations, and the other files here what belongs to it:
// what a loss must be to be descended, the overflow of the unshifted softmax, and ten
// one-against-all classifiers.
#include <algorithm>
#include <cmath>

#include "check/gradient_check.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "data/notebook_sets.h"
#include "layers/linear.h"
#include "losses/cross_entropy.h"
#include "one_against_all.h"
#include "report/confusion_matrix.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "report/training_curves.h"
#include "softmax_that_overflows.h"
#include "train/metrics.h"
#include "what_a_loss_must_do.h"

using namespace handgrad;

namespace {

constexpr double rate = 0.1;

/// N samples of C classes, where they are computed with.
template <class T>
struct Samples {
    Tensor<T> x;    // (N, F), in [-.5, .5]
    Tensor<T> y;    // (N, C), one-hot
    Labels labels;  // (N)

    explicit Samples(const Dataset& set, Device device = Device::cpu)
        : x(set.x.cast<T>().to(device)),
          y(one_hot<T>(set.y, std::ssize(set.classes)).to(device)),
          labels(set.y) {}
};

template <class T>
struct OneLayer {
    Tensor<T> W;  // (C, F)
    Tensor<T> b;  // (C)
};

/// The notebook's start: everything normal with a standard deviation of 0.1.
OneLayer<float> random_layer(const Dataset& set, std::uint64_t seed, Device device = Device::cpu) {
    const Index classes = std::ssize(set.classes);
    const auto W = Tensor<float>::empty({classes, set.features()});
    const auto b = Tensor<float>::empty({classes});
    Random random(seed);
    random.normal(W, 0, 0.1);
    random.normal(b, 0, 0.1);
    return {W.to(device), b.to(device)};
}

/// The scores o = W x + b of each sample; q = softmax(o) are the probabilities of the classes.
template <class T>
Tensor<T> scores(const OneLayer<T>& layer, const Tensor<T>& x) {
    return matmul(x, layer.W, Trans::no, Trans::yes) + layer.b;  // (N, C)
}

/// dL/dW = 1/N sum (q - y) x' and dL/db = 1/N sum (q - y), for softmax and logistics alike.
template <class T>
OneLayer<T> backward(const Tensor<T>& q, const Tensor<T>& y, const Tensor<T>& x) {
    const Tensor<T> d_o = (q - y) / static_cast<double>(x.dim(0));  // (N, C)
    return {matmul(d_o, x, Trans::yes), sum(d_o, {0})};             // (C, F), (C)
}

using Activation = Tensor<float> (*)(const Tensor<float>& o);

struct Training {
    Tensor<float> added;           // (C, F), to the weights
    TrainingCurves curves;         // value k is that after k epochs
    Tensor<float> train_q, val_q;  // the probabilities at the end
};

/// Full-batch gradient descent.
Training train(const TrainVal<Dataset>& sets, const LessonOptions& options, Activation activation,
               int epochs, double lr = rate) {
    const Samples<float> data(sets.train, options.device), val(sets.val, options.device);
    const OneLayer<float> layer = random_layer(sets.train, options.seed, options.device);
    const Tensor<float> start = layer.W.clone();
    TrainingCurves curves;
    for (int epoch = 0;; ++epoch) {
        const Tensor<float> q = activation(scores(layer, data.x));
        const Tensor<float> val_q = activation(scores(layer, val.x));
        curves.add(epoch, {cross_entropy(q, data.y), accuracy(q, data.labels)},
                   {cross_entropy(val_q, val.y), accuracy(val_q, val.labels)});
        if (epoch == epochs) return {layer.W - start, curves, q, val_q};
        const OneLayer<float> d = backward(q, data.y, data.x);
        layer.W -= lr * d.W;
        layer.b -= lr * d.b;
    }
}

void show_jacobian(Lesson& lesson) {
    lesson.section("The softmax Jacobian, and what is left of it");
    lesson.say(
        "q_i = exp(o_i) / sum_k exp(o_k). Every score moves every probability: dq_i/do_j = "
        "q_i ([i = j] - q_j), the matrix diag(q) - q q'. For o = (1, 2, 0, -1), and its product "
        "with dl/dq, which for a sample of class 2 is -1/q_2 in one place and 0 elsewhere:");
    const Tensor<double> identity = one_hot<double>(Labels::from({4}, {0, 1, 2, 3}), 4);  // (4, 4)
    const auto o = Tensor<double>::from({1, 4}, {1, 2, 0, -1});
    const Tensor<double> q = softmax(o), y = identity.rows(2, 3);             // (1, 4)
    const Tensor<double> jacobian = identity * q - matmul(q, q, Trans::yes);  // (4, 4)
    const Tensor<double> dl_do = matmul(-y / q, jacobian), left = q - y;      // (1, 4)
    std::vector<Row> rows;
    for (Index i = 0; i < 4; ++i)
        rows.push_back(cells("%.4f | %.4f | %.4f | %.4f | %.4f | %.4f | %.4f", q(0, i),
                             jacobian(i, 0), jacobian(i, 1), jacobian(i, 2), jacobian(i, 3),
                             dl_do(0, i), left(0, i)));
    lesson.table({"q", "dq/do_0", "dq/do_1", "dq/do_2", "dq/do_3", "dl/do", "q - y"}, rows);
    const double e = 1e-5;  // row j: all q when o_j moves
    const Tensor<double> moved = (softmax(o + e * identity) - softmax(o - e * identity)) / (2 * e);
    const double far = max(abs(jacobian - moved)).item(), off = max(abs(dl_do - left)).item();
    lesson.check("the Jacobian is the one that differences measure", far < 1e-9,
                 format("%.1e", far));
    lesson.check("the product cancels to q - y", off < 1e-15, format("%.1e", off));
}

void check_gradient(Lesson& lesson, const Dataset& signs) {
    lesson.say(
        "So dL/dW = 1/N sum (q - y) x'. Twenty images in double, by the library's layers and by "
        "differences:");
    const Samples<double> data(signs.rows(0, 20));
    const OneLayer<float> start = random_layer(signs, lesson.options().seed);
    const OneLayer<double> layer{start.W.cast<double>(), start.b.cast<double>()};
    const OneLayer<double> d = backward(softmax(scores(layer, data.x)), data.y, data.x);
    Random unused(0);
    Linear<double> linear(data.x.dim(1), layer.b.size(), unused);
    linear.weight.value.copy_from(layer.W);
    linear.bias.value.copy_from(layer.b);
    CrossEntropyLoss<double> loss;
    loss.forward(linear.forward(data.x), data.labels);
    linear.backward_parameters(loss.backward());
    const double from_layers = max(abs(linear.weight.grad - d.W)).item();
    Parameter<double> W{"W", layer.W, d.W}, b{"b", layer.b, d.b};
    const auto checked = check_gradients(
        {&W, &b}, [&] { return cross_entropy(softmax(scores(layer, data.x)), data.y); });
    lesson.pre(table(checked));
    lesson.check("by hand, by layers and by differences agree",
                 from_layers < 1e-15 && all_pass(checked),
                 format("%.1e from the layers", from_layers));
}

Training learn(Lesson& lesson, const TrainVal<Dataset>& data, const NotebookSet& signs) {
    const LessonOptions& options = lesson.options();
    lesson.section(signs.stand_in ? "Ten digits" : "Ten signs");
    lesson.say(signs.note);
    lesson.say(
        format("%td to train on, %td to validate. Weights and biases start normal with "
               "standard deviation 0.1; %d full-batch steps at rate %g.",
               data.train.size(), data.val.size(), options.epochs, rate));
    if (!signs.stand_in) {
        // The first of RandomState(42).permutation(2062), which scikit-learn's split goes by.
        const std::vector<Index> first = {1303, 2027, 693, 1914, 29};
        const std::vector<Index> order = numpy_permutation(42, signs.set.size());
        lesson.check("the split is the notebook's",
                     data.train.size() == 1649 && data.val.size() == 413 &&
                         std::equal(first.begin(), first.end(), order.begin()));
    }
    write_samples(lesson.path("signs.png"), signs.set, 8);
    lesson.figure("signs.png", "Eight of each class.");
    const Training run = train(data, options, softmax<float>, options.epochs);
    const auto [val_loss, val_accuracy] = run.curves.last_val();
    log_curves(lesson, run.curves, 50);
    lesson.figure("training.png", "Mean losses and accuracies after so many epochs.", run.curves);
    lesson.result("val_accuracy", val_accuracy);
    lesson.result("val_loss", val_loss);
    lesson.check("the classes are told apart far better than by chance", val_accuracy > 0.5,
                 format("%.3f, chance 0.1", val_accuracy));
    return run;
}

/// Which classes are taken for one another, and what the layer looks for.
void show_confusion(Lesson& lesson, const Dataset& val, const Dataset& unscaled,
                    const Training& run) {
    lesson.figure("weights.png",
                  "What training added to the weights of each class: it asks for bright pixels "
                  "where it is red, dark ones where it is blue.",
                  panels(weight_maps(run.added, val.sample, val.classes),
                         {.columns = 5, .panel_height = 440}));
    lesson.section("Which classes are mixed up");
    const Tensor<Index> counts = confusion_matrix(run.val_q, val.y);
    lesson.figure("confusion.png",
                  "Rows: the class that it is. Columns: the class that was predicted.",
                  ConfusionMatrix{"Validation set", val.classes, counts});
    std::vector<Row> rows;
    const std::vector<ConfusedPair> pairs = confused_pairs(counts);
    for (const ConfusedPair& pair : std::span(pairs).first(5))
        rows.push_back(cells("%td and %td | %td | %td | %td", pair.a, pair.b, pair.a_as_b,
                             pair.b_as_a, pair.count()));
    lesson.table({"classes", "first taken for second", "second for first", "together"}, rows);
    if (write_mistakes(lesson.path("mistakes.png"), unscaled, run.val_q, 24) > 0)
        lesson.figure("mistakes.png", "The first mistakes of the validation set.");
    lesson.result("most_confused", format("%td and %td", pairs[0].a, pairs[0].b));
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
        .tiny_epochs = 30,
        .data_help = notebook_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const LessonOptions& options = lesson.options();
        const NotebookSet signs =
            load_sign_digits(options.data, options.out.parent_path() / "cache");
        TrainVal<Dataset> data = get_dataset(signs.set), raw = train_test_split(signs.set);
        if (options.tiny)
            for (auto* sets : {&data, &raw})
                *sets = {sets->train.rows(0, 300), sets->val.rows(0, 100)};

        three_losses(lesson);
        const OneLayer<float> start = random_layer(data.train, options.seed);
        const Samples<float> few(data.train.rows(0, 100));
        const Tensor<float> o = scores(start, few.x);  // (100, C), and what a step changes in it:
        const Tensor<float> change = scores(backward(softmax(o), few.y, few.x), few.x);
        accuracy_is_flat(lesson, o.cast<double>(), change.cast<double>(), few.y.cast<double>(),
                         few.labels);
        show_jacobian(lesson);
        check_gradient(lesson, data.train);
        const double large = 2 * 4096 / static_cast<double>(data.train.features());
        softmax_that_overflows(lesson,
                               train(data, options, unshifted_softmax<float>, 20, large).curves,
                               train(data, options, softmax<float>, 20, large).curves, large);

        const Training run = learn(lesson, data, signs);
        const Training ten = train(data, options, logistics<float>, options.epochs);
        // tools/reference_lessons.py softmax
        const bool compare = !signs.stand_in && options.epochs == 300 && options.seed == 42;
        if (compare)
            check_reached(lesson, run.curves, {0.550746, 0.85870}, {0.904655, 0.70460}, 0.005);
        negative_log_likelihood(lesson, run.train_q, Samples<float>(data.train, options.device).y);
        show_confusion(lesson, data.val, raw.val, run);
        one_against_all(lesson, run.curves, ten.curves, ten.val_q);
        if (compare)
            check_reached(lesson, ten.curves, {0.739222, 0.84112}, {1.046845, 0.69492}, 0.005);
    });
}
