// Matrix registers: eight tiles of 16 rows by 64 bytes, and one instruction that multiplies them.
//
// Intel's AMX has them. Where the compiler may use AMX, Tiles is these registers. Elsewhere it is
// an array and plain C++ that does what the instruction does, addition by addition, as the
// pseudocode of TDPBF16PS has it (Intel's Software Developer's Manual, volume 2): many times
// slower, for tests and for a debugger.
//
// A tile of C is 16 x 16 floats. Tiles of A and B are 16 x 16 pairs of bf16, and a pair holds two
// values that are neighbours in k:
//
//   A, 16 rows by 32 k       row m, column q   a(m, 2q), a(m, 2q + 1)
//   B, 32 k by 16 columns    row q, column n   b(2q, n), b(2q + 1, n)
//
// So a tile of A, transposed pair by pair, has the order of a tile of B.
#pragma once

#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Rows of a tile, and its columns of floats or pairs.
inline constexpr Index TILE = 16;
/// Values of k in a tile of A or B.
inline constexpr Index TILE_K = 2 * TILE;

#if defined(__AMX_TILE__) || defined(__AMXTILE__)  // GCC's and older Clangs' name for it

// GCC 12's intrinsics say too little: _tile_loadd does not tell that it reads memory, and
// _tile_loadconfig tells of 8 bytes, so that stores to the others may be dropped. Hence assembly.

struct alignas(64) TileConfig {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64, "LDTILECFG reads 64 bytes");
inline constexpr TileConfig tile_config;

/// This thread's tiles. There may be one Tiles at a time on a thread.
class Tiles {
  public:
    Tiles() { asm volatile("ldtilecfg %0" : : "m"(tile_config)); }
    ~Tiles() { asm volatile("tilerelease"); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;

    template <int tile>
    void zero() {
        asm volatile("tilezero %%tmm%c0" : : "i"(tile));
    }
    /// Rows begin `step` bytes apart.
    template <int tile>
    void load(const void* rows, Index step) {
        asm volatile("tileloadd (%1,%2,1), %%tmm%c0"
                     :
                     : "i"(tile), "r"(rows), "r"(step)
                     : "memory");
    }
    template <int tile>
    void store(void* rows, Index step) {
        asm volatile("tilestored %%tmm%c0, (%1,%2,1)"
                     :
                     : "i"(tile), "r"(rows), "r"(step)
                     : "memory");
    }
    /// C += A B.
    template <int c, int a, int b>
    void multiply_add() {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
    }
};

#else

/// A sum that the instruction makes: rounded once, and zero where it is below the normal numbers.
/// The sum of a float and a product of two bf16 needs few enough bits for a double to hold it or to
/// be rounded to the same float, so `exact` may be computed in double.
[[gnu::always_inline]] inline float rounded_or_zero(double exact) {
    constexpr float least = 0x1p-126F;
    const auto x = static_cast<float>(exact);
    return x < least && x > -least ? x * 0 : x;
}

class Tiles {
  public:
    template <int tile>
    void zero() {
        for (float& x : tiles_[tile]) x = 0;
    }
    template <int tile>
    void load(const void* rows, Index step) {
        for (Index row = 0; row < TILE; ++row)
            __builtin_memcpy(tiles_[tile] + row * TILE, static_cast<const char*>(rows) + row * step,
                             64);
    }
    template <int tile>
    void store(void* rows, Index step) {
        for (Index row = 0; row < TILE; ++row)
            __builtin_memcpy(static_cast<char*>(rows) + row * step, tiles_[tile] + row * TILE, 64);
    }
    template <int c, int a, int b>
    void multiply_add() {
        float a_even[TILE * TILE], a_odd[TILE * TILE], b_even[TILE * TILE], b_odd[TILE * TILE];
        take_apart(tiles_[a], a_even, a_odd);
        take_apart(tiles_[b], b_even, b_odd);
        for (Index m = 0; m < TILE; ++m) {
            // The sums over even and odd k begin at zero, and meet before they are added to C.
            float even[TILE] = {}, odd[TILE] = {};
            for (Index q = 0; q < TILE; ++q) {
                const double a0 = a_even[m * TILE + q], a1 = a_odd[m * TILE + q];
                for (Index n = 0; n < TILE; ++n) {
                    even[n] = rounded_or_zero(double{even[n]} + a0 * double{b_even[q * TILE + n]});
                    odd[n] = rounded_or_zero(double{odd[n]} + a1 * double{b_odd[q * TILE + n]});
                }
            }
            float* sum = tiles_[c] + m * TILE;
            for (Index n = 0; n < TILE; ++n)
                sum[n] = rounded_or_zero(double{rounded_or_zero(double{sum[n]})} +
                                         double{rounded_or_zero(double{even[n]} + double{odd[n]})});
        }
    }

  private:
    /// The bf16 of a tile of pairs as floats: a bf16 is the upper half of one. Subnormal ones count
    /// as zero.
    static void take_apart(const float* pairs, float* even, float* odd) {
        for (Index i = 0; i < TILE * TILE; ++i) {
            std::uint32_t pair = 0;
            __builtin_memcpy(&pair, pairs + i, 4);
            const std::uint32_t low = pair << 16, high = pair & 0xffff0000;
            __builtin_memcpy(even + i, &low, 4);
            __builtin_memcpy(odd + i, &high, 4);
            even[i] = rounded_or_zero(double{even[i]});
            odd[i] = rounded_or_zero(double{odd[i]});
        }
    }

    alignas(64) float tiles_[8][TILE * TILE];
};

#endif

}  // namespace handgrad::cpu::HANDGRAD_ISA
