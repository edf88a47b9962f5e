// The operations of the tape beside PyTorch's, by tools/make_golden.py.
#include "golden.h"

#include <cmath>
#include <functional>
#include <map>

#include "autograd/operations.h"
#include "catch.h"

using namespace handgrad;

namespace {

using Var = Variable<double>;
using Inputs = std::vector<Var>;

Tensor<Index> index_of_four() {
    return Tensor<Index>::from({4}, {1, 0, 1, 1});
}
Tensor<Index> index_of_eight() {
    return Tensor<Index>::from({2, 4, 1}, {1, 0, 0, 1, 1, 1, 0, 1});
}

const std::map<std::string, std::function<Var(const Inputs&)>> operations = {
    {"add", [](auto& x) { return x[0] + x[1]; }},
    {"sub", [](auto& x) { return x[0] - x[1]; }},
    {"mul", [](auto& x) { return x[0] * x[1]; }},
    {"div", [](auto& x) { return x[0] / x[1]; }},
    {"pow", [](auto& x) { return pow(x[0], x[1]); }},
    {"cube", [](auto& x) { return pow(x[0], 3); }},
    {"maximum", [](auto& x) { return maximum(x[0], x[1]); }},
    {"where",
     [](auto& x) {
         const Tensor<double> positive = x[0].value().clone();
         for (double& v : positive.span()) v = v > 0 ? 1 : 0;
         return where(positive, x[0], x[1]);
     }},
    {"neg", [](auto& x) { return -x[0]; }},
    {"exp", [](auto& x) { return exp(x[0]); }},
    {"log", [](auto& x) { return log(x[0]); }},
    {"sqrt", [](auto& x) { return sqrt(x[0]); }},
    {"tanh", [](auto& x) { return tanh(x[0]); }},
    {"erf", [](auto& x) { return erf(x[0]); }},
    {"abs", [](auto& x) { return abs(x[0]); }},
    {"matmul", [](auto& x) { return matmul(x[0], x[1]); }},
    {"matmul_nt", [](auto& x) { return matmul(x[0], x[1], Trans::no, Trans::yes); }},
    {"matmul_tn", [](auto& x) { return matmul(x[0], x[1], Trans::yes); }},
    {"matmul_tt", [](auto& x) { return matmul(x[0], x[1], Trans::yes, Trans::yes); }},
    {"sum",
     [](auto& x) {
         return sum(x[0], {0, 2});
     }},
    {"mean", [](auto& x) { return mean(x[0], {1}, true); }},
    {"max",
     [](auto& x) {
         return max(x[0], {0, -1});
     }},
    {"logsumexp", [](auto& x) { return logsumexp(x[0], {-1}); }},
    {"permute",
     [](auto& x) {
         return permute(x[0], {2, 0, 1});
     }},
    {"transpose", [](auto& x) { return transpose(x[0], 0, -1); }},
    {"slice", [](auto& x) { return slice(x[0], 1, 1, 3); }},
    {"concat",
     [](auto& x) {
         return concat({x[0], x[1], x[0]}, 1);
     }},
    {"gather of labels",
     [](auto& x) {
         return gather(x[0], Labels::from({4}, {2, 0, 1, 1}));
     }},
    {"gather", [](auto& x) { return gather(x[0], 1, index_of_eight()); }},
    {"gather along the last axis", [](auto& x) { return gather(x[0], -1, index_of_eight()); }},
    {"index_select", [](auto& x) { return index_select(x[0], 0, index_of_four()); }},
    {"index_select along the last axis",
     [](auto& x) { return index_select(x[0], -1, index_of_four()); }},
    {"unfold",
     [](auto& x) {
         return unfold(x[0], {2, 3}, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {2, 1}});
     }},
};

Tensor<double> tensor(const nlohmann::json& json) {
    const auto dims = json["shape"].get<std::vector<Index>>();
    return Tensor<double>::from(Shape(dims), json["values"].get<std::vector<double>>());
}

bool close(const Tensor<double>& got, const Tensor<double>& expected) {
    bool all = got.shape() == expected.shape();
    for (Index i = 0; all && i < got.size(); ++i) {
        const double needed = expected.data()[i];
        all = std::abs(got.data()[i] - needed) <= 1e-14 * (1 + std::abs(needed)) * 10;
    }
    return all;
}

}  // namespace

TEST_CASE("operations of the tape agree with PyTorch's", "[autograd][golden]") {
    const nlohmann::json all = golden("tape");
    std::size_t seen = 0;
    for (const nlohmann::json& c : all["cases"]) {
        const std::string name = c["operation"];
        INFO(name);
        Inputs inputs;
        for (const nlohmann::json& x : c["inputs"]) inputs.emplace_back(tensor(x), true);
        const Var y = operations.at(name)(inputs);
        REQUIRE(close(y.value(), tensor(c["value"])));
        y.backward(tensor(c["weights"]));
        for (std::size_t i = 0; i < inputs.size(); ++i)
            REQUIRE(close(inputs[i].grad(), tensor(c["gradients"][i])));
        ++seen;
    }
    REQUIRE(seen == operations.size());
}
