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
// Runs are short, often 5 to 30 elements, so what counts is what each costs besides its elements:
// vectors with the last one cut, not calls of memcpy and memset.

/// to[i] = 0, i < n
template <class T>
[[gnu::always_inline]] inline void clear(T* to, Index n) {
    constexpr int L = lanes<T>;
    for (; n >= L; n -= L, to += L) store(to, Vector<T>{});
    if (n > 0) FirstLanes<T>(n).store(to, Vector<T>{});
}

/// to[i] = from[i], i < n
template <class T>
[[gnu::always_inline]] inline void copy(T* to, const T* from, Index n) {
    constexpr int L = lanes<T>;
    if (n < L) {
        const FirstLanes<T> first(n);
        return first.store(to, first.load(from));
    }
    for (Index i = 0; i < n - L; i += L) store(to + i, load(from + i));
    store(to + n - L, load(from + n - L));  // again some that are there already
}

/// to[i] = from[i stride], i < n
template <class T>
[[gnu::always_inline]] inline void copy_strided(T* to, const T* from, Index n, Index stride) {
    if (stride == 1) return copy(to, from, n);
    if (stride != 2) {
        for (Index i = 0; i < n; ++i) to[i] = from[i * stride];
        return;
    }
    constexpr int L = lanes<T>;
    for (; n > L; n -= L, to += L, from += 2 * L)
        store(to, even_lanes<T>(load(from), load(from + L), LaneNumbers<T>{}));
    if (n == 0) return;
    const Index left = 2 * n - 1;  // elements up to the last that is used
    const FirstLanes<T> first(smaller(left, L)), second(larger(left - L, 0));
    FirstLanes<T>(n).store(
        to, even_lanes<T>(first.load(from), second.load(from + L), LaneNumbers<T>{}));
}

/// to[i] += from[i], i < n
template <class T>
[[gnu::always_inline]] inline void add(T* to, const T* from, Index n) {
    constexpr int L = lanes<T>;
    for (; n >= L; n -= L, to += L, from += L) store(to, load(to) + load(from));
    const FirstLanes<T> last(n);
    last.store(to, last.load(to) + last.load(from));
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

/// Some windows of some samples: rows of them, whole if there are several; or those of several
/// whole samples.
struct Piece {
    Index sample, samples;
    Range rows, columns;
    [[nodiscard]] Index of_sample() const {
        return (rows.end - rows.begin) * (columns.end - columns.begin);
    }
    [[nodiscard]] Index width() const { return samples * of_sample(); }
    /// The first window's place among the P of its sample; the others follow without a gap.
    [[nodiscard]] Index offset(const Convolution& v) const {
        return rows.begin * v.windows.w.out + columns.begin;
    }
};

inline Range overlap(Range a, Range b) {
    const Index begin = larger(a.begin, b.begin);
    return {begin, larger(begin, smaller(a.end, b.end))};
}

/// Row k of the columns, element (kh, kw) of a channel: which of a piece's windows have it in the
/// image, and where that of the first of them is, in the channels of a sample and group.
struct Inside {
    Inside(const Convolution& v, const Piece& piece, Index k) {
        const WindowAxis &h = v.windows.h, &w = v.windows.w;
        const Index channel = k / v.kernel, kh = k / w.kernel % h.kernel, kw = k % w.kernel;
        rows = overlap(piece.rows, windows_inside(h, kh));
        columns = overlap(piece.columns, windows_inside(w, kw));
        pixel = channel * v.pixels + element_of(h, rows.begin, kh) * w.in +
                element_of(w, columns.begin, kw);
    }
    Range rows{}, columns{};
    Index pixel;
};

/// Rows `ks` of the columns of one sample of a piece, from its x (channels, h, w).
template <class T>
void unfold(T* to, Index ld, const T* x, const Convolution& v, const Piece& piece, Range ks) {
    const Index n = piece.columns.end - piece.columns.begin;
    const Index line = v.windows.h.stride * v.windows.w.in, stride = v.windows.w.stride;
    for (Index k = ks.begin; k < ks.end; ++k, to += ld) {
        const Inside inside(v, piece, k);
        const Index before = inside.columns.begin - piece.columns.begin;
        const Index count = inside.columns.end - inside.columns.begin;
        const T* from = x + inside.pixel;
        T* run = to + (inside.rows.begin - piece.rows.begin) * n;
        clear(to, run - to);
        Index i = inside.rows.begin;
        if (count == n && stride == 1)  // the usual case on its own, which is twice as fast
            for (; i < inside.rows.end; ++i, run += n, from += line) copy(run, from, n);
        for (; i < inside.rows.end; ++i, run += n, from += line) {
            clear(run, before);
            copy_strided(run + before, from, count, stride);
            clear(run + before + count, n - before - count);
        }
        clear(run, (piece.rows.end - inside.rows.end) * n);
    }
}

/// The way back: adds each element of all rows of the columns to that of dx where unfold reads it.
template <class T>
void fold_and_add(T* dx, const T* from, Index ld, const Convolution& v, const Piece& piece) {
    const Index n = piece.columns.end - piece.columns.begin;
    const Index line = v.windows.h.stride * v.windows.w.in, stride = v.windows.w.stride;
    for (Index k = 0; k < v.K; ++k, from += ld) {
        const Inside inside(v, piece, k);
        const Index count = inside.columns.end - inside.columns.begin;
        T* to = dx + inside.pixel;
        const T* run = from + (inside.rows.begin - piece.rows.begin) * n + inside.columns.begin -
                       piece.columns.begin;
        Index i = inside.rows.begin;
        if (stride == 1)
            for (; i < inside.rows.end; ++i, run += n, to += line) add(to, run, count);
        for (; i < inside.rows.end; ++i, run += n, to += line)
            for (Index j = 0; j < count; ++j) to[j * stride] += run[j];
    }
}

// ---- pieces -------------------------------------------------------------------------------------

/// The size of equal pieces, at most `most`, that `total` > 0 is cut into.
inline Index equal_piece(Index total, Index most) {
    const Index pieces = (total + most - 1) / most;
    return (total + pieces - 1) / pieces;
}

/// The pieces of a convolution, when `unfolded` rows of the columns are made at a time.
struct Pieces {
    Index samples, rows, columns;  // of a piece; the last ones may have fewer
    Index of_batch, of_row, of_sample;

    template <class T>
    static Pieces make(const Convolution& v, Index unfolded) {
        // 256 KB leave room in L2 for the weight and y. Fewer than 400 columns would read and pack
        // the weight too often, more than 768 gain nothing and leave too few pieces to share out.
        constexpr Index bytes = Index{256} * 1024, least = 400, most = 768;
        const Index width = larger(least, smaller(most, bytes / Index{sizeof(T)} / unfolded));
        const WindowAxis &h = v.windows.h, &w = v.windows.w;
        Pieces p{1, h.out, w.out, v.n, 1, 1};
        // A single sample's columns of a pointwise convolution need no copy.
        if (v.P < (v.pointwise() ? least / 4 : least / 2)) {
            p.samples = equal_piece(larger(1, v.n), larger(1, width / v.P));
        } else {
            p.rows = equal_piece(h.out, larger(1, width / w.out));
            p.columns = equal_piece(w.out, most);
        }
        p.of_batch = (v.n + p.samples - 1) / p.samples;
        p.of_row = (w.out + p.columns - 1) / p.columns;
        p.of_sample = (h.out + p.rows - 1) / p.rows * p.of_row;
        return p;
    }

    /// Piece i of of_batch * of_sample: those of one sample stand together.
    [[nodiscard]] Piece at(const Convolution& v, Index i) const {
        const Index sample = i / of_sample * samples;
        const Index row = i % of_sample / of_row * rows, column = i % of_row * columns;
        return {sample,
                smaller(samples, v.n - sample),
                {row, smaller(v.windows.h.out, row + rows)},
                {column, smaller(v.windows.w.out, column + columns)}};
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

/// Rows `ks` of a piece's columns: unfolded, or where they lie in x.
template <class T>
Matrix<const T> columns_of(const T* x, const Convolution& v, const Piece& piece, Index group,
                           Range ks) {
    if (v.pointwise() && piece.samples == 1) {
        return {x + v.x_at(piece.sample, group) + ks.begin * v.P + piece.offset(v), v.P};
    }
    const Index width = piece.width();
    T* columns = conv_scratch<T>(Scratch::columns, (ks.end - ks.begin) * width);
    for (Index s = 0; s < piece.samples; ++s)
        unfold(columns + s * v.P, width, x + v.x_at(piece.sample + s, group), v, piece, ks);
    return {columns, width};
}

/// A piece's columns of dy: where they lie, or gathered from several samples.
template <class T>
Matrix<const T> gradients_of(const T* dy, const Convolution& v, const Piece& piece, Index group) {
    if (piece.samples == 1) return {dy + v.y_at(piece.sample, group) + piece.offset(v), v.P};
    const Index width = piece.width();
    T* gathered = conv_scratch<T>(Scratch::gathered, v.O * width);
    for (Index s = 0; s < piece.samples; ++s)
        for (Index o = 0; o < v.O; ++o)
            copy(gathered + o * width + s * v.P, dy + v.y_at(piece.sample + s, group) + o * v.P,
                 v.P);
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
        Matrix<T> to{y + v.y_at(piece.sample, group) + piece.offset(v), v.P};
        if (piece.samples > 1) to = {conv_scratch<T>(Scratch::gathered, v.O * width), width};
        if (bias != nullptr)
            for (Index o = 0; o < v.O; ++o)
                for (Index i = 0; i < width; ++i) to.at[o * to.ld + i] = bias[group * v.O + o];
        gemm<T>({Trans::no, Trans::no, v.O, width, v.K, T{1}, weight + v.weight_at(group), v.K,
                 columns.at, columns.ld, bias != nullptr ? T{1} : T{0}, to.at, to.ld});
        if (piece.samples == 1) return;
        for (Index s = 0; s < piece.samples; ++s)
            for (Index o = 0; o < v.O; ++o)
                copy(y + v.y_at(piece.sample + s, group) + o * v.P, to.at + o * width + s * v.P,
                     v.P);
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
            Matrix<T> columns{image + piece.offset(v), v.P};
            if (!in_place) columns = {conv_scratch<T>(Scratch::columns, v.K * width), width};
            gemm<T>({Trans::yes, Trans::no, v.K, width, v.O, T{1}, weight + v.weight_at(group), v.K,
                     from.at, from.ld, T{0}, columns.at, columns.ld});
            if (in_place) continue;
            for (Index s = 0; s < piece.samples; ++s) {
                T* const to = dx + v.x_at(piece.sample + s, group);
                if (part == 0)
                    for (Index i = 0; i < v.channels * v.pixels; ++i) to[i] = 0;
                fold_and_add(to, columns.at + s * v.P, width, v, piece);
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
    constexpr Index most_ks = 128, enough = 16;
    const Index blocks = (v.K + most_ks - 1) / most_ks;
    const Pieces pieces = Pieces::make<T>(v, smaller(v.K, most_ks));
    const Index all_pieces = pieces.of_batch * pieces.of_sample;
    const Index shares = larger(smaller(enough / (blocks * v.groups), all_pieces), 1);
    const Index elements = v.groups * v.O * v.K;
    T* const sums = conv_scratch<T>(Scratch::partial_sums, (shares - 1) * elements);
    each_item(blocks * v.groups * shares, v.cost(), [&](Index item) {
        const Index share = item % shares, group = item / shares % v.groups;
        const Index k = item / shares / v.groups * most_ks;
        const Range ks{k, smaller(k + most_ks, v.K)};
        const Range mine = share_of(all_pieces, static_cast<int>(share), static_cast<int>(shares));
        T* const to = (share == 0 ? dweight : sums + (share - 1) * elements) + v.weight_at(group);
        for (Index p = mine.begin; p < mine.end; ++p) {
            const Piece piece = pieces.at(v, p);
            const Matrix<const T> columns = columns_of(x, v, piece, group, ks);
            const Matrix<const T> from = gradients_of(dy, v, piece, group);
            const T beta = share > 0 && p == mine.begin ? T{0} : T{1};
            gemm<T>({Trans::no, Trans::yes, v.O, ks.end - ks.begin, piece.width(), T{1}, from.at,
                     from.ld, columns.at, columns.ld, beta, to + ks.begin, v.K});
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
