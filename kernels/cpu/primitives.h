// Primitives of the tape: elementwise functions with broadcasting, reductions, strided copies.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/softmax.h"

namespace handgrad::cpu::HANDGRAD_ISA {

// ---- walks -----------------------------------------------------------------------------------

inline Index positions(const Axis* axes, int rank) {
    Index n = 1;
    for (int j = 0; j < rank; ++j) n *= axes[j].size;
    return n;
}

/// Positions [begin, end) of a walk, cut into runs along the last axis: calls run(y, a, b, n) with
/// the offsets of each run's first elements and its length.
template <class Run>
void walk(const Axis* axes, int rank, Index begin, Index end, Run&& run) {
    if (begin >= end) return;  // an axis may have size 0
    constexpr int max_rank = 6;
    Index at[max_rank];
    Index y = 0, a = 0, b = 0;
    Index rest = begin;
    for (int j = rank - 1; j >= 0; --j) {
        at[j] = rest % axes[j].size;
        rest /= axes[j].size;
        y += at[j] * axes[j].y;
        a += at[j] * axes[j].a;
        b += at[j] * axes[j].b;
    }
    const Axis last = axes[rank - 1];
    while (begin < end) {
        const Index n = smaller(last.size - at[rank - 1], end - begin);
        run(y, a, b, n);
        begin += n;
        // Back to the start of the last axis, then one step along the next slower one, and so on
        // where that has come to its end, too.
        y -= at[rank - 1] * last.y;
        a -= at[rank - 1] * last.a;
        b -= at[rank - 1] * last.b;
        at[rank - 1] = 0;
        for (int j = rank - 2; j >= 0; --j) {
            y += axes[j].y;
            a += axes[j].a;
            b += axes[j].b;
            if (++at[j] < axes[j].size) break;
            at[j] = 0;
            y -= axes[j].size * axes[j].y;
            a -= axes[j].size * axes[j].a;
            b -= axes[j].size * axes[j].b;
        }
    }
}

// ---- elementwise -----------------------------------------------------------------------------

template <class T>
void unary(UnaryOp op, T* y, const T* x, Index n) {
    using V = Vector<T>;
    const auto map = [=](int functions, auto f) { map_vectors(n, functions, f, y, x); };
    switch (op) {
        case UnaryOp::neg:
            return map(0, [](V v) { return -v; });
        case UnaryOp::exp:
            return map(1, [](V v) { return exp<T>(v); });
        case UnaryOp::log:
            return map(1, [](V v) { return log<T>(v); });
        case UnaryOp::log1p:
            return map(1, [](V v) { return log1p<T>(v); });
        case UnaryOp::sqrt:
            return each_result(n, 1, y, y == x, streaming<T>(n, 2), 16,
                               [=](T* to, Index begin, Index end) {
                                   for (Index i = begin; i < end; ++i) to[i - begin] = sqrt(x[i]);
                               });
        case UnaryOp::tanh:
            return map(1, [](V v) { return tanh<T>(v); });
        case UnaryOp::erf:
            return map(2, [](V v) { return erf<T>(v); });
        case UnaryOp::abs:
            return map(0, [](V v) { return fabs<T>(v); });
        case UnaryOp::sign:
            return map(0, [](V v) { return sign<T>(v); });
    }
}

template <class T, class F>
void map(T* y, const T* a, const T* b, const Axis* axes, int rank, Cost cost, F f) {
    const Index n = positions(axes, rank);
    const Axis last = axes[rank - 1];
    // The cases that the compiler turns into vector code: neighbours in memory, or one repeated.
    const bool dense = last.y == 1 && last.a == 1 && last.b == 1;
    const bool repeat_a = last.y == 1 && last.a == 0 && last.b == 1;
    const bool repeat_b = last.y == 1 && last.a == 1 && last.b == 0;
    const auto run = [=](Index yi, Index ai, Index bi, Index count) {
        T* to = y + yi;
        const T *p = a + ai, *q = b + bi;
        if (dense) {
            for (Index i = 0; i < count; ++i) to[i] = f(p[i], q[i]);
        } else if (repeat_a) {
            const T one = *p;
            for (Index i = 0; i < count; ++i) to[i] = f(one, q[i]);
        } else if (repeat_b) {
            const T one = *q;
            for (Index i = 0; i < count; ++i) to[i] = f(p[i], one);
        } else {
            for (Index i = 0; i < count; ++i) to[i * last.y] = f(p[i * last.a], q[i * last.b]);
        }
    };
    parallel_ranges(n, cost, [=](Index begin, Index end) { walk(axes, rank, begin, end, run); });
}

/// What a^b costs, as function_flops.
inline constexpr Index pow_flops = 1000;

/// a^b. Squares are most of the powers there are, and pow is slow.
template <class T>
[[gnu::always_inline]] inline T power(T a, T b) {
    if (b == T{1}) return a;
    if (b == T{2}) return a * a;
    return pow(a, b);
}

/// Is b one number, and a^b, or a^(b - 1) for a derivative, no more than a product?
template <class T>
bool is_square(BinaryOp op, const T* b, const Axis* axes, int rank) {
    if (positions(axes, rank) == 0) return false;
    for (int j = 0; j < rank; ++j)
        if (axes[j].b != 0) return false;
    const T power = op == BinaryOp::pow_da ? *b - T{1} : *b;
    return op != BinaryOp::pow_db && (power == T{1} || power == T{2});
}

template <class T>
void binary(BinaryOp op, T* y, const T* a, const T* b, const Axis* axes, int rank) {
    const Index n = positions(axes, rank);
    const Cost stream = streaming<T>(n, 3);
    const Cost calls =
        is_square(op, b, axes, rank) ? stream : Cost{.flops = n * pow_flops, .bytes = 0};
    const auto apply = [=](Cost cost, auto f) { map(y, a, b, axes, rank, cost, f); };
    switch (op) {
        case BinaryOp::add:
            return apply(stream, [](T u, T v) { return u + v; });
        case BinaryOp::sub:
            return apply(stream, [](T u, T v) { return u - v; });
        case BinaryOp::mul:
            return apply(stream, [](T u, T v) { return u * v; });
        case BinaryOp::div:
            return apply(stream, [](T u, T v) { return u / v; });
        case BinaryOp::pow:
            return apply(calls, [](T u, T v) { return power(u, v); });
        case BinaryOp::maximum:
            return apply(stream, [](T u, T v) { return u > v || __builtin_isnan(u) ? u : v; });
        case BinaryOp::step:
            return apply(stream, [](T u, T v) { return u > v ? T{1} : u == v ? T{0.5} : T{0}; });
        case BinaryOp::pow_da:
            return apply(calls, [](T u, T v) { return v == T{0} ? T{0} : v * power(u, v - T{1}); });
        case BinaryOp::pow_db:
            return apply(calls, [](T u, T v) {
                return u == T{0} && v >= T{0} ? T{0} : power(u, v) * log_of_one(u);
            });
    }
}

template <class T>
void select(T* y, const T* condition, const T* a, const T* b, Index n) {
    const auto choose = [](Vector<T> c, Vector<T> u, Vector<T> v) { return c != T{0} ? u : v; };
    map_vectors(n, 0, choose, y, condition, a, b);
}

// ---- copies ----------------------------------------------------------------------------------

/// y (rows, cols), its rows to_ld apart, is the transpose of x, whose rows are from_ld apart. The
/// rows are few: one of y's columns is as much of a row of x as lies together in some lines. From
/// beyond L2, the rows of x that come next are asked for.
template <class T>
void transpose(T* y, Index to_ld, const T* x, Index from_ld, Index rows, Index cols,
               bool beyond_l2) {
    constexpr int L = lanes<T>;
    Index c = 0;
    for (; c + L <= cols; c += L) {
        Index r = 0;
        for (; r + L <= rows; r += L) {
            Vector<T> tile[L];
            HANDGRAD_UNROLL
            for (int i = 0; i < L; ++i) tile[i] = load(x + (c + i) * from_ld + r);
            if (beyond_l2 && c + Index{2} * L <= cols)
                for (int i = 0; i < L; ++i) prefetch(x + (c + L + i) * from_ld + r);
            transpose_blocks<T, L>(tile);
            HANDGRAD_UNROLL
            for (int i = 0; i < L; ++i) {
                T* const to = y + (r + i) * to_ld + c;
                store(to, tile[i]);
                prefetch(to + L);  // no hardware follows so many rows
            }
        }
        for (; r < rows; ++r)
            for (Index i = c; i < c + L; ++i) y[r * to_ld + i] = x[i * from_ld + r];
    }
    for (; c < cols; ++c)
        for (Index r = 0; r < rows; ++r) y[r * to_ld + c] = x[c * from_ld + r];
}

template <class T>
void copy_walk(T* y, const T* a, const Axis* axes, int rank) {
    const Index n = positions(axes, rank);
    const Axis last = axes[rank - 1];
    const Axis rows = rank > 1 ? axes[rank - 2] : Axis{1, 0, 0, 0};
    if (n > 0 && last.y == 1 && last.a != 1 && rows.a == 1 && rows.size > 1) {
        // Matrices, each to be transposed: in pieces of some rows, for threads to share.
        constexpr Index some = 512 / Index{sizeof(T)};
        const bool beyond_l2 = streaming<T>(n, 2).bytes > caches().l2;
        const Index pieces = (rows.size + some - 1) / some;
        const auto body = [=](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                const Index first = i % pieces * some;
                Index to = first * rows.y, from = first, matrix = i / pieces;
                for (int j = rank - 3; j >= 0; --j) {
                    to += matrix % axes[j].size * axes[j].y;
                    from += matrix % axes[j].size * axes[j].a;
                    matrix /= axes[j].size;
                }
                transpose(y + to, rows.y, a + from, last.a, smaller(some, rows.size - first),
                          last.size, beyond_l2);
            }
        };
        return parallel_ranges(n / (rows.size * last.size) * pieces, streaming<T>(n, 2), body, 1);
    }
    const auto run = [=](Index yi, Index ai, Index, Index count) {
        if (last.y == 1 && last.a == 1)
            for (Index i = 0; i < count; ++i) y[yi + i] = a[ai + i];
        else
            for (Index i = 0; i < count; ++i) y[yi + i * last.y] = a[ai + i * last.a];
    };
    parallel_ranges(n, streaming<T>(n, 2),
                    [=](Index begin, Index end) { walk(axes, rank, begin, end, run); });
}

template <class T>
void add_walk(T* y, const T* a, const Axis* axes, int rank) {
    // One thread: two could meet at one element of y.
    const Axis last = axes[rank - 1];
    walk(axes, rank, 0, positions(axes, rank), [=](Index yi, Index ai, Index, Index count) {
        if (last.y == 1 && last.a == 1)
            for (Index i = 0; i < count; ++i) y[yi + i] += a[ai + i];
        else
            for (Index i = 0; i < count; ++i) y[yi + i * last.y] += a[ai + i * last.a];
    });
}

/// Do axes whose last one shares an index choose whole rows of a, for whole rows of y, and enough
/// of them to share out?
inline bool are_rows(Index stride, const Axis* axes, int rank) {
    return rank == 2 && axes[0].size >= max_threads() && axes[0].y == axes[1].size &&
           axes[0].a == 0 && axes[0].b == 1 && stride == axes[1].size;
}

template <class T>
void gather_walk(T* y, const T* a, const Index* indices, Index stride, const Axis* axes, int rank) {
    const Index n = positions(axes, rank);
    const Axis last = axes[rank - 1];
    const bool of_rows = last.y == 1 && last.a == 1 && last.b == 0;  // one index for all of them
    if (of_rows && are_rows(stride, axes, rank))
        return gather_rows(y, a, indices, axes[0].size, last.size);
    const auto run = [=](Index yi, Index ai, Index bi, Index count) {
        if (of_rows) {
            const T* from = a + ai + indices[bi] * stride;
            for (Index i = 0; i < count; ++i) y[yi + i] = from[i];
        } else {
            for (Index i = 0; i < count; ++i)
                y[yi + i * last.y] = a[ai + i * last.a + indices[bi + i * last.b] * stride];
        }
    };
    parallel_ranges(n, streaming<T>(n, 2),
                    [=](Index begin, Index end) { walk(axes, rank, begin, end, run); });
}

template <class T>
void add_at_walk(T* a, const T* y, const Index* indices, Index size, Index stride, const Axis* axes,
                 int rank) {
    const Axis last = axes[rank - 1];
    const Cost cost = streaming<T>(positions(axes, rank), 3);
    constexpr Index short_row = 64;
    if (last.y == 1 && last.a == 1 && last.b == 0) {
        if (last.size <= short_row && are_rows(stride, axes, rank))
            return add_short_rows(a, y, indices, axes[0].size, stride);
        // One index for a row. Threads split what they choose, and each looks through all of them:
        // for short rows that would take as long as adding them.
        const auto add_rows = [=](Index begin, Index end) {
            walk(axes, rank, 0, positions(axes, rank),
                 [=](Index yi, Index ai, Index bi, Index count) {
                     const Index k = indices[bi];
                     if (k < begin || k >= end) return;
                     T* const to = a + ai + k * stride;
                     for (Index i = 0; i < count; ++i) to[i] += y[yi + i];
                 });
        };
        return parallel_ranges(size, last.size > short_row ? cost : Cost{}, add_rows, 1);
    }
    const auto add = [=](Index begin, Index end) {  // along the last axis
        Axis part[6];
        for (int j = 0; j < rank; ++j) part[j] = axes[j];
        part[rank - 1].size = end - begin;
        const Index skip_y = begin * last.y, skip_a = begin * last.a, skip_b = begin * last.b;
        walk(part, rank, 0, positions(part, rank), [&](Index yi, Index ai, Index bi, Index count) {
            const Index* const k = indices + bi + skip_b;
            T* const to = a + ai + skip_a;
            for (Index i = 0; i < count; ++i)
                to[i * last.a + k[i * last.b] * stride] += y[yi + skip_y + i * last.y];
        });
    };
    // Positions that differ along the last axis never meet.
    if (last.a == 0) return add(0, last.size);
    parallel_ranges(last.size, cost, add, wide_share<T>);
}

// ---- reductions ------------------------------------------------------------------------------

/// The higher of a and b; NaN where either is.
template <class T>
[[gnu::always_inline]] inline Vector<T> higher_or_nan(Vector<T> a, Vector<T> b) {
    return a != a ? a : higher<T>(a, b);  // NOLINT(misc-redundant-expression)
}

/// y[c] = op over k < n of x[k stride + c], for c < count.
template <class T>
void reduce_columns(ReduceOp op, T* y, const T* x, Index n, Index stride, Index count) {
    constexpr T infinity = static_cast<T>(__builtin_inf());
    if (op == ReduceOp::sum) {
        for (Index c = 0; c < count; ++c) y[c] = 0;
        return sum_some_columns(y, x, n, stride, 0, count);
    }
    for (Index c = 0; c < count; ++c) y[c] = -infinity;
    for (Index k = 0; k < n; ++k)
        for (Index c = 0; c < count; c += lanes<T>) {
            const Vector<T> v = load_padded(x + k * stride + c, count - c, T{0});
            store_first(y + c, count - c, higher_or_nan<T>(v, load_padded(y + c, count - c, T{0})));
        }
    if (op == ReduceOp::max) return;
    // log sum_k exp(x_k) = m + log sum_k exp(x_k - m), m the maximum: no exp overflows. An infinite
    // m is the result itself.
    for (Index c = 0; c < count; c += lanes<T>) {
        const Vector<T> m = load_padded(y + c, count - c, T{0});
        Vector<T> sum_of_exp = {};
        for (Index k = 0; k < n; ++k)
            sum_of_exp += exp_of_negative<T>(load_padded(x + k * stride + c, count - c, T{0}) - m);
        const Vector<T> finite = m + log<T>(sum_of_exp);
        store_first(y + c, count - c, m * T{0} == T{0} ? finite : m);
    }
}

/// The highest of many numbers, or NaN.
template <class T>
T highest_or_nan(const T* x, Index n) {
    Vector<T> highest[2] = {Vector<T>{} + x[0], Vector<T>{} + x[0]};
    Index c = 0;
    for (; c + 2 * lanes<T> <= n; c += 2 * lanes<T>) {
        prefetch_ahead(x + c);
        prefetch_ahead(x + c + lanes<T>);
        highest[0] = higher_or_nan<T>(load(x + c), highest[0]);
        highest[1] = higher_or_nan<T>(load(x + c + lanes<T>), highest[1]);
    }
    for (; c < n; c += lanes<T>)
        highest[0] = higher_or_nan<T>(load_padded(x + c, n - c, x[0]), highest[0]);
    return over_lanes<T>(higher_or_nan<T>(highest[0], highest[1]),
                         [](Vector<T> a, Vector<T> b) { return higher_or_nan<T>(a, b); })[0];
}

/// y[r] = op over the many numbers of row r.
template <class T>
void reduce_long_rows(ReduceOp op, T* y, const T* x, Index rows, Index n) {
    if (op == ReduceOp::sum) {
        for (Index r = 0; r < rows; ++r)
            y[r] = sum_of_part(x + r * n, n, [](Vector<T> v) { return v; });
        return;
    }
    // lanes<T> rows wait for their logarithms, which take as long for one.
    for (Index r = 0; r < rows; r += lanes<T>) {
        const Index some = smaller(lanes<T>, rows - r);
        T highest[lanes<T>] = {}, sums[lanes<T>] = {};
        for (Index i = 0; i < some; ++i) {
            const T* const row = x + (r + i) * n;
            highest[i] = highest_or_nan(row, n);
            if (op == ReduceOp::logsumexp) sums[i] = sum_of_exp<T>(nullptr, row, highest[i], n);
        }
        Vector<T> m = load(highest);
        if (op == ReduceOp::logsumexp)  // infinite or NaN, m is the result
            m = m * T{0} == T{0} ? m + log<T>(load(sums)) : m;
        store_first(y + r, some, m);
    }
}

/// y[r] = op over the n <= few_cols numbers of row r, lanes<T> rows at once, one in each lane.
template <class T>
void reduce_short_rows(ReduceOp op, T* y, const T* x, Index rows, Index n) {
    Vector<T> columns[few_cols];
    for (Index r = 0; r < rows; r += lanes<T>) {
        load_columns(columns, x + r * n, rows - r, n);
        Vector<T> result = columns[0];
        if (op == ReduceOp::sum) {
            for (Index c = 1; c < n; ++c) result += columns[c];
        } else {
            for (Index c = 1; c < n; ++c) result = higher_or_nan<T>(columns[c], result);
        }
        if (op == ReduceOp::logsumexp) {
            Vector<T> sum = {};
            for (Index c = 0; c < n; ++c) sum += exp_of_negative<T>(columns[c] - result);
            result = result * T{0} == T{0} ? result + log<T>(sum) : result;
        }
        store_first(y + r, rows - r, result);
    }
}

template <class T>
void reduce(ReduceOp op, T* y, const T* x, Index outer, Index n, Index inner) {
    const Index size = outer * n * inner;
    const Index flops = op == ReduceOp::logsumexp ? size * function_flops : 0;
    const Cost cost = {.flops = flops, .bytes = size * Index{sizeof(T)}};
    // Threads split the results, so that each is found in one fixed order.
    if (inner == 1 && n > 0) {
        const auto rows = [=](Index begin, Index end) {
            const auto of_rows = n <= few_cols ? reduce_short_rows<T> : reduce_long_rows<T>;
            of_rows(op, y + begin, x + begin * n, end - begin, n);
        };
        if (op == ReduceOp::sum && outer == 1) return sum(y, x, T{1}, n);  // shares itself out
        return parallel_ranges(outer, cost, rows);
    }
    if (op == ReduceOp::sum && outer == 1) {
        fill(y, T{0}, inner);
        return sum_rows(y, x, n, inner);
    }
    const auto body = [=](Index begin, Index end) {
        while (begin < end) {
            const Index o = begin / inner, i = begin % inner;
            const Index count = smaller(inner - i, end - begin);
            reduce_columns(op, y + begin, x + o * n * inner + i, n, inner, count);
            begin += count;
        }
    };
    parallel_ranges(outer * inner, cost, body);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
