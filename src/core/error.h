// The one exception of handgrad.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace handgrad {

/// What went wrong, said so that the reader can mend it. what() reads
///
///     Linear.forward: the input does not fit
///       got:   x of shape (16, 783)
///       needs: x of shape (N, 784)
///       hint:  flatten each image to one row, or build Linear(783, 128)
class Error : public std::runtime_error {
  public:
    /// `operation` is what was asked for, as the caller wrote it, with a few words on what is wrong
    /// ("Linear.forward: the input does not fit"). An empty hint is left out.
    Error(std::string_view operation, std::string_view got, std::string_view needs,
          std::string_view hint = {});
};

/// A device that this machine or this build does not have. Lessons exit with code 2 on it.
class DeviceError : public Error {
  public:
    using Error::Error;
};

}  // namespace handgrad
