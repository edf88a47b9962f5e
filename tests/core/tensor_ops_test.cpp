#include "core/tensor_ops.h"

#include <array>
#include <cmath>
#include <tuple>

#include "catch.h"
#include "core/error.h"
#include "core/random.h"

using namespace handgrad;
using Matrix = Tensor<double>;

TEST_CASE("tensor arithmetic broadcasts as numpy's does", "[core]") {
    const auto a = Matrix::from({2, 1}, {1, 10}), b = Matrix::from({3}, {2, 4, 8});
    CHECK((a + b).values() == std::vector<double>{3, 5, 9, 12, 14, 18});
    CHECK((a - b).values() == std::vector<double>{-1, -3, -7, 8, 6, 2});
    CHECK((a * b).values() == std::vector<double>{2, 4, 8, 20, 40, 80});
    CHECK((b / a).values() == std::vector<double>{2, 4, 8, .2, .4, .8});
    CHECK((a + b).shape() == Shape{2, 3});
    CHECK_THROWS_WITH(b + Matrix::zeros({2}), Catch::Contains("add") && Catch::Contains("(3)"));
}

TEST_CASE("tensor arithmetic takes numbers on either side", "[core]") {
    const auto x = Matrix::from({2}, {2, -4});
    CHECK((x + 1).values() == std::vector<double>{3, -3});
    CHECK((1 + x).values() == std::vector<double>{3, -3});
    CHECK((x - 1).values() == std::vector<double>{1, -5});
    CHECK((1 - x).values() == std::vector<double>{-1, 5});
    CHECK((x * 3).values() == std::vector<double>{6, -12});
    CHECK((3 * x).values() == std::vector<double>{6, -12});
    CHECK((x / 4).values() == std::vector<double>{.5, -1});
    CHECK((4 / x).values() == std::vector<double>{2, -1});
    CHECK((-x).values() == std::vector<double>{-2, 4});
    CHECK(maximum(x, 0).values() == std::vector<double>{2, 0});
    CHECK(step(x, 2).values() == std::vector<double>{.5, 0});
}

TEST_CASE("tensor functions are those of each element", "[core]") {
    const auto x = Matrix::from({3}, {.25, 1, 9});
    for (Index i = 0; i < 3; ++i) {
        CHECK(exp(x)(i) == Approx(std::exp(x(i))));
        CHECK(log(x)(i) == Approx(std::log(x(i))).margin(1e-15));
        CHECK(log1p(x)(i) == Approx(std::log1p(x(i))));
        CHECK(sqrt(x)(i) == Approx(std::sqrt(x(i))));
        CHECK(tanh(x)(i) == Approx(std::tanh(x(i))));
        CHECK(abs(-x)(i) == x(i));
        CHECK(sign(x)(i) == (x(i) > 0 ? 1 : 0));
        CHECK(sign(-x)(i) == (x(i) > 0 ? -1 : 0));
    }
    CHECK(log1p(Tensor<float>::full({1}, 1e-9F))(0) == 1e-9F);  // 1 + 1e-9F is 1
}

TEST_CASE("tensor arithmetic in place is seen by every handle", "[core]") {
    const auto x = Matrix::from({2, 2}, {1, 2, 3, 4});
    const Matrix same = x.reshape({4}), own = x.clone();
    x += Matrix::from({2}, {10, 20});
    CHECK(same.values() == std::vector<double>{11, 22, 13, 24});
    x -= x;
    CHECK(same.values() == std::vector<double>(4, 0));
    CHECK(own(1, 1) == 4);
    own -= own.rows(0, 1);  // as it was before
    CHECK(own.values() == std::vector<double>{0, 0, 2, 2});
    CHECK_THROWS_WITH(exp(Matrix()), Catch::Contains("undefined"));
    CHECK_THROWS_WITH(Matrix::zeros({2}) += x, Catch::Contains("wider"));
}

TEST_CASE("tensor reductions go along the axes named", "[core]") {
    const auto x = Matrix::from({2, 3}, {1, 2, 3, 4, 5, 9});
    CHECK(sum(x).item() == 24);
    CHECK(mean(x).item() == 4);
    CHECK(max(x).item() == 9);
    CHECK(sum(x, {0}).values() == std::vector<double>{5, 7, 12});
    CHECK(mean(x, {1}).values() == std::vector<double>{2, 6});
    CHECK(mean(x, {0}).values() == std::vector<double>{2.5, 3.5, 6});
    CHECK(max(x, {-1}, true).shape() == Shape{2, 1});
    const auto none = Matrix::empty({0, 2});
    CHECK(sum(none, {0}).values() == std::vector<double>{0, 0});
    CHECK(std::isnan(mean(none).item()));
    CHECK(max(none, {1}).size() == 0);
    CHECK_THROWS_WITH(max(none, {0}), Catch::Contains("the maximum of nothing"));
    CHECK_THROWS_WITH(sum(x, {2}), Catch::Contains("no such axis"));
    CHECK_THROWS_WITH(sum(x, {1, -1}), Catch::Contains("twice"));
}

TEST_CASE("the product of two tensors is that into a third", "[core]") {
    const auto a = Matrix::from({2, 3}, {1, 2, 3, 4, 5, 6}),
               b = Matrix::from({2, 3}, {1, 0, 1, 0, 1, 0});
    CHECK(matmul(a, b, Trans::no, Trans::yes).values() == std::vector<double>{4, 2, 10, 5});
    CHECK(matmul(a, b, Trans::yes).shape() == Shape{3, 3});
    CHECK_THROWS_WITH(matmul(a, b), Catch::Contains("matmul"));
    CHECK_THROWS_WITH(matmul(a, Matrix::zeros({3})), Catch::Contains("two matrices"));
}

TEST_CASE("logistic regression written as numpy runs on an emulated GPU", "[core][emulated]") {
    Random random(1);
    const auto x = Tensor<float>::empty({7, 3}), y = Tensor<float>::empty({7, 1});
    random.uniform(x, -1, 1);
    random.uniform(y, 0, 1);
    const auto gradient = [&](Device device) {
        const Tensor<float> xd = x.to(device), w = Tensor<float>::full({1, 3}, 0.5F, device);
        const Tensor<float> q = logistic(matmul(xd, w, Trans::no, Trans::yes));
        w -= 0.1 * matmul(q - y.to(device), xd, Trans::yes) / 7;
        return w.to(Device::cpu);
    };
    const Tensor<float> here = gradient(Device::cpu), there = gradient(Device::emulated);
    for (Index i = 0; i < 3; ++i) CHECK(there(0, i) == Approx(here(0, i)).epsilon(1e-6));
}

TEST_CASE("a slice and a transpose of a tensor are copies of its elements", "[core]") {
    const auto x = Matrix::empty({2, 3, 5});
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<double>(i);
    for (const auto& [axis, begin, end] :
         {std::tuple{0, 1, 2}, {1, 0, 2}, {2, 1, 4}, {-1, 4, 5}, {1, 2, 2}, {2, 0, 5}}) {
        const Matrix y = slice(x, axis, begin, end);
        std::array<Index, 3> offset{}, dims{2, 3, 5};
        const auto along = static_cast<std::size_t>(axis < 0 ? axis + 3 : axis);
        offset[along] = begin;
        dims[along] = end - begin;
        REQUIRE(y.shape() == Shape{dims[0], dims[1], dims[2]});
        for (Index i = 0; i < dims[0]; ++i)
            for (Index j = 0; j < dims[1]; ++j)
                for (Index k = 0; k < dims[2]; ++k)
                    CHECK(y(i, j, k) == x(i + offset[0], j + offset[1], k + offset[2]));
    }
    const Matrix ends = transpose(x, 0, -1), same = transpose(x, 1, 1);
    REQUIRE(ends.shape() == Shape{5, 3, 2});
    for (Index i = 0; i < 2; ++i)
        for (Index j = 0; j < 3; ++j)
            for (Index k = 0; k < 5; ++k) CHECK(ends(k, j, i) == x(i, j, k));
    CHECK(same.values() == x.values());

    const Matrix whole = slice(x, 0, 0, 2);  // has memory of its own, even so
    x.fill(-1);
    CHECK(whole(1, 2, 4) == 29);
    CHECK(same(1, 2, 4) == 29);
    CHECK(slice(Matrix::zeros({0, 3}), 1, 1, 3).shape() == Shape{0, 2});
    CHECK_THROWS_WITH(slice(x, 1, 0, 4), Catch::Contains("0 to 4 along axis 1 of shape (2, 3, 5)"));
    CHECK_THROWS_WITH(slice(x, 1, 2, 1), Catch::Contains("no such elements"));
    CHECK_THROWS_WITH(slice(x, 1, -1, 1), Catch::Contains("no such elements"));
    CHECK_THROWS_WITH(slice(x, 3, 0, 1), Catch::Contains("slice"));
    CHECK_THROWS_WITH(transpose(x, 0, 3), Catch::Contains("transpose"));
    CHECK_THROWS_WITH(transpose(Matrix(), 0, 1), Catch::Contains("undefined"));
}
