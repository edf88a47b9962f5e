#include "train/safetensors.h"

#include <cmath>
#include <cstring>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "layers/batch_norm.h"
#include "layers/linear.h"
#include "layers/residual.h"
#include "layers/sequential.h"
#include "temp_dir.h"

using namespace handgrad;
using namespace std::string_literals;

namespace {

// Written by the Python package safetensors 0.8.0:
//   save({"weight": [[1.5, -2, 0.25], [3, -0.125, 1e-3]], "bias": [0.5, -1],
//         "none": zeros((0, 3)), "scalar": array(7)}, metadata={"made_by": "python"}), float32
const std::string from_python =
    "\x10\x01\0\0\0\0\0\0"s
    R"({"__metadata__":{"made_by":"python"},"bias":{"dtype":"F32","shape":[2],)"
    R"("data_offsets":[0,8]},"none":{"dtype":"F32","shape":[0,3],"data_offsets":[8,8]},)"
    R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
    R"("weight":{"dtype":"F32","shape":[2,3],"data_offsets":[12,36]}} )"
    "\0\0\0?\0\0\x80\xbf\0\0\xe0@\0\0\xc0?\0\0\0\xc0\0\0\x80>\0\0@@\0\0\0\xbeo\x12\x83:"s;
// save({"w": [1/3, -2]}), float64
const std::string doubles_from_python =
    "8\0\0\0\0\0\0\0"s
    R"({"w":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}} )"
    "UUUUUU\xd5?\0\0\0\0\0\0\0\xc0"s;

/// A file with this header, as it stands, and this much data.
std::string file_of(const std::string& header, std::size_t bytes = 0) {
    std::string length(8, '\0');
    const std::uint64_t size = header.size();
    std::memcpy(length.data(), &size, 8);
    return length + header + std::string(bytes, '\1');
}

/// One entry of a header.
std::string entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
    return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}";
}

/// A batch norm and a projection in a Residual in a Sequential, all numbers drawn.
std::unique_ptr<Sequential<float>> make_model(std::uint64_t seed) {
    Random random(seed);
    auto branch = std::make_unique<Sequential<float>>();
    branch->add<Linear<float>>(3, 2, random);
    branch->add<BatchNorm1d<float>>(2);
    auto model = std::make_unique<Sequential<float>>();
    model->add<Residual<float>>(std::move(branch), std::make_unique<Linear<float>>(3, 2, random));
    model->add<BatchNorm1d<float>>(2);
    for (const auto& [name, value] : state_dict(*model)) random.uniform(value, 0.5, 2);
    return model;
}

}  // namespace

TEST_CASE("a file that Python wrote is read") {
    const TempDir dir;
    const auto file = load_safetensors<float>(dir.write("p", from_python));
    REQUIRE(file.metadata == Metadata{{"made_by", "python"}});
    REQUIRE(file.tensors.size() == 4);
    const auto find = [&](const std::string& name) {
        for (const auto& [found, value] : file.tensors)
            if (found == name) return value;
        FAIL(name);
        return Tensor<float>();
    };
    REQUIRE(find("weight").shape() == Shape{2, 3});
    REQUIRE(find("weight").values() == std::vector<float>{1.5, -2, 0.25, 3, -0.125, 1e-3F});
    REQUIRE(find("bias").values() == std::vector<float>{0.5, -1});
    REQUIRE(find("none").shape() == Shape{0, 3});
    REQUIRE(find("scalar").rank() == 0);
    REQUIRE(find("scalar").item() == 7);

    const auto doubles = load_safetensors<double>(dir.write("d", doubles_from_python));
    REQUIRE(doubles.tensors.at(0).value.values() == std::vector<double>{1.0 / 3, -2});
    REQUIRE(doubles.metadata.empty());
}

TEST_CASE("a file is written as Python writes it") {
    const TempDir dir;
    save_safetensors<double>(dir / "d", {{"w", Tensor<double>::from({2}, {1.0 / 3, -2})}});
    REQUIRE(read_file(dir / "d") == doubles_from_python);
    save_safetensors<float>(
        dir / "p",
        {{"bias", Tensor<float>::from({2}, {0.5, -1})},
         {"none", Tensor<float>::zeros({0, 3})},
         {"scalar", Tensor<float>::full({}, 7)},
         {"weight", Tensor<float>::from({2, 3}, {1.5, -2, 0.25, 3, -0.125, 1e-3F})}},
        {{"made_by", "python"}});
    REQUIRE(read_file(dir / "p") == from_python);
    save_safetensors<float>(dir / "empty", {});
    REQUIRE(read_file(dir / "empty") == file_of("{}      "));
    REQUIRE(load_safetensors<float>(dir / "empty").tensors.empty());
}

TEST_CASE("tensors keep their order, bits, names and metadata through a file") {
    const TempDir dir;
    const std::vector<float> odd = {std::nanf(""), -0.0F, INFINITY, 1e-45F, 3.4e38F};
    const std::vector<NamedTensor<float>> tensors = {
        {"z \"\u00e9\"\n", Tensor<float>::from({5}, odd)},
        {"a", Tensor<float>::zeros({1, 2, 3, 1, 2, 3})},
        {"", Tensor<float>::full({}, 2)},
    };
    save_safetensors(dir / "f", tensors, {{"", "x"}, {"k", "\u00e9 \\ \""}});
    REQUIRE(read_file(dir / "f").find('}') != std::string::npos);
    const auto file = load_safetensors<float>(dir / "f");
    REQUIRE(file.metadata == Metadata{{"", "x"}, {"k", "\u00e9 \\ \""}});
    REQUIRE(file.tensors.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        REQUIRE(file.tensors[i].name == tensors[i].name);
        REQUIRE(file.tensors[i].value.shape() == tensors[i].value.shape());
        REQUIRE(std::memcmp(file.tensors[i].value.data(), tensors[i].value.data(),
                            static_cast<std::size_t>(tensors[i].value.size()) * 4) == 0);
    }
}

TEST_CASE("save_safetensors refuses names that cannot be told apart, or written") {
    const TempDir dir;
    const auto x = Tensor<float>::zeros({1});
    REQUIRE_THROWS_WITH(save_safetensors<float>(dir / "f", {{"w", x}, {"w", x}}),
                        ContainsSubstring("'w' again"));
    REQUIRE_THROWS_AS(save_safetensors<float>(dir / "f", {{"__metadata__", x}}), Error);
    REQUIRE_THROWS_AS(save_safetensors<float>(dir / "f", {{"w", Tensor<float>()}}), Error);
    REQUIRE_THROWS_AS(save_safetensors<float>(dir / "f", {{"\xff", x}}), Error);
    REQUIRE_FALSE(std::filesystem::exists(dir / "f"));
    REQUIRE_THROWS_AS(save_safetensors<float>(dir / "none/f", {{"w", x}}), Error);
}

TEST_CASE("load_safetensors refuses a hostile file, naming it and what is wrong") {
    const TempDir dir;
    const auto refused = [&](const std::string& bytes, const std::string& reason) {
        INFO(reason);
        const auto path = dir.write("hostile", bytes);
        REQUIRE_THROWS_WITH(load_safetensors<float>(path),
                            ContainsSubstring(path.string()) && ContainsSubstring(reason));
        REQUIRE_THROWS_AS(load_safetensors<float>(path), Error);
    };
    const auto one = [&](const std::string& shape, const std::string& offsets,
                         const std::string& dtype = "F32") {
        return file_of("{" + entry("w", shape, offsets, dtype) + "}", 16);
    };
    REQUIRE_NOTHROW(load_safetensors<float>(dir.write("good", one("[4]", "[0,16]"))));

    // The header's length
    refused("", "0 bytes");
    refused("1234567", "7 bytes");
    refused("\x03\0\0\0\0\0\0\0{}"s, "a header of 3 bytes in a file of 10");
    refused("\xff\xff\xff\xff\xff\xff\xff\xff{}", "18446744073709551615");
    refused("\xf8\xff\xff\xff\xff\xff\xff\xff{}", "18446744073709551608");
    refused(std::string(8, '\0'), "JSON");
    // The header
    for (const char* bad : {"{", "{\"w\":", "nonsense", "{} x", "{\"a\":1,}", "\xff"})
        refused(file_of(bad), "JSON");
    refused(file_of("[]"), "no object");
    refused(file_of("3"), "no object");
    refused(file_of("{\"w\":" + std::string(1000, '[') + std::string(1000, ']') + "}"), "nesting");
    refused(file_of(std::string(100000, '[')), "nesting");
    refused(
        file_of("{" + entry("w", "[4]", "[0,16]") + "," + entry("w", "[4]", "[0,16]") + "}", 16),
        "'w' twice");
    refused(file_of(R"({"w":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}})"),
            "'dtype' twice");
    refused(file_of(R"({"__metadata__":{"a":1}})"), "metadata 'a'");
    refused(file_of(R"({"__metadata__":[]})"), "metadata");
    // An entry
    for (const char* bad : {"3", "{}", "[]", R"({"dtype":"F32","shape":[0]})",
                            R"({"dtype":"F32","data_offsets":[0,0]})",
                            R"({"dtype":3,"shape":[0],"data_offsets":[0,0]})"})
        refused(file_of("{\"w\":"s + bad + "}"), "tensor 'w'");
    for (const char* shape : {"[-4]", "[4.0]", "4", "[\"4\"]", "[null]", "[1e1]"})
        refused(one(shape, "[0,16]"), "tensor 'w'");
    for (const char* offsets :
         {"[0]", "[0,16,16]", "[-1,16]", "[0,1e9]", "16", "[0,\"16\"]", "[0,99999999999999999999]"})
        refused(one("[4]", offsets), "tensor 'w'");
    for (const char* dtype : {"BF16", "F16", "F64", "I32", "f32", ""})
        refused(one("[4]", "[0,16]", dtype), "tensor 'w' of "s + dtype);
    refused(one("[[4]]", "[0,16]"), "nesting");
    // Sizes
    refused(one("[3]", "[0,16]"), "tensor 'w' of shape (3)");
    refused(one("[5]", "[0,16]"), "tensor 'w' of shape (5)");
    refused(one("[4]", "[0,15]"), "tensor 'w'");
    refused(one("[4]", "[16,0]"), "tensor 'w'");
    refused(one("[0]", "[16,0]"), "tensor 'w'");
    refused(one("[4611686018427387902]", "[8,0]"), "tensor 'w' of shape (46");  // 2^64 - 8 bytes
    refused(one("[4]", "[4,20]"), "a start at 0");
    refused(one("[3]", "[4,16]"), "a start at 0");
    refused(one("[3]", "[0,12]"), "16 bytes of data");
    refused(one("[8]", "[0,32]"), "within the file");
    refused(one("[4]", "[18446744073709551600,0]"), "tensor 'w'");   // its end wraps around
    refused(one("[4611686018427387904]", "[0,0]"), "tensor 'w'");    // times 4 bytes wraps to 0
    refused(one("[4294967296,4294967296]", "[0,0]"), "tensor 'w'");  // the product wraps to 0
    refused(one("[18446744073709551615]", "[0,16]"), "tensor 'w'");
    refused(one("[1,1,1,1,1,1,4]", "[0,16]"), "tensor 'w'");
    // Two tensors
    const auto two = [&](const std::string& a, const std::string& b) {
        return file_of("{" + entry("a", "[2]", a) + "," + entry("b", "[2]", b) + "}", 16);
    };
    REQUIRE_NOTHROW(load_safetensors<float>(dir.write("good", two("[8,16]", "[0,8]"))));
    refused(two("[0,8]", "[0,8]"), "tensor 'b'");
    refused(two("[0,8]", "[4,12]"), "tensor 'b'");
    refused(two("[0,8]", "[12,20]"), "tensor 'b'");
    refused(two("[4,12]", "[8,16]"), "tensor 'a'");

    const std::string good = from_python;
    for (std::size_t n = 0; n < good.size(); ++n)  // cut short anywhere
        refused(good.substr(0, n), "load_safetensors");
    refused(good + "x", "37 bytes of data");
    REQUIRE_THROWS_AS(load_safetensors<float>(dir / "none"), Error);
}

TEST_CASE("a model is saved with its buffers and loaded into a new one, equal") {
    const TempDir dir;
    const auto saved = make_model(0), loaded = make_model(1);
    const auto state = state_dict(*saved), target = state_dict(*loaded);
    std::string names;
    for (const auto& [name, value] : state) names += name + " ";
    REQUIRE(names ==
            "0.inner.0.weight 0.inner.0.bias 0.inner.1.weight 0.inner.1.bias 0.shortcut.weight "
            "0.shortcut.bias 1.weight 1.bias 0.inner.1.running_mean 0.inner.1.running_var "
            "1.running_mean 1.running_var ");
    save_model(dir / "m", *saved, {{"epoch", "3"}});
    // An optimiser holds handles such as these, and sees the new values.
    REQUIRE(load_model(dir / "m", *loaded) == Metadata{{"epoch", "3"}});
    for (std::size_t i = 0; i < state.size(); ++i) {
        REQUIRE(target[i].name == state[i].name);
        REQUIRE(target[i].value.values() == state[i].value.values());
        REQUIRE(target[i].value.data() != state[i].value.data());
    }
    const auto x = Tensor<float>::from({2, 3}, {1, -2, 3, 0.5, 4, -1});
    for (const bool training : {false, true}) {
        saved->train(training);
        loaded->train(training);
        REQUIRE(saved->forward(x).values() == loaded->forward(x).values());
    }
}

TEST_CASE("load_model names all that does not fit and changes nothing") {
    const TempDir dir;
    Random random(0);
    Sequential<float> model;
    model.add<Linear<float>>(2, 2, random);
    model.add<BatchNorm1d<float>>(2, BatchNormOptions{.affine = false});
    std::vector<std::vector<float>> before;
    for (const auto& [name, value] : state_dict(model)) before.push_back(value.values());
    const auto zeros = [](const Shape& shape) { return Tensor<float>::zeros(shape); };
    save_safetensors<float>(
        dir / "m",
        {{"0.weight", zeros({4})}, {"2.weight", zeros({2, 2})}, {"1.running_mean", zeros({2})}});
    REQUIRE_THROWS_WITH(load_model(dir / "m", model),
                        ContainsSubstring("load_model") &&
                            ContainsSubstring("'0.weight' of shape (4) for one of (2, 2)") &&
                            ContainsSubstring("missing '0.bias'") &&
                            ContainsSubstring("missing '1.running_var'") &&
                            ContainsSubstring("not expected '2.weight'"));
    save_safetensors<double>(dir / "m", {{"0.weight", Tensor<double>::zeros({2, 2})}});
    REQUIRE_THROWS_WITH(load_model(dir / "m", model), ContainsSubstring("F64"));
    const auto after = state_dict(model);
    for (std::size_t i = 0; i < after.size(); ++i) REQUIRE(after[i].value.values() == before[i]);
}
