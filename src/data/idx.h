// IDX: the file format of MNIST and of the sets made in its likeness.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/shape.h"

namespace handgrad {

/// What an IDX file holds: bytes in row-major order.
struct IdxArray {
    Shape shape;
    std::vector<std::uint8_t> values;  // shape.size() of them
};

/// Reads a file of unsigned bytes of the given rank, plain or gzip-compressed (told apart by the
/// first bytes, not by the name): rank 1 is labels (N), rank 3 images (N, rows, columns). The
/// header is believed only once the bytes that it promises have been read. Throws Error, naming the
/// file, where it is missing, unreadable or damaged, where it holds something else, and where it
/// holds fewer or more bytes than its header says.
IdxArray read_idx(const std::filesystem::path& path, int rank);

}  // namespace handgrad
