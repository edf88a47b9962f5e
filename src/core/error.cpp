#include "core/error.h"

namespace handgrad {
namespace {

std::string message(std::string_view operation, std::string_view got, std::string_view needs,
                    std::string_view hint) {
    std::string text(operation);
    const auto add = [&](std::string_view label, std::string_view value) {
        if (!value.empty()) text.append("\n  ").append(label).append(value);
    };
    add("got:   ", got);
    add("needs: ", needs);
    add("hint:  ", hint);
    return text;
}

}  // namespace

Error::Error(std::string_view operation, std::string_view got, std::string_view needs,
             std::string_view hint)
    : std::runtime_error(message(operation, got, needs, hint)) {}

}  // namespace handgrad
