#include "kernels/cpu/share_always.h"

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
thread_local bool in_region = false;
bool share_always = false;

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

/// How much work, in nanoseconds, each thread must bring to be worth a region of all threads.
///
/// That is three times what the region costs: what one thread writes and the other reads takes as
/// long a way as the signals do, and a training step has a dozen regions. A region costs about 400
/// ns on cores that share a cache, 2000 across dies, and on a virtual machine one today and the
/// other tomorrow; so it is measured, as the median of a few empty regions, and now and then again:
/// a hundredth of the time may go into it. Where many of them take far longer, other programs hold
/// the cores: then only work that outlasts a time slice of the system is shared. As that may be
/// over soon, it is asked again soon whatever it takes, and less and less often while it lasts. No
/// result depends on it, since kernels give the same bits on any number of threads.
Index worth_a_thread() {
    using Clock = std::chrono::steady_clock;
    constexpr Index times = 3, cheapest = 400, dearest = 2500, busy = 20'000, slice = 4'000'000;
    constexpr Clock::duration often = std::chrono::milliseconds(10), seldom = 25 * often;
    thread_local Index worth = 0;
    thread_local Clock::time_point ask_again;
    thread_local Clock::duration patience = often;
    const auto asked = Clock::now();
    if (asked < ask_again) return worth;
    std::array<Index, 9> regions{};
    std::size_t measured = 0, slow = 0;
    auto start = asked;
    while (measured < regions.size() && slow < 3) {
        run_parallel(
            threads_allowed, [](void*, int, int) {}, nullptr);
        const auto end = Clock::now();
        const Index region = std::chrono::nanoseconds(end - start).count();
        // The first may have to wake the workers.
        slow += measured > 0 && region > busy;
        regions[measured++] = region;
        start = end;
    }
    if (slow == 3) {
        worth = slice;
        ask_again = start + patience;
        patience = std::min(2 * patience, seldom);
    } else {
        std::nth_element(regions.begin(), regions.begin() + 4, regions.end());
        worth = times * std::clamp(regions[4], cheapest, dearest);
        ask_again = start + std::clamp(100 * (start - asked), often, seldom);
        patience = often;
    }
    return worth;
}

}  // namespace

int max_threads() {
    return threads_allowed;
}

void set_max_threads(int threads) {
    threads_allowed = std::max(1, threads);
}

void ShareAlways::set(bool always) {
    share_always = always;
}

int threads_for(Cost cost) {
    // Arithmetic is priced at 100 GFLOP/s a thread (a product does 100 to 250), the first megabyte,
    // which L2 may hold, at 50 GB/s, and what is beyond it at 10 GB/s.
    constexpr Index in_l2 = 1 << 20;
    const Index near = std::min(cost.bytes, in_l2);
    const Index nanoseconds = cost.flops / 100 + near / 50 + (cost.bytes - near) / 10;
    if (share_always) return in_region ? 1 : threads_allowed;
    // Less than this is never worth two threads, and not worth asking.
    if (nanoseconds < 5'000 || threads_allowed == 1 || in_region) return 1;
    const Index threads = std::max<Index>(1, nanoseconds / worth_a_thread());
    return static_cast<int>(std::min<Index>(threads, threads_allowed));
}

void run_parallel(int threads, void (*body)(void*, int, int), void* context) {
    const std::uint64_t caller_mode = float_mode();
    const auto work = [=](int thread, int team) {
        if (float_mode() != caller_mode) set_float_mode(caller_mode);
        in_region = true;
        body(context, thread, team);
        in_region = false;
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
