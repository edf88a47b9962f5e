// The contract of every optimiser, and what all of them share.
#pragma once

#include <concepts>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/layer.h"
#include "train/safetensors.h"

namespace handgrad {

/// The learning rates of an optimiser's groups: what a schedule moves (optim/schedule.h).
class LearningRates {
  public:
    [[nodiscard]] std::size_t groups() const { return lr_.size(); }
    /// Throws Error where there is no such group.
    [[nodiscard]] double lr(std::size_t group = 0) const;
    /// The learning rate of every group. Throws Error unless it is finite and not negative.
    void set_lr(double lr);
    /// The learning rate of one group. Throws Error also where there is no such group.
    void set_lr(std::size_t group, double lr);

  protected:
    explicit LearningRates(std::string_view optimizer) : optimizer_(optimizer) {}
    ~LearningRates() = default;
    void add_group(double lr);
    [[nodiscard]] std::string_view optimizer() const { return optimizer_; }

  private:
    std::string_view optimizer_;  // "SGD", for errors; a literal
    std::vector<double> lr_;      // one for each group
};

/// A tensor that an optimiser keeps for each parameter, of the parameter's shape.
struct StateTensor {
    std::string_view name;  // "momentum_buffer"
    double start = 0;       // what each element is before the first step
};

/// Holds the parameters it was given, which must outlive it, and moves them against their
/// gradients. A step of training is zero_grad(), forward, backward, step().
template <class T>
class Optimizer : public LearningRates {
  public:
    virtual ~Optimizer() = default;
    Optimizer(const Optimizer&) = delete;
    Optimizer& operator=(const Optimizer&) = delete;

    /// Sets every gradient to zero; without it, backward adds to the gradients of the step before.
    void zero_grad();
    /// Moves every parameter once: on a GPU in one launch for each group (of 64 parameters).
    /// Allocates nothing.
    void step();
    /// Steps made so far. The device counts them, so that those of a replayed DeviceGraph count,
    /// too: asking waits for it.
    [[nodiscard]] Index steps() const { return steps_.item(); }

    /// Copies of all that the next steps depend on beside the parameters: tensors named
    /// "0.weight.exp_avg"; the optimiser, its steps and learning rates as metadata. Ready for
    /// save_safetensors, which wants every parameter under a name of its own.
    [[nodiscard]] SafeTensors<T> state() const;
    /// Goes on from what state() gave, to the last bit. Options other than the learning rates are
    /// not part of it. Throws Error for a state of another optimiser or another model, with all
    /// that is missing, not expected or of another shape, and then leaves the optimiser as it was.
    /// Metadata of other names are passed over.
    void load_state(const SafeTensors<T>& state);

  protected:
    explicit Optimizer(std::string_view name) : LearningRates(name) {}
    /// Throws Error on a parameter that is here already, whose gradient does not fit it, or that is
    /// on another device than the others.
    void add_parameter(Parameter<T>* parameter, std::size_t group,
                       const std::vector<StateTensor>& state);
    /// For the end of construction: throws Error where there is nothing to train.
    void require_parameters();

    /// The parameters of one group on their device, what is kept for each as its StateTensors
    /// follow one another, and the number of this step in the device's memory.
    struct Move {
        const Backend<T>& kernels;
        const ParameterArrays<T>* parameters;
        Index count;
        const Index* step;
    };
    virtual void update(std::size_t group, const Move& move) = 0;

  private:
    struct Slot {
        Parameter<T>* parameter;
        std::size_t group;
        std::vector<Tensor<T>> state;
    };
    [[nodiscard]] std::vector<NamedTensor<T>> named_state() const;
    /// Where all parameters are now, in the order of slots_.
    const std::vector<ParameterArrays<T>>& arrays();
    [[nodiscard]] Device device() const { return slots_.front().parameter->value.device(); }

    std::vector<Slot> slots_;                    // by group
    std::vector<std::string_view> state_names_;  // for each tensor of each slot in turn
    std::vector<ParameterArrays<T>> arrays_;
    Tensor<Index> steps_;
};

/// Optimisers differ in their options and in update(), the rule that moves the parameters. Options
/// is an aggregate with lr, which says
///     static constexpr std::string_view optimizer   its name
///     void require_valid() const                    throws Error on an option out of its range
///     std::vector<StateTensor> state() const        what the rule keeps for each parameter
template <class T, class Options>
class OptimizerWith : public Optimizer<T> {
  public:
    /// Parameters with options of their own.
    struct Group {
        std::vector<Parameter<T>*> parameters;
        Options options = {};
    };

    /// SGD<float>(model.parameters(), {.lr = 0.1, .momentum = 0.9}). Every constructor throws Error
    /// on options out of range, on no parameters at all, and on one that comes twice.
    explicit OptimizerWith(std::vector<Parameter<T>*> parameters, const Options& options = {})
        : OptimizerWith({Group{std::move(parameters), options}}) {}
    /// SGD<float>(model.parameters(), 0.1)
    template <std::convertible_to<double> Number>
    OptimizerWith(std::vector<Parameter<T>*> parameters, Number lr)
        : OptimizerWith(std::move(parameters), Options{.lr = static_cast<double>(lr)}) {}
    /// Adam<float>({{body.parameters(), {.lr = 1e-4}}, {head.parameters(), {.lr = 1e-3}}})
    OptimizerWith(std::initializer_list<Group> groups)
        : OptimizerWith(std::span<const Group>(groups.begin(), groups.size())) {}
    explicit OptimizerWith(std::span<const Group> groups) : Optimizer<T>(Options::optimizer) {
        for (const Group& group : groups) {
            group.options.require_valid();
            this->add_group(group.options.lr);
            for (Parameter<T>* parameter : group.parameters)
                this->add_parameter(parameter, options_.size(), group.options.state());
            options_.push_back(group.options);
        }
        this->require_parameters();
    }

  protected:
    using typename Optimizer<T>::Move;
    /// Moves parameters. options.lr is the learning rate of this step.
    virtual void update(const Move& move, const Options& options) = 0;

  private:
    void update(std::size_t group, const Move& move) final {
        Options& options = options_[group];
        options.lr = this->lr(group);
        update(move, options);
    }

    std::vector<Options> options_;  // one for each group
};

/// For Options::require_valid: throws Error, naming all three, unless `valid`.
void require_option(std::string_view optimizer, std::string_view option, double got, bool valid,
                    std::string_view needs);
/// The same, for an option in [0, inf) or in [0, 1).
void require_not_negative(std::string_view optimizer, std::string_view option, double got);
void require_fraction(std::string_view optimizer, std::string_view option, double got);

}  // namespace handgrad
