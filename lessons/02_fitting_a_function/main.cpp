// Fitting a function: all samples at once, one at a time, or a few.
//
//   make lesson N=2
//
// A small network learns a curve from noisy samples. What does one step change, what does a step
// on a part of the samples cost in accuracy, and what does it save? At the end the perceptron,
// which also learned from one example at a time. README.md beside this file has the derivations.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>

#include "autograd/operations.h"
#include "data/image_set.h"
#include "data/regression.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<double>;

constexpr Index n_samples = 256;
constexpr double noise = 0.1, low = -2, high = 2;

double truth(double x) {
    return std::sin(2 * x) + 0.3 * x;
}

struct Data {
    Matrix x, y;  // (N, 1) each

    [[nodiscard]] Data subset(std::span<const Index> rows) const {
        const auto n = static_cast<Index>(rows.size());
        Data part{Matrix::empty({n, 1}), Matrix::empty({n, 1})};
        for (Index i = 0; i < n; ++i) {
            part.x(i, 0) = x(rows[static_cast<std::size_t>(i)], 0);
            part.y(i, 0) = y(rows[static_cast<std::size_t>(i)], 0);
        }
        return part;
    }
};

/// 1-32-1 with tanh units; the same seed, the same weights.
Sequential<double> new_model(std::uint64_t seed) {
    Random random(seed);
    Sequential<double> model;
    model.add<Linear<double>>(1, 32, random);
    model.add<Tanh<double>>();
    model.add<Linear<double>>(32, 1, random);
    return model;
}

/// The mean square error on some samples; its gradient is added to the parameters'.
double loss_and_gradient(Sequential<double>& model, const Data& data) {
    MSELoss<double> loss;
    const double value = loss.forward(model.forward(data.x), data.y).item();
    model.backward_parameters(loss.backward());
    return value;
}

double mean_square_error(Sequential<double>& model, const Data& data) {
    MSELoss<double> loss;
    return loss.forward(model.forward(data.x), data.y).item();
}

const std::vector<double>& grid() {
    static const std::vector<double> points = linspace(low, high, 201);
    return points;
}

/// The model's function on the grid.
std::vector<double> function_of(Sequential<double>& model) {
    return model.forward(Matrix::from({201, 1}, grid())).values();
}

/// Trains on batches of a new order in each epoch; `see` is told after each step how many samples
/// have been seen.
template <class See>
void train(Sequential<double>& model, const Data& data, Index batch, SGD<double>& sgd, int epochs,
           std::uint64_t seed, See see) {
    Random random(seed);
    std::vector<Index> order;
    Index seen = 0;
    for (int epoch = 0; epoch < epochs; ++epoch) {
        random.permutation(order, n_samples);
        for (Index begin = 0; begin < n_samples; begin += batch) {
            const auto rows = std::span(order).subspan(
                static_cast<std::size_t>(begin),
                static_cast<std::size_t>(std::min(batch, n_samples - begin)));
            sgd.zero_grad();
            loss_and_gradient(model, data.subset(rows));
            sgd.step();
            seen += static_cast<Index>(rows.size());
            see(seen);
        }
    }
}

Data make_data(Lesson& lesson) {
    lesson.section("The samples");
    Random random(lesson.options().seed);
    const RegressionSet set =
        sample_function(truth, {.n = n_samples, .low = low, .high = high, .noise = noise}, random);
    const Data data{set.x.cast<double>(), set.y.cast<double>()};
    lesson.say(
        format("%td points of sin 2x + 0.3 x on [-2, 2], with normal noise of standard "
               "deviation %g. A network with 32 tanh units shall find the function. A fit "
               "without fault leaves the noise, a mean square error of %g.",
               n_samples, noise, noise * noise));
    return data;
}

void show_one_step(Lesson& lesson, const Data& data) {
    lesson.section("What one step changes");
    lesson.say(
        "Every step moves the weights, and with them the whole function. A step on one point "
        "pulls the curve towards this point, and all else with it. To first order in the rate, a "
        "step on all samples is the mean of the steps on each, and a pass of single steps adds "
        "them up: it goes N times as far.");
    const std::uint64_t seed = lesson.options().seed;
    Sequential<double> start = new_model(seed);
    const std::vector<double> before = function_of(start);
    const auto change = [&](double rate, std::span<const std::vector<Index>> batches) {
        Sequential<double> model = new_model(seed);
        SGD<double> sgd(model.parameters(), rate);
        for (const auto& rows : batches) {
            sgd.zero_grad();
            loss_and_gradient(model, data.subset(rows));
            sgd.step();
        }
        std::vector<double> moved = function_of(model);
        for (std::size_t i = 0; i < moved.size(); ++i) moved[i] -= before[i];
        return moved;
    };
    std::vector<std::vector<Index>> singles, all(1);
    for (Index i = 0; i < n_samples; ++i) {
        singles.push_back({i});
        all[0].push_back(i);
    }
    const double rate = 1e-5;
    const std::vector<double> batch = change(rate, all), pass = change(rate, singles);
    std::vector<double> mean(batch.size(), 0);
    for (const auto& single : singles) {
        const std::vector<double> moved = change(rate, {&single, 1});
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += moved[i] / n_samples;
    }
    double size = 0, far_mean = 0, far_pass = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        size = std::max(size, std::abs(batch[i]));
        far_mean = std::max(far_mean, std::abs(mean[i] - batch[i]));
        far_pass = std::max(far_pass, std::abs(pass[i] / n_samples - batch[i]));
    }
    lesson.check("the full step is the mean of the single ones", far_mean < 1e-3 * size,
                 format("to %.1e of its size", far_mean / size));
    lesson.check("a pass of single steps goes N times as far", far_pass < 0.05 * size,
                 format("to %.1e of its size, at rate %g", far_pass / size, rate));

    std::vector<Series> curves = {{"all samples", change(0.01, all), grid(), Style::thick, 6}};
    const auto rows = std::to_array<Index>({0, 1, 2});
    for (const Index row : rows) {
        const std::vector<Index> one = {row};
        curves.push_back({format("one, at x = %.2f", data.x(row, 0)), change(0.01, {&one, 1}),
                          grid(), Style::thick, static_cast<int>(row)});
        curves.push_back({"", {0}, {data.x(row, 0)}, Style::points, static_cast<int>(row)});
    }
    lesson.figure("one_step.png",
                  "The change of the function by one step at rate 0.01: on all samples, and on "
                  "three of them (their places are marked).",
                  {.title = "What one step changes",
                   .x_label = "x",
                   .y_label = "change of the function",
                   .series = curves,
                   .zero_lines = true});
}

void show_noise(Lesson& lesson, const Data& data) {
    lesson.section("How far a batch's gradient strays");
    lesson.say(
        "The gradient of a random batch is right on average. Its mean squared distance from the "
        "full gradient is sigma^2/B (N - B)/(N - 1), with sigma^2 that of single samples: half the "
        "distance costs four times the batch.");
    Sequential<double> model = new_model(lesson.options().seed);
    const auto gradient = [&](std::span<const Index> rows) {
        std::vector<double> all;
        for (Parameter<double>* p : model.parameters()) p->grad.fill(0);
        loss_and_gradient(model, data.subset(rows));
        for (const Parameter<double>* p : model.parameters())
            all.insert(all.end(), p->grad.span().begin(), p->grad.span().end());
        return all;
    };
    const auto distance = [](const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
        return sum;
    };
    std::vector<Index> order(n_samples);
    std::iota(order.begin(), order.end(), Index{0});
    const std::vector<double> full = gradient(order);
    double sigma = 0;  // squared
    for (const Index& row : order) sigma += distance(gradient({&row, 1}), full) / n_samples;

    Random random(lesson.options().seed);
    std::vector<double> sizes, measured, expected;
    double worst = 0;
    std::vector<Row> rows;
    for (Index batch = 1; batch < n_samples; batch *= 2) {
        const int tries = 1000;
        double sum = 0;
        for (int i = 0; i < tries; ++i) {
            random.permutation(order, n_samples);
            sum +=
                distance(gradient(std::span(order).first(static_cast<std::size_t>(batch))), full);
        }
        const auto b = static_cast<double>(batch);
        sizes.push_back(b);
        measured.push_back(sum / tries);
        expected.push_back(sigma / b * (n_samples - b) / (n_samples - 1));
        worst = std::max(worst, std::abs(measured.back() / expected.back() - 1));
        rows.push_back({format("%td", batch), format("%.4f", measured.back()),
                        format("%.4f", expected.back())});
    }
    lesson.table({"batch", "measured", "expected"}, rows);
    lesson.check("the distance is as expected", worst < 0.2, format("to %.0f %%", 100 * worst));
    lesson.figure(
        "noise.png", "Mean squared distance of a batch's gradient from that of all.",
        {.title = "The noise of a batch's gradient",
         .x_label = "batch size",
         .y_label = "squared distance",
         .series = {{"expected", expected, sizes}, {"measured", measured, sizes, Style::points}},
         .log_y = true,
         .log_x = true});
}

void show_fit(Lesson& lesson, const Data& data) {
    lesson.section("The fit as it moves");
    const int epochs = lesson.options().epochs;
    const double rate = 0.03, pace = lesson.options().quick ? 2.5 : 1.5;
    lesson.say(
        format("The same start, the same rate %g, %d passes over the samples: all at once, "
               "sixteen at a time, one at a time.",
               rate, epochs));
    std::vector<Index> stops;  // samples seen
    for (double at = 8; at <= static_cast<double>(n_samples) * epochs; at *= pace)
        stops.push_back(static_cast<Index>(at));
    const std::vector<std::pair<std::string, Index>> ways = {
        {"all at once", n_samples}, {"16 at a time", 16}, {"one at a time", 1}};
    const std::vector<double> xs = data.x.rows(0, 80).values(), ys = data.y.rows(0, 80).values();
    std::vector<double> true_values;
    for (const double x : grid()) true_values.push_back(truth(x));
    std::vector<std::vector<Drawing>> drawings(stops.size());
    std::vector<Series> losses;
    std::vector<Row> rows;
    std::map<std::string, double> finals;
    for (const auto& [name, batch] : ways) {
        Sequential<double> model = new_model(lesson.options().seed);
        SGD<double> sgd(model.parameters(), rate);
        std::size_t stop = 0;
        Series curve{name, {}, {}};
        const auto see = [&, title = name, size = batch](Index seen) {
            for (; stop < stops.size() && stops[stop] < seen + size; ++stop)  // the next step moves
                drawings[stop].push_back(
                    Plot{.title = title + format(": %td seen", stops[stop]),
                         .series = {{"", ys, xs, Style::points, 5},
                                    {"function", true_values, grid(), Style::dashed, 6},
                                    {"fit", function_of(model), grid(), Style::thick, 1}},
                         .x_range = {low, high},
                         .y_range = {-2, 2}});
            if (seen > 0 && seen % n_samples == 0) {
                curve.y.push_back(mean_square_error(model, data));
                curve.x.push_back(static_cast<double>(curve.y.size()));
            }
        };
        see(0);
        train(model, data, batch, sgd, epochs, lesson.options().seed, see);
        finals[name] = curve.y.back();
        rows.push_back({name, format("%td", sgd.steps()), format("%.4f", curve.y.front()),
                        format("%.4f", curve.y.back())});
        losses.push_back(curve);
    }
    lesson.table({"", "steps", "error after one pass", "at the end"}, rows);
    lesson.result("final_error", finals);
    std::vector<Drawing> frames;
    for (const auto& three : drawings)
        frames.push_back(panels(three, {.columns = 3, .panel_height = 600}));
    lesson.animation(
        "fit",
        "The fit as it moves, after equal numbers of samples seen, with the function and "
        "some of the samples.",
        frames, 0.4);
    lesson.figure("passes.png", "The error after each pass over the samples.",
                  {.title = "Mean square error",
                   .x_label = "passes over all samples",
                   .y_label = "error",
                   .series = losses,
                   .log_y = true,
                   .log_x = true});
    lesson.say(
        "All at once makes one step in each pass, and each must look at every sample. One at a "
        "time has made 256 steps by then. They are worse steps, but not 256 times worse. Later "
        "their noise shows: the error jumps about and does not settle.");
    lesson.check("more steps in a pass get further at first",
                 std::max(losses[1].y[0], losses[2].y[0]) < losses[0].y[0],
                 "16 or one at a time further than all at once");
    lesson.check("all at once stays far behind",
                 finals["all at once"] > 2 * finals["16 at a time"] &&
                     finals["all at once"] > 2 * finals["one at a time"]);
}

/// How a batch size gets below a target error.
struct Price {
    double rate = 0;     // the one that takes the fewest passes
    Index passes = 0;    // more than allowed where none gets there
    double seconds = 0;  // for one pass
};

Price price_of(const Data& data, Index batch, double target, Index most, std::uint64_t seed) {
    Price price{0, most + 1, 0};
    for (const double rate : {0.01, 0.03, 0.1, 0.3}) {
        Sequential<double> model = new_model(seed);
        SGD<double> sgd(model.parameters(), rate);
        Random random(seed);
        double error = 1;
        for (Index pass = 1; pass < price.passes && error < 1e3; ++pass) {
            train(model, data, batch, sgd, 1, random.int63(), [](Index) {});
            error = mean_square_error(model, data);
            if (error < target) price = {rate, pass, 0};
        }
    }
    Sequential<double> model = new_model(seed);
    SGD<double> sgd(model.parameters(), 0.01);
    price.seconds = 1e9;  // the least of twenty: others may be using the machine
    for (int i = 0; i < 20; ++i) {
        const auto start = std::chrono::steady_clock::now();
        train(model, data, batch, sgd, 1, seed, [](Index) {});
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        price.seconds = std::min(price.seconds, took.count());
    }
    return price;
}

void show_price(Lesson& lesson, const Data& data) {
    lesson.section("What each pays");
    const Index most = Index{10} * lesson.options().epochs;
    const double target = 2 * noise * noise;
    lesson.say(
        format("Passes until the error is below %g, each batch size with the best of four rates, "
               "at most %td. A sample costs less in company, so a pass costs less, too.",
               target, most));
    std::vector<Row> rows;
    std::map<Index, Index> passes, steps;
    for (const Index batch : {1, 4, 16, 64, 256}) {
        const Price price = price_of(data, batch, target, most, lesson.options().seed);
        passes[batch] = price.passes;
        steps[batch] = price.passes * n_samples / batch;
        const bool reached = price.passes <= most;
        rows.push_back({format("%td", batch), reached ? format("%g", price.rate) : "",
                        reached ? format("%td", price.passes) : format("> %td", most),
                        reached ? format("%td", steps[batch]) : "",
                        format("%.0f us", 1e6 * price.seconds)});
        lesson.result(format("passes_at_batch_%td", batch), price.passes);
    }
    lesson.table({"batch", "best rate", "passes", "steps", "time of a pass"}, rows);
    lesson.say(
        "Small batches need the fewest samples, large ones the fewest steps. What is quickest lies "
        "in between: small enough to move often, large enough for the machine.");
    lesson.check("small batches need fewer passes, large ones fewer steps",
                 passes[4] < passes[256] && steps[64] < steps[1]);
}

void show_settling(Lesson& lesson, const Data& data) {
    lesson.section("Hovering and settling");
    lesson.say(
        "At a constant rate single steps hover about the best fit, at a larger rate wider than at "
        "0.01. A rate that falls to zero lets them settle.");
    struct Run {
        const char* name;
        double rate;
        bool falls;
    };
    const int epochs = lesson.options().epochs;
    std::vector<Row> rows;
    std::vector<Series> curves;
    std::map<std::string, double> mean_of_last;
    for (const Run& run : {Run{"0.05", 0.05, false}, Run{"0.03", 0.03, false},
                           Run{"0.01", 0.01, false}, Run{"0.03, falling", 0.03, true}}) {
        Sequential<double> model = new_model(lesson.options().seed);
        SGD<double> sgd(model.parameters(), run.rate);
        const CosineAnnealingLR cosine{.T_max = epochs};
        Schedule schedule(sgd,
                          [&](double lr, Index pass) { return run.falls ? cosine(lr, pass) : lr; });
        Series curve{run.name, {}, {}};
        train(model, data, 1, sgd, epochs, lesson.options().seed, [&](Index seen) {
            if (seen % n_samples != 0) return;
            curve.y.push_back(mean_square_error(model, data));
            curve.x.push_back(static_cast<double>(curve.y.size()));
            schedule.step();
        });
        const auto last = std::min<std::ptrdiff_t>(10, std::ssize(curve.y));
        mean_of_last[run.name] =
            std::accumulate(curve.y.end() - last, curve.y.end(), 0.0) / static_cast<double>(last);
        rows.push_back({run.name, format("%.4f", mean_of_last[run.name])});
        curves.push_back(curve);
    }
    lesson.table({"rate, one at a time", "error, mean of the last ten passes"}, rows);
    lesson.result("error_by_rate", mean_of_last);
    lesson.figure("settling.png", "One sample at a time, at constant rates and at one that falls.",
                  {.title = "Mean square error, one at a time",
                   .x_label = "passes over all samples",
                   .y_label = "error",
                   .series = curves,
                   .log_y = true});
    lesson.check("a larger rate hovers wider than 0.01",
                 mean_of_last["0.05"] > mean_of_last["0.01"]);
    lesson.check("a falling rate settles", mean_of_last["0.03, falling"] < mean_of_last["0.03"] &&
                                               mean_of_last["0.03, falling"] < 0.013);
}

// ---- the perceptron -----------------------------------------------------------------------------

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// z = y (x, 1) for each image x and its class y, -1 or +1. A weight w is right where w z > 0.
std::vector<Vector> signed_examples(const Dataset& two) {
    std::vector<Vector> examples;
    for (const Index row : numpy_permutation(42, two.size())) {
        const double label = two.y(row) == 1 ? 1 : -1;
        Vector z;
        for (const float v : two.x.rows(row, row + 1).span())
            z.push_back(label * (static_cast<double>(v) - 0.5));
        z.push_back(label);
        examples.push_back(z);
        if (examples.size() == 500) break;
    }
    return examples;
}

/// w <- w + push(w z) z for each example in turn, pass after pass. Returns how many were on the
/// wrong side in each pass when their turn came.
template <class Push>
std::vector<double> learn(Vector& w, const std::vector<Vector>& examples, int passes, Push push) {
    std::vector<double> mistakes(static_cast<std::size_t>(passes), 0);
    for (double& wrong : mistakes)
        for (const Vector& z : examples) {
            const double margin = dot(w, z), step = push(margin);
            wrong += margin > 0 ? 0 : 1;
            for (std::size_t i = 0; i < w.size(); ++i) w[i] += step * z[i];
        }
    return mistakes;
}

double perceptron(double margin) {
    return margin > 0 ? 0 : 1;
}

/// The same pass as SGD at rate 1 on max(0, -w z), with autograd's gradient: how far apart they
/// are.
double distance_from_sgd(const std::vector<Vector>& examples, std::uint64_t seed) {
    const auto weight = Matrix::empty({static_cast<Index>(examples[0].size())});
    Random(seed).normal(weight, 0, 0.01);  // off the kink at w = 0
    Vector by_hand = weight.values();
    learn(by_hand, examples, 1, perceptron);
    const Variable<double> w(weight, true);
    for (const Vector& z : examples) {
        w.zero_grad();
        const Variable<double> example(Matrix::from(weight.shape(), z));
        maximum(-sum(w * example), 0.0).backward();
        for (Index i = 0; i < weight.size(); ++i) weight(i) -= w.grad()(i);
    }
    double far = 0;
    for (std::size_t i = 0; i < by_hand.size(); ++i)
        far = std::max(far, std::abs(weight(static_cast<Index>(i)) - by_hand[i]));
    return far;
}

void show_perceptron(Lesson& lesson) {
    lesson.section("The perceptron");
    const Dataset two = two_classes(load_image_set(lesson.options().data).train, 3, 8);
    std::vector<Vector> examples = signed_examples(two);
    lesson.say(
        format("%zu images of the classes %s and %s, with z = y (x, 1) and y = -1 or +1. The "
               "perceptron takes one example at a time, and where it is on the wrong side, "
               "w z <= 0, adds it: w <- w + z. Logistic regression by SGD adds "
               "rate / (1 + e^(w z)) z: always something, less the surer it is.",
               examples.size(), two.classes[0].c_str(), two.classes[1].c_str()));
    const double far = distance_from_sgd(examples, lesson.options().seed);
    lesson.check("the perceptron is SGD on max(0, -w z)", far < 1e-12, format("%.1e", far));

    const int passes = 60;
    std::vector<Drawing> plots;
    std::vector<Row> rows;
    for (const bool turned : {false, true}) {
        if (turned)
            for (std::size_t i = 0; i < examples.size(); i += 20)
                for (double& v : examples[i]) v = -v;
        const char* set = turned ? "every twentieth label turned round" : "as they are";
        std::vector<Series> curves;
        Vector w(examples[0].size(), 0);
        const auto run = [&](const char* name, auto push) {
            std::fill(w.begin(), w.end(), 0);
            std::vector<double> mistakes = learn(w, examples, passes, push);
            const double all = std::accumulate(mistakes.begin(), mistakes.end(), 0.0);
            rows.push_back({set, name, format("%.0f", all), format("%.0f", mistakes.back())});
            curves.push_back({name, mistakes, linspace(1, passes, passes)});
            return all;
        };
        const double all = run("perceptron", perceptron);
        if (!turned) {
            double radius = 0, margin = 1e300;
            for (const Vector& z : examples) {
                radius = std::max(radius, std::sqrt(dot(z, z)));
                margin = std::min(margin, dot(w, z) / std::sqrt(dot(w, w)));
            }
            const double bound = std::pow(radius / margin, 2);
            lesson.check("the perceptron comes to rest", curves[0].y.back() == 0 && margin > 0,
                         "there is a line between the classes");
            lesson.check("after no more than (R/gamma)^2 mistakes", all <= bound,
                         format("%.0f, and the bound is %.0f", all, bound));
        }
        run("logistic, rate 0.1", [](double margin) { return 0.1 / (1 + std::exp(margin)); });
        const double logistic =
            run("logistic, rate 0.01", [](double margin) { return 0.01 / (1 + std::exp(margin)); });
        if (turned)
            lesson.check("with wrong labels the perceptron never rests, and errs more",
                         curves[0].y.back() > 0 && all > logistic);
        plots.push_back(
            Plot{.title = set, .x_label = "pass", .y_label = "mistakes", .series = curves});
    }
    lesson.table({"examples", "learner", "mistakes in all", "in the last pass"}, rows);
    lesson.figure("perceptron.png", "Examples that were on the wrong side when their turn came.",
                  panels(plots, {.columns = 2, .panel_height = 720}));
    lesson.say(
        "Where a line separates the classes, the perceptron finds one and stops. Where none does, "
        "each mistake throws it as far as the first one did. The logistic step shrinks with the "
        "rate, and so weighs many examples against each other.");
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "02_fitting_a_function",
        .title = "Fitting a function",
        .summary =
            "A network learns a curve from samples: all at once, one at a time, or in "
            "minibatches; what each step changes, and what each way pays.",
        .epochs = 200,
        .quick_epochs = 40,
        .data = "embedded",
        .data_help = image_set_help,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const Data data = make_data(lesson);
        show_one_step(lesson, data);
        show_noise(lesson, data);
        show_fit(lesson, data);
        show_price(lesson, data);
        show_settling(lesson, data);
        show_perceptron(lesson);
    });
}
