#include "report/progress.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "allocation_count.h"
#include "catch.h"
#include "temp_dir.h"

using namespace handgrad;

namespace {

/// A terminal of our own: what is printed to `out` can be read back.
class Terminal {
  public:
    explicit Terminal(unsigned columns) : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
        REQUIRE(master_ >= 0);
        REQUIRE(::grantpt(master_) == 0);
        REQUIRE(::unlockpt(master_) == 0);
        out = std::fopen(::ptsname(master_), "w");
        REQUIRE(out != nullptr);
        const winsize size{24, static_cast<unsigned short>(columns), 0, 0};
        REQUIRE(::ioctl(::fileno(out), TIOCSWINSZ, &size) == 0);
        ::fcntl(master_, F_SETFL, O_NONBLOCK);
    }
    ~Terminal() {
        std::fclose(out);
        ::close(master_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    std::string shown() {
        std::string text;
        char part[4096];
        while (true) {
            const ssize_t got = ::read(master_, part, sizeof part);
            if (got <= 0) return text;
            text.append(part, static_cast<std::size_t>(got));
        }
    }

    std::FILE* out = nullptr;

  private:
    int master_;
};

using namespace std::chrono_literals;

}  // namespace

TEST_CASE("a progress bar draws on a terminal, within its width, and clears itself") {
    for (const unsigned columns : {200U, 80U, 60U, 20U}) {
        Terminal terminal(columns);
        {
            ProgressBar bar("epoch 1/2", 1000, "samples", terminal.out);
            for (int i = 0; i < 3; ++i) {
                std::this_thread::sleep_for(110ms);
                bar.advance(200);
            }
        }
        std::string text = terminal.shown();
        const std::string clear = "\r\033[K";
        REQUIRE(text.ends_with(clear));
        REQUIRE_THAT(text, ContainsSubstring("  0 %") && ContainsSubstring("40 %"));
        if (columns >= 80)
            REQUIRE_THAT(text, ContainsSubstring("epoch 1/2  [=") &&
                                   ContainsSubstring("400/1000") &&
                                   ContainsSubstring("samples/s  0:00 left"));
        std::size_t start = 0;  // every line, from one carriage return to the next
        while ((start = text.find('\r', start)) != std::string::npos) {
            const std::size_t end = text.find("\033[K", ++start);
            REQUIRE(end != std::string::npos);
            REQUIRE(end - start < columns);
        }
    }
}

TEST_CASE("a progress bar redraws about ten times a second, not at each step") {
    Terminal terminal(80);
    ProgressBar bar("x", 1 << 30, "steps", terminal.out);
    const auto start = std::chrono::steady_clock::now();
    Index steps = 0;
    while (std::chrono::steady_clock::now() - start < 350ms) bar.advance(), ++steps;
    bar.finish();
    const std::string text = terminal.shown();
    const auto draws = std::count(text.begin(), text.end(), '[') / 2;  // "[=== ]" and "\033[K"
    REQUIRE(steps > 1000);
    REQUIRE(draws >= 2);
    REQUIRE(draws <= 6);
    bar.advance(5);  // after the end: nothing
    REQUIRE(terminal.shown().empty());
}

TEST_CASE("a progress bar survives nothing to do, and more done than there was") {
    Terminal terminal(80);
    { const ProgressBar bar("none", 0, "samples", terminal.out); }
    ProgressBar bar("more", 2, "samples", terminal.out);
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(110ms);
        bar.advance(2);
    }
    REQUIRE_THAT(terminal.shown(), ContainsSubstring("100 %  2/2"));
}

TEST_CASE("a progress bar writes nothing to a file, and its updates allocate nothing") {
    const TempDir dir;
    std::FILE* file = std::fopen((dir / "log").c_str(), "w");
    {
        ProgressBar bar("epoch", 10, "samples", file);
        for (int i = 0; i < 10; ++i) bar.advance();
    }
    REQUIRE(std::ftell(file) == 0);
    std::fclose(file);

    Terminal terminal(80);
    ProgressBar bar("a label too long for a short string", 1000, "samples", terminal.out);
    const std::size_t before = operator_new_calls();
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(110ms);
        bar.advance();
    }
    REQUIRE(operator_new_calls() == before);
}
