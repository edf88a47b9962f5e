// The emulator runs right kernels rightly, and finds what is wrong with the others.
#include <algorithm>
#include <fstream>
#include <functional>
#include <regex>
#include <string>
#include <vector>

#include "catch.h"
#include "kernels/emulator/broken_kernels.h"
#include "kernels/emulator/watch.h"

#if defined(__SANITIZE_ADDRESS__)
    #include <sys/wait.h>
    #include <unistd.h>
#endif

using namespace handgrad;
using emulated::Kernel;

namespace {

/// x = 0, 1, 2, ... through a kernel on blocks of 64 threads, with y of n elements.
std::vector<float> outcome(Kernel kernel, int n = 64, unsigned blocks = 1) {
    const std::size_t length = 2112;  // 64 * 33
    float* x = emulated::device_array(length);
    float* y = emulated::device_array(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < length; ++i) x[i] = static_cast<float>(i);
    std::fill(y, y + n, 0.0F);
    std::string mistake;
    try {
        emulated::run(kernel, x, y, n, 64, blocks);
    } catch (const emulator::Mistake& found) {
        mistake = found.what();
    }
    std::vector<float> values(y, y + n);
    emulated::free_device_array(x);
    emulated::free_device_array(y);
    if (!mistake.empty()) throw emulator::Mistake(mistake);
    return values;
}

std::string mistake_of(Kernel kernel, int n = 64, unsigned blocks = 1) {
    try {
        outcome(kernel, n, blocks);
    } catch (const emulator::Mistake& mistake) {
        return mistake.what();
    }
    return "none";
}

/// Is the mistake reported with all these words, its kernel, block, thread, file and line?
bool says(Kernel kernel, const std::vector<std::string>& words, int n = 64, unsigned blocks = 1) {
    const std::string mistake = mistake_of(kernel, n, blocks);
    INFO(mistake);
    bool all = std::regex_search(mistake, std::regex("broken_kernels\\.cu:[0-9]"));
    for (const char* named : {"kernel kernel<", "block (", "thread ("})
        all = all && mistake.find(named) != std::string::npos;
    CHECK(all);
    for (const std::string& word : words) {
        CHECK_THAT(mistake, Catch::Contains(word));
        all = all && mistake.find(word) != std::string::npos;
    }
    return all;
}

}  // namespace

TEST_CASE("the emulator runs threads, barriers and warps", "[emulator]") {
    const auto neighbours = outcome(Kernel::neighbours);
    const auto in_warp = outcome(Kernel::neighbours_in_warp);
    const auto functions = outcome(Kernel::warp_functions);
    const auto counts = outcome(Kernel::count_of_block);
    const auto atomics = outcome(Kernel::atomics);
    const auto reversed = outcome(Kernel::reverse);
    for (int t = 0; t < 64; ++t) {
        const auto i = static_cast<std::size_t>(t);
        const int lane = t % 32, first = t - lane;
        CHECK(neighbours[i] == static_cast<float>(63 - t));
        CHECK(in_warp[i] == static_cast<float>(t ^ 31));
        CHECK(reversed[i] == static_cast<float>(63 - t));
        CHECK(counts[i] == 64 + 1000 * 32);
        CHECK(atomics[i] == 0 + 63 + 1000 + 10000 + 100000);
        const int sum = (first + 3) + 10 * (lane == 0 ? t : t - 1) +
                        100 * (lane % 8 < 6 ? t + 2 : t) + 1000 * (t ^ 16) + 7 + 1 + 0 + 496 + 31;
        CHECK(functions[i] == static_cast<float>(sum) + (lane < 8 ? 0.5F : 0.0F));
    }
}

TEST_CASE("the emulator names the line", "[emulator]") {
    std::ifstream file("tests/kernels/emulator/broken_kernels.cu");
    int line = 0;
    for (std::string text; std::getline(file, text);) {
        ++line;
        if (text.find("asks for this line") != std::string::npos) break;
    }
    REQUIRE(file);
    CHECK(says(Kernel::divergent_barrier, {"broken_kernels.cu:" + std::to_string(line)}));
}

TEST_CASE("the emulator finds barriers and lanes that are missing", "[emulator]") {
    CHECK(says(Kernel::divergent_barrier,
               {"barrier not reached by all", "kernel<", "block (0, 0, 0), thread (0, 0, 0)",
                "broken_kernels.cu:", "40 of 64 threads wait"}));
    CHECK(says(Kernel::different_barriers, {"different barriers", "thread (32, 0, 0)"}));
    CHECK(says(Kernel::lanes_missing, {"lanes are missing at __shfl_xor_sync", "000fffff"}));
    CHECK(says(Kernel::lane_not_in_mask, {"__shfl_xor_sync by a lane that is not in its mask",
                                          "0000ffff", "thread (16, 0, 0)"}));
    CHECK(says(Kernel::shuffle_from_outside,
               {"__shfl_sync takes from a lane that is not in its mask", "000000ff, the lane 8"}));
    CHECK(says(Kernel::different_shuffles,
               {"lanes wait for different things at __shfl_sync", "thread (16, 0, 0)",
                "thread (0, 0, 0) waits at __shfl_xor_sync"}));
}

#if !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("the emulator sees accesses, so that no test of them passes unseen", "[emulator]") {
    REQUIRE(emulator::sees_accesses());
}
#endif

TEST_CASE("the emulator refuses launches that no GPU takes", "[emulator]") {
    float* x = emulated::device_array(4096);
    CHECK_THROWS_AS(emulated::run(Kernel::coalesced, x, x, 0, 0), emulator::Mistake);
    CHECK_THROWS_AS(emulated::run(Kernel::coalesced, x, x, 0, 1025), emulator::Mistake);
    emulated::free_device_array(x);
}

TEST_CASE("the emulator finds races", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    CHECK(mistake_of(Kernel::neighbours) == "none");
    CHECK(mistake_of(Kernel::neighbours_in_warp) == "none");
    CHECK(mistake_of(Kernel::count_of_block) == "none");
    CHECK(mistake_of(Kernel::atomics) == "none");
    CHECK(says(Kernel::missing_barrier, {"race of a write and a read", "race of a read and a write",
                                         "s, word ", "broken_kernels.cu:", "thread ("}));
    CHECK(says(Kernel::missing_barrier_write_after_read,
               {"race of a write and a read", "race of a read and a write", "s, word "}));
    CHECK(says(Kernel::writer_has_read, {"race of a read and a write", "s, word 0",
                                         "thread (0, 0, 0)", "read by thread (31, 0, 0)"}));
    CHECK(mistake_of(Kernel::reads_then_writes) == "none");
    CHECK(says(Kernel::syncwarp_across_warps, {"race", "s, word 32", "thread (0, 0, 0)"}));
    CHECK(says(Kernel::two_writers,
               {"race of two writes", "s, word 0", "block (0, 0, 0), thread (1, 0, 0)",
                "written by thread (0, 0, 0)"}));
    CHECK(says(Kernel::plain_beside_atomic, {"race of two writes", "count, word 0"}));
    CHECK(outcome(Kernel::bytes_beside)[3] == 60);
    CHECK(says(Kernel::bytes_twice, {"race of two writes", "bytes, word 15", "thread (63, 0, 0)",
                                     "written by thread (62, 0, 0)"}));
}

TEST_CASE("the emulator finds races in global memory", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    CHECK(mistake_of(Kernel::own_elements, 128, 2) == "none");
    CHECK(mistake_of(Kernel::own_neighbours, 128, 2) == "none");
    CHECK(mistake_of(Kernel::atomics_of_blocks, 128, 2) == "none");
    CHECK(outcome(Kernel::atomics_of_blocks, 128, 2)[1] == 64);
    const auto says_of_two_blocks = [](Kernel kernel, std::vector<std::string> words) {
        words.emplace_back("broken_kernels.cu:");
        words.emplace_back("of a buffer of 512 bytes");
        return says(kernel, words, 128, 2);
    };
    CHECK(says_of_two_blocks(Kernel::block_writes_twice,
                             {"race of blocks, two writes", "block (1, 0, 0), thread (0, 0, 0)",
                              "byte 0 of", "was written by another block"}));
    CHECK(says_of_two_blocks(Kernel::block_reads_written,
                             {"race of blocks, a write and a read", "block (1, 0, 0)"}));
    CHECK(says_of_two_blocks(
        Kernel::block_writes_read,
        {"race of blocks, a read and a write", "block (1, 0, 0)", "was read by another block"}));
    CHECK(says_of_two_blocks(Kernel::plain_beside_atomic_block, {"race of blocks, two writes"}));
    CHECK(says_of_two_blocks(Kernel::threads_without_barrier,
                             {"race of a write and a read", "block (0, 0, 0)",
                              "was written by thread (", "with no barrier between"}));
}

TEST_CASE("the emulator finds reads of what was never written", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    CHECK(says(Kernel::never_written, {"never written", "unset, word 0"}));
    CHECK(says(Kernel::missing_wait, {"never written", "dynamic shared memory, word 63"}));
    CHECK(mistake_of(Kernel::reverse) == "none");
}

TEST_CASE("the emulator finds accesses out of bounds", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    CHECK(says(Kernel::shared_past_end,
               {"write out of bounds", "shared memory outside every array", "thread (63, 0, 0)"}));
    CHECK(says(Kernel::shared_into_next_array, {"read out of bounds", "thread (63, 0, 0)"}));
    CHECK(says(Kernel::shared_half_past_end,
               {"read out of bounds", "shared memory outside every array", "thread (1, 0, 0)"}));
    CHECK(says(Kernel::dynamic_past_end, {"write out of bounds", "byte 256", "gave 256"}));
    CHECK(says(Kernel::global_past_end,
               {"write out of bounds", "0 bytes past the end of a buffer of 252 bytes",
                "thread (63, 0, 0)"},
               63));
    CHECK(says(Kernel::global_half_past_end,
               {"write out of bounds", "0 bytes past the end of a buffer of 252 bytes",
                "thread (15, 0, 0)"},
               63));
    CHECK(
        says(Kernel::global_before_begin,
             {"read out of bounds", "4 bytes before a buffer of 8448 bytes", "thread (0, 0, 0)"}));
    // Afterwards all is as before.
    CHECK(outcome(Kernel::coalesced)[5] == 5);
}

TEST_CASE("the emulator finds accesses that are not aligned", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    CHECK(says(Kernel::not_aligned, {"write not aligned", "broken_kernels.cu:",
                                     "16 bytes at an address that is 4 past a multiple of 16"}));
    CHECK(says(Kernel::copy_not_aligned, {"write not aligned", "8 past a multiple of 16"}));
}

TEST_CASE("the emulator finds streams that do not wait for each other", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    float* const x = emulated::device_array(64);
    float* const y = emulated::device_array(64);
    float* const z = emulated::device_array(64);
    const auto mistake = [](const std::function<void(emulated::TwoStreams&)>& work) {
        emulated::TwoStreams streams;
        try {
            work(streams);
        } catch (const emulator::Mistake& found) {
            return std::string(found.what());
        }
        return std::string("none");
    };
    // Right: in order by an event, by the host, or reading alone.
    CHECK(mistake([=](auto& s) {
              s.copy(1, x), s.mark(1), s.wait_for_mark(0), s.run(0, x, y);
              s.mark(0), s.wait_for_mark(1), s.copy(1, x);
          }) == "none");
    CHECK(mistake([=](auto& s) {
              s.copy(1, x), s.wait_on_host(1), s.run(0, x, y), s.wait_on_host(0), s.copy(1, y);
          }) == "none");
    CHECK(mistake([=](auto& s) { s.run(0, x, y), s.run(1, x, z); }) == "none");
    // Broken.
    CHECK_THAT(mistake([=](auto& s) { s.copy(1, x), s.run(0, x, y); }),
               Catch::Contains("race of streams, read in kernel kernel<") &&
                   Catch::Contains("broken_kernels.cu:") &&
                   Catch::Contains("block (0, 0, 0), thread (0, 0, 0)") &&
                   Catch::Contains("being written in another stream"));
    CHECK_THAT(mistake([=](auto& s) { s.copy(1, y), s.run(0, x, y); }),
               Catch::Contains("race of streams, write") && Catch::Contains("being written"));
    CHECK_THAT(
        mistake([=](auto& s) { s.mark(1), s.copy(1, x), s.wait_for_mark(0), s.run(0, x, y); }),
        Catch::Contains("race of streams, read"));
    CHECK_THAT(mistake([=](auto& s) { s.run(0, x, y), s.copy(1, x); }),
               Catch::Contains("copy or memset writes a buffer of 256 bytes") &&
                   Catch::Contains("being read in another stream"));
    CHECK_THAT(mistake([=](auto& s) { s.run(0, x, y), s.copy(1, y); }),
               Catch::Contains("being written in another stream"));
    CHECK_THAT(mistake([=](auto& s) { s.run(0, x, y), s.run(1, y, z); }),
               Catch::Contains("race of streams, read") && Catch::Contains("being written"));
    for (float* from : {z, x})  // from x, it is read first
        CHECK_THAT(mistake([=](auto& s) { s.run(0, x, y), s.run(1, from, x); }),
                   Catch::Contains("race of streams, write") && Catch::Contains("being read"));
    for (float* array : {x, y, z}) emulated::free_device_array(array);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_CASE("AddressSanitizer finds accesses of a kernel out of bounds", "[emulator]") {
    // In a process of its own, which ends there.
    const auto said = [](Kernel kernel, int n) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        const pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], STDERR_FILENO);
            outcome(kernel, n);
            _exit(0);
        }
        close(ends[1]);
        std::string text;
        char buffer[4096];
        for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
            text.append(buffer, static_cast<std::size_t>(got));
        close(ends[0]);
        int status = 0;
        waitpid(child, &status, 0);
        return (status == 0 ? "no mistake: " : "") + text;
    };
    CHECK(said(Kernel::coalesced, 64) == "no mistake: ");
    CHECK_THAT(said(Kernel::global_past_end, 63),
               Catch::Contains("AddressSanitizer: ") && Catch::Contains("broken_kernels.cu:"));
    CHECK_THAT(said(Kernel::shared_past_end, 64),  // where UBSanitizer may be first
               (Catch::Contains("AddressSanitizer: ") || Catch::Contains("runtime error: ")) &&
                   Catch::Contains("broken_kernels.cu:"));
}
#endif

TEST_CASE("the emulator counts memory traffic", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    emulator::take_traffic();
    emulator::set_counting(true);
    outcome(Kernel::coalesced);
    outcome(Kernel::strided);
    outcome(Kernel::coalesced);
    emulator::set_counting(false);
    const auto traffic = emulator::take_traffic();
    REQUIRE(traffic.size() == 2);
    const emulator::Traffic &good = traffic[0], &bad = traffic[1];
    CHECK(good.launches == 2);
    // Two warps read 128 bytes each, in 4 sectors, and write as many; in two launches.
    CHECK(good.global_requests == 8);
    CHECK(good.global_bytes == 1024);
    CHECK(good.global_sectors == 32);
    CHECK(good.shared_requests == 8);
    CHECK(good.shared_wavefronts == 8);
    CHECK(good.shared_ideal == 8);
    // 33 floats apart each lane has a sector of its own. 16 words apart 32 lanes read 4 words,
    // two in each of two banks.
    CHECK(bad.launches == 1);
    CHECK(bad.global_requests == 4);
    CHECK(bad.global_bytes == 512);
    CHECK(bad.global_sectors == 72);
    CHECK(bad.shared_requests == 4);
    CHECK(bad.shared_wavefronts == 6);
    CHECK(bad.shared_ideal == 4);
    CHECK(emulator::take_traffic().empty());
}

namespace {

/// What one launch asks of memory.
emulator::Traffic traffic_of(const std::function<void()>& launch) {
    emulator::take_traffic();
    emulator::set_counting(true);
    launch();
    emulator::set_counting(false);
    return emulator::take_traffic().at(0);
}

}  // namespace

TEST_CASE("sectors of global memory are as counted by hand", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    struct Pattern {
        unsigned bytes, offset, stride, lanes;
        std::int64_t read, written;  // sectors of 32 bytes
    };
    float* const x = emulated::device_array(4096);
    float* const y = emulated::device_array(128);
    for (const Pattern& p : {Pattern{4, 0, 1, 32, 4, 4},  // 128 bytes
                             {4, 1, 1, 32, 5, 4},         // bytes 4 .. 131 lie in five sectors
                             {4, 7, 1, 32, 5, 4},
                             {4, 0, 0, 32, 1, 4},   // all the same number
                             {4, 0, 2, 32, 8, 4},   // every second one
                             {4, 0, 3, 32, 12, 4},  // bytes 0 .. 375
                             {4, 0, 8, 32, 32, 4},  // a sector each
                             {4, 0, 100, 32, 32, 4},
                             {4, 0, 1, 9, 2, 2},
                             {4, 3, 5, 1, 1, 1},
                             {1, 0, 1, 32, 1, 1},
                             {1, 16, 1, 32, 2, 1},
                             {1, 0, 8, 32, 8, 1},
                             {8, 0, 1, 32, 8, 8},
                             {8, 1, 1, 32, 9, 8},
                             {8, 0, 4, 32, 32, 8},
                             {16, 0, 1, 32, 16, 16},
                             {16, 1, 1, 32, 17, 16},
                             {16, 0, 2, 16, 16, 8}}) {
        INFO(p.bytes << " bytes, offset " << p.offset << ", stride " << p.stride << ", " << p.lanes
                     << " lanes");
        const emulator::Traffic t =
            traffic_of([&] { emulated::copy_apart(p.bytes, x, y, p.offset, p.stride, p.lanes); });
        CHECK(t.global_requests == 2);
        CHECK(t.global_bytes == std::int64_t{2} * p.bytes * p.lanes);
        CHECK(t.global_sectors == p.read + p.written);
        CHECK(t.shared_requests == 0);
    }
    emulated::free_device_array(x);
    emulated::free_device_array(y);
}

TEST_CASE("conflicts of banks are as counted by hand", "[emulator]") {
    if (!emulator::sees_accesses()) return;
    struct Pattern {
        unsigned bytes, stride, lanes;
        std::int64_t wavefronts, ideal;
    };
    for (const Pattern& p : {Pattern{4, 1, 32, 1, 1},  // neighbours: a bank each
                             {4, 2, 32, 2, 1},         // 16 banks, two words of each
                             {4, 3, 32, 1, 1},         // 3 and 32 have no common factor
                             {4, 4, 32, 4, 1},
                             {4, 16, 32, 16, 1},
                             {4, 32, 32, 32, 1},  // all in one bank
                             {4, 33, 32, 1, 1},
                             {4, 32, 5, 5, 1},
                             {1, 1, 32, 1, 1},  // four lanes to a word
                             {1, 4, 32, 1, 1},  // a word each
                             {1, 8, 32, 2, 1},
                             {8, 1, 32, 2, 2},  // half a warp has 32 words
                             {8, 2, 32, 4, 2},  // and here every other pair of banks, twice
                             {8, 17, 32, 2, 2},
                             {16, 1, 32, 4, 4},  // a quarter of a warp
                             {16, 2, 32, 8, 4},
                             {16, 8, 8, 8, 1}}) {
        INFO(p.bytes << " bytes, stride " << p.stride << ", " << p.lanes << " lanes");
        const emulator::Traffic t =
            traffic_of([&] { emulated::write_shared(p.bytes, p.stride, p.lanes); });
        CHECK(t.shared_requests == 1);
        CHECK(t.shared_wavefronts == p.wavefronts);
        CHECK(t.shared_ideal == p.ideal);
        CHECK(t.global_requests == 0);
    }
}
