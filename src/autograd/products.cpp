#include <string>

#include "autograd/node.h"
#include "autograd/operations.h"
#include "core/error.h"
#include "core/tensor_ops.h"

namespace handgrad {
namespace {

constexpr Trans flipped(Trans trans) {
    return trans == Trans::yes ? Trans::no : Trans::yes;
}

}  // namespace

// y = A B, with A = op(a) (M, K), B = op(b) (K, N), y (M, N)
//
// y[m,n] = sum_k A[m,k] B[k,n], hence with dy = dL/dy (M, N)
//   dL/dA[m,k] = sum_n dy[m,n] B[k,n]     dA = dy B'     (M, K)
//   dL/dB[k,n] = sum_m A[m,k] dy[m,n]     dB = A' dy     (K, N)
// and where a was transposed, da = dA' = B dy' (K, M); likewise db = dB' = dy' A (N, K).
template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, Trans trans_a, Trans trans_b) {
    const Shape &sa = a.shape(), &sb = b.shape();
    const bool ta = trans_a == Trans::yes, tb = trans_b == Trans::yes;
    if (sa.rank() != 2 || sb.rank() != 2 || sa[ta ? 0 : 1] != sb[tb ? 1 : 0])
        throw Error("matmul: the shapes do not fit",
                    "a " + sa.str() + (ta ? " transposed" : "") + ", b " + sb.str() +
                        (tb ? " transposed" : ""),
                    "a (M, K) and b (K, N) after transposition");
    return record("matmul", matmul(a.value(), b.value(), trans_a, trans_b), {a, b},
                  [=](Node<T>& y, const Variable<T>& dy) {
                      if (y.wants(0)) {
                          const Variable<T> bv = y.input(1);
                          y.give(0, ta ? matmul(bv, dy, trans_b, Trans::yes)
                                       : matmul(dy, bv, Trans::no, flipped(trans_b)));
                      }
                      if (y.wants(1)) {
                          const Variable<T> av = y.input(0);
                          y.give(1, tb ? matmul(dy, av, Trans::yes, trans_a)
                                       : matmul(av, dy, flipped(trans_a), Trans::no));
                      }
                  });
}

template Variable<float> matmul(const Variable<float>&, const Variable<float>&, Trans, Trans);
template Variable<double> matmul(const Variable<double>&, const Variable<double>&, Trans, Trans);

}  // namespace handgrad
