// A product to be made: its operands, its errors against double, and what it takes to time it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/text.h"
#include "kernels/ladder/0_naive.h"
#include "kernels/ladder/ladder.h"

namespace handgrad {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

inline double median(std::vector<double> x) {
    std::sort(x.begin(), x.end());
    return x.empty() ? std::numeric_limits<double>::quiet_NaN() : x[x.size() / 2];
}

/// C = op(A) op(B), without gaps.
struct Product {
    Trans trans_a, trans_b;
    Index M, N, K;

    [[nodiscard]] double flops() const { return 2.0 * static_cast<double>(M * N * K); }
    [[nodiscard]] std::string name() const {
        const auto letter = [](Trans t) { return t == Trans::yes ? 'T' : 'N'; };
        return format("%c%c %td x %td x %td", letter(trans_a), letter(trans_b), M, K, N);
    }
};

/// Rungs 9 and 10 are for AMX: plain C++ stands in for it elsewhere.
inline ladder::Gemm<float> rung(int number) {
    if (number == 0) return ladder::gemm_naive<float>;
    const cpu::Isa isa = cpu::chosen_isa();
    const bool stand_in = number > ladder::last_rung && !ladder::has_tiles(isa);
    return ladder::rung<float>(number, stand_in ? cpu::Isa::portable : isa);
}

struct Errors {
    double worst;     // of an element, as a share of its bound
    double relative;  // root of the sum of squares, of the errors over that of the results
};

/// A shape with its operands.
struct Problem {
    Product shape;
    std::vector<float> A, B, C;

    explicit Problem(const Product& s)
        : shape(s), A(draw(s.M * s.K, 1)), B(draw(s.K * s.N, 2)), C(size(s.M * s.N)) {}

    static std::size_t size(Index n) { return static_cast<std::size_t>(n); }
    static std::vector<float> draw(Index n, unsigned seed) {
        std::minstd_rand engine(seed);
        std::vector<float> x(size(n));
        for (float& xi : x) xi = static_cast<float>(engine()) / 1073741824.0F - 1;
        return x;
    }
    void multiply(int number) {
        const Product& s = shape;
        rung(number)(s.trans_a, s.trans_b, s.M, s.N, s.K, 1, A.data(),
                     s.trans_a == Trans::yes ? s.M : s.K, B.data(),
                     s.trans_b == Trans::yes ? s.K : s.N, 0, C.data(), s.N);
    }

    /// Of a few rows, against double. Infinite where anything is NaN.
    Errors errors(int number) {
        const Product& s = shape;
        const double bound = ladder::error_bound(number, s.K);
        std::fill(C.begin(), C.end(), std::numeric_limits<float>::quiet_NaN());
        multiply(number);
        double worst = 0, squares = 0, squared_errors = 0;
        const Index step = std::max<Index>(1, s.M / 8);
        for (Index m = s.M - 1; m >= 0; m -= step)
            for (Index n = 0; n < s.N; ++n) {
                double sum = 0, magnitude = 0;
                for (Index k = 0; k < s.K; ++k) {
                    const double a = A[size(s.trans_a == Trans::yes ? k * s.M + m : m * s.K + k)];
                    const double b = B[size(s.trans_b == Trans::yes ? n * s.K + k : k * s.N + n)];
                    sum += a * b;
                    magnitude += std::fabs(a * b);
                }
                const double error = std::fabs(static_cast<double>(C[size(m * s.N + n)]) - sum);
                // Written so that NaN is the worst of all.
                if (!(error <= bound * magnitude * worst)) worst = error / (bound * magnitude);
                squares += sum * sum;
                squared_errors += error * error;
            }
        if (std::isnan(squared_errors)) worst = std::numeric_limits<double>::infinity();
        return {worst, std::sqrt(squared_errors / squares)};
    }

    /// A sum of K products errs by at most K u sum |a| |b|, with u half an epsilon: the worst
    /// element's share of that.
    double worst_error(int number) { return errors(number).worst; }
};

/// Median GFLOP/s of several contestants that take turns, so that a busy neighbour slows all alike.
/// `between` is called before each round.
template <class Run, class Between>
std::vector<double> race(double flops, std::size_t contestants, double seconds, Run run,
                         Between between) {
    std::vector<std::vector<double>> speeds(contestants);
    std::vector<double> spent(contestants, 0);
    for (std::size_t i = 0; i < contestants; ++i) run(i);  // warm
    for (int round = 0; round < 25; ++round) {
        between();
        for (std::size_t i = 0; i < contestants; ++i) {
            if (round > 0 && spent[i] > seconds) continue;
            int times = 0;
            const auto start = Clock::now();
            do run(i);
            while (++times < 1000 && seconds_since(start) < seconds / 25);
            const double took = seconds_since(start);
            spent[i] += took;
            speeds[i].push_back(flops * times / took / 1e9);
        }
    }
    std::vector<double> medians;
    for (const auto& s : speeds) medians.push_back(median(s));
    return medians;
}

template <class Run>
std::vector<double> race(double flops, std::size_t contestants, double seconds, Run run) {
    return race(flops, contestants, seconds, run, [] {});
}

inline const char* why(int number) {
    static const char* const reasons[] = {
        "the definition: down a column of B, one sum at a time",
        "along rows of B and C: whole cache lines, and many sums at once",
        "a block of C stays in registers: 6 loads for 8 multiply-adds, not 16 and 8 stores",
        "pieces of A and B stay in L2 and L1 while they are used again",
        "strips are copied into the order of use: few pages, full vectors",
        "vectors by hand, the tile as large as the registers, masks at the edges",
        "each core makes a part of C by itself",
        "small and skinny shapes read their operands where they lie",
        "bias and max(., 0) before the tile leaves the registers",
        "bf16 operands: one instruction makes 8192 multiply-adds",
        "three bf16 for each float: six products, float's error"};
    return reasons[number];
}

}  // namespace handgrad
