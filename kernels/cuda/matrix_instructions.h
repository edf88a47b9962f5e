// A warp's matrix instructions (tensor cores): C += A B for a tile of 16 x 8 numbers of C, with A
// (16, depth) and B (depth, 8) in fewer bits than C, which is float.
//
// The 32 lanes hold the tiles together. What lane l = 4 g + t holds, from the PTX manual
// (mma.m16n8k8 and mma.m16n8k16); a register has one number of tf32 or two of 16 bits, n of them:
//     A  register 0: row g, columns n t ..; 1: row g + 8; 2 and 3: the same, columns depth/2 on
//     B  register 0: rows n t .. of column g;             1: the same, rows depth/2 on
//     C  v[0], v[1]: row g, columns 2 t and 2 t + 1;      v[2], v[3]: row g + 8
// Beside each instruction stands what it does, in shuffles: for GPUs that lack it, and the
// emulator, which is all that has run this file so far.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cuda/portable.h"

namespace handgrad::HANDGRAD_GPU {

struct FragmentA {
    std::uint32_t registers[4];
};
struct FragmentB {
    std::uint32_t registers[2];
};
struct FragmentC {
    float v[4];
};

// ---- numbers of fewer bits ---------------------------------------------------------------------

__host__ __device__ inline std::uint32_t bits_of(float x) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
__host__ __device__ inline float float_of(std::uint32_t bits) {
    float x = 0;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

/// A float whose last 13 bits are not used: 10 bits of mantissa stay.
struct Tf32 {
    using Stored = float;
    static constexpr int depth = 8, in_register = 1;
    static constexpr double rounding = 0x1p-11;  // relative, at most

    /// To nearest, ties away from zero, as cvt.rna.tf32.f32 rounds.
    __host__ __device__ static Stored stored(float x) {
        const std::uint32_t bits = bits_of(x);
        if ((bits & 0x7f800000U) != 0x7f800000U) return float_of((bits + 0x1000U) & 0xffffe000U);
        return (bits & 0x7fffffU) == 0 ? x : float_of(0x7fffffffU);  // infinity, NaN
    }
    __host__ __device__ static float number(std::uint32_t bits, int) {
        return float_of(bits & 0xffffe000U);
    }
};

/// The first half of a float: 7 bits of mantissa.
struct Bf16 {
    using Stored = std::uint16_t;
    static constexpr int depth = 16, in_register = 2;
    static constexpr double rounding = 0x1p-8;

    /// To nearest, ties to even.
    __host__ __device__ static Stored stored(float x) {
        const std::uint32_t bits = bits_of(x);
        if ((bits & 0x7fffffffU) > 0x7f800000U) return 0x7fff;  // NaN
        return static_cast<Stored>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
    }
    __host__ __device__ static float number(std::uint32_t bits, int i) {
        return float_of(i == 0 ? bits << 16 : bits & 0xffff0000U);
    }
};

/// IEEE's half: 10 bits of mantissa, and numbers up to 65504.
struct F16 {
    using Stored = std::uint16_t;
    static constexpr int depth = 16, in_register = 2;
    static constexpr double rounding = 0x1p-11;  // of normal numbers, from 2^-14 on

    /// To nearest, ties to even.
    __host__ __device__ static Stored stored(float x) {
        const std::uint32_t sign = bits_of(x) >> 16 & 0x8000U, bits = bits_of(x) & 0x7fffffffU;
        std::uint32_t half = 0;
        if (bits > 0x7f800000U)
            half = 0x7fff;  // NaN
        else if (bits >= 0x47800000U)
            half = 0x7c00;  // 65536 and more: infinity
        else if (bits < 0x38800000U)
            half = bits_of(float_of(bits) + 0.5F) - bits_of(0.5F);  // the sum rounds to 2^-24
        else
            half = (bits - (112U << 23) + 0xfffU + (bits >> 13 & 1U)) >> 13;
        return static_cast<Stored>(sign | half);
    }
    __host__ __device__ static float number(std::uint32_t bits, int i) {
        const std::uint32_t half = i == 0 ? bits & 0xffffU : bits >> 16;
        const std::uint32_t size = half & 0x7fffU, sign = (half & 0x8000U) << 16;
        if (size >= 0x7c00U) return float_of(sign | 0x7f800000U | (size & 0x3ffU) << 13);
        return float_of(sign | bits_of(float_of(size << 13) * 0x1p112F));
    }
};

// ---- from shared memory to fragments -----------------------------------------------------------

inline constexpr unsigned whole_warp = 0xffffffffU;

/// Four words of each lane, from four tiles of eight rows of 16 bytes: lane l says where row l % 8
/// of tile l / 8 begins, at a multiple of 16, and gets word l % 4 of row l / 4 of each tile.
template <int tiles>
__device__ void load_tiles(std::uint32_t (&words)[tiles], const void* row) {
#if defined(__CUDA_ARCH__)
    const auto at = static_cast<unsigned>(__cvta_generic_to_shared(row));
    if constexpr (tiles == 4)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                     : "r"(at)
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                     : "=r"(words[0]), "=r"(words[1])
                     : "r"(at)
                     : "memory");
#else
    const int lane = static_cast<int>(threadIdx.x % 32);
    for (int tile = 0; tile < tiles; ++tile) {
        const auto from =
            __shfl_sync(whole_warp, reinterpret_cast<std::uintptr_t>(row), 8 * tile + lane / 4);
        std::memcpy(&words[tile], reinterpret_cast<const std::uint32_t*>(from) + lane % 4, 4);
    }
#endif
}

/// A (16, depth) that stands row by row from `a` on, `pitch` numbers apart.
template <class Stored>
__device__ FragmentA load_a(const Stored* a, int pitch) {
    // Tiles: the upper rows, the lower rows; then the same in the second half of the columns.
    const int lane = static_cast<int>(threadIdx.x % 32);
    FragmentA fragment;
    load_tiles(fragment.registers,
               a + lane % 16 * pitch + lane / 16 * (16 / static_cast<int>(sizeof(Stored))));
    return fragment;
}

/// B (depth, 8) that stands column by column.
template <class Stored>
__device__ FragmentB load_b(const Stored* b, int pitch) {
    const int lane =
        static_cast<int>(threadIdx.x % 16);  // the addresses of the others do not count
    FragmentB fragment;
    load_tiles(fragment.registers,
               b + lane % 8 * pitch + lane / 8 * (16 / static_cast<int>(sizeof(Stored))));
    return fragment;
}

// ---- C += A B ----------------------------------------------------------------------------------

/// By what lanes can always do: each reads the rows and columns of its four sums from the lanes
/// that hold them.
template <class Kind>
__device__ void multiply_add_by_shuffles(FragmentC& c, const FragmentA& a, const FragmentB& b) {
    const int lane = static_cast<int>(threadIdx.x % 32), g = lane / 4, t = lane % 4;
    for (int holder = 0; holder < 4; ++holder) {
        std::uint32_t from_a[4], from_b[2][2];
        for (int j = 0; j < 4; ++j)
            from_a[j] = __shfl_sync(whole_warp, a.registers[j], 4 * g + holder);
        for (int col = 0; col < 2; ++col)
            for (int j = 0; j < 2; ++j)
                from_b[col][j] =
                    __shfl_sync(whole_warp, b.registers[j], 4 * (2 * t + col) + holder);
        for (int half = 0; half < 2; ++half)
            for (int row = 0; row < 2; ++row)
                for (int col = 0; col < 2; ++col)
                    for (int i = 0; i < Kind::in_register; ++i)
                        c.v[2 * row + col] += Kind::number(from_a[2 * half + row], i) *
                                              Kind::number(from_b[col][half], i);
    }
}

/// C += A B, by all lanes of a warp together.
template <class Kind>
__device__ void multiply_add(FragmentC& c, const FragmentA& a, const FragmentB& b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    if constexpr (std::is_same_v<Kind, Tf32>)
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
            "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(c.v[0]), "+f"(c.v[1]), "+f"(c.v[2]), "+f"(c.v[3])
            : "r"(a.registers[0]), "r"(a.registers[1]), "r"(a.registers[2]), "r"(a.registers[3]),
              "r"(b.registers[0]), "r"(b.registers[1]));
    else if constexpr (std::is_same_v<Kind, Bf16>)
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
            "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(c.v[0]), "+f"(c.v[1]), "+f"(c.v[2]), "+f"(c.v[3])
            : "r"(a.registers[0]), "r"(a.registers[1]), "r"(a.registers[2]), "r"(a.registers[3]),
              "r"(b.registers[0]), "r"(b.registers[1]));
    else
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
            "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(c.v[0]), "+f"(c.v[1]), "+f"(c.v[2]), "+f"(c.v[3])
            : "r"(a.registers[0]), "r"(a.registers[1]), "r"(a.registers[2]), "r"(a.registers[3]),
              "r"(b.registers[0]), "r"(b.registers[1]));
#elif defined(__CUDA_ARCH__)
    // Turing has F16 alone, and half of its depth.
    if constexpr (std::is_same_v<Kind, F16>) {
        for (int half = 0; half < 2; ++half)
            asm volatile(
                "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                : "+f"(c.v[0]), "+f"(c.v[1]), "+f"(c.v[2]), "+f"(c.v[3])
                : "r"(a.registers[2 * half]), "r"(a.registers[2 * half + 1]),
                  "r"(b.registers[half]));
    } else {
        multiply_add_by_shuffles<Kind>(c, a, b);
    }
#else
    multiply_add_by_shuffles<Kind>(c, a, b);
#endif
}

}  // namespace handgrad::HANDGRAD_GPU
