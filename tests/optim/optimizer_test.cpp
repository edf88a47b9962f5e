// What all optimisers share: groups, errors, state, and a step that allocates nothing.
#include "optim/optimizer.h"

#include <cmath>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "losses/cross_entropy.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "temp_dir.h"

using namespace handgrad;

namespace {

const std::vector<Index> widths = {5, 7, 3};

/// A small classifier with data that it can learn.
template <class T>
struct Run {
    Random random{0};
    Sequential<T> model = mlp<T>(widths, random);
    CrossEntropyLoss<T> loss;
    Tensor<T> x = Tensor<T>::empty({11, 5});
    Labels labels = Labels::zeros({11});

    Run() {
        random.normal(x, 0, 1);
        for (Index i = 0; i < 11; ++i) labels(i) = static_cast<std::int32_t>(i % 3);
    }
    void train(Optimizer<T>& optimizer, int steps) {
        for (int step = 0; step < steps; ++step) {
            optimizer.zero_grad();
            loss.forward(model.forward(x), labels);
            model.backward_parameters(loss.backward());
            optimizer.step();
        }
    }
    std::vector<T> weights() {
        std::vector<T> all;
        for (const Parameter<T>* parameter : model.parameters())
            for (const T w : parameter->value.span()) all.push_back(w);
        return all;
    }
};

/// Calls body(make) for every optimiser with all of its state, with make(parameters) building it.
template <class T, class Body>
void on_every_optimizer(Body&& body) {
    using Parameters = std::vector<Parameter<T>*>;
    const auto call = [&](const char* name, auto make) {
        INFO(name);
        body(make);
    };
    call("SGD", [](const Parameters& p) {
        return SGD<T>(p, {.lr = 0.1, .momentum = 0.9, .dampening = 0.5});
    });
    call("plain SGD", [](const Parameters& p) { return SGD<T>(p, 0.1); });
    call("Adam", [](const Parameters& p) { return Adam<T>(p, {.lr = 0.01, .amsgrad = true}); });
    call("AdamW", [](const Parameters& p) { return AdamW<T>(p, 0.01); });
    call("Adagrad", [](const Parameters& p) {
        return Adagrad<T>(p, {.lr = 0.1, .lr_decay = 0.1, .initial_accumulator_value = 0.5});
    });
    call("RMSprop",
         [](const Parameters& p) { return RMSprop<T>(p, {.momentum = 0.5, .centered = true}); });
}

template <class T>
std::vector<std::string> names(const SafeTensors<T>& state) {
    std::vector<std::string> all;
    for (const auto& [name, value] : state.tensors) all.push_back(name);
    return all;
}

}  // namespace

TEST_CASE("two groups have options and learning rates of their own", "[optim]") {
    Parameter<float> a{"a", Tensor<float>::zeros({1}), Tensor<float>::full({1}, 1)};
    Parameter<float> b{"b", Tensor<float>::zeros({1}), Tensor<float>::full({1}, 1)};
    SGD<float> sgd({{{&a}, {.lr = 0.5}}, {{&b}, {.lr = 0.25, .momentum = 0.5}}});
    REQUIRE(sgd.groups() == 2);
    CHECK(sgd.lr() == 0.5);
    CHECK(sgd.lr(1) == 0.25);
    sgd.step();
    sgd.step();
    CHECK(a.value.item() == -1);
    CHECK(b.value.item() == -0.625F);  // velocities 1 and 1.5
    CHECK(names(sgd.state()) == std::vector<std::string>{"b.momentum_buffer"});

    sgd.set_lr(1, 0);
    CHECK(sgd.lr(0) == 0.5);
    sgd.step();
    CHECK(a.value.item() == -1.5F);
    CHECK(b.value.item() == -0.625F);
    sgd.set_lr(2);
    CHECK(sgd.lr(0) == 2);
    CHECK(sgd.lr(1) == 2);

    CHECK_THROWS_WITH(sgd.lr(2), ContainsSubstring("SGD.lr: no such group"));
    CHECK_THROWS_AS(sgd.set_lr(2, 0.1), Error);
    CHECK_THROWS_WITH(sgd.set_lr(-0.1),
                      ContainsSubstring("SGD: no such learning rate") && ContainsSubstring("-0.1"));
    CHECK_THROWS_AS(sgd.set_lr(1, std::nan("")), Error);
    CHECK(sgd.lr(1) == 2);
}

TEST_CASE("an optimiser can be built in several ways", "[optim]") {
    Parameter<float> w{"w", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})};
    const std::vector<Parameter<float>*> parameters = {&w};
    CHECK(Adam<float>(parameters).lr() == 1e-3);
    CHECK(Adam<float>(parameters, {}).lr() == 1e-3);
    CHECK(AdamW<float>(parameters).lr() == 1e-3);
    CHECK(SGD<float>(parameters).lr() == 1e-3);
    CHECK(Adagrad<float>(parameters).lr() == 1e-2);
    CHECK(RMSprop<float>(parameters).lr() == 1e-2);
    CHECK(Adam<float>(parameters, 1).lr() == 1);
    CHECK(Adam<float>(parameters, {.lr = 0.5}).lr() == 0.5);
    CHECK(Adam<float>({&w}).lr() == 1e-3);
    CHECK(Adam<float>({{parameters, {.lr = 0.5}}}).lr() == 0.5);
    const std::vector<Adam<float>::Group> groups = {{parameters, {.lr = 0.5}}};
    CHECK(Adam<float>(groups).lr() == 0.5);
}

TEST_CASE("optimisers refuse parameters that they cannot move", "[optim]") {
    Parameter<float> w{"w", Tensor<float>::zeros({2}), Tensor<float>::zeros({2})};
    Parameter<float> no_grad{"w", Tensor<float>::zeros({2}), {}};
    Parameter<float> other_grad{"w", Tensor<float>::zeros({2}), Tensor<float>::zeros({1, 2})};
    CHECK_THROWS_WITH(SGD<float>(std::vector<Parameter<float>*>{}, 0.1),
                      ContainsSubstring("SGD: nothing to train"));
    CHECK_THROWS_WITH(SGD<float>({&w, &w}, 0.1), ContainsSubstring("'w' again"));
    CHECK_THROWS_WITH(Adam<float>({{{&w}, {}}, {{&w}, {}}}),
                      ContainsSubstring("Adam: a parameter twice"));
    CHECK_THROWS_AS(SGD<float>({&no_grad}, 0.1), Error);
    CHECK_THROWS_AS(SGD<float>({&other_grad}, 0.1), Error);
    CHECK_THROWS_AS(SGD<float>({&w, nullptr}, 0.1), Error);
}

TEMPLATE_TEST_CASE("training goes on from a saved state to the last bit", "[optim]", float,
                   double) {
    using T = TestType;
    const TempDir dir;
    on_every_optimizer<T>([&](auto make) {
        Run<T> whole, first, second;
        auto uninterrupted = make(whole.model.parameters());
        whole.train(uninterrupted, 7);
        uninterrupted.set_lr(1.0 / 3 / 10);  // has no short decimal form
        whole.train(uninterrupted, 10);

        auto before = make(first.model.parameters());
        first.train(before, 7);
        before.set_lr(1.0 / 3 / 10);
        const SafeTensors<T> state = before.state();
        save_safetensors(dir / "state", state.tensors, state.metadata);
        save_model(dir / "model", first.model);
        first.train(before, 3);  // must not reach what was saved

        auto after = make(second.model.parameters());
        second.train(after, 2);  // must leave no trace
        load_model(dir / "model", second.model);
        after.load_state(load_safetensors<T>(dir / "state"));
        CHECK(after.steps() == 7);
        second.train(after, 10);
        CHECK(second.weights() == whole.weights());

        auto in_memory = make(first.model.parameters());
        load_model(dir / "model", first.model);
        in_memory.load_state(state);
        first.train(in_memory, 10);
        CHECK(first.weights() == whole.weights());
    });
}

TEST_CASE("a state's tensors are named after parameters, as PyTorch names them", "[optim]") {
    Random random(0);
    Linear<float> linear(2, 1, random);
    const auto parameters = linear.parameters();
    using Names = std::vector<std::string>;
    CHECK(names(SGD<float>(parameters, 0.1).state()).empty());
    CHECK(names(Adam<float>(parameters, {.amsgrad = true}).state()) ==
          Names{"weight.exp_avg", "weight.exp_avg_sq", "weight.max_exp_avg_sq", "bias.exp_avg",
                "bias.exp_avg_sq", "bias.max_exp_avg_sq"});
    CHECK(names(Adagrad<float>(parameters).state()) == Names{"weight.sum", "bias.sum"});
    CHECK(names(RMSprop<float>({&linear.bias}, {.momentum = 0.5, .centered = true}).state()) ==
          Names{"bias.square_avg", "bias.grad_avg", "bias.momentum_buffer"});
    Adam<float> adam({{{&linear.weight}, {.lr = 0.5}}, {{&linear.bias}, {.lr = 0.1}}});
    adam.step();
    CHECK(adam.state().metadata ==
          Metadata{{"optimizer", "Adam"}, {"steps", "1"}, {"lr.0", "0.5"}, {"lr.1", "0.1"}});
}

TEST_CASE("a state that does not fit is refused and changes nothing", "[optim]") {
    Run<float> run;
    Adam<float> adam(run.model.parameters(), {.lr = 0.01});
    run.train(adam, 3);
    const SafeTensors<float> good = adam.state();
    const auto refused = [&](const SafeTensors<float>& state, const std::string& reason) {
        CHECK_THROWS_WITH(adam.load_state(state),
                          ContainsSubstring("Adam.load_state") && ContainsSubstring(reason));
        const SafeTensors<float> now = adam.state();
        CHECK(now.metadata == good.metadata);
        for (std::size_t i = 0; i < good.tensors.size(); ++i)
            CHECK(now.tensors[i].value.values() == good.tensors[i].value.values());
    };
    // Each differs from what the optimiser holds, so that a state half loaded would be seen.
    SafeTensors<float> other = good;
    for (auto& [name, value] : other.tensors) value = Tensor<float>::full(value.shape(), 9);
    other.metadata["steps"] = "99";
    other.metadata["lr.0"] = "0.5";

    SafeTensors<float> bad = other;
    bad.tensors.erase(bad.tensors.begin() + 3);
    refused(bad, "missing '0.bias.exp_avg_sq'");
    bad = other;
    bad.tensors[1].name = "5.weight.exp_avg";
    refused(bad, "missing '0.weight.exp_avg_sq'; not expected '5.weight.exp_avg'");
    bad = other;
    bad.tensors.back().value = Tensor<float>::zeros({4});
    refused(bad, "'2.bias.exp_avg_sq' of shape (4) for one of (3)");
    bad = other;
    bad.tensors.push_back(bad.tensors[0]);
    refused(bad, "'0.weight.exp_avg' twice");
    bad = other;
    bad.metadata["optimizer"] = "AdamW";
    refused(bad, "AdamW");
    bad.metadata.erase("optimizer");
    refused(bad, "a state of another optimiser");
    for (const char* key : {"steps", "lr.0"})
        for (const char* text : {"", "-1", "many", "3 ", "nan", "inf"}) {
            bad = other;
            bad.metadata[key] = text;
            refused(bad, text);
        }
    bad = other;
    bad.metadata.erase("lr.0");
    refused(bad, "no 'lr.0'");

    other.metadata["epoch"] = "12";  // somebody else's
    adam.load_state(other);
    CHECK(adam.steps() == 99);
    CHECK(adam.lr() == 0.5);
    CHECK(adam.state().tensors[2].value.values() == other.tensors[2].value.values());
}

TEST_CASE("two parameters of one name: their state cannot be saved or loaded", "[optim]") {
    const TempDir dir;
    Parameter<float> a{"w", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})}, b = a;
    b.value = b.value.clone();
    Adam<float> adam({&a, &b});
    const SafeTensors<float> state = adam.state();
    CHECK_THROWS_AS(save_safetensors(dir / "state", state.tensors), Error);
    CHECK_THROWS_AS(adam.load_state(state), Error);
}

TEST_CASE("a step allocates nothing", "[optim]") {
    on_every_optimizer<float>([](auto make) {
        Run<float> run;
        auto optimizer = make(run.model.parameters());
        run.train(optimizer, 1);
        const std::size_t blocks = system_allocations(), news = operator_new_calls();
        for (int i = 0; i < 3; ++i) optimizer.step(), optimizer.zero_grad();
        CHECK(system_allocations() == blocks);
        CHECK(operator_new_calls() == news);
    });
}

TEMPLATE_TEST_CASE("every optimiser lowers the loss", "[optim]", float, double) {
    using T = TestType;
    on_every_optimizer<T>([](auto make) {
        Run<T> run;
        const auto loss = [&] { return run.loss.forward(run.model.forward(run.x), run.labels); };
        auto optimizer = make(run.model.parameters());
        const T before = loss().item();
        run.train(optimizer, 50);
        CHECK(loss().item() < before - T(0.1));
    });
}
