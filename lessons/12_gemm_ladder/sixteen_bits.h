// Rungs 9 and 10: products whose operands are rounded to bf16, or split into three of them.
#pragma once

#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/ladder/fma_peak.h"
#include "problem.h"
#include "report/lesson.h"

namespace handgrad {

inline void round_operands(Lesson& lesson, Index n) {
    lesson.section("Sixteen bits");
    const int numbers[] = {ladder::last_rung, ladder::bf16_rung, ladder::bf16x3_rung};
    const bool amx = cpu::chosen_isa() == cpu::Isa::avx512 && ladder::has_tiles(cpu::Isa::avx512);
    if (!amx) n = std::min<Index>(n, 256);
    lesson.say(
        "Rung 9 rounds the operands to bf16, which have 8 bits where float has 24, and multiplies "
        "whole tiles of them by one instruction of Intel's AMX. Rung 10 makes three bf16 of each "
        "float, and six products of one.");
    const cpu::Isa isa = cpu::chosen_isa();
    if (amx)
        lesson.say(format(
            "Tiles loaded from L1 and multiplied make %.0f GFLOP/s on one thread, "
            "%.1f times the multiply-adds of float.",
            ladder::tile_peak(isa), ladder::tile_peak(isa) / ladder::fma_peak<float>(isa, 1)));
    else
        lesson.say(
            "There is no AMX here, or it was not asked for. So plain C++ computes, addition by "
            "addition, what its tiles would: the errors are theirs, and a speed would say "
            "nothing.");
    lesson.say(format("A square of %td, on one thread; errors against double:", n));

    Problem problem({Trans::no, Trans::no, n, n, n});
    std::vector<Errors> errors;
    for (const int number : numbers) errors.push_back(problem.errors(number));
    std::vector<double> speeds;
    if (amx) {
        const cpu::Threads one(1);
        speeds = race(problem.shape.flops(), 3, lesson.options().quick ? 0.05 : 0.5,
                      [&](std::size_t i) { problem.multiply(numbers[i]); });
    }
    std::vector<Row> rows;
    bool right = true;
    std::vector<double> relative;
    for (std::size_t i = 0; i < 3; ++i) {
        right = errors[i].worst <= 1 && right;
        relative.push_back(errors[i].relative);
        rows.push_back({std::to_string(numbers[i]), std::string(ladder::name_of_rung(numbers[i])),
                        amx ? format("%.1f", speeds[i]) : "-", format("%.2g", errors[i].relative),
                        format("%.2f", errors[i].relative / errors[0].relative),
                        format("%.1f %%", 100 * errors[i].worst)});
    }
    lesson.table({"rung", "", "GFLOP/s", "error", "of rung 8's", "worst, of its bound"}, rows);
    for (const int number : {ladder::bf16_rung, ladder::bf16x3_rung})
        lesson.line(
            format("%-2d %-17s  %s", number, ladder::name_of_rung(number).data(), why(number)));
    lesson.result("amx", amx);
    lesson.result("errors_of_float_bf16_bf16x3", relative);
    if (amx) lesson.result("gflops_of_float_bf16_bf16x3", speeds);
    lesson.check("rounded products stay within their bounds", right);
    lesson.check("three bf16 are as good as float", relative[2] <= 2 * relative[0],
                 format("%.2f times its error", relative[2] / relative[0]));
}

}  // namespace handgrad
