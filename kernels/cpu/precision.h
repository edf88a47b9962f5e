// What products of floats are computed in.
#pragma once

#include "kernels/cpu/cpu_backend.h"

namespace handgrad::cpu {

/// bf16 rounds the operands to 8 bits, bf16x3 splits them into three times 8: rungs 9 and 10 of
/// kernels/ladder/, which say how far off their results may be.
enum class Precision : std::uint8_t { float32, bf16, bf16x3 };

/// "float", "bf16" or "bf16x3".
std::string_view name_of(Precision precision);

/// bf16 and bf16x3 need AMX, which goes with avx512. portable computes the same in plain C++, many
/// times slower.
bool supported(Precision precision, Isa isa);

/// What Backend<float>::gemm, linear_forward and linear_relu_forward compute in from now on,
/// whatever their instruction set. At the start it is float. Convolutions stay in float, and
/// doubles in double. `isa`: whose tiles; they must be supported(). Not while kernels run.
void set_precision(Precision precision, Isa isa = chosen_isa());
Precision precision();

}  // namespace handgrad::cpu
