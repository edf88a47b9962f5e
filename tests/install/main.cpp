// Trains a small network on one batch by the installed library. Exits with 1 if the loss stays up.
#include <handgrad.h>

#include <cstdio>

using namespace handgrad;

int main() {
    constexpr Index samples = 16, features = 6, classes = 3;
    Random random(1);
    const auto x = Tensor<float>::empty({samples, features});
    random.normal(x, 0, 1);
    const auto labels = Labels::empty({samples});
    for (Index i = 0; i < samples; ++i) labels(i) = static_cast<int>(i % classes);

    Sequential<float> model;
    model.add<Linear<float>>(features, 32, random);
    model.add<ReLU<float>>();
    model.add<Linear<float>>(32, classes, random);
    CrossEntropyLoss<float> criterion;
    SGD<float> optimizer(model.parameters(), 0.5);

    float first = 0, last = 0;
    for (int step = 0; step < 200; ++step) {
        optimizer.zero_grad();
        last = criterion.forward(model.forward(x), labels).item();
        if (step == 0) first = last;
        model.backward_parameters(criterion.backward());
        optimizer.step();
    }
    std::printf("on %s: loss %g, then %g\n", describe(Device::cpu).c_str(), first, last);
    return last < first / 10 ? 0 : 1;
}
