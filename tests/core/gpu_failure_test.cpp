// What a GPU does wrong, as the program sees it.
#include <cstddef>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.h"
#include "core/device_graph.h"
#include "core/tensor.h"
#include "core/upload.h"
#include "kernels/cuda/failure.h"
#include "kernels/cuda/gpu.h"
#include "kernels/emulator/watch.h"

using namespace handgrad;

namespace {

/// While it lives every call to the emulated GPU fails.
struct Failing {
    Failing() { emulator::set_failing(true); }
    ~Failing() { emulator::set_failing(false); }
    Failing(const Failing&) = delete;
    Failing& operator=(const Failing&) = delete;
};

}  // namespace

TEST_CASE("every call to a GPU that has failed says so, and destructors go on", "[emulated]") {
    const Gpu& gpu = emulated::gpu();
    const auto here = Tensor<float>::zeros({3}), x = here.to(Device::emulated), y = x.clone();
    auto upload = std::make_unique<Upload>(Device::emulated, 12);
    auto graph = std::make_unique<DeviceGraph>(Device::emulated, [&] {
        x.copy_from(Tensor<float>::full({3}, 5, Device::emulated));  // in memory of the graph's own
    });
    {
        const Failing failing;
        const auto fails = [](const char* what, const auto& call) {
            std::string said = "nothing";
            try {
                call();
            } catch (const std::runtime_error& failure) {
                said = failure.what();
            }
            CHECK_THAT(said, ContainsSubstring(what));
            CHECK_THAT(said, ContainsSubstring("unspecified launch failure"));
        };
        fails("CUDA: copy from the device of 12 bytes: ", [&] { static_cast<void>(x.values()); });
        fails("CUDA: cudaEventSynchronize, or a copy", [&] { x.copy_from(here); });
        fails("CUDA: copy within the device of 12 bytes: ", [&] { y.copy_from(x); });
        fails("launch of kernel fill<float>", [&] { x.fill(1); });
        fails("CUDA: cudaStreamSynchronize", [&] { synchronize(Device::emulated); });
        fails("CUDA: cudaMalloc of 16 bytes: ", [&] { gpu.allocate(16); });
        fails("CUDA: cudaMallocHost of 16 bytes: ", [&] { gpu.allocate_pinned(16); });
        fails("CUDA: cudaEventSynchronize", [&] { static_cast<void>(upload->host()); });
        fails("CUDA: cudaEventRecord", [&] { upload->start(x.data(), 12); });
        fails("CUDA: cudaStreamWaitEvent", [&] { upload->arrive(); });
        fails("CUDA: cudaGraphLaunch", [&] { graph->replay(); });
        fails("CUDA: cudaStreamBeginCapture", [&] { DeviceGraph(Device::emulated, [] {}); });
        upload.reset();
        graph.reset();
    }
    x.fill(2);
    CHECK(x.values() == std::vector<float>{2, 2, 2});
}

TEST_CASE("a call that failed is not blamed on the next launch", "[emulated]") {
    const Gpu& gpu = emulated::gpu();
    const auto x = Tensor<float>::zeros({3}, Device::emulated);
    constexpr std::size_t too_much = std::numeric_limits<std::size_t>::max() / 2;
    CHECK_THROWS_AS(gpu.allocate_pinned(too_much), cuda::Failure);
    CHECK(gpu.allocate(too_much) == nullptr);
    x.fill(2);
    CHECK(x.values() == std::vector<float>{2, 2, 2});
}

TEST_CASE("what is copied to a device may be written again at once", "[emulated]") {
    // The emulator reads the host's memory as late as CUDA may.
    constexpr Index n = 1'300'000;  // five pieces of 1 MiB, of which four are under way
    std::vector<float> values(n);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    const std::vector<float> before = values;
    const auto x = Tensor<float>::empty({n}, Device::emulated);
    emulated::gpu().copy_in(x.data(), values.data(), n * sizeof(float));
    for (float& v : values) v = -1;
    CHECK(x.values() == before);
}
