// Logistic regression by hand: one layer, two classes.
//
//   make lesson N=3
//
// Two signs of a hand are told apart with a gradient derived by hand; then the same program is
// given dogs and cats, and hardly beats a coin. README.md beside this file has the derivations, and
// the other files what is learnt on the way.
#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "curves_that_mislead.h"
#include "data/notebook_sets.h"
#include "factor_by_factor.h"
#include "jpegs_to_arrays.h"
#include "loss_that_prints_nan.h"
#include "losses/pointwise.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "report/training_curves.h"
#include "train/by_hand.h"
#include "train/metrics.h"
#include "why_they_differ.h"

using namespace handgrad;

namespace {

constexpr double rate = 0.05;

// tools/reference_lessons.py logistic
const std::vector<Reached> numpy_on_signs = {{false, 400, {0.039864, 1}, {0.083031, 0.97590}},
                                             {true, 400, {0.047517, 1}, {0.039574, 1}},
                                             {true, 60, {0.206125, 0.99653}, {0.194844, 1}}};
const std::vector<Reached> numpy_on_dogs = {{false, 400, {0.643113, 0.62219}, {0.739122, 0.51375}},
                                            {true, 400, {0.336789, 0.88031}, {0.354289, 0.85278}},
                                            {true, 60, {0.536090, 0.82672}, {0.539968, 0.81389}}};

/// The notebook's start: everything normal with a standard deviation of 0.1.
template <class T>
OneLayer<T> random_layer(Index features, std::uint64_t seed, Device device = Device::cpu) {
    Random random(seed);
    return normal_layer<T>(1, features, 0.1, random, device);
}

/// The score o = w x + b of each sample; q = logistic(o) is the probability of class 1.
template <class T>
Tensor<T> scores(const OneLayer<T>& layer, const Tensor<T>& x) {
    return matmul(x, layer.W, Trans::no, Trans::yes) + layer.b;  // (N, 1)
}

/// The loss of each sample as the textbook writes it.
template <class T>
Tensor<T> textbook_loss(const Tensor<T>& o, const Tensor<T>& y) {
    const Tensor<T> q = logistic(o);
    return -(y * log(q)) - (1 - y) * log(1 - q);
}

/// The same, from -log q = log(1 + e^-o) and -log(1 - q) = log(1 + e^o).
template <class T>
Tensor<T> stable_loss(const Tensor<T>& o, const Tensor<T>& y) {
    return maximum(o, 0) - y * o + log1p(exp(-abs(o)));
}

/// dL/dw = 1/N sum (q - y) x and dL/db = 1/N sum (q - y), from the scores.
template <class T>
OneLayer<T> backward(const Tensor<T>& o, const Tensor<T>& x, const Tensor<T>& y) {
    const Tensor<T> d_o = (logistic(o) - y) / static_cast<double>(y.size());  // (N, 1)
    return {matmul(d_o, x, Trans::yes), sum(d_o, {0})};                       // (1, F), (1)
}

struct Training {
    Tensor<float> start, weights;  // (1, F), before and after
    TrainingCurves curves;         // value k is that after k epochs
    std::vector<double> textbook;  // the training loss as the textbook would print it
};

LossAndAccuracy score(const Tensor<float>& o, const LabelledSamples<float>& data) {
    return {mean(stable_loss(o, data.y)).item(), binary_accuracy(o, data.labels)};
}

/// Gradient descent in batches of neighbouring samples, or with all of them at once (batch = 0).
/// Training and validation are measured with the same weights.
Training train(const TrainVal<Dataset>& sets, const LessonOptions& options, int epochs,
               double lr = rate, Index batch = 0) {
    const auto data = binary_samples<float>(sets.train, options.device),
               val = binary_samples<float>(sets.val, options.device);
    const Index n = data.x.dim(0), stride = batch > 0 ? batch : n;
    const auto layer = random_layer<float>(data.x.dim(1), options.seed, options.device);
    Training run{layer.W.clone(), layer.W, {}, {}};
    for (int epoch = 0;; ++epoch) {
        const Tensor<float> o = scores(layer, data.x);
        run.curves.add(epoch, score(o, data), score(scores(layer, val.x), val));
        run.textbook.push_back(mean(textbook_loss(o, data.y)).item());
        if (epoch == epochs) return run;
        for (Index begin = 0; begin < n; begin += stride) {
            const Index end = std::min(begin + stride, n);
            const Tensor<float> x = data.x.rows(begin, end), y = data.y.rows(begin, end);
            const OneLayer<float> d = backward(scores(layer, x), x, y);
            layer.W -= lr * d.W;
            layer.b -= lr * d.b;
        }
    }
}

void check_gradient(Lesson& lesson, const Dataset& signs) {
    const auto data = binary_samples<double>(signs.rows(0, 20));
    const auto layer = random_layer<double>(data.x.dim(1), lesson.options().seed);
    const Tensor<double> o = scores(layer, data.x);  // (20, 1)
    factor_by_factor(lesson, o, data.y);
    lesson.say(
        "So dL/dw is the mean of (q - y) x. The same by the library's layer and loss, and by "
        "differences: twenty images, in double.");
    const OneLayer<double> d = backward(o, data.x, data.y);
    BCEWithLogitsLoss<double> loss;
    check_one_layer(
        lesson, layer, d, data.x,
        [&](const Tensor<double>& same_o) {
            loss.forward(same_o, data.y);
            return loss.backward();
        },
        [&] { return mean(stable_loss(scores(layer, data.x), data.y)).item(); });
}

/// The notebook's get_dataset, and in a tiny run some of it.
TrainVal<Dataset> prepared(const Dataset& set, const LessonOptions& options,
                           ScaledBy scaled_by = ScaledBy::all_rows) {
    const TrainVal<Dataset> data = get_dataset(set, scaled_by);
    return options.tiny ? TrainVal<Dataset>{data.train.rows(0, 200), data.val.rows(0, 72)} : data;
}

/// Trains with the lesson's epochs and tells how it went; then with shuffled labels.
Learnt learn(Lesson& lesson, const std::string& name, const TrainVal<Dataset>& data,
             const std::string& caption, bool log_loss) {
    const LessonOptions& options = lesson.options();
    Training run = train(data, options, options.epochs);
    log_curves(lesson, run.curves, 50);
    run.curves.log_loss = log_loss;
    lesson.figure(name + "_training.png", caption, run.curves);
    lesson.result(name + "_val_accuracy", run.curves.last_val().accuracy);
    lesson.result(name + "_val_loss", run.curves.last_val().loss);
    const TrainVal<Dataset> shuffled{with_shuffled_labels(data.train), data.val};
    return {data.train, run.curves, train(shuffled, options, options.epochs).curves, run.start,
            run.weights};
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "03_logistic_regression",
        .title = "Logistic regression, by hand",
        .summary =
            "One layer tells two signs of a hand apart, and cannot tell dogs from cats: the "
            "gradient by hand, the loss that prints NaN, and why the two differ.",
        .epochs = 400,
        .quick_epochs = 60,
        .tiny_epochs = 30,
        .data_help = notebook_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const LessonOptions& options = lesson.options();
        const auto cache = options.out.parent_path() / "cache";
        const NotebookSet all = load_sign_digits(options.data, cache);
        const NotebookSet pets = load_dogs_cats(options.data, cache);
        const std::string kind = all.stand_in ? "digits" : "signs";
        lesson.section("Two " + kind);
        const Dataset two = two_classes(all.set, 0, 1);
        const auto signs = prepared(two, options);
        lesson.say(all.note);
        lesson.say(format(
            "The %s 0 and 1%s: each pixel scaled to [-.5, .5], %td images to train and %td to "
            "validate, as train_test_split(random_state=42) draws them.",
            kind.c_str(), all.stand_in ? "" : " (columns 1 and 4 of the notebook's one-hot array)",
            signs.train.size(), signs.val.size()));
        write_samples(lesson.path("signs.png"), two, 8);
        lesson.figure("signs.png", "Eight of either class.");
        if (!all.stand_in && !options.tiny)
            lesson.check("328 and 83 images, as in the notebook",
                         signs.train.size() == 328 && signs.val.size() == 83);
        check_gradient(lesson, signs.train);
        lesson.section("Training on two " + kind);
        lesson.say(
            format("Weights and bias start normal with standard deviation 0.1; %d steps "
                   "w -= %g dL/dw, each on the whole training set.",
                   options.epochs, rate));
        const Learnt on_signs =
            learn(lesson, "signs", signs, "Both losses fall, and both classes are learnt.", true);
        lesson.check("two " + kind + " are told apart", on_signs.curves.last_val().accuracy > 0.95);
        check_reached(lesson, on_signs.curves, all.stand_in, numpy_on_signs);

        const double large = 10 * rate * 4096 / static_cast<double>(two.features());
        const Training at_large = train(signs, options, options.epochs, large);
        loss_that_prints_nan(lesson, {textbook_loss<float>, stable_loss<float>}, at_large.curves,
                             at_large.textbook, large);
        sums_and_means(lesson, signs, on_signs.curves, !all.stand_in);
        before_and_after(lesson, train(signs, options, 10).curves,
                         train(signs, options, 10, rate, 64).curves);
        const auto clean = prepared(two, options, ScaledBy::training_rows);
        scaler_that_saw_too_much(lesson, clean, train(clean, options, options.epochs).curves,
                                 on_signs.curves);

        lesson.section(pets.stand_in ? "Even and odd digits" : "Dogs and cats");
        lesson.say(pets.note);
        write_samples(lesson.path("dogs_cats.png"), pets.set, 8);
        lesson.figure("dogs_cats.png", "Eight of either kind.");
        jpegs_to_arrays(lesson, pets.set);
        const auto dogs = prepared(pets.set, options);
        lesson.say(
            format("The same program, rate and epochs on %td images to train and %td to "
                   "validate:",
                   dogs.train.size(), dogs.val.size()));
        const Learnt on_dogs =
            learn(lesson, "dogs", dogs,
                  pets.stand_in ? "The same steps, on even and odd digits."
                                : "What is learnt in training is of no use in validation.",
                  false);
        if (!pets.stand_in)
            lesson.check("dogs and cats are not", on_dogs.curves.last_val().accuracy < 0.6);
        check_reached(lesson, on_dogs.curves, pets.stand_in, numpy_on_dogs);
        why_they_differ(lesson, on_signs, on_dogs, !all.stand_in && !pets.stand_in);
    });
}
