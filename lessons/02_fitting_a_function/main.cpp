// Fitting a function: all samples at once, one at a time, or a few.
//
//   make lesson N=2
//
// A small network (network.h) learns a curve from noisy samples. What does a step on a part of the
// samples cost in accuracy, and what does it save? The other files here show it on a loss that can
// be seen as a surface, and measure what one step changes, how far the gradient of a batch strays
// and how single steps hover; at the end comes the perceptron, which also learned from one example
// at a time. README.md beside this file has the derivations.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "data/image_set.h"
#include "data/regression.h"
#include "hovering_and_settling.h"
#include "loss_as_a_surface.h"
#include "network.h"
#include "noise_of_a_batch.h"
#include "perceptron.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "what_one_step_changes.h"

using namespace handgrad;

namespace {

constexpr double noise = 0.1;

double truth(double x) {
    return std::sin(2 * x) + 0.3 * x;
}

Samples make_samples(Lesson& lesson) {
    lesson.section("The samples");
    Random random(lesson.options().seed);
    const RegressionSet set =
        sample_function(truth, {.n = n_samples, .low = -2, .high = 2, .noise = noise}, random);
    lesson.say(
        format("%td points of sin 2x + 0.3 x on [-2, 2], with normal noise of standard "
               "deviation %g. A fit without fault leaves the noise, a mean square error of %g.",
               n_samples, noise, noise * noise));
    const Device device = lesson.options().device;
    return {set.x.cast<double>().to(device), set.y.cast<double>().to(device)};
}

void show_fit(Lesson& lesson, const Samples& samples) {
    lesson.section("The fit as it moves");
    const LessonOptions& options = lesson.options();
    const double rate = 0.03, pace = options.quick ? 2.5 : 1.5;
    lesson.say(format(
        "Now the network: 32 tanh units, which know nothing of sines. The same start, the same "
        "rate %g, %d passes over the samples, in the same three ways.",
        rate, options.epochs));
    std::vector<Index> stops;  // samples seen
    for (double at = 8; at <= static_cast<double>(n_samples) * options.epochs; at *= pace)
        stops.push_back(static_cast<Index>(at));
    const Series dots{"", samples.y.rows(0, 80).values(), samples.x.rows(0, 80).values(),
                      Style::points, 5};
    Series function = curve("function", truth, {-2, 2});
    function.style = Style::dashed;
    function.color = 6;
    std::vector<std::vector<Drawing>> drawings(stops.size());
    std::vector<Series> curves;
    std::vector<Row> rows;
    std::map<std::string, double> finals;
    for (const auto& [name, batch] : ways) {
        Sequential<double> model = new_network(options.seed, options.device);
        SGD<double> sgd(model.parameters(), rate);
        std::size_t stop = 0;
        Series errors{name, {}, {}};
        const auto see = [&, title = std::string(name), size = batch](Index seen) {
            for (; stop < stops.size() && stops[stop] < seen + size; ++stop)  // the next step moves
                drawings[stop].push_back(Plot{.title = title + format(": %td seen", stops[stop]),
                                              .series = {dots,
                                                         function,
                                                         {"fit", function_of(model, options.device),
                                                          grid(), Style::thick, 1}},
                                              .x_range = {-2, 2},
                                              .y_range = {-2, 2}});
            if (seen > 0 && seen % n_samples == 0) {
                errors.y.push_back(mean_square_error(model, samples));
                errors.x.push_back(static_cast<double>(errors.y.size()));
            }
        };
        see(0);
        train(model, sgd, samples, batch, options.epochs, Random(options.seed), see);
        finals[name] = errors.y.back();
        rows.push_back(
            cells("%s | %td | %.4f | %.4f", name, sgd.steps(), errors.y[0], finals[name]));
        curves.push_back(errors);
    }
    lesson.table({"", "steps", "error after one pass", "at the end"}, rows);
    lesson.result("final_error", finals);
    std::vector<Drawing> frames;
    for (const auto& three : drawings)
        frames.push_back(panels(three, {.columns = 3, .panel_height = 600}));
    lesson.animation("fit",
                     "The fit as it moves, after equal numbers of samples seen, with the function "
                     "and some of the samples.",
                     frames, 0.4);
    lesson.figure("passes.png", "The error after each pass over the samples.",
                  {.title = "Mean square error",
                   .x_label = "passes over all samples",
                   .y_label = "error",
                   .series = curves,
                   .log_y = true,
                   .log_x = true});
    lesson.say(
        "All at once makes one step in each pass, and each must look at every sample. One at a "
        "time has made 256 steps by then. They are worse steps, but not 256 times worse. Later "
        "their noise shows: the error jumps about and does not settle.");
    lesson.check("more steps in a pass get further at first",
                 std::max(curves[1].y[0], curves[2].y[0]) < curves[0].y[0],
                 "16 or one at a time further than all at once");
    if (!options.tiny)
        lesson.check(
            "all at once stays far behind",
            finals["all at once"] > 2 * std::max(finals["16 at a time"], finals["one at a time"]));
}

/// How a batch size gets below a target error.
struct Price {
    double rate = 0;     // the one that takes the fewest passes
    Index passes = 0;    // more than allowed where none gets there
    double seconds = 0;  // for one pass
};

Price price_of(const Samples& samples, Index batch, double target, Index most, std::uint64_t seed) {
    Price price{0, most + 1, 1e9};
    const auto nobody = [](Index) {};
    for (const double rate : {0.01, 0.03, 0.1, 0.3}) {
        Sequential<double> model = new_network(seed, samples.x.device());
        SGD<double> sgd(model.parameters(), rate);
        Random random(seed);
        double error = 1;
        for (Index pass = 1; pass < price.passes && error < 1e3; ++pass) {
            const auto start = std::chrono::steady_clock::now();
            train(model, sgd, samples, batch, 1, Random(random.int63()), nobody);
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
            price.seconds = std::min(price.seconds, took.count());  // others may use the machine
            error = mean_square_error(model, samples);
            if (error < target) price.rate = rate, price.passes = pass;
        }
    }
    return price;
}

void show_price(Lesson& lesson, const Samples& samples) {
    lesson.section("What each pays");
    const double target = 2 * noise * noise;
    const Index most = Index{10} * lesson.options().epochs;
    lesson.say(
        format("Passes until the error is below %g, each batch size with the best of four rates, "
               "at most %td. A sample costs less in company, so a pass costs less, too.",
               target, most));
    std::vector<Row> rows;
    std::map<Index, Index> passes, steps;
    double least = INFINITY;  // seconds in all
    Index quickest = 0;
    for (const Index batch : {1, 4, 16, 64, 256}) {
        const Price price = price_of(samples, batch, target, most, lesson.options().seed);
        passes[batch] = price.passes;
        steps[batch] = price.passes * samples.size() / batch;
        rows.push_back(price.passes <= most ? cells("%td | %g | %td | %td", batch, price.rate,
                                                    price.passes, steps[batch])
                                            : cells("%td | | > %td |", batch, most));
        const double seconds = price.seconds * static_cast<double>(price.passes);
        rows.back().push_back(format("%.0f us", 1e6 * price.seconds));
        rows.back().push_back(price.passes <= most ? format("%.1f ms", 1e3 * seconds) : "");
        if (price.passes <= most && seconds < least) least = seconds, quickest = batch;
        lesson.result(format("passes_at_batch_%td", batch), price.passes);
    }
    lesson.table({"batch", "best rate", "passes", "steps", "time of a pass", "time in all"}, rows);
    lesson.say(
        format("Small batches need the fewest samples, large ones the fewest steps. What is "
               "quickest depends on the machine as well, which computes many samples at once "
               "sooner than one after another: here it is the batch of %td.",
               quickest));
    lesson.check("small batches need fewer passes, large ones fewer steps",
                 passes[4] < passes[256] && steps[64] < steps[1]);
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
        .tiny_epochs = 2,
        .data = "embedded",
        .data_help = image_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const Samples samples = make_samples(lesson);
        loss_as_a_surface(lesson, samples);
        const Samples few = lesson.options().tiny ? samples.rows(0, 64) : samples;
        what_one_step_changes(lesson, few);
        noise_of_a_batch(lesson, few);
        show_fit(lesson, samples);
        if (!lesson.options().tiny) {  // thousands of steps
            show_price(lesson, samples);
            hovering_and_settling(lesson, samples);
        }
        show_perceptron(lesson);
    });
}
