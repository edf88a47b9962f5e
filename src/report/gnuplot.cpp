#include "report/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <memory>
#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"

namespace handgrad::gnuplot {
namespace {

/// Okabe and Ito's palette ("Color universal design", 2008), less its yellow, too light on white.
constexpr std::array<unsigned, 7> palette = {0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7,
                                             0xE69F00, 0x56B4E9, 0x000000};

unsigned palette_entry(int number) {
    return palette[static_cast<std::size_t>(number) % palette.size()];
}

/// A file without a name, which goes when it is closed.
struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using TemporaryFile = std::unique_ptr<std::FILE, Close>;

TemporaryFile temporary_file() {
    TemporaryFile file(std::tmpfile());
    if (!file)
        throw Error("gnuplot: no temporary file", std::generic_category().message(errno),
                    "a folder for temporary files that can be written");
    return file;
}

std::string contents(std::FILE* file) {
    std::string bytes;
    std::array<char, 1 << 16> part;
    std::rewind(file);
    while (const std::size_t got = std::fread(part.data(), 1, part.size(), file))
        bytes.append(part.data(), got);
    return bytes;
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'') result += '\'';
        result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return result + '\'';
}

std::string terminal(std::string_view suffix, int width, int height, double frame_seconds) {
    // The text is large, since a picture is also read on a phone and from the last row.
    const std::string size =
        format(" noenhanced background '#ffffff' size %d,%d font 'sans,24'\n", width, height);
    // Points of one size are twice as large in an SVG as in a PNG; plots multiply theirs by dot.
    if (suffix == ".svg") return "dot = 0.5\nset terminal svg" + size;
    if (suffix == ".gif")
        return format("dot = 1\nset terminal gif animate loop 0 delay %d",
                      static_cast<int>(100 * frame_seconds)) +
               size;
    return "dot = 1\nif (strstrt(GPVAL_TERMINALS, 'pngcairo')) {\nset terminal pngcairo linewidth "
           "1" +
           size + "} else {\nset terminal png" + size + "}\n";
}

std::string look() {
    return "set encoding utf8\n"
           "set title font ',28' offset 0,-0.4\n"
           "set tmargin 2.9\n"
           "set xlabel offset 0,0.4\n"
           "set border 3 linecolor '#555555'\n"
           "set tics nomirror out textcolor '#333333'\n"
           "set grid linetype 1 linecolor '#e0e0e0' linewidth 1\n"
           "set format '%g'\n"
           "set key bmargin center horizontal Left reverse samplen 2 spacing 1.2 width 2 height "
           "0.5\n"
           "set autoscale xfix\n"
           "set rmargin 4\n";
}

std::string color(int number) {
    return format("#%06x", palette_entry(number));
}

std::string pale_color(int number) {
    const unsigned full = palette_entry(number);
    unsigned pale = 0;
    for (const int shift : {0, 8, 16}) {
        const unsigned part = full >> shift & 0xFF;
        pale |= (part + 2 * 255) / 3 << shift;  // one part colour, two parts white
    }
    return format("#%06x", pale);
}

bool run(const std::string& script, const std::filesystem::path& path) {
    // gnuplot reads the script from its stdin and draws to its stdout. By its name, stdin is a file
    // like others; without one, gnuplot would read it byte by byte, a system call for each.
    const TemporaryFile in = temporary_file(), out = temporary_file(), errors = temporary_file();
    if (std::fwrite(script.data(), 1, script.size(), in.get()) != script.size() ||
        std::fflush(in.get()) != 0)
        throw Error("gnuplot: the script cannot be written", std::generic_category().message(errno),
                    "room for temporary files");
    std::rewind(in.get());

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ::fileno(in.get()), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ::fileno(out.get()), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ::fileno(errors.get()), STDERR_FILENO);
    std::string program = "gnuplot", no_settings = "-d";  // not what ~/.gnuplot says
    std::string script_file = "/dev/stdin";
    char* const arguments[] = {program.data(), no_settings.data(), script_file.data(), nullptr};
    pid_t child = 0;
    const int failure =
        ::posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        static std::atomic<bool> said = false;
        if (!said.exchange(true))
            std::cerr << "gnuplot cannot be run (" << std::generic_category().message(failure)
                      << "), so there are no plots; Debian has it as gnuplot-nox\n";
        return false;
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }

    const std::string picture = contents(out.get());
    const std::string suffix = path.extension().string();
    const std::string_view start = suffix == ".svg"   ? "<?xml"
                                   : suffix == ".gif" ? "GIF89a"
                                                      : "\x89PNG\r\n\x1a\n";
    const bool drawn = WIFEXITED(status) && WEXITSTATUS(status) == 0 && picture.starts_with(start);
    if (!drawn) {
        std::cerr << "gnuplot failed to draw " << path.string() << ":\n" << contents(errors.get());
        return false;
    }
    write_file_atomically(path, picture);
    return true;
}

}  // namespace handgrad::gnuplot
