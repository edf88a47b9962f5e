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

#include "classes_mixed_up.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "data/notebook_sets.h"
#include "losses/cross_entropy.h"
#include "one_against_all.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "report/training_curves.h"
#include "softmax_that_overflows.h"
#include "train/by_hand.h"
#include "train/metrics.h"
#include "what_a_loss_must_do.h"

using namespace handgrad;

namespace {

constexpr double rate = 0.1;

/// The notebook's start: everything normal with a standard deviation of 0.1.
template <class T>
OneLayer<T> random_layer(const Dataset& set, std::uint64_t seed, Device device = Device::cpu) {
    Random random(seed);
    return normal_layer<T>(std::ssize(set.classes), set.features(), 0.1, random, device);
}

/// The scores o = W x + b of each sample; q = softmax(o) are the probabilities of the classes.
template <class T>
Tensor<T> scores(const OneLayer<T>& layer, const Tensor<T>& x) {
    return matmul(x, layer.W, Trans::no, Trans::yes) + layer.b;  // (N, C)
}

/// q_c = exp(o_c) / sum_k exp(o_k) in each row, as the textbook has it.
template <class T>
Tensor<T> unshifted_softmax(const Tensor<T>& o) {
    const Tensor<T> e = exp(o);    // (N, C)
    return e / sum(e, {1}, true);  // (N, C) / (N, 1)
}

/// The same with the greatest score of a row subtracted from all of it, which cancels.
template <class T>
Tensor<T> softmax(const Tensor<T>& o) {
    return unshifted_softmax(o - max(o, {1}, true));
}

/// The mean over samples of -log q_y, with y one-hot, (N, C) both.
template <class T>
double cross_entropy(const Tensor<T>& q, const Tensor<T>& y) {
    return -mean(log(sum(q * y, {1}))).item();
}

/// dL/dW = 1/N sum (q - y) x' and dL/db = 1/N sum (q - y), for softmax and logistic alike.
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
    const auto data = one_hot_samples<float>(sets.train, options.device),
               val = one_hot_samples<float>(sets.val, options.device);
    const auto layer = random_layer<float>(sets.train, options.seed, options.device);
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
    const auto data = one_hot_samples<double>(signs.rows(0, 20));
    const auto layer = random_layer<double>(signs, lesson.options().seed);
    const OneLayer<double> d = backward(softmax(scores(layer, data.x)), data.y, data.x);
    CrossEntropyLoss<double> loss;
    check_one_layer(
        lesson, layer, d, data.x,
        [&](const Tensor<double>& o) {
            loss.forward(o, data.labels);
            return loss.backward();
        },
        [&] { return cross_entropy(softmax(scores(layer, data.x)), data.y); });
}

Training learn(Lesson& lesson, const TrainVal<Dataset>& data, const NotebookSet& signs) {
    const LessonOptions& options = lesson.options();
    lesson.section(signs.stand_in ? "Ten digits" : "Ten signs");
    lesson.say(signs.note);
    lesson.say(
        format("%td to train on, %td to validate. Weights and biases start normal with "
               "standard deviation 0.1; %d full-batch steps at rate %g.",
               data.train.size(), data.val.size(), options.epochs, rate));
    // numpy's RandomState(42).permutation(2062), by which scikit-learn splits the signs.
    const std::vector<Index> first = {1303, 2027, 693, 1914, 29};
    const RowSplit rows = split_rows(2062);
    lesson.check("2062 images are split as scikit-learn splits them",
                 rows.train.size() == 1649 && rows.val.size() == 413 &&
                     std::equal(first.begin(), first.end(), rows.val.begin()));
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
        const auto start = random_layer<double>(data.train, options.seed);
        const auto few = one_hot_samples<double>(data.train.rows(0, 100));
        const Tensor<double> o = scores(start, few.x);  // (100, C), and what a step changes in it:
        const Tensor<double> change = scores(backward(softmax(o), few.y, few.x), few.x);
        accuracy_is_flat(lesson, o, change, few.labels, [&](const Tensor<double>& moved) {
            return cross_entropy(softmax(moved), few.y);
        });
        show_jacobian(lesson);
        check_gradient(lesson, data.train);
        const double large = 2 * 4096 / static_cast<double>(data.train.features());
        softmax_that_overflows(lesson, {unshifted_softmax<float>, softmax<float>},
                               train(data, options, unshifted_softmax<float>, 20, large).curves,
                               train(data, options, softmax<float>, 20, large).curves, large);

        const Training run = learn(lesson, data, signs);
        const Training ten = train(data, options, logistic<float>, options.epochs);
        // tools/reference_lessons.py softmax
        check_reached(lesson, run.curves, signs.stand_in,
                      {{false, 300, {0.550746, 0.85870}, {0.904655, 0.70460}},
                       {true, 300, {0.559400, 0.93041}, {0.556762, 0.91389}},
                       {true, 60, {1.435252, 0.86500}, {1.441250, 0.85000}}},
                      0.005);
        negative_log_likelihood(lesson, run.train_q,
                                one_hot_samples<float>(data.train, options.device).y);
        classes_mixed_up(lesson, data, raw.val, run.added, {run.train_q, run.val_q});
        one_against_all(lesson, run.curves, ten.curves, ten.val_q);
        check_reached(lesson, ten.curves, signs.stand_in,
                      {{false, 300, {0.739222, 0.84112}, {1.046845, 0.69492}},
                       {true, 300, {0.722673, 0.92276}, {0.716786, 0.91111}},
                       {true, 60, {1.508516, 0.85456}, {1.516822, 0.83889}}},
                      0.005);
    });
}
