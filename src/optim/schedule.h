// Schedules: the learning rate as a function of the epoch
//
//   SGD<float> sgd(model.parameters(), 0.1);
//   Schedule schedule(sgd, CosineAnnealingLR{.T_max = 50});
//   for (int epoch = 0; epoch < 50; ++epoch) {
//       ...
//       schedule.step();
//   }
//
// A schedule in closed form is a function of the rate that its group started with and the epoch,
// 0, 1, 2, ...; a lambda will do. Warm-up before another one:
//
//   Schedule schedule(sgd, [](double lr, Index epoch) {
//       return epoch < 5 ? LinearLR{}(lr, epoch) : CosineAnnealingLR{.T_max = 45}(lr, epoch - 5);
//   });
//
// A run that goes on from a file makes the optimiser and the schedule as the first run did, and
// only then loads: the rates that the file holds are those of its epoch, no start.
//
//   sgd.load_state(state);
//   schedule.set_epoch(epoch);
//
// Names and defaults are PyTorch's; schedule.cpp has the formulas. Each throws Error on an option
// out of its range when it is called, so already by the constructor of Schedule.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "optim/optimizer.h"

namespace handgrad {

/// Falls to gamma times itself every step_size epochs.
struct StepLR {
    Index step_size;
    double gamma = 0.1;
    double operator()(double lr, Index epoch) const;
};

/// Falls to gamma times itself at each milestone.
struct MultiStepLR {
    std::vector<Index> milestones;
    double gamma = 0.1;
    double operator()(double lr, Index epoch) const;
};

/// Falls to gamma times itself every epoch.
struct ExponentialLR {
    double gamma;
    double operator()(double lr, Index epoch) const;
};

/// Half a cosine, from lr down to eta_min in T_max epochs, and up again in as many.
struct CosineAnnealingLR {
    Index T_max;
    double eta_min = 0;
    double operator()(double lr, Index epoch) const;
};

/// Warm-up: from start_factor lr to end_factor lr in total_iters equal steps, and then steady.
/// Any factors from 0 on; PyTorch wants start_factor in (0, 1].
struct LinearLR {
    double start_factor = 1.0 / 3;
    double end_factor = 1;
    Index total_iters = 5;
    double operator()(double lr, Index epoch) const;
};

/// Sets the learning rates of an optimiser, which must outlive it, epoch by epoch.
class Schedule {
  public:
    using Function = std::function<double(double lr, Index epoch)>;

    /// Takes each group's rate as the one it starts from, and sets that of epoch 0. So it is made
    /// before load_state.
    Schedule(LearningRates& rates, Function function);

    /// The next epoch begins.
    void step() { set_epoch(epoch_ + 1); }
    [[nodiscard]] Index epoch() const { return epoch_; }
    /// Jumps, as a run that goes on from a file must. Throws Error on a negative epoch.
    void set_epoch(Index epoch);

  private:
    LearningRates& rates_;
    Function function_;
    std::vector<double> start_;  // of each group
    Index epoch_ = 0;
};

/// PyTorch's names and defaults.
struct PlateauOptions {
    enum class Mode : std::uint8_t { min, max };           // min: lower is better
    enum class ThresholdMode : std::uint8_t { rel, abs };  // by a part of the best, or by a number
    Mode mode = Mode::min;
    double factor = 0.1;
    Index patience = 10;  // epochs without improvement that are borne
    double threshold = 1e-4;
    ThresholdMode threshold_mode = ThresholdMode::rel;
    Index cooldown = 0;  // epochs after a reduction that are not counted
    double min_lr = 0;
    double eps = 1e-8;  // smaller reductions are not made
};

/// Reduces the learning rates by a factor when a metric has stopped improving.
class ReduceLROnPlateau {
  public:
    /// What it remembers, for a run that goes on from a file.
    struct State {
        double best;
        Index bad_epochs = 0;
        Index cooldown_left = 0;
    };

    /// Throws Error unless factor is in (0, 1) and all other numbers are 0 or more.
    explicit ReduceLROnPlateau(LearningRates& rates, const PlateauOptions& options = {});

    /// The epoch ended with this metric. NaN is no improvement. Returns whether rates were reduced.
    bool step(double metric);
    [[nodiscard]] const State& state() const { return state_; }
    void set_state(const State& state) { state_ = state; }

  private:
    [[nodiscard]] bool improves(double metric) const;

    LearningRates& rates_;
    PlateauOptions options_;
    State state_;
};

}  // namespace handgrad
