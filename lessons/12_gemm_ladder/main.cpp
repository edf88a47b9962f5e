// The ladder to a fast matrix product, climbed and timed.
//
//   make lesson N=12                                  a square of 1024
//   make lesson N=12 ARGS="--size 2048 --threads 1"   another, on one thread
//   HANDGRAD_ISA=avx2 make lesson N=12                on another instruction set
//
// Each rung is one file of kernels/ladder/, and one idea; README.md beside this file derives the
// sizes of their blocks. Before a rung is timed, its result is held against the definition.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/cpu/caches.h"
#include "kernels/cpu/parallel.h"
#include "kernels/ladder/0_naive.h"
#include "kernels/ladder/fma_peak.h"
#include "kernels/ladder/ladder.h"
#include "report/lesson.h"
#include "report/plot.h"

using namespace handgrad;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> x) {
    std::sort(x.begin(), x.end());
    return x.empty() ? std::numeric_limits<double>::quiet_NaN() : x[x.size() / 2];
}

/// C = op(A) op(B), without gaps.
struct Shape {
    Trans trans_a, trans_b;
    Index M, N, K;

    [[nodiscard]] double flops() const { return 2.0 * static_cast<double>(M * N * K); }
    [[nodiscard]] std::string name() const {
        const auto letter = [](Trans t) { return t == Trans::yes ? 'T' : 'N'; };
        return format("%c%c %td x %td x %td", letter(trans_a), letter(trans_b), M, K, N);
    }
};

/// Rungs 9 and 10 are for AMX: plain C++ stands in for it elsewhere.
ladder::Gemm<float> rung(int number) {
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
    Shape shape;
    std::vector<float> A, B, C;

    explicit Problem(const Shape& s)
        : shape(s), A(draw(s.M * s.K, 1)), B(draw(s.K * s.N, 2)), C(size(s.M * s.N)) {}

    static std::size_t size(Index n) { return static_cast<std::size_t>(n); }
    static std::vector<float> draw(Index n, unsigned seed) {
        std::minstd_rand engine(seed);
        std::vector<float> x(size(n));
        for (float& xi : x) xi = static_cast<float>(engine()) / 1073741824.0F - 1;
        return x;
    }
    void multiply(int number) {
        const Shape& s = shape;
        rung(number)(s.trans_a, s.trans_b, s.M, s.N, s.K, 1, A.data(),
                     s.trans_a == Trans::yes ? s.M : s.K, B.data(),
                     s.trans_b == Trans::yes ? s.K : s.N, 0, C.data(), s.N);
    }

    /// Of a few rows, against double. Infinite where anything is NaN.
    Errors errors(int number) {
        const Shape& s = shape;
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

const char* why(int number) {
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

void show_machine(Lesson& lesson) {
    lesson.section("The machine");
    const cpu::Caches& caches = cpu::caches();
    const int threads = lesson.options().threads;
    std::vector<double> one, all;
    for (int i = 0; i < 30; ++i) {
        one.push_back(ladder::fma_peak<float>(cpu::chosen_isa(), 1));
        all.push_back(ladder::fma_peak<float>(cpu::chosen_isa(), threads));
    }
    lesson.say(
        format("Kernels for %s. A core has %td KB of L1 and %td KB of L2, and shares %td MB of L3. "
               "When it does nothing but multiply-adds from registers to registers it makes %.0f "
               "GFLOP/s; %d threads make %.0f. That is the roof.",
               cpu::name_of(cpu::chosen_isa()).data(), caches.l1 >> 10, caches.l2 >> 10,
               caches.l3 >> 20, median(one), threads, median(all)));
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
        "Rungs 7 and 8 change nothing here: a large square has no bias, and reuses what it "
        "copies. Their turn comes below.");
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
    for (const Shape& shape : {Shape{no, yes, 16, 128, 784},
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
    for (const Shape& s : {Shape{Trans::no, Trans::yes, 16, 128, 784},
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

void round_operands(Lesson& lesson, Index n) {
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
