// Which kernels run where, what the emulator counts of them, and how long a GPU takes.
#pragma once

#include <chrono>
#include <functional>

#include "core/random.h"
#include "core/tensor.h"
#include "kernels.h"
#include "kernels/emulator/watch.h"
#include "report/lesson.h"

namespace handgrad {

inline const FirstKernels& kernels_of(Device device) {
#ifdef HANDGRAD_CUDA
    if (device == Device::cuda) return cuda::first_kernels();
#endif
    static_cast<void>(device);
    return emulated::first_kernels();
}

/// The device that this lesson is about, where --device does not name one.
inline Device gpu_of(const Lesson& lesson) {
    return lesson.options().device == Device::cpu ? Device::emulated : lesson.options().device;
}

/// What one run of some kernel asks of memory, as the emulator counts it.
inline emulator::Traffic counted(const std::function<void()>& run) {
    emulator::take_traffic();
    emulator::set_counting(true);
    run();
    emulator::set_counting(false);
    return emulator::take_traffic().at(0);
}

/// The share of the bytes that memory sends which the kernel asked for.
inline double used(const emulator::Traffic& t) {
    return static_cast<double>(t.global_bytes) / (32 * static_cast<double>(t.global_sectors));
}

/// The mean time of many runs on the GPU, "12.3 us".
inline std::string time_of(Device device, const std::function<void()>& run) {
    if (device != Device::cuda) return "";  // the emulator's time says nothing
    constexpr int runs = 20;
    run();
    synchronize(device);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < runs; ++i) run();
    synchronize(device);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return format("%.1f us", 1e6 * took.count() / runs);
}

/// A table whose last column is the time; left out where there is none.
inline void timed_table(Lesson& lesson, Row header, std::vector<Row> rows) {
    if (rows.at(0).back().empty()) {
        header.pop_back();
        for (Row& row : rows) row.pop_back();
    }
    lesson.table(header, rows);
}

inline Tensor<float> random_tensor(Shape shape, Device device, std::uint64_t seed) {
    Random random(seed);
    const auto x = Tensor<float>::empty(shape, device);
    random.normal(x, 0, 1);
    return x;
}

}  // namespace handgrad
