// .npy and .npz: the files in which numpy keeps arrays.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor.h"

namespace handgrad {

/// Reads an array onto the CPU: all versions of numpy's header, both orders of elements, bool,
/// int8 to int64, uint8 to uint64, float16, float32 and float64 in either order of bytes.
///
/// T need not be the file's type. As float or double a number is rounded to the nearest; as
/// std::int32_t or Index only whole numbers within its range are read. The file is trusted in
/// nothing. Throws Error, naming the file, where it is missing, cut off, too long or no .npy file;
/// for every other type of elements, by its name; and for a number that T cannot hold.
template <class T>
Tensor<T> read_npy(const std::filesystem::path& path);

/// Writes a tensor from any device as float32, float64, int32 or int64, whichever T is. Throws
/// Error where the file cannot be written.
template <class T>
void write_npy(const std::filesystem::path& path, const Tensor<T>& x);

/// An archive of arrays, stored or deflated: what numpy.savez and savez_compressed write.
class NpzFile {
  public:
    /// Reads the file. Throws Error, naming it, where it is missing or no zip archive, or has two
    /// arrays of one name.
    explicit NpzFile(const std::filesystem::path& path);

    /// In the order of the archive, without their ".npy". Members that are called otherwise are
    /// passed over.
    [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
    /// Throws Error as read_npy does, and where there is no such array or the archive is damaged.
    template <class T>
    [[nodiscard]] Tensor<T> read(std::string_view name) const;

  private:
    [[nodiscard]] std::string member(std::string_view name) const;

    std::string path_, bytes_;
    std::vector<std::string> names_;
};

using AnyTensor = std::variant<Tensor<float>, Tensor<double>, Tensor<std::int32_t>, Tensor<Index>>;
enum class Compression : std::uint8_t { stored, deflated };

/// Writes arrays under their names, as numpy.savez does. Equal arrays make equal files. Throws
/// Error where a name is empty or comes twice, or the file cannot be written.
void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, AnyTensor>>& arrays,
               Compression compression = Compression::stored);

}  // namespace handgrad
