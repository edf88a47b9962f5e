// A machine without data sets, for tests of where they are looked for.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "temp_dir.h"

/// An environment and a current directory of the test's own, put back at its end.
class OwnMachine {
  public:
    OwnMachine() : work_(std::filesystem::current_path()) {
        if (const char* data = std::getenv("HANDGRAD_DATA")) data_ = data;
        unsetenv("HANDGRAD_DATA");
        std::filesystem::create_directories(dir / "work");
        std::filesystem::current_path(dir / "work");
    }
    ~OwnMachine() {
        std::filesystem::current_path(work_);
        if (data_)
            setenv("HANDGRAD_DATA", data_->c_str(), 1);
        else
            unsetenv("HANDGRAD_DATA");
    }
    OwnMachine(const OwnMachine&) = delete;
    OwnMachine& operator=(const OwnMachine&) = delete;

    const TempDir dir;

  private:
    std::filesystem::path work_;
    std::optional<std::string> data_;
};
