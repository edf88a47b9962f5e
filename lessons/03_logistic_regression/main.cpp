// Logistic regression by hand: one layer, two classes.
//
//   make lesson N=3
//
// Two signs of a hand are told apart with a gradient derived by hand; then the same program is
// given dogs and cats, and hardly beats a coin. On the way a printed loss turns into NaN while
// training goes on well. README.md beside this file has the derivations.
#include <algorithm>
#include <cmath>

#include "check/gradient_check.h"
#include "data/image_folder.h"
#include "data/notebook_sets.h"
#include "data/npy.h"
#include "layers/linear.h"
#include "losses/pointwise.h"
#include "report/grid_plots.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "report/training_curves.h"

using namespace handgrad;

namespace {

constexpr double rate = 0.05;

/// x (N, F) in [-.5, .5], y (N, 1) of 0 and 1.
template <class T>
struct Samples {
    Tensor<T> x, y;
    explicit Samples(const Dataset& set)
        : x(set.x.cast<T>()), y(set.y.cast<T>().reshape({set.size(), 1})) {}
    [[nodiscard]] Index size() const { return x.dim(0); }
};

/// One layer: the score o = w x + b and the probability q = logistic(o) of class 1.
template <class T>
struct OneLayer {
    Tensor<T> w;  // (1, F)
    Tensor<T> b;  // (1)
};

std::string class_names(const Dataset& set) {
    return set.classes[0] + " and " + set.classes[1];
}

/// The notebook's start: everything normal with a standard deviation of 0.1.
OneLayer<float> random_layer(Index features, std::uint64_t seed) {
    const OneLayer<float> layer{Tensor<float>::empty({1, features}), Tensor<float>::empty({1})};
    Random random(seed);
    random.normal(layer.w, 0, 0.1);
    random.normal(layer.b, 0, 0.1);
    return layer;
}

/// o = x w' + b, (N, 1)
template <class T>
Tensor<T> forward(const OneLayer<T>& layer, const Tensor<T>& x) {
    const auto o = Tensor<T>::full({x.dim(0), 1}, layer.b.item());
    matmul(o, x, layer.w, {.trans_b = Trans::yes, .beta = 1});
    return o;
}

template <class T>
T logistic(T o) {
    return 1 / (1 + std::exp(-o));
}

/// dL/dw = 1/N sum (q - y) x and dL/db = 1/N sum (q - y), from the scores.
template <class T>
OneLayer<T> backward(const Tensor<T>& o, const Samples<T>& data) {
    const OneLayer<T> d{Tensor<T>::empty({1, data.x.dim(1)}), Tensor<T>::zeros({1})};
    const auto d_o = Tensor<T>::empty(o.shape());  // (N, 1)
    const T n = static_cast<T>(data.size());
    for (Index i = 0; i < data.size(); ++i) {
        d_o(i, 0) = (logistic(o(i, 0)) - data.y(i, 0)) / n;
        d.b(0) += d_o(i, 0);
    }
    matmul(d.w, d_o, data.x, {.trans_a = Trans::yes});
    return d;
}

/// The loss as the textbook writes it, from q.
template <class T>
T book_loss(T y, T o) {
    const T q = logistic(o);
    return -y * std::log(q) - (1 - y) * std::log(1 - q);
}

/// The same, from o: it never meets log 0.
template <class T>
T stable_loss(T y, T o) {
    return std::max(o, T{0}) - y * o + std::log1p(std::exp(-std::abs(o)));
}

template <class T>
double mean_loss(const Tensor<T>& o, const Tensor<T>& y, T (*loss)(T, T) = stable_loss<T>) {
    double sum = 0;
    for (Index i = 0; i < o.size(); ++i) sum += static_cast<double>(loss(y(i, 0), o(i, 0)));
    return sum / static_cast<double>(o.size());
}

LossAndAccuracy score(const Tensor<float>& o, const Tensor<float>& y) {
    Index correct = 0;
    for (Index i = 0; i < o.size(); ++i) correct += (o(i, 0) >= 0) == (y(i, 0) == 1);
    return {mean_loss(o, y), static_cast<double>(correct) / static_cast<double>(o.size())};
}

struct Training {
    OneLayer<float> start, layer;
    TrainingCurves curves;
    std::vector<double> book_loss;  // on the training set, as the textbook would print it
};

/// Full-batch gradient descent. The curves begin before the first step, and training and
/// validation are both measured with the same weights.
Training train(const Dataset& train_set, const Dataset& val_set, int epochs, double lr,
               std::uint64_t seed) {
    const Samples<float> train(train_set), val(val_set);
    Training run{random_layer(train.x.dim(1), seed), random_layer(train.x.dim(1), seed), {}, {}};
    for (int epoch = 0; epoch <= epochs; ++epoch) {
        const Tensor<float> o = forward(run.layer, train.x);
        run.curves.add(epoch, score(o, train.y), score(forward(run.layer, val.x), val.y));
        run.book_loss.push_back(mean_loss(o, train.y, book_loss<float>));
        if (epoch == epochs) break;
        const OneLayer<float> d = backward(o, train);
        for (Index i = 0; i < d.w.size(); ++i)
            run.layer.w(0, i) -= static_cast<float>(lr) * d.w(0, i);
        run.layer.b(0) -= static_cast<float>(lr) * d.b(0);
    }
    return run;
}

void show_gradient(Lesson& lesson, const TrainVal<Dataset>& signs) {
    lesson.section("The gradient, factor by factor");
    lesson.say(
        "The score o = w x + b becomes a probability q = logistic(o), and the loss of a sample is "
        "l = -y log q - (1 - y) log(1 - q). By the chain rule dl/dw = dl/dq dq/do do/dw, with "
        "do/dw = x. The first two factors for four samples, before any training:");
    const Samples<double> data(signs.train.rows(0, 20));
    const OneLayer<float> start = random_layer(data.x.dim(1), lesson.options().seed);
    OneLayer<double> layer{start.w.cast<double>(), start.b.cast<double>()};
    const Tensor<double> o = forward(layer, data.x);
    std::vector<Row> rows;
    double far = 0;
    for (Index i = 0; i < data.size(); ++i) {
        const double y = data.y(i, 0), q = logistic(o(i, 0));
        const double dl_dq = (1 - y) / (1 - q) - y / q, dq_do = q * (1 - q);
        far = std::max(far, std::abs(dl_dq * dq_do - (q - y)));
        if (i < 4)
            rows.push_back({format("%g", y), format("%.4f", q), format("%.4f", dl_dq),
                            format("%.4f", dq_do), format("%.4f", dl_dq * dq_do),
                            format("%.4f", q - y)});
    }
    lesson.table({"y", "q", "dl/dq", "dq/do = q(1-q)", "product", "q - y"}, rows);
    lesson.check("the factors multiply to q - y", far < 1e-14,
                 format("largest distance %.1e", far));

    lesson.say(
        "So dL/dw is the mean of (q - y) x. The same by the library's layer and loss, and by "
        "differences: twenty images, in double.");
    const OneLayer<double> d = backward(o, data);
    Random unused(0);
    Linear<double> linear(data.x.dim(1), 1, unused);
    linear.weight.value.copy_from(layer.w);
    linear.bias.value.copy_from(layer.b);
    BCEWithLogitsLoss<double> loss;
    loss.forward(linear.forward(data.x), data.y);
    linear.backward_parameters(loss.backward());
    double from_layers = std::abs(linear.bias.grad(0) - d.b(0));
    for (Index i = 0; i < d.w.size(); ++i)
        from_layers = std::max(from_layers, std::abs(linear.weight.grad(0, i) - d.w(0, i)));
    Parameter<double> w{"w", layer.w, d.w}, b{"b", layer.b, d.b};
    const auto checked =
        check_gradients({&w, &b}, [&] { return mean_loss(forward(layer, data.x), data.y); });
    lesson.pre(table(checked));
    lesson.check("by hand and by layers agree", from_layers < 1e-15,
                 format("largest distance %.1e", from_layers));
    lesson.check("by hand and by differences agree", all_pass(checked));
}

void show_nan(Lesson& lesson, const TrainVal<Dataset>& signs) {
    lesson.section("A loss that prints NaN");
    const double large = 10 * rate * 4096 / static_cast<double>(signs.train.features());
    lesson.say(
        format("The same at rate %g. The textbook's loss, -y log q - (1 - y) log(1 - q), soon is "
               "NaN or infinite, yet the accuracy climbs on. Nothing is wrong with the training: "
               "the gradient q - y is computed from q, which is fine. What breaks is the print. In "
               "float q = 1 / (1 + e^-o) rounds to 1 for o > 24 ln 2 = 16.6. Then a sample of "
               "class 1 adds 0 log 0 = NaN where it should add 0, and one of class 0 adds "
               "infinity where it should add o.",
               large));
    std::vector<Row> rows;
    const auto cell = [](float l) {
        return std::isnan(l) ? "nan" : format("%.4g", static_cast<double>(l));
    };
    for (const float o : {10.0F, 16.0F, 16.7F, 40.0F, 100.0F})
        rows.push_back({cell(o), cell(1 - logistic(o)), cell(book_loss(1.0F, o)),
                        cell(stable_loss(1.0F, o)), cell(book_loss(0.0F, o)),
                        cell(stable_loss(0.0F, o))});
    lesson.table({"o", "1 - q", "y = 1: textbook", "stable", "y = 0: textbook", "stable"}, rows);
    const auto [start, layer, curves, printed] =
        train(signs.train, signs.val, lesson.options().epochs, large, lesson.options().seed);
    const auto finite = [](double l) { return std::isfinite(l); };
    const auto broken = std::ssize(printed) - std::count_if(printed.begin(), printed.end(), finite);
    lesson.figure("nan.png",
                  "The loss that there is, and the textbook's at the epochs where it is a number.",
                  panels({Plot{.title = format("Training loss at rate %g", large),
                               .x_label = "epoch",
                               .series = {{"stable", curves.train_loss, curves.epoch},
                                          {"textbook", printed, curves.epoch, Style::points}},
                               .log_y = true,
                               .x_range = {0, 60}},
                          Plot{.title = "Training accuracy",
                               .x_label = "epoch",
                               .series = {{"", curves.train_accuracy, curves.epoch}},
                               .x_range = {0, 60}}},
                         {.columns = 2}));
    lesson.result("textbook_losses_not_finite", broken);
    lesson.check("the textbook's loss breaks", broken > lesson.options().epochs / 2,
                 format("%td of %td are not finite", broken, std::ssize(printed)));
    lesson.check("the stable one does not, and training goes on",
                 std::all_of(curves.train_loss.begin(), curves.train_loss.end(), finite) &&
                     curves.last_train().accuracy > 0.98,
                 format("accuracy %.3f", curves.last_train().accuracy));
}

void sums_and_means(Lesson& lesson, const TrainVal<Dataset>& signs, const TrainingCurves& curves,
                    bool real) {
    lesson.section("Sums and means");
    const auto n = static_cast<double>(signs.train.size()),
               n_val = static_cast<double>(signs.val.size());
    TrainingCurves sums = curves;
    for (double& l : sums.train_loss) l *= n;
    for (double& l : sums.val_loss) l *= n_val;
    const double ratio = curves.val_loss.back() / curves.train_loss.back();
    lesson.say(
        format("The risk is often written as a sum over samples, while steps take the gradient of "
               "a mean. Drawn as sums, %.0f training and %.0f validation losses on one axis end at "
               "%.1f and %.1f: that of validation is %.2f times that of training. The means are "
               "%.3f and %.3f: %.2f times%s. Sums over sets of different sizes are not to be "
               "compared.",
               n, n_val, sums.train_loss.back(), sums.val_loss.back(), ratio * n_val / n,
               curves.train_loss.back(), curves.val_loss.back(), ratio,
               ratio > 1 ? ", so that validation does worse and seemed to do far better" : ""));
    const auto plot = [&](const std::string& title, const TrainingCurves& c) {
        return Plot{
            .title = title,
            .x_label = "epoch",
            .series = {{"training", c.train_loss, c.epoch}, {"validation", c.val_loss, c.epoch}},
            .log_y = true};
    };
    lesson.figure("sums.png", "One run: its summed losses, and its mean ones.",
                  panels({plot("Summed", sums), plot("Mean", curves)}, {.columns = 2}));
    if (real)
        lesson.check("sums and means disagree on which set does better",
                     sums.val_loss.back() < sums.train_loss.back() &&
                         curves.val_loss.back() > curves.train_loss.back());
}

void show_leak(Lesson& lesson, const Dataset& two, const TrainingCurves& leaky) {
    lesson.section("A scaler that has seen too much");
    const auto clean = get_dataset(two, ScaledBy::training_rows);
    Index beyond = 0;
    float farthest = 0;
    for (const float v : clean.val.x.span()) {
        beyond += std::abs(v) > 0.5F;
        farthest = std::max(farthest, std::abs(v));
    }
    const Training run =
        train(clean.train, clean.val, lesson.options().epochs, rate, lesson.options().seed);
    lesson.say(
        format("The notebook scales every pixel to [-.5, .5] by its least and greatest value in "
               "all images, and splits afterwards, so that the training set was made with "
               "knowledge of the validation set. Fitted to the training rows alone, %.2f %% of the "
               "validation pixels lie beyond, up to %.1f, as images met later will. Here it hardly "
               "matters: validation loss %.4f against %.4f. But that is a finding, not a "
               "reason: a validation set that helped to make the model measures less than it says.",
               100 * static_cast<double>(beyond) / static_cast<double>(clean.val.x.size()),
               static_cast<double>(farthest), run.curves.val_loss.back(), leaky.val_loss.back()));
    lesson.result("val_loss_scaled_by_training_rows", run.curves.val_loss.back());
    lesson.check("the scaler fitted to all rows had seen the validation set", beyond > 0);
}

/// JPEGs of any size to 64x64 grey .npy and back, held against the array made from them elsewhere.
void read_jpegs(Lesson& lesson, const Dataset& dogs) {
    const std::filesystem::path jpegs = std::filesystem::path(dogs.source) / "jpeg";
    if (!std::filesystem::is_directory(jpegs)) return;
    const Dataset read = read_image_folder(jpegs);
    write_npy(lesson.path("dogs_cats.npy"), read.x);
    const Tensor<float> loaded = read_npy<float>(lesson.path("dogs_cats.npy"));
    lesson.say(
        format("The array was made from JPEGs of any size. %td of them lie beside it: decoded, "
               "turned grey, resized to 64x64, saved as .npy and loaded again.",
               read.size()));
    lesson.check("what was saved is what is loaded", loaded.values() == read.x.values());
    const auto distance = [&](Index i, Index j) {  // root mean square over the pixels
        double sum = 0;
        for (Index k = 0; k < read.features(); ++k) {
            const auto d = static_cast<double>(loaded(i, k) - dogs.x(j, k));
            sum += d * d;
        }
        return std::sqrt(sum / static_cast<double>(read.features()));
    };
    double near = 0;  // the first cat and the first dog are the first of the array's halves
    for (const Index i : {Index{0}, read.size() / 2})
        near = std::max(near, distance(i, i == 0 ? 0 : dogs.size() / 2));
    lesson.check("the first cat and the first dog are the array's", near < 0.03,
                 format("root mean square distance %.4f of 1", near));
}

/// (mean of class 1 - mean of class 0) / standard deviation, for each pixel.
std::vector<float> effect_size(const Dataset& set) {
    const Index features = set.features();
    std::vector<float> effects;
    for (Index k = 0; k < features; ++k) {
        double n[2] = {}, sum[2] = {}, squares[2] = {};
        for (Index i = 0; i < set.size(); ++i) {
            const auto v = static_cast<double>(set.x.data()[i * features + k]);
            const auto c = static_cast<std::size_t>(set.y.data()[i]);
            n[c] += 1;
            sum[c] += v;
            squares[c] += v * v;
        }
        double mean[2], variance = 0;
        for (const std::size_t c : {0, 1}) {
            mean[c] = sum[c] / n[c];
            variance += (squares[c] / n[c] - mean[c] * mean[c]) / 2;
        }
        effects.push_back(
            static_cast<float>((mean[1] - mean[0]) / std::sqrt(std::max(variance, 1e-12))));
    }
    return effects;
}

double largest(const std::vector<float>& values) {
    float most = 0;
    for (const float v : values) most = std::max(most, std::abs(v));
    return static_cast<double>(most);
}

/// Weights, and what training added to them.
std::vector<Drawing> weight_images(const std::string& name, const Training& run,
                                   const Shape& sample) {
    std::vector<float> added = run.layer.w.values();
    for (std::size_t i = 0; i < added.size(); ++i) added[i] -= run.start.w.data()[i];
    return {pixel_map(name + ": weights", run.layer.w.span(), sample),
            pixel_map(name + ": what training added", added, sample)};
}

/// The same images with the labels dealt out anew.
Dataset shuffled(const Dataset& set) {
    Dataset mixed = set;
    mixed.y = Labels::empty(set.y.shape());
    const std::vector<Index> order = numpy_permutation(0, set.size());
    for (Index i = 0; i < set.size(); ++i) mixed.y(i) = set.y(order[static_cast<std::size_t>(i)]);
    return mixed;
}

void explain(Lesson& lesson, const TrainVal<Dataset>& signs, const TrainVal<Dataset>& dogs,
             const Training& on_signs, const Training& on_dogs, bool real) {
    lesson.section(real ? "Why the one works and the other hardly" : "Shuffled labels");
    lesson.say(
        real
            ? "It is often said that dogs and cats are not linearly separable. But these training "
              "sets both are, exactly: there are fewer images than the 4096 pixels and the bias, "
              "and then any labels at all can be met (the README solves the equations). So the "
              "labels were shuffled, and both trained again, to see what a fit is worth that has "
              "nothing to learn:"
            : "Why hands are easy, and dogs and cats hard, can't be seen from digits. But here too "
              "the labels were shuffled, and both sets trained again, to see what a fit is worth "
              "that has nothing to learn:");
    std::vector<Row> rows;
    double dogs_gain = 0;
    for (const bool is_dogs : {false, true})
        for (const bool mixed : {false, true}) {
            const TrainVal<Dataset>& set = is_dogs ? dogs : signs;
            const Training again =
                mixed ? train(shuffled(set.train), set.val,
                              static_cast<int>((is_dogs ? on_dogs : on_signs).curves.epoch.back()),
                              rate, lesson.options().seed)
                      : Training{};
            const TrainingCurves& curves = mixed     ? again.curves
                                           : is_dogs ? on_dogs.curves
                                                     : on_signs.curves;
            const auto [loss, accuracy] = curves.last_train();
            if (is_dogs) dogs_gain += (mixed ? -1 : 1) * accuracy;
            rows.push_back({class_names(set.train), mixed ? "shuffled" : "true",
                            format("%.4f", loss), format("%.3f", accuracy),
                            format("%.3f", curves.last_val().accuracy)});
        }
    lesson.table({"images", "labels", "training loss", "training accuracy", "validation accuracy"},
                 rows);
    const auto signs_effect = effect_size(signs.train), dogs_effect = effect_size(dogs.train);
    const double signs_most = largest(signs_effect), dogs_most = largest(dogs_effect);
    const double most = std::max(signs_most, dogs_most);
    const std::string names[] = {class_names(signs.train), class_names(dogs.train)};
    if (real)
        lesson.say(format(
            "The classifier learns dogs and cats hardly better than labels drawn by lot, by "
            "heart. A linear classifier gives each pixel one weight: it can use only what a "
            "pixel says by itself, whatever the others are. The hands are in the middle, "
            "upright, before an even wall, so that a pixel where one sign has a finger and the "
            "other has none differs by up to %.2f standard deviations between the classes. A "
            "cat can be anywhere, black or white, and facing any way: the best pixel differs by "
            "%.2f.",
            signs_most, dogs_most));
    else
        lesson.say(format(
            "A linear classifier gives each pixel one weight: it can use only what a pixel says by "
            "itself. Between %s, the best pixel differs by %.2f standard deviations; between %s, "
            "by %.2f.",
            names[0].c_str(), signs_most, names[1].c_str(), dogs_most));
    lesson.figure("effect.png",
                  "How far the classes' means lie apart at each pixel, in standard deviations, on "
                  "one scale.",
                  panels({pixel_map(names[0], signs_effect, signs.train.sample, most),
                          pixel_map(names[1], dogs_effect, dogs.train.sample, most)},
                         {.columns = 2}));
    std::vector<Drawing> images = weight_images(names[0], on_signs, signs.train.sample);
    for (const Drawing& image : weight_images(names[1], on_dogs, dogs.train.sample))
        images.push_back(image);
    lesson.figure("weights.png",
                  "Red pixels speak for class 1 where they are bright, blue ones for class 0.",
                  panels(images, {.columns = 2, .panel_height = 500}));
    lesson.result("largest_effect_signs", signs_most);
    lesson.result("largest_effect_dogs", dogs_most);
    if (!real) return;
    lesson.say(
        "As images the weights are snow: the random start, which no step ever takes away, since "
        "the gradient is a sum of images. What training added shows the round hand and the "
        "raised finger of the signs, and no animal for dogs and cats.");
    lesson.check("the signs' pixels say more", signs_most > 5 * dogs_most,
                 format("%.2f against %.2f", signs_most, dogs_most));
    lesson.check("dogs and cats are learnt little better than shuffled labels", dogs_gain < 0.1,
                 format("training accuracy %.3f above", dogs_gain));
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
        .quick_epochs = 100,
        .data_help = notebook_set_help,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const LessonOptions& options = lesson.options();
        const auto cache = options.out.parent_path() / "cache";
        const bool full = options.epochs == 400 && options.seed == 42;

        const NotebookSet all = load_sign_digits(options.data, cache);
        const NotebookSet pets = load_dogs_cats(options.data, cache);
        const std::string kind = all.stand_in ? "digits" : "signs";

        lesson.section("Two " + kind);
        const Dataset two = two_classes(all.set, 0, 1);
        const auto signs = get_dataset(two);
        lesson.say(all.note);
        lesson.say(format(
            "Of these, the %s 0 and 1%s: each pixel scaled to [-.5, .5], %td images to train and "
            "%td to validate, as train_test_split(random_state=42) draws them.",
            kind.c_str(), all.stand_in ? "" : " (columns 1 and 4 of the notebook's one-hot array)",
            signs.train.size(), signs.val.size()));
        write_samples(lesson.path("signs.png"), two, 8);
        lesson.figure("signs.png", "Eight of either class.");
        if (!all.stand_in)
            lesson.check("the split is the notebook's",
                         signs.train.size() == 328 && signs.val.size() == 83);
        show_gradient(lesson, signs);

        lesson.section("Training on two " + kind);
        lesson.say(
            format("Weights and bias start normal with standard deviation 0.1; %d steps "
                   "w -= %g dL/dw, each on the whole training set.",
                   options.epochs, rate));
        Training on_signs = train(signs.train, signs.val, options.epochs, rate, options.seed);
        log_curves(lesson, on_signs.curves, 50);
        on_signs.curves.log_loss = true;
        lesson.figure("signs_training.png", "Both losses fall, and both classes are learnt.",
                      on_signs.curves);
        lesson.result("signs_val_accuracy", on_signs.curves.last_val().accuracy);
        lesson.result("signs_val_loss", on_signs.curves.last_val().loss);
        lesson.check("two " + kind + " are told apart", on_signs.curves.last_val().accuracy > 0.95,
                     format("validation accuracy %.3f", on_signs.curves.last_val().accuracy));
        // tools/reference_lessons.py logistic
        if (full && !all.stand_in)
            check_reached(lesson, on_signs.curves, {0.039864, 1}, {0.083031, 0.97590});

        show_nan(lesson, signs);
        sums_and_means(lesson, signs, on_signs.curves, !all.stand_in);
        show_leak(lesson, two, on_signs.curves);

        lesson.section(pets.stand_in ? "Even and odd digits" : "Dogs and cats");
        const auto dogs = get_dataset(pets.set);
        lesson.say(pets.note);
        write_samples(lesson.path("dogs_cats.png"), pets.set, 8);
        lesson.figure("dogs_cats.png", "Eight of either kind.");
        read_jpegs(lesson, pets.set);
        lesson.say(
            format("The same program, rate and epochs on %td images to train and %td to "
                   "validate:",
                   dogs.train.size(), dogs.val.size()));
        const Training on_dogs = train(dogs.train, dogs.val, options.epochs, rate, options.seed);
        log_curves(lesson, on_dogs.curves, 100);
        lesson.figure("dogs_training.png",
                      pets.stand_in ? "The same steps, on even and odd digits."
                                    : "Dogs and cats: what is learnt in training is of no use in "
                                      "validation.",
                      on_dogs.curves);
        lesson.result("dogs_val_accuracy", on_dogs.curves.last_val().accuracy);
        lesson.result("dogs_val_loss", on_dogs.curves.last_val().loss);
        if (!pets.stand_in)
            lesson.check("dogs and cats are not", on_dogs.curves.last_val().accuracy < 0.6,
                         format("validation accuracy %.3f", on_dogs.curves.last_val().accuracy));
        if (full && !pets.stand_in)
            check_reached(lesson, on_dogs.curves, {0.643113, 0.62219}, {0.739122, 0.51375});
        explain(lesson, signs, dogs, on_signs, on_dogs, !all.stand_in && !pets.stand_in);
    });
}
