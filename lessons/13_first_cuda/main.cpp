// The first CUDA kernels: a sum of vectors, the sum of a vector, a product of matrices.
//
//   make lesson N=13                            on the emulator, which every machine has
//   make lesson N=13 ARGS="--device cuda"       on a GPU, with times
//
// The kernels stand in kernels.cu beside this file, and README.md goes through them. This program
// runs them, holds their results against the CPU's, and lets the emulator count what they ask of
// memory (traffic.h): a GPU computes faster than it reads, so the count is most of what there is to
// know. Here: the sum of two vectors, and reads that stand apart. In sum_of_a_vector.h and
// product_of_matrices.h, the rest.
#include <algorithm>

#include "product_of_matrices.h"
#include "report/plot.h"
#include "sum_of_a_vector.h"
#include "traffic.h"

using namespace handgrad;

namespace {

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

    const auto on = [&](const Tensor<float>& t) { return t.to(Device::emulated); };
    const auto ea = on(a), eb = on(b), ey = on(y);
    const auto traffic =
        counted([&] { kernels_of(Device::emulated).add(ey.data(), ea.data(), eb.data(), n); });
    lesson.say(
        format("Memory sent %s sectors of 32 bytes, %.1f %% of them used: 12 bytes for each "
               "addition. That is what the kernel waits for.",
               std::to_string(traffic.global_sectors).c_str(), 100 * used(traffic)));
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
