#include "kernels/ladder/ladder.h"

#include <chrono>
#include <type_traits>

#if defined(__x86_64__)
    #include <cpuid.h>
    #include <sys/syscall.h>
    #include <unistd.h>
#endif

namespace handgrad {

// One definition in each compiled copy of kernels/cpu/gemm.cpp.
#define HANDGRAD_DECLARE_COPY(isa)                          \
    namespace cpu::isa {                                    \
    template <class T>                                      \
    ladder::Gemm<T> rung(int number);                       \
    extern template ladder::Gemm<float> rung(int);          \
    extern template ladder::Gemm<double> rung(int);         \
    template <class T>                                      \
    ladder::FusedGemm<T> fused_rung();                      \
    extern template ladder::FusedGemm<float> fused_rung();  \
    extern template ladder::FusedGemm<double> fused_rung(); \
    }
HANDGRAD_DECLARE_COPY(portable)
#if defined(__x86_64__)
HANDGRAD_DECLARE_COPY(avx2)
HANDGRAD_DECLARE_COPY(avx512)
#endif
#undef HANDGRAD_DECLARE_COPY

// One definition in each compiled copy of kernels/cpu/gemm_bf16.cpp.
#define HANDGRAD_DECLARE_TILES(isa)            \
    namespace cpu::isa {                       \
    ladder::Gemm<float> tile_rung(int number); \
    double tile_steps(int steps);              \
    }
HANDGRAD_DECLARE_TILES(portable)
#if defined(__x86_64__)
HANDGRAD_DECLARE_TILES(amx)
#endif
#undef HANDGRAD_DECLARE_TILES

namespace ladder {
namespace {

/// Is there AMX with bf16, and may this process use it? Tiles are 8 KB more to save for each
/// thread, so Linux wants every process to ask.
bool ask_for_amx() {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
    constexpr unsigned amx_bf16 = 1U << 22, amx_tile = 1U << 24;  // of leaf 7, register d
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    if ((d & amx_bf16) == 0 || (d & amx_tile) == 0) return false;
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

struct Tiles {
    Gemm<float> (*rung)(int number);
    double (*steps)(int steps);
};
Tiles tiles_of(cpu::Isa isa) {
#if defined(__x86_64__)
    if (isa == cpu::Isa::avx512) return {cpu::amx::tile_rung, cpu::amx::tile_steps};
#endif
    (void)isa;
    return {cpu::portable::tile_rung, cpu::portable::tile_steps};
}

}  // namespace

bool has_tiles(cpu::Isa isa) {
    static const bool amx = cpu::supported(cpu::Isa::avx512) && ask_for_amx();
    return isa == cpu::Isa::portable || (isa == cpu::Isa::avx512 && amx);
}

template <class T>
Gemm<T> rung(int number, cpu::Isa isa) {
    if constexpr (std::is_same_v<T, float>)
        if (number > last_rung) return tiles_of(isa).rung(number);
#if defined(__x86_64__)
    if (isa == cpu::Isa::avx512) return cpu::avx512::rung<T>(number);
    if (isa == cpu::Isa::avx2) return cpu::avx2::rung<T>(number);
#endif
    (void)isa;
    return cpu::portable::rung<T>(number);
}

template <class T>
FusedGemm<T> fused_rung(cpu::Isa isa) {
#if defined(__x86_64__)
    if (isa == cpu::Isa::avx512) return cpu::avx512::fused_rung<T>();
    if (isa == cpu::Isa::avx2) return cpu::avx2::fused_rung<T>();
#endif
    (void)isa;
    return cpu::portable::fused_rung<T>();
}

template Gemm<float> rung(int, cpu::Isa);
template Gemm<double> rung(int, cpu::Isa);
template FusedGemm<float> fused_rung(cpu::Isa);
template FusedGemm<double> fused_rung(cpu::Isa);

std::string_view name_of_rung(int number) {
    constexpr std::string_view names[] = {"naive",          "loop order",       "register block",
                                          "cache blocking", "packing",          "SIMD micro-kernel",
                                          "threads",        "small and skinny", "fused epilogue",
                                          "bf16 tiles",     "three bf16"};
    return names[number];
}

double error_bound(int number, Index K) {
    constexpr double u = 0x1p-24;
    const Index tiles = (K + 31) / 32;
    const auto steps = static_cast<double>(tiles);
    if (number == bf16_rung) return 0x1p-7 + 0x1p-16 + (18 + 2 * steps) * u;
    if (number == bf16x3_rung) return (20 + 8 * steps) * u;
    return static_cast<double>(K) * u;
}

double tile_peak(cpu::Isa isa) {
    const auto steps = tiles_of(isa).steps;
    const auto start = std::chrono::steady_clock::now();
    double operations = 0;
    std::chrono::duration<double> seconds{};
    do {
        operations += steps(1000);
        seconds = std::chrono::steady_clock::now() - start;
    } while (seconds.count() < 1e-3);
    return operations / seconds.count() / 1e9;
}

}  // namespace ladder
}  // namespace handgrad
