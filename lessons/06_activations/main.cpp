// Activations: what stands between two linear layers, and what it does to the gradient.
//
//   make lesson N=6
//
// Six functions and their derivatives; a gradient that fades, holds or explodes on its way through
// twenty layers; units that start equal and stay equal; layers without activation that are one.
// README.md beside this file derives what is measured here.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "core/random.h"
#include "data/image_set.h"
#include "init/init.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/prelu.h"
#include "layers/sequential.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<double>;

struct Unit {
    std::string name;
    std::function<std::unique_ptr<Layer<double>>()> make;
};

const Unit identity{"identity", [] { return std::make_unique<Identity<double>>(); }};
const Unit tanh_unit{"tanh", [] { return std::make_unique<Tanh<double>>(); }};
const Unit relu{"ReLU", [] { return std::make_unique<ReLU<double>>(); }};
const std::vector<Unit> units = {
    relu,
    {"leaky ReLU", [] { return std::make_unique<LeakyReLU<double>>(0.1); }},
    {"softplus", [] { return std::make_unique<Softplus<double>>(); }},
    {"logistic", [] { return std::make_unique<Sigmoid<double>>(); }},
    tanh_unit,
    {"ELU", [] { return std::make_unique<ELU<double>>(); }},
};

Matrix column(const std::vector<double>& values) {
    return Matrix::from({static_cast<Index>(values.size())}, values);
}

double root_mean_square(const Matrix& x) {
    double sum = 0;
    for (const double v : x.span()) sum += v * v;
    return std::sqrt(sum / static_cast<double>(x.size()));
}

double distance(const Matrix& a, const Matrix& b) {
    double far = 0;
    for (Index i = 0; i < a.size(); ++i) far = std::max(far, std::abs(a.data()[i] - b.data()[i]));
    return far;
}

void show_functions(Lesson& lesson) {
    lesson.section("Six functions");
    lesson.say(
        "Each activation is a layer: forward gives the function, backward of ones its derivative. "
        "The derivative is held against differences.");
    const std::vector<double> at = linspace(-6, 6, 600);  // an even number: no point at the kink
    const Matrix x = column(at), ones = Matrix::full(x.shape(), 1);
    const double e = 1e-5;
    std::vector<double> above = at, below = at;
    for (double& t : above) t += e;
    for (double& t : below) t -= e;
    double worst = 0;
    std::vector<Row> rows;
    std::vector<Drawing> plots;
    for (const Unit& unit : units) {
        const auto layer = unit.make();
        const std::vector<double> high = layer->forward(column(above)).values();
        const std::vector<double> low = layer->forward(column(below)).values();
        const std::vector<double> value = layer->forward(x).values();
        const std::vector<double> slope = layer->backward(ones).values();
        for (std::size_t i = 0; i < at.size(); ++i)
            worst = std::max(worst, std::abs(slope[i] - (high[i] - low[i]) / (2 * e)));
        plots.push_back(Plot{.title = unit.name,
                             .series = {{"f(t)", value, at}, {"f'(t)", slope, at}},
                             .zero_lines = true});
        const auto [least, greatest] = std::minmax_element(slope.begin(), slope.end());
        const double middle = layer->forward(column({0})).item();
        rows.push_back({unit.name, format("%.3f", value.front()), format("%.3f", middle),
                        format("%.3f", value.back()), format("%.4f", *least),
                        format("%.4f", *greatest)});
    }
    lesson.figure("functions.png", "Each function and its derivative.",
                  panels(plots, {.columns = 3, .panel_height = 620}));
    lesson.table({"activation", "f(-6)", "f(0)", "f(6)", "least slope", "greatest slope"}, rows);
    lesson.say(
        "Logistic and tanh are bounded, so both ends are flat: a unit there (saturated) passes "
        "hardly any gradient. The slope of the logistic is nowhere above 1/4, and its outputs lie "
        "around 1/2, not 0.");
    lesson.check("every derivative is that of its function", worst < 1e-9, format("%.1e", worst));
}

void show_pitfalls(Lesson& lesson) {
    lesson.section("Two formulas that do not always hold");
    lesson.say(
        "PReLU is t above zero and a t below. The lecture writes max(a t, t), which is the same "
        "for a <= 1 only: beyond, the greater of the two is the wrong one on both sides.");
    const std::vector<double> at = linspace(-2, 2, 401);
    std::vector<Row> rows;
    std::map<double, double> far;
    std::vector<Series> curves;
    for (const double a : {-0.5, 0.25, 1.0, 2.0}) {
        PReLU<double> layer(1, a);
        const std::vector<double> y = layer.forward(column(at)).values();
        std::vector<double> greater;
        for (const double t : at) greater.push_back(std::max(a * t, t));
        far[a] = distance(column(y), column(greater));
        rows.push_back({format("%g", a), format("%.3g", far[a])});
        if (a == 2) curves = {{"PReLU, a = 2", y, at}, {"max(2 t, t)", greater, at}};
    }
    lesson.table({"a", "largest distance for |t| <= 2"}, rows);
    lesson.figure(
        "prelu.png", "PReLU with a = 2, and what max(a t, t) makes of it.",
        {.title = "PReLU is max(a t, t) only for a <= 1", .x_label = "t", .series = curves});
    lesson.check("PReLU = max(a t, t) for a <= 1", far[-0.5] == 0 && far[0.25] == 0 && far[1] == 0);
    lesson.check("and not for a = 2", far[2] == 2);

    lesson.say(
        "Softplus is log(1 + e^t). In float e^t overflows above 88.7, and below -17 the sum "
        "1 + e^t is rounded to 1. max(t, 0) + log1p(e^-|t|) is the same function and does "
        "neither.");
    rows.clear();
    Softplus<float> softplus;
    bool naive_fails = false, layer_holds = true;
    for (const float t : {-100.F, -20.F, -1.F, 1.F, 20.F, 88.F, 89.F, 1000.F}) {
        const float naive = std::log(1 + std::exp(t));
        const float slope = std::exp(t) / (1 + std::exp(t));
        const float y = softplus.forward(Tensor<float>::from({1}, {t})).item();
        const float dy = softplus.backward(Tensor<float>::full({1}, 1)).item();
        naive_fails |= t > 0 && !std::isfinite(naive) && std::isnan(slope);
        const double exact = std::max<double>(t, 0) + std::log1p(std::exp(-std::abs(double{t})));
        layer_holds &= std::abs(y - exact) <= 1e-6 * exact + 1e-44 && std::isfinite(dy);
        rows.push_back({format("%g", t), format("%g", naive), format("%g", y),
                        std::isnan(slope) ? "nan" : format("%g", slope),  // never "-nan"
                        format("%g", dy)});
    }
    lesson.table({"t", "log(1 + e^t)", "Softplus", "e^t / (1 + e^t)", "its backward"}, rows);
    lesson.check("log(1 + e^t) overflows in float", naive_fails);
    lesson.check("Softplus does not", layer_holds);
}

/// Linear layers of equal width without bias, each followed by the activation. Weights are drawn
/// with Var(w) = gain / width.
Sequential<double> deep_net(const Unit& unit, Index width, int depth, double gain,
                            std::uint64_t seed) {
    Random random(seed);
    Sequential<double> model;
    for (int layer = 0; layer < depth; ++layer) {
        auto& linear = model.add<Linear<double>>(width, width, random);
        random.normal(linear.weight.value, 0, std::sqrt(gain / static_cast<double>(width)));
        linear.bias.value.fill(0);
        model.append(unit.make());
    }
    return model;
}

/// The root mean square of what leaves each layer, and of the gradient that comes back to it.
struct Flow {
    std::vector<double> signal, gradient;  // of layers 0 (the input) .. depth
    Matrix output;
    double expected = 1;  // gradient.front() / gradient.back(), from the slopes
};

Flow flow_through(Sequential<double>& model, Index width, double gain, std::uint64_t seed) {
    Random random(seed + 1);
    Matrix x = Matrix::empty({200, width}), dy = Matrix::empty({200, width});
    random.normal(x, 0, 1);
    random.normal(dy, 0, 1);
    const Matrix ones = Matrix::full(x.shape(), 1);
    Flow flow;
    flow.signal.push_back(root_mean_square(x));
    flow.gradient.push_back(root_mean_square(dy));
    for (std::size_t i = 0; i < model.size(); i += 2) {
        x = model[i + 1].forward(model[i].forward(x));
        flow.signal.push_back(root_mean_square(x));
    }
    flow.output = x;
    for (std::size_t i = model.size(); i > 0; i -= 2) {
        flow.expected *= std::sqrt(gain) * root_mean_square(model[i - 1].backward(ones));
        dy = model[i - 2].backward(model[i - 1].backward(dy));
        flow.gradient.insert(flow.gradient.begin(), root_mean_square(dy));
    }
    return flow;
}

constexpr int depth = 20;

void show_fading(Lesson& lesson) {
    lesson.section("A gradient's way through twenty layers");
    lesson.say(
        "Twenty layers of 100 units, inputs from a normal distribution, and at the top a gradient "
        "of size 1. What is left of it at the bottom? On the way through a layer its mean square "
        "is multiplied by fan_out Var(w) E[f'^2], that of the signal by fan_in Var(w) before the "
        "activation has its say.");
    const Index width = 100;
    const std::vector<std::pair<std::string, double>> rules = {{"N(0, 0.01^2)", 0.01},
                                                               {"1/fan_in (Xavier)", 1},
                                                               {"2/fan_in (He)", 2},
                                                               {"Var(w) = 1", 100}};
    std::map<std::string, std::map<std::string, double>> left;  // by activation and rule
    double worst = 0;
    std::vector<Series> by_unit, by_rule_tanh, by_rule_relu;
    std::vector<Unit> all = units;
    all.push_back(identity);
    std::vector<Row> rows;
    for (const Unit& unit : all) {
        Row row = {unit.name};
        for (const auto& [rule, gain] : rules) {
            Sequential<double> model = deep_net(unit, width, depth, gain, lesson.options().seed);
            const Flow flow = flow_through(model, width, gain, lesson.options().seed);
            const double ratio = flow.gradient.front() / flow.gradient.back();
            left[unit.name][rule] = ratio;
            worst = std::max(worst, std::abs(std::log(ratio / flow.expected)) / depth);
            row.push_back(format("%.1e", ratio));
            if (gain == 1) by_unit.push_back({unit.name, flow.gradient});
            if (unit.name == "tanh") by_rule_tanh.push_back({rule, flow.gradient});
            if (unit.name == "ReLU") by_rule_relu.push_back({rule, flow.gradient});
        }
        rows.push_back(row);
        lesson.result("gradient_left_" + unit.name, left[unit.name]);
    }
    Row header = {"gradient left at the input"};
    for (const auto& [rule, gain] : rules) header.push_back(rule);
    lesson.table(header, rows);
    lesson.say(
        "Weights of variance 1 are no medicine: 100 inputs add up, and the gradient explodes for "
        "all but the logistic. What matters is fan_in Var(w): about 1 for tanh, 2 for ReLU, which "
        "passes half. The logistic fades under every rule, by at least 4 a layer unless the "
        "weights are large.");
    const auto plot = [](const char* title, std::vector<Series> curves) {
        return Plot{.title = title,
                    .x_label = "layer (0: the input)",
                    .y_label = "size of the gradient",
                    .series = std::move(curves),
                    .log_y = true};
    };
    lesson.figure("fading_by_activation.png", "The gradient in each layer, by activation.",
                  plot("Size of the gradient, Var(w) = 1/fan_in", by_unit));
    lesson.figure("fading_by_rule.png", "The gradient in each layer, by initialisation.",
                  panels({plot("tanh", by_rule_tanh), plot("ReLU", by_rule_relu)},
                         {.columns = 2, .panel_height = 720}));
    const auto holds = [&](const char* unit, const char* rule) {
        return left[unit][rule] > 0.2 && left[unit][rule] < 5;
    };
    lesson.check("a layer passes sqrt(fan_out Var(w) E[f'^2]) of it", worst < 0.1,
                 format("to within a factor of %.3f a layer", std::exp(worst)));
    lesson.check("without activation 1/fan_in holds", holds("identity", "1/fan_in (Xavier)"));
    lesson.check("ReLU needs 2/fan_in",
                 holds("ReLU", "2/fan_in (He)") && left["ReLU"]["1/fan_in (Xavier)"] < 0.01);
    lesson.check("the logistic fades by more than 4 a layer",
                 left["logistic"]["1/fan_in (Xavier)"] < std::pow(0.25, depth));
    lesson.check("Var(w) = 1 explodes",
                 left["tanh"]["Var(w) = 1"] > 1e3 && left["ReLU"]["Var(w) = 1"] > 1e12);
}

void show_scale(Lesson& lesson) {
    lesson.section("fan_in Var(w), not Var(w)");
    lesson.say(
        "The signal after twenty layers of ReLUs, for layers of three widths. Against Var(w) "
        "there are three curves; against fan_in Var(w) there is one, and it crosses 1 at 2. "
        "Each layer multiplies the mean square by fan_in Var(w) / 2.");
    std::vector<Series> by_variance, by_product;
    double worst = 0;
    for (const Index width : {32, 100, 320}) {
        Series a{format("width %td", width), {}, {}}, b = a;
        for (const double gain : {0.25, 0.5, 1.0, 2.0, 4.0, 8.0}) {
            Sequential<double> model = deep_net(relu, width, depth, gain, lesson.options().seed);
            const Flow flow = flow_through(model, width, gain, lesson.options().seed);
            const double size = flow.signal.back();
            a.x.push_back(gain / static_cast<double>(width));
            b.x.push_back(gain);
            a.y.push_back(size);
            b.y.push_back(size);
            // The prediction is for the mean over weights; one draw of twenty layers strays.
            const double expected = std::pow(gain / 2, depth / 2.0);
            worst = std::max(worst, std::abs(std::log(size / expected)) / depth);
        }
        by_variance.push_back(a);
        by_product.push_back(b);
    }
    const auto plot = [](const char* x_label, std::vector<Series> curves) {
        return Plot{.title = "Size of the signal after 20 layers",
                    .x_label = x_label,
                    .series = std::move(curves),
                    .log_y = true,
                    .log_x = true};
    };
    lesson.figure("scale.png", "The signal after twenty layers of ReLUs, for three widths.",
                  panels({plot("Var(w)", by_variance), plot("fan_in Var(w)", by_product)},
                         {.columns = 2, .panel_height = 720}));
    lesson.check("the size is (fan_in Var(w) / 2)^10", worst < 0.2,
                 format("to within a factor of %.3f a layer", std::exp(worst)));

    lesson.say(
        "He's rule is Var(w) = 2/fan_in. The slides also give 4/(fan_in + fan_out), which is the "
        "same where layers are equally wide. Here they are 400 and 50 wide in turn:");
    std::vector<Row> rows;
    std::map<bool, double> size;
    for (const bool he : {true, false}) {
        Random random(lesson.options().seed);
        Matrix x = Matrix::empty({200, 400});
        random.normal(x, 0, 1);
        for (Index layer = 0; layer < depth; ++layer) {
            const Index in = x.dim(1), out = 450 - in;
            Linear<double> linear(in, out, random);
            const double variance = he ? 2.0 / static_cast<double>(in) : 4.0 / 450;
            random.normal(linear.weight.value, 0, std::sqrt(variance));
            linear.bias.value.fill(0);
            x = ReLU<double>().forward(linear.forward(x));
        }
        size[he] = root_mean_square(x);
        rows.push_back({he ? "2/fan_in" : "4/(fan_in + fan_out)", format("%.2g", size[he])});
    }
    lesson.table({"Var(w)", "signal after 20 layers"}, rows);
    lesson.check("2/fan_in holds, 4/(fan_in + fan_out) fades",
                 size[true] > 0.2 && size[true] < 5 && size[false] < 0.05);
}

void show_saturation(Lesson& lesson) {
    lesson.section("Saturation");
    lesson.say(
        "Twenty layers of 100 tanh units again. A unit is called saturated where |h| > 0.99: its "
        "slope is below 0.02 there.");
    std::vector<Row> rows;
    std::vector<double> shares;
    for (const double gain : {0.01, 1.0, 4.0, 25.0, 100.0}) {
        Sequential<double> model = deep_net(tanh_unit, 100, depth, gain, lesson.options().seed);
        const Flow flow = flow_through(model, 100, gain, lesson.options().seed);
        Index saturated = 0;
        std::vector<double> slopes;
        for (const double h : flow.output.span()) {
            saturated += std::abs(h) > 0.99;
            slopes.push_back(1 - h * h);
        }
        std::nth_element(slopes.begin(), slopes.begin() + slopes.size() / 2, slopes.end());
        const double share = static_cast<double>(saturated) / static_cast<double>(slopes.size());
        shares.push_back(share);
        rows.push_back({format("%.2f", std::sqrt(gain / 100)), format("%.1f %%", 100 * share),
                        format("%.1e", slopes[slopes.size() / 2]),
                        format("%.1e", flow.signal.back()),
                        format("%.1e", flow.gradient.front() / flow.gradient.back())});
    }
    lesson.table({"std of w", "saturated", "median slope", "signal", "gradient left"}, rows);
    lesson.say(
        "Small weights lose the signal and with it the gradient. With large ones most units sit "
        "at their ends and learn next to nothing. The gradient as a whole does not vanish then, "
        "as the lecture says: it explodes, since the few units in between have large "
        "weights above them. Both are bad, for different reasons.");
    lesson.check("large weights saturate", shares.back() > 0.7 && shares[1] < 0.01,
                 format("%.0f %% of units at std 1", 100 * shares.back()));
}

/// How a linear layer can start: weight (out, in). The first six are the lecture's.
void initialise(const std::string& rule, const Matrix& weight, Random& random) {
    if (rule == "xavier") init::xavier_normal(weight, random);
    if (rule == "he") init::he_normal(weight, random);
    if (rule == "normal") random.normal(weight, 0, 1);
    if (rule == "uniform") random.uniform(weight, -1, 1);
    if (rule == "zeros") weight.fill(0);
    if (rule == "ones") weight.fill(1);
    if (rule == "equal units") weight.fill(0.01);
}

/// The largest distance of a unit's weights from those of unit 0.
double spread_of_units(const Matrix& weight) {
    double far = 0;
    for (Index unit = 1; unit < weight.dim(0); ++unit)
        far = std::max(far, distance(weight.rows(unit, unit + 1), weight.rows(0, 1)));
    return far;
}

void show_symmetry(Lesson& lesson) {
    lesson.section("How a layer starts, and symmetry");
    const Dataset images = load_image_set(lesson.options().data).train;
    const Dataset set = images.rows(0, std::min<Index>(images.size(), 1500));
    const Matrix x = set.x.cast<double>();
    const auto classes = static_cast<Index>(set.classes.size());
    const int steps = lesson.options().epochs;
    const double rate = 0.5;
    lesson.say(
        format("A network %td-16-%td with tanh units on %td images of %s, %d full-batch "
               "steps at rate %g, from seven starts. Are the hidden units still equal?",
               x.dim(1), classes, set.size(), set.name.c_str(), steps, rate));
    std::vector<Row> rows;
    std::vector<Series> curves;
    std::map<std::string, double> spread, moved, accuracy;
    for (const std::string rule :
         {"xavier", "he", "normal", "uniform", "zeros", "ones", "equal units"}) {
        Random random(lesson.options().seed);
        Sequential<double> model;
        auto& hidden = model.add<Linear<double>>(x.dim(1), 16, random);
        model.add<Tanh<double>>();
        auto& output = model.add<Linear<double>>(16, classes, random);
        for (Linear<double>* layer : {&hidden, &output}) {
            initialise(rule, layer->weight.value, random);
            layer->bias.value.fill(0);
        }
        if (rule == "equal units")  // the classes may differ, as long as the units do not
            for (Index c = 0; c < classes; ++c)
                output.weight.value.rows(c, c + 1).fill(0.1 * std::sin(static_cast<double>(c)));
        const Matrix start = hidden.weight.value.clone();
        CrossEntropyLoss<double> loss;
        SGD<double> sgd(model.parameters(), rate);
        std::vector<double> losses;
        for (int step = 0; step < steps; ++step) {
            sgd.zero_grad();
            losses.push_back(loss.forward(model.forward(x), set.y).item());
            model.backward_parameters(loss.backward());
            sgd.step();
        }
        spread[rule] = spread_of_units(hidden.weight.value);
        moved[rule] = distance(hidden.weight.value, start);
        accuracy[rule] = static_cast<double>(count_correct(model.forward(x), set.y)) /
                         static_cast<double>(set.size());
        rows.push_back({rule, format("%.4f", losses.front()), format("%.4f", losses.back()),
                        format("%.1f %%", 100 * accuracy[rule]), format("%.1e", moved[rule]),
                        format("%.1e", spread[rule])});
        curves.push_back({rule, losses});
    }
    lesson.table({"start", "first loss", "last loss", "accuracy", "hidden weights moved by",
                  "units differ by"},
                 rows);
    lesson.result("accuracy_by_start", accuracy);
    lesson.say(
        "Units that start equal get equal gradients: they stay equal for ever, and sixteen of them "
        "are worth one. In the last row the classes start apart, so that this one unit learns. "
        "Where all weights are equal not even that happens: dh = sum over classes of (q - y) w, "
        "and q - y sums to zero. Only the output layer moves.");
    lesson.figure("symmetry.png", "Training from seven starts. Zeros and ones lie on one another.",
                  {.title = "Training loss",
                   .x_label = "step",
                   .y_label = "cross entropy",
                   .series = curves});
    lesson.check("equal units stay equal",
                 spread["zeros"] == 0 && spread["ones"] < 1e-9 && spread["equal units"] < 1e-9);
    lesson.check("random ones do not", spread["xavier"] > 0.1 && spread["he"] > 0.1);
    lesson.check("equal weights do not move the hidden layer",
                 moved["zeros"] == 0 && moved["ones"] < 1e-9 && moved["equal units"] > 0.01);
    lesson.check("equal units learn less",
                 accuracy["equal units"] < accuracy["xavier"] - 0.2 && accuracy["zeros"] < 0.3);
}

void show_collapse(Lesson& lesson) {
    lesson.section("Without activation, layers collapse");
    Random random(lesson.options().seed);
    Sequential<double> three;
    auto& a = three.add<Linear<double>>(5, 7, random);
    auto& b = three.add<Linear<double>>(7, 6, random);
    auto& c = three.add<Linear<double>>(6, 3, random);
    // W = Wc Wb Wa, and the bias is what an input of zeros comes to.
    Linear<double> one(5, 3, random);
    const Matrix wb_wa = Matrix::empty({6, 5});
    matmul(wb_wa, b.weight.value, a.weight.value);
    matmul(one.weight.value, c.weight.value, wb_wa);
    one.bias.value.copy_from(three.forward(Matrix::zeros({1, 5})).reshape({3}));
    const Matrix x = Matrix::empty({50, 5});
    random.normal(x, 0, 1);
    const double far = distance(three.forward(x), one.forward(x));
    lesson.say(
        "Three linear layers 5-7-6-3, and one layer 5-3 whose weight is the product of theirs.");
    lesson.check("three linear layers are one", far < 1e-14, format("largest distance %.1e", far));

    lesson.say(
        "So depth buys nothing without a bend. The exclusive or: points (x1, x2) in the square "
        "[-1, 1]^2 belong to class 1 where x1 x2 < 0. No line separates them. Either a fixed "
        "feature, x1 x2, is put before the linear layer, or hidden units learn one of their own.");
    const Index n = 400;
    const Matrix points = Matrix::empty({n, 2}), with_product = Matrix::empty({n, 3});
    random.uniform(points, -1, 1);
    const Labels y = Labels::zeros({n});
    for (Index i = 0; i < n; ++i) {
        const double x1 = points(i, 0), x2 = points(i, 1);
        y(i) = x1 * x2 < 0;
        with_product(i, 0) = x1;
        with_product(i, 1) = x2;
        with_product(i, 2) = x1 * x2;
    }
    const auto fit = [&](const Matrix& input, const std::vector<Index>& widths, bool bends) {
        Random weights(lesson.options().seed);
        Sequential<double> model;
        for (std::size_t i = 1; i < widths.size(); ++i) {
            model.add<Linear<double>>(widths[i - 1], widths[i], weights);
            if (bends && i + 1 < widths.size()) model.add<Tanh<double>>();
        }
        CrossEntropyLoss<double> loss;
        SGD<double> sgd(model.parameters(), {.lr = 0.3, .momentum = 0.9});
        for (int step = 0; step < 1000; ++step) {
            sgd.zero_grad();
            loss.forward(model.forward(input), y);
            model.backward_parameters(loss.backward());
            sgd.step();
        }
        return static_cast<double>(count_correct(model.forward(input), y)) / n;
    };
    std::vector<Row> rows;
    std::vector<double> shares;
    const auto row = [&](const char* name, double accuracy) {
        rows.push_back({name, format("%.1f %%", 100 * accuracy)});
        shares.push_back(accuracy);
    };
    row("linear 2-2", fit(points, {2, 2}, false));
    row("linear 2-16-16-2", fit(points, {2, 16, 16, 2}, false));
    row("x1 x2 added, linear 3-2", fit(with_product, {3, 2}, false));
    row("tanh 2-1-2", fit(points, {2, 1, 2}, true));
    row("tanh 2-2-2", fit(points, {2, 2, 2}, true));
    row("tanh 2-4-2", fit(points, {2, 4, 2}, true));
    row("tanh 2-16-2", fit(points, {2, 16, 2}, true));
    row("tanh 2-4-4-2", fit(points, {2, 4, 4, 2}, true));
    lesson.table({"network", "right"}, rows);
    lesson.check("linear layers stay near chance, however many",
                 shares[0] < 0.75 && shares[1] < 0.75);
    lesson.check("a fixed feature or hidden units solve it", shares[2] > 0.95 && shares[6] > 0.95);
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "06_activations",
        .title = "Activations",
        .summary =
            "Six functions between linear layers: their derivatives, what becomes of a "
            "gradient in twenty layers, how weights should start, and why a bend is needed.",
        .epochs = 400,
        .quick_epochs = 100,
        .data = "embedded",
        .data_help = image_set_help,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        show_functions(lesson);
        show_pitfalls(lesson);
        show_fading(lesson);
        show_scale(lesson);
        show_saturation(lesson);
        show_symmetry(lesson);
        show_collapse(lesson);
    });
}
