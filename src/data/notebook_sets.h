// The data sets of the course notebooks, and the notebooks' way of preparing them.
#pragma once

#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace handgrad {

/// Where these sets are found, as the help of --data.
inline constexpr const char* notebook_set_help =
    "embedded, or a folder with sign-language-digits or dogs-cats";

/// A set, or the embedded digits in its place.
struct NotebookSet {
    Dataset set;            // x (N, 4096) in [0, 1], sample (64, 64)
    bool stand_in = false;  // the embedded digits, x (1797, 64), sample (8, 8)
    std::string note;       // a sentence for the reader: what this is, and from where
};

/// The sign-language digits (2062 images of hands, classes "0" to "9"), and dogs and cats (4000
/// images, all cats before all dogs, classes "cat" and "dog"). `data` is
///
///   a folder                 the set in it, or in its sign-language-digits/ or dogs-cats/
///   "embedded" or "digits"   the digits inside the program
///   ""                       the set in the folder that the environment's HANDGRAD_DATA names, in
///                            data/downloads (which `make data` fills), or else the digits
///
/// A folder has a set as images in folders, 0 to 9 (also within Dataset/) or cats and dogs, or as
/// the notebook's arrays: X.npy (N, height, width), grey from 0 to 1 or to 255, and Y.npy, class
/// numbers (N) or one-hot rows (N, classes). The columns of the sign digits' one-hot array stand
/// for the signs 9 0 7 6 1 8 4 3 2 5, in this order, so that 0 and 1 are columns 1 and 4; here each
/// sign has its own number. In the digits' place for dogs and cats, the classes are "even" and
/// "odd", all even ones first.
///
/// `cache` is a folder to keep decoded images in (see ImageFolder). Throws Error where `data` leads
/// to no set, or a set is damaged.
NotebookSet load_sign_digits(const std::string& data = {}, const std::filesystem::path& cache = {});
NotebookSet load_dogs_cats(const std::string& data = {}, const std::filesystem::path& cache = {});

/// The rows on which get_dataset fits its scaler. The notebook's way, all of them, lets the
/// training set know the range of what it will be validated on.
enum class ScaledBy : std::uint8_t { all_rows, training_rows };

/// The notebook's get_dataset: every feature brought to [-0.5, 0.5] by MinMaxScaler, then
/// train_test_split(set, 0.2, 42). By training_rows, values of the validation set can lie beyond.
TrainVal<Dataset> get_dataset(const Dataset& set, ScaledBy scaled_by = ScaledBy::all_rows);

}  // namespace handgrad
