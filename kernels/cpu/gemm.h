// The product of the CPU; see Backend::gemm and its neighbours for the arguments.
#pragma once

#include "kernels/ladder/product.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void gemm(const Product<T>& p);

template <class T>
void linear_forward(T* y, const T* x, const T* w, const T* bias, bool relu, Index rows, Index in,
                    Index out);

template <class T>
Index packed_weight_size(Index in, Index out);

template <class T>
void pack_weight(T* packed, const T* w, Index in, Index out);

template <class T>
void linear_forward_packed(T* y, const T* x, const T* w, const T* packed, const T* bias, bool relu,
                           Index rows, Index in, Index out);

template <class T>
void linear_backward_weight(T* dw, T* db, const T* dy, const T* x, Index rows, Index in, Index out);

}  // namespace handgrad::cpu::HANDGRAD_ISA
