#include "kernels/ladder/ladder.h"

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

namespace ladder {

template <class T>
Gemm<T> rung(int number, cpu::Isa isa) {
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
                                          "threads",        "small and skinny", "fused epilogue"};
    return names[number];
}

}  // namespace ladder
}  // namespace handgrad
