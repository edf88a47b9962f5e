#include "core/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <type_traits>
#include <utility>

// PyTorch's kernels are compiled with fused multiply-add, so every a b + c that shifts and scales a
// number rounds once. std::fma says so here.

namespace handgrad {

std::uint64_t Random::bits64() {
    const std::uint64_t high = bits32();
    return high << 32 | bits32();
}

std::uint64_t Random::int63() {
    return bits64() & ~(std::uint64_t{1} << 63);
}

// A uniform number is as many random bits as the mantissa holds: 24 of 32, or 53 of 64.
template <class T>
T Random::uniform01() {
    if constexpr (std::is_same_v<T, float>)
        return static_cast<float>(bits32() & 0xffffff) * 0x1p-24F;
    else
        return static_cast<double>(bits64() & 0x1fffffffffffff) * 0x1p-53;
}

template <class T>
void Random::uniform(const Tensor<T>& x, double low, double high) {
    const T from = static_cast<T>(low);
    const T range = static_cast<T>(high) - from;
    Tensor<T> host = x.device() == Device::cpu ? x : Tensor<T>::empty(x.shape());
    for (T& value : host.span()) value = std::fma(uniform01<T>(), range, from);
    if (x.device() == Device::cpu)
        x.bump_version();
    else
        x.copy_from(host);
}

template <class T>
void Random::normal(const Tensor<T>& x, double mean, double std) {
    // Box-Muller: with u1, u2 uniform, sqrt(-2 ln(1 - u1)) times cos and sin of 2 pi u2 are two
    // independent normals. PyTorch pairs number j with number j + 8 of every sixteen, and draws
    // the last sixteen again where the size is no multiple; fewer than sixteen are drawn one by
    // one in double precision, the spare of each pair kept for the next call.
    Tensor<T> host = x.device() == Device::cpu ? x : Tensor<T>::empty(x.shape());
    const std::span<T> values = host.span();
    const std::size_t n = values.size();
    if (n < 16) {
        for (T& value : values) {
            double z = 0;
            if (spare_normal_) {
                z = *std::exchange(spare_normal_, std::nullopt);
            } else {
                const double angle = 2 * std::numbers::pi * uniform01<double>();
                const double radius = std::sqrt(-2 * std::log1p(-uniform01<double>()));
                z = radius * std::cos(angle);
                spare_normal_ = radius * std::sin(angle);
            }
            value = static_cast<T>(std::fma(z, std, mean));
        }
    } else {
        const T scale = static_cast<T>(std), shift = static_cast<T>(mean);
        const auto box_muller = [&](T* sixteen) {
            for (int j = 0; j < 8; ++j) {
                const T radius = std::sqrt(T{-2} * std::log(T{1} - sixteen[j]));
                const T angle = T{2} * std::numbers::pi_v<T> * sixteen[j + 8];
                sixteen[j] = std::fma(radius * std::cos(angle), scale, shift);
                sixteen[j + 8] = std::fma(radius * std::sin(angle), scale, shift);
            }
        };
        for (T& value : values) value = uniform01<T>();
        for (std::size_t i = 0; i + 16 <= n; i += 16) box_muller(&values[i]);
        if (n % 16 != 0) {
            for (std::size_t i = n - 16; i < n; ++i) values[i] = uniform01<T>();
            box_muller(&values[n - 16]);
        }
    }
    if (x.device() == Device::cpu)
        x.bump_version();
    else
        x.copy_from(host);
}

void Random::permutation(std::vector<Index>& order, Index n) {
    order.resize(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), Index{0});
    for (std::size_t i = 0; i + 1 < order.size(); ++i)
        std::swap(order[i], order[i + bits32() % (order.size() - i)]);
}

std::vector<Index> numpy_permutation(std::uint32_t seed, Index n) {
    std::mt19937 engine(seed);
    std::vector<Index> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), Index{0});
    // From the last place down, each is swapped with one at or below it. The lower place is drawn
    // by masking a word to the bits it needs and drawing again while it is too large.
    for (std::size_t i = order.size(); i-- > 1;) {
        std::uint64_t mask = i;
        for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
        std::uint64_t j = 0;
        do j = engine() & mask;
        while (j > i);
        std::swap(order[i], order[j]);
    }
    return order;
}

template void Random::uniform(const Tensor<float>&, double, double);
template void Random::uniform(const Tensor<double>&, double, double);
template void Random::normal(const Tensor<float>&, double, double);
template void Random::normal(const Tensor<double>&, double, double);

}  // namespace handgrad
