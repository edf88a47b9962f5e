// Random numbers: the streams of PyTorch and numpy, bit for bit.
//
// Both libraries draw from the Mersenne twister MT19937, but turn its words into numbers each in
// their own way. handgrad repeats those ways for the calls that the course notebooks make, so that
// a lesson starts from the notebook's own weights, split and order of batches.
#pragma once

#include <optional>
#include <random>
#include <vector>

#include "core/tensor.h"

namespace handgrad {

/// torch.manual_seed(seed) and the calls on PyTorch's CPU generator that follow it.
class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(static_cast<std::uint32_t>(seed)) {}

    /// tensor.uniform_(low, high): numbers in [low, high).
    template <class T>
    void uniform(const Tensor<T>& x, double low, double high);
    /// tensor.normal_(mean, std), by the Box-Muller transform.
    template <class T>
    void normal(const Tensor<T>& x, double mean, double std);
    /// torch.randperm(n): the numbers 0 .. n-1 in random order, into `order`. n < 2^32.
    void permutation(std::vector<Index>& order, Index n);
    /// torch.empty((), dtype=torch.int64).random_(): what a DataLoader draws as its seeds.
    std::uint64_t int63();

  private:
    std::uint32_t bits32() { return static_cast<std::uint32_t>(engine_()); }
    std::uint64_t bits64();
    template <class T>
    T uniform01();

    std::mt19937 engine_;
    std::optional<double> spare_normal_;
};

/// numpy.random.seed(seed); numpy.random.permutation(n): the split of the notebooks, also
/// numpy.random.RandomState(seed).permutation(n), which scikit-learn's train_test_split uses.
std::vector<Index> numpy_permutation(std::uint32_t seed, Index n);

}  // namespace handgrad
