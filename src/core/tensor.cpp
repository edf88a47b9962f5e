#include "core/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ostream>
#include <sstream>
#include <type_traits>

#include "core/error.h"

namespace handgrad {
namespace {

std::string indices_str(std::initializer_list<Index> indices) {
    std::string text = "(";
    for (const Index i : indices) {
        if (text.size() > 1) text += ", ";
        text += std::to_string(i);
    }
    return text + ")";
}

std::size_t bytes_of(Index elements, std::size_t element_size) {
    return static_cast<std::size_t>(elements) * element_size;
}

}  // namespace

template <class T>
Tensor<T> Tensor<T>::empty(Shape shape, Device device) {
    Tensor x;
    x.storage_ = allocate(device, bytes_of(shape.size(), sizeof(T)));
    x.data_ = static_cast<T*>(x.storage_->data);
    x.shape_ = shape;
    x.device_ = device;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    if (device == Device::cpu) std::memset(x.data_, 0xff, bytes_of(shape.size(), sizeof(T)));
#endif
    return x;
}

template <class T>
Tensor<T> Tensor<T>::zeros(Shape shape, Device device) {
    return full(shape, T{0}, device);
}

template <class T>
Tensor<T> Tensor<T>::full(Shape shape, T value, Device device) {
    Tensor x = empty(shape, device);
    x.fill(value);
    return x;
}

template <class T>
Tensor<T> Tensor<T>::from(Shape shape, std::span<const T> values, Device device) {
    if (static_cast<Index>(values.size()) != shape.size())
        throw Error("Tensor.from: the number of values does not fit",
                    std::to_string(values.size()) + " values for shape " + shape.str(),
                    std::to_string(shape.size()) + " values");
    Tensor x = empty(shape);
    std::copy(values.begin(), values.end(), x.data_);
    return x.to(device);
}

template <class T>
std::span<T> Tensor<T>::span() const {
    if (device_ != Device::cpu)
        throw Error("Tensor.span", "a tensor on " + std::string(name_of(device_)),
                    "a tensor on the CPU", "use values(), or to(Device::cpu) first");
    return {data_, static_cast<std::size_t>(size())};
}

template <class T>
std::vector<T> Tensor<T>::values() const {
    const Tensor host = to(Device::cpu);
    return {host.data_, host.data_ + size()};
}

template <class T>
T Tensor<T>::item() const {
    if (!defined() || size() != 1)
        throw Error("Tensor.item",
                    defined() ? "a tensor of shape " + shape_.str() : "an undefined tensor",
                    "a tensor with exactly one element");
    return *to(Device::cpu).data_;
}

template <class T>
T& Tensor<T>::at(std::initializer_list<Index> indices) const {
    const auto fail = [&](std::string_view needs) {
        throw Error("Tensor(): no such element",
                    "indices " + indices_str(indices) + " into shape " + shape_.str(), needs);
    };
    if (!defined() || device_ != Device::cpu) fail("a tensor on the CPU");
    if (static_cast<int>(indices.size()) != rank()) fail("one index for each axis");
    Index offset = 0;
    int axis = 0;
    for (const Index i : indices) {
        const Index size = shape_[axis++];
        if (i < 0 || i >= size) fail("each index from 0 to its size - 1");
        offset = offset * size + i;
    }
    return data_[offset];
}

template <class T>
Tensor<T> Tensor<T>::reshape(Shape shape) const {
    if (shape.size() != size())
        throw Error("Tensor.reshape: the number of elements differs",
                    shape_.str() + " with " + std::to_string(size()) + " elements, to " +
                        shape.str() + " with " + std::to_string(shape.size()),
                    "equal numbers of elements");
    Tensor x = *this;
    x.shape_ = shape;
    return x;
}

template <class T>
Tensor<T> Tensor<T>::rows(Index begin, Index end) const {
    if (rank() == 0 || begin < 0 || begin > end || end > shape_[0])
        throw Error("Tensor.rows: no such rows",
                    "rows " + std::to_string(begin) + " to " + std::to_string(end) + " of shape " +
                        shape_.str(),
                    "0 <= begin <= end <= number of rows");
    Tensor x = *this;
    x.data_ = data_ + begin * shape_.row_size();
    x.shape_ = shape_.with_rows(end - begin);
    return x;
}

template <class T>
Tensor<T> Tensor<T>::clone() const {
    if (!defined()) return {};
    Tensor x = empty(shape_, device_);
    x.copy_from(*this);
    return x;
}

template <class T>
Tensor<T> Tensor<T>::to(Device device) const {
    if (device == device_ || !defined()) return *this;
    Tensor x = empty(shape_, device);
    x.copy_from(*this);
    return x;
}

template <class T>
template <class U>
Tensor<U> Tensor<T>::cast() const {
    const std::span<T> from = span();
    Tensor<U> x = Tensor<U>::empty(shape_);
    std::transform(from.begin(), from.end(), x.data(), [](T v) { return static_cast<U>(v); });
    return x;
}

template <class T>
void Tensor<T>::fill(T value) const {
    if constexpr (std::is_floating_point_v<T>) {
        backend<T>(device_).fill(data_, value, size());
        bump_version();
    } else {
        const Tensor host = device_ == Device::cpu ? *this : empty(shape_);
        std::fill(host.data_, host.data_ + size(), value);
        if (device_ == Device::cpu)
            bump_version();
        else
            copy_from(host);
    }
}

template <class T>
void Tensor<T>::copy_from(const Tensor& source) const {
    if (shape_ != source.shape_)
        throw Error("Tensor.copy_from: the shapes differ",
                    source.shape_.str() + " into " + shape_.str(), "equal shapes");
    copy_bytes(data_, device_, source.data_, source.device_, bytes_of(size(), sizeof(T)));
    bump_version();
}

namespace {

/// Prints one axis of x between brackets, the middle left out when it is long.
template <class T>
void print_axis(std::ostream& out, const Tensor<T>& x, int axis, Index offset, int width) {
    constexpr Index edge = 3;  // entries shown at either end of a long axis
    if (axis == x.rank()) {
        out.width(width);
        out << +x.data()[offset];
        return;
    }
    Index stride = 1;
    for (int later = axis + 1; later < x.rank(); ++later) stride *= x.dim(later);
    const Index n = x.dim(axis);
    const bool innermost = axis + 1 == x.rank();
    const std::string separator =
        innermost ? ", " : ",\n" + std::string(static_cast<std::size_t>(axis) + 1, ' ');
    out << '[';
    for (Index i = 0; i < n; ++i) {
        if (i > 0) out << separator;
        if (n > 2 * edge + 1 && i == edge) {
            out << "...";
            i = n - edge - 1;
            continue;
        }
        print_axis(out, x, axis + 1, offset + i * stride, width);
    }
    out << ']';
}

}  // namespace

template <class T>
std::string Tensor<T>::str() const {
    if (!defined()) return "undefined tensor";
    std::ostringstream out;
    out.precision(4);
    out << "Tensor " << shape_.str();
    if (device_ != Device::cpu) out << " on " << name_of(device_);
    out << (rank() > 1 ? "\n" : " ");
    print_axis(out, to(Device::cpu), 0, 0, rank() > 1 ? 9 : 0);
    return out.str();
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Tensor<T>& x) {
    return out << x.str();
}

namespace {

template <class T>
void require_same_device(const Tensor<T>& a, const Tensor<T>& b) {
    if (!a.defined() || !b.defined())
        throw Error("matmul", "an undefined tensor", "tensors with memory",
                    "make it with Tensor::zeros, empty or from");
    if (a.device() != b.device())
        throw Error("matmul",
                    "tensors on " + std::string(name_of(a.device())) + " and " +
                        std::string(name_of(b.device())),
                    "both on one device", "move one with to()");
}

}  // namespace

template <class T>
void matmul(const Tensor<T>& y, const Tensor<T>& a, const Tensor<T>& b,
            const MatmulOptions& options) {
    require_same_device(a, b);
    require_same_device(a, y);
    const bool ta = options.trans_a == Trans::yes;
    const bool tb = options.trans_b == Trans::yes;
    const bool fits = a.rank() == 2 && b.rank() == 2 && y.rank() == 2 &&
                      a.dim(ta ? 0 : 1) == b.dim(tb ? 1 : 0) && y.dim(0) == a.dim(ta ? 1 : 0) &&
                      y.dim(1) == b.dim(tb ? 0 : 1);
    if (!fits)
        throw Error("matmul: the shapes do not fit",
                    "a " + a.shape().str() + (ta ? " transposed" : "") + ", b " + b.shape().str() +
                        (tb ? " transposed" : "") + ", y " + y.shape().str(),
                    "a (M, K), b (K, N), y (M, N) after transposition");
    const Index m = y.dim(0), n = y.dim(1), k = a.dim(ta ? 0 : 1);
    backend<T>(y.device())
        .gemm(options.trans_a, options.trans_b, m, n, k, static_cast<T>(options.alpha), a.data(),
              a.dim(1), b.data(), b.dim(1), static_cast<T>(options.beta), y.data(), n);
    y.bump_version();
}

#define HANDGRAD_INSTANTIATE(T) \
    template class Tensor<T>;   \
    template std::ostream& operator<<(std::ostream&, const Tensor<T>&);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
HANDGRAD_INSTANTIATE(std::int32_t)
HANDGRAD_INSTANTIATE(Index)
#undef HANDGRAD_INSTANTIATE

template Tensor<float> Tensor<float>::cast() const;
template Tensor<double> Tensor<float>::cast() const;
template Tensor<float> Tensor<double>::cast() const;
template Tensor<float> Tensor<std::int32_t>::cast() const;
template Tensor<double> Tensor<std::int32_t>::cast() const;
template void matmul(const Tensor<float>&, const Tensor<float>&, const Tensor<float>&,
                     const MatmulOptions&);
template void matmul(const Tensor<double>&, const Tensor<double>&, const Tensor<double>&,
                     const MatmulOptions&);

}  // namespace handgrad
