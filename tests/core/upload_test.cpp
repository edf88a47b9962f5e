#include "core/upload.h"

#include <algorithm>
#include <vector>

#include "catch.h"
#include "core/device_graph.h"
#include "core/error.h"
#include "core/tensor.h"
#include "gpus.h"
#include "kernels/emulator/watch.h"

using namespace handgrad;

namespace {

constexpr Index n = 1000;

struct Sending {
    explicit Sending(Device device)
        : there(Tensor<float>::full({n}, 1, device)), upload(device, n * sizeof(float)) {}
    void send(float value) {
        auto* const host = static_cast<float*>(upload.host());
        std::fill(host, host + n, value);
        upload.start(there.data(), n * sizeof(float));
    }
    Tensor<float> there;
    Upload upload;
};

}  // namespace

TEST_CASE("what was uploaded is there once it has arrived", "[emulated]") {
    for (const Device device : gpus()) {
        Sending s(device);
        for (const float value : {2.0F, 3.0F}) {
            s.send(value);
            s.upload.arrive();
            CHECK(s.there.values() == std::vector<float>(n, value));
        }
        s.send(4);
        s.send(5);  // host() waits for the first before it is written over
        s.upload.arrive();
        CHECK(s.there.clone().values() == std::vector<float>(n, 5));
        CHECK_THROWS_WITH(DeviceGraph(device, [&] { s.send(6); }),
                          ContainsSubstring("Upload.start: a graph is being recorded"));
        s.send(7);
        CHECK_THROWS_WITH(DeviceGraph(device, [&] { s.upload.arrive(); }),
                          ContainsSubstring("Upload.arrive: a graph is being recorded"));
        s.upload.arrive();
    }
    CHECK_THROWS_AS(Upload(Device::cpu, 4), DeviceError);
}

TEST_CASE("on the emulator an upload that nobody waits for is late, and using it a mistake",
          "[emulated]") {
    Sending s(Device::emulated);
    const auto there = [&] { return std::vector<float>(s.there.data(), s.there.data() + n); };
    s.send(2);
    CHECK(there() == std::vector<float>(n, 1));
    // Nor may the buffer be written before host() has waited.
    auto* const host = static_cast<float*>(s.upload.host());
    CHECK(there() == std::vector<float>(n, 2));
    s.send(3);
    std::fill(host, host + n, 7.0F);
    CHECK_THROWS_WITH(s.there.values(), ContainsSubstring("written in another stream"));
    if (emulator::sees_accesses())
        CHECK_THROWS_WITH(s.there.fill(1), ContainsSubstring("race of streams, write") &&
                                               ContainsSubstring("fill<float>"));
    s.upload.arrive();
    CHECK(s.there.values() == std::vector<float>(n, 7));
}
