#include "core/random.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "golden.h"
#include "init/init.h"

using namespace handgrad;

namespace {

/// Uniform numbers are the same to the last bit.
template <class T>
void check_uniform(Random& random, const nlohmann::json& call) {
    const Tensor<T> x = Tensor<T>::empty({call["n"].get<Index>()});
    random.uniform(x, call["arguments"][0], call["arguments"][1]);
    REQUIRE(x.values() == call["result"].get<std::vector<T>>());
}

/// Normal numbers pass through log, sin and cos, of which PyTorch's vector code has its own: they
/// agree within some units in the last place of the numbers that are summed, not of the result.
template <class T>
void check_normal(Random& random, const nlohmann::json& call) {
    const Tensor<T> x = Tensor<T>::empty({call["n"].get<Index>()});
    const double mean = call["arguments"][0], std = call["arguments"][1];
    random.normal(x, mean, std);
    const auto expected = call["result"].get<std::vector<T>>();
    REQUIRE(expected.size() == static_cast<std::size_t>(x.size()));
    const double epsilon = std::numeric_limits<T>::epsilon();
    for (std::size_t i = 0; i < expected.size(); ++i) {
        INFO("element " << i << ": got " << x.data()[i] << ", needs " << expected[i]);
        const double size = std::fabs(mean) + std + std::fabs(expected[i]);
        const double difference = std::fabs(double{x.data()[i]} - double{expected[i]});
        REQUIRE(difference <= 2 * epsilon * size);  // false for NaN
    }
}

void check_call(Random& random, const nlohmann::json& call) {
    const std::string name = call["call"];
    INFO(name << " of " << call["n"]);
    if (name == "uniform_float") return check_uniform<float>(random, call);
    if (name == "uniform_double") return check_uniform<double>(random, call);
    if (name == "normal_float") return check_normal<float>(random, call);
    if (name == "normal_double") return check_normal<double>(random, call);
    if (name == "permutation") {
        std::vector<Index> order;
        random.permutation(order, call["n"]);
        REQUIRE(order == call["result"].get<std::vector<Index>>());
    } else {
        REQUIRE(name == "int63");
        for (const std::uint64_t expected : call["result"]) REQUIRE(random.int63() == expected);
    }
}

void check_digest(const std::vector<Index>& order, const nlohmann::json& digest) {
    const auto head = digest["head"].get<std::vector<Index>>();
    REQUIRE(order.size() == digest["n"]);
    REQUIRE(std::vector<Index>(order.begin(), order.begin() + static_cast<Index>(head.size())) ==
            head);
    Index weighted_sum = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
        weighted_sum += static_cast<Index>(i + 1) * order[i];
    REQUIRE(weighted_sum == digest["weighted_sum"]);
}

}  // namespace

TEST_CASE("Random repeats PyTorch's streams", "[golden]") {
    const nlohmann::json values = golden("random");
    REQUIRE(values["streams"].size() >= 10);
    for (const auto& stream : values["streams"]) {
        Random random(values["seed"].get<std::uint64_t>());
        for (const auto& call : stream) check_call(random, call);
    }
}

TEST_CASE("Random repeats PyTorch's long permutations", "[golden]") {
    const nlohmann::json values = golden("random");
    REQUIRE(values["long_permutations"].size() >= 2);
    for (const auto& digest : values["long_permutations"]) {
        Random random(values["seed"].get<std::uint64_t>());
        std::vector<Index> order;
        random.permutation(order, digest["n"]);
        check_digest(order, digest);
    }
}

TEST_CASE("numpy_permutation repeats numpy's", "[golden]") {
    const nlohmann::json values = golden("random");
    REQUIRE(values["numpy_permutations"].size() >= 7);
    for (const auto& digest : values["numpy_permutations"])
        check_digest(numpy_permutation(digest["seed"], digest["n"]), digest);
    REQUIRE(numpy_permutation(42, 0).empty());
}

TEST_CASE("numpy_permutation gives the notebooks' splits") {
    const auto head = [](Index n) {
        const std::vector<Index> order = numpy_permutation(42, n);
        return std::vector<Index>(order.begin(), order.begin() + 5);
    };
    REQUIRE(head(60000) == std::vector<Index>{12628, 37730, 39991, 8525, 8279});
    REQUIRE(head(2062) == std::vector<Index>{1303, 2027, 693, 1914, 29});
}

TEST_CASE("init::linear_default repeats the weights of torch.nn.Linear", "[golden]") {
    const nlohmann::json values = golden("linear_init");
    REQUIRE(values["layers"].size() >= 7);
    for (const auto& layer : values["layers"]) {
        INFO("Linear(" << layer["in"] << ", " << layer["out"] << ")");
        Random random(values["seed"].get<std::uint64_t>());
        const Index in = layer["in"], out = layer["out"];
        const auto weight = Tensor<float>::empty({out, in}), bias = Tensor<float>::empty({out});
        init::linear_default(weight, bias, random);
        const auto head = layer["weight_head"].get<std::vector<float>>();
        REQUIRE(std::vector<float>(weight.data(), weight.data() + head.size()) == head);
        REQUIRE(bias.values() == layer["bias"].get<std::vector<float>>());
    }
}

TEST_CASE("Random takes the low 32 bits of a seed, as PyTorch does") {
    REQUIRE(Random(7).int63() == Random((std::uint64_t{5} << 32) + 7).int63());
    REQUIRE(Random(7).int63() != Random(8).int63());
}
