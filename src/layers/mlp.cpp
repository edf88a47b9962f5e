#include "layers/mlp.h"

#include "core/error.h"
#include "layers/activations.h"
#include "layers/dropout.h"
#include "layers/linear.h"

namespace handgrad {

template <class T>
Sequential<T> mlp(std::span<const Index> widths, Random& random, double dropout, Device device) {
    if (widths.size() < 2)
        throw Error("mlp: too few widths", std::to_string(widths.size()),
                    "at least two: inputs and outputs");
    Sequential<T> model;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        model.template add<Linear<T>>(widths[i], widths[i + 1], random, device);
        if (i + 2 == widths.size()) break;
        model.template add<ReLU<T>>();
        if (dropout != 0) model.template add<Dropout<T>>(dropout, random.int63());
    }
    return model;
}

template Sequential<float> mlp(std::span<const Index>, Random&, double, Device);
template Sequential<double> mlp(std::span<const Index>, Random&, double, Device);

}  // namespace handgrad
