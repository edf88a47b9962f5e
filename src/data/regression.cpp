#include "data/regression.h"

#include "core/error.h"
#include "data/csv.h"

namespace handgrad {

RegressionSet RegressionSet::subset(std::span<const Index> rows) const {
    if (rows.empty())
        throw Error("RegressionSet.subset of '" + name + "'", "no row numbers", "at least one");
    for (const Index row : rows)
        if (row < 0 || row >= size())
            throw Error("RegressionSet.subset of '" + name + "'", "row " + std::to_string(row),
                        "rows from 0 to " + std::to_string(size() - 1));
    const auto n = static_cast<Index>(rows.size());
    const Backend<float>& cpu = backend<float>(Device::cpu);
    RegressionSet part = *this;
    part.x = Tensor<float>::empty({n, x.dim(1)});
    part.y = Tensor<float>::empty({n, 1});
    cpu.gather_rows(part.x.data(), x.data(), rows.data(), n, x.dim(1));
    cpu.gather_rows(part.y.data(), y.data(), rows.data(), n, 1);
    return part;
}

RegressionSet load_diabetes() {
    const CsvTable table = parse_csv(embedded_diabetes_csv(), "the embedded diabetes set");
    const Index n = table.values.dim(0), features = table.values.dim(1) - 1;
    RegressionSet set{"diabetes",
                      Tensor<float>::empty({n, features}),
                      Tensor<float>::empty({n, 1}),
                      {table.names.begin(), table.names.end() - 1},
                      table.names.back()};
    for (Index i = 0; i < n; ++i) {
        for (Index k = 0; k < features; ++k) set.x(i, k) = static_cast<float>(table.values(i, k));
        set.y(i, 0) = static_cast<float>(table.values(i, features));
    }
    return set;
}

RegressionSet sample_function(const std::function<double(double)>& f,
                              const FunctionSamples& samples, Random& random) {
    const auto [n, low, high, noise] = samples;
    if (!(n >= 1 && low < high && noise >= 0))
        throw Error("sample_function",
                    std::to_string(n) + " points from " + std::to_string(low) + " to " +
                        std::to_string(high) + " with noise " + std::to_string(noise),
                    "n >= 1, low < high, noise >= 0");
    RegressionSet set{"samples of a function",
                      Tensor<float>::empty({n, 1}),
                      Tensor<float>::empty({n, 1}),
                      {"x"},
                      "y"};
    random.uniform(set.x, low, high);
    random.normal(set.y, 0, noise);
    for (Index i = 0; i < n; ++i)
        set.y(i, 0) += static_cast<float>(f(static_cast<double>(set.x(i, 0))));
    return set;
}

}  // namespace handgrad
