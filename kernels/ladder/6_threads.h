// Rung 6: threads share out C.
//
// Each makes a rectangle of C as a product of its own, with its own packed panels; none waits for
// another, and no element of C is summed by two. So the bits do not depend on how many threads
// there are, as long as the whole product decides how sums are cut. kernels/cpu/parallel says how
// many threads a product is worth: a small one gets none, since starting them costs what it would
// cost itself.
//
// What is left to be desired: copying pays by reuse, and the products of training have little.
#pragma once

#include <limits>

#include "kernels/cpu/parallel.h"
#include "kernels/ladder/5_simd_microkernel.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The product that makes rows and columns [begin, end) of C.
template <class T>
Product<T> part_of(const Product<T>& p, Range rows, Range columns) {
    Product<T> part = p;
    part.M = rows.end - rows.begin;
    part.N = columns.end - columns.begin;
    part.A = p.a(rows.begin, 0);
    part.B = p.b(0, columns.begin);
    part.C = p.c(rows.begin, columns.begin);
    return part;
}

/// Threads as a grid over C, which is cut between so many rows, and between cache lines.
struct Grid {
    int rows, columns;
    Index row_grain = 2;
};

/// The largest part of `total`, cut into so many of whole grains.
inline Index largest_share(Index total, int parts, Index grain) {
    const Index grains = (total + grain - 1) / grain;
    return smaller(total, (grains + parts - 1) / parts * grain);
}

/// The grid whose largest part is done first: of m x n, it multiplies m n K times and reads (m + n)
/// K numbers, each in the time of some eight multiply-adds.
template <class T>
Grid best_grid(const Product<T>& p, int threads) {
    Grid best{1, threads};
    Index least = std::numeric_limits<Index>::max();
    for (int rows = 1; rows <= threads; ++rows) {
        if (threads % rows != 0) continue;
        const Grid grid{rows, threads / rows};
        const Index m = largest_share(p.M, grid.rows, grid.row_grain);
        const Index n = largest_share(p.N, grid.columns, line<T>);
        const Index time = m * n + 8 * (m + n);
        if (time < least) {
            least = time;
            best = grid;
        }
    }
    return best;
}

/// Operands that fit in L2 are taken to be there, as in a training step: they cost no time of their
/// own.
template <class T>
Cost cost_of(const Product<T>& p) {
    const Index bytes = p.elements() * Index{sizeof(T)};
    return {.flops = 2 * p.M * p.N * p.K, .bytes = bytes > caches().l2 ? bytes : 0};
}

/// Calls multiply(part, rows, columns) on as many threads as pay: a part of the product, and which
/// rows and columns of C it makes. choose_grid(p, threads) lays the parts out.
template <class T, class ChooseGrid, class Multiply>
void share_out(const Product<T>& p, ChooseGrid choose_grid, Multiply multiply) {
    parallel(threads_for(cost_of(p)), [&](int thread, int threads) {
        const Grid grid = choose_grid(p, threads);
        const Range rows = share_of(p.M, thread / grid.columns, grid.rows, grid.row_grain);
        const Range columns = share_of(p.N, thread % grid.columns, grid.columns, line<T>);
        // There may be fewer tiles than threads.
        if (rows.begin < rows.end && columns.begin < columns.end)
            multiply(part_of(p, rows, columns), rows, columns);
    });
}

template <class T>
void multiply_by_threads(const Product<T>& p) {
    share_out(p, best_grid<T>,
              [](const Product<T>& part, Range, Range) { multiply_all_packed(part); });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
