// Rung 8: what comes after the product is done while the tile is in registers.
//
// A layer adds its bias to every row, and often applies max(., 0). As passes of their own these
// read and write C again, with one operation for each element; a product of K = 10 has twenty. So
// rung 5's micro-kernel and the other ways of rung 7 do both before they store their results.
//
// Backward, the bias' gradient sums the columns of dy, which is the A' of the weights' gradient dy'
// x. Each thread sums those that it is about to multiply, and so brings them to its cache.
//
// This rung is what CpuBackend runs, for products with an epilogue and without.
#pragma once

#include "kernels/cpu/rows.h"
#include "kernels/ladder/7_small_and_skinny.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// C += bias in every row, then C = max(C, 0); NaN stays NaN.
template <class T>
struct Epilogue {
    const T* bias = nullptr;  // (N), or null
    bool relu = false;
    T* row_sums = nullptr;  // (M), or null: += the sums of op(A)'s rows. A (K, M) has no gaps then
};

/// Do the threads that share out a product sum op(A)'s rows, too? Not where sum_rows would cut the
/// sums in parts, and not where the product is not shared out by its rows.
template <class T>
bool sums_beside_product(const Epilogue<T>& epilogue, const Product<T>& p) {
    return epilogue.row_sums != nullptr && parts_of_sum(p.M * p.K) == 1 && p.N > 0 && !is_long(p);
}

/// What one of them does, in sum_rows' order.
template <class T>
void add_row_sums(T* row_sums, const Product<T>& p, Range rows) {
    if (p.M > few_cols)
        sum_some_columns(row_sums, p.A, p.K, p.M, rows.begin, rows.end);
    else if (rows.begin == 0)
        sum_part_of_rows(row_sums, p.A, p.K, p.M);
}

/// Where nothing is multiplied, or pieces of k are added up first.
template <class T>
void apply(const Epilogue<T>& epilogue, const Product<T>& p) {
    for (Index m = 0; m < p.M; ++m)
        for (Index n = 0; n < p.N; ++n) {
            T& c = *p.c(m, n);
            if (epilogue.bias != nullptr) c += epilogue.bias[n];
            if (epilogue.relu) c = c < 0 ? 0 : c;
        }
}

/// C = alpha op(A) op(B) + beta C, then the epilogue.
template <class T>
void multiply_fused(const Product<T>& product, const Epilogue<T>& epilogue = {}) {
    // Asked once, for what a thread is worth may change in between.
    const bool nothing = trivial(product), small = !nothing && is_small(product);
    const bool sum_beside = !nothing && !small && sums_beside_product(epilogue, product);
    if (epilogue.row_sums != nullptr && !sum_beside)
        sum_rows(epilogue.row_sums, product.A, product.K, product.M);
    if (nothing) return apply(epilogue, product);
    if (small) return multiply_small(product, epilogue.bias, epilogue.relu);
    const Product<T> p = column_as_row(product);
    if (is_long(p)) {
        multiply_by_pieces_of_k(p);
        return apply(epilogue, p);
    }
    const Plan plan = choose_plan(p);
    share_out(
        p, [&](const Product<T>& whole, int threads) { return choose_grid(whole, plan, threads); },
        [&](const Product<T>& part, Range rows, Range columns) {
            if (sum_beside && columns.begin == 0) add_row_sums(epilogue.row_sums, p, rows);
            multiply_part(part, plan, p, columns.begin, bias_from(epilogue.bias, columns.begin),
                          epilogue.relu);
        });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
