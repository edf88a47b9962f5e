#include "core/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "core/error.h"

namespace handgrad {
namespace {

/// The system's reason for its last failure, as an Error.
Error system_error(const std::string& operation, const std::filesystem::path& path) {
    const int reason = errno;
    return Error(operation + " " + path.string(), std::generic_category().message(reason),
                 "a file that can be " +
                     std::string(operation.starts_with("read") ? "read" : "written there"));
}

/// All bytes to a new file. False on failure, with errno set.
bool write_new_file(const std::string& path, std::string_view bytes) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0) return false;
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            const int reason = errno;
            ::close(file);
            errno = reason;
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return ::close(file) == 0;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw system_error("read_file", path);
    std::string bytes;
    std::array<char, 1 << 16> part;
    while (true) {
        const ssize_t got = ::read(file, part.data(), part.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            const Error error = system_error("read_file", path);
            ::close(file);
            throw error;
        }
        if (got == 0) break;
        bytes.append(part.data(), static_cast<std::size_t>(got));
    }
    ::close(file);
    return bytes;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
    // The name is new to this process and to its neighbours, so two writers never share one.
    static std::atomic<int> count = 0;
    const std::string temporary =
        path.string() + "." + std::to_string(::getpid()) + "." + std::to_string(count++) + ".tmp";
    if (write_new_file(temporary, bytes) && ::rename(temporary.c_str(), path.c_str()) == 0) return;
    const Error error = system_error("write_file", path);
    ::unlink(temporary.c_str());
    throw error;
}

}  // namespace handgrad
