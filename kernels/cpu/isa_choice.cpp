#include <array>
#include <cstdio>
#include <cstdlib>

#include "kernels/cpu/cpu_backend.h"

namespace handgrad::cpu {

// One definition in each compiled copy of cpu_backend.cpp.
#define HANDGRAD_DECLARE_COPY(isa)           \
    namespace isa {                          \
    const Backend<float>& backend_float();   \
    const Backend<double>& backend_double(); \
    }
HANDGRAD_DECLARE_COPY(portable)
#if defined(__x86_64__)
HANDGRAD_DECLARE_COPY(avx2)
HANDGRAD_DECLARE_COPY(avx512)
#endif
#undef HANDGRAD_DECLARE_COPY

namespace {

constexpr std::array all_isas = {Isa::portable, Isa::avx2, Isa::avx512};

Isa choose() {
    Isa best = Isa::portable;
    for (const Isa isa : all_isas)
        if (supported(isa)) best = isa;
    const char* wanted = std::getenv("HANDGRAD_ISA");
    if (wanted == nullptr || *wanted == '\0') return best;
    for (const Isa isa : all_isas)
        if (name_of(isa) == wanted && supported(isa)) return isa;
    std::fprintf(stderr,
                 "handgrad: HANDGRAD_ISA=%s is not one of portable, avx2, avx512 that this "
                 "processor supports; using %s\n",
                 wanted, name_of(best).data());
    return best;
}

}  // namespace

std::string_view name_of(Isa isa) {
    switch (isa) {
        case Isa::portable:
            return "portable";
        case Isa::avx2:
            return "avx2";
        case Isa::avx512:
            return "avx512";
    }
    return "unknown";
}

bool supported(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == Isa::avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == Isa::portable;
}

Isa chosen_isa() {
    static const Isa isa = choose();
    return isa;
}

template <>
const Backend<float>& backend<float>(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return avx512::backend_float();
    if (isa == Isa::avx2) return avx2::backend_float();
#endif
    (void)isa;
    return portable::backend_float();
}

template <>
const Backend<double>& backend<double>(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return avx512::backend_double();
    if (isa == Isa::avx2) return avx2::backend_double();
#endif
    (void)isa;
    return portable::backend_double();
}

}  // namespace handgrad::cpu
