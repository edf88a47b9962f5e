// What the tests of products share: cases, their operands, the definition's result, comparisons.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "catch.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/parallel.h"
#include "kernels/ladder/0_naive.h"
#include "kernels/ladder/ladder.h"

namespace handgrad {

inline constexpr auto no = Trans::no;
inline constexpr auto yes = Trans::yes;
inline constexpr Trans both[] = {no, yes};

inline std::vector<cpu::Isa> supported_isas() {
    std::vector<cpu::Isa> isas;
    for (const auto isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512})
        if (cpu::supported(isa)) isas.push_back(isa);
    return isas;
}

struct Case {
    Trans trans_a = no, trans_b = no;
    Index M = 0, N = 0, K = 0;
    double alpha = 1, beta = 0;
    Index gap = 0;  // leading dimension less a row's length

    std::string name() const {
        const auto letter = [](Trans t) { return t == yes ? 'T' : 'N'; };
        return std::string("gemm_") + letter(trans_a) + letter(trans_b) + "_" + std::to_string(M) +
               "x" + std::to_string(N) + "x" + std::to_string(K) + " alpha " +
               std::to_string(alpha) + " beta " + std::to_string(beta) + " gap " +
               std::to_string(gap);
    }
};

/// A stored matrix. Nothing lies behind its last element, where the address sanitizer would see a
/// read or write, and every gap between rows holds `guard`.
template <class T>
struct Matrix {
    Index rows, cols, ld;
    std::vector<T> data;

    Matrix(Index rows_, Index cols_, Index gap, T guard)
        : rows(rows_),
          cols(cols_),
          ld(std::max<Index>(cols_ + gap, 1)),
          data(rows_ * cols_ == 0 ? 0 : static_cast<std::size_t>((rows_ - 1) * ld + cols_), guard) {
    }
    T& at(Index r, Index c) { return data[static_cast<std::size_t>(r * ld + c)]; }

    template <class Draw>
    Matrix& fill(Draw&& draw) {
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < cols; ++c) at(r, c) = static_cast<T>(draw());
        return *this;
    }
};

/// The three matrices of a case. The gaps of A and B hold NaN, so that reading one shows.
template <class T>
struct Operands {
    static constexpr T nan = std::numeric_limits<T>::quiet_NaN();
    static constexpr T guard = T{12345};
    Matrix<T> A, B, C;

    template <class Draw>
    Operands(const Case& c, Draw&& draw)
        : A(c.trans_a == yes ? c.K : c.M, c.trans_a == yes ? c.M : c.K, c.gap, nan),
          B(c.trans_b == yes ? c.N : c.K, c.trans_b == yes ? c.K : c.N, c.gap, nan),
          C(c.M, c.N, c.gap, guard) {
        A.fill(draw);
        B.fill(draw);
        C.fill(draw);
    }

    std::vector<T> product(const Backend<T>& backend, const Case& c) const {
        std::vector<T> result = C.data;
        backend.gemm(c.trans_a, c.trans_b, c.M, c.N, c.K, static_cast<T>(c.alpha), A.data.data(),
                     A.ld, B.data.data(), B.ld, static_cast<T>(c.beta), result.data(), C.ld);
        return result;
    }
    std::vector<T> product(ladder::Gemm<T> gemm, const Case& c) const {
        std::vector<T> result = C.data;
        gemm(c.trans_a, c.trans_b, c.M, c.N, c.K, static_cast<T>(c.alpha), A.data.data(), A.ld,
             B.data.data(), B.ld, static_cast<T>(c.beta), result.data(), C.ld);
        return result;
    }
    template <class Sum>
    std::vector<T> naive(const Case& c) const {
        std::vector<T> result = C.data;
        ladder::gemm_naive<T, Sum>(c.trans_a, c.trans_b, c.M, c.N, c.K, static_cast<T>(c.alpha),
                                   A.data.data(), A.ld, B.data.data(), B.ld, static_cast<T>(c.beta),
                                   result.data(), C.ld);
        return result;
    }
};

/// Whole numbers small enough for every sum to be exact, so that any order gives the same bits.
struct WholeNumbers {
    std::mt19937 engine{7};
    double operator()() { return static_cast<double>(static_cast<int>(engine() % 7) - 3); }
};

struct Reals {
    std::mt19937 engine{11};
    double operator()() { return std::uniform_real_distribution<>(-1, 1)(engine); }
};

/// The larger share of an allowance; NaN is the largest of all.
inline double larger(double a, double b) {
    if (std::isnan(b)) return std::numeric_limits<double>::infinity();
    return std::max(a, b);
}

/// Bits, not values: NaN must equal NaN, and guards must be untouched.
template <class T>
void require_same(const std::vector<T>& got, const std::vector<T>& wanted,
                  const std::string& what) {
    for (std::size_t i = 0; i < wanted.size(); ++i)
        if (std::memcmp(&got[i], &wanted[i], sizeof(T)) != 0 && !(got[i] == wanted[i]))
            FAIL(what << ": element " << i << " is " << got[i] << ", needs " << wanted[i]);
    SUCCEED();
}

template <class T>
void require_same_or_nan(const std::vector<T>& got, const std::vector<T>& wanted,
                         const std::string& what) {
    for (std::size_t i = 0; i < wanted.size(); ++i)
        if (!(got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]))))
            FAIL(what << ": element " << i << " is " << got[i] << ", needs " << wanted[i]);
    SUCCEED();
}

}  // namespace handgrad
