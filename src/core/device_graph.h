// Work for a GPU, recorded once and replayed: a CUDA graph.
//
// A training step of a small network is some dozens of kernels that each take microseconds; asking
// for each of them costs the host as long. A graph asks for all of them at once.
//
//     // Fixed places: a replay reads what stands there then.
//     const auto x = Tensor<float>::empty({batch, features}, device);
//     const Labels y = Labels::empty({batch}, device);
//     const DeviceGraph step(device, [&] {
//         optimizer.zero_grad();
//         loss.forward(model.forward(x), y);
//         model.backward_parameters(loss.backward());
//         optimizer.step();
//     });
//     for (const Batch& batch : loader) {
//         x.copy_from(batch.x);
//         y.copy_from(batch.y);
//         step.replay();
//     }
#pragma once

#include <functional>
#include <memory>

#include "core/device.h"

namespace handgrad {

class DeviceGraph {
  public:
    /// Records what work() asks of the device; nothing of it is done yet. Call work() once before,
    /// so that what is made in a first step (an optimiser's state) exists. All memory that work()
    /// takes is the graph's as long as the graph or a tensor uses it.
    ///
    /// What the host computes is recorded as it was: shapes, the learning rate. So nothing recorded
    /// may need a number from the host later or give it one: copies between the CPU and the device
    /// throw Error, item() among them. What has to change from replay to replay, an optimiser's
    /// number of steps and what Dropout draws, is counted on the device. Throws Error for
    /// Device::cpu, or inside another recording.
    DeviceGraph(Device device, const std::function<void()>& work);
    ~DeviceGraph();
    DeviceGraph(const DeviceGraph&) = delete;
    DeviceGraph& operator=(const DeviceGraph&) = delete;

    /// Does all of it, in the order of other work for the device. Returns before it is done.
    void replay() const;

  private:
    Device device_;
    void* graph_ = nullptr;
    std::shared_ptr<void> memory_;
};

/// Is a graph being recorded on the device?
bool recording(Device device);
/// Throws Error, naming the operation, if so.
void require_not_recording(Device device, std::string_view operation);

}  // namespace handgrad
