// Losses, fused with the softmax that precedes them.
#pragma once

#include "kernels/cpu/softmax.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void cross_entropy_forward(T* losses, T* probabilities, const T* logits, const std::int32_t* labels,
                           Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T* o = logits + r * cols;
            const auto [highest, log_sum] = softmax(probabilities + r * cols, o, cols);
            losses[r] = log_sum + (highest - o[labels[r]]);
        }
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
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
