#include "train/signal_flow.h"

#include <algorithm>

#include "train/metrics.h"

namespace handgrad {

template <class T>
SignalFlow<T> signal_flow(Sequential<T>& model, const Tensor<T>& x, const Tensor<T>& dy) {
    SignalFlow<T> flow{{root_mean_square(x)}, {}, x};
    for (std::size_t i = 0; i < model.size(); ++i) {
        flow.y = model[i].forward(flow.y);
        flow.signal.push_back(root_mean_square(flow.y));
    }
    if (!dy.defined()) return flow;
    flow.gradient.push_back(root_mean_square(dy));
    Tensor<T> d = dy;
    for (std::size_t i = model.size(); i-- > 0;) {
        d = model[i].backward(d);
        flow.gradient.push_back(root_mean_square(d));
    }
    std::reverse(flow.gradient.begin(), flow.gradient.end());
    return flow;
}

template SignalFlow<float> signal_flow(Sequential<float>&, const Tensor<float>&,
                                       const Tensor<float>&);
template SignalFlow<double> signal_flow(Sequential<double>&, const Tensor<double>&,
                                        const Tensor<double>&);

}  // namespace handgrad
