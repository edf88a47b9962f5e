// The speed of the CPU's product: the shapes of training steps, and squares.
//
// Every result is checked against the definition before it is timed; a wrong one prints no speed.
// %peak compares with multiply-adds from registers, measured when the program starts, times the
// number of threads. For a comparison on a noisy machine:
//   bench_gemm --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true
//              --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/parallel.h"
#include "kernels/ladder/0_naive.h"

using namespace handgrad;

namespace {

// ---- the peak
// ------------------------------------------------------------------------------------

// Ten independent chains of multiply-adds fill the pipeline: latency times throughput is eight on
// most processors. A macro, since each copy needs its own instruction set. Returns the operations;
// the sums go to *out, so that the compiler can't drop them.
#define DEFINE_FMA_CHAINS(name, isa, bytes)                                            \
    template <class T>                                                                 \
    isa double name(T* out) {                                                          \
        typedef T V __attribute__((vector_size(bytes)));                               \
        constexpr int rounds = 100000;                                                 \
        const V f = V{} + T(0.5), g = V{} + T(1);                                      \
        V a = g, b = g, c = g, d = g, e = g, v = g, w = g, x = g, y = g, z = g;        \
        for (int r = 0; r < rounds; ++r) {                                             \
            a = a * f + g, b = b * f + g, c = c * f + g, d = d * f + g, e = e * f + g; \
            v = v * f + g, w = w * f + g, x = x * f + g, y = y * f + g, z = z * f + g; \
        }                                                                              \
        *out = (a + b + c + d + e + v + w + x + y + z)[0];                             \
        return 10.0 * 2.0 * rounds * static_cast<double>(bytes / sizeof(T));           \
    }
DEFINE_FMA_CHAINS(chains_portable, , 16)
#if defined(__x86_64__)
DEFINE_FMA_CHAINS(chains_avx2, __attribute__((target("avx2,fma"))), 32)
DEFINE_FMA_CHAINS(chains_avx512, __attribute__((target("avx512f"))), 64)
#endif

template <class T>
double chains(T* out) {
#if defined(__x86_64__)
    if (cpu::chosen_isa() == cpu::Isa::avx512) return chains_avx512(out);
    if (cpu::chosen_isa() == cpu::Isa::avx2) return chains_avx2(out);
#endif
    return chains_portable(out);
}

/// Operations a second of one thread: the best of some tries.
template <class T>
double peak() {
    static const double best = [] {
        double fastest = 0;
        for (int attempt = 0; attempt < 200; ++attempt) {
            T out;
            const auto start = std::chrono::steady_clock::now();
            const double operations = chains(&out);
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
            benchmark::DoNotOptimize(out);
            fastest = std::max(fastest, operations / seconds.count());
        }
        return fastest;
    }();
    return best;
}

// ---- the products
// --------------------------------------------------------------------------------

struct Shape {
    const char* trans;  // of A, of B: "NT"
    Index M, N, K;
    double beta;
};

template <class T>
struct Product {
    Shape shape;
    Trans trans_a, trans_b;
    Index lda, ldb;
    std::vector<T> A, B, C;

    explicit Product(const Shape& s)
        : shape(s),
          trans_a(s.trans[0] == 'T' ? Trans::yes : Trans::no),
          trans_b(s.trans[1] == 'T' ? Trans::yes : Trans::no),
          lda(trans_a == Trans::yes ? s.M : s.K),
          ldb(trans_b == Trans::yes ? s.K : s.N),
          A(random(s.M * s.K, 1)),
          B(random(s.K * s.N, 2)),
          C(random(s.M * s.N, 3)) {}

    static std::vector<T> random(Index n, unsigned seed) {
        std::mt19937 engine(seed);
        std::uniform_real_distribution<T> draw(-1, 1);
        std::vector<T> x(static_cast<std::size_t>(n));
        for (T& xi : x) xi = draw(engine);
        return x;
    }

    void run() {
        cpu::backend<T>(cpu::chosen_isa())
            .gemm(trans_a, trans_b, shape.M, shape.N, shape.K, T{1}, A.data(), lda, B.data(), ldb,
                  static_cast<T>(shape.beta), C.data(), shape.N);
    }

    /// Some rows of C against the definition, to within K eps of what an element can reach.
    bool right() {
        const std::vector<T> before = C;
        run();
        const Index step = std::max<Index>(1, shape.M / 16);
        for (Index m = 0; m < shape.M; m += step) {
            const T* a = A.data() + (trans_a == Trans::yes ? m : m * lda);
            const auto first = static_cast<std::size_t>(m * shape.N);
            std::vector<T> row(before.begin() + m * shape.N, before.begin() + (m + 1) * shape.N);
            ladder::gemm_naive<T, double>(trans_a, trans_b, 1, shape.N, shape.K, T{1}, a, lda,
                                          B.data(), ldb, static_cast<T>(shape.beta), row.data(),
                                          shape.N);
            const double allowed = static_cast<double>(shape.K + 2) *
                                   std::numeric_limits<T>::epsilon() *
                                   std::sqrt(static_cast<double>(shape.K));
            for (std::size_t n = 0; n < row.size(); ++n)
                if (!(std::fabs(static_cast<double>(C[first + n] - row[n])) <= allowed))
                    return false;
        }
        return true;
    }
};

template <class T>
void run_benchmark(benchmark::State& state, const Shape& shape, int threads) {
    cpu::set_max_threads(threads);
    Product<T> product(shape);
    if (!product.right()) {
        state.SkipWithError("the result is wrong");
        return;
    }
    const auto start = std::chrono::steady_clock::now();
    for (auto _ : state) product.run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double rate = 2.0 * static_cast<double>(shape.M * shape.N * shape.K) *
                        static_cast<double>(state.iterations()) / seconds.count();
    state.counters["GFLOP/s"] = rate / 1e9;
    state.counters["%peak"] = 100 * rate / (peak<T>() * threads);
}

template <class T>
void add(const Shape& s, int threads) {
    const std::string name = std::string(std::is_same_v<T, float> ? "sgemm_" : "dgemm_") + s.trans +
                             "_" + std::to_string(s.M) + "x" + std::to_string(s.N) + "x" +
                             std::to_string(s.K) + (s.beta == 0 ? "" : "+C") +
                             "/threads:" + std::to_string(threads);
    benchmark::RegisterBenchmark(name.c_str(), [s, threads](benchmark::State& state) {
        run_benchmark<T>(state, s, threads);
    })->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<Shape> shapes;
    // Layers of 784-128-10 and 784-100-10, forward (NT), dW (TN), dx (NN), as M x N x K.
    for (const Index batch : {16, 64, 256}) {
        shapes.push_back({"NT", batch, 128, 784, 0});
        shapes.push_back({"TN", 128, 784, batch, 1});
        shapes.push_back({"NT", batch, 10, 128, 0});
        shapes.push_back({"TN", 10, 128, batch, 1});
        shapes.push_back({"NN", batch, 128, 10, 0});
    }
    shapes.push_back({"NN", 256, 10, 4096, 0});
    shapes.push_back({"NT", 1649, 10, 4096, 0});
    shapes.push_back({"TN", 10, 4096, 1649, 1});
    for (const Index n : {64, 128, 256, 512, 1024, 2048}) shapes.push_back({"NN", n, n, n, 0});
    for (const char* trans : {"NT", "TN", "TT"}) shapes.push_back({trans, 512, 512, 512, 0});

    for (const int threads : {1, 2}) {
        for (const Shape& shape : shapes) add<float>(shape, threads);
        for (const Index n : {64, 512, 1024}) add<double>({"NN", n, n, n, 0}, threads);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    std::printf("kernels %s, multiply-add peak of one thread: float %.0f, double %.0f GFLOP/s\n",
                cpu::name_of(cpu::chosen_isa()).data(), peak<float>() / 1e9, peak<double>() / 1e9);
    benchmark::RunSpecifiedBenchmarks();
}
