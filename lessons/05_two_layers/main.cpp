// Two layers by hand: five hidden units between the pixels and the decision.
//
//   make lesson N=5
//
// Here: the network, its gradient as the README derives it, the loop that trains it, and a slip in
// the derivation that the gradient check catches. In files beside this one: both data sets of
// lesson 3 (by_both_gradients.h), settings that go wrong, and why (settings_that_go_wrong.h), and
// other activations, solvers and batch sizes, by the library's layers (other_ways.h).
#include <algorithm>
#include <cmath>

#include "by_both_gradients.h"
#include "check/gradient_check.h"
#include "core/tensor_ops.h"
#include "data/notebook_sets.h"
#include "kernels/cpu/parallel.h"
#include "other_ways.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "settings_that_go_wrong.h"
#include "train/by_hand.h"
#include "train/metrics.h"
#include "training.h"

using namespace handgrad;

namespace {

/// F pixels, H hidden units: the numbers of the network, or a gradient with respect to them.
template <class T>
struct TwoLayers {
    OneLayer<T> hidden;  // W (H, F), b (H)
    OneLayer<T> output;  // W (1, H), b (1)
};

template <class T>
struct Output {
    Tensor<T> h, o;  // (N, H), (N, 1)
};

template <class T>
Output<T> forward(const TwoLayers<T>& net, const Tensor<T>& x) {
    const Tensor<T> o1 = matmul(x, net.hidden.W, Trans::no, Trans::yes) + net.hidden.b;  // (N, H)
    const Tensor<T> h = 2 * logistic(o1) - 1;                                            // (N, H)
    const Tensor<T> o = matmul(h, net.output.W, Trans::no, Trans::yes) + net.output.b;   // (N, 1)
    return {h, o};
}

/// From the loss down to the pixels. Each line uses the one above it.
template <class T>
TwoLayers<T> backward(const TwoLayers<T>& net, const Output<T>& out, const LabelledSamples<T>& data,
                      Slope slope) {
    const Tensor<T>& h = out.h;
    const Tensor<T> d = (logistic(out.o) - data.y) / static_cast<double>(h.dim(0));  // dL/do (N, 1)
    const Tensor<T> dh = matmul(d, net.output.W);                                    // (N, H)
    const Tensor<T> dh_do1 = slope == Slope::true_one ? (1 - h * h) / 2 : (1 - h) * (1 - h);
    const Tensor<T> d1 = dh * dh_do1;  // dL/do1 (N, H)
    return {.hidden = {matmul(d1, data.x, Trans::yes), sum(d1, {0})},
            .output = {matmul(d, h, Trans::yes), sum(d, {0})}};
}

/// The cross entropy, -log q where y = 1 and -log(1 - q) where y = 0, in the form of lesson 3 that
/// does not overflow.
template <class T>
LossAndAccuracy score(const Tensor<T>& o, const LabelledSamples<T>& data) {
    const Tensor<T> losses = maximum(o, 0) - data.y * o + log1p(exp(-abs(o)));  // (N, 1)
    return {static_cast<double>(mean(losses).item()), binary_accuracy(o, data.labels)};
}

template <class T>
TwoLayers<T> random_network(Index features, double std, std::uint64_t seed, Device device) {
    constexpr Index units = 5;
    Random random(seed);
    const auto hidden = normal_layer<T>(units, features, std, random, device);
    return {hidden, normal_layer<T>(1, units, std, random, device)};
}

/// Full-batch gradient descent; a hundred points of each curve are measured.
template <class T>
Training train(const TrainVal<Dataset>& data, const Settings& s, const LessonOptions& options) {
    const auto train = binary_samples<T>(data.train, options.device),
               val = binary_samples<T>(data.val, options.device);
    const auto net = random_network<T>(train.x.dim(1), s.init, options.seed, options.device);
    const double hidden_lr = s.hidden_lr > 0 ? s.hidden_lr : s.lr / 10;
    const int every = std::max(1, s.epochs / 100);
    Training run;
    for (int epoch = 0;; ++epoch) {
        const Output<T> out = forward(net, train.x);
        if (epoch % every == 0 || epoch == s.epochs)
            run.curves.add(epoch, score(out.o, train), score(forward(net, val.x).o, val));
        if (epoch == s.epochs) {
            const std::vector<T> h = out.h.values();
            for (std::size_t i = 0; i < h.size(); ++i)
                run.hidden[train.labels(static_cast<Index>(i) / out.h.dim(1))].push_back(h[i]);
            run.saturated = share_beyond(out.h, 0.99);
            return run;
        }
        const TwoLayers<T> grad = backward(net, out, train, s.slope);
        net.hidden.W -= hidden_lr * grad.hidden.W;
        net.hidden.b -= hidden_lr * grad.hidden.b;
        net.output.W -= s.lr * grad.output.W;
        net.output.b -= s.lr * grad.output.b;
    }
}

void check_gradient(Lesson& lesson, const Dataset& images) {
    lesson.section("The gradient, and a slip in it");
    lesson.say(
        "h = 2 logistic(x W1' + b1) - 1, five hidden units; o = h w2' + b2; q = logistic(o). "
        "Backwards: dL/do = (q - y) / N as in lesson 3, dL/dh = dL/do w2, times the slope dh/do1 "
        "of the hidden unit, times x. Held against differences, on twenty images in double:");
    const auto data = binary_samples<double>(images.rows(0, 20));
    const auto net = random_network<double>(data.x.dim(1), 0.1, lesson.options().seed, Device::cpu);
    const auto checked = [&](Slope slope) {
        const auto d = backward(net, forward(net, data.x), data, slope);
        Parameter<double> W1{"W1", net.hidden.W, d.hidden.W}, b1{"b1", net.hidden.b, d.hidden.b},
            w2{"w2", net.output.W, d.output.W}, b2{"b2", net.output.b, d.output.b};
        const auto rows = check_gradients({&W1, &b1, &w2, &b2},
                                          [&] { return score(forward(net, data.x).o, data).loss; });
        lesson.pre(table(rows));
        return rows;
    };
    lesson.check("with the slope (1 - h^2) / 2 it is right", all_pass(checked(Slope::true_one)));
    lesson.say(
        "The notebook calls the hidden unit a hyperbolic tangent and multiplies by (1 - h)^2. The "
        "same check:");
    const auto wrong = checked(Slope::notebooks);
    lesson.check("(1 - h)^2 is caught, below the output layer",
                 !wrong[0].pass() && !wrong[1].pass() && wrong[2].pass() && wrong[3].pass());
    lesson.say(
        "2 logistic(o) - 1 is tanh(o/2), and its derivative (1 - h^2) / 2. The notebook's is "
        "2 (1 - h) / (1 + h) times as large: twice where the unit rests, hundreds of times where "
        "it saturates at -1, so that it is driven on. Lesson 11 has more of it. Both gradients go "
        "along in what follows.");
    const std::vector<double> at = linspace(-6, 6, 241);
    const auto o = Tensor<double>::from({241}, at), h = 2 * logistic(o) - 1;
    Plot unit =
        function_and_derivative("A hidden unit", at, h.values(), ((1 - h * h) / 2).values());
    unit.series.push_back(
        {"the notebook's f'(t)", ((1 - h) * (1 - h)).values(), at, Style::dashed});
    unit.y_range = {-1.3, 4.3};  // of the notebook's slope, too
    lesson.figure("unit.png", "The hidden unit, its slope, and what the notebook takes for it.",
                  unit);
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
        .tiny_epochs = 50,
        .data_help = notebook_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const cpu::FlushDenormals flush;
        const LessonOptions& options = lesson.options();
        const auto cache = options.out.parent_path() / "cache";
        const NotebookSet all = load_sign_digits(options.data, cache);
        const NotebookSet pets = load_dogs_cats(options.data, cache);
        lesson.section("The data");
        lesson.say(all.note);
        lesson.say(pets.note);
        lesson.say("Both prepared as in lesson 3; of the first set, only the classes 0 and 1.");
        auto signs = get_dataset(two_classes(all.set, 0, 1));
        auto dogs = get_dataset(pets.set);
        for (TrainVal<Dataset>* data : {&signs, &dogs}) {
            if (options.tiny) *data = {data->train.rows(0, 30), data->val.rows(0, 20)};
            const Dataset& set = data->train;
            if (rate_unit(set) > 1)
                lesson.say(format(
                    "Images of the classes %s and %s have only %td pixels, and smaller "
                    "gradients: the training by hand takes rates %g times as large for them.",
                    set.classes[0].c_str(), set.classes[1].c_str(), set.features(),
                    rate_unit(set)));
        }
        check_gradient(lesson, signs.train);
        const Train in_float = [&](const TrainVal<Dataset>& data, const Settings& settings) {
            return train<float>(data, settings, options);
        };
        const Train in_double = [&](const TrainVal<Dataset>& data, const Settings& settings) {
            return train<double>(data, settings, options);
        };
        train_signs(lesson, signs, !all.stand_in, in_float);
        train_dogs(lesson, dogs, !pets.stand_in, in_float);
        settings_that_go_wrong(lesson, signs, !all.stand_in, in_float, in_double);
        other_ways(lesson, signs, dogs, !pets.stand_in);
    });
}
