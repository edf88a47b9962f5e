#include "kernels/cpu/precision.h"

#include "kernels/ladder/ladder.h"

namespace handgrad::cpu {
namespace {

Precision chosen = Precision::float32;

}  // namespace

std::string_view name_of(Precision precision) {
    return precision == Precision::float32 ? "float"
           : precision == Precision::bf16  ? "bf16"
                                           : "bf16x3";
}

bool supported(Precision precision, Isa isa) {
    return precision == Precision::float32 || ladder::has_tiles(isa);
}

void set_precision(Precision precision, Isa isa) {
    chosen = precision;
    ladder::rounding = precision == Precision::float32 ? nullptr
                       : precision == Precision::bf16
                           ? ladder::rung<float>(ladder::bf16_rung, isa)
                           : ladder::rung<float>(ladder::bf16x3_rung, isa);
}

Precision precision() {
    return chosen;
}

}  // namespace handgrad::cpu
