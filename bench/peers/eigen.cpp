// Eigen, compiled for the processor at hand, as its users do. It follows OpenMP's number of
// threads.
#include <Eigen/Dense>

#include "peer.h"

extern "C" void peer_eigen(bool trans_a, bool trans_b, long M, long N, long K, const float* A,
                           const float* B, float* C) {
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using In = Eigen::Map<const Matrix>;
    Eigen::Map<Matrix> c(C, M, N);
    const In a(A, trans_a ? K : M, trans_a ? M : K), b(B, trans_b ? N : K, trans_b ? K : N);
    if (trans_a && trans_b)
        c.noalias() = a.transpose() * b.transpose();
    else if (trans_a)
        c.noalias() = a.transpose() * b;
    else if (trans_b)
        c.noalias() = a * b.transpose();
    else
        c.noalias() = a * b;
}
