// For tests: whether work is shared out must not depend on how busy the machine is.
#pragma once

#include "kernels/cpu/parallel.h"

namespace handgrad::cpu {

/// While it lives, kernels use all of `threads` for all work, however small.
class ShareAlways {
  public:
    explicit ShareAlways(int threads) : threads_(threads) { set(true); }
    ~ShareAlways() { set(false); }
    ShareAlways(const ShareAlways&) = delete;
    ShareAlways& operator=(const ShareAlways&) = delete;

  private:
    static void set(bool always);

    Threads threads_;
};

}  // namespace handgrad::cpu
