// A loss as a layer, so that check_layer checks it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "losses/loss.h"

namespace handgrad {

/// y = loss(x, target), its target bound:
///
///   LossLayer layer(std::make_shared<MSELoss<double>>(), "", target);
///   std::printf("%s", table(check_layer(layer, x)).c_str());
template <class T>
class LossLayer final : public Layer<T> {
  public:
    /// `target_name` follows the loss's name: "CrossEntropyLoss(mean) of labels". The targets are
    /// what the loss's forward takes after x.
    template <class L, class... Target>
    LossLayer(const std::shared_ptr<L>& loss, std::string target_name, Target... targets)
        : name_(loss->describe() + std::move(target_name)), loss_(loss) {
        forward_ = [loss, targets...](const Tensor<T>& x) mutable {
            return loss->forward(x, on_device(targets, x.device())...);
        };
    }
    Tensor<T> forward(const Tensor<T>& x) override { return forward_(x); }
    Tensor<T> backward(const Tensor<T>& dy) override { return loss_->backward(dy); }
    [[nodiscard]] std::string describe() const override { return name_; }

  private:
    /// A target, brought to where x is; what is no tensor stays as it is.
    template <class Target>
    static const Target& on_device(Target& target, Device device) {
        if constexpr (requires { target.to(device); }) target = target.to(device);
        return target;
    }

    std::string name_;
    std::shared_ptr<Loss<T>> loss_;
    std::function<Tensor<T>(const Tensor<T>&)> forward_;
};

template <class L, class... Target>
LossLayer(std::shared_ptr<L>, std::string, Target...) -> LossLayer<typename L::Scalar>;

}  // namespace handgrad
