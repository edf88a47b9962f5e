// The engine of the tape: order, accumulation, what is freed and what is refused.
#include "autograd/variable.h"

#include <functional>
#include <map>
#include <new>
#include <thread>

#include "allocation_count.h"
#include "autograd/node.h"
#include "autograd/operations.h"
#include "catch.h"
#include "core/error.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "optim/sgd.h"

using namespace handgrad;

namespace {

using Var = Variable<double>;
using Values = std::vector<double>;

Var leaf(const Shape& shape, std::initializer_list<double> values) {
    return Var(Tensor<double>::from(shape, values), true);
}

}  // namespace

TEST_CASE("the example of the header", "[autograd]") {
    const Var x = leaf({2}, {1, 2});
    REQUIRE_FALSE(x.grad().defined());
    sum(x * x).backward();
    REQUIRE(x.grad().values() == Values{2, 4});
}

TEST_CASE("a node that is used again sums up its gradients", "[autograd]") {
    const Var a = leaf({}, {3});
    const Var b = a + a, c = b + b;  // c = 4 a
    c.backward();
    REQUIRE(a.grad().item() == 4);
    a.zero_grad();
    const Var d = a * a, e = d + a, f = d * e;  // a^2 (a^2 + a): 4 a^3 + 3 a^2
    f.backward();
    REQUIRE(a.grad().item() == 4 * 27 + 3 * 9);
    // Every node twice: 2^30 paths, thirty rules.
    a.zero_grad();
    Var doubled = a;
    for (int i = 0; i < 30; ++i) doubled = doubled + doubled;
    doubled.backward();
    REQUIRE(a.grad().item() == 1 << 30);
}

TEST_CASE("one gradient handed to two inputs is not written to", "[autograd]") {
    // add gives the same dy to u and v; what u receives afterwards must not reach v.
    const Var a = leaf({2}, {1, 2}), b = leaf({2}, {3, 4});
    const Var u = a * 1, v = b * 1, scaled = u * 10;
    const Var w = u + v;  // made last, goes back first
    sum(scaled + w).backward();
    REQUIRE(a.grad().values() == Values{11, 11});
    REQUIRE(b.grad().values() == Values{1, 1});
    const auto seed = Tensor<double>::from({2}, {5, 6});
    const Var c = leaf({2}, {0, 0}), d = leaf({2}, {0, 0});
    for (int i = 0; i < 2; ++i) (c + d).backward(seed);
    REQUIRE(c.grad().values() == Values{10, 12});
    REQUIRE(seed.values() == Values{5, 6});
    c.grad().fill(0);  // as clipping would
    REQUIRE(d.grad().values() == Values{10, 12});
}

TEST_CASE("gradients accumulate in leaves until zeroed", "[autograd]") {
    const Var x = leaf({2}, {1, 2});
    for (int i = 1; i <= 3; ++i) {
        sum(x * 2).backward();
        REQUIRE(x.grad().values() == Values{2.0 * i, 2.0 * i});
    }
    x.zero_grad();
    REQUIRE_FALSE(x.grad().defined());
    sum(x * 2).backward();
    REQUIRE(x.grad().values() == Values{2, 2});
}

TEST_CASE("a leaf follows the tensor that it was made from", "[autograd]") {
    const auto w = Tensor<double>::full({}, 3);
    const Var x(w, true);
    pow(x, 2).backward();
    REQUIRE(x.grad().item() == 6);
    w.fill(5);
    x.zero_grad();
    pow(x, 2).backward();
    REQUIRE(x.grad().item() == 10);
}

TEST_CASE("a leaf is its own gradient", "[autograd]") {
    const Var x = leaf({}, {3});
    x.backward();
    x.backward();
    REQUIRE(x.grad().item() == 2);
}

TEST_CASE("within NoGrad nothing is recorded", "[autograd]") {
    const Var x = leaf({}, {3});
    {
        const NoGrad outer;
        { const NoGrad inner; }
        const Var y = x * x;
        REQUIRE(y.item() == 9);
        REQUIRE_FALSE(y.requires_grad());
        std::thread([] { REQUIRE(recording()); }).join();
    }
    REQUIRE((x * x).requires_grad());
    REQUIRE_FALSE((Var(Tensor<double>::zeros({})) * 2).requires_grad());
}

TEST_CASE("detach cuts the graph and shares the numbers", "[autograd]") {
    const Var x = leaf({}, {3});
    const Var y = x * x;
    (y.detach() * x).backward();
    REQUIRE(x.grad().item() == 9);
    REQUIRE(y.detach().value().data() == y.value().data());
}

TEST_CASE("a second backward is refused unless the graph was retained", "[autograd]") {
    const Var x = leaf({}, {3});
    const Var y = x * x;
    y.backward({.retain_graph = true});
    y.backward({.retain_graph = true});
    REQUIRE(x.grad().item() == 12);
    y.backward();
    REQUIRE(x.grad().item() == 18);
    REQUIRE_THROWS_WITH(y.backward(), ContainsSubstring("second backward through mul") &&
                                          ContainsSubstring("retain_graph"));
    // Of two results with a common part, the second is refused as a whole: no gradient moves.
    const Var z = leaf({}, {1});
    const Var common = x * x, first = common * 2, second = common * z;
    first.backward();
    const double before = x.grad().item();
    REQUIRE_THROWS_AS(second.backward(), Error);
    REQUIRE_THROWS_AS((second + z).backward(), Error);
    REQUIRE_FALSE(z.grad().defined());
    REQUIRE(x.grad().item() == before);
}

TEST_CASE("a second backward over numbers that have changed is refused, and adds nothing",
          "[autograd]") {
    const auto w = Tensor<double>::from({2, 2}, {1, 2, 3, 4});
    const auto ones = Tensor<double>::full({2, 2}, 1);
    Parameter<double> parameter{"w", w, ones};
    SGD<double> sgd({&parameter}, 0.5);
    const std::map<std::string, std::function<void()>> writes = {
        {"fill", [&] { w.fill(7); }},
        {"copy_from", [&] { w.copy_from(ones); }},
        {"+=", [&] { w += ones; }},
        {"matmul", [&] { matmul(w, ones, ones); }},
        {"uniform", [&] { Random(1).uniform(w, 0, 1); }},
        {"normal", [&] { Random(1).normal(w, 0, 1); }},
        {"a step", [&] { sgd.step(); }},
        {"rows", [&] { w.rows(1, 2).fill(0); }},
        {"reshape", [&] { w.reshape({4}).fill(0); }},
        {"by pointer", [&] { *w.data() = 3, w.bump_version(); }},
    };
    for (const auto& [name, write] : writes) {
        INFO(name);
        const Var a = leaf({2, 2}, {1, 1, 1, 1}), x(w, true);
        const Var y = sum(a + a * x);
        y.backward({.retain_graph = true});
        const Values before_a = a.grad().values(), before_x = x.grad().values();
        write();
        REQUIRE_THROWS_WITH(y.backward({.retain_graph = true}),
                            ContainsSubstring("input 1 of mul") && ContainsSubstring("(2, 2)") &&
                                ContainsSubstring("forward pass again"));
        REQUIRE(a.grad().values() == before_a);  // though add had given its part
        REQUIRE(x.grad().values() == before_x);
        a.zero_grad();
        sum(a * x).backward();
        REQUIRE(a.grad().values() == w.values());
    }
}

TEST_CASE("what no rule reads may change, and what one reads may not", "[autograd]") {
    const auto w = Tensor<double>::from({2}, {1, 2});
    const Var x(w, true), data(Tensor<double>::from({2}, {5, 6}));
    const Var harmless = sum(reshape(x + data, {2, 1})), product = sum(x * data);
    w.fill(9);
    harmless.backward();
    REQUIRE(x.grad().values() == Values{1, 1});
    REQUIRE_NOTHROW(product.backward({.retain_graph = true}));  // dx = dy data reads no x
    REQUIRE(x.grad().values() == Values{6, 7});
    data.value().fill(0);  // an input that requires no gradient
    REQUIRE_THROWS_WITH(product.backward(), ContainsSubstring("input 1 of mul"));
    const Var y = exp(x), z = sum(y);
    y.value().fill(0);
    REQUIRE_THROWS_WITH(z.backward(), ContainsSubstring("the result of exp"));
    const Var part = sum(tanh(reshape(x, {2, 1})) * 2), view = sum(x.detach() * x);
    w.fill(1);
    REQUIRE_NOTHROW(part.backward());  // tanh keeps its result
    REQUIRE_THROWS_WITH(view.backward(), ContainsSubstring("input 0 of mul"));
}

TEST_CASE("backward of many numbers needs a seed that fits", "[autograd]") {
    const Var x = leaf({3}, {1, 2, 3});
    const Var y = x * x;
    REQUIRE_THROWS_WITH(y.backward(), ContainsSubstring("shape (3)") && ContainsSubstring("seed"));
    REQUIRE_THROWS_WITH(y.backward(Tensor<double>::zeros({2})),
                        ContainsSubstring("(2)") && ContainsSubstring("(3)"));
    REQUIRE_THROWS_AS(y.backward(Tensor<double>{}), Error);
    y.backward(Tensor<double>::from({3}, {1, 0, -1}));
    REQUIRE(x.grad().values() == Values{2, 0, -6});
    x.zero_grad();
    reshape(sum(x), {1, 1}).backward();  // one element in any shape will do
    REQUIRE(x.grad().values() == Values{1, 1, 1});
}

TEST_CASE("backward where nothing requires a gradient is refused", "[autograd]") {
    const Var x(Tensor<double>::zeros({}));
    REQUIRE_THROWS_WITH((x * 2).backward(), ContainsSubstring("requires a gradient"));
    REQUIRE_THROWS_AS(Var{}.backward(), Error);
    REQUIRE_THROWS_AS(Var{}.value(), Error);
    // Inputs that require none are passed over.
    const Var w = leaf({}, {2});
    (w * x + 1).backward();
    REQUIRE(w.grad().item() == 0);
    REQUIRE_FALSE(x.grad().defined());
}

TEST_CASE("a gradient that does not fit its variable is an error", "[autograd]") {
    const Var x = leaf({2}, {1, 2});
    const Var y = record("wrong", x.value().clone(), {x}, [](Node<double>& node, const auto&) {
        node.give(0, Var(Tensor<double>::zeros({3})));
    });
    REQUIRE_THROWS_WITH(sum(y).backward(), ContainsSubstring("(3)") && ContainsSubstring("(2)"));
}

TEST_CASE("a rule that throws leaves no gradients behind", "[autograd]") {
    const Var x = leaf({}, {1}), u = leaf({}, {1});
    bool broken = true;
    const Var y = x * 2;
    const Var z =
        record("fragile", y.value().clone(), {y}, [&broken](Node<double>& node, const Var& dy) {
            if (broken) throw std::bad_alloc();
            node.give(0, dy);
        });
    const Var total = y + z + u;
    REQUIRE_THROWS_AS(total.backward({.retain_graph = true}), std::bad_alloc);
    REQUIRE_FALSE(u.grad().defined());  // its part had come
    broken = false;
    total.backward();
    REQUIRE(x.grad().item() == 4);
}

TEST_CASE("a chain of a million operations goes forward, back and away", "[autograd]") {
    constexpr int length = 1'000'000;
    const Var x = leaf({}, {1});
    const auto chain = [&] {
        Var y = x;
        for (int i = 0; i < length; ++i) y = y + x;
        return y;
    };
    {
        const Var y = chain();
        REQUIRE(y.item() == length + 1);
        y.backward();
        REQUIRE(x.grad().item() == length + 1);
    }
    chain();  // dropped without a backward
    {
        const Var y = chain();
        x.zero_grad();
        y.backward({.retain_graph = true});
        REQUIRE(x.grad().item() == length + 1);
    }
    Var wide = x;  // each link by two ways, so that every node is held twice
    for (int i = 0; i < length / 10; ++i) {
        const Var next = wide - 1;
        wide = concat({reshape(next, {1}), reshape(wide, {1})}, 0);
        wide = max(wide);
    }
    REQUIRE(wide.requires_grad());
    wide = Var();
    empty_cache();
}

TEST_CASE("after the first step the tape allocates nothing", "[autograd]") {
    const Var w = leaf({3, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    const Var x(Tensor<double>::full({5, 4}, 0.1));
    const Labels labels = Labels::zeros({5});
    const auto step = [&] {
        const Var y = tanh(matmul(x, w, Trans::no, Trans::yes)) + 1;
        const Var z = concat({slice(y, 1, 0, 2), slice(maximum(y, 0.5), 1, 1, 3)}, 1);
        w.zero_grad();
        mean(logsumexp(z, {1}) - gather(z, labels)).backward();
    };
    for (int i = 0; i < 3; ++i) step();
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    for (int i = 0; i < 10; ++i) step();
    REQUIRE(system_allocations() == blocks);
    REQUIRE(operator_new_calls() == news);
}
