// Losses, fused with the softmax that precedes them.
#pragma once

#include <cmath>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/parallel.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void cross_entropy_forward(T* losses, T* probabilities, const T* logits, const std::int32_t* labels,
                           Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T* o = logits + r * cols;
            T* q = probabilities + r * cols;
            T highest = o[0];
            for (Index c = 1; c < cols; ++c) highest = o[c] > highest ? o[c] : highest;
            T sum = 0;
            for (Index c = 0; c < cols; ++c) {
                q[c] = std::exp(o[c] - highest);
                sum += q[c];
            }
            for (Index c = 0; c < cols; ++c) q[c] /= sum;
            losses[r] = std::log(sum) + highest - o[labels[r]];
        }
    };
    constexpr Index exp_flops = 200;  // a scalar exp takes as long as this many, priced as in Cost
    parallel_ranges(rows, {.flops = rows * cols * exp_flops, .bytes = 0}, body, 1);
}

template <class T>
void cross_entropy_backward(T* dlogits, const T* probabilities, const std::int32_t* labels, T scale,
                            Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            for (Index c = 0; c < cols; ++c)
                dlogits[r * cols + c] = scale * probabilities[r * cols + c];
            dlogits[r * cols + labels[r]] -= scale;
        }
    };
    parallel_ranges(rows, {.flops = 0, .bytes = 2 * rows * cols * Index{sizeof(T)}}, body, 1);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
