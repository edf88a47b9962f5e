#include "optim/optimizer.h"

#include <charconv>
#include <cmath>
#include <iterator>

#include "core/error.h"

namespace handgrad {
namespace {

/// The shortest text that reads back as the same number, in any locale.
std::string text_of(double value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
}

/// A number from the metadata of a state. Throws Error.
template <class Number>
Number read(const Metadata& metadata, std::string_view optimizer, const std::string& key) {
    const auto at = metadata.find(key);
    const std::string text = at == metadata.end() ? "" : at->second;
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0) ||
        !std::isfinite(static_cast<double>(value)))
        throw Error(std::string(optimizer) + ".load_state: the metadata do not fit",
                    at == metadata.end() ? "no '" + key + "'" : "'" + key + "' = '" + text + "'",
                    "a finite number, 0 or more", "load what state() gave for as many groups");
    return value;
}

std::string lr_key(std::size_t group) {
    return "lr." + std::to_string(group);
}

}  // namespace

// ---- options ------------------------------------------------------------------------------------

void require_option(std::string_view optimizer, std::string_view option, double got, bool valid,
                    std::string_view needs) {
    if (!valid)
        throw Error(std::string(optimizer) + ": no such " + std::string(option), text_of(got),
                    needs);
}

void require_not_negative(std::string_view optimizer, std::string_view option, double got) {
    require_option(optimizer, option, got, std::isfinite(got) && got >= 0,
                   "a finite number, 0 or more");
}

void require_fraction(std::string_view optimizer, std::string_view option, double got) {
    require_option(optimizer, option, got, got >= 0 && got < 1, "a number from 0 to below 1");
}

// ---- learning rates -----------------------------------------------------------------------------

double LearningRates::lr(std::size_t group) const {
    if (group >= lr_.size())
        throw Error(std::string(optimizer_) + ".lr: no such group", std::to_string(group),
                    "a group below " + std::to_string(lr_.size()));
    return lr_[group];
}

void LearningRates::set_lr(double lr) {
    for (std::size_t group = 0; group < lr_.size(); ++group) set_lr(group, lr);
}

void LearningRates::set_lr(std::size_t group, double lr) {
    require_not_negative(optimizer_, "learning rate", lr);
    if (group >= lr_.size())
        throw Error(std::string(optimizer_) + ".set_lr: no such group", std::to_string(group),
                    "a group below " + std::to_string(lr_.size()));
    lr_[group] = lr;
}

void LearningRates::add_group(double lr) {
    lr_.push_back(lr);
    set_lr(lr_.size() - 1, lr);
}

// ---- optimiser ----------------------------------------------------------------------------------

template <class T>
void Optimizer<T>::add_parameter(Parameter<T>* parameter, std::size_t group,
                                 const std::vector<StateTensor>& state) {
    const std::string name(optimizer());
    if (parameter == nullptr || !parameter->value.defined() || !parameter->grad.defined() ||
        parameter->grad.shape() != parameter->value.shape() ||
        parameter->grad.device() != parameter->value.device())
        throw Error(name + ": a parameter without a gradient that fits",
                    parameter == nullptr ? "a null pointer" : "'" + parameter->name + "'",
                    "a value and a grad of the same shape on the same device");
    for (const Slot& slot : slots_) {
        if (slot.parameter == parameter)
            throw Error(name + ": a parameter twice", "'" + parameter->name + "' again",
                        "each parameter once", "it would move twice in a step");
        if (device() != parameter->value.device())
            throw Error(name + ": parameters on two devices",
                        "'" + parameter->name + "' on " +
                            std::string(name_of(parameter->value.device())) + " after others on " +
                            std::string(name_of(device())),
                        "all on one device", "give each device an optimiser of its own");
    }
    Slot slot{parameter, group, {}};
    for (const auto& [state_name, start] : state) {
        slot.state.push_back(Tensor<T>::full(parameter->value.shape(), static_cast<T>(start),
                                             parameter->value.device()));
        state_names_.push_back(state_name);
    }
    slots_.push_back(slot);
}

template <class T>
void Optimizer<T>::require_parameters() {
    if (slots_.empty())
        throw Error(std::string(optimizer()) + ": nothing to train", "no parameters",
                    "one parameter or more", "pass model.parameters() once its layers are added");
    arrays_.resize(slots_.size());
    steps_ = Tensor<Index>::zeros({}, device());
}

template <class T>
const std::vector<ParameterArrays<T>>& Optimizer<T>::arrays() {
    for (std::size_t k = 0; k < slots_.size(); ++k) {
        const Parameter<T>& parameter = *slots_[k].parameter;
        arrays_[k] = {.w = parameter.value.data(),
                      .dw = parameter.grad.data(),
                      .kept = {},
                      .n = parameter.value.size()};
        for (std::size_t i = 0; i < slots_[k].state.size(); ++i)
            arrays_[k].kept[i] = slots_[k].state[i].data();
    }
    return arrays_;
}

template <class T>
void Optimizer<T>::zero_grad() {
    const auto& all = arrays();
    backend<T>(device()).zero_gradients(all.data(), std::ssize(all));
}

template <class T>
void Optimizer<T>::step() {
    const auto& all = arrays();
    const Backend<T>& kernels = backend<T>(device());
    kernels.count(steps_.data());
    for (std::size_t begin = 0, end = 0; begin < slots_.size(); begin = end) {
        const std::size_t group = slots_[begin].group;
        while (end < slots_.size() && slots_[end].group == group) ++end;
        update(group, {.kernels = kernels,
                       .parameters = all.data() + begin,
                       .count = static_cast<Index>(end - begin),
                       .step = steps_.data()});
    }
    for (const Slot& slot : slots_) slot.parameter->value.bump_version();
}

template <class T>
std::vector<NamedTensor<T>> Optimizer<T>::named_state() const {
    std::vector<NamedTensor<T>> tensors;
    for (const Slot& slot : slots_)
        for (const Tensor<T>& tensor : slot.state) {
            std::string name = slot.parameter->name + ".";
            name += state_names_[tensors.size()];
            tensors.push_back({name, tensor});
        }
    return tensors;
}

template <class T>
SafeTensors<T> Optimizer<T>::state() const {
    SafeTensors<T> state{named_state(), {}};
    for (auto& [name, tensor] : state.tensors) tensor = tensor.clone();
    state.metadata["optimizer"] = optimizer();
    state.metadata["steps"] = std::to_string(steps());
    for (std::size_t group = 0; group < groups(); ++group)
        state.metadata[lr_key(group)] = text_of(lr(group));
    return state;
}

template <class T>
void Optimizer<T>::load_state(const SafeTensors<T>& state) {
    const auto made_by = state.metadata.find("optimizer");
    if (made_by == state.metadata.end() || made_by->second != optimizer())
        throw Error(std::string(optimizer()) + ".load_state: a state of another optimiser",
                    made_by == state.metadata.end() ? "no name of one" : made_by->second,
                    optimizer());
    const auto steps = read<Index>(state.metadata, optimizer(), "steps");
    std::vector<double> rates;
    for (std::size_t group = 0; group < groups(); ++group)
        rates.push_back(read<double>(state.metadata, optimizer(), lr_key(group)));
    copy_by_name(std::string(optimizer()) + ".load_state", named_state(), state.tensors);
    steps_.copy_from(Tensor<Index>::full({}, steps));
    for (std::size_t group = 0; group < groups(); ++group) set_lr(group, rates[group]);
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace handgrad
