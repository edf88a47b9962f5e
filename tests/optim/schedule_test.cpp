#include "optim/schedule.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "optim/sgd.h"

using namespace handgrad;

namespace {

/// Two parameters in two groups with rates 1 and 0.5.
struct TwoGroups {
    Parameter<float> a{"a", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})};
    Parameter<float> b{"b", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})};
    SGD<float> sgd{{{{&a}, {.lr = 1}}, {{&b}, {.lr = 0.5}}}};
};

}  // namespace

TEST_CASE("schedules move every group from its own rate", "[optim]") {
    TwoGroups two;
    Schedule schedule(two.sgd, StepLR{.step_size = 2, .gamma = 0.5});
    std::vector<double> rates;
    for (int epoch = 0; epoch < 5; ++epoch) {
        CHECK(schedule.epoch() == epoch);
        rates.insert(rates.end(), {two.sgd.lr(0), two.sgd.lr(1)});
        schedule.step();
    }
    CHECK(rates == std::vector<double>{1, 0.5, 1, 0.5, 0.5, 0.25, 0.5, 0.25, 0.25, 0.125});
    schedule.set_epoch(2);
    CHECK(two.sgd.lr(1) == 0.25);
    CHECK_THROWS_AS(schedule.set_epoch(-1), Error);
    CHECK(schedule.epoch() == 2);

    ReduceLROnPlateau plateau(two.sgd, {.factor = 0.5, .patience = 0});
    CHECK_FALSE(plateau.step(1));
    CHECK(plateau.step(1));
    CHECK(two.sgd.lr(0) == 0.25);
    CHECK(two.sgd.lr(1) == 0.125);
}

TEST_CASE("schedules are plain functions, and join into others", "[optim]") {
    CHECK(MultiStepLR{.milestones = {3, 1}, .gamma = 0.5}(8, 2) == 4);
    CHECK(ExponentialLR{.gamma = 0.5}(8, 3) == 1);
    CHECK(CosineAnnealingLR{.T_max = 4, .eta_min = 2}(10, 0) == 10);
    CHECK(std::abs(CosineAnnealingLR{.T_max = 4, .eta_min = 2}(10, 2) - 6) < 1e-14);
    CHECK(CosineAnnealingLR{.T_max = 4, .eta_min = 2}(10, 4) == 2);
    CHECK(LinearLR{.start_factor = 0.5, .total_iters = 4}(8, 1) == 5);
    CHECK(LinearLR{.start_factor = 0.5, .total_iters = 4}(8, 100) == 8);

    TwoGroups two;
    Schedule schedule(two.sgd, [](double lr, Index epoch) {
        return epoch < 4 ? LinearLR{.start_factor = 0, .total_iters = 4}(lr, epoch)
                         : ExponentialLR{.gamma = 0.5}(lr, epoch - 4);
    });
    std::vector<double> rates;
    for (int epoch = 0; epoch < 7; ++epoch, schedule.step()) rates.push_back(two.sgd.lr(1));
    CHECK(rates == std::vector<double>{0, 0.125, 0.25, 0.375, 0.5, 0.25, 0.125});
}

TEST_CASE("a run goes on from a file: schedule, load_state, set_epoch", "[optim]") {
    const StepLR rule{.step_size = 2, .gamma = 0.5};
    TwoGroups first;
    Schedule schedule(first.sgd, rule);
    for (int epoch = 0; epoch < 5; ++epoch) schedule.step();
    const auto state = first.sgd.state();

    TwoGroups next;
    Schedule resumed(next.sgd, rule);
    next.sgd.load_state(state);
    CHECK(next.sgd.lr(0) == first.sgd.lr(0));
    resumed.set_epoch(5);
    for (int epoch = 5; epoch < 9; ++epoch, schedule.step(), resumed.step())
        for (const std::size_t group : {0, 1}) CHECK(next.sgd.lr(group) == first.sgd.lr(group));

    TwoGroups wrong;  // the other order: what was decayed already is decayed again
    wrong.sgd.load_state(state);
    Schedule late(wrong.sgd, rule);
    late.set_epoch(5);
    CHECK(wrong.sgd.lr(0) == 0.25 * 0.25);
}

TEST_CASE("schedules refuse options that make no sense", "[optim]") {
    TwoGroups two;
    const auto refused = [&](const Schedule::Function& function) {
        CHECK_THROWS_AS(Schedule(two.sgd, function), Error);
        CHECK(two.sgd.lr() == 1);
    };
    refused(StepLR{.step_size = 0});
    refused(StepLR{.step_size = 1, .gamma = -1});
    refused(MultiStepLR{.milestones = {1}, .gamma = std::nan("")});
    refused(ExponentialLR{.gamma = -0.5});
    refused(CosineAnnealingLR{.T_max = 0});
    refused(CosineAnnealingLR{.T_max = 1, .eta_min = -1});
    refused(LinearLR{.start_factor = -1});
    refused(LinearLR{.end_factor = INFINITY});
    refused(LinearLR{.total_iters = 0});
    refused([](double, Index) { return std::nan(""); });
    CHECK_THROWS_WITH(StepLR{.step_size = 0}(1, 0),
                      ContainsSubstring("StepLR: no such step_size") &&
                          ContainsSubstring("got:   0") && ContainsSubstring("1 or more"));

    CHECK_THROWS_AS(ReduceLROnPlateau(two.sgd, {.factor = 1}), Error);
    CHECK_THROWS_AS(ReduceLROnPlateau(two.sgd, {.factor = 0}), Error);
    CHECK_THROWS_AS(ReduceLROnPlateau(two.sgd, {.patience = -1}), Error);
    CHECK_THROWS_AS(ReduceLROnPlateau(two.sgd, {.threshold = -1}), Error);
    CHECK_THROWS_AS(ReduceLROnPlateau(two.sgd, {.cooldown = -1}), Error);
    CHECK_THROWS_AS(ReduceLROnPlateau(two.sgd, {.min_lr = -1}), Error);
    CHECK_THROWS_AS(ReduceLROnPlateau(two.sgd, {.eps = -1}), Error);
}

TEST_CASE("a plateau: NaN is no improvement, and the state can be carried over", "[optim]") {
    TwoGroups two, other;
    const PlateauOptions options{.factor = 0.5, .patience = 2, .cooldown = 1};
    ReduceLROnPlateau plateau(two.sgd, options);
    for (const double metric : {3.0, std::nan(""), 2.0, std::nan(""), 5.0})
        CHECK_FALSE(plateau.step(metric));
    CHECK(plateau.state().best == 2);
    CHECK(plateau.state().bad_epochs == 2);
    ReduceLROnPlateau next(other.sgd, options);
    next.set_state(plateau.state());
    for (const double metric : {4.0, 4.0, 4.0, 1.0, 4.0, 4.0, 4.0})
        CHECK(plateau.step(metric) == next.step(metric));
    CHECK(two.sgd.lr() == 0.25);
    CHECK(other.sgd.lr() == 0.25);
}
