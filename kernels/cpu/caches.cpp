#include "kernels/cpu/caches.h"

#if defined(__x86_64__)
    #include <cpuid.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace handgrad::cpu {
namespace {

/// Is this a virtual machine? Hypervisors set a bit that processors do not.
bool is_virtual() {
#if defined(__x86_64__)
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 31) != 0;
#else
    return false;
#endif
}

bool is_amd() {
#if defined(__x86_64__)
    unsigned most = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid(0, &most, &ebx, &ecx, &edx) != 0 && ebx == signature_AMD_ebx;
#else
    return false;
#endif
}

/// What Linux says under /sys of the first core: "48K", for index0 and up. On a virtual machine
/// sysconf may tell of the host's whole L3 instead.
Caches find() {
    Caches found{32 << 10, 256 << 10, 4 << 20, is_amd()};
    for (int index = 0; index < 8; ++index) {
        const std::string folder =
            "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
        int level = 0;
        std::string type;
        Index size = 0;
        char unit = 0;
        std::ifstream(folder + "level") >> level;
        std::ifstream(folder + "type") >> type;
        std::ifstream(folder + "size") >> size >> unit;
        if (type == "Instruction" || size <= 0) continue;
        const Index bytes = size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
        if (level == 1) found.l1 = bytes;
        if (level == 2) found.l2 = bytes;
        if (level == 3) found.l3 = bytes;
    }
    if (is_virtual()) {
        constexpr Index share = Index{16} << 20;
        const Index processors = std::max(1U, std::thread::hardware_concurrency());
        found.l3 = std::min(found.l3, share * processors);
    }
    return found;
}

/// Those that HANDGRAD_CACHES names, or else those of this machine.
Caches choose() {
    const char* const wanted = std::getenv("HANDGRAD_CACHES");
    if (wanted == nullptr || *wanted == '\0') return find();
    long l1 = 0, l2 = 0, l3 = 0;
    char where[8] = {}, rest = 0;
    const int fields =
        std::sscanf(wanted, "%12ld,%12ld,%12ld,%7[a-z]%c", &l1, &l2, &l3, where, &rest);
    const std::string at = where;
    constexpr long most = 1L << 30;
    if (fields == 4 && (at == "near" || at == "far") && 8 <= l1 && l1 <= l2 && l2 <= l3 &&
        l3 <= most)
        return {Index{l1} << 10, Index{l2} << 10, Index{l3} << 10, at == "near"};
    const Caches found = find();
    std::fprintf(stderr,
                 "handgrad: HANDGRAD_CACHES=%s is not L1, L2 and L3 in KB, 8 or more and none "
                 "smaller than the one before, and whether L3 is near, as in %ld,%ld,%ld,%s; using "
                 "that\n",
                 wanted, static_cast<long>(found.l1 >> 10), static_cast<long>(found.l2 >> 10),
                 static_cast<long>(found.l3 >> 10), found.near_l3 ? "near" : "far");
    return found;
}

}  // namespace

const Caches& caches() {
    static const Caches chosen = choose();
    return chosen;
}

}  // namespace handgrad::cpu
