// Every operation of the tape: its value by hand, its gradient against finite differences.
#include "autograd/operations.h"

#include <cmath>
#include <limits>

#include "autograd/tape_check.h"
#include "core/error.h"

using namespace handgrad;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Var leaf(const Shape& shape, std::initializer_list<double> values) {
    return Var(Tensor<double>::from(shape, values), true);
}

using Values = std::vector<double>;

/// dL/dx after L = sum y.
Values grad_of(const Var& x, const Var& y) {
    x.zero_grad();
    sum(y).backward();
    return x.grad().values();
}

/// Pairs of shapes that broadcast: equal, against a scalar, rows, columns, both, missing axes,
/// sizes around vector widths, six axes.
const std::vector<std::pair<Shape, Shape>> broadcasts = {{{}, {}},
                                                         {{3}, {}},
                                                         {{}, {5}},
                                                         {{1}, {7}},
                                                         {{4, 3}, {4, 3}},
                                                         {{4, 3}, {3}},
                                                         {{4, 3}, {1, 3}},
                                                         {{4, 3}, {4, 1}},
                                                         {{4, 1}, {1, 3}},
                                                         {{1, 1, 1}, {7}},
                                                         {{17, 33}, {33}},
                                                         {{17, 33}, {17, 1}},
                                                         {{33}, {5, 33}},
                                                         {{2, 3, 4}, {3, 1}},
                                                         {{2, 1, 4}, {3, 1}},
                                                         {{5}, {2, 3, 1, 5}},
                                                         {{2, 3, 1, 2, 3, 2}, {2, 1, 2, 1, 3, 1}}};

}  // namespace

// ---- elementwise --------------------------------------------------------------------------------

TEST_CASE("operations of two against finite differences, broadcast in every way", "[autograd]") {
    Random random(1);
    for (const auto& [sa, sb] : broadcasts) {
        INFO(sa.str() << " and " << sb.str());
        const auto a = uniform(sa, random), b = uniform(sb, random);
        const auto positive = uniform(sa, random, 0.5, 2), away = uniform(sb, random, 0.5, 2);
        const auto c = uniform(sa, random);
        for (double& v : c.span()) v = v > 0 ? v : 0;
        check_operation("add", {a, b}, [](auto& x) { return x[0] + x[1]; });
        check_operation("sub", {a, b}, [](auto& x) { return x[0] - x[1]; });
        check_operation("mul", {a, b}, [](auto& x) { return x[0] * x[1]; });
        check_operation("div", {a, away}, [](auto& x) { return x[0] / x[1]; });
        check_operation("pow", {positive, b}, [](auto& x) { return pow(x[0], x[1]); });
        check_operation("maximum", {a, b},
                        [](auto& x) { return maximum(x[0], x[1]) * x[0] * x[1]; });
        check_operation("where", {a, b},
                        [c](auto& x) { return where(c, x[0], x[1]) + x[0] * x[1]; });
    }
}

TEST_CASE("operations of one against finite differences", "[autograd]") {
    Random random(2);
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{17}, Shape{5, 7}, Shape{2, 3, 4, 5}}) {
        INFO(shape.str());
        const auto x = uniform(shape, random), positive = uniform(shape, random, 0.5, 3);
        check_operation("neg", {x}, [](auto& v) { return -v[0]; });
        check_operation("exp", {x}, [](auto& v) { return exp(v[0]); });
        check_operation("log", {positive}, [](auto& v) { return log(v[0]); });
        check_operation("sqrt", {positive}, [](auto& v) { return sqrt(v[0]); });
        check_operation("tanh", {x}, [](auto& v) { return tanh(v[0]); });
        check_operation("erf", {x}, [](auto& v) { return erf(v[0]); });
        check_operation("abs", {x}, [](auto& v) { return abs(v[0]); });
        check_operation("cube", {x}, [](auto& v) { return pow(v[0], 3); });
        check_operation("1 / sqrt", {positive}, [](auto& v) { return pow(v[0], -0.5); });
        check_operation("relu", {x}, [](auto& v) { return maximum(v[0], 0) + 0.1 * v[0]; });
        check_operation("numbers", {positive}, [](auto& v) {
            return 1 / (2 + v[0]) + (1 - v[0]) * 3 + (v[0] - 1) / 2 + 4 * (v[0] + 1);
        });
    }
}

TEST_CASE("values of elementwise operations by hand", "[autograd]") {
    const Var a = leaf({2, 2}, {1, 2, 3, 4}), b = leaf({2}, {10, 20});
    REQUIRE((a + b).value().values() == Values{11, 22, 13, 24});
    REQUIRE((a - b).value().values() == Values{-9, -18, -7, -16});
    REQUIRE((a * b).value().values() == Values{10, 40, 30, 80});
    REQUIRE((b / a).value().values() == Values{10, 10, 10.0 / 3, 5});
    REQUIRE(pow(a, 2).value().values() == Values{1, 4, 9, 16});
    REQUIRE(maximum(a, 2.5).value().values() == Values{2.5, 2.5, 3, 4});
    REQUIRE(abs(-a).value().values() == Values{1, 2, 3, 4});
    REQUIRE(grad_of(b, a * b) == Values{4, 6});
    const Var c = leaf({2}, {2, 4});
    REQUIRE(grad_of(c, a / c) == Values{-1, -0.375});
    REQUIRE(grad_of(a, 3 - a * 2) == Values{-2, -2, -2, -2});
}

TEST_CASE("derivatives at kinks and borders are PyTorch's", "[autograd]") {
    const Var x = leaf({3}, {-1, 0, 1});
    REQUIRE(grad_of(x, maximum(x, 0.0)) == Values{0, 0.5, 1});
    REQUIRE(grad_of(x, maximum(x, x)) == Values{1, 1, 1});
    REQUIRE(grad_of(x, abs(x)) == Values{-1, 0, 1});
    REQUIRE(grad_of(x, pow(x, 0)) == Values{0, 0, 0});
    REQUIRE(grad_of(x, pow(x, 1)) == Values{1, 1, 1});
    REQUIRE(grad_of(x, pow(x, 2)) == Values{-2, 0, 2});
    const Var base = leaf({2}, {0, 0}), exponent = leaf({2}, {0, 2});
    REQUIRE(grad_of(exponent, pow(base, exponent)) == Values{0, 0});
    REQUIRE(grad_of(base, pow(base, exponent)) == Values{0, 0});
    REQUIRE(std::isnan(maximum(leaf({}, {NAN}), 0.0).item()));
    REQUIRE(std::isnan(maximum(leaf({}, {0}), NAN).item()));
}

TEST_CASE("where keeps NaN out of what is not chosen", "[autograd]") {
    const Var x = leaf({2}, {-1, 4});
    const auto positive = Tensor<double>::from({2}, {0, 1});
    const Var safe = where(positive, x, constant(1, x));  // so that sqrt never sees -1
    REQUIRE(grad_of(x, where(positive, sqrt(safe), constant(0, x))) == Values{0, 0.25});
    REQUIRE(where(positive, sqrt(x), constant(7, x)).value().values() == Values{7, 2});
}

// ---- products -----------------------------------------------------------------------------------

TEST_CASE("matmul in all transpositions", "[autograd]") {
    Random random(3);
    for (const auto& [m, k, n] : {std::array<Index, 3>{1, 1, 1}, {2, 3, 4}, {7, 1, 5}, {17, 33, 3}})
        for (const Trans ta : {Trans::no, Trans::yes})
            for (const Trans tb : {Trans::no, Trans::yes}) {
                const auto a = uniform(ta == Trans::no ? Shape{m, k} : Shape{k, m}, random);
                const auto b = uniform(tb == Trans::no ? Shape{k, n} : Shape{n, k}, random);
                check_operation("matmul " + a.shape().str() + b.shape().str(), {a, b},
                                [=](auto& x) { return matmul(x[0], x[1], ta, tb); });
            }
    const Var a = leaf({1, 2}, {1, 2}), b = leaf({2, 2}, {3, 4, 5, 6});
    REQUIRE(matmul(a, b).value().values() == Values{13, 16});
    REQUIRE(matmul(a, b, Trans::no, Trans::yes).value().values() == Values{11, 17});
    REQUIRE(grad_of(a, matmul(a, b)) == Values{7, 11});
    const Var gram = matmul(a, a, Trans::yes);  // the same leaf twice
    REQUIRE(gram.value().values() == Values{1, 2, 2, 4});
    REQUIRE(grad_of(a, gram) == Values{6, 6});
}

// ---- reductions ---------------------------------------------------------------------------------

TEST_CASE("reductions against finite differences, along every set of axes", "[autograd]") {
    Random random(4);
    const auto reductions = [](auto& x, auto... axes) {
        check_operation("sum", {x}, [=](auto& v) { return sum(v[0], axes...); });
        check_operation("mean", {x}, [=](auto& v) { return mean(v[0], axes...); });
        check_operation("max", {x}, [=](auto& v) { return max(v[0], axes...); });
        check_operation("logsumexp", {x}, [=](auto& v) { return logsumexp(v[0], axes...); });
    };
    using Axes = std::initializer_list<int>;
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{17}, Shape{5, 33}}) {
        const auto x = uniform(shape, random);
        reductions(x);
    }
    const auto x = uniform({3, 5, 2, 4}, random), matrix = uniform({17, 19}, random);
    static constexpr Axes sets[] = {{0},    {1},    {2},        {-1},        {0, 1},
                                    {1, 3}, {0, 2}, {0, -1, 2}, {0, 1, 2, 3}};
    for (const Axes axes : sets) {
        reductions(x, axes);
        reductions(x, axes, true);
    }
    reductions(matrix, Axes{0});
    reductions(matrix, Axes{1});
}

TEST_CASE("reductions by hand", "[autograd]") {
    const Var x = leaf({2, 3}, {1, 2, 3, 4, 5, 6});
    REQUIRE(sum(x).item() == 21);
    REQUIRE(sum(x, {0}).value().values() == Values{5, 7, 9});
    REQUIRE(sum(x, {1}, true).shape() == Shape{2, 1});
    REQUIRE(sum(x, {1}, true).value().values() == Values{6, 15});
    REQUIRE(mean(x, {-1}).value().values() == Values{2, 5});
    REQUIRE(max(x, {0}).value().values() == Values{4, 5, 6});
    REQUIRE(max(x).shape() == Shape{});
    REQUIRE(grad_of(x, mean(x)) == Values(6, 1.0 / 6));
    REQUIRE(grad_of(x, max(x, {1})) == Values{0, 0, 1, 0, 0, 1});
    const Var ties = leaf({4}, {2, 5, 5, 1});
    REQUIRE(grad_of(ties, 3 * max(ties)) == Values{0, 1.5, 1.5, 0});
    REQUIRE(sum(Var(Tensor<double>::zeros({0, 3})), {0}).value().values() == Values{0, 0, 0});
    REQUIRE(std::isnan(max(leaf({2}, {NAN, 1})).item()));
}

TEST_CASE("logsumexp neither overflows nor trips over infinity", "[autograd]") {
    const Var x = leaf({3, 2}, {1e4, 1e4, -1e4, -1e4, 0, -infinity});
    const Var y = logsumexp(x, {1});
    REQUIRE(y.value()(0) == Approx(1e4 + std::log(2)));
    REQUIRE(y.value()(1) == Approx(-1e4 + std::log(2)));
    REQUIRE(y.value()(2) == 0);
    const Values gradient = grad_of(x, y);
    REQUIRE(gradient[0] == Approx(0.5));
    REQUIRE(gradient[2] == Approx(0.5));
    REQUIRE(gradient[4] == 1);
    REQUIRE(gradient[5] == 0);
    REQUIRE(logsumexp(leaf({2}, {-infinity, -infinity})).item() == -infinity);
    REQUIRE(logsumexp(leaf({2}, {infinity, 1})).item() == infinity);
}

// ---- shapes and elements ------------------------------------------------------------------------

TEST_CASE("operations that move elements against finite differences", "[autograd]") {
    Random random(5);
    const auto x = uniform({2, 3, 5, 4}, random), y = uniform({2, 7, 5, 4}, random);
    const auto six = uniform({2, 3, 1, 2, 3, 2}, random);
    check_operation("reshape", {x}, [](auto& v) { return reshape(v[0], {10, 12}); });
    check_operation("permute", {x}, [](auto& v) { return permute(v[0], {2, 0, 3, 1}); });
    check_operation("permute six", {six}, [](auto& v) {
        return permute(v[0], {5, 3, 1, 0, 2, 4});
    });
    check_operation("transpose", {x}, [](auto& v) { return transpose(v[0], 1, -1); });
    for (int axis = 0; axis < 4; ++axis)
        check_operation("slice", {x}, [=](auto& v) {
            return concat({slice(v[0], axis, 1, 2), slice(v[0], axis, 0, 2)}, axis);
        });
    check_operation("concat", {x, y, x.clone()}, [](auto& v) {
        return concat({v[0], v[1], v[2], v[1]}, 1);
    });
    const auto matrix = uniform({5, 3}, random);
    const Labels labels = Labels::from({5}, {2, 0, 1, 1, 0});
    check_operation("gather", {matrix}, [=](auto& v) { return gather(v[0], labels); });
    const auto rows = Tensor<Index>::from({4}, {1, 0, 1, 1});
    for (const int axis : {0, 1, 2, -1})
        check_operation("index_select", {x},
                        [=](auto& v) { return index_select(v[0], axis, rows) + mean(v[0]); });
    for (const int axis : {0, 1, -2, -1}) {
        const auto index = Tensor<Index>::from({2, 1, 4, 3}, std::vector<Index>(24, 0));
        for (Index i = 0; i < index.size(); ++i) index.data()[i] = i * i % 7 % 2;
        check_operation("gather", {x},
                        [=](auto& v) { return gather(v[0], axis, index) + mean(v[0]); });
    }
}

TEST_CASE("moving elements by hand", "[autograd]") {
    const Var x = leaf({2, 3}, {1, 2, 3, 4, 5, 6});
    REQUIRE(transpose(x, 0, 1).value().values() == Values{1, 4, 2, 5, 3, 6});
    REQUIRE(transpose(x, 0, 1).shape() == Shape{3, 2});
    REQUIRE(permute(reshape(x, {1, 2, 3}), {2, 0, 1}).shape() == Shape{3, 1, 2});
    REQUIRE(slice(x, 1, 1, 3).value().values() == Values{2, 3, 5, 6});
    REQUIRE(slice(x, 0, 1, 1).shape() == Shape{0, 3});
    REQUIRE(concat({x, slice(x, 1, 0, 1)}, -1).value().values() == Values{1, 2, 3, 1, 4, 5, 6, 4});
    REQUIRE(gather(x, Labels::from({2}, {2, 0})).value().values() == Values{3, 4});
    const auto rows = Tensor<Index>::from({3}, {1, 1, 0});
    REQUIRE(index_select(x, 0, rows).value().values() == Values{4, 5, 6, 4, 5, 6, 1, 2, 3});
    REQUIRE(grad_of(x, index_select(x, 0, rows)) == Values{1, 1, 1, 2, 2, 2});
    REQUIRE(index_select(x, 1, rows).value().values() == Values{2, 2, 1, 5, 5, 4});
    REQUIRE(index_select(x, -1, Tensor<Index>::empty({0})).shape() == Shape{2, 0});
    const auto index = Tensor<Index>::from({1, 3}, {1, 0, 1});
    REQUIRE(gather(x, 0, index).value().values() == Values{4, 2, 6});
    REQUIRE(gather(x, 1, index).value().values() == Values{2, 1, 2});
    REQUIRE(grad_of(x, gather(x, 1, index)) == Values{1, 2, 0, 0, 0, 0});
    REQUIRE(grad_of(x, slice(x, 1, 1, 3)) == Values{0, 1, 1, 0, 1, 1});
    REQUIRE(grad_of(x, transpose(x, 0, 1) * leaf({3, 2}, {1, 2, 3, 4, 5, 6})) ==
            Values{1, 3, 5, 2, 4, 6});
}

TEST_CASE("rules keep labels and conditions as they were in forward", "[autograd]") {
    const Var x = leaf({1, 2}, {1, 2});
    const Labels labels = Labels::from({1}, {1});
    const auto rows = Tensor<Index>::from({1}, {0});
    const auto condition = Tensor<double>::from({2}, {1, 0});
    const Var y =
        sum(gather(x, labels)) + sum(index_select(x, 0, rows)) + sum(where(condition, x, -x));
    labels.fill(0);
    rows.fill(5);
    condition.fill(0);
    y.backward();
    REQUIRE(x.grad().values() == Values{2, 1});
}

// ---- windows ------------------------------------------------------------------------------------

namespace {

/// conv2d, written with the tape: x (N, C, H, W), w (O, C, KH, KW) -> (N, O, OH, OW).
Var conv2d(const Var& x, const Var& w, const UnfoldOptions& options) {
    const Index n = x.shape()[0], out = w.shape()[0], kh = w.shape()[2], kw = w.shape()[3];
    const Var columns = unfold(x, {kh, kw}, options);  // (N, C KH KW, OH OW)
    const Index window = columns.shape()[1], places = columns.shape()[2];
    const Var flat = reshape(permute(columns, {1, 0, 2}), {window, n * places});
    const Var y = matmul(reshape(w, {out, window}), flat);  // (O, N OH OW)
    const Index oh = (x.shape()[2] + 2 * options.padding[0] - options.dilation[0] * (kh - 1) - 1) /
                         options.stride[0] +
                     1;
    return permute(reshape(y, {out, n, oh, places / oh}), {1, 0, 2, 3});
}

}  // namespace

TEST_CASE("a convolution by unfold is the definition of one", "[autograd]") {
    Random random(6);
    const std::vector<UnfoldOptions> all = {
        {},
        {.stride = {2, 1}},
        {.padding = {1, 2}},
        {.dilation = {2, 1}},
        {.stride = {2, 3}, .padding = {2, 1}, .dilation = {1, 2}}};
    for (const UnfoldOptions& o : all) {
        const auto x = uniform({2, 3, 6, 7}, random), w = uniform({4, 3, 3, 2}, random);
        const Tensor<double> y = conv2d(Var(x), Var(w), o).value();
        double worst = 0;
        for (Index n = 0; n < 2; ++n)
            for (Index out = 0; out < 4; ++out)
                for (Index i = 0; i < y.dim(2); ++i)
                    for (Index j = 0; j < y.dim(3); ++j) {
                        double expected = 0;
                        for (Index c = 0; c < 3; ++c)
                            for (Index ki = 0; ki < 3; ++ki)
                                for (Index kj = 0; kj < 2; ++kj) {
                                    const Index h =
                                        i * o.stride[0] + ki * o.dilation[0] - o.padding[0];
                                    const Index v =
                                        j * o.stride[1] + kj * o.dilation[1] - o.padding[1];
                                    if (h >= 0 && h < 6 && v >= 0 && v < 7)
                                        expected += x(n, c, h, v) * w(out, c, ki, kj);
                                }
                        worst = std::max(worst, std::abs(y(n, out, i, j) - expected));
                    }
        REQUIRE(y.dim(2) == (6 + 2 * o.padding[0] - o.dilation[0] * 2 - 1) / o.stride[0] + 1);
        REQUIRE(y.dim(3) == (7 + 2 * o.padding[1] - o.dilation[1] - 1) / o.stride[1] + 1);
        REQUIRE(worst <= 1e-12);
        check_operation("conv2d", {x, w}, [&](auto& v) { return conv2d(v[0], v[1], o); });
    }
}

TEST_CASE("unfold by hand", "[autograd]") {
    const Var x = leaf({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6});
    const Var y = unfold(x, {2, 2});
    REQUIRE(y.shape() == Shape{1, 4, 2});
    REQUIRE(y.value().values() == Values{1, 2, 2, 3, 4, 5, 5, 6});
    REQUIRE(grad_of(x, y) == Values{1, 2, 1, 1, 2, 1});
}

// ---- errors -------------------------------------------------------------------------------------

namespace {

/// "" if the call throws an Error that begins with the operation and holds the shape, else why not.
template <class Call>
std::string refusal(Call&& call, const std::string& operation, const std::string& shape) {
    try {
        call();
    } catch (const Error& error) {
        const std::string what = error.what();
        return what.rfind(operation, 0) == 0 && what.find(shape) != std::string::npos ? "" : what;
    }
    return "no error";
}

}  // namespace

TEST_CASE("errors name the operation and the shapes", "[autograd]") {
    const Var a(Tensor<double>::zeros({2, 3})), b(Tensor<double>::zeros({4}));
    REQUIRE(refusal([&] { a + b; }, "add", "(2, 3) and (4)") == "");
    REQUIRE(refusal([&] { a - b; }, "sub", "(2, 3) and (4)") == "");
    REQUIRE(refusal([&] { a* b; }, "mul", "(2, 3) and (4)") == "");
    REQUIRE(refusal([&] { a / b; }, "div", "(2, 3) and (4)") == "");
    REQUIRE(refusal([&] { pow(a, b); }, "pow", "(2, 3) and (4)") == "");
    REQUIRE(refusal([&] { maximum(a, b); }, "maximum", "(2, 3) and (4)") == "");
    REQUIRE(refusal([&] { where(b.value(), a, a); }, "where", "(2, 3) and (4)") == "");
    REQUIRE_THROWS_AS(where(Tensor<double>{}, a, a), Error);
    REQUIRE(refusal([&] { matmul(a, a); }, "matmul", "a (2, 3), b (2, 3)") == "");
    REQUIRE(refusal([&] { matmul(a, b); }, "matmul", "(4)") == "");
    REQUIRE(refusal([&] { sum(a, {2}); }, "sum", "axis 2 of shape (2, 3)") == "");
    REQUIRE(refusal([&] { mean(a, {-3}); }, "mean", "axis -3") == "");
    REQUIRE(refusal([&] { max(a, {0, -2}); }, "max", "twice") == "");
    REQUIRE_THROWS_AS(logsumexp(a, {}), Error);
    REQUIRE(refusal([&] { max(Var(Tensor<double>::zeros({0, 3})), {0}); }, "max", "(0, 3)") == "");
    REQUIRE(refusal([&] { reshape(a, {7}); }, "reshape", "(2, 3)") == "");
    REQUIRE(refusal([&] { permute(a, {0, 0}); }, "permute", "(2, 3)") == "");
    REQUIRE(refusal([&] { permute(a, {0}); }, "permute", "(2, 3)") == "");
    REQUIRE(refusal([&] { permute(a, {0, 1, 0}); }, "permute", "(2, 3)") == "");
    REQUIRE(refusal([&] { transpose(a, 0, 2); }, "transpose", "(2, 3)") == "");
    REQUIRE(refusal([&] { slice(a, 1, 2, 4); }, "slice", "2 to 4 along axis 1 of shape (2, 3)") ==
            "");
    REQUIRE(refusal([&] { slice(a, 1, 2, 1); }, "slice", "2 to 1") == "");
    REQUIRE(refusal([&] { concat({a, b}, 0); }, "concat", "(2, 3) and (4)") == "");
    REQUIRE(refusal([&] { concat({a, transpose(a, 0, 1)}, 0); }, "concat", "(3, 2)") == "");
    REQUIRE_THROWS_AS(concat(std::span<const Var>{}, 0), Error);
    REQUIRE(refusal([&] { gather(a, Labels::zeros({3})); }, "gather", "(3)") == "");
    REQUIRE(refusal([&] { gather(a, Labels::full({2}, 3)); }, "gather", "label 3") == "");
    REQUIRE(refusal([&] { gather(a, Labels::full({2}, -1)); }, "gather", "label -1") == "");
    const auto full = [](const Shape& shape, Index entry) {
        return Tensor<Index>::full(shape, entry);
    };
    REQUIRE(refusal([&] { gather(a, 0, full({1, 1}, 2)); }, "gather", "entry 2") == "");
    REQUIRE(refusal([&] { gather(a, 1, full({2, 3}, -1)); }, "gather", "entry -1") == "");
    REQUIRE(refusal([&] { gather(a, 0, full({2}, 0)); }, "gather", "index of shape (2)") == "");
    REQUIRE(refusal([&] { gather(a, 0, full({1, 4}, 0)); }, "gather", "(1, 4)") == "");
    REQUIRE_THROWS_AS(gather(a, 0, Tensor<Index>{}), Error);
    REQUIRE_THROWS_AS(gather(a, 2, full({1, 1}, 0)), Error);
    REQUIRE(refusal([&] { index_select(a, 0, full({1}, 2)); }, "index_select", "entry 2") == "");
    REQUIRE(refusal([&] { index_select(a, -1, full({1}, 3)); }, "index_select", "(2, 3)") == "");
    REQUIRE(refusal([&] { index_select(a, 0, full({1, 1}, 0)); }, "index_select", "(1, 1)") == "");
    REQUIRE_THROWS_AS(index_select(a, 0, Tensor<Index>{}), Error);
    REQUIRE(refusal([&] { unfold(a, {1, 1}); }, "unfold", "(2, 3)") == "");
    const Var image(Tensor<double>::zeros({1, 1, 4, 4}));
    REQUIRE(refusal([&] { unfold(image, {5, 1}); }, "unfold", "(5, 1)") == "");
    REQUIRE(refusal(
                [&] {
                    unfold(image, {1, 1}, {.stride = {0, 1}});
                },
                "unfold", "stride (0, 1)") == "");
    REQUIRE(refusal(
                [&] {
                    unfold(image, {1, 1}, {.padding = {-1, 0}});
                },
                "unfold", "padding (-1, 0)") == "");
    REQUIRE_THROWS_AS(Var{} + a, Error);
    REQUIRE_THROWS_AS(Var(Tensor<double>{}), Error);
}
