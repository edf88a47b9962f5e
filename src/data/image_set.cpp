#include "data/image_set.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "core/error.h"
#include "data/digits.h"
#include "data/idx.h"

namespace handgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view hint =
    "--data takes mnist, fashion-mnist, embedded or a folder; `make data` downloads the first two";
constexpr std::array stems = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                              "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/// The file itself or its compressed form, whichever there is.
std::optional<fs::path> find_file(const fs::path& folder, std::string_view stem) {
    std::error_code ignored;
    for (const char* suffix : {"", ".gz"}) {
        const fs::path file = folder / (std::string(stem) + suffix);
        if (fs::exists(file, ignored)) return file;
    }
    return std::nullopt;
}

bool has_any_file(const fs::path& folder) {
    return std::any_of(stems.begin(), stems.end(),
                       [&](const char* stem) { return find_file(folder, stem).has_value(); });
}

/// "mnist" or "fashion-mnist", by the folder's name.
std::string set_name(const fs::path& folder) {
    fs::path path = fs::absolute(folder).lexically_normal();
    if (path.filename().empty()) path = path.parent_path();  // after a last slash
    return path.filename().string().find("fashion") == std::string::npos ? "mnist"
                                                                         : "fashion-mnist";
}

/// The folder in `place` that has a set: any, or the one called `wanted`.
std::optional<fs::path> find_set(const fs::path& place, std::string_view wanted = {}) {
    for (const fs::path& folder : {place, place / "mnist", place / "fashion-mnist"})
        if (has_any_file(folder) && (wanted.empty() || set_name(folder) == wanted)) return folder;
    return std::nullopt;
}

Dataset read_part(const fs::path& images, const fs::path& labels) {
    const IdxArray pixels = read_idx(images, 3);
    const IdxArray classes = read_idx(labels, 1);

    const fs::path folder = images.parent_path();
    const std::string name = set_name(folder);
    Dataset part{name,
                 Tensor<float>::empty({pixels.shape[0], pixels.shape.row_size()}),
                 Labels::empty(classes.shape),
                 {pixels.shape[1], pixels.shape[2]},
                 name == "mnist" ? digit_classes() : fashion_mnist_classes(),
                 folder.string()};
    std::transform(pixels.values.begin(), pixels.values.end(), part.x.data(),
                   [](std::uint8_t pixel) { return static_cast<float>(pixel) / 255; });
    std::copy(classes.values.begin(), classes.values.end(), part.y.data());
    part.validate();
    return part;
}

ImageSet read_set(const fs::path& folder) {
    std::array<fs::path, 4> files;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto found = find_file(folder, stems[i]);
        if (!found)
            throw Error("load_image_set: the set in " + folder.string() + " is not complete",
                        "no " + std::string(stems[i]) + ", nor the same with .gz",
                        "images and labels of train and t10k", hint);
        files[i] = *found;
    }
    ImageSet set{read_part(files[0], files[1]), read_part(files[2], files[3])};
    if (set.train.sample != set.test.sample)
        throw Error("load_image_set: the parts of the set in " + folder.string() + " differ",
                    "images of shape " + set.train.sample.str() + " to train, " +
                        set.test.sample.str() + " to test",
                    "one shape", hint);
    return set;
}

ImageSet embedded_set() {
    const Split split = random_split(load_digits(), 0.8, 42);
    return {split.first, split.second};
}

/// The set in a folder that a user named, by `option`.
ImageSet read_named_folder(std::string_view option, const fs::path& folder) {
    std::error_code ignored;
    const bool is_folder = fs::is_directory(folder, ignored);
    const auto found = is_folder ? find_set(folder) : std::nullopt;
    if (found) return read_set(*found);
    throw Error(std::string(option) + ": no data set there",
                "'" + folder.string() + "'" + (is_folder ? "" : ", which is not a folder"),
                "a folder with {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz, in it "
                "or in its mnist/ or fashion-mnist/",
                hint);
}

}  // namespace

ImageSet load_image_set(const std::optional<std::string>& data, const fs::path& system_folder) {
    if (data == "embedded" || data == "digits") return embedded_set();
    const bool by_name = data == "mnist" || data == "fashion-mnist";
    if (data && !by_name) return read_named_folder("--data", *data);

    const char* environment = std::getenv("HANDGRAD_DATA");
    const bool has_environment = environment != nullptr && *environment != '\0';
    if (has_environment && !by_name) return read_named_folder("HANDGRAD_DATA", environment);

    std::vector<fs::path> places = {"data/downloads", system_folder};
    if (has_environment) places.insert(places.begin(), environment);
    std::string looked_in;
    for (const fs::path& place : places) {
        if (const auto found = find_set(place, by_name ? *data : "")) return read_set(*found);
        looked_in += (looked_in.empty() ? "" : ", ") + place.string();
    }
    if (!by_name) return embedded_set();
    throw MissingSet("--data " + *data + ": not found", "no such set in " + looked_in,
                     "the set in one of these folders", hint);
}

std::vector<std::string> fashion_mnist_classes() {
    return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
            "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
}

}  // namespace handgrad
