// Copies to a device that go on while it computes.
#pragma once

#include "core/device.h"

namespace handgrad {

/// A buffer in the host's memory and the way from there to a GPU:
///
///     Upload upload(device, bytes);
///     fill(upload.host());
///     upload.start(next.data(), bytes);  // returns at once
///     compute_with(current);             // meanwhile
///     upload.arrive();
///     compute_with(next);
class Upload {
  public:
    /// Throws DeviceError for the CPU, which needs none.
    Upload(Device device, std::size_t bytes);
    ~Upload();
    Upload(Upload&& other) noexcept;
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;
    Upload& operator=(Upload&&) = delete;

    /// The buffer, to be written: waits until the last copy from there is done.
    [[nodiscard]] void* host() const;
    /// Copies the buffer's first bytes to `to`, which the work asked for so far may still use, and
    /// nothing asked for before arrive(). Throws Error where a graph is being recorded.
    void start(void* to, std::size_t bytes) const;
    /// What the device is asked for from here on finds the copy done. Throws Error likewise.
    void arrive() const;

  private:
    Device device_;
    void* buffer_ = nullptr;
    void* copied_ = nullptr;  // the event
};

}  // namespace handgrad
