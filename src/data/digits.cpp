#include "data/digits.h"

#include <charconv>

namespace handgrad {

Dataset load_digits() {
    constexpr Index pixels = 64;
    constexpr float white = 16;

    const std::string_view csv = embedded_digits_csv();
    const char* at = csv.data() + csv.find('\n');
    const char* const end = csv.data() + csv.size();
    std::vector<float> x;
    std::vector<std::int32_t> y;
    // Every number of the file follows a comma or the end of a line. The build put the file here,
    // so it is what it is known to be.
    for (Index column = 0; at + 1 < end; column = (column + 1) % (pixels + 1)) {
        std::int32_t number = 0;
        at = std::from_chars(at + 1, end, number).ptr;
        if (column < pixels)
            x.push_back(static_cast<float>(number) / white);
        else
            y.push_back(number);
    }

    const auto n = static_cast<Index>(y.size());
    Dataset digits{"digits",
                   Tensor<float>::from({n, pixels}, x),
                   Labels::from({n}, y),
                   {8, 8},
                   digit_classes(),
                   "embedded"};
    digits.validate();
    return digits;
}

std::vector<std::string> digit_classes() {
    return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
}

}  // namespace handgrad
