// What the program says of itself: the arrays in shared memory, the names of kernels, lines of
// code.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace handgrad::emulator {

/// A static variable of a function of handgrad's emulated kernels: an array in shared memory, or
/// one of the guards that emulator.h puts between them.
struct SharedArray {
    std::uintptr_t address;
    std::size_t bytes;
    std::string name;
    bool guard;
};

/// All of them, by address, read from this program's symbol table. None in a stripped program.
const std::vector<SharedArray>& shared_arrays();

/// "gemm_tiled<float, 16>". "?" in a stripped program.
std::string kernel_name(const void* kernel);

/// "gemm.cu:41", the line that a call returning to `pc` stands on. "?" without debug information.
std::string line_of(const void* pc);

}  // namespace handgrad::emulator
