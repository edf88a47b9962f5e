// The diabetes data, split as scikit-learn splits them.
#pragma once

#include "data/dataset.h"
#include "data/regression.h"
#include "data/scaler.h"
#include "report/lesson.h"

namespace handgrad {

inline TrainVal<RegressionSet> load_patients(Lesson& lesson) {
    lesson.section("The data");
    const RegressionSet set = load_diabetes();
    const auto data = train_test_split(set, 0.2, 42);
    lesson.say(
        format("%td patients with %td measurements each, and how far their diabetes had come "
               "a year later (Efron, Hastie, Johnstone, Tibshirani 2004): %td to train, %td "
               "to validate, as scikit-learn splits them for random_state=42.",
               set.size(), set.x.dim(1), data.train.size(), data.val.size()));
    StandardScaler<float> scaler;
    scaler.fit(data.train.x);
    std::vector<Row> rows;
    for (std::size_t j = 0; j < set.features.size(); ++j)
        rows.push_back(cells("%s | %.2f | %.2f", set.features[j].c_str(), scaler.center()[j],
                             1 / scaler.factor()[j]));
    lesson.table({"feature", "mean", "standard deviation"}, rows);
    return data;
}

}  // namespace handgrad
