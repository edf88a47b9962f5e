// Convolution as products: the windows of an image are unfolded into the columns of a matrix.
//
// For one sample and one group, with K = (in_channels / groups) kernel_h kernel_w and P windows,
//   columns (K, P): column p holds window p, in the order (channel, kernel_h, kernel_w)
//   y (O, P)   = weight (O, K) columns (K, P) + bias
//   dweight   += dy (O, P) columns'                  (O, K)
//   dcolumns   = weight' dy                          (K, P)   folded: each element added to its x
//
// The whole matrix is never made: a piece of some columns is unfolded into scratch memory of the
// thread, small enough to stay in its L2 cache, and multiplied there. A piece is a part of one
// sample's columns, or all columns of several samples where one sample has too few to fill the
// product's tiles. Which pieces there are depends on the sizes alone, and so do the sums.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vectors.h"
#include "kernels/cpu/windows.h"

namespace handgrad::cpu::HANDGRAD_ISA {

// ---- rows of an image ---------------------------------------------------------------------------

/// to[i] = from[i stride], i < n
template <class T>
[[gnu::always_inline]] inline void copy_from_strided(T* to, const T* from, Index n, Index stride) {
    if (stride == 1) {
        constexpr int L = lanes<T>;
        for (; n >= L; n -= L, to += L, from += L) store(to, load(from));
        const FirstLanes<T> last(n);
        last.store(to, last.load(from));
    } else if (stride == 2) {
        for (Index i = 0; i < n; ++i) to[i] = from[i * 2];
    } else {
        for (Index i = 0; i < n; ++i) to[i] = from[i * stride];
    }
}

/// to[i stride] += from[i], i < n
template <class T>
[[gnu::always_inline]] inline void add_to_strided(T* to, const T* from, Index n, Index stride) {
    if (stride == 1) {
        constexpr int L = lanes<T>;
        for (; n >= L; n -= L, to += L, from += L) store(to, load(to) + load(from));
        const FirstLanes<T> last(n);
        last.store(to, last.load(to) + last.load(from));
    } else {
        for (Index i = 0; i < n; ++i) to[i * stride] += from[i];
    }
}

// ---- unfolding ----------------------------------------------------------------------------------

/// A convolution with the sizes that follow from Conv2dSizes.
struct Convolution {
    explicit Convolution(const Conv2dSizes& sizes)
        : n(sizes.n),
          groups(sizes.groups),
          channels(sizes.in_channels / sizes.groups),
          O(sizes.out_channels / sizes.groups),
          kernel(sizes.windows.h.kernel * sizes.windows.w.kernel),
          K(channels * kernel),
          P(sizes.windows.h.out * sizes.windows.w.out),
          pixels(sizes.windows.h.in * sizes.windows.w.in),
          windows(sizes.windows) {}

    Index n, groups;
    Index channels, O;  // of one group: channels in and out
    Index kernel;       // elements of a window in one channel
    Index K, P;
    Index pixels;  // of one channel
    Windows windows;

    /// Are the columns the image itself?
    [[nodiscard]] bool pointwise() const {
        const auto plain = [](const WindowAxis& axis) {
            return axis.kernel == 1 && axis.stride == 1 && axis.padding == 0;
        };
        return plain(windows.h) && plain(windows.w);
    }
    /// Where x, y and the weight of a sample and group start.
    [[nodiscard]] Index x_at(Index sample, Index group) const {
        return (sample * groups + group) * channels * pixels;
    }
    [[nodiscard]] Index y_at(Index sample, Index group) const {
        return (sample * groups + group) * O * P;
    }
    [[nodiscard]] Index weight_at(Index group) const { return group * O * K; }

    /// Of one product: moving an element of the columns takes as long as some ten operations.
    [[nodiscard]] Cost cost() const {
        return {.flops = (2 * O + 10) * n * groups * K * P, .bytes = 0};
    }
};

/// Walks through rows and columns of one sample's and group's matrix of columns, by runs: parts of
/// a row whose windows stand in one row of the image. Calls run(row, column, before, inside, after,
/// pixel): the place of the run, counted from the ranges' begins, how many of its elements are
/// padding, image and padding again, and where in x the first of the image is.
template <class Run>
[[gnu::always_inline]] inline void each_run(const Convolution& v, Range rows, Range columns,
                                            Run&& run) {
    const WindowAxis &h = v.windows.h, &w = v.windows.w;
    for (Index row = rows.begin; row < rows.end; ++row) {
        const Index channel = row / v.kernel, kh = row / w.kernel % h.kernel, kw = row % w.kernel;
        const Range inside = windows_inside(w, kw);
        Index i = columns.begin / w.out, j = columns.begin % w.out;
        for (Index column = columns.begin; column < columns.end;) {
            const Index end = smaller(w.out, j + columns.end - column);
            const Index y = element_of(h, i, kh);
            Index first = smaller(larger(inside.begin, j), end);
            const Index last = larger(smaller(inside.end, end), first);
            Index count = last - first;
            if (!contains(h, y)) first = end, count = 0;
            run(row - rows.begin, column - columns.begin, first - j, count, end - first - count,
                channel * v.pixels + y * w.in + element_of(w, first, kw));
            column += end - j;
            j = 0;
            ++i;
        }
    }
}

/// Writes rows and columns of the matrix of columns of x (channels, h, w).
template <class T>
void unfold(T* to, Index ld, const T* x, const Convolution& v, Range rows, Range columns) {
    const Index stride = v.windows.w.stride;
    each_run(v, rows, columns,
             [=](Index row, Index column, Index before, Index inside, Index after, Index pixel) {
                 T* run = to + row * ld + column;
                 for (Index i = 0; i < before; ++i) run[i] = 0;
                 copy_from_strided(run + before, x + pixel, inside, stride);
                 for (Index i = 0; i < after; ++i) run[before + inside + i] = 0;
             });
}

/// The way back: adds each element of the columns to that of dx from which unfold takes it.
template <class T>
void fold_and_add(T* dx, const T* from, Index ld, const Convolution& v, Range columns) {
    const Index stride = v.windows.w.stride;
    each_run(v, {0, v.K}, columns,
             [=](Index row, Index column, Index before, Index inside, Index, Index pixel) {
                 add_to_strided(dx + pixel, from + row * ld + column + before, inside, stride);
             });
}

// ---- pieces -------------------------------------------------------------------------------------

/// Some columns of some samples: a part of one sample's, or all of several samples'.
struct Piece {
    Index sample = 0, samples = 1;
    Range columns{0, 0};
    [[nodiscard]] Index width() const { return samples * (columns.end - columns.begin); }
};

/// The pieces of a convolution, when `rows` rows of the columns are unfolded at a time.
struct Pieces {
    Index samples, columns;  // of a piece; the last ones may have fewer
    Index of_batch, of_sample;

    template <class T>
    static Pieces make(const Convolution& v, Index rows) {
        // 256 KB leave room in L2 for the weight and y. Fewer than 192 columns would read the
        // weight too often, more than 768 gain nothing and leave too few pieces to share out.
        constexpr Index bytes = Index{256} * 1024, least = 192, most = 768;
        const Index fitting = bytes / Index{sizeof(T)} / larger(rows, 1);
        const Index width = larger(least, smaller(most, fitting));
        Pieces p{1, v.P, v.n, 1};
        if (v.P < least / 2 && v.n > 1) {
            p.samples = smaller(larger(width / larger(v.P, 1), 1), v.n);
            p.of_batch = (v.n + p.samples - 1) / p.samples;
        } else {
            constexpr Index tile = 48;  // columns of a whole tile of the product, or a multiple
            const Index count = (v.P + width - 1) / width;
            p.columns = ((v.P + count - 1) / count + tile - 1) / tile * tile;
            p.of_sample = (v.P + p.columns - 1) / p.columns;
        }
        return p;
    }

    /// Piece i of of_batch * of_sample: those of one sample stand together.
    [[nodiscard]] Piece at(const Convolution& v, Index i) const {
        const Index sample = i / of_sample * samples, column = i % of_sample * columns;
        return {sample, smaller(samples, v.n - sample), {column, smaller(v.P, column + columns)}};
    }
};

template <class T>
T* conv_scratch(Scratch use, Index count) {
    return static_cast<T*>(scratch(use, static_cast<std::size_t>(count) * sizeof(T)));
}

/// A matrix in memory, its rows ld apart.
template <class T>
struct Matrix {
    T* at;
    Index ld;
};

/// Rows of a piece's columns: unfolded, or where they lie in x.
template <class T>
Matrix<const T> columns_of(const T* x, const Convolution& v, const Piece& piece, Index group,
                           Range rows) {
    if (v.pointwise() && piece.samples == 1) {
        const Index offset = rows.begin * v.P + piece.columns.begin;
        return {x + v.x_at(piece.sample, group) + offset, v.P};
    }
    const Index width = piece.width();
    T* columns = conv_scratch<T>(Scratch::columns, (rows.end - rows.begin) * width);
    for (Index s = 0; s < piece.samples; ++s)
        unfold(columns + s * v.P, width, x + v.x_at(piece.sample + s, group), v, rows,
               piece.columns);
    return {columns, width};
}

/// A piece's columns of dy: where they lie, or gathered from several samples.
template <class T>
Matrix<const T> gradients_of(const T* dy, const Convolution& v, const Piece& piece, Index group) {
    if (piece.samples == 1) return {dy + v.y_at(piece.sample, group) + piece.columns.begin, v.P};
    const Index width = piece.width();
    T* gathered = conv_scratch<T>(Scratch::gathered, v.O * width);
    for (Index s = 0; s < piece.samples; ++s)
        for (Index o = 0; o < v.O; ++o)
            copy_from_strided(gathered + o * width + s * v.P,
                              dy + v.y_at(piece.sample + s, group) + o * v.P, v.P, 1);
    return {gathered, width};
}

/// body(i) for i < items, on the threads that `cost` is worth. A product in a single item shares
/// itself out.
template <class Body>
void each_item(Index items, Cost cost, Body&& body) {
    if (items == 1) return body(Index{0});
    parallel_ranges(
        items, cost,
        [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) body(i);
        },
        1);
}

// ---- the three products -------------------------------------------------------------------------

template <class T>
void conv2d_forward(T* y, const T* x, const T* weight, const T* bias, const Conv2dSizes& sizes) {
    const Convolution v(sizes);
    const Pieces pieces = Pieces::make<T>(v, v.K);
    each_item(pieces.of_batch * pieces.of_sample * v.groups, v.cost(), [&](Index item) {
        const Index group = item % v.groups;
        const Piece piece = pieces.at(v, item / v.groups);
        const Index width = piece.width();
        const Matrix<const T> columns = columns_of(x, v, piece, group, {0, v.K});
        Matrix<T> to{y + v.y_at(piece.sample, group) + piece.columns.begin, v.P};
        if (piece.samples > 1) to = {conv_scratch<T>(Scratch::gathered, v.O * width), width};
        if (bias != nullptr)
            for (Index o = 0; o < v.O; ++o)
                for (Index i = 0; i < width; ++i) to.at[o * to.ld + i] = bias[group * v.O + o];
        gemm(Trans::no, Trans::no, v.O, width, v.K, T{1}, weight + v.weight_at(group), v.K,
             columns.at, columns.ld, bias != nullptr ? T{1} : T{0}, to.at, to.ld);
        if (piece.samples == 1) return;
        for (Index s = 0; s < piece.samples; ++s)
            for (Index o = 0; o < v.O; ++o)
                copy_from_strided(y + v.y_at(piece.sample + s, group) + o * v.P,
                                  to.at + o * width + s * v.P, v.P, 1);
    });
}

template <class T>
void conv2d_backward_input(T* dx, const T* dy, const T* weight, const Conv2dSizes& sizes) {
    const Convolution v(sizes);
    const Pieces pieces = Pieces::make<T>(v, v.K);
    // Pieces of one sample meet in its dx, so one thread does all of them.
    each_item(pieces.of_batch * v.groups, v.cost(), [&](Index item) {
        const Index group = item % v.groups;
        for (Index part = 0; part < pieces.of_sample; ++part) {
            const Piece piece = pieces.at(v, item / v.groups * pieces.of_sample + part);
            const Index width = piece.width();
            T* const image = dx + v.x_at(piece.sample, group);
            const Matrix<const T> from = gradients_of(dy, v, piece, group);
            const bool in_place = v.pointwise() && piece.samples == 1;
            Matrix<T> columns{image + piece.columns.begin, v.P};
            if (!in_place) columns = {conv_scratch<T>(Scratch::columns, v.K * width), width};
            gemm(Trans::yes, Trans::no, v.K, width, v.O, T{1}, weight + v.weight_at(group), v.K,
                 from.at, from.ld, T{0}, columns.at, columns.ld);
            if (in_place) continue;
            for (Index s = 0; s < piece.samples; ++s) {
                T* const to = dx + v.x_at(piece.sample + s, group);
                if (part == 0)
                    for (Index i = 0; i < v.channels * v.pixels; ++i) to[i] = 0;
                fold_and_add(to, columns.at + s * v.P, width, v, piece.columns);
            }
        }
    });
}

template <class T>
void conv2d_backward_weight(T* dweight, T* dbias, const T* dy, const T* x,
                            const Conv2dSizes& sizes) {
    const Convolution v(sizes);
    // An item makes some columns of one group's dweight from its share of the pieces. There are 16
    // items or more where sizes allow. Where several add to the same columns, all but the first
    // have sums of their own, which are added in order at the end.
    constexpr Index most_rows = 128, enough = 16;
    const Index row_blocks = (v.K + most_rows - 1) / most_rows;
    const Pieces pieces = Pieces::make<T>(v, smaller(v.K, most_rows));
    const Index all_pieces = pieces.of_batch * pieces.of_sample;
    const Index shares = larger(smaller(enough / (row_blocks * v.groups), all_pieces), 1);
    const Index elements = v.groups * v.O * v.K;
    T* const sums = conv_scratch<T>(Scratch::partial_sums, (shares - 1) * elements);
    each_item(row_blocks * v.groups * shares, v.cost(), [&](Index item) {
        const Index share = item % shares, group = item / shares % v.groups;
        const Index row = item / shares / v.groups * most_rows;
        const Range rows{row, smaller(row + most_rows, v.K)};
        const Range mine = share_of(all_pieces, static_cast<int>(share), static_cast<int>(shares));
        T* const to = (share == 0 ? dweight : sums + (share - 1) * elements) + v.weight_at(group);
        for (Index p = mine.begin; p < mine.end; ++p) {
            const Piece piece = pieces.at(v, p);
            const Matrix<const T> columns = columns_of(x, v, piece, group, rows);
            const Matrix<const T> from = gradients_of(dy, v, piece, group);
            const T beta = share > 0 && p == mine.begin ? T{0} : T{1};
            gemm(Trans::no, Trans::yes, v.O, rows.end - rows.begin, piece.width(), T{1}, from.at,
                 from.ld, columns.at, columns.ld, beta, to + rows.begin, v.K);
        }
    });
    parallel_ranges(elements, streaming<T>(elements, static_cast<int>(shares) - 1),
                    [=](Index begin, Index end) {
                        for (Index share = 1; share < shares; ++share)
                            for (Index i = begin; i < end; ++i)
                                dweight[i] += sums[(share - 1) * elements + i];
                    });
    if (dbias == nullptr) return;
    const Index planes = v.groups * v.O;
    parallel_ranges(
        planes, streaming<T>(v.n * planes * v.P, 1),
        [=](Index begin, Index end) {
            for (Index n = 0; n < v.n; ++n)
                for (Index o = begin; o < end; ++o) {
                    T of_plane = 0;
                    sum(&of_plane, dy + (n * planes + o) * v.P, T{1}, v.P);
                    dbias[o] += of_plane;
                }
        },
        1);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
