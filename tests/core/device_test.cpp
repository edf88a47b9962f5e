#include "core/device.h"

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

TEST_CASE("parse_device takes cpu, and refuses unknown names") {
    CHECK(parse_device("cpu") == Device::cpu);
    CHECK(name_of(Device::cpu) == "cpu");
    CHECK_THROWS_AS(parse_device("gpu"), DeviceError);
    CHECK_THROWS_WITH(parse_device("gpu"),
                      ContainsSubstring("'gpu'") && ContainsSubstring("cpu or cuda"));
    CHECK_THROWS_AS(parse_device(""), DeviceError);
}

TEST_CASE("parse_device says which of its reasons keeps cuda from being used") {
    CHECK_THROWS_AS(parse_device("cuda"), DeviceError);
    CHECK_THROWS_WITH(parse_device("cuda"), ContainsSubstring("built without CUDA") ||
                                                ContainsSubstring("no NVIDIA GPU found: ") ||
                                                ContainsSubstring("has no CUDA kernels yet"));
}

TEST_CASE("allocate gives aligned memory, and gives released blocks out again") {
    const auto address = [](const std::shared_ptr<void>& block) {
        return reinterpret_cast<std::uintptr_t>(block.get());
    };
    for (const std::size_t bytes : {0, 1, 63, 64, 65, 257, 1000, 4097}) {
        const std::shared_ptr<void> block = allocate(Device::cpu, bytes);
        CHECK(address(block) % 64 == 0);
    }
    const std::uintptr_t first = address(allocate(Device::cpu, 1 << 20));
    const std::size_t before = system_allocations();
    CHECK(address(allocate(Device::cpu, (1 << 20) - 100)) == first);
    CHECK(system_allocations() == before);
}
