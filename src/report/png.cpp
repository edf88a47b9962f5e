#include "report/png.h"

#include <string>

#include "core/error.h"
#include "core/file.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace handgrad {

void write_png(const std::filesystem::path& path, std::span<const std::uint8_t> pixels,
               Index height, Index width) {
    constexpr Index most = Index{1} << 28;  // stb counts bytes in int
    if (height < 1 || width < 1 || height > most || width > most || height * width > most ||
        static_cast<Index>(pixels.size()) != height * width)
        throw Error("write_png " + path.string(),
                    std::to_string(pixels.size()) + " pixels for a picture of " +
                        std::to_string(width) + "x" + std::to_string(height),
                    "width * height pixels, 1 to 2^28 of them");
    std::string bytes;
    const auto append = [](void* context, void* data, int size) {
        static_cast<std::string*>(context)->append(static_cast<char*>(data),
                                                   static_cast<std::size_t>(size));
    };
    if (stbi_write_png_to_func(append, &bytes, static_cast<int>(width), static_cast<int>(height), 1,
                               pixels.data(), static_cast<int>(width)) == 0)
        throw Error("write_png " + path.string(), "not enough memory", "as much free memory");
    write_file_atomically(path, bytes);
}

}  // namespace handgrad
