#include "optim/clip.h"

#include <cmath>
#include <limits>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "kernels/emulator/watch.h"

using namespace handgrad;

namespace {

struct TwoGradients {
    Parameter<float> a{"a", Tensor<float>::zeros({2}), Tensor<float>::from({2}, {3, 0})};
    Parameter<float> b{"b", Tensor<float>::zeros({1, 1}), Tensor<float>::from({1, 1}, {-4})};
    std::vector<Parameter<float>*> parameters{&a, &b};
};

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("clipping by norm scales all gradients as one vector", "[optim]") {
    TwoGradients g;
    CHECK(clip_grad_norm(g.parameters, 10).item() == 5);
    CHECK(clip_grad_norm(g.parameters, infinity).item() == 5);
    CHECK(g.b.grad.item() == -4);
    CHECK(clip_grad_norm(g.parameters, 0.5).item() == 5);
    CHECK(std::abs(g.a.grad(0) - 0.3F) < 1e-6F);
    CHECK(std::abs(g.b.grad(0, 0) + 0.4F) < 1e-6F);
    CHECK(clip_grad_norm<float>({}, 1).item() == 0);

    g.a.grad(0) = 3e30F;  // its square is no float
    CHECK(std::abs(clip_grad_norm(g.parameters, 1).item() / 3e30 - 1) < 1e-6);
    CHECK(std::abs(g.a.grad(0) - 1) < 1e-6F);

    g.a.grad(1) = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(clip_grad_norm(g.parameters, 1).item()));
    CHECK(std::isnan(g.b.grad(0, 0)));
}

TEST_CASE("clipping by value treats every gradient alone", "[optim]") {
    TwoGradients g;
    clip_grad_value(g.parameters, 3.5);
    CHECK(g.a.grad.values() == std::vector<float>{3, 0});
    CHECK(g.b.grad.item() == -3.5F);
}

TEST_CASE("clipping refuses limits that make no sense", "[optim]") {
    TwoGradients g;
    for (const double limit : {0.0, -1.0, std::nan("")}) {
        CHECK_THROWS_AS(clip_grad_norm(g.parameters, limit), Error);
        CHECK_THROWS_AS(clip_grad_value(g.parameters, limit), Error);
    }
}

TEST_CASE("clipping refuses gradients on two devices", "[optim][emulated]") {
    TwoGradients g;
    clip_grad_value<float>({}, 1);
    g.b.grad = g.b.grad.to(Device::emulated);
    CHECK_THROWS_WITH(clip_grad_norm(g.parameters, 1), ContainsSubstring("cpu and emulated"));
    CHECK_THROWS_WITH(clip_grad_value(g.parameters, 1), ContainsSubstring("cpu and emulated"));
}

TEST_CASE("clipping asks a GPU for all gradients at once", "[optim][emulated]") {
    if (!emulator::sees_accesses()) return;
    const auto launches = [](const std::vector<Parameter<float>*>& parameters) {
        emulator::take_traffic();
        emulator::set_counting(true);
        clip_grad_norm(parameters, 1);
        clip_grad_value(parameters, 1);
        emulator::set_counting(false);
        std::int64_t all = 0;
        for (const emulator::Traffic& kernel : emulator::take_traffic()) all += kernel.launches;
        return all;
    };
    TwoGradients g;
    for (Parameter<float>* parameter : g.parameters)
        parameter->grad = parameter->grad.to(Device::emulated);
    CHECK(launches({&g.a}) == 4);  // squares, clip, root; clamp
    CHECK(launches(g.parameters) == 4);
}

TEST_CASE("clipping allocates nothing after the first time", "[optim]") {
    TwoGradients g;
    clip_grad_norm(g.parameters, 1);
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    for (int i = 0; i < 3; ++i)
        clip_grad_norm(g.parameters, 0.01), clip_grad_value(g.parameters, 1);
    CHECK(system_allocations() == blocks);
    CHECK(operator_new_calls() == news);
}
