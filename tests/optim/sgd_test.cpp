#include "optim/sgd.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

TEST_CASE("SGD moves against the gradient", "[optim]") {
    Parameter<float> w{"w", Tensor<float>::from({3}, {1, 2, 3}),
                       Tensor<float>::from({3}, {1, 0, -4})};
    SGD<float> sgd({&w}, 0.5);
    sgd.step();
    REQUIRE(w.value.values() == std::vector<float>{0.5F, 2, 5});
    sgd.zero_grad();
    REQUIRE(w.grad.values() == std::vector<float>{0, 0, 0});
    sgd.step();
    REQUIRE(w.value.values() == std::vector<float>{0.5F, 2, 5});
}

TEST_CASE("learning rates must make sense", "[optim]") {
    REQUIRE_THROWS_AS(SGD<float>({}, -1), Error);
    REQUIRE_THROWS_AS(SGD<float>({}, std::nan("")), Error);
    SGD<float> sgd({}, 0.1);
    sgd.set_lr(0.2);
    REQUIRE(sgd.lr() == 0.2);
    REQUIRE_THROWS_AS(sgd.set_lr(INFINITY), Error);
}
