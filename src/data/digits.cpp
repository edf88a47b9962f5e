#include "data/digits.h"

#include "data/csv.h"

namespace handgrad {

Dataset load_digits() {
    constexpr Index pixels = 64;
    constexpr double white = 16;

    const CsvTable table = parse_csv(embedded_digits_csv(), "the embedded digits");
    const Index n = table.values.dim(0);
    const Tensor<float> x = Tensor<float>::empty({n, pixels});
    const Labels y = Labels::empty({n});
    for (Index i = 0; i < n; ++i) {
        for (Index k = 0; k < pixels; ++k) x(i, k) = static_cast<float>(table.values(i, k) / white);
        y(i) = static_cast<std::int32_t>(table.values(i, pixels));
    }

    Dataset digits{"digits", x, y, {8, 8}, digit_classes(), "embedded"};
    digits.validate();
    return digits;
}

std::vector<std::string> digit_classes() {
    return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
}

}  // namespace handgrad
