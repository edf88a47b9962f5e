// Rung 1: the same three loops in an order that memory likes.
//
// The definition ends every element before it begins the next. Its inner loop walks down a column
// of B, a new cache line at every step, and adds to a single sum, each addition waiting for the one
// before. With n innermost, the loop runs along a row of B and a row of C: every line that is
// fetched is used whole, and no step waits for another, so that the compiler can do many at once.
//
// What is left to be desired: each multiply-add loads two numbers and stores one.
#pragma once

#include "kernels/ladder/product.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void multiply_in_loop_order(const Product<T>& p) {
    scale_c(p);
    for (Index m = 0; m < p.M; ++m) {
        T* c = p.c(m, 0);
        for (Index k = 0; k < p.K; ++k) {
            const T a = p.alpha * *p.a(m, k);
            const T* b = p.b(k, 0);
            if (p.trans_b == Trans::no)
                for (Index n = 0; n < p.N; ++n) c[n] += a * b[n];
            else  // rows of op(B) are columns of B: no order of these loops suits both A and B
                for (Index n = 0; n < p.N; ++n) c[n] += a * b[n * p.ldb];
        }
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
