// Tensors and a tape: what a network is computed with, and what derives it.
//
//   make lesson N=9
//
// Here: what can be done with a tensor, and which of it shares memory; what autograd gives; the
// graph as a picture. In files beside this one: what_autograd_refuses.h, a tape of our own in sixty
// lines (tape.h), and the order in which it must run (why_the_order_matters.h). README.md has the
// idea.
#include <algorithm>
#include <cmath>

#include "autograd/graph.h"
#include "autograd/operations.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "data/image_set.h"
#include "data/npy.h"
#include "report/lesson.h"
#include "tape.h"
#include "what_autograd_refuses.h"
#include "why_the_order_matters.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<float>;

void show_tensors(Lesson& lesson) {
    lesson.section("Tensors: make, slice, reshape");
    Random random(lesson.options().seed);
    const Matrix x = Matrix::empty({100, 200});
    random.uniform(x, 0, 1);
    lesson.pre("Matrix::zeros({2, 3})\n" + Matrix::zeros({2, 3}).str() +
               "\nMatrix::from({2, 2}, {1, 2, 3, 4})\n" + Matrix::from({2, 2}, {1, 2, 3, 4}).str() +
               "\nx, 100 rows of 200 uniform numbers\n" + x.str());
    const auto slice_of = [](const Matrix& t, int axis, Index begin, Index end) {
        return slice(Variable<float>(t), axis, begin, end).value();
    };
    lesson.pre("the upper left corner of 3 x 3\n" + slice_of(slice_of(x, 0, 0, 3), 1, 0, 3).str());

    lesson.say(
        "A tensor is a handle on memory. Copies of the handle, other shapes of it and rows of it "
        "are the same memory; a clone, a slice of columns and the result of an operation are not.");
    const Matrix flat = x.reshape({20000}), row = x.rows(1, 2), clone = x.clone();
    const Matrix columns = slice_of(x, 1, 0, 2);
    x(1, 0) = 7;
    lesson.table({"after x(1, 0) = 7", "reads", "shares memory"},
                 {cells("x.reshape({20000})(200) | %g | yes", flat(200)),
                  cells("x.rows(1, 2)(0, 0) | %g | yes", row(0, 0)),
                  cells("slice of columns(1, 0) | %.4g | no", columns(1, 0)),
                  cells("x.clone()(1, 0) | %.4g | no", clone(1, 0))});
    lesson.check("reshape and rows share, clone and slice do not",
                 flat(200) == 7 && row(0, 0) == 7 && clone(1, 0) < 1 && columns(1, 0) < 1);

    lesson.section("Tensors: arithmetic");
    const Matrix in_place = x.clone();
    in_place += x;  // PyTorch's x.add_(x)
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

    lesson.section("Tensors: files and devices");
    write_npy(lesson.path("x.npy"), x);
    const Matrix back = read_npy<float>(lesson.path("x.npy"));
    lesson.say(
        "x.npy is a file of numpy's: numpy.load reads it, and read_npy reads numpy's, in "
        "any order, and all types of plain numbers. (In Python, from_numpy lets two libraries "
        "share one memory. That needs one process.)");
    lesson.check("numbers come back from the file to the last bit",
                 back.shape() == x.shape() && back.values() == x.values() &&
                     read_npy<double>(lesson.path("x.npy"))(1, 0) == 7);
    const Matrix there = x.to(lesson.options().device);
    lesson.say(format("x.to(device) is x where it is there already, else a copy. Here: %s.",
                      describe(lesson.options().device).c_str()));
    const std::string no_gpu = refusal([] { parse_device("cuda"); });
    const Device best = no_gpu.empty() ? Device::cuda : Device::cpu;
    lesson.say("The GPU if there is one, else the CPU. Here that is " + describe(best) +
               (no_gpu.empty() ? "." : ". parse_device(\"cuda\") says why:"));
    if (!no_gpu.empty()) lesson.pre(no_gpu);
    lesson.check("x is the same on the best device, and on this one",
                 x.to(best).values() == x.values() && there.values() == x.values());
    lesson.check("to(cpu) of a tensor on the CPU is the same memory",
                 x.to(Device::cpu).data() == x.data());
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

    lesson.section("Gradients add up");
    const Dataset images = load_image_set(lesson.options().data).train;
    const Index features = images.features();
    const Variable<double> pixels(images.rows(0, 5).x.cast<double>().to(device));
    const Tensor<double> corner = slice(pixels, 1, features - 10, features).value();  // (5, 10)
    lesson.say(
        format("z = sum of y^2 with y = e^x - 2x, on the last 10 pixels of 5 images of %s. By hand "
               "dz/dx = 2 y (e^x - 2). The cell is run three times, then once more after "
               "zero_grad().",
               images.name.c_str()));
    const Tensor<double> by_hand = 2 * (exp(corner) - 2 * corner) * (exp(corner) - 2);
    const Variable<double> c(corner, true);
    std::vector<Row> rows;
    std::vector<double> off;  // from once, twice, three times and once the gradient
    const auto run = [&](const char* when, int times) {
        const Variable<double> y = exp(c) - 2 * c;
        const Variable<double> z = sum(y * y);
        z.backward();
        off.push_back(relative_error(c.grad(), times * by_hand));
        const double first = c.grad().values()[9], expected = by_hand.values()[9];
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
    lesson.check("the first gradient is right", off[0] < 1e-14, format("%.1e", off[0]));
    lesson.check("gradients add up until reset", std::ranges::max(off) < 1e-14,
                 format("%.1e from 1, 2, 3 and 1 times that by hand", std::ranges::max(off)));
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

void show_own_tape(Lesson& lesson) {
    lesson.section("A tape of our own");
    lesson.say(
        "tape.h is a tape for single numbers. Every operation computes its value and notes its "
        "inputs with the slope towards each. A neuron, tanh(w1 x1 + w2 x2 + b), and its squared "
        "distance from a target:");
    const std::vector<double> v = {2, -0.5, 0.3, 0.8, 0.1};  // x1, x2, w1, w2, b
    const auto neuron = [](const auto& x1, const auto& x2, const auto& w1, const auto& w2,
                           const auto& b) {
        const auto error = tanh(w1 * x1 + w2 * x2 + b) - 0.9;
        return error * error;
    };
    const std::vector<Number> ours(v.begin(), v.end());
    backward(neuron(ours[0], ours[1], ours[2], ours[3], ours[4]));
    std::vector<Variable<double>> theirs;
    for (const double value : v) theirs.emplace_back(Tensor<double>::from({}, {value}), true);
    neuron(theirs[0], theirs[1], theirs[2], theirs[3], theirs[4]).backward();
    std::vector<Row> rows;
    double far = 0;
    const char* names[] = {"x1", "x2", "w1", "w2", "b"};
    for (std::size_t i = 0; i < v.size(); ++i) {
        const double a = ours[i].grad(), b = theirs[i].grad().item();
        far = std::max(far, std::abs(a - b));
        rows.push_back(cells("%s | %.15f | %.15f", names[i], a, b));
    }
    lesson.table({"", "our tape", "handgrad's autograd"}, rows);
    lesson.check("our tape agrees with autograd", far < 1e-15, format("%.1e", far));
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "09_tensors_and_tape",
        .title = "Tensors and a tape",
        .summary =
            "What can be done with a tensor, what autograd gives and refuses, and a tape of "
            "our own in sixty lines.",
        .data = "embedded",
        .data_help = image_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        show_tensors(lesson);
        show_autograd(lesson);
        what_autograd_refuses(lesson);
        show_graph(lesson);
        show_own_tape(lesson);
        why_the_order_matters(lesson);
    });
}
