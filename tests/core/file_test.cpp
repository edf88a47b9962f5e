#include "core/file.h"

#include <sys/resource.h>

#include <csignal>

#include "catch.h"
#include "core/error.h"
#include "temp_dir.h"

using namespace handgrad;

namespace {

std::size_t files_in(const std::filesystem::path& folder) {
    const std::filesystem::directory_iterator entries(folder);
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

TEST_CASE("a file reads back as it was written, whatever its bytes and size") {
    const TempDir dir;
    for (const std::size_t size : {0, 1, 65535, 65536, 200003}) {
        std::string bytes(size, '\0');
        for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 % 256);
        write_file_atomically(dir / "file", bytes);
        REQUIRE(read_file(dir / "file") == bytes);
        REQUIRE(files_in(dir.path()) == 1);  // no temporary left
    }
}

TEST_CASE("write_file_atomically names the path and the reason, and leaves nothing behind") {
    const TempDir dir;
    REQUIRE_THROWS_WITH(write_file_atomically(dir / "no/such/file", "x"),
                        ContainsSubstring((dir / "no/such/file").string()) &&
                            ContainsSubstring("No such file or directory"));
    // The bytes can be written, but the name cannot be taken.
    dir.write("folder/kept", "x");
    REQUIRE_THROWS_AS(write_file_atomically(dir / "folder", "x"), Error);
    REQUIRE(files_in(dir.path()) == 1);
    REQUIRE(read_file(dir / "folder/kept") == "x");
}

TEST_CASE("write_file_atomically gives up in the middle and keeps what was there") {
    const TempDir dir;
    dir.write("file", "old");
    // A limit on the size of files fails a write halfway, as a full disk does.
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
    const rlimit small{1000, limit.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::string message;
    try {
        write_file_atomically(dir / "file", std::string(5000, 'n'));
    } catch (const Error& error) {
        message = error.what();
    }
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, handler);
    REQUIRE_THAT(message, ContainsSubstring("File too large"));
    REQUIRE(read_file(dir / "file") == "old");
    REQUIRE(files_in(dir.path()) == 1);
}

TEST_CASE("read_file says which file it could not read") {
    const TempDir dir;
    REQUIRE_THROWS_WITH(read_file(dir / "none"), ContainsSubstring((dir / "none").string()) &&
                                                     ContainsSubstring("No such file"));
    REQUIRE_THROWS_WITH(read_file(dir.path()), ContainsSubstring("Is a directory"));
}
