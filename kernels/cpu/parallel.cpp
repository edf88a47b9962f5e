#include "kernels/cpu/parallel.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
    #include <xmmintrin.h>
#endif

namespace handgrad::cpu {
namespace {

int threads_allowed = omp_get_max_threads();

// The floating-point mode of this thread: MXCSR on x86, FPCR on Arm.
#if defined(__x86_64__)
constexpr std::uint64_t flush_bits = 0x8040;  // flush to zero, denormals are zero
std::uint64_t float_mode() {
    return _mm_getcsr();
}
void set_float_mode(std::uint64_t mode) {
    _mm_setcsr(static_cast<unsigned>(mode));
}
#elif defined(__aarch64__)
constexpr std::uint64_t flush_bits = 1U << 24;
std::uint64_t float_mode() {
    std::uint64_t mode = 0;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
void set_float_mode(std::uint64_t mode) {
    asm volatile("msr fpcr, %0" : : "r"(mode));
}
#else
constexpr std::uint64_t flush_bits = 0;
std::uint64_t float_mode() {
    return 0;
}
void set_float_mode(std::uint64_t) {}
#endif

/// What a region of all threads costs, start to end: about 400 ns on cores that share a cache, 2000
/// across dies, and on a virtual machine one today and the other tomorrow. So it is measured, as
/// the median of a few empty regions, and now and then again. No result depends on it: kernels give
/// the same bits on any number of threads.
Index region_nanoseconds() {
    using Clock = std::chrono::steady_clock;
    constexpr int asks_between = 1000;
    thread_local int asks = 0;
    thread_local Index median = 0;
    if (asks++ % asks_between != 0) return median;
    std::array<Index, 9> regions{};
    for (Index& region : regions) {
        const auto start = Clock::now();
        run_parallel(
            threads_allowed, [](void*, int, int) {}, nullptr);
        region = std::chrono::nanoseconds(Clock::now() - start).count();
    }
    std::nth_element(regions.begin(), regions.begin() + 4, regions.end());
    return median = regions[4];
}

}  // namespace

int max_threads() {
    return threads_allowed;
}

void set_max_threads(int threads) {
    threads_allowed = std::max(1, threads);
}

int threads_for(Cost cost) {
    // Arithmetic is priced at 100 GFLOP/s a thread (a product does 100 to 250), the first megabyte,
    // which L2 may hold, at 50 GB/s, and what is beyond it at 10 GB/s.
    constexpr Index in_l2 = 1 << 20;
    const Index near = std::min(cost.bytes, in_l2);
    const Index nanoseconds = cost.flops / 100 + near / 50 + (cost.bytes - near) / 10;
    // Each thread must bring twelve times what the region costs: what one thread writes and the
    // other reads takes as long a way as the signals do, and a step has a dozen regions. A region
    // dearer than the dearest had to wait for other programs, which says nothing of the next one.
    constexpr Index cheapest_region = 400, dearest_region = 2500, times = 12;  // ns, ns
    if (threads_allowed == 1 || nanoseconds < 2 * times * cheapest_region) return 1;
    const Index region = std::clamp(region_nanoseconds(), cheapest_region, dearest_region);
    const Index worth_a_thread = times * region;
    const Index threads = std::max<Index>(1, nanoseconds / worth_a_thread);
    return static_cast<int>(std::min<Index>(threads, threads_allowed));
}

void run_parallel(int threads, void (*body)(void*, int, int), void* context) {
    const std::uint64_t caller_mode = float_mode();
    const auto work = [=](int thread, int team) {
        if (float_mode() != caller_mode) set_float_mode(caller_mode);
        body(context, thread, team);
    };
#ifdef __SANITIZE_THREAD__
    // ThreadSanitizer sees nothing of libgomp's barriers and would report races that are none.
    std::vector<std::thread> workers;
    for (int thread = 1; thread < threads; ++thread) workers.emplace_back(work, thread, threads);
    work(0, threads);
    for (std::thread& worker : workers) worker.join();
#else
    #pragma omp parallel num_threads(threads)
    work(omp_get_thread_num(), omp_get_num_threads());
#endif
}

Range share_of(Index total, int thread, int threads, Index grain) {
    const Index grains = (total + grain - 1) / grain;
    const Index begin = grains * thread / threads * grain;
    const Index end = grains * (thread + 1) / threads * grain;
    return {std::min(begin, total), std::min(end, total)};
}

FlushDenormals::FlushDenormals() : saved_(float_mode()) {
    set_float_mode(saved_ | flush_bits);
}

FlushDenormals::~FlushDenormals() {
    set_float_mode(saved_);
}

}  // namespace handgrad::cpu
