#include "init/init.h"

#include <cmath>

#include "core/error.h"

namespace handgrad::init {
namespace {

/// A uniform number in +-bound has the variance bound^2 / 3.
double bound_for(double variance) {
    return std::sqrt(3 * variance);
}

double xavier_variance(const Shape& weight) {
    const Fans fans = fans_of(weight);
    return 2.0 / static_cast<double>(fans.in + fans.out);
}

double he_variance(const Shape& weight) {
    return 2.0 / static_cast<double>(fans_of(weight).in);
}

}  // namespace

Fans fans_of(const Shape& weight) {
    if (weight.rank() < 2)
        throw Error("init: a weight has no fans", "shape " + weight.str(), "at least (out, in)",
                    "set a bias with fill() or Random::uniform");
    const Index kernel = weight[0] == 0 || weight[1] == 0 ? 0 : weight.row_size() / weight[1];
    return {weight[1] * kernel, weight[0] * kernel};
}

template <class T>
void linear_default(const Tensor<T>& weight, const Tensor<T>& bias, Random& random) {
    const double bound = 1 / std::sqrt(static_cast<double>(fans_of(weight.shape()).in));
    random.uniform(weight, -bound, bound);
    random.uniform(bias, -bound, bound);
}

template <class T>
void xavier_uniform(const Tensor<T>& weight, Random& random) {
    const double bound = bound_for(xavier_variance(weight.shape()));
    random.uniform(weight, -bound, bound);
}

template <class T>
void xavier_normal(const Tensor<T>& weight, Random& random) {
    random.normal(weight, 0, std::sqrt(xavier_variance(weight.shape())));
}

template <class T>
void he_uniform(const Tensor<T>& weight, Random& random) {
    const double bound = bound_for(he_variance(weight.shape()));
    random.uniform(weight, -bound, bound);
}

template <class T>
void he_normal(const Tensor<T>& weight, Random& random) {
    random.normal(weight, 0, std::sqrt(he_variance(weight.shape())));
}

#define HANDGRAD_INSTANTIATE(T)                                                \
    template void linear_default(const Tensor<T>&, const Tensor<T>&, Random&); \
    template void xavier_uniform(const Tensor<T>&, Random&);                   \
    template void xavier_normal(const Tensor<T>&, Random&);                    \
    template void he_uniform(const Tensor<T>&, Random&);                       \
    template void he_normal(const Tensor<T>&, Random&);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad::init
