// The golden values that tools/make_golden.py wrote.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

/// tests/golden/NAME.json. Throws nlohmann's parse_error where it is missing.
inline nlohmann::json golden(const std::string& name) {
    std::ifstream file(HANDGRAD_GOLDEN "/" + name + ".json");
    return nlohmann::json::parse(file);
}
