// The shape of a tensor: up to six sizes, held in place.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>

#include "kernels/backend.h"

namespace handgrad {

class Shape {
  public:
    static constexpr int max_rank = 6;

    /// Rank 0: one element, a scalar.
    Shape() = default;
    /// Shape{16, 784}. Throws Error on a negative size, on more than six sizes, and where the
    /// number of elements exceeds 2^62.
    Shape(std::initializer_list<Index> dims);
    /// The same, for sizes that were counted or read from a file.
    explicit Shape(std::span<const Index> dims);

    [[nodiscard]] int rank() const { return rank_; }
    /// Size along an axis; a negative axis counts from the end, -1 being the last. Throws Error.
    [[nodiscard]] Index operator[](int axis) const;
    /// Number of elements: the product of all sizes, 1 for rank 0.
    [[nodiscard]] Index size() const;
    /// Elements in one step along the first axis: the product of the other sizes. 1 for rank 0.
    [[nodiscard]] Index row_size() const;
    /// The same shape with another first size. Throws Error on rank 0.
    [[nodiscard]] Shape with_rows(Index rows) const;

    /// "(16, 784)"; rank 0 is "()", rank 1 "(128)".
    [[nodiscard]] std::string str() const;

    bool operator==(const Shape&) const = default;

  private:
    void append(Index dim);

    std::array<Index, max_rank> dims_{};  // zero beyond rank_, so that == can compare all
    int rank_ = 0;
};

}  // namespace handgrad
