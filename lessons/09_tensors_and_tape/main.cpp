// Tensors and a tape: what a network is computed with, and what derives it.
//
//   make lesson N=9
//
// What can be done with a tensor, and which of it shares memory; what autograd gives, keeps and
// refuses; then a tape of our own in sixty lines, and the order in which it must run. README.md
// beside this file has the idea.
#include <algorithm>
#include <cmath>
#include <memory>
#include <unordered_set>

#include "autograd/graph.h"
#include "autograd/operations.h"
#include "core/error.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "data/image_set.h"
#include "data/npy.h"
#include "report/lesson.h"

using namespace handgrad;

namespace {

// ---- a tape of our own --------------------------------------------------------------------------

/// A number on the tape: what it is, what it was computed from, and how it changes with each.
struct Entry {
    double value;
    const char* operation = "";
    struct Input {
        std::shared_ptr<Entry> entry;
        double slope;  // dvalue/dinput
    };
    std::vector<Input> inputs = {};
    double grad = 0;
};

class Number {
  public:
    Number(double value)  // NOLINT(google-explicit-constructor)
        : entry(std::make_shared<Entry>(Entry{value})) {}
    Number(double value, const char* operation, std::vector<Entry::Input> inputs)
        : entry(std::make_shared<Entry>(Entry{value, operation, std::move(inputs)})) {}
    [[nodiscard]] double value() const { return entry->value; }
    [[nodiscard]] double grad() const { return entry->grad; }

    std::shared_ptr<Entry> entry;
};

Number operator+(const Number& a, const Number& b) {
    return {a.value() + b.value(), "add", {{a.entry, 1}, {b.entry, 1}}};
}
Number operator-(const Number& a, const Number& b) {
    return {a.value() - b.value(), "sub", {{a.entry, 1}, {b.entry, -1}}};
}
Number operator*(const Number& a, const Number& b) {
    return {a.value() * b.value(), "mul", {{a.entry, b.value()}, {b.entry, a.value()}}};
}
Number tanh(const Number& x) {
    const double y = std::tanh(x.value());
    return {y, "tanh", {{x.entry, 1 - y * y}}};
}

/// Every entry that y was computed from, inputs before their results, y last.
std::vector<Entry*> inputs_first(const Number& y) {
    std::vector<Entry*> order;
    std::unordered_set<Entry*> seen = {y.entry.get()};
    struct Visit {
        Entry* entry;
        std::size_t next;  // of its inputs
    };
    std::vector<Visit> stack = {{y.entry.get(), 0}};  // not recursion, which deep graphs overflow
    while (!stack.empty()) {
        auto& [entry, next] = stack.back();
        if (next == entry->inputs.size()) {
            order.push_back(entry);
            stack.pop_back();
        } else if (Entry* input = entry->inputs[next++].entry.get(); seen.insert(input).second) {
            stack.push_back({input, 0});
        }
    }
    return order;
}

/// Adds dy/dx to the gradient of every x that y was computed from.
void backward(const Number& y) {
    const std::vector<Entry*> order = inputs_first(y);
    y.entry->grad += 1;
    for (std::size_t i = order.size(); i-- > 0;)  // results first: each gradient is complete
        for (const auto& [input, slope] : order[i]->inputs) input->grad += slope * order[i]->grad;
}

// ---- tensors ------------------------------------------------------------------------------------

using Matrix = Tensor<float>;

/// What a call throws, as text: lessons show refusals, too.
template <class Call>
std::string refusal(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

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
                 {{"x.reshape({20000})(200)", format("%g", flat(200)), "yes"},
                  {"x.rows(1, 2)(0, 0)", format("%g", row(0, 0)), "yes"},
                  {"slice of columns(1, 0)", format("%.4g", columns(1, 0)), "no"},
                  {"x.clone()(1, 0)", format("%.4g", clone(1, 0)), "no"}});
    lesson.check("reshape and rows share, clone and slice do not",
                 flat(200) == 7 && row(0, 0) == 7 && clone(1, 0) < 1 && columns(1, 0) < 1);

    lesson.section("Tensors: arithmetic");
    const Matrix sum = x + x, in_place = x.clone();
    in_place += x;  // PyTorch's x.add_(x)
    Index differ = 0;
    for (Index i = 0; i < x.size(); ++i) differ += sum.data()[i] != in_place.data()[i];
    lesson.check("x + x is x added to x in place", differ == 0);

    const auto a = Matrix::from({3, 1}, {0, 10, 20}), b = Matrix::from({4}, {1, 2, 3, 4});
    lesson.say(
        "Broadcasting: shapes are compared from the last axis on, and what has size 1, or is "
        "missing, is repeated. (3, 1) + (4) is (3, 4):");
    lesson.pre((a + b).str());
    lesson.say("What cannot be repeated is refused:");
    const std::string no = refusal([&] { (void)(a + Matrix::zeros({2, 4})); });
    lesson.pre(no);
    lesson.check("shapes that do not fit are refused", !no.empty());

    const Matrix product = Matrix::empty({100, 100});
    matmul(product, x, x, {.trans_b = Trans::yes});  // x x'
    double by_hand = 0;
    for (Index k = 0; k < 200; ++k) by_hand += double{x(3, k)} * double{x(5, k)};
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
    const auto as_double = read_npy<double>(lesson.path("x.npy"));
    lesson.say(
        "x.npy is a file of numpy's: numpy.load reads it, and read_npy reads numpy's, in "
        "any order, and all types of plain numbers. (In Python, from_numpy lets two libraries "
        "share one memory. That needs one process.)");
    lesson.check("numbers come back from the file to the last bit",
                 back.shape() == x.shape() && std::ranges::equal(back.span(), x.span()) &&
                     as_double(1, 0) == 7);
    const Matrix there = x.to(lesson.options().device);
    lesson.say(format("x.to(device) is x where it is there already, else a copy. Here: %s.",
                      describe(lesson.options().device).c_str()));
    const std::string no_gpu = refusal([] { parse_device("cuda"); });
    const Device best = no_gpu.empty() ? Device::cuda : Device::cpu;
    lesson.say("The GPU if there is one, else the CPU. Here that is " + describe(best) +
               (no_gpu.empty() ? "." : ". parse_device(\"cuda\") says why:"));
    if (!no_gpu.empty()) lesson.pre(no_gpu);
    lesson.check("x is the same on the best device",
                 std::ranges::equal(x.to(best).to(Device::cpu).span(), x.span()));
    lesson.check("to(cpu) of a tensor on the CPU is the same memory",
                 x.to(Device::cpu).data() == x.data() &&
                     std::ranges::equal(there.to(Device::cpu).span(), x.span()));
}

// ---- autograd -----------------------------------------------------------------------------------

double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
    double far = 0;
    for (Index i = 0; i < a.size(); ++i)
        far = std::max(far, std::abs(a.data()[i] - b.data()[i]) / std::abs(b.data()[i]));
    return far;
}

void show_autograd(Lesson& lesson) {
    lesson.section("Autograd: the sum of 3 log x");
    Random random(lesson.options().seed);
    const auto values = Tensor<double>::empty({100, 200});
    random.uniform(values, 0, 1);
    const Variable<double> x(values, true);
    sum(3 * log(x)).backward();
    const Tensor<double> slope = (3 / x.detach()).value();
    const double e = 1e-6, v = values(0, 0);
    const double difference = 3 * (std::log(v + e) - std::log(v - e)) / (2 * e);
    lesson.table(
        {"x", "autograd", "3 / x"},
        {{format("%.6f", v), format("%.12f", x.grad()(0, 0)), format("%.12f", slope(0, 0))},
         {format("%.6f", values(0, 1)), format("%.12f", x.grad()(0, 1)),
          format("%.12f", slope(0, 1))}});
    const double far = largest_difference(x.grad(), slope);
    lesson.say(
        format("The gradient is 3/x in every place. The lecture calls this numerical; it is "
               "the chain rule, exact up to rounding (%.0e), where a difference has %.0e.",
               far, std::abs(difference / slope(0, 0) - 1)));
    lesson.check("d/dx of 3 log x is 3/x", far < 1e-15, format("%.1e", far));

    lesson.section("Gradients add up");
    const Dataset images = load_image_set(lesson.options().data).train;
    const Index features = images.features();
    const Variable<double> pixels(images.rows(0, 5).x.cast<double>());
    const Tensor<double> corner = slice(pixels, 1, features - 10, features).value();  // (5, 10)
    const Variable<double> c(corner, true);
    lesson.say(
        format("z = sum of y^2 with y = e^x - 2x, on the upper right 5 x 10 corner of %s. By "
               "hand dz/dx = 2 y (e^x - 2). The cell is run three times, then once more "
               "after zero_grad().",
               images.name.c_str()));
    Tensor<double> by_hand = corner.clone();
    for (double& t : by_hand.span()) t = 2 * (std::exp(t) - 2 * t) * (std::exp(t) - 2);
    std::vector<Row> rows;
    std::vector<double> ratios;
    const auto run = [&](const char* when) {
        const Variable<double> y = exp(c) - 2 * c;
        const Variable<double> z = sum(y * y);
        z.backward();
        ratios.push_back(c.grad()(0, 9) / by_hand(0, 9));
        rows.push_back({when, format("%.4f", z.item()), format("%.4f", c.grad()(0, 9)),
                        format("%.4f", by_hand(0, 9)), format("%.3g", ratios.back())});
    };
    run("first");
    const double right = largest_difference(c.grad(), by_hand);
    run("second");
    run("third");
    const double before = c.value()(0, 9);
    c.zero_grad();
    run("after zero_grad");
    lesson.table({"run", "z", "autograd", "by hand", "ratio"}, rows);
    lesson.say(
        "backward adds to what is there, so that a batch can be fed in parts and a weight used "
        "twice. zero_grad() resets gradients; parameters it leaves alone.");
    lesson.check("the first gradient is right", right < 1e-14, format("%.1e", right));
    lesson.check("gradients add up until reset", std::abs(ratios[1] - 2) < 1e-12 &&
                                                     std::abs(ratios[2] - 3) < 1e-12 &&
                                                     std::abs(ratios[3] - 1) < 1e-12);
    lesson.check("zero_grad leaves the value alone", c.value()(0, 9) == before);
}

void show_refusals(Lesson& lesson) {
    lesson.section("Not recorded, not a scalar, not twice");
    const Variable<double> w(Tensor<double>::from({3}, {1, 2, 3}), true);
    std::string error;
    {
        const NoGrad resting;
        error = refusal([&] { sum(w * w).backward(); });
    }
    lesson.say("Within NoGrad nothing is recorded. It costs less, and nothing can go back:");
    lesson.pre(error);
    lesson.check("nothing is recorded within NoGrad", !error.empty() && !w.grad().defined());

    lesson.say("A gradient is that of one number. Of three at once, backward asks which:");
    error = refusal([&] { (w * w).backward(); });
    lesson.pre(error);
    lesson.say(
        "\"Backward only on scalars\" is too narrow, though. With a seed dL/dy it gives (dy/dx)' "
        "seed. Seeds of ones give the gradient of the sum; the unit vectors give the Jacobian row "
        "by row. For y = w^2 / (sum of w):");
    const auto jacobian = Tensor<double>::empty({3, 3});
    double far = 0;
    for (Index i = 0; i < 3; ++i) {
        w.zero_grad();
        const auto seed = Tensor<double>::zeros({3});
        seed(i) = 1;
        (w * w / sum(w)).backward(seed);
        jacobian.rows(i, i + 1).reshape({3}).copy_from(w.grad());
        for (Index j = 0; j < 3; ++j) {
            const double wi = w.value()(i), expected = (i == j ? 2 * wi / 6 : 0) - wi * wi / 36;
            far = std::max(far, std::abs(jacobian(i, j) - expected));
        }
    }
    lesson.pre(jacobian.str());
    lesson.check("a vector is refused without a seed", !error.empty());
    lesson.check("unit seeds give the Jacobian", far < 1e-15, format("%.1e", far));

    lesson.say("The graph is freed as backward goes through it. A second time is refused:");
    const Variable<double> y = sum(w * w);
    y.backward();
    error = refusal([&] { y.backward(); });
    lesson.pre(error);
    lesson.check("a second backward is refused", !error.empty());
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

// ---- the order ----------------------------------------------------------------------------------

/// Hands an entry's gradient on as soon as something arrives: wrong where more is to come.
Index pass_on_at_once(Entry& entry, double gradient) {
    entry.grad += gradient;
    Index visits = 1;
    for (const auto& [input, slope] : entry.inputs)
        visits += pass_on_at_once(*input, slope * entry.grad);
    return visits;
}

/// The same on the first arrival alone: wrong, for the opposite reason.
Index pass_on_once(Entry& entry, double gradient, std::unordered_set<Entry*>& seen) {
    entry.grad += gradient;
    if (!seen.insert(&entry).second) return 1;
    Index visits = 1;
    for (const auto& [input, slope] : entry.inputs)
        visits += pass_on_once(*input, slope * entry.grad, seen);
    return visits;
}

/// Hands on what has just arrived, and no more: right, but every way through the graph is walked.
Index walk_all_ways(Entry& entry, double gradient) {
    entry.grad += gradient;
    Index visits = 1;
    for (const auto& [input, slope] : entry.inputs)
        visits += walk_all_ways(*input, slope * gradient);
    return visits;
}

std::vector<GraphNode> graph_of(const Number& y, const std::vector<std::string>& names) {
    std::vector<GraphNode> graph;
    const std::vector<Entry*> order = inputs_first(y);
    for (const Entry* entry : order) {
        GraphNode node{
            names[graph.size()] + format("\nvalue %g\ngrad %g", entry->value, entry->grad),
            entry->inputs.empty() ? NodeForm::box : NodeForm::oval,
            {}};
        for (const auto& input : entry->inputs)
            node.inputs.push_back(static_cast<std::size_t>(
                std::find(order.begin(), order.end(), input.entry.get()) - order.begin()));
        graph.push_back(node);
    }
    return graph;
}

void show_own_tape(Lesson& lesson) {
    lesson.section("A tape of our own");
    lesson.say(
        "At the top of main.cpp stands a tape for single numbers. Every operation computes its "
        "value and notes its inputs with the slope towards each. A neuron, tanh(w1 x1 + w2 x2 + "
        "b), "
        "and its squared distance from a target:");
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
        rows.push_back({names[i], format("%.15f", a), format("%.15f", b)});
    }
    lesson.table({"", "our tape", "handgrad's autograd"}, rows);
    lesson.check("our tape agrees with autograd", far < 1e-15, format("%.1e", far));
}

void show_order(Lesson& lesson) {
    lesson.section("Why the order matters");
    lesson.say(
        "b = a + a, then c = b + b: c = 4a, so dc/da = 4. The gradient of b comes in two parts, "
        "one "
        "along each arrow. It may be handed on to a only when both are there. Four ways to run "
        "backwards through n doublings, with dc/da = 2^n:");
    std::vector<Row> rows;
    std::vector<double> at_two;
    for (const int n : {2, 3, 10, 20}) {
        const auto try_it = [&](const char* name, bool affordable, auto walk) {
            if (!affordable) return;
            const Number a = 1;
            Number c = a;
            for (int i = 0; i < n; ++i) c = c + c;
            const Index visits = walk(c);
            if (n == 2) at_two.push_back(a.grad());
            rows.push_back({format("%d", n), name, format("%.10g", a.grad()),
                            format("%.0f", std::ldexp(1, n)), format("%td", visits)});
        };
        try_it("at once, all of it", true,
               [](const Number& c) { return pass_on_at_once(*c.entry, 1); });
        try_it("at once, on the first arrival", true, [](const Number& c) {
            std::unordered_set<Entry*> seen;
            return pass_on_once(*c.entry, 1, seen);
        });
        try_it("at once, the new part", true,
               [](const Number& c) { return walk_all_ways(*c.entry, 1); });
        try_it("results first (topological)", true, [](const Number& c) {
            backward(c);
            return static_cast<Index>(inputs_first(c).size());
        });
    }
    lesson.table({"n", "handed on", "da", "true", "visits"}, rows);
    lesson.say(
        "Handing on all of b's gradient at each arrival counts the first part twice. Handing on "
        "at the first arrival alone loses the second. Handing on just the new part is right, and "
        "walks all 2^n ways. In topological order, every result before its inputs, each entry is "
        "visited once, when its gradient is complete.");
    lesson.check("the naive orders are wrong", at_two[0] == 6 && at_two[1] == 2,
                 format("da = %g and %g for 4", at_two[0], at_two[1]));
    lesson.check("the topological one is right", at_two[2] == 4 && at_two[3] == 4);
    const Number a = 1, b = a + a, c = b + b;
    backward(c);
    lesson.figure("order.png", "b = a + a, c = b + b, after backward.",
                  GraphPlot{.title = "Each gradient is the sum over the arrows that leave",
                            .nodes = graph_of(c, {"a", "b = a + a", "c = b + b"})});
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
        show_refusals(lesson);
        show_graph(lesson);
        show_own_tape(lesson);
        show_order(lesson);
    });
}
