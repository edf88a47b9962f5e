// Tensors that leave: to numpy's files, and to another device and back.
#pragma once

#include "core/tensor_ops.h"
#include "data/npy.h"
#include "report/lesson.h"
#include "what_autograd_refuses.h"

namespace handgrad {

inline void files_and_devices(Lesson& lesson, const Tensor<float>& x) {
    lesson.section("Tensors: files and devices");
    write_npy(lesson.path("x.npy"), x);
    const Tensor<float> back = read_npy<float>(lesson.path("x.npy"));
    lesson.say(
        "x.npy is a file of numpy's: numpy.load reads it, and read_npy reads numpy's, in "
        "any order, and all types of plain numbers. (In Python, from_numpy lets two libraries "
        "share one memory. That needs one process.)");
    lesson.check("numbers come back from the file to the last bit",
                 back.shape() == x.shape() && back.values() == x.values());

    const std::string no_gpu = refusal([] { parse_device("cuda"); });
    Device other = lesson.options().device;
    if (other == Device::cpu) other = no_gpu.empty() ? Device::cuda : Device::emulated;
    lesson.say("x.to(device) is x itself where it is there already, else a copy. Here x goes to " +
               describe(other) +
               ", where x + x is computed, and the sum comes back. An operation of two tensors on "
               "two devices is refused:");
    const Tensor<float> there = x.to(other);
    const Tensor<float> sum = (there + there).to(Device::cpu);
    const std::string mixed = refusal([&] { (void)(there + x); });
    lesson.pre(mixed);
    lesson.check("there and back, x + x is what it is here",
                 there.device() == other && sum.values() == (x + x).values());
    lesson.check("to(cpu) of a tensor on the CPU is the same memory, to another device is not",
                 x.to(Device::cpu).data() == x.data() && there.data() != x.data());
    lesson.check("a sum of tensors on two devices is refused", !mixed.empty());
    if (no_gpu.empty()) return;
    lesson.say("The GPU if there is one, else the CPU: parse_device(\"cuda\") says why not.");
    lesson.pre(no_gpu);
}

}  // namespace handgrad
