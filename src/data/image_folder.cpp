#include "data/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "data/npy.h"

// stb is C, kept to this file, and read with the warnings off that it was not written for.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_MAX_DIMENSIONS 16384  // a header may promise anything
#include <stb_image.h>
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb_image_resize.h>
#pragma GCC diagnostic pop

namespace handgrad {
namespace {

namespace fs = std::filesystem;

/// The entries of a folder, by name, without hidden ones.
std::vector<fs::path> sorted_entries(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code failure;
    for (fs::directory_iterator at(folder, failure), end; !failure && at != end;
         at.increment(failure))
        if (!at->path().filename().string().starts_with('.')) entries.push_back(at->path());
    if (failure)
        throw Error("read_image_folder: cannot use " + folder.string(), failure.message(),
                    "a folder with a folder of images for each class");
    std::sort(entries.begin(), entries.end());
    return entries;
}

bool is_image(const fs::path& path) {
    std::string suffix = path.extension().string();
    for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png" || suffix == ".bmp";
}

struct Listing {
    std::vector<std::string> classes;
    std::vector<fs::path> images;
    std::vector<std::int32_t> labels;
};

Listing list_images(const fs::path& folder) {
    Listing listing;
    for (const fs::path& entry : sorted_entries(folder)) {
        if (!fs::is_directory(entry)) continue;
        const std::size_t had = listing.images.size();
        for (const fs::path& file : sorted_entries(entry))
            if (is_image(file)) listing.images.push_back(file);
        if (listing.images.size() == had)
            throw Error("read_image_folder: cannot use " + folder.string(),
                        "no images in " + entry.filename().string(),
                        "images (.jpg, .jpeg, .png, .bmp) of each class in a folder of its own");
        listing.labels.resize(listing.images.size(),
                              static_cast<std::int32_t>(listing.classes.size()));
        listing.classes.push_back(entry.filename().string());
    }
    if (listing.classes.empty())
        throw Error("read_image_folder: cannot use " + folder.string(), "no folders in it",
                    "a folder of images for each class");
    return listing;
}

/// The file in which these images are kept. Its name holds a hash (FNV-1a, 64 bits) of everything
/// that they depend on, so that another state of the folder has another file.
fs::path cache_file(const fs::path& folder, const Listing& listing, const ImageFolder& options) {
    std::string state = format("%td %td\n", options.height, options.width);
    for (const fs::path& image : listing.images)
        state += fs::relative(image, folder).string() + ' ' + std::to_string(fs::file_size(image)) +
                 ' ' + std::to_string(fs::last_write_time(image).time_since_epoch().count()) + '\n';
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : state) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return options.cache / format("images-%016llx.npy", static_cast<unsigned long long>(hash));
}

}  // namespace

Tensor<float> read_grey_image(const fs::path& path, Index height, Index width) {
    constexpr Index longest = 16384;
    if (height < 1 || width < 1 || height > longest || width > longest)
        throw Error("read_grey_image", format("a height of %td, a width of %td", height, width),
                    "1 to 16384 pixels each");
    const std::string bytes = read_file(path);
    const auto fail = [&](const std::string& got) {
        throw Error("read_grey_image: cannot use " + path.string(), got,
                    "a JPEG, PNG or BMP file that is whole", "the file is damaged, or no image");
    };
    if (bytes.size() > std::size_t{1} << 30) fail("a file of more than a gigabyte");
    // stb fills what a cut-off JPEG lacks with grey. In a whole one the end of the image (FF D9)
    // comes after the start of its last scan (FF DA); within a scan neither can occur.
    const std::size_t end = bytes.rfind("\xff\xd9"), scan = bytes.rfind("\xff\xda");
    if (bytes.starts_with("\xff\xd8") && (end == std::string::npos || scan > end))
        fail("a JPEG without an end");
    constexpr int channels = 3;
    int columns = 0, rows = 0, in_file = 0;
    const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
        stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()),
                              static_cast<int>(bytes.size()), &columns, &rows, &in_file, channels),
        stbi_image_free);
    if (!pixels) fail(stbi_failure_reason());

    std::vector<float> grey(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
    for (std::size_t i = 0; i < grey.size(); ++i) {
        const stbi_uc* const p = pixels.get() + i * channels;
        grey[i] = (0.299F * static_cast<float>(p[0]) + 0.587F * static_cast<float>(p[1]) +
                   0.114F * static_cast<float>(p[2])) /
                  255;
    }
    const Tensor<float> image = Tensor<float>::empty({height, width});
    if (rows == height && columns == width)
        std::copy(grey.begin(), grey.end(), image.data());
    else if (stbir_resize_float(grey.data(), columns, rows, 0, image.data(),
                                static_cast<int>(width), static_cast<int>(height), 0, 1) == 0)
        throw Error("read_grey_image " + path.string(), "not enough memory", "more free memory");
    for (float& value : image.span()) value = std::clamp(value, 0.0F, 1.0F);  // cubics overshoot
    return image;
}

Dataset read_image_folder(const fs::path& folder, const ImageFolder& options) {
    Listing listing = list_images(folder);
    const auto n = static_cast<Index>(listing.images.size());
    const Index features = options.height * options.width;
    Dataset set{fs::absolute(folder / ".").parent_path().filename().string(),
                {},
                Labels::from({n}, listing.labels),
                {options.height, options.width},
                std::move(listing.classes),
                folder.string()};
    const fs::path cache =
        options.cache.empty() ? fs::path() : cache_file(folder, listing, options);
    if (!cache.empty() && fs::exists(cache)) {
        try {
            set.x = read_npy<float>(cache);
        } catch (const Error&) {  // a damaged cache is made anew
        }
    }
    if (!set.x.defined() || set.x.shape() != Shape{n, features}) {
        set.x = Tensor<float>::empty({n, features});
        for (Index i = 0; i < n; ++i)
            set.x.rows(i, i + 1).copy_from(
                read_grey_image(listing.images[static_cast<std::size_t>(i)], options.height,
                                options.width)
                    .reshape({1, features}));
        if (!cache.empty()) {
            fs::create_directories(options.cache);
            write_npy(cache, set.x);
        }
    }
    set.validate();
    return set;
}

}  // namespace handgrad
