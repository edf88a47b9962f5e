// Products by matrix instructions, on the emulator, and on a GPU where there is one.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "gpus.h"
#include "kernels/cuda/matrix_kernels.h"
#include "kernels/emulator/watch.h"
#include "kernels/every_backend.h"

using namespace handgrad;

namespace {

constexpr Number kinds[] = {Number::tf32, Number::bf16, Number::f16};
constexpr float infinity = std::numeric_limits<float>::infinity();

const MatrixKernels& kernels_of([[maybe_unused]] Device device) {
#ifdef HANDGRAD_CUDA
    if (device == Device::cuda) return cuda::matrix_kernels();
#endif
    return emulated::matrix_kernels();
}

struct Product {
    std::vector<float> A, B, C;
    Index M, N, K;

    Product(Index m, Index n, Index k)
        : A(numbers<float>(m * k, 1)),
          B(numbers<float>(n * k, 2)),
          C(static_cast<std::size_t>(m * n), std::nanf("")),
          M(m),
          N(n),
          K(k) {}

    /// The element in exact arithmetic, or the sum of its products' sizes.
    [[nodiscard]] double exact(Index m, Index n, bool sizes = false) const {
        double sum = 0;
        for (Index k = 0; k < K; ++k) {
            const double product = double{A[static_cast<std::size_t>(m * K + k)]} *
                                   double{B[static_cast<std::size_t>(n * K + k)]};
            sum += sizes ? std::abs(product) : product;
        }
        return sum;
    }
    [[nodiscard]] double at(Index m, Index n) const {
        return double{C[static_cast<std::size_t>(m * N + n)]};
    }
};

template <class Body>
void on_awkward_sizes(Body body) {
    for (const Index M : {1, 7, 16, 17, 33})
        for (const Index N : {1, 5, 8, 9, 16})
            for (const Index K : {8, 16, 24, 56}) body(Product(M, N, K));
}

}  // namespace

TEST_CASE("numbers round to those of fewer bits", "[kernels][emulated]") {
    const auto rounded = emulated::matrix_kernels().rounded;
    for (const Number kind : kinds) {
        const double u = emulated::matrix_kernels().rounding(kind);
        INFO("rounding " << u);
        for (const float x : {0.0F, 1.0F, -1.0F, 1024.0F, 0x1p-14F, infinity, -infinity})
            CHECK(rounded(kind, x) == double{x});
        CHECK(std::signbit(rounded(kind, -0.0F)));
        for (const std::uint32_t bits : {0x7f800001U, 0x7fffffffU, 0xffc00000U}) {
            float nan = 0;
            std::memcpy(&nan, &bits, sizeof nan);
            CHECK(std::isnan(rounded(kind, nan)));
        }
        // Of one step above 1, less than half, half, more than half; and half of the next step.
        const double step = 2 * u;
        const auto one_and = [&](double steps) {
            return (rounded(kind, static_cast<float>(1 + steps * step)) - 1) / step;
        };
        CHECK(one_and(0.49) == 0);
        CHECK(one_and(0.5) == (kind == Number::tf32 ? 1 : 0));
        CHECK(one_and(0.51) == 1);
        CHECK(one_and(1.5) == 2);
        for (const float x : numbers<float>(1000, 3))
            CHECK(std::abs(rounded(kind, x) - double{x}) <= u * std::abs(double{x}) + 0x1p-25);
    }
    // A half ends at 65504, and is denormal below 2^-14.
    CHECK(rounded(Number::f16, 65519.0F) == 65504);
    CHECK(rounded(Number::f16, 65520.0F) == double{infinity});
    CHECK(rounded(Number::f16, 1e9F) == double{infinity});
    CHECK(rounded(Number::f16, 0x1p-24F) == 0x1p-24);
    CHECK(rounded(Number::f16, 0x1p-25F) == 0);
    CHECK(rounded(Number::f16, 0x1.8p-24F) == 0x1p-23);
    CHECK(rounded(Number::f16, -0x1.fffp-15F) == -0x1p-14);
    CHECK(rounded(Number::bf16, 3.4e38F) == double{infinity});
}

TEST_CASE("matrix instructions multiply whole numbers exactly", "[kernels][emulated]") {
    for (const Device device : gpus())
        for (const Number kind : kinds)
            on_awkward_sizes([&](Product p) {
                for (float& v : p.A) v = std::round(8 * v);
                for (float& v : p.B) v = std::round(8 * v);
                kernels_of(device).product(kind, p.C.data(), p.A.data(), p.B.data(), p.M, p.N, p.K);
                bool equal = true;
                for (Index m = 0; m < p.M; ++m)
                    for (Index n = 0; n < p.N; ++n) equal = equal && p.at(m, n) == p.exact(m, n);
                INFO(name_of(device) << ", " << p.M << "x" << p.N << "x" << p.K);
                CHECK(equal);
            });
}

TEST_CASE("matrix instructions are as exact as their numbers", "[kernels][emulated]") {
    // Each factor is rounded, by at most u; each of K additions in float by 2^-23, since a GPU may
    // cut off what others round: |error| <= sum |a b| ((1 + u)^2 - 1 + K 2^-23 (1 + u)^2). The
    // least normal half is 2^-14, and what is smaller is off by 2^-25 at most.
    for (const Device device : gpus())
        for (const Number kind : kinds)
            on_awkward_sizes([&](Product p) {
                kernels_of(device).product(kind, p.C.data(), p.A.data(), p.B.data(), p.M, p.N, p.K);
                const double u = kernels_of(device).rounding(kind), both = (1 + u) * (1 + u);
                const auto K = static_cast<double>(p.K);
                double worst = 0;  // in units of what is allowed
                for (Index m = 0; m < p.M; ++m)
                    for (Index n = 0; n < p.N; ++n) {
                        const double allowed =
                            p.exact(m, n, true) * (both - 1 + K * 0x1p-23 * both) + 2 * K * 0x1p-25;
                        const double used = std::abs(p.at(m, n) - p.exact(m, n)) / allowed;
                        worst = std::isnan(used) ? INFINITY : std::max(worst, used);
                    }
                INFO(name_of(device) << ", " << p.M << "x" << p.N << "x" << p.K << ": " << worst);
                CHECK(worst <= 1);
            });
}

TEST_CASE("the emulator finds a product that does not wait for its copies", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    for (const Number kind : kinds) {
        Product p(16, 8, 16);
        CHECK_THROWS_WITH(emulated::matrix_kernels().product_without_wait(
                              kind, p.C.data(), p.A.data(), p.B.data(), p.M, p.N, p.K),
                          ContainsSubstring("never written") &&
                              ContainsSubstring("product_kernel<") &&
                              ContainsSubstring("matrix_instructions.h:"));
    }
}
