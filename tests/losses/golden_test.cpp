// Every loss and penalty against PyTorch: tests/golden/losses.npz, computed in double. float is
// held to 1e-5 relative, double to 1e-12.
#include "golden.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <type_traits>

#include "catch.h"
#include "losses/cross_entropy.h"
#include "losses/donsker_varadhan.h"
#include "losses/nll.h"
#include "losses/penalty.h"
#include "losses/pointwise.h"

using namespace handgrad;

namespace {

/// A loss, and its forward on input x and the target of a golden case.
template <class T>
struct Bound {
    std::shared_ptr<Loss<T>> loss;
    std::function<Tensor<T>(const Tensor<T>& x, const nlohmann::json& target)> forward;
};

template <class T>
std::map<std::string, Bound<T>> all_losses(Reduction reduction, const Tensor<T>& weight) {
    std::map<std::string, Bound<T>> all;
    const auto pointwise = [&](const std::string& name, const auto& loss) {
        all[name] = {loss, [=](const Tensor<T>& x, const nlohmann::json& target) {
                         return loss->forward(x, golden_tensor<T>(target));
                     }};
    };
    const auto of_labels = [&](const std::string& name, const auto& loss) {
        all[name] = {loss, [=](const Tensor<T>& x, const nlohmann::json& target) {
                         return loss->forward(x, golden_tensor<std::int32_t>(target));
                     }};
    };
    pointwise("MSELoss", std::make_shared<MSELoss<T>>(reduction));
    pointwise("L1Loss", std::make_shared<L1Loss<T>>(reduction));
    pointwise("SmoothL1Loss", std::make_shared<SmoothL1Loss<T>>(reduction));
    pointwise("SmoothL1Loss(0.5)", std::make_shared<SmoothL1Loss<T>>(reduction, 0.5));
    pointwise("BCELoss", std::make_shared<BCELoss<T>>(reduction));
    pointwise("BCELoss at 0 and 1", std::make_shared<BCELoss<T>>(reduction));
    pointwise("BCEWithLogitsLoss", std::make_shared<BCEWithLogitsLoss<T>>(reduction));
    pointwise("BCEWithLogitsLoss(pos_weight)",
              std::make_shared<BCEWithLogitsLoss<T>>(reduction, weight));
    of_labels("NLLLoss", std::make_shared<NLLLoss<T>>(reduction));
    of_labels("NLLLoss(weight)", std::make_shared<NLLLoss<T>>(reduction, weight));
    const std::map<std::string, std::shared_ptr<CrossEntropyLoss<T>>> variants = {
        {"", std::make_shared<CrossEntropyLoss<T>>(reduction)},
        {"(0.2)", std::make_shared<CrossEntropyLoss<T>>(reduction, 0.2)},
        {"(weight)", std::make_shared<CrossEntropyLoss<T>>(reduction, 0, weight)},
        {"(0.2, weight)", std::make_shared<CrossEntropyLoss<T>>(reduction, 0.2, weight)}};
    for (const auto& [variant, loss] : variants) {
        of_labels("CrossEntropyLoss" + variant + " of labels", loss);
        pointwise("CrossEntropyLoss" + variant + " of one-hot", loss);
        pointwise("CrossEntropyLoss" + variant + " of soft targets", loss);
    }
    return all;
}

template <class T>
constexpr double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;

}  // namespace

TEMPLATE_TEST_CASE("every loss gives PyTorch's values and gradients", "[losses][golden]", float,
                   double) {
    using T = TestType;
    const nlohmann::json values = golden("losses");
    const auto weight_values = values["weight"].get<std::vector<T>>();
    const auto weight = Tensor<T>::from({3}, std::span<const T>(weight_values));
    for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
        const auto losses = all_losses<T>(reduction, weight);
        std::set<std::string> seen;
        for (const nlohmann::json& expected : values["cases"]) {
            const std::string name = expected["loss"];
            INFO(name << ", " << name_of(reduction));
            seen.insert(name);
            const auto& [loss, forward] = losses.at(name);
            const nlohmann::json& reduced = expected[name_of(reduction)];
            const Tensor<T> value = forward(golden_tensor<T>(expected["x"]), expected["target"]);
            CHECK(matches_golden(value, reduced["loss"], tolerance<T>));
            const Tensor<T> dx = loss->backward(golden_tensor<T>(reduced["dloss"]));
            // There PyTorch divides by its 1e-12, which is a float's also in double.
            const bool clamped = name == "BCELoss at 0 and 1";
            CHECK(matches_golden(dx, reduced["dx"], clamped ? 1e-7 : tolerance<T>));
        }
        CHECK(seen.size() == losses.size());
    }
}

TEMPLATE_TEST_CASE("the Donsker-Varadhan bound and the penalties are PyTorch's", "[losses][golden]",
                   float, double) {
    using T = TestType;
    const nlohmann::json values = golden("losses");
    REQUIRE(values["scalars"].size() == 3);
    for (const nlohmann::json& expected : values["scalars"]) {
        const std::string name = expected["loss"];
        INFO(name);
        const auto x = golden_tensor<T>(expected["x"]);
        Parameter<T> w{"w", x, Tensor<T>::zeros(x.shape())};
        Tensor<T> value, dx = w.grad;
        if (name == "DonskerVaradhan") {
            DonskerVaradhan<T> loss;
            value = loss.forward(x, 5);
            dx = loss.backward();
        } else if (name == "L1Penalty") {
            const L1Penalty<T> penalty({&w}, 0.25);
            value = penalty.forward();
            penalty.backward();
        } else {
            REQUIRE(name == "L2Penalty");
            const L2Penalty<T> penalty({&w}, 0.25);
            value = penalty.forward();
            penalty.backward();
        }
        const double by_pytorch = expected["value"];
        CHECK(std::abs(static_cast<double>(value.item()) - by_pytorch) <=
              tolerance<T> * std::abs(by_pytorch));
        CHECK(matches_golden(dx, expected["dx"], tolerance<T>));
    }
}
