// The first CUDA kernels: a sum of vectors, the sum of a vector, a product of matrices.
//
//   make lesson N=13                            on the emulator, which every machine has
//   make lesson N=13 ARGS="--device cuda"       on a GPU, with times
//
// The kernels stand in kernels.cu beside this file, and README.md goes through them. This program
// runs them, holds their results against the CPU's, and lets the emulator count what they ask of
// memory: a GPU computes faster than it reads, so the count is most of what there is to know.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>

#include "core/random.h"
#include "core/tensor.h"
#include "kernels.h"
#include "kernels/emulator/watch.h"
#include "report/lesson.h"
#include "report/plot.h"

using namespace handgrad;

namespace {

const FirstKernels& kernels_of(Device device) {
#ifdef HANDGRAD_CUDA
    if (device == Device::cuda) return cuda::first_kernels();
#endif
    static_cast<void>(device);
    return emulated::first_kernels();
}

/// The device that this lesson is about, where --device does not name one.
Device gpu_of(const Lesson& lesson) {
    return lesson.options().device == Device::cpu ? Device::emulated : lesson.options().device;
}

/// What one run of some kernel asks of memory, as the emulator counts it.
emulator::Traffic counted(const std::function<void()>& run) {
    emulator::take_traffic();
    emulator::set_counting(true);
    run();
    emulator::set_counting(false);
    return emulator::take_traffic().at(0);
}

/// The share of the bytes that memory sends which the kernel asked for.
double used(const emulator::Traffic& t) {
    return static_cast<double>(t.global_bytes) / (32 * static_cast<double>(t.global_sectors));
}

/// The mean time of many runs on the GPU, "12.3 us".
std::string time_of(Device device, const std::function<void()>& run) {
    if (device != Device::cuda) return "";  // the emulator's time says nothing
    constexpr int runs = 20;
    run();
    synchronize(device);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < runs; ++i) run();
    synchronize(device);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return format("%.1f us", 1e6 * took.count() / runs);
}

/// A table whose last column is the time; left out where there is none.
void timed_table(Lesson& lesson, Row header, std::vector<Row> rows) {
    if (rows.at(0).back().empty()) {
        header.pop_back();
        for (Row& row : rows) row.pop_back();
    }
    lesson.table(header, rows);
}

Tensor<float> random_tensor(Shape shape, Device device, std::uint64_t seed) {
    Random random(seed);
    const auto x = Tensor<float>::empty(shape, device);
    random.normal(x, 0, 1);
    return x;
}

void add_vectors(Lesson& lesson) {
    lesson.section("A thread for each element");
    const Device device = gpu_of(lesson);
    const Index n = lesson.options().quick ? 1000 : 100'000;
    lesson.say(
        format("y = a + b, of %td elements. The kernel is written for one element; %td "
               "blocks of 256 threads run it. A thread finds out which element is its own "
               "from three numbers: i = blockIdx.x * blockDim.x + threadIdx.x. The last "
               "block has %td threads to spare, so each asks whether i < n.",
               n, (n + 255) / 256, (n + 255) / 256 * 256 - n));
    std::vector<Row> rows;
    for (const Index i : {Index{0}, Index{31}, Index{32}, Index{255}, Index{256}, n - 1})
        rows.push_back({format("%td", i), format("%td", i / 256), format("%td", i % 256),
                        format("%td", i % 256 / 32), format("%td", i % 32)});
    lesson.table({"element", "block", "thread", "warp of its block", "lane of its warp"}, rows);
    lesson.say(
        "A warp is 32 threads that go through the code together: one instruction, 32 "
        "elements.");

    const auto a = random_tensor({n}, device, 1), b = random_tensor({n}, device, 2);
    const auto y = Tensor<float>::empty({n}, device);
    kernels_of(device).add(y.data(), a.data(), b.data(), n);
    const auto got = y.values(), x0 = a.values(), x1 = b.values();
    bool equal = true;
    for (std::size_t i = 0; i < got.size(); ++i) equal = equal && got[i] == x0[i] + x1[i];
    lesson.check("the sum is the CPU's, bit for bit", equal, format("%td elements", n));
}

void read_memory(Lesson& lesson) {
    lesson.section("Neighbours read together");
    lesson.say(
        "Global memory answers in sectors of 32 bytes, 8 floats. The 32 lanes of a warp ask "
        "at once, and the sectors that they touch are sent once each. Lanes that read "
        "neighbours need 4 sectors and use every byte. Here each reads `stride` floats "
        "from the next one:");
    const Device device = gpu_of(lesson);
    const Index n = lesson.options().quick ? 256 : 4096, most = 32;
    const auto x = random_tensor({n * most}, Device::emulated, 3);
    const auto y = Tensor<float>::empty({n}, Device::emulated);
    const auto there = x.to(device), result = y.to(device);
    std::vector<Row> rows;
    std::vector<double> strides, shares;
    for (Index stride = 1; stride <= most; stride *= 2) {
        const auto traffic = counted(
            [&] { kernels_of(Device::emulated).read_apart(y.data(), x.data(), n, stride); });
        // Half of the requests are the writes of y, always 4 sectors.
        const double requests = static_cast<double>(traffic.global_requests) / 2;
        const double sectors = (static_cast<double>(traffic.global_sectors) - 4 * requests);
        strides.push_back(static_cast<double>(stride));
        shares.push_back(4 * requests / sectors);
        rows.push_back({format("%td", stride), format("%.0f", sectors / requests),
                        format("%.1f %%", 100 * shares.back()), time_of(device, [&] {
                            kernels_of(device).read_apart(result.data(), there.data(), n, stride);
                        })});
    }
    timed_table(lesson, {"stride", "sectors for a warp", "bytes used", "time"}, rows);
    lesson.result("bytes_used_by_stride", shares);
    lesson.figure("strides.png",
                  "The share of the bytes sent that a warp asked for, by how far apart its lanes "
                  "read. From 8 floats on each lane has a sector to itself.",
                  {.title = "Reading apart",
                   .x_label = "stride, floats",
                   .y_label = "bytes used / bytes sent",
                   .series = {{"counted", shares, strides}}});
    if (emulator::sees_accesses())
        lesson.check(
            "at stride s, 1/s of the bytes are used, and never less than 1/8",
            std::equal(strides.begin(), strides.end(), shares.begin(),
                       [](double s, double share) { return share == 1 / std::min(s, 8.0); }));
}

void sum_a_vector(Lesson& lesson) {
    lesson.section("A sum");
    lesson.say(
        "The sum of all elements needs the threads of a block to meet. Each puts its "
        "element into the block's shared memory; then the sums are halved, step by step, "
        "with a barrier (__syncthreads) between the steps. Four ways to choose who adds "
        "what. The blocks' sums, one for each, are added up on the CPU.");
    const Device device = gpu_of(lesson);
    const Index n = lesson.options().quick ? 5'000 : 50'000, blocks = (n + 255) / 256;
    const auto x = random_tensor({n}, Device::emulated, 4);
    const auto partial = Tensor<float>::empty({blocks}, Device::emulated);
    const auto there = x.to(device);
    const auto sums = Tensor<float>::empty({blocks}, device);
    double exact = 0, magnitude = 0;
    for (const float v : x.values()) exact += double{v}, magnitude += std::abs(double{v});

    struct Way {
        const char* name;
        Halving how;
    };
    std::vector<Row> rows;
    std::vector<double> conflicts;
    double worst = 0;
    for (const auto& [name, how] : {Way{"every 2nd, 4th, 8th ... thread", Halving::interleaved},
                                    {"first threads, 2, 4, 8 ... apart", Halving::strided},
                                    {"the first half, neighbours", Halving::halves},
                                    {"warps, by shuffles", Halving::shuffles}}) {
        const auto traffic = counted([&, how = how] {
            kernels_of(Device::emulated).sum_blocks(how, partial.data(), x.data(), n);
        });
        const auto run = [&, how = how] {
            kernels_of(device).sum_blocks(how, sums.data(), there.data(), n);
        };
        run();
        double sum = 0;
        for (const float s : sums.values()) sum += double{s};
        worst = std::isnan(sum) ? sum : std::max(worst, std::abs(sum - exact));
        conflicts.push_back(static_cast<double>(traffic.shared_wavefronts - traffic.shared_ideal));
        rows.push_back({name, format("%td", traffic.shared_requests),
                        format("%td", traffic.shared_wavefronts), format("%.0f", conflicts.back()),
                        time_of(device, run)});
    }
    timed_table(lesson, {"who adds", "shared requests", "wavefronts", "of them conflicts", "time"},
                rows);
    lesson.say(
        "Shared memory has 32 banks; word i lies in bank i mod 32. Lanes that want "
        "different words of one bank are served one after another, each in a wavefront of "
        "its own. The second way asks for words 2, 4, 8, ... apart, and waits; the third "
        "asks for neighbours. The fourth hardly asks at all.");
    lesson.result("bank_conflicts", conflicts);
    // Each block's float sum errs by at most 255 roundings.
    const double bound = 255 * double{std::numeric_limits<float>::epsilon()} / 2 * magnitude;
    lesson.check("all four give the sum", worst <= bound,
                 format("off by at most %.1e of %.1e allowed", worst, bound));
    if (emulator::sees_accesses())
        lesson.check(
            "only the strided way has bank conflicts",
            conflicts[0] == 0 && conflicts[1] > 0 && conflicts[2] == 0 && conflicts[3] == 0);
}

void show_a_mistake(Lesson& lesson) {
    lesson.section("A barrier forgotten");
    lesson.say(
        "The third way without the barrier in its loop. On a GPU it is right or wrong as "
        "the warps happen to run. The emulator reports that two threads touch a word with "
        "nothing between them, whichever came first:");
    const auto x = random_tensor({256}, Device::emulated, 5);
    const auto partial = Tensor<float>::empty({1}, Device::emulated);
    std::string mistake;
    try {
        kernels_of(Device::emulated).sum_without_barrier(partial.data(), x.data(), 256);
    } catch (const emulator::Mistake& found) {
        mistake = found.what();
    }
    if (!emulator::sees_accesses()) return;
    lesson.pre(wrap(mistake, 90));
    lesson.check("the emulator finds the race", mistake.find("race") != std::string::npos);
}

void multiply_matrices(Lesson& lesson) {
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

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "13_first_cuda",
        .title = "The first CUDA kernels",
        .summary =
            "A sum of vectors, the sum of a vector and a product of matrices on a GPU: "
            "grids, blocks and warps, and what each kernel asks of memory.",
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [&](Lesson& lesson) {
        lesson.say("The kernels run on " + describe(gpu_of(lesson)) +
                   (gpu_of(lesson) == Device::emulated
                        ? ". It does what a GPU does, slowly, so no times are given"
                        : "") +
                   ". What they ask of memory is counted by the emulator" +
                   (emulator::sees_accesses() ? "." : "; but not in this build, so counts are 0."));
        add_vectors(lesson);
        if (emulator::sees_accesses()) read_memory(lesson);
        sum_a_vector(lesson);
        show_a_mistake(lesson);
        multiply_matrices(lesson);
    });
}
