// Four ways in which threads share out a product of matrices.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "traffic.h"

namespace handgrad {

inline void multiply_matrices(Lesson& lesson) {
    lesson.section("A product");
    const Device device = gpu_of(lesson);
    const Index M = lesson.options().quick ? 40 : 128, N = M + 8, K = M - 7;
    lesson.say(
        format("C = A B, with A (%td, %td) and B (%td, %td), a thread for each element of "
               "C. Each needs a row of A and a column of B: %td numbers, of which its "
               "neighbours need half as well.",
               M, K, K, N, 2 * K));
    const auto A = random_tensor({M, K}, Device::emulated, 6);
    const auto B = random_tensor({K, N}, Device::emulated, 7);
    const auto C = Tensor<float>::empty({M, N}, Device::emulated);
    const auto A_there = A.to(device), B_there = B.to(device);
    const auto C_there = Tensor<float>::empty({M, N}, device);
    const auto expected = Tensor<double>::empty({M, N});
    const auto magnitude = Tensor<double>::empty({M, N});
    const auto a = A.to(Device::cpu).cast<double>(), b = B.to(Device::cpu).cast<double>();
    matmul(expected, a, b);
    for (double& v : a.span()) v = std::abs(v);
    for (double& v : b.span()) v = std::abs(v);
    matmul(magnitude, a, b);

    struct Way {
        const char* name;
        Product how;
    };
    std::vector<Row> rows;
    std::vector<double> sectors, conflicts;
    double worst = 0;
    for (const auto& [name, how] : {Way{"neighbours down a column", Product::down_columns},
                                    {"neighbours along a row", Product::along_rows},
                                    {"through shared memory", Product::tiled},
                                    {"the same, A transposed", Product::tiled_transposed}}) {
        const auto traffic = counted([&, how = how] {
            kernels_of(Device::emulated).product(how, C.data(), A.data(), B.data(), M, N, K);
        });
        const auto run = [&, how = how] {
            kernels_of(device).product(how, C_there.data(), A_there.data(), B_there.data(), M, N,
                                       K);
        };
        run();
        const auto got = C_there.values();
        for (std::size_t i = 0; i < got.size(); ++i) {
            // A sum of K products errs by at most about K roundings of its magnitude.
            const double allowed = static_cast<double>(K + 1) *
                                   double{std::numeric_limits<float>::epsilon()} / 2 *
                                   magnitude.data()[i];
            const double share = std::abs(double{got[i]} - expected.data()[i]) / allowed;
            worst = std::isnan(share) ? 1e30 : std::max(worst, share);
        }
        sectors.push_back(static_cast<double>(traffic.global_sectors));
        conflicts.push_back(static_cast<double>(traffic.shared_wavefronts - traffic.shared_ideal));
        rows.push_back(
            {name, format("%td", traffic.global_requests), format("%td", traffic.global_sectors),
             format("%.0f %%", 100 * used(traffic)), format("%.2f MB", 32e-6 * sectors.back()),
             format("%.0f", conflicts.back()), time_of(device, run)});
    }
    timed_table(lesson, {"threads", "requests", "sectors", "used", "sent", "conflicts", "time"},
                rows);
    const auto ideal = static_cast<double>(4 * (M * K + K * N + M * N)) * 1e-6;
    lesson.say(
        format("Each matrix once would be %.2f MB. More than 100 %% used means that lanes "
               "asked for the same number, which is sent once.",
               ideal));
    lesson.result("product_sectors", sectors);
    lesson.result("product_conflicts", conflicts);
    lesson.check("all four give the product", worst <= 1,
                 format("at most %.0f %% of the rounding allowed", 100 * worst));
    if (emulator::sees_accesses()) {
        lesson.check("neighbours along a row take fewer sectors than down a column",
                     sectors[1] < sectors[0] / 2,
                     format("%.0f against %.0f", sectors[1], sectors[0]));
        lesson.check("shared memory saves most of the rest", sectors[2] < sectors[1] / 3,
                     format("%.0f against %.0f", sectors[2], sectors[1]));
        lesson.check("a tile written down its columns has bank conflicts",
                     conflicts[2] == 0 && conflicts[3] > 0);
    }
}

}  // namespace handgrad
