#include "data/notebook_sets.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "data/digits.h"
#include "data/image_folder.h"
#include "data/npy.h"
#include "data/scaler.h"

namespace handgrad {
namespace {

namespace fs = std::filesystem;

/// What is known of a set before it has been found.
struct Wanted {
    std::string name;     // also that of its folder
    std::string article;  // "the sign-language digits"
    std::vector<std::string> classes;
    std::vector<std::string> folders;        // of the classes, in their order
    std::vector<std::int32_t> column_class;  // of each column of one-hot labels
    std::string hint;
};

Wanted sign_digits() {
    return {"sign-language-digits",
            "the sign-language digits",
            digit_classes(),
            digit_classes(),
            {9, 0, 7, 6, 1, 8, 4, 3, 2, 5},
            "`make data` downloads them; --data embedded takes the digits inside the program"};
}

Wanted dogs_cats() {
    return {"dogs-cats",    "dogs and cats",
            {"cat", "dog"}, {"cats", "dogs"},
            {0, 1},         "--data embedded takes the digits inside the program"};
}

bool has_arrays(const fs::path& folder) {
    return fs::exists(folder / "X.npy") && fs::exists(folder / "Y.npy");
}

/// Class numbers from an array (N) or (N, classes), one-hot. Nothing where the classes are not
/// those that are wanted: it is another set, then.
std::optional<Labels> read_labels(const fs::path& path, const Wanted& wanted) {
    const Labels y = read_npy<std::int32_t>(path);
    const Index classes = std::ssize(wanted.classes);
    if (y.rank() == 1 && y.size() > 0) {
        const auto [least, greatest] = std::minmax_element(y.data(), y.data() + y.size());
        return *least == 0 && *greatest == classes - 1 ? std::optional(y) : std::nullopt;
    }
    if (y.rank() != 2 || y.dim(1) != classes) return std::nullopt;
    const Labels labels = Labels::empty({y.dim(0)});
    for (Index i = 0; i < y.dim(0); ++i) {
        const std::int32_t* const row = y.data() + i * classes;
        if (std::count(row, row + classes, 1) != 1 ||
            std::count(row, row + classes, 0) != classes - 1)
            throw Error("cannot use " + path.string(), "row " + std::to_string(i) + " of Y",
                        "one-hot rows: one 1, and 0 elsewhere");
        const auto column = static_cast<std::size_t>(std::find(row, row + classes, 1) - row);
        labels(i) = wanted.column_class[column];
    }
    return labels;
}

Dataset read_arrays(const fs::path& folder, const Wanted& wanted, const Labels& labels) {
    const Tensor<float> x = read_npy<float>(folder / "X.npy");
    if (x.rank() != 3 || x.size() == 0 || x.dim(0) != labels.dim(0))
        throw Error("cannot use " + (folder / "X.npy").string(), "an array " + x.shape().str(),
                    "images (N, height, width), one for each of the " +
                        std::to_string(labels.dim(0)) + " labels in Y.npy");
    const auto pixels = x.span();
    const auto [darkest, brightest] = std::minmax_element(pixels.begin(), pixels.end());
    if (!(*darkest >= 0 && *brightest <= 255))
        throw Error("cannot use " + (folder / "X.npy").string(),
                    format("values from %g to %g", static_cast<double>(*darkest),
                           static_cast<double>(*brightest)),
                    "grey values from 0 to 1, or to 255");
    if (*brightest > 1)
        for (float& pixel : pixels) pixel /= 255;
    return {wanted.name,    x.reshape({x.dim(0), x.shape().row_size()}),
            labels,         {x.dim(1), x.dim(2)},
            wanted.classes, folder.string()};
}

Dataset read_folders(const fs::path& folder, const Wanted& wanted, const fs::path& cache) {
    Dataset set = read_image_folder(folder, {.cache = cache});
    if (set.classes != wanted.folders) {
        std::string got, needs;
        for (const std::string& name : set.classes) got += (got.empty() ? "" : ", ") + name;
        for (const std::string& name : wanted.folders) needs += (needs.empty() ? "" : ", ") + name;
        throw Error("cannot use " + folder.string(), "the folders " + got, needs, wanted.hint);
    }
    set.name = wanted.name;
    set.classes = wanted.classes;
    return set;
}

/// The set in a place, if it is there.
std::optional<Dataset> find_set(const fs::path& place, const Wanted& wanted,
                                const fs::path& cache) {
    for (const fs::path& folder : {place, place / wanted.name}) {
        if (has_arrays(folder))
            if (const auto labels = read_labels(folder / "Y.npy", wanted))
                return read_arrays(folder, wanted, *labels);
        for (const fs::path& inner : {folder, folder / "Dataset"})
            if (fs::is_directory(inner / wanted.folders.front()) &&
                fs::is_directory(inner / wanted.folders.back()))
                return read_folders(inner, wanted, cache);
    }
    return std::nullopt;
}

/// The embedded digits sorted into even and odd ones.
Dataset even_and_odd() {
    Dataset set = load_digits();
    std::vector<Index> order(static_cast<std::size_t>(set.size()));
    std::iota(order.begin(), order.end(), Index{0});
    for (std::int32_t& label : set.y.span()) label %= 2;
    std::stable_sort(order.begin(), order.end(),
                     [&](Index a, Index b) { return set.y(a) < set.y(b); });
    set.classes = {"even", "odd"};
    return set.subset(order);
}

NotebookSet load(const Wanted& wanted, const std::string& data, const fs::path& cache) {
    std::string looked_in;
    const bool embedded = data == "embedded" || data == "digits";
    std::vector<fs::path> places;
    if (!data.empty() && !embedded) {
        places = {data};
    } else if (!embedded) {
        places = {"data/downloads"};
        const char* const environment = std::getenv("HANDGRAD_DATA");
        if (environment != nullptr && *environment != '\0')
            places.insert(places.begin(), environment);
    }
    for (const fs::path& place : places) {
        if (const auto set = find_set(place, wanted, cache)) {
            set->validate();
            return {*set, false,
                    format("%td images of %tdx%td grey pixels in %td classes: %s, from %s.",
                           set->size(), set->sample[0], set->sample[1], std::ssize(set->classes),
                           wanted.article.c_str(), set->source.c_str())};
        }
        looked_in += (looked_in.empty() ? "" : " or ") + place.string();
    }
    if (!data.empty() && !embedded)
        throw Error(
            "--data " + data + ": no such data set there", "no " + wanted.name + " in " + looked_in,
            "folders of images called " + wanted.folders.front() + " to " + wanted.folders.back() +
                ", or X.npy and Y.npy, in it or in its " + wanted.name + "/",
            wanted.hint);
    Dataset digits = wanted.classes.size() == 2 ? even_and_odd() : load_digits();
    const std::string kind = wanted.classes.size() == 2 ? ", even against odd," : "";
    return {digits, true,
            (embedded ? "As asked for"
                      : "Since " + wanted.article + " were not found in " + looked_in) +
                ", the 1797 digits of 8x8 pixels inside the program" + kind + " stand in for " +
                (embedded ? wanted.article : "them") + ": figures and pictures are theirs."};
}

}  // namespace

NotebookSet load_sign_digits(const std::string& data, const fs::path& cache) {
    return load(sign_digits(), data, cache);
}

NotebookSet load_dogs_cats(const std::string& data, const fs::path& cache) {
    return load(dogs_cats(), data, cache);
}

TrainVal<Dataset> get_dataset(const Dataset& set, ScaledBy scaled_by) {
    MinMaxScaler<float> scaler(-0.5, 0.5);
    TrainVal<Dataset> parts = train_test_split(set);
    scaler.fit(scaled_by == ScaledBy::all_rows ? set.x : parts.train.x);
    parts.train.x = scaler.transform(parts.train.x);
    parts.val.x = scaler.transform(parts.val.x);
    return parts;
}

}  // namespace handgrad
