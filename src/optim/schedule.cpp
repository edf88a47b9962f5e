#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/error.h"

// The rate of epoch e, from the rate lr of epoch 0:
//
//   StepLR              lr gamma^floor(e / step_size)
//   MultiStepLR         lr gamma^(number of milestones <= e)
//   ExponentialLR       lr gamma^e
//   CosineAnnealingLR   eta_min + (lr - eta_min) (1 + cos(pi e / T_max)) / 2
//                       (Loshchilov and Hutter 2017, without restarts)
//   LinearLR            lr (start_factor + (end_factor - start_factor) min(e / total_iters, 1))
//
// PyTorch multiplies the last rate by a ratio instead; the closed forms agree but for rounding, and
// do not gather it.

namespace handgrad {
namespace {

void require_at_least_one(std::string_view schedule, std::string_view option, Index got) {
    require_option(schedule, option, static_cast<double>(got), got >= 1, "1 or more");
}

double power(double gamma, Index exponent) {
    return std::pow(gamma, static_cast<double>(exponent));
}

}  // namespace

double StepLR::operator()(double lr, Index epoch) const {
    require_at_least_one("StepLR", "step_size", step_size);
    require_not_negative("StepLR", "gamma", gamma);
    return lr * power(gamma, epoch / step_size);
}

double MultiStepLR::operator()(double lr, Index epoch) const {
    require_not_negative("MultiStepLR", "gamma", gamma);
    return lr * power(gamma, std::count_if(milestones.begin(), milestones.end(),
                                           [&](Index milestone) { return milestone <= epoch; }));
}

double ExponentialLR::operator()(double lr, Index epoch) const {
    require_not_negative("ExponentialLR", "gamma", gamma);
    return lr * power(gamma, epoch);
}

double CosineAnnealingLR::operator()(double lr, Index epoch) const {
    require_at_least_one("CosineAnnealingLR", "T_max", T_max);
    require_not_negative("CosineAnnealingLR", "eta_min", eta_min);
    const double part = static_cast<double>(epoch) / static_cast<double>(T_max);
    return eta_min + (lr - eta_min) * (1 + std::cos(std::numbers::pi * part)) / 2;
}

double LinearLR::operator()(double lr, Index epoch) const {
    require_at_least_one("LinearLR", "total_iters", total_iters);
    require_not_negative("LinearLR", "start_factor", start_factor);
    require_not_negative("LinearLR", "end_factor", end_factor);
    const double part =
        static_cast<double>(std::min(epoch, total_iters)) / static_cast<double>(total_iters);
    return lr * (start_factor + (end_factor - start_factor) * part);
}

Schedule::Schedule(LearningRates& rates, Function function)
    : rates_(rates), function_(std::move(function)) {
    for (std::size_t group = 0; group < rates_.groups(); ++group)
        start_.push_back(rates_.lr(group));
    set_epoch(0);
}

void Schedule::set_epoch(Index epoch) {
    if (epoch < 0)
        throw Error("Schedule.set_epoch: no such epoch", std::to_string(epoch), "0 or more");
    for (std::size_t group = 0; group < start_.size(); ++group)
        rates_.set_lr(group, function_(start_[group], epoch));
    epoch_ = epoch;
}

ReduceLROnPlateau::ReduceLROnPlateau(LearningRates& rates, const PlateauOptions& options)
    : rates_(rates), options_(options) {
    constexpr std::string_view name = "ReduceLROnPlateau";
    require_option(name, "factor", options.factor, options.factor > 0 && options.factor < 1,
                   "a number above 0 and below 1");
    require_not_negative(name, "patience", static_cast<double>(options.patience));
    require_not_negative(name, "threshold", options.threshold);
    require_not_negative(name, "cooldown", static_cast<double>(options.cooldown));
    require_not_negative(name, "min_lr", options.min_lr);
    require_not_negative(name, "eps", options.eps);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    state_.best = options.mode == PlateauOptions::Mode::min ? infinity : -infinity;
}

bool ReduceLROnPlateau::improves(double metric) const {
    const double sign = options_.mode == PlateauOptions::Mode::min ? -1 : 1;
    const bool relative = options_.threshold_mode == PlateauOptions::ThresholdMode::rel;
    const double bar = relative ? state_.best * (1 + sign * options_.threshold)
                                : state_.best + sign * options_.threshold;
    return options_.mode == PlateauOptions::Mode::min ? metric < bar : metric > bar;
}

bool ReduceLROnPlateau::step(double metric) {
    if (improves(metric)) {
        state_.best = metric;
        state_.bad_epochs = 0;
    } else {
        ++state_.bad_epochs;
    }
    if (state_.cooldown_left > 0) {
        --state_.cooldown_left;
        state_.bad_epochs = 0;
    }
    if (state_.bad_epochs <= options_.patience) return false;

    state_.bad_epochs = 0;
    state_.cooldown_left = options_.cooldown;
    bool reduced = false;
    for (std::size_t group = 0; group < rates_.groups(); ++group) {
        const double old = rates_.lr(group);
        const double lr = std::max(old * options_.factor, options_.min_lr);
        if (!(old - lr > options_.eps)) continue;
        rates_.set_lr(group, lr);
        reduced = true;
    }
    return reduced;
}

}  // namespace handgrad
