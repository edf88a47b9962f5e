#include "kernels/cpu/parallel.h"

#include <omp.h>

#include <algorithm>
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

}  // namespace

int max_threads() {
    return threads_allowed;
}

void set_max_threads(int threads) {
    threads_allowed = std::max(1, threads);
}

int threads_for(Cost cost) {
    // Arithmetic is priced at 50 GFLOP/s and memory at 10 GB/s a thread. Each thread must bring
    // 5 us of work of its own, several times what waking it costs.
    constexpr Index worth_a_thread_ns = 5000;
    const Index nanoseconds = cost.flops / 50 + cost.bytes / 10;
    const Index threads = std::max<Index>(1, nanoseconds / worth_a_thread_ns);
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
