// Primitives of the tape: elementwise functions with broadcasting, reductions, strided copies.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"
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
        case UnaryOp::sqrt:
            return each<T>(n, 2, [=](Index i) { y[i] = sqrt(x[i]); });
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

template <class T>
void binary(BinaryOp op, T* y, const T* a, const T* b, const Axis* axes, int rank) {
    const Index n = positions(axes, rank);
    const Cost stream = streaming<T>(n, 3), calls = {.flops = n * pow_flops, .bytes = 0};
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
    parallel_ranges(n, streaming<T>(n, 4), [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) y[i] = condition[i] != T{0} ? a[i] : b[i];
    });
}

// ---- copies ----------------------------------------------------------------------------------

template <class T>
void copy_walk(T* y, const T* a, const Axis* axes, int rank) {
    const Index n = positions(axes, rank);
    const Axis last = axes[rank - 1];
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

template <class T>
void add_at_rows(T* y, const T* x, const Index* indices, Index n, Index cols) {
    // Threads split the columns, as two rows of x may go to one of y.
    parallel_ranges(cols, streaming<T>(n * cols, 3), [=](Index begin, Index end) {
        for (Index i = 0; i < n; ++i)
            for (Index c = begin; c < end; ++c) y[indices[i] * cols + c] += x[i * cols + c];
    });
}

// ---- reductions ------------------------------------------------------------------------------

/// y[c] = op over k < n of x[k stride + c], for c < count.
template <class T>
void reduce_columns(ReduceOp op, T* y, const T* x, Index n, Index stride, Index count) {
    if (op == ReduceOp::sum) {
        for (Index c = 0; c < count; ++c) y[c] = 0;
        for (Index k = 0; k < n; ++k)
            for (Index c = 0; c < count; ++c) y[c] += x[k * stride + c];
        return;
    }
    for (Index c = 0; c < count; ++c) y[c] = -static_cast<T>(__builtin_inf());
    for (Index k = 0; k < n; ++k)
        for (Index c = 0; c < count; ++c) {
            const T v = x[k * stride + c];
            y[c] = v > y[c] || __builtin_isnan(v) ? v : y[c];
        }
    if (op == ReduceOp::max) return;
    // log sum_k exp(x_k) = m + log sum_k exp(x_k - m), m the maximum: no exp overflows. An infinite
    // m is the result itself.
    for (Index c = 0; c < count; c += lanes<T>) {
        const Vector<T> m = load_padded(y + c, count - c, T{0});
        Vector<T> sum_of_exp = {};
        for (Index k = 0; k < n; ++k)
            sum_of_exp += exp<T>(load_padded(x + k * stride + c, count - c, T{0}) - m);
        const Vector<T> finite = m + log<T>(sum_of_exp);
        store_first(y + c, count - c, m * T{0} == T{0} ? finite : m);
    }
}

/// The same for a row that lies together, n at least 1.
template <class T>
T logsumexp(const T* x, Index n) {
    T m = highest_of(x, n);
    if (m * T{0} == T{0}) return m + log<T>(Vector<T>{} + sum_of_exp<T>(nullptr, x, m, n))[0];
    reduce_columns(ReduceOp::max, &m, x, n, 1, 1);  // infinite, or NaN
    return m;
}

template <class T>
void reduce(ReduceOp op, T* y, const T* x, Index outer, Index n, Index inner) {
    // Threads split the results, so that each is found in one fixed order.
    const auto body = [=](Index begin, Index end) {
        while (begin < end) {
            const Index o = begin / inner, i = begin % inner;
            const Index count = smaller(inner - i, end - begin);
            const T* from = x + o * n * inner + i;
            if (op == ReduceOp::sum && inner == 1)
                sum(y + begin, from, T{1}, n);
            else if (op == ReduceOp::logsumexp && inner == 1 && n > 0)
                y[begin] = logsumexp(from, n);
            else
                reduce_columns(op, y + begin, from, n, inner, count);
            begin += count;
        }
    };
    const Index size = outer * n * inner;
    const Index flops = op == ReduceOp::logsumexp ? size * function_flops : 0;
    parallel_ranges(outer * inner, {.flops = flops, .bytes = size * Index{sizeof(T)}}, body);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
