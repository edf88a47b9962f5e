#include "data/notebook_sets.h"

#include <cmath>
#include <cstdlib>

#include "catch.h"
#include "core/error.h"
#include "data/digits.h"
#include "data/npy.h"
#include "data/own_machine.h"
#include "golden.h"
#include "report/png.h"

using namespace handgrad;
namespace fs = std::filesystem;

namespace {

class Machine : public OwnMachine {
  public:
    [[nodiscard]] std::string path(const std::string& name) const { return (dir / name).string(); }
    /// One image for each of these folders, with grey = number of the folder.
    void write_images(const std::string& folder, const std::vector<std::string>& classes) const {
        for (std::size_t i = 0; i < classes.size(); ++i) {
            const std::string file = folder + "/" + classes[i] + "/x.png";
            dir.write(file, "");
            write_png(dir / file, std::vector<std::uint8_t>(16, static_cast<std::uint8_t>(i)), 4,
                      4);
        }
    }
    void write_arrays(const std::string& folder, const Tensor<float>& x,
                      const Tensor<double>& y) const {
        fs::create_directories(dir / folder);
        write_npy(dir / folder / "X.npy", x);
        write_npy(dir / folder / "Y.npy", y);
    }
};

/// The digest that tools/make_golden.py makes of row numbers.
bool same_rows(const std::vector<Index>& rows, const nlohmann::json& expected) {
    const auto head = expected["head"].get<std::vector<Index>>();
    Index sum = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) sum += static_cast<Index>(i + 1) * rows[i];
    return std::ssize(rows) == expected["n"].get<Index>() && sum == expected["weighted_sum"] &&
           std::equal(head.begin(), head.end(), rows.begin());
}

}  // namespace

TEST_CASE("split_rows gives scikit-learn's rows", "[notebook_sets][golden]") {
    const auto splits = golden("notebook_sets")["splits"];
    for (const auto& split : splits) {
        const Index n = split["train"]["n"].get<Index>() + split["val"]["n"].get<Index>();
        INFO(n << " samples, seed " << split["seed"]);
        const RowSplit rows = split_rows(n, 0.2, split["seed"].get<std::uint32_t>());
        REQUIRE(same_rows(rows.train, split["train"]));
        REQUIRE(same_rows(rows.val, split["val"]));
    }
    const RowSplit rows = split_rows(2062);
    REQUIRE(rows.train.size() == 1649);
    REQUIRE(std::vector<Index>(rows.val.begin(), rows.val.begin() + 5) ==
            std::vector<Index>{1303, 2027, 693, 1914, 29});
    REQUIRE(split_rows(411).val.size() == 83);
    for (const double fraction : {0.0, 1.0, -0.5, 0.9, std::nan("")})
        REQUIRE_THROWS_AS(split_rows(5, fraction), Error);
    REQUIRE_THROWS_AS(split_rows(1), Error);
    REQUIRE_THROWS_AS(split_rows(0), Error);
}

TEST_CASE("get_dataset gives scikit-learn's numbers", "[notebook_sets][golden]") {
    const TrainVal<Dataset> parts = get_dataset(load_digits());
    const auto digits = golden("notebook_sets")["digits"];
    for (const auto& expected : digits) {
        const Dataset& part = expected["part"] == "train" ? parts.train : parts.val;
        REQUIRE(part.x.shape().str() == Shape{part.size(), 64}.str());
        REQUIRE(part.size() == expected["shape"][0].get<Index>());
        const auto labels = expected["labels"].get<std::vector<std::int32_t>>();
        REQUIRE(std::equal(labels.begin(), labels.end(), part.y.data()));
        for (Index k = 0; k < 64; ++k) {
            const auto column = static_cast<std::size_t>(k);
            double sum = 0;
            for (Index i = 0; i < part.size(); ++i) sum += static_cast<double>(part.x(i, k));
            REQUIRE(std::abs(sum - expected["column_sums"][column].get<double>()) <= 1e-3);
            REQUIRE(std::abs(static_cast<double>(part.x(0, k)) -
                             expected["first_row"][column].get<double>()) <= 1e-6);
        }
    }
}

TEST_CASE("get_dataset can keep the validation set out of the scaler", "[notebook_sets]") {
    // The greatest value of all is in row 1, which the split of five gives to the validation set.
    const Dataset set{
        "five",  Tensor<float>::from({5, 1}, {0, 9, 1, 2, 3}), Labels::zeros({5}), {1}, {"all"},
        "a test"};
    const auto leaking = get_dataset(set);
    REQUIRE(leaking.val.x(0, 0) == 0.5F);
    const auto clean = get_dataset(set, ScaledBy::training_rows);
    REQUIRE(clean.val.x(0, 0) == 2.5F);
    const auto values = clean.train.x.values();
    REQUIRE(*std::min_element(values.begin(), values.end()) == -0.5F);
    REQUIRE(*std::max_element(values.begin(), values.end()) == 0.5F);
}

TEST_CASE("two_classes puts one class before the other", "[notebook_sets]") {
    const Dataset digits = load_digits();
    const Dataset pair = two_classes(digits, 7, 2);
    REQUIRE(pair.classes == std::vector<std::string>{"7", "2"});
    const auto sevens = std::count(digits.y.data(), digits.y.data() + digits.size(), 7);
    const auto twos = std::count(digits.y.data(), digits.y.data() + digits.size(), 2);
    REQUIRE(pair.size() == sevens + twos);
    for (Index i = 0; i < pair.size(); ++i) REQUIRE(pair.y(i) == (i < sevens ? 0 : 1));
    const auto first_seven = std::find(digits.y.data(), digits.y.data() + digits.size(), 7);
    const Index row = first_seven - digits.y.data();
    REQUIRE(pair.x.rows(0, 1).values() == digits.x.rows(row, row + 1).values());
    pair.validate();
    REQUIRE_THROWS_WITH(two_classes(digits, 7, 10), ContainsSubstring("7 and 10"));
    REQUIRE_THROWS_AS(two_classes(digits, 7, 7), Error);
    REQUIRE_THROWS_AS(two_classes(digits, -1, 7), Error);
    REQUIRE_THROWS_AS(two_classes(pair.rows(0, 5), 0, 1), Error);
}

TEST_CASE("the sets are found as folders of images", "[notebook_sets]") {
    const Machine machine;
    machine.write_images("data/sign-language-digits/Dataset", digit_classes());
    machine.write_images("data/dogs-cats", {"cats", "dogs"});
    for (const std::string folder :
         {"data", "data/sign-language-digits", "data/sign-language-digits/Dataset"}) {
        const NotebookSet signs = load_sign_digits(machine.path(folder), machine.dir / "cache");
        REQUIRE_FALSE(signs.stand_in);
        REQUIRE(signs.set.name == "sign-language-digits");
        REQUIRE(signs.set.x.shape() == Shape{10, 4096});
        REQUIRE(signs.set.classes == digit_classes());
        REQUIRE(signs.set.x(9, 0) == Approx(9.0 / 255));
        REQUIRE_THAT(signs.note, ContainsSubstring("10 images of 64x64 grey pixels in 10 classes"));
    }
    const NotebookSet pets = load_dogs_cats(machine.path("data"));
    REQUIRE(pets.set.classes == std::vector<std::string>{"cat", "dog"});
    REQUIRE(pets.set.y.values() == std::vector<std::int32_t>{0, 1});

    setenv("HANDGRAD_DATA", machine.path("data").c_str(), 1);
    REQUIRE_FALSE(load_dogs_cats().stand_in);
    REQUIRE(load_dogs_cats("embedded").stand_in);

    machine.write_images("data/dogs-cats", {"foxes"});
    REQUIRE_THROWS_WITH(load_dogs_cats(), ContainsSubstring("cats, dogs, foxes"));
}

TEST_CASE("the sets are found as the notebook's arrays", "[notebook_sets]") {
    const Machine machine;
    auto one_hot = Tensor<double>::zeros({10, 10});
    for (Index i = 0; i < 10; ++i) one_hot(i, i) = 1;
    auto x = Tensor<float>::zeros({10, 3, 2});
    x(4, 2, 1) = 0.75F;
    machine.write_arrays("signs", x, one_hot);
    const NotebookSet signs = load_sign_digits(machine.path("signs"));
    REQUIRE(signs.set.y.values() == std::vector<std::int32_t>{9, 0, 7, 6, 1, 8, 4, 3, 2, 5});
    REQUIRE(signs.set.sample == Shape{3, 2});
    REQUIRE(signs.set.x(4, 5) == 0.75F);

    // Arrays of two classes are no sign digits, and the other way round.
    auto pixels = Tensor<float>::zeros({2, 3, 2});
    pixels(1, 0, 0) = 51;
    machine.write_arrays("pets", pixels, Tensor<double>::from({2}, {0, 1}));
    REQUIRE(load_dogs_cats(machine.path("pets")).set.x(1, 0) == 0.2F);
    REQUIRE_THROWS_WITH(load_sign_digits(machine.path("pets")),
                        ContainsSubstring("no sign-language-digits in"));
    REQUIRE_THROWS_WITH(load_dogs_cats(machine.path("signs")),
                        ContainsSubstring("no dogs-cats in"));

    one_hot(3, 4) = 1;
    machine.write_arrays("signs", x, one_hot);
    REQUIRE_THROWS_WITH(load_sign_digits(machine.path("signs")), ContainsSubstring("row 3"));
    machine.write_arrays("pets", pixels, Tensor<double>::from({3}, {0, 1, 1}));
    REQUIRE_THROWS_WITH(load_dogs_cats(machine.path("pets")), ContainsSubstring("X.npy"));
    pixels(0, 0, 0) = -1;
    machine.write_arrays("pets", pixels, Tensor<double>::from({2}, {0, 1}));
    REQUIRE_THROWS_WITH(load_dogs_cats(machine.path("pets")), ContainsSubstring("-1 to 51"));
}

TEST_CASE("the embedded digits stand in, and say so", "[notebook_sets]") {
    const Machine machine;
    const NotebookSet signs = load_sign_digits();
    REQUIRE(signs.stand_in);
    REQUIRE(signs.set.classes == digit_classes());
    REQUIRE_THAT(signs.note, ContainsSubstring("the sign-language digits were not found in "
                                               "data/downloads") &&
                                 ContainsSubstring("stand in for them"));
    setenv("HANDGRAD_DATA", machine.path("nowhere").c_str(), 1);
    const NotebookSet pets = load_dogs_cats();
    REQUIRE(pets.stand_in);
    REQUIRE_THAT(pets.note, ContainsSubstring("nowhere or data/downloads"));
    REQUIRE(pets.set.classes == std::vector<std::string>{"even", "odd"});
    REQUIRE(std::is_sorted(pets.set.y.data(), pets.set.y.data() + pets.set.size()));
    pets.set.validate();
    REQUIRE_THROWS_WITH(load_sign_digits(machine.path("nowhere")),
                        ContainsSubstring("nowhere") && ContainsSubstring("make data"));
}
