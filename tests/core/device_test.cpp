#include "core/device.h"

#include "catch.h"
#include "core/error.h"
#include "kernels/emulator/watch.h"

using namespace handgrad;

TEST_CASE("parse_device takes what is everywhere, and refuses unknown names") {
    CHECK(parse_device("cpu") == Device::cpu);
    CHECK(name_of(Device::cpu) == "cpu");
    CHECK(parse_device("emulated") == Device::emulated);
    CHECK(name_of(Device::emulated) == "emulated");
    CHECK_THROWS_AS(parse_device("gpu"), DeviceError);
    CHECK_THROWS_WITH(parse_device("gpu"),
                      ContainsSubstring("'gpu'") && ContainsSubstring("cpu, cuda or emulated"));
    CHECK_THROWS_AS(parse_device(""), DeviceError);
}

TEST_CASE("parse_device says which of its reasons keeps cuda from being used") {
    std::string message;
    try {
        parse_device("cuda");
        return;  // this machine has one
    } catch (const DeviceError& error) {
        message = error.what();
    }
    CHECK_THAT(message, ContainsSubstring("built without CUDA") ||
                            ContainsSubstring("no NVIDIA GPU found: ") ||
                            ContainsSubstring("compute capability 7.5"));
    CHECK_THAT(message, ContainsSubstring("--device emulated"));
}

TEST_CASE("parse_precision takes what this processor can do, and says what it lacks") {
    CHECK(parse_precision("float") == cpu::Precision::float32);
    CHECK_THROWS_AS(parse_precision("half"), DeviceError);
    CHECK_THROWS_WITH(parse_precision("half"),
                      ContainsSubstring("'half'") && ContainsSubstring("float, bf16 or bf16x3"));
    for (const auto precision : {cpu::Precision::bf16, cpu::Precision::bf16x3}) {
        const std::string name(name_of(precision));
        if (supported(precision, cpu::chosen_isa()))
            CHECK(parse_precision(name) == precision);
        else
            CHECK_THROWS_WITH(parse_precision(name),
                              ContainsSubstring("--precision " + name) &&
                                  ContainsSubstring("AMX") &&
                                  ContainsSubstring("HANDGRAD_ISA=portable"));
    }
}

TEST_CASE("describe names a precision that is not float") {
    cpu::set_precision(cpu::Precision::bf16x3, cpu::Isa::portable);
    const std::string rounded = describe(Device::cpu);
    cpu::set_precision(cpu::Precision::float32);
    CHECK_THAT(rounded, ContainsSubstring(", products in bf16x3)"));
    CHECK_THAT(describe(Device::cpu), !ContainsSubstring("products"));
}

TEST_CASE("allocate gives aligned memory, and gives released blocks out again") {
    const auto address = [](const std::shared_ptr<Storage>& block) {
        return reinterpret_cast<std::uintptr_t>(block->data);
    };
    for (const std::size_t bytes : {0, 1, 63, 64, 65, 257, 1000, 4097}) {
        const std::shared_ptr<Storage> block = allocate(Device::cpu, bytes);
        CHECK(address(block) % 64 == 0);
    }
    const std::uintptr_t first = address(allocate(Device::cpu, 1 << 20));
    const std::size_t before = system_allocations();
    CHECK(address(allocate(Device::cpu, (1 << 20) - 100)) == first);
    CHECK(system_allocations() == before);
}

TEST_CASE("each device keeps its own blocks", "[emulated]") {
    const void* first = allocate(Device::emulated, 1 << 20)->data;
    const std::size_t before = system_allocations();
    const std::shared_ptr<Storage> again = allocate(Device::emulated, (1 << 20) - 100);
    CHECK(again->data == first);
    CHECK(system_allocations() == before);
    const std::shared_ptr<Storage> other = allocate(Device::emulated, 1 << 20);
    CHECK(other->data != first);
    CHECK(system_allocations() > before);
    CHECK_THROWS_WITH(allocate(Device::emulated, std::size_t{1} << 50),
                      ContainsSubstring("out of memory") && ContainsSubstring("emulated"));
}

TEST_CASE("a kernel may touch what was asked for of a block, and nothing once it is released",
          "[emulated]") {
    if (!emulator::sees_accesses()) return;
    std::shared_ptr<Storage> block = allocate(Device::emulated, 4000);  // of 4096
    auto* x = static_cast<float*>(block->data);
    const Backend<float>& kernels = backend<float>(Device::emulated);
    CHECK_NOTHROW(kernels.fill(x, 1, 1000));
    CHECK_THROWS_WITH(kernels.fill(x, 1, 1001),
                      ContainsSubstring("fill<float>") && ContainsSubstring("thread (232, 0, 0)") &&
                          ContainsSubstring("0 bytes past the end of a buffer of 4000 bytes"));
    block.reset();
    CHECK_THROWS_AS(kernels.fill(x, 1, 1), emulator::Mistake);
}
