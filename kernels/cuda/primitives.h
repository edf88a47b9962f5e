// Primitives of the tape: elementwise functions with broadcasting, reductions, strided copies.
#pragma once

#include "kernels/cuda/math.h"

namespace handgrad::HANDGRAD_GPU {

// ---- walks -------------------------------------------------------------------------------------

/// The axes of a walk, as an argument of a kernel.
struct Walk {
    static constexpr int max_rank = 6;
    Axis axes[max_rank];
    int rank;
    Index positions;
};

inline Walk walk_along(const Axis* axes, int rank) {
    Walk walk{};
    walk.rank = rank;
    walk.positions = 1;
    for (int j = 0; j < rank; ++j) {
        walk.axes[j] = axes[j];
        walk.positions *= axes[j].size;
    }
    return walk;
}

struct Offsets {
    Index y, a, b;
};

/// Where position i of a walk lies in each array.
__device__ inline Offsets offsets_at(const Walk& walk, Index i) {
    Offsets at{0, 0, 0};
    for (int j = walk.rank - 1; j >= 0; --j) {
        const Axis& axis = walk.axes[j];
        const Index k = i % axis.size;
        i /= axis.size;
        at.y += k * axis.y;
        at.a += k * axis.a;
        at.b += k * axis.b;
    }
    return at;
}

// ---- elementwise -------------------------------------------------------------------------------

template <class T>
__device__ T apply(UnaryOp op, T x) {
    switch (op) {
        case UnaryOp::neg:
            return -x;
        case UnaryOp::exp:
            return exp(x);
        case UnaryOp::log:
            return log(x);
        case UnaryOp::log1p:
            return log1p(x);
        case UnaryOp::sqrt:
            return sqrt(x);
        case UnaryOp::tanh:
            return tanh(x);
        case UnaryOp::erf:
            return erf(x);
        case UnaryOp::abs:
            return fabs(x);
        case UnaryOp::sign:
            return sign(x);
    }
    return x;
}

template <class T>
__device__ T apply(BinaryOp op, T a, T b) {
    switch (op) {
        case BinaryOp::add:
            return a + b;
        case BinaryOp::sub:
            return a - b;
        case BinaryOp::mul:
            return a * b;
        case BinaryOp::div:
            return a / b;
        case BinaryOp::pow:
            return power(a, b);
        case BinaryOp::maximum:
            return a > b || isnan(a) ? a : b;
        case BinaryOp::step:
            return a > b ? T(1) : a == b ? T(0.5) : T(0);
        case BinaryOp::pow_da:
            return b == T(0) ? T(0) : b * power(a, b - T(1));
        case BinaryOp::pow_db:
            return a == T(0) && b >= T(0) ? T(0) : power(a, b) * log(a);
    }
    return a;
}

template <class T>
void unary(UnaryOp op, T* y, const T* x, Index n) {
    each(n, [=] __device__(Index i) { y[i] = apply(op, x[i]); });
}

template <class T>
void binary(BinaryOp op, T* y, const T* a, const T* b, const Axis* axes, int rank) {
    const Walk walk = walk_along(axes, rank);
    each(walk.positions, [=] __device__(Index i) {
        const Offsets at = offsets_at(walk, i);
        y[at.y] = apply(op, a[at.a], b[at.b]);
    });
}

template <class T>
void select(T* y, const T* condition, const T* a, const T* b, Index n) {
    each(n, [=] __device__(Index i) { y[i] = condition[i] != T(0) ? a[i] : b[i]; });
}

template <class T>
void fill(T* x, T value, Index n) {
    each(n, [=] __device__(Index i) { x[i] = value; });
}

template <class T>
void multiply(T* y, const T* x, const T* scale, Index n) {
    each(n, [=] __device__(Index i) { y[i] = x[i] * scale[i]; });
}

// ---- copies ------------------------------------------------------------------------------------

template <class T>
void copy_walk(T* y, const T* a, const Axis* axes, int rank) {
    const Walk walk = walk_along(axes, rank);
    each(walk.positions, [=] __device__(Index i) {
        const Offsets at = offsets_at(walk, i);
        y[at.y] = a[at.a];
    });
}

/// Do all positions along these axes, of strides >= 0, lie in different elements of y? They do
/// where each stride is longer than the way along all axes of smaller stride.
inline bool meets_once(const Walk& walk) {
    bool used[Walk::max_rank] = {};
    Index longest = 0;  // the way along the axes looked at
    for (int count = 0; count < walk.rank; ++count) {
        int next = -1;
        for (int j = 0; j < walk.rank; ++j)
            if (!used[j] && (next < 0 || walk.axes[j].y < walk.axes[next].y)) next = j;
        used[next] = true;
        const Axis& axis = walk.axes[next];
        if (axis.size > 1 && axis.y <= longest) return false;
        longest += (axis.size - 1) * axis.y;
    }
    return true;
}

/// Where two positions meet in an element of y, two threads would add to it at once. So as many
/// axes as can be walked without meeting, the longest first, are walked by threads, in one launch
/// for each position along the others: launches come one after another, always in the same order.
template <class T>
void add_walk(T* y, const T* a, const Axis* axes, int rank) {
    Walk inside{}, outside{};
    inside.positions = outside.positions = 1;
    bool used[Walk::max_rank] = {};
    for (int count = 0; count < rank; ++count) {
        int longest = -1;
        for (int j = 0; j < rank; ++j)
            if (!used[j] && (longest < 0 || axes[j].size > axes[longest].size)) longest = j;
        used[longest] = true;
        Walk more = inside;
        more.axes[more.rank++] = axes[longest];
        more.positions *= axes[longest].size;
        if (meets_once(more)) {
            inside = more;
        } else {
            outside.axes[outside.rank++] = axes[longest];
            outside.positions *= axes[longest].size;
        }
    }
    for (Index o = 0; o < outside.positions; ++o) {
        Index from_y = 0, from_a = 0, rest = o;
        for (int j = 0; j < outside.rank; ++j) {
            const Index k = rest % outside.axes[j].size;
            rest /= outside.axes[j].size;
            from_y += k * outside.axes[j].y;
            from_a += k * outside.axes[j].a;
        }
        each(inside.positions, [=] __device__(Index i) {
            const Offsets at = offsets_at(inside, i);
            y[from_y + at.y] += a[from_a + at.a];
        });
    }
}

template <class T>
void gather_walk(T* y, const T* a, const Index* indices, Index size, Index stride, const Axis* axes,
                 int rank) {
    const Walk walk = walk_along(axes, rank);
    each(walk.positions, [=] __device__(Index i) {
        const Offsets at = offsets_at(walk, i);
        const Index k = indices[at.b];
        y[at.y] = k >= 0 && k < size ? a[at.a + k * stride] : static_cast<T>(NAN);
    });
}

/// Where positions may meet in an element of a, along the axes that do not move in it, a thread
/// goes through them in their order.
template <class T>
void add_at_walk(T* a, const T* y, const Index* indices, Index size, Index stride, const Axis* axes,
                 int rank) {
    Walk meeting{}, apart{};
    meeting.positions = apart.positions = 1;
    for (int j = 0; j < rank; ++j) {
        Walk& walk = axes[j].a == 0 ? meeting : apart;
        walk.axes[walk.rank++] = axes[j];
        walk.positions *= axes[j].size;
    }
    each(apart.positions, [=] __device__(Index i) {
        const Offsets from = offsets_at(apart, i);
        for (Index j = 0; j < meeting.positions; ++j) {
            const Offsets further = offsets_at(meeting, j);
            const Index k = indices[from.b + further.b];
            if (k >= 0 && k < size) a[from.a + k * stride] += y[from.y + further.y];
        }
    });
}

// ---- reductions --------------------------------------------------------------------------------

/// op over x[0], x[stride], ..., n of them: those from `begin` on in steps of `step`, the lanes'
/// parts joined by all(value, join). logsumexp(x) = m + log sum exp(x - m), m the maximum.
template <class T, class All>
__device__ T reduced(ReduceOp op, const T* x, Index n, Index stride, Index begin, Index step,
                     All all) {
    const auto add = [](T u, T v) { return u + v; };
    T sum = 0;
    if (op == ReduceOp::sum) {
        for (Index k = begin; k < n; k += step) sum += x[k * stride];
        return all(sum, add);
    }
    T highest = -static_cast<T>(INFINITY);
    for (Index k = begin; k < n; k += step) highest = greater(highest, x[k * stride]);
    highest = all(highest, [](T u, T v) { return greater(u, v); });
    if (op == ReduceOp::max || !isfinite(highest)) return highest;
    for (Index k = begin; k < n; k += step) sum += exp(x[k * stride] - highest);
    return highest + log(all(sum, add));
}

/// Along the last axis a warp finds each result, so that it reads neighbours; along another one a
/// thread does, and its neighbours' results are neighbours.
template <class T>
void reduce(ReduceOp op, T* y, const T* x, Index outer, Index n, Index inner) {
    if (inner == 1)
        each_row(outer, [=] __device__(RowLane row) {
            const T value = reduced(op, x + row.row * n, n, 1, row.lane, warp_threads,
                                    [](T v, auto join) { return over_warp(v, join); });
            if (row.lane == 0) y[row.row] = value;
        });
    else
        each(outer * inner, [=] __device__(Index i) {
            const T* from = x + i / inner * n * inner + i % inner;
            y[i] = reduced(op, from, n, inner, 0, 1, [](T v, auto) { return v; });
        });
}

}  // namespace handgrad::HANDGRAD_GPU
