// A GPU as src/ sees it: its memory, its queue of work, its kernels. Two exist: cuda, a real one,
// where the build found nvcc; and emulated, the same code on the emulator, always.
#pragma once

#include <cstddef>

#include "kernels/backend.h"

namespace handgrad {

/// Functions throw cuda::Failure where a call fails, which may be one of an earlier kernel.
class Gpu {
  public:
    virtual ~Gpu() = default;

    /// Memory of the device, aligned to 256 bytes; null where there is not enough, or for no bytes.
    virtual void* allocate(std::size_t bytes) const = 0;
    virtual void release(void* p) const = 0;

    // Copies and kernels happen in the order in which they are asked for.

    /// Host to device. Returns when `from` may be written again.
    virtual void copy_in(void* to, const void* from, std::size_t bytes) const = 0;
    /// Device to host. Returns when the bytes have come, so it waits for all work before it.
    virtual void copy_out(void* to, const void* from, std::size_t bytes) const = 0;
    /// Within the device. Returns at once.
    virtual void copy(void* to, const void* from, std::size_t bytes) const = 0;

    // Copies that go on beside all of that, in an order of their own, from host memory that cannot
    // be paged out. An event stands for the end of the last copy that named it.

    virtual void* allocate_pinned(std::size_t bytes) const = 0;
    virtual void release_pinned(void* p) const = 0;
    virtual void* make_event() const = 0;
    virtual void destroy_event(void* event) const = 0;
    /// Host to device. Returns at once; begins when the work asked for so far is done.
    virtual void copy_in_beside(void* to, const void* pinned, std::size_t bytes,
                                void* event) const = 0;
    /// Copies and kernels asked for from here on wait for the event.
    virtual void wait_in_order(void* event) const = 0;
    /// The host waits for it.
    virtual void wait_on_host(void* event) const = 0;

    /// Waits until everything asked for is done.
    virtual void synchronize() const = 0;

    /// From here on work is recorded instead of done.
    virtual void begin_recording() const = 0;
    /// The work recorded, for replay and destroy_graph.
    virtual void* end_recording() const = 0;
    virtual void replay(void* graph) const = 0;
    virtual void destroy_graph(void* graph) const = 0;
};

namespace cuda {
const Gpu& gpu();
template <class T>
const Backend<T>& backend();
}  // namespace cuda

namespace emulated {
const Gpu& gpu();
template <class T>
const Backend<T>& backend();
}  // namespace emulated

}  // namespace handgrad
