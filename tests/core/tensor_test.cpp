#include "core/tensor.h"

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

TEST_CASE("a shape knows its sizes", "[core]") {
    const Shape shape{2, 3, 4};
    REQUIRE(shape.rank() == 3);
    REQUIRE(shape.size() == 24);
    REQUIRE(shape.row_size() == 12);
    REQUIRE(shape[-1] == 4);
    REQUIRE(shape.str() == "(2, 3, 4)");
    REQUIRE(shape.with_rows(7) == Shape{7, 3, 4});
    REQUIRE(Shape{}.size() == 1);
    REQUIRE(Shape{}.str() == "()");
    REQUIRE(Shape{0, 5}.size() == 0);
    REQUIRE(Shape{2, 3} != Shape{3, 2});
    REQUIRE(Shape{2} != Shape{2, 1});
}

TEST_CASE("a shape refuses what it cannot hold", "[core]") {
    REQUIRE_THROWS_WITH((Shape{2, -1}), ContainsSubstring("-1"));
    REQUIRE_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1}), Error);
    REQUIRE_THROWS_AS((Shape{Index{1} << 40, Index{1} << 40}), Error);
    REQUIRE_THROWS_WITH((Shape{2, 3}[2]), ContainsSubstring("axis 2 of shape (2, 3)"));
    REQUIRE_THROWS_AS(Shape{}.with_rows(1), Error);
}

TEST_CASE("copies, views and rows of a tensor share memory, clones do not", "[core]") {
    const auto x = Tensor<float>::from({2, 3}, {1, 2, 3, 4, 5, 6});
    const Tensor<float> copy = x;  // NOLINT(performance-unnecessary-copy-initialization)
    const Tensor<float> flat = x.reshape({6}), second = x.rows(1, 2), own = x.clone();
    x(1, 0) = 40;
    REQUIRE(copy(1, 0) == 40);
    REQUIRE(flat(3) == 40);
    REQUIRE(second(0, 0) == 40);
    REQUIRE(second.shape() == Shape{1, 3});
    REQUIRE(own(1, 0) == 4);
    second.fill(7);
    REQUIRE(x.values() == std::vector<float>{1, 2, 3, 7, 7, 7});
    REQUIRE(x.rows(2, 2).size() == 0);
}

TEST_CASE("elements, items and conversion", "[core]") {
    REQUIRE(Tensor<double>::full({}, 2.5).item() == 2.5);
    REQUIRE(Tensor<float>::zeros({3}).values() == std::vector<float>{0, 0, 0});
    const auto x = Tensor<float>::from({2}, {1.5F, -2});
    REQUIRE(x.cast<double>().values() == std::vector<double>{1.5, -2});
    REQUIRE(Tensor<std::int32_t>::full({2}, 9).values() == std::vector<std::int32_t>{9, 9});
    const auto y = Tensor<float>::zeros({2});
    y.copy_from(x);
    REQUIRE(y.values() == x.values());
}

TEST_CASE("tensor errors name shapes", "[core]") {
    const auto x = Tensor<float>::zeros({2, 3});
    REQUIRE_THROWS_WITH(x.reshape({7}), ContainsSubstring("(2, 3)") && ContainsSubstring("(7)"));
    REQUIRE_THROWS_WITH(x.rows(1, 3), ContainsSubstring("1 to 3"));
    REQUIRE_THROWS_WITH(x(2, 0), ContainsSubstring("(2, 0)") && ContainsSubstring("(2, 3)"));
    REQUIRE_THROWS_AS(x(0), Error);
    REQUIRE_THROWS_AS(x(0, -1), Error);
    REQUIRE_THROWS_AS(x.item(), Error);
    REQUIRE_THROWS_AS(Tensor<float>{}.item(), Error);
    REQUIRE_THROWS_AS(x.copy_from(Tensor<float>::zeros({3, 2})), Error);
    REQUIRE_THROWS_WITH(Tensor<float>::from({2}, {1, 2, 3}), ContainsSubstring("3 values"));
}

TEST_CASE("a tensor prints for a person", "[core]") {
    const auto x = Tensor<float>::from({2, 2}, {1, -2.5F, 3, 1e-7F});
    REQUIRE(x.str() == "Tensor (2, 2)\n[[        1,      -2.5],\n [        3,     1e-07]]");
    REQUIRE(Tensor<float>::full({}, 3).str() == "Tensor () 3");
    REQUIRE(Tensor<float>{}.str() == "undefined tensor");
    const std::string longer = Tensor<float>::zeros({100}).str();
    REQUIRE(longer == "Tensor (100) [0, 0, 0, ..., 0, 0, 0]");
    REQUIRE(Tensor<float>::zeros({0, 4}).str() == "Tensor (0, 4)\n[]");
}

TEST_CASE("matmul takes its sizes from the shapes", "[core]") {
    const auto a = Tensor<double>::from({2, 3}, {1, 2, 3, 4, 5, 6});
    const auto b = Tensor<double>::from({3, 2}, {1, 0, 0, 1, 2, 2});
    const auto y = Tensor<double>::empty({2, 2});
    matmul(y, a, b);
    REQUIRE(y.values() == std::vector<double>{7, 8, 16, 17});
    matmul(y, a, a, {.trans_b = Trans::yes, .alpha = 2, .beta = 1});  // y + 2 a a'
    REQUIRE(y.values() == std::vector<double>{35, 72, 80, 171});
    const auto gram = Tensor<double>::empty({3, 3});
    matmul(gram, a, a, {.trans_a = Trans::yes});
    REQUIRE(gram(0, 2) == 27);
    REQUIRE_THROWS_WITH(matmul(y, a, a), ContainsSubstring("a (2, 3), b (2, 3), y (2, 2)"));
    REQUIRE_THROWS_AS(matmul(y, a, Tensor<double>{}), Error);
}

TEST_CASE("released memory is used again", "[core]") {
    { const auto warm = Tensor<float>::empty({1000}); }
    const std::size_t before = system_allocations();
    for (int i = 0; i < 10; ++i) {
        const auto x = Tensor<float>::empty({1000 - i});
        REQUIRE(reinterpret_cast<std::uintptr_t>(x.data()) % 64 == 0);
    }
    REQUIRE(system_allocations() == before);
    empty_cache();
    const auto fresh = Tensor<float>::empty({1000});
    REQUIRE(system_allocations() > before);
}

TEST_CASE("memory that cannot be had is an error", "[core]") {
    REQUIRE_THROWS_WITH(Tensor<double>::empty({Index{1} << 50}),
                        ContainsSubstring("out of memory"));
}

TEST_CASE("devices by name", "[core]") {
    REQUIRE(parse_device("cpu") == Device::cpu);
    REQUIRE_THROWS_AS(parse_device("cuda"), DeviceError);
    REQUIRE_THROWS_WITH(parse_device("tpu"), ContainsSubstring("tpu"));
}
