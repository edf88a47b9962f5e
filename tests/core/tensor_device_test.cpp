// Tensors and layers on a GPU, emulated.
#include <cmath>
#include <vector>

#include "catch.h"
#include "core/error.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gpus.h"
#include "layers/batch_norm.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/mlp.h"
#include "layers/prelu.h"
#include "losses/cross_entropy.h"
#include "losses/nll.h"
#include "losses/pointwise.h"
#include "optim/adam.h"
#include "optim/clip.h"

using namespace handgrad;

TEST_CASE("tensors go to a device and come back", "[emulated]") {
    const auto x = Tensor<float>::from({2, 3}, {1, 2, 3, 4, 5, 6});
    const Tensor<float> there = x.to(Device::emulated);
    CHECK(there.device() == Device::emulated);
    CHECK(there.shape() == Shape{2, 3});
    CHECK(there.data() != x.data());
    CHECK(there.to(Device::emulated).data() == there.data());
    CHECK(there.to(Device::cpu).values() == x.values());
    CHECK(there.values() == x.values());
    CHECK(there.rows(1, 2).values() == std::vector<float>{4, 5, 6});
    CHECK(there.clone().values() == x.values());
    CHECK(there.rows(0, 1).reshape({3}).clone().rows(2, 3).item() == 3);
    CHECK_THAT(there.str(), ContainsSubstring("on emulated"));
    there.rows(0, 1).copy_from(x.rows(1, 2));
    CHECK(there.values() == std::vector<float>{4, 5, 6, 4, 5, 6});
    CHECK(x(0, 0) == 1);
    CHECK(Tensor<double>::full({70000}, 2.5, Device::emulated).values() ==
          std::vector<double>(70000, 2.5));
    CHECK(Labels::full({5}, 7, Device::emulated).values() == std::vector<std::int32_t>(5, 7));
    CHECK(Tensor<float>::zeros({0, 4}, Device::emulated).values().empty());
}

TEST_CASE("what only the CPU can do is refused for tensors elsewhere", "[emulated]") {
    const auto x = Tensor<float>::zeros({2, 3}, Device::emulated);
    const auto here = Tensor<float>::zeros({2, 3});
    CHECK_THROWS_WITH(x.span(), ContainsSubstring("on emulated"));
    CHECK_THROWS_AS(x(0, 0), Error);
    CHECK_THROWS_AS(x.cast<double>(), Error);
    const auto square = Tensor<float>::zeros({3, 3});
    CHECK_THROWS_WITH(matmul(x, x, square), ContainsSubstring("emulated and cpu"));

    Random random(1);
    Linear<float> linear(3, 2, random);
    PReLU<float> prelu;
    CHECK_THROWS_WITH(linear.forward(x), ContainsSubstring("x on emulated"));
    CHECK_THROWS_WITH(prelu.forward(x), ContainsSubstring("x on emulated"));
    BatchNorm1d<float> norm(3, {.affine = false});  // has running statistics alone
    CHECK_THROWS_WITH(norm.forward(x), ContainsSubstring("x on emulated"));
    LayerNorm<float> no_parameters({3}, {.elementwise_affine = false});
    CHECK(no_parameters.forward(x).device() == Device::emulated);
    linear.forward(here);
    CHECK_THROWS_WITH(linear.backward(Tensor<float>::zeros({2, 2}, Device::emulated)),
                      ContainsSubstring("dy on emulated"));
    MSELoss<float> mse;
    CHECK_THROWS_WITH(mse.forward(x, here), ContainsSubstring("on two devices"));
    CrossEntropyLoss<float> cross_entropy;
    CHECK_THROWS_WITH(cross_entropy.forward(x, Labels::zeros({2})),
                      ContainsSubstring("on two devices"));
    for (const Reduction reduction : {Reduction::none, Reduction::mean}) {
        MSELoss<float> loss(reduction);
        const Shape shape = loss.forward(x, x).shape();
        CHECK_THROWS_WITH(loss.backward(Tensor<float>::zeros(shape)),
                          ContainsSubstring("MSELoss") && ContainsSubstring("dloss on cpu"));
    }
}

TEST_CASE("labels out of range, which the host does not see on a GPU, make loss and gradient NaN",
          "[emulated]") {
    for (const Device device : gpus()) {
        const auto x = Tensor<float>::zeros({2, 3}, device);
        for (const std::int32_t label : {-1, 3}) {
            const Labels labels = Labels::from({2}, {0, label}, device);
            const auto gives_nan = [&](auto loss) {
                CHECK(std::isnan(loss.forward(x, labels).item()));
                const auto dx = loss.backward().values();
                CHECK((std::isfinite(dx[0]) && std::isnan(dx[3]) && std::isnan(dx[5])));
            };
            gives_nan(CrossEntropyLoss<float>());
            gives_nan(NLLLoss<float>());
            const auto weight = Tensor<float>::full({3}, 1);
            for (const Tensor<float>& w : {Tensor<float>(), weight}) {
                CrossEntropyLoss<float> smooth(Reduction::none, 0.1, w);
                const auto losses = smooth.forward(x, labels).values();
                CHECK(std::isfinite(losses[0]));
                CHECK(std::isnan(losses[1]));
                CHECK(std::isnan(
                    CrossEntropyLoss<float>(Reduction::mean, 0.1, w).forward(x, labels).item()));
            }
            CHECK(std::isnan(NLLLoss<float>(Reduction::mean, weight).forward(x, labels).item()));
            NLLLoss<float> sum(Reduction::sum, weight);
            CHECK(std::isnan(sum.forward(x, labels).item()));
        }
    }
}

TEST_CASE("an optimiser stays on one device", "[emulated]") {
    Parameter<float> here{"here", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})};
    Parameter<float> there{"there", Tensor<float>::zeros({1}, Device::emulated),
                           Tensor<float>::zeros({1}, Device::emulated)};
    CHECK_THROWS_WITH(Adam<float>({&here, &there}), ContainsSubstring("parameters on two devices"));
}

namespace {

/// The parameters after some steps of training on random data.
std::vector<std::vector<double>> trained(Device device) {
    Random random(3);
    Sequential<double> model = mlp<double>(std::vector<Index>{20, 17, 5}, random, 0.25, device);
    CrossEntropyLoss<double> loss(Reduction::mean, 0.1);
    Adam<double> optimizer(model.parameters(), {.lr = 0.01});
    for (int step = 0; step < 5; ++step) {
        const auto x = Tensor<double>::empty({33, 20}, device);
        random.normal(x, 0, 1);
        std::vector<std::int32_t> classes;
        for (int i = 0; i < 33; ++i) classes.push_back((i * 7 + step) % 5);
        optimizer.zero_grad();
        loss.forward(model.forward(x), Labels::from({33}, classes, device));
        model.backward_parameters(loss.backward());
        clip_grad_norm(model.parameters(), 0.5);
        optimizer.step();
    }
    std::vector<std::vector<double>> values;
    for (const auto* parameter : model.parameters()) values.push_back(parameter->value.values());
    return values;
}

}  // namespace

TEST_CASE("training on a GPU goes as on the CPU", "[emulated]") {
    const auto expected = trained(Device::cpu);
    for (const Device device : gpus()) {
        const auto got = trained(device);
        REQUIRE(got.size() == expected.size());
        for (std::size_t p = 0; p < got.size(); ++p) {
            REQUIRE(got[p].size() == expected[p].size());
            for (std::size_t i = 0; i < got[p].size(); ++i)
                CHECK(std::abs(got[p][i] - expected[p][i]) <= 1e-11);
        }
    }
}

TEST_CASE("a training loop on the emulated GPU asks for memory in its first steps alone",
          "[emulated]") {
    trained(Device::emulated);
    const std::size_t before = system_allocations();
    trained(Device::emulated);
    CHECK(system_allocations() == before);
}
