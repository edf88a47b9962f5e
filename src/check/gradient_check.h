// Gradients by hand against finite differences and against the tape.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "layers/layer.h"

namespace handgrad {

struct GradientCheckOptions {
    /// Up to so many entries dy/dx and dy/dw, a layer's whole Jacobian is checked; beyond it, the
    /// gradient of L = sum r y for one random r.
    Index max_jacobian = 2000;
    /// Up to so many elements, each is moved by itself; beyond it, all of them together along
    /// random directions v, and the slope of L is held against the gradient's product with v. Where
    /// they differ, halving v finds an element.
    Index max_elements = 500;
    int directions = 20;
    /// A move is step * max(1, |value|) to either side. The error of a central difference falls
    /// with step^2, that of rounding grows with 1/step.
    double step = 1e-5;
    double tolerance = 1e-6;            // by hand against differences
    double autograd_tolerance = 1e-10;  // by hand against autograd
    std::uint64_t seed = 0;
};

/// The gradient by hand against one other way.
struct GradientComparison {
    std::string of;  // what was compared: "Jacobian entries", "elements", "random directions"
    Index checked = 0;
    /// The largest |by hand - other| over the greater of the two in magnitude, among those that
    /// fail if any do. What is small beside its neighbours is a difference of larger numbers, and
    /// is divided by a tenth of the largest gradient of the same output (of all, where they are
    /// those of L) or a thousandth of the row's. Against autograd, which has no noise, by the
    /// latter. It may be above the tolerance in a row that passes: see check_gradients.
    double max_relative_error = 0;
    std::string worst{};            // where that is, in row-major order: "element 3", "dy[1]/dx[3]"
    double by_hand = 0, other = 0;  // there
    std::string reason{};           // of a failure
    [[nodiscard]] bool pass() const { return reason.empty(); }
};

/// The check of one input or parameter.
struct GradientRow {
    std::string name;
    Shape shape;
    double norm = 0;  // of the gradient by hand, Euclidean
    GradientComparison differences;
    std::optional<GradientComparison> autograd{};  // where the layer is known to the tape too
    [[nodiscard]] bool pass() const {
        return differences.pass() && (!autograd || autograd->pass());
    }
};

/// Holds each parameter's grad, filled by a backward pass beforehand, against
/// (loss(w + h) - loss(w - h)) / 2h. `loss` evaluates the same loss as that pass did, from the
/// parameters' values as they stand; it must be smooth within h of them and the same at every
/// call. In double: float has too few digits for a difference of two losses.
///
/// A row fails beyond the tolerance, on a NaN, and where every gradient tried is zero both ways:
/// such a check has seen nothing. It fails where the loss has a kink within the step, however well
/// the numbers agree: at a kink no gradient is the right one. What the rounding of the two losses
/// can make of a slope, some 16 epsilon |loss| / 2h, is no difference; where that is more than a
/// thousandth of the largest gradient, the row has seen too little and fails.
/// Values are restored. An input is checked like a parameter: Parameter<double>{"x", x, dx}.
std::vector<GradientRow> check_gradients(const std::vector<Parameter<double>*>& parameters,
                                         const std::function<double()>& loss,
                                         const GradientCheckOptions& options = {});

/// The parameters of a layer as variables of the tape, in their order.
template <class T>
class TapeParametersOf {
  public:
    explicit TapeParametersOf(std::span<const Variable<T>> variables) : variables_(variables) {}
    [[nodiscard]] std::size_t size() const { return variables_.size(); }
    /// Throws Error where the layer has no such parameter.
    const Variable<T>& operator[](std::size_t i) const;

  private:
    std::span<const Variable<T>> variables_;
};
using TapeParameters = TapeParametersOf<double>;

/// A layer once more, in the tape's operations: y from x and from the layer's parameters. It must
/// not call the layer.
template <class T>
using TapeForwardOf =
    std::function<Variable<T>(const Variable<T>& x, const TapeParametersOf<T>& parameters)>;
using TapeForward = TapeForwardOf<double>;

/// Checks a layer alone: a row for the input x and one for each parameter. Backward runs twice, and
/// backward_parameters once, as gradients of parameters must add up. With `tape`, by autograd too;
/// then the outputs must agree as well, and a gradient that the tape has not found is a failure, as
/// is a parameter that the tape asks for and parameters() does not list: without the tape, nobody
/// misses that one. The parameters' gradients are overwritten, and running statistics move. Throws
/// Error where a gradient is missing or has another shape than what it belongs to, and where the
/// layer writes to x or to dy or gives another y for the same x. A loss is checked as a LossLayer
/// (check/loss_layer.h).
std::vector<GradientRow> check_layer(Layer<double>& layer, const Tensor<double>& x,
                                     const TapeForward& tape = {},
                                     const GradientCheckOptions& options = {});

bool all_pass(const std::vector<GradientRow>& rows);

/// The rows as a table, and for each that failed the worst element with both values.
std::string table(const std::vector<GradientRow>& rows);

}  // namespace handgrad
