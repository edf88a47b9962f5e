// What a peer's module exports: C = op(A) op(B), row-major, float, leading dimensions without gaps.
#pragma once

extern "C" {
using PeerGemm = void(bool trans_a, bool trans_b, long M, long N, long K, const float* A,
                      const float* B, float* C);
}
