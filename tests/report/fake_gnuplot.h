// Programs that stand in for gnuplot.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "temp_dir.h"

/// Looks for programs only in `folder`, and collects what is written to stderr.
class OnlyPath {
  public:
    explicit OnlyPath(const std::filesystem::path& folder) {
        ::setenv("PATH", folder.c_str(), 1);
        buffer_ = std::cerr.rdbuf(errors_.rdbuf());
    }
    ~OnlyPath() {
        ::setenv("PATH", path_.c_str(), 1);
        std::cerr.rdbuf(buffer_);
    }
    OnlyPath(const OnlyPath&) = delete;
    OnlyPath& operator=(const OnlyPath&) = delete;
    [[nodiscard]] std::string errors() const { return errors_.str(); }

  private:
    std::string path_ = std::getenv("PATH");
    std::ostringstream errors_;
    std::streambuf* buffer_;
};

/// A program that stands in for gnuplot.
inline void fake_gnuplot(const TempDir& dir, const std::string& script) {
    ::chmod(dir.write("gnuplot", "#!/bin/sh\n" + script).c_str(), 0755);
}

/// Is there a real one?
inline bool has_gnuplot() {
    return std::system("gnuplot --version > /dev/null 2>&1") == 0;
}
