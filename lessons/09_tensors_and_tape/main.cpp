// Tensors and a tape: what a network is computed with, and what derives it.
//
//   make lesson N=9
//
// Here: what can be done with a tensor, and which of it shares memory; what autograd gives; the
// graph as a picture. In files beside this one, each a section of the report: files_and_devices.h,
// what_autograd_refuses.h, training_by_autograd.h, a tape of our own in eighty lines (tape.h,
// two_tapes.h), and the order in which it must run (why_the_order_matters.h). README.md has the
// idea.
#include <algorithm>
#include <cmath>

#include "autograd/graph.h"
#include "autograd/operations.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "data/image_set.h"
#include "files_and_devices.h"
#include "report/lesson.h"
#include "train/metrics.h"
#include "training_by_autograd.h"
#include "two_tapes.h"
#include "what_autograd_refuses.h"
#include "why_the_order_matters.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<float>;

void show_tensors(Lesson& lesson, const Matrix& x) {
    lesson.section("Tensors: make, slice, reshape");
    const auto shown = [](const char* what, const Matrix& t) {
        return std::string(what) + "\n" + t.str();
    };
    lesson.pre(shown("Matrix::zeros({2, 3})", Matrix::zeros({2, 3})));
    lesson.pre(shown("Matrix::from({2, 2}, {1, 2, 3, 4})", Matrix::from({2, 2}, {1, 2, 3, 4})));
    lesson.pre(shown("x, 100 rows of 200 uniform numbers", x));
    lesson.pre(shown("slice(slice(x, 0, 0, 3), 1, 0, 3), the upper left corner of x",
                     slice(slice(x, 0, 0, 3), 1, 0, 3)));
    lesson.pre(shown("transpose(x, 0, 1)", transpose(x, 0, 1)));

    lesson.say(
        "A tensor is a handle on memory. Copies of the handle, other shapes of it and rows of it "
        "are the same memory; a clone, a slice, a transpose and the result of an operation are "
        "not.");
    const Matrix flat = x.reshape({20000}), row = x.rows(1, 2), clone = x.clone();
    const Matrix columns = slice(x, 1, 0, 2), turned = transpose(x, 0, 1);
    x(1, 0) = 7;
    lesson.table({"after x(1, 0) = 7", "reads", "shares memory"},
                 {cells("x.reshape({20000})(200) | %g | yes", flat(200)),
                  cells("x.rows(1, 2)(0, 0) | %g | yes", row(0, 0)),
                  cells("slice(x, 1, 0, 2)(1, 0) | %.4g | no", columns(1, 0)),
                  cells("transpose(x, 0, 1)(0, 1) | %.4g | no", turned(0, 1)),
                  cells("x.clone()(1, 0) | %.4g | no", clone(1, 0))});
    lesson.check("reshape and rows share; clone, slice and transpose do not",
                 flat(200) == 7 && row(0, 0) == 7 && clone(1, 0) < 1 && columns(1, 0) < 1 &&
                     turned(0, 1) == clone(1, 0));
}

void show_arithmetic(Lesson& lesson, const Matrix& x) {
    lesson.section("Tensors: arithmetic");
    lesson.say(
        "x + x is a new tensor. x += x writes into x (PyTorch's x.add_(x)), for all its handles:");
    const Matrix in_place = x.clone();
    in_place += x;
    lesson.check("x + x is x added to x in place", (x + x).values() == in_place.values());

    const auto a = Matrix::from({3, 1}, {0, 10, 20}), b = Matrix::from({4}, {1, 2, 3, 4});
    lesson.say(
        "Broadcasting: shapes are compared from the last axis on, and what has size 1, or is "
        "missing, is repeated. (3, 1) + (4) is (3, 4):");
    lesson.pre((a + b).str());
    lesson.say("What cannot be repeated is refused:");
    const std::string no = refusal([&] { (void)(a + Matrix::zeros({2, 4})); });
    lesson.pre(no);
    lesson.check("shapes that do not fit are refused", !no.empty());

    const Matrix product = matmul(x, x, Trans::no, Trans::yes);  // x x', (100, 100)
    const double by_hand = sum(x.rows(3, 4) * x.rows(5, 6)).item();
    lesson.say(
        format("The matrix product x x' has the shape %s; element (3, 5) is %.4f, and by "
               "hand the sum over k of x(3, k) x(5, k) is %.4f.",
               product.shape().str().c_str(), product(3, 5), by_hand));
    lesson.check(
        "the product is a sum of products",
        std::abs(product(3, 5) - by_hand) < 1e-5 * by_hand && product(3, 5) == product(5, 3));
}

/// How far a is from b at most, relative to b.
double relative_error(const Tensor<double>& a, const Tensor<double>& b) {
    return max(abs(a / b - 1)).item();
}

void show_autograd(Lesson& lesson) {
    lesson.section("Autograd: the sum of 3 log x");
    const Device device = lesson.options().device;
    Random random(lesson.options().seed);
    const auto values = Tensor<double>::empty({100, 200}, device);
    random.uniform(values, 0, 1);
    const Variable<double> x(values, true);
    sum(3 * log(x)).backward();
    const Tensor<double> slope = 3 / values;
    const std::vector<double> at = values.values(), grad = x.grad().values(),
                              by_rule = slope.values();
    lesson.table({"x", "autograd", "3 / x"},
                 {cells("%.6f | %.12f | %.12f", at[0], grad[0], by_rule[0]),
                  cells("%.6f | %.12f | %.12f", at[1], grad[1], by_rule[1])});
    const double e = 1e-6, far = relative_error(x.grad(), slope);
    const double difference = 3 * (std::log(at[0] + e) - std::log(at[0] - e)) / (2 * e);
    lesson.say(
        format("The gradient is 3/x in every place. The lecture calls this numerical; it is "
               "the chain rule, exact up to rounding (%.0e), where a difference has %.0e.",
               far, std::abs(difference / by_rule[0] - 1)));
    lesson.check("d/dx of 3 log x is 3/x", far < 1e-15, format("%.1e", far));
}

void show_gradients_that_add_up(Lesson& lesson) {
    lesson.section("Gradients add up");
    const Device device = lesson.options().device;
    const Dataset images = load_image_set(lesson.options().data).train;
    const Index features = images.features();
    const auto pixels = images.rows(0, 5).x.cast<double>().to(device);
    const Tensor<double> corner = slice(pixels, 1, features - 10, features);  // (5, 10)
    lesson.say(
        format("z = sum of y^2 with y = e^x - 2x, on the last 10 pixels of 5 images of %s. By hand "
               "dz/dx = 2 y (e^x - 2). The cell is run three times, then once more after "
               "zero_grad().",
               images.name.c_str()));
    const Tensor<double> by_hand = 2 * (exp(corner) - 2 * corner) * (exp(corner) - 2);
    const Variable<double> c(corner, true);
    const std::vector<double> values = corner.values();
    const auto brightest =
        static_cast<std::size_t>(std::ranges::max_element(values) - values.begin());
    std::vector<Row> rows;
    double off = 0;  // from once, twice, three times and once the gradient
    const auto run = [&](const char* when, int times) {
        const Variable<double> y = exp(c) - 2 * c;
        const Variable<double> z = sum(y * y);
        z.backward();
        off = worse(off, relative_error(c.grad(), times * by_hand));
        const double first = c.grad().values()[brightest], expected = by_hand.values()[brightest];
        rows.push_back(cells("%s | %.4f | %.4f | %.4f | %.3g", when, z.item(), first, expected,
                             first / expected));
    };
    run("first", 1);
    run("second", 2);
    run("third", 3);
    const std::vector<double> before = c.value().values();
    c.zero_grad();
    run("after zero_grad", 1);
    lesson.table({"run", "z", "autograd", "by hand", "ratio"}, rows);
    lesson.say(
        "backward adds to what is there, so that a batch can be fed in parts and a weight used "
        "twice. zero_grad() resets gradients; parameters it leaves alone.");
    lesson.check("the first gradient is right, and they add up until reset", off < 1e-14,
                 format("%.1e from 1, 2, 3 and 1 times that by hand", off));
    lesson.check("zero_grad leaves the value alone", c.value().values() == before);
}

void show_graph(Lesson& lesson) {
    lesson.section("The graph as a picture");
    const Variable<double> x(Tensor<double>::full({16, 4}, 0.5)), t(Tensor<double>::zeros({16, 3}));
    const Variable<double> w(Tensor<double>::full({3, 4}, 0.1), true);
    const Variable<double> b(Tensor<double>::zeros({3}), true);
    const Variable<double> error = tanh(matmul(x, w, Trans::no, Trans::yes) + b) - t;
    const Variable<double> loss = mean(error * error);
    const auto graph = graph_of(loss, {{"x", x}, {"W", w}, {"b", b}, {"t", t}, {"loss", loss}});
    lesson.say(
        "The tape of mean((tanh(x W' + b) - t)^2): ovals are operations, boxes are what is "
        "trained, and beside each stands the shape of its value. Backward follows the arrows in "
        "reverse.");
    lesson.figure("graph.png", "What autograd has recorded.",
                  GraphPlot{.title = "loss = mean((tanh(x W' + b) - t)^2)", .nodes = graph});
    lesson.say("The same for Graphviz (dot -Tsvg), which draws larger graphs:");
    lesson.pre(graph_dot(graph));
    lesson.result("graph_nodes", static_cast<Index>(graph.size()));
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "09_tensors_and_tape",
        .title = "Tensors and a tape",
        .summary =
            "What can be done with a tensor, what autograd gives and refuses, and a tape of "
            "our own in eighty lines.",
        .data = "embedded",
        .data_help = image_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        Random random(lesson.options().seed);
        const Matrix x = Matrix::empty({100, 200});
        random.uniform(x, 0, 1);
        show_tensors(lesson, x);
        show_arithmetic(lesson, x);
        files_and_devices(lesson, x);
        show_autograd(lesson);
        show_gradients_that_add_up(lesson);
        what_autograd_refuses(lesson);
        training_by_autograd(lesson);
        show_graph(lesson);
        two_tapes(lesson);
        why_the_order_matters(lesson);
    });
}
