// How large this machine's caches are.
#pragma once

#include "kernels/backend.h"

namespace handgrad::cpu {

/// Bytes of the data caches that one core reaches: its own L1 and L2, and the L3 that it shares. A
/// cache that the system does not tell of counts as a small one of its kind. On x86 a virtual
/// machine, which is told of an L3 that it shares with others, counts as having 16 MB for each
/// processor that the program may use, at most. HANDGRAD_CACHES=32,512,16384,far takes others, in
/// KB: for tests and experiments.
struct Caches {
    Index l1, l2, l3;
    /// Does L3 feed a core without being asked ahead? AMD's belongs to a few cores beside it, and
    /// does; that of Intel's servers is spread over the chip.
    bool near_l3 = false;
};
const Caches& caches();

}  // namespace handgrad::cpu
