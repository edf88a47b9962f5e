// The one place that decides whether a piece of work is worth threads, and starts them.
//
// A parallel region costs 0.4 to 2 us while the workers are still spinning, which libgomp lets them
// do for some milliseconds, and 10 to 20 us once they have gone to sleep. Below that, two threads
// are slower than one. So every kernel states what its work would cost on one thread, and gets as
// many threads as that pays for. Results must not depend on how many that are.
//
// The waiting policy is libgomp's own, to spin for some milliseconds and then to sleep. Spinning
// for ever (OMP_WAIT_POLICY=active) is no faster, and takes a core from others: a step of
// 784-128-10 at batch 16 on two threads of a Zen 4 takes 48 to 52 us either way. Sleeping at once
// (passive) makes it 80 us, as on one thread, for two then pay nowhere in it (bench_training_step).
#pragma once

#include "kernels/backend.h"

namespace handgrad::cpu {

/// Threads that kernels may use; at least 1. Starts as OMP_NUM_THREADS, or the number of cores.
int max_threads();
void set_max_threads(int threads);

/// While it lives, kernels may use so many threads; then as many as before.
class Threads {
  public:
    explicit Threads(int threads) : before_(max_threads()) { set_max_threads(threads); }
    ~Threads() { set_max_threads(before_); }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

  private:
    int before_;
};

/// A piece of work: its floating-point operations, and the bytes of memory that it goes through.
struct Cost {
    Index flops = 0;
    Index bytes = 0;
};

/// How many threads `cost` is worth: 1 .. max_threads(). 1 within a parallel region, whose threads
/// have their work already.
int threads_for(Cost cost);

/// Calls body(context, thread, threads) once for each thread 0 .. threads-1, and returns when all
/// are done. Each worker takes over the caller's floating-point mode (rounding, denormals).
/// A body must not throw.
void run_parallel(int threads, void (*body)(void* context, int thread, int threads), void* context);

/// The same for a callable: parallel(threads, [&](int thread, int threads) { ... }).
template <class Body>
void parallel(int threads, Body&& body) {
    if (threads <= 1) {
        body(0, 1);
        return;
    }
    run_parallel(
        threads, [](void* b, int t, int n) { (*static_cast<Body*>(b))(t, n); }, &body);
}

/// Rows [begin, end) of `total` that belong to `thread`, cut at multiples of `grain`.
struct Range {
    Index begin, end;
};
Range share_of(Index total, int thread, int threads, Index grain = 1);

/// Splits [0, n) among the threads that `cost` is worth and calls body(begin, end) for each part.
/// `grain` keeps two threads off one cache line: 16 floats.
template <class Body>
void parallel_ranges(Index n, Cost cost, Body&& body, Index grain = 16) {
    const Index grains = (n + grain - 1) / grain;  // no more threads than these
    const Index most = threads_for(cost);
    parallel(static_cast<int>(grains < most ? grains : most), [&](int thread, int threads) {
        const Range range = share_of(n, thread, threads, grain);
        if (range.begin < range.end) body(range.begin, range.end);
    });
}

/// While it lives, results too small for a normal number become zero on this thread and on the
/// workers of its parallel regions. Such denormals cost a microcode trap each: an optimiser whose
/// averages fade towards zero slows down by half after some hundred steps without this.
class FlushDenormals {
  public:
    FlushDenormals();
    ~FlushDenormals();
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;

  private:
    std::uint64_t saved_;
};

}  // namespace handgrad::cpu
