// The GPU's product against the CPU's, on the emulator, and on a GPU where there is one: around the
// sizes of its tiles, 16 and 64, and of its slices, 16.
#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/emulator/watch.h"
#include "kernels/every_backend.h"

using namespace handgrad;

namespace {

template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

/// A stored matrix with `gap` NaN after each row but the last. Whole numbers, small enough for all
/// sums to be exact: then any order of additions gives the same.
template <class T>
std::vector<T> stored(Index rows, Index cols, Index gap, std::uint32_t seed) {
    if (rows == 0 || cols == 0) return {};
    std::vector<T> x(static_cast<std::size_t>((rows - 1) * (cols + gap) + cols), not_a_number<T>);
    for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < cols; ++c) {
            seed = seed * 1664525 + 1013904223;
            x[static_cast<std::size_t>(r * (cols + gap) + c)] =
                static_cast<T>(static_cast<int>(seed >> 16) % 4);
        }
    return x;
}

template <class T>
bool same(const std::vector<T>& got, const std::vector<T>& wanted) {
    return std::equal(got.begin(), got.end(), wanted.begin(), wanted.end(),
                      [](T a, T b) { return a == b || (std::isnan(a) && std::isnan(b)); });
}

struct Size {
    Index M, N, K;
};

template <class T>
void require_as_on_cpu(const Backend<T>& gpu, Size size, T alpha, T beta, Index gap) {
    const Index M = size.M, N = size.N, K = size.K;
    for (const Trans ta : {Trans::no, Trans::yes})
        for (const Trans tb : {Trans::no, Trans::yes}) {
            const bool a_turned = ta == Trans::yes, b_turned = tb == Trans::yes;
            const Index a_cols = a_turned ? M : K, b_cols = b_turned ? K : N;
            const auto A = stored<T>(a_turned ? K : M, a_cols, gap, 1);
            const auto B = stored<T>(b_turned ? N : K, b_cols, gap, 2);
            auto C = stored<T>(M, N, gap, 3), wanted = C;
            const auto product = [&](const Backend<T>& on, std::vector<T>& result) {
                on.gemm(ta, tb, M, N, K, alpha, A.data(), a_cols + gap, B.data(), b_cols + gap,
                        beta, result.data(), N + gap);
            };
            product(gpu, C);
            product(cpu::backend<T>(cpu::Isa::portable), wanted);
            INFO(M << "x" << N << "x" << K << (a_turned ? " T" : " N") << (b_turned ? "T" : "N"));
            CHECK(same(C, wanted));
        }
}

}  // namespace

TEMPLATE_TEST_CASE("the GPU's product equals the CPU's", "[gemm][emulated]", float, double) {
    using T = TestType;
    on_every_gpu<T>([](const Backend<T>& gpu) {
        for (const Index M : {0, 1, 15, 16, 17, 33})
            for (const Index N : {0, 1, 7, 16, 17})
                for (const Index K : {0, 1, 15, 16, 17, 40})
                    require_as_on_cpu<T>(gpu, {M, N, K}, 1, M % 2 == 0 ? T(0) : T(1), (M + N) % 3);
        for (const Size size :
             {Size{64, 64, 16}, {63, 65, 17}, {65, 64, 1}, {64, 65, 33}, {127, 129, 5}})
            require_as_on_cpu<T>(gpu, size, 2, -1, 3);
        // Sums in parts: of four slices, of more, with a part that is short, for tiles of 64.
        for (const Size size : {Size{16, 16, 128},
                                {16, 128, 784},
                                {17, 10, 501},
                                {9, 33, 2047},
                                {64, 66, 300},
                                {256, 240, 130}})
            require_as_on_cpu<T>(gpu, size, 2, -1, 3);
    });
}

TEST_CASE("the GPU's product shares out long sums, and short ones not", "[gemm][emulated]") {
    if (!emulator::sees_accesses()) return;
    const OnHostMemory<float> gpu(emulated::gpu(), emulated::backend<float>());
    const auto launches = [&](Index M, Index N, Index K) {
        const auto numbers = [](Index n) {
            return std::vector<float>(static_cast<std::size_t>(n));
        };
        const std::vector<float> x = numbers(M * K), w = numbers(N * K), bias = numbers(N);
        std::vector<float> y = numbers(M * N);
        emulator::take_traffic();
        emulator::set_counting(true);
        gpu.linear_relu_forward(y.data(), x.data(), w.data(), bias.data(), M, K, N);
        emulator::set_counting(false);
        std::int64_t all = 0;
        for (const emulator::Traffic& kernel : emulator::take_traffic()) all += kernel.launches;
        return all;
    };
    CHECK(launches(16, 128, 784) == 2);
    CHECK(launches(64, 128, 784) == 2);
    CHECK(launches(16, 128, 127) == 1);  // seven slices
    CHECK(launches(16, 10, 784) == 2);
    CHECK(launches(16, 4, 784) == 1);  // a thread for each sum
}

TEMPLATE_TEST_CASE("the GPU's product reads nothing that a zero factor makes pointless",
                   "[gemm][emulated]", float, double) {
    using T = TestType;
    on_every_gpu<T>([](const Backend<T>& gpu) {
        for (const Index n : {5, 70}) {
            const auto square = static_cast<std::size_t>(n * n);
            const std::vector<T> bad(square, not_a_number<T>), good(square, T(1));
            std::vector<T> C = bad;
            gpu.gemm(Trans::no, Trans::no, n, n, n, 1, good.data(), n, good.data(), n, 0, C.data(),
                     n);
            CHECK(C == std::vector<T>(square, static_cast<T>(n)));
            gpu.gemm(Trans::no, Trans::no, n, n, n, 0, bad.data(), n, bad.data(), n, 2, C.data(),
                     n);
            CHECK(C == std::vector<T>(square, static_cast<T>(2 * n)));
        }
    });
}

TEMPLATE_TEST_CASE("the GPU's product of whole tiles has no bank conflicts", "[gemm][emulated]",
                   float, double) {
    if (!emulator::sees_accesses()) return;
    using T = TestType;
    const OnHostMemory<T> gpu(emulated::gpu(), emulated::backend<T>());
    for (const Index n : {16, 64})
        for (const Trans ta : {Trans::no, Trans::yes})
            for (const Trans tb : {Trans::no, Trans::yes}) {
                if (n == 16 && !(ta == Trans::no && tb == Trans::yes)) continue;  // but for a few
                const std::vector<T> A(static_cast<std::size_t>(n * n), T(1));
                std::vector<T> C = A;
                emulator::take_traffic();
                emulator::set_counting(true);
                gpu.gemm(ta, tb, n, n, n, 1, A.data(), n, A.data(), n, 0, C.data(), n);
                emulator::set_counting(false);
                const emulator::Traffic traffic = emulator::take_traffic().at(0);
                CHECK(traffic.shared_requests > 0);
                CHECK(traffic.shared_wavefronts == traffic.shared_ideal);
            }
}

TEMPLATE_TEST_CASE("the GPU's product lets NaN through", "[gemm][emulated]", float, double) {
    using T = TestType;
    on_every_gpu<T>([](const Backend<T>& gpu) {
        for (const Index n : {17, 65}) {
            std::vector<T> A(static_cast<std::size_t>(n * n), T(1)), C = A;
            const auto B = A;
            A[static_cast<std::size_t>(n * n - 1)] = not_a_number<T>;  // in the last row
            gpu.gemm(Trans::no, Trans::no, n, n, n, 1, A.data(), n, B.data(), n, 0, C.data(), n);
            for (Index i = 0; i < n * n; ++i)
                CHECK(std::isnan(C[static_cast<std::size_t>(i)]) == (i >= n * (n - 1)));
        }
    });
}
