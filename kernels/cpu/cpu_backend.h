// The CPU as a device: Backend<T> by hand-written kernels, chosen for the processor at hand.
#pragma once

#include <string_view>

#include "kernels/backend.h"

namespace handgrad::cpu {

/// Instruction sets that kernels are compiled for, slowest first.
/// On Arm, portable is NEON, which every 64-bit Arm has.
enum class Isa : std::uint8_t { portable, avx2, avx512 };

std::string_view name_of(Isa isa);
/// Can this processor run it, and was it compiled in?
bool supported(Isa isa);
/// The best one supported, or the one that the environment's HANDGRAD_ISA names
/// (portable, avx2, avx512). A name that is unknown or unsupported is reported on stderr, and the
/// best one is used. Decided once.
Isa chosen_isa();

/// The kernels of one instruction set. It must be supported().
template <class T>
const Backend<T>& backend(Isa isa);

}  // namespace handgrad::cpu
