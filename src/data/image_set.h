// Finding images to train on: MNIST or Fashion-MNIST where this machine has them, else the digits.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/error.h"
#include "data/dataset.h"

namespace handgrad {

/// What load_image_set can find, as the help of --data.
inline constexpr const char* image_set_help = "mnist, fashion-mnist, embedded, or a folder";

/// "mnist" or "fashion-mnist" is in none of the places: nothing is wrong with it.
class MissingSet : public Error {
  public:
    using Error::Error;
};

struct ImageSet {
    Dataset train, test;
};

/// The data set that a user chose by --data, or the best one that is there. `data` is
///
///   a folder                  the set in it
///   "mnist", "fashion-mnist"  that set, wherever it is found
///   "embedded" or "digits"    the digits inside the program
///   none                      whatever is found first, at last the embedded digits
///
/// Looked through are the folder that the environment's HANDGRAD_DATA names, then data/downloads
/// (which `make data` fills), then Debian's /usr/share/datasets (package dataset-fashion-mnist). A
/// folder has a set when the four files {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz,
/// lie in it, in its mnist/ or in its fashion-mnist/, looked for in this order. A set whose folder
/// is called fashion-something is taken for Fashion-MNIST, any other for MNIST.
///
/// What a user names is used or refused, never replaced: throws Error where --data or HANDGRAD_DATA
/// leads to no set, MissingSet where a name finds none. An incomplete or damaged set is an Error
/// wherever it is found. The embedded digits are split by random_split(digits, 0.8, 42): 1437 to
/// train, 360 to test.
ImageSet load_image_set(const std::optional<std::string>& data = std::nullopt,
                        const std::filesystem::path& system_folder = "/usr/share/datasets");

/// "T-shirt/top" .. "Ankle boot".
std::vector<std::string> fashion_mnist_classes();

}  // namespace handgrad
