// An array of numbers with a shape, on a device.
#pragma once

#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/shape.h"

namespace handgrad {

/// Contiguous and row-major: element (i, j) of a (N, M) tensor stands at data()[i * M + j].
///
/// A Tensor is a handle. Copying one, reshaping it and taking rows of it share the memory, so a
/// write through one is seen by all; clone() makes a tensor of its own. T is float, double, or an
/// integer type for labels (std::int32_t) and row numbers (Index).
template <class T>
class Tensor {
  public:
    /// No tensor: defined() is false, and nothing else may be asked of it.
    Tensor() = default;

    /// Memory that is not set to anything: for outputs that a kernel is about to write.
    /// (In sanitized builds it is filled with NaN, to show reads that come too early.)
    static Tensor empty(Shape shape, Device device = Device::cpu);
    static Tensor zeros(Shape shape, Device device = Device::cpu);
    static Tensor full(Shape shape, T value, Device device = Device::cpu);
    /// Takes the elements in row-major order. Throws Error unless there are shape.size() of them.
    static Tensor from(Shape shape, std::span<const T> values, Device device = Device::cpu);
    static Tensor from(Shape shape, std::initializer_list<T> values, Device device = Device::cpu) {
        return from(shape, std::span<const T>(values.begin(), values.size()), device);
    }

    [[nodiscard]] bool defined() const { return storage_ != nullptr; }
    [[nodiscard]] const Shape& shape() const { return shape_; }
    [[nodiscard]] int rank() const { return shape_.rank(); }
    /// Size along an axis; -1 is the last one.
    [[nodiscard]] Index dim(int axis) const { return shape_[axis]; }
    [[nodiscard]] Index size() const { return shape_.size(); }
    [[nodiscard]] Device device() const { return device_; }
    /// Does another tensor hold this one's memory?
    [[nodiscard]] bool shared() const { return storage_.use_count() > 1; }

    /// For kernels. A pointer into the device's memory; a const Tensor still gives a writable one,
    /// since the handle is const, not the numbers.
    [[nodiscard]] T* data() const { return data_; }
    /// All elements, on the CPU. Throws Error for a tensor elsewhere.
    [[nodiscard]] std::span<T> span() const;
    /// A copy of all elements, from any device.
    [[nodiscard]] std::vector<T> values() const;
    /// The value of a tensor with one element, from any device. Throws Error otherwise.
    [[nodiscard]] T item() const;

    /// x(i, j): one element, by as many indices as the rank, on the CPU. Checked; throws Error.
    /// For tests and lessons; kernels take data().
    template <class... Indices>
    T& operator()(Indices... indices) const {
        return at({static_cast<Index>(indices)...});
    }
    [[nodiscard]] T& at(std::initializer_list<Index> indices) const;

    /// The same elements in another shape of equal size; shares memory. Throws Error.
    [[nodiscard]] Tensor reshape(Shape shape) const;
    /// Rows [begin, end) along the first axis; shares memory. Throws Error.
    [[nodiscard]] Tensor rows(Index begin, Index end) const;
    /// A copy with memory of its own.
    [[nodiscard]] Tensor clone() const;
    /// This tensor if it is on `device` already, else a copy there.
    [[nodiscard]] Tensor to(Device device) const;
    /// A copy with every element converted, as by static_cast. On the CPU.
    template <class U>
    [[nodiscard]] Tensor<U> cast() const;

    /// How often the memory was written to by fill, copy_from, +=, -=, matmul, Random or an
    /// optimiser's step, through any handle that shares it. The tape remembers it, and refuses to
    /// go back over numbers that have changed. Nothing sees a write through data(), span(), () or
    /// a replayed DeviceGraph: whoever makes one while the tape waits says so with bump_version().
    [[nodiscard]] std::uint64_t version() const {
        return storage_->version.load(std::memory_order_relaxed);
    }
    void bump_version() const {
        // Two threads that bump at once may count as one, which is still another number.
        storage_->version.store(version() + 1, std::memory_order_relaxed);
    }

    void fill(T value) const;
    /// Copies the elements of `source`, from any device. Throws Error unless the shapes are equal.
    void copy_from(const Tensor& source) const;

    /// Shape and elements, the middle of long axes left out, for a person to read.
    [[nodiscard]] std::string str() const;

  private:
    std::shared_ptr<Storage> storage_;
    T* data_ = nullptr;
    Shape shape_;
    Device device_ = Device::cpu;
};

template <class T>
std::ostream& operator<<(std::ostream& out, const Tensor<T>& x);

/// Class numbers 0 .. C-1, one for each sample.
using Labels = Tensor<std::int32_t>;

/// y = alpha op(a) op(b) + beta y: the matrix product, with its sizes taken from the shapes.
/// op(a) (M, K), op(b) (K, N), y (M, N), all of rank 2. beta = 0 never reads y. y must not overlap
/// a or b. Throws Error, naming all three shapes, where they do not fit.
struct MatmulOptions {
    Trans trans_a = Trans::no;
    Trans trans_b = Trans::no;
    double alpha = 1;
    double beta = 0;
};
template <class T>
void matmul(const Tensor<T>& y, const Tensor<T>& a, const Tensor<T>& b,
            const MatmulOptions& options = {});

}  // namespace handgrad
