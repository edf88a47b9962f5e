#include "data/image_set.h"

#include <algorithm>
#include <cstdlib>

#include "catch.h"
#include "core/error.h"
#include "core/random.h"
#include "data/digits.h"
#include "data/own_machine.h"

using namespace handgrad;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

class Machine : public OwnMachine {
  public:
    [[nodiscard]] ImageSet load(const std::optional<std::string>& data = std::nullopt) const {
        return load_image_set(data, dir / "system");
    }
};

std::string sizes(std::initializer_list<int> numbers) {
    std::string bytes;
    for (const int n : numbers) bytes += "\0\0\0"s + static_cast<char>(n);
    return bytes;
}

/// A set of three images to train on and two to test with, of 1x2 pixels, written into `folder`.
/// The first pixel is `mark`, to tell sets apart.
void write_set(const TempDir& dir, const std::string& folder, int mark) {
    const auto images = [&](int n) {
        std::string bytes = "\0\0\x08\x03"s + sizes({n, 1, 2});
        for (int i = 0; i < n; ++i) bytes += std::string{static_cast<char>(mark), '\xff'};
        return bytes;
    };
    const auto labels = [](const std::string& s) {
        return "\0\0\x08\x01"s + sizes({static_cast<int>(s.size())}) + s;
    };
    dir.write(folder + "/train-images-idx3-ubyte", images(3));
    dir.write(folder + "/train-labels-idx1-ubyte", labels("\0\x09\x04"s));
    dir.write(folder + "/t10k-images-idx3-ubyte", images(2));
    dir.write(folder + "/t10k-labels-idx1-ubyte", labels("\x01\x02"s));
}

int mark_of(const ImageSet& set) {
    return static_cast<int>(set.train.x(0, 0) * 255 + 0.5F);
}

}  // namespace

TEST_CASE("load_image_set reads a folder") {
    const Machine machine;
    write_set(machine.dir, "here", 51);
    for (const std::string suffix : {"", "/"}) {
        const ImageSet set = machine.load((machine.dir / "here").string() + suffix);
        REQUIRE(set.train.x.shape() == Shape{3, 2});
        REQUIRE(set.train.x.values() == std::vector<float>{0.2F, 1, 0.2F, 1, 0.2F, 1});
        REQUIRE(set.train.y.values() == std::vector<std::int32_t>{0, 9, 4});
        REQUIRE(set.train.sample == Shape{1, 2});
        REQUIRE(set.train.name == "mnist");
        REQUIRE(set.train.classes == digit_classes());
        REQUIRE_THAT(set.train.source, ContainsSubstring("here"));
        REQUIRE(set.test.x.shape() == Shape{2, 2});
        REQUIRE(set.test.y.values() == std::vector<std::int32_t>{1, 2});
    }
}

TEST_CASE("load_image_set looks into mnist and fashion-mnist, in this order") {
    const Machine machine;
    const std::string folder = (machine.dir / "sets").string();
    write_set(machine.dir, "sets/fashion-mnist", 2);
    const ImageSet fashion = machine.load(folder);
    REQUIRE(mark_of(fashion) == 2);
    REQUIRE(fashion.test.name == "fashion-mnist");
    REQUIRE(fashion.test.classes == fashion_mnist_classes());
    write_set(machine.dir, "sets/mnist", 3);
    REQUIRE(mark_of(machine.load(folder)) == 3);
    write_set(machine.dir, "sets", 4);
    REQUIRE(mark_of(machine.load(folder)) == 4);
    REQUIRE(mark_of(machine.load(folder + "/fashion-mnist/")) == 2);
}

TEST_CASE("load_image_set tells Fashion-MNIST by its folder, not by the ones around it") {
    const Machine machine;
    write_set(machine.dir, "fashion/mnist", 1);
    REQUIRE(machine.load((machine.dir / "fashion").string()).train.name == "mnist");
    fs::create_directories(machine.dir / "my-fashion");
    write_set(machine.dir, "my-fashion", 1);
    fs::current_path(machine.dir / "my-fashion");
    REQUIRE(machine.load(".").train.name == "fashion-mnist");
}

TEST_CASE("load_image_set looks through the places in order") {
    const Machine machine;
    REQUIRE(machine.load().train.source == "embedded");
    write_set(machine.dir, "system/fashion-mnist", 1);
    REQUIRE(mark_of(machine.load()) == 1);
    write_set(machine.dir, "work/data/downloads/fashion-mnist", 2);
    REQUIRE(mark_of(machine.load()) == 2);
    write_set(machine.dir, "work/data/downloads/mnist", 3);
    REQUIRE(mark_of(machine.load()) == 3);
    write_set(machine.dir, "elsewhere", 4);
    setenv("HANDGRAD_DATA", (machine.dir / "elsewhere").c_str(), 1);
    REQUIRE(mark_of(machine.load()) == 4);
    write_set(machine.dir, "named", 5);
    REQUIRE(mark_of(machine.load((machine.dir / "named").string())) == 5);

    REQUIRE(machine.load("embedded").train.source == "embedded");
    REQUIRE(mark_of(machine.load("mnist")) == 4);
    REQUIRE(mark_of(machine.load("fashion-mnist")) == 2);
    setenv("HANDGRAD_DATA", "", 1);
    REQUIRE(mark_of(machine.load("mnist")) == 3);
}

TEST_CASE("load_image_set finds no set by name") {
    const Machine machine;
    write_set(machine.dir, "work/data/downloads/mnist", 3);
    setenv("HANDGRAD_DATA", "/nowhere", 1);
    REQUIRE(mark_of(machine.load("mnist")) == 3);
    REQUIRE_THROWS_AS(machine.load("fashion-mnist"), MissingSet);
    REQUIRE_THROWS_WITH(machine.load("fashion-mnist"),
                        ContainsSubstring("--data fashion-mnist: not found") &&
                            ContainsSubstring("/nowhere, data/downloads, ") &&
                            ContainsSubstring((machine.dir / "system").string()) &&
                            ContainsSubstring("make data"));
}

TEST_CASE("load_image_set never falls back from what a user named") {
    const Machine machine;
    write_set(machine.dir, "work/data/downloads/mnist", 3);
    write_set(machine.dir, "work/mnist", 4);  // which "" must not mean
    const std::string empty = (machine.dir / "empty").string();
    fs::create_directories(empty);
    const std::string file = machine.dir.write("file", "text").string();
    for (const std::string& bad : {empty, empty + "/missing", file, ""s}) {
        INFO("'" << bad << "'");
        REQUIRE_THROWS_AS(machine.load(bad), Error);
        REQUIRE_THROWS_WITH(machine.load(bad), ContainsSubstring("--data: no data set there") &&
                                                   ContainsSubstring("'" + bad + "'") &&
                                                   ContainsSubstring("make data"));
        if (bad != empty) REQUIRE_THROWS_WITH(machine.load(bad), ContainsSubstring("not a folder"));
    }
    setenv("HANDGRAD_DATA", empty.c_str(), 1);
    REQUIRE_THROWS_WITH(machine.load(), ContainsSubstring("HANDGRAD_DATA: no data set there"));
}

TEST_CASE("load_image_set refuses an incomplete or damaged set") {
    const Machine machine;
    const std::string folder = "work/data/downloads/mnist";
    const fs::path path = machine.dir / folder;
    const auto refused = [&](const std::string& found) {
        REQUIRE_THROWS_AS(machine.load(), Error);
        REQUIRE_THROWS_WITH(machine.load(),
                            ContainsSubstring("data/downloads/mnist") && ContainsSubstring(found));
    };
    for (const std::string stem : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                   "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
        write_set(machine.dir, folder, 1);
        fs::remove(path / stem);
        refused("no " + stem);
        fs::create_directories(path / stem);
        refused("a folder");
        fs::remove(path / stem);
    }

    write_set(machine.dir, folder, 1);
    fs::rename(path / "t10k-images-idx3-ubyte", path / "train-images-idx3-ubyte");
    refused("no t10k-images-idx3-ubyte");
    fs::copy_file(path / "train-images-idx3-ubyte", path / "t10k-images-idx3-ubyte");
    refused("2 samples and 3 labels");

    write_set(machine.dir, folder, 1);
    machine.dir.write(folder + "/t10k-labels-idx1-ubyte",
                      "\0\0\x08\x01"s + sizes({2}) + "\x01\x0a");
    refused("the label 10 in row 1");

    write_set(machine.dir, folder, 1);
    machine.dir.write(folder + "/t10k-images-idx3-ubyte",
                      "\0\0\x08\x03"s + sizes({2, 2, 1}) + "abcd");
    refused("(2, 1) to test");

    write_set(machine.dir, folder, 1);
    machine.dir.write(folder + "/train-images-idx3-ubyte", "\0\0\x08\x03"s + sizes({0, 1, 2}));
    machine.dir.write(folder + "/train-labels-idx1-ubyte", "\0\0\x08\x01"s + sizes({0}));
    refused("at least one sample");

    write_set(machine.dir, folder, 1);
    machine.dir.write(folder + "/train-images-idx3-ubyte", "<html>not found</html>");
    refused("not an IDX file");
    bool missing = false;
    try {
        static_cast<void>(machine.load("mnist"));
    } catch (const MissingSet&) {
        missing = true;
    } catch (const Error&) {
    }
    REQUIRE_FALSE(missing);
}

TEST_CASE("load_image_set splits the embedded digits as it says") {
    const ImageSet set = load_image_set("embedded");
    REQUIRE(set.train.size() == 1437);
    REQUIRE(set.test.size() == 360);
    const Dataset digits = load_digits();
    const std::vector<Index> order = numpy_permutation(42, 1797);
    REQUIRE(set.train.y(0) == digits.y(order[0]));
    REQUIRE(set.test.y(359) == digits.y(order[1796]));
    REQUIRE(set.test.x(0, 20) == digits.x(order[1437], 20));
}

namespace {

/// What is known of the published sets: 60,000 and 10,000 images of 28x28.
void check_published(const ImageSet& set, double mean, const std::vector<std::int32_t>& first) {
    REQUIRE(set.train.x.shape() == Shape{60000, 784});
    REQUIRE(set.test.x.shape() == Shape{10000, 784});
    REQUIRE(set.train.sample == Shape{28, 28});
    double sum = 0;
    for (const float pixel : set.train.x.span()) sum += double{pixel};
    REQUIRE(std::abs(sum / (60000.0 * 784) - mean) < 5e-5);
    for (std::size_t i = 0; i < first.size(); ++i) REQUIRE(set.train.y.data()[i] == first[i]);
    for (std::int32_t c = 0; c < 10; ++c) {
        const auto labels = set.test.y.span();
        REQUIRE(std::count(labels.begin(), labels.end(), c) >= 892);
    }
}

}  // namespace

// These two need the real files, and pass quietly where there are none.

TEST_CASE("load_image_set reads Fashion-MNIST where it is installed") {
    if (!fs::exists("/usr/share/datasets/fashion-mnist")) return;
    const ImageSet set = load_image_set("/usr/share/datasets/fashion-mnist");
    REQUIRE(set.train.classes[9] == "Ankle boot");
    check_published(set, 0.2860, {9, 0, 0, 3, 0});
}

TEST_CASE("load_image_set reads MNIST from HANDGRAD_DATA") {
    if (std::getenv("HANDGRAD_DATA") == nullptr) return;
    const ImageSet set = load_image_set();
    if (set.train.name == "mnist")
        check_published(set, 0.1307, {5, 0, 4, 1, 9});
    else
        check_published(set, 0.2860, {9, 0, 0, 3, 0});
}
