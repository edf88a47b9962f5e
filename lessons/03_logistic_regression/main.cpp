// Logistic regression by hand: one layer, two classes.
//
//   make lesson N=3
//
// Two signs of a hand are told apart with a gradient derived by hand; then the same program is
// given dogs and cats, and hardly beats a coin. README.md beside this file has the derivations, and
// the other files what is learnt on the way.
#include <algorithm>
#include <cmath>

#include "check/gradient_check.h"
#include "core/tensor_ops.h"
#include "curves_that_mislead.h"
#include "data/notebook_sets.h"
#include "jpegs_to_arrays.h"
#include "layers/linear.h"
#include "loss_that_prints_nan.h"
#include "losses/pointwise.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "report/training_curves.h"
#include "train/metrics.h"
#include "why_they_differ.h"

using namespace handgrad;

namespace {

constexpr double rate = 0.05;

/// N samples, where they are computed with.
template <class T>
struct Samples {
    Tensor<T> x;    // (N, F), in [-.5, .5]
    Tensor<T> y;    // (N, 1), 0 or 1
    Labels labels;  // (N), the same

    explicit Samples(const Dataset& set, Device device = Device::cpu)
        : x(set.x.cast<T>().to(device)),
          y(set.y.cast<T>().reshape({set.size(), 1}).to(device)),
          labels(set.y) {}
};

template <class T>
struct OneLayer {
    Tensor<T> w;  // (1, F)
    Tensor<T> b;  // (1)
};

/// The notebook's start: everything normal with a standard deviation of 0.1.
OneLayer<float> random_layer(Index features, std::uint64_t seed, Device device = Device::cpu) {
    const auto w = Tensor<float>::empty({1, features}), b = Tensor<float>::empty({1});
    Random random(seed);
    random.normal(w, 0, 0.1);
    random.normal(b, 0, 0.1);
    return {w.to(device), b.to(device)};
}

/// The score o = w x + b of each sample; q = logistic(o) is the probability of class 1.
template <class T>
Tensor<T> forward(const OneLayer<T>& layer, const Tensor<T>& x) {
    return matmul(x, layer.w, Trans::no, Trans::yes) + layer.b;  // (N, 1)
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

LossAndAccuracy score(const Tensor<float>& o, const Samples<float>& data) {
    return {mean(stable_loss(o, data.y)).item(), binary_accuracy(o, data.labels)};
}

/// Gradient descent in batches of neighbouring samples, or with all of them at once (batch = 0).
/// Training and validation are measured with the same weights.
Training train(const TrainVal<Dataset>& sets, const LessonOptions& options, int epochs,
               double lr = rate, Index batch = 0) {
    const Samples<float> data(sets.train, options.device), val(sets.val, options.device);
    const Index n = data.x.dim(0), stride = batch > 0 ? batch : n;
    const OneLayer<float> layer = random_layer(data.x.dim(1), options.seed, options.device);
    Training run{layer.w.clone(), layer.w, {}, {}};
    for (int epoch = 0;; ++epoch) {
        const Tensor<float> o = forward(layer, data.x);
        run.curves.add(epoch, score(o, data), score(forward(layer, val.x), val));
        run.textbook.push_back(mean(textbook_loss(logistic(o), data.y)).item());
        if (epoch == epochs) return run;
        for (Index begin = 0; begin < n; begin += stride) {
            const Index end = std::min(begin + stride, n);
            const Tensor<float> x = data.x.rows(begin, end), y = data.y.rows(begin, end);
            const OneLayer<float> d = backward(forward(layer, x), x, y);
            layer.w -= lr * d.w;
            layer.b -= lr * d.b;
        }
    }
}

void show_gradient(Lesson& lesson, const Dataset& signs) {
    lesson.section("The gradient, factor by factor");
    lesson.say(
        "The score o = w x + b becomes a probability q = logistic(o), and the loss of a sample is "
        "l = -y log q - (1 - y) log(1 - q). By the chain rule dl/dw = dl/dq dq/do do/dw, with "
        "do/dw = x. The first two factors for four samples, before any training:");
    const Samples<double> data(signs.rows(0, 20));
    const OneLayer<float> start = random_layer(data.x.dim(1), lesson.options().seed);
    const OneLayer<double> layer{start.w.cast<double>(), start.b.cast<double>()};
    const Tensor<double> o = forward(layer, data.x), y = data.y, q = logistic(o);  // (20, 1) each
    const Tensor<double> dl_dq = (1 - y) / (1 - q) - y / q, dq_do = q * (1 - q);
    const Tensor<double> product = dl_dq * dq_do, left = q - y;
    std::vector<Row> rows;
    for (Index i = 0; i < 4; ++i)
        rows.push_back(cells("%g | %.4f | %.4f | %.4f | %.4f | %.4f", y(i, 0), q(i, 0), dl_dq(i, 0),
                             dq_do(i, 0), product(i, 0), left(i, 0)));
    lesson.table({"y", "q", "dl/dq", "dq/do = q(1-q)", "product", "q - y"}, rows);
    const double far = max(abs(product - left)).item();
    lesson.check("the factors multiply to q - y", far < 1e-14,
                 format("largest distance %.1e", far));

    lesson.say(
        "So dL/dw is the mean of (q - y) x. The same by the library's layer and loss, and by "
        "differences: twenty images, in double.");
    const OneLayer<double> d = backward(o, data.x, y);
    Random unused(0);
    Linear<double> linear(data.x.dim(1), 1, unused);
    linear.weight.value.copy_from(layer.w);
    linear.bias.value.copy_from(layer.b);
    BCEWithLogitsLoss<double> loss;
    loss.forward(linear.forward(data.x), y);
    linear.backward_parameters(loss.backward());
    const double from_layers = std::max(max(abs(linear.weight.grad - d.w)).item(),
                                        max(abs(linear.bias.grad - d.b)).item());
    Parameter<double> w{"w", layer.w, d.w}, b{"b", layer.b, d.b};
    const auto checked = check_gradients(
        {&w, &b}, [&] { return mean(stable_loss(forward(layer, data.x), y)).item(); });
    lesson.pre(table(checked));
    lesson.check("by hand and by layers agree", from_layers < 1e-15,
                 format("largest distance %.1e", from_layers));
    lesson.check("by hand and by differences agree", all_pass(checked));
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
        if (!all.stand_in)
            lesson.check("328 and 83 images, as in the notebook",
                         signs.train.size() == 328 && signs.val.size() == 83);
        show_gradient(lesson, signs.train);
        lesson.section("Training on two " + kind);
        lesson.say(
            format("Weights and bias start normal with standard deviation 0.1; %d steps "
                   "w -= %g dL/dw, each on the whole training set.",
                   options.epochs, rate));
        const Learnt on_signs =
            learn(lesson, "signs", signs, "Both losses fall, and both classes are learnt.", true);
        lesson.check("two " + kind + " are told apart", on_signs.curves.last_val().accuracy > 0.95);
        // tools/reference_lessons.py logistic
        const bool full = options.epochs == 400 && options.seed == 42;
        if (full && !all.stand_in)
            check_reached(lesson, on_signs.curves, {0.039864, 1}, {0.083031, 0.97590});

        const double large = 10 * rate * 4096 / static_cast<double>(two.features());
        const Training at_large = train(signs, options, options.epochs, large);
        loss_that_prints_nan(lesson, at_large.curves, at_large.textbook, large);
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
        if (full && !pets.stand_in)
            check_reached(lesson, on_dogs.curves, {0.643113, 0.62219}, {0.739122, 0.51375});
        why_they_differ(lesson, on_signs, on_dogs, !all.stand_in && !pets.stand_in);
    });
}
