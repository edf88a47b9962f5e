// The ladder to a fast matrix product, climbed and timed.
//
//   make lesson N=12                                  a square of 1024
//   make lesson N=12 ARGS="--size 2048 --threads 1"   another, on one thread
//   HANDGRAD_ISA=avx2 make lesson N=12                on another instruction set
//
// Each rung is one file of kernels/ladder/, and one idea; README.md beside this file derives the
// sizes of their blocks. Before a rung is timed, its result is held against the definition
// (problem.h). sixteen_bits.h has the two rungs that leave float.
#include <algorithm>

#include "kernels/cpu/caches.h"
#include "kernels/cpu/parallel.h"
#include "kernels/ladder/fma_peak.h"
#include "kernels/ladder/ladder.h"
#include "problem.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "sixteen_bits.h"

using namespace handgrad;

namespace {

void show_machine(Lesson& lesson) {
    lesson.section("The machine");
    const cpu::Caches& caches = cpu::caches();
    const int threads = lesson.options().threads;
    std::vector<double> one, all;
    for (int i = 0; i < 30; ++i) {
        one.push_back(ladder::fma_peak<float>(cpu::chosen_isa(), 1));
        all.push_back(ladder::fma_peak<float>(cpu::chosen_isa(), threads));
    }
    lesson.say(format(
        "Kernels for %s. A core has %td KB of L1 and %td KB of L2, and counts on %td MB of L3. "
        "When it does nothing but multiply-adds from registers to registers it makes %.0f "
        "GFLOP/s; %d threads make %.0f. That is the roof.",
        cpu::name_of(cpu::chosen_isa()).data(), caches.l1 >> 10, caches.l2 >> 10, caches.l3 >> 20,
        median(one), threads, median(all)));
    lesson.result("peak", median(one));
    lesson.result("peak_all_threads", median(all));
}

void climb(Lesson& lesson, Index n) {
    lesson.section("The ladder");
    const int threads = lesson.options().threads;
    const double seconds = lesson.options().quick ? 0.05 : 0.5;
    lesson.say(
        format("A square of %td, float. Rungs 0 to 5 on one thread, from 6 on %d. The share is "
               "of the multiply-add peak of as many threads, measured between the runs.",
               n, threads));
    Problem problem({Trans::no, Trans::no, n, n, n});
    constexpr auto count = static_cast<std::size_t>(ladder::last_rung + 1);
    std::vector<double> one, all;
    bool right = true;
    for (int number = 0; number <= ladder::last_rung; ++number)
        right = problem.worst_error(number) <= 1 && right;
    const std::vector<double> speeds = race(
        problem.shape.flops(), count, seconds,
        [&](std::size_t i) {
            const cpu::Threads set(i < 6 ? 1 : threads);
            problem.multiply(static_cast<int>(i));
        },
        [&] {
            one.push_back(ladder::fma_peak<float>(cpu::chosen_isa(), 1));
            all.push_back(ladder::fma_peak<float>(cpu::chosen_isa(), threads));
        });
    std::vector<Row> rows;
    std::vector<double> numbers;
    for (int number = 0; number <= ladder::last_rung; ++number) {
        const auto i = static_cast<std::size_t>(number);
        const double peak = median(number < 6 ? one : all);
        rows.push_back({std::to_string(number), std::string(ladder::name_of_rung(number)),
                        format("%.1f", speeds[i]), format("%.1f %%", 100 * speeds[i] / peak),
                        number == 0 ? "" : format("%.2fx", speeds[i] / speeds[i - 1])});
        numbers.push_back(number);
    }
    lesson.table({"rung", "", "GFLOP/s", "of peak", "gain"}, rows);
    for (int number = 0; number <= ladder::last_rung; ++number)
        lesson.line(
            format("%d  %-17s  %s", number, ladder::name_of_rung(number).data(), why(number)));
    lesson.say(
        "Rungs 7 and 8 change little here: a large square reuses what it copies, and has no bias. "
        "Tiles that fetch what comes next are rung 7's part. Their turn comes below.");
    lesson.result("square_gflops", speeds);
    lesson.figure("ladder.png", "The speed of each rung. The scale is logarithmic.",
                  {.title = format("A square of %td", n),
                   .x_label = "rung",
                   .y_label = "GFLOP/s",
                   .series = {{"", speeds, numbers}},
                   .log_y = true});
    lesson.check("every rung computes the product", right);
    lesson.check("the ladder leads upwards", speeds[5] > 5 * speeds[0],
                 format("rung 5 at %.1f times rung 0", speeds[5] / speeds[0]));
}

void turn(Lesson& lesson, Index n) {
    lesson.section("Transposed");
    lesson.say(
        "Training needs three products: forward X W', and backward dY W and dY' X. So one operand "
        "or the other lies against the grain. Plain loops fall behind where it is B; packing lays "
        "every operand out alike. One thread, GFLOP/s:");
    const cpu::Threads one(1);
    std::vector<Row> rows;
    bool right = true;
    std::vector<std::vector<double>> columns;
    const std::vector<int> shown = {1, 2, 3, 4, 5, 7};
    for (const auto& [ta, tb] : {std::pair{Trans::no, Trans::no},
                                 {Trans::no, Trans::yes},
                                 {Trans::yes, Trans::no},
                                 {Trans::yes, Trans::yes}}) {
        Problem problem({ta, tb, n, n, n});
        for (const int number : shown) right = problem.worst_error(number) <= 1 && right;
        columns.push_back(race(problem.shape.flops(), shown.size(),
                               lesson.options().quick ? 0.02 : 0.2,
                               [&](std::size_t i) { problem.multiply(shown[i]); }));
    }
    for (std::size_t i = 0; i < shown.size(); ++i) {
        Row row{std::to_string(shown[i]), std::string(ladder::name_of_rung(shown[i]))};
        for (const auto& column : columns) row.push_back(format("%.1f", column[i]));
        rows.push_back(row);
    }
    lesson.table({"rung", "", "A B", "A B'", "A' B", "A' B'"}, rows);
    lesson.check("every rung turns its operands right", right);
}

void train(Lesson& lesson) {
    lesson.section("The shapes of training");
    lesson.say(
        "A batch of 16, or ten classes: a copied element is used once or twice, and copying it "
        "costs more than that saves. M x K x N, on one thread, GFLOP/s:");
    const cpu::Threads one(1);
    constexpr auto no = Trans::no, yes = Trans::yes;
    std::vector<Row> rows;
    std::vector<double> gains;
    bool right = true;
    for (const Product& shape : {Product{no, yes, 16, 128, 784},
                                 {yes, no, 128, 784, 16},
                                 {no, no, 16, 784, 128},
                                 {no, yes, 64, 10, 100},
                                 {yes, no, 10, 100, 64},
                                 {no, no, 256, 4096, 10},
                                 {no, yes, 256, 10, 4096},
                                 {yes, no, 10, 4096, 256}}) {
        Problem problem(shape);
        right = problem.worst_error(5) <= 1 && problem.worst_error(7) <= 1 && right;
        const std::vector<double> speeds =
            race(shape.flops(), 2, lesson.options().quick ? 0.02 : 0.2,
                 [&](std::size_t i) { problem.multiply(i == 0 ? 5 : 7); });
        gains.push_back(speeds[1] / speeds[0]);
        rows.push_back({shape.name(), format("%.1f", speeds[0]), format("%.1f", speeds[1]),
                        format("%.2fx", gains.back())});
    }
    lesson.table({"", "5 all packed", "7 as it lies", "gain"}, rows);
    lesson.result("skinny_gains", gains);
    lesson.check("skinny products are right", right);
}

void fuse(Lesson& lesson) {
    lesson.section("The epilogue");
    lesson.say(
        "A layer's forward pass, max(X W' + b, 0): the product and two passes of their own over "
        "its result, against one call. On one thread:");
    const cpu::Threads one(1);
    const cpu::Isa isa = cpu::chosen_isa();
    const Backend<float>& backend = cpu::backend<float>(isa);
    std::vector<Row> rows;
    bool equal = true;
    for (const Product& s : {Product{Trans::no, Trans::yes, 16, 128, 784},
                             {Trans::no, Trans::yes, 256, 100, 64},
                             {Trans::no, Trans::yes, 1024, 1024, 16}}) {
        Problem problem(s);
        const std::vector<float> bias = Problem::draw(s.N, 3);
        std::vector<float> fused(problem.C.size());
        const auto run = [&](std::size_t i) {
            if (i == 1)
                return ladder::fused_rung<float>(isa)(s.trans_a, s.trans_b, s.M, s.N, s.K,
                                                      problem.A.data(), problem.B.data(),
                                                      bias.data(), true, nullptr, fused.data());
            problem.multiply(7);
            backend.add_to_rows(problem.C.data(), bias.data(), s.M, s.N);
            backend.activation_forward(Activation::relu, problem.C.data(), problem.C.data(), 0, 0,
                                       s.M * s.N);
        };
        const std::vector<double> speeds =
            race(s.flops(), 2, lesson.options().quick ? 0.02 : 0.2, run);
        equal = equal && fused == problem.C;
        rows.push_back({s.name(), format("%.1f", s.flops() / speeds[0] / 1e3),
                        format("%.1f", s.flops() / speeds[1] / 1e3),
                        format("%.2fx", speeds[1] / speeds[0])});
    }
    lesson.table({"", "apart, us", "fused, us", "gain"}, rows);
    lesson.check("fused or apart, the same bits", equal);
}

}  // namespace

int main(int argc, char** argv) {
    int size = 0;
    const LessonInfo info{
        .name = "12_gemm_ladder",
        .title = "The ladder to a fast product",
        .summary =
            "Multiplies matrices nine times over, each time with one more idea, and measures "
            "what it brings: from the definition to what the layers run.",
        .flags = {{"--size", "rows of the square; 0 stands for 1024, or 384 with --quick", &size}},
    };
    return run_lesson(argc, argv, info, [&](Lesson& lesson) {
        const Index n = size > 0 ? size : lesson.options().quick ? 384 : 1024;
        show_machine(lesson);
        climb(lesson, n);
        turn(lesson, std::min<Index>(n, 512));
        train(lesson);
        fuse(lesson);
        round_operands(lesson, n);
    });
}
