#include "data/data_loader.h"

#include <algorithm>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "golden.h"
#include "gpus.h"

using namespace handgrad;

namespace {

/// n samples (i, 2i, 3i) of the classes i % 10.
Dataset counting(Index n) {
    Dataset set{"counting", Tensor<float>::empty({n, 3}),          Labels::empty({n}),
                {3},        std::vector<std::string>(10, "class"), "a test"};
    for (Index i = 0; i < n; ++i) {
        for (Index f = 0; f < 3; ++f) set.x(i, f) = static_cast<float>((f + 1) * i);
        set.y(i) = static_cast<std::int32_t>(i % 10);
    }
    return set;
}

/// The numbers of the samples in a batch of counting(), each row checked to be whole.
std::vector<Index> rows_of(const Batch& batch) {
    REQUIRE(batch.x.rank() == 2);
    REQUIRE(batch.x.dim(1) == 3);
    REQUIRE(batch.y.shape() == Shape{batch.x.dim(0)});
    std::vector<Index> rows;
    for (Index i = 0; i < batch.x.dim(0); ++i) {
        const float number = batch.x(i, 0);
        REQUIRE(batch.x(i, 1) == 2 * number);
        REQUIRE(batch.x(i, 2) == 3 * number);
        rows.push_back(static_cast<Index>(number));
        REQUIRE(batch.y(i) == rows.back() % 10);
    }
    return rows;
}

using Epoch = std::vector<std::vector<Index>>;

Epoch epoch_of(DataLoader& loader) {
    Epoch epoch;
    for (const Batch& batch : loader) epoch.push_back(rows_of(batch));
    return epoch;
}

}  // namespace

TEST_CASE("DataLoader gives the batches of PyTorch's, epoch after epoch", "[golden]") {
    const nlohmann::json values = golden("data_loader");
    REQUIRE(values["loaders"].size() >= 4);
    for (const auto& golden_loader : values["loaders"]) {
        INFO(golden_loader["n"] << " samples in batches of " << golden_loader["batch_size"]);
        DataLoader loader(counting(golden_loader["n"]), {.batch_size = golden_loader["batch_size"],
                                                         .shuffle = golden_loader["shuffle"],
                                                         .drop_last = golden_loader["drop_last"],
                                                         .seed = values["seed"]});
        for (const auto& epoch : golden_loader["epochs"])
            REQUIRE(epoch_of(loader) == epoch.get<Epoch>());
    }
}

TEST_CASE("DataLoader covers every sample once, at every size") {
    for (const Index n : {1, 2, 7, 16, 17, 101})
        for (const Index batch_size : {1, 2, 3, 16, 17, 101})
            for (const bool drop_last : {false, true}) {
                if (batch_size > n) continue;
                INFO(n << " in batches of " << batch_size << (drop_last ? ", last dropped" : ""));
                DataLoader loader(
                    counting(n),
                    {.batch_size = batch_size, .shuffle = true, .drop_last = drop_last, .seed = 3});
                const Epoch epoch = epoch_of(loader);
                const Index whole = n / batch_size;
                const bool rest = n % batch_size != 0 && !drop_last;
                REQUIRE(loader.batches() == whole + (rest ? 1 : 0));
                REQUIRE(loader.samples() == (drop_last ? whole * batch_size : n));
                REQUIRE(static_cast<Index>(epoch.size()) == loader.batches());
                std::vector<bool> seen(static_cast<std::size_t>(n));
                Index count = 0;
                for (const auto& batch : epoch) {
                    const bool is_rest = rest && &batch == &epoch.back();
                    REQUIRE(static_cast<Index>(batch.size()) ==
                            (is_rest ? n % batch_size : batch_size));
                    for (const Index row : batch) {
                        REQUIRE_FALSE(seen.at(static_cast<std::size_t>(row)));
                        seen[static_cast<std::size_t>(row)] = true;
                        ++count;
                    }
                }
                REQUIRE(count == loader.samples());
            }
}

TEST_CASE("DataLoader shuffles anew each epoch, and equally for equal seeds") {
    DataLoader a(counting(50), {.batch_size = 8, .shuffle = true, .seed = 1});
    DataLoader b(counting(50), {.batch_size = 8, .shuffle = true, .seed = 1});
    DataLoader c(counting(50), {.batch_size = 8, .shuffle = true, .seed = 2});
    const Epoch first = epoch_of(a);
    REQUIRE(epoch_of(b) == first);
    REQUIRE(epoch_of(c) != first);
    const Epoch second = epoch_of(a);
    REQUIRE(second != first);
    REQUIRE(epoch_of(b) == second);
}

TEST_CASE("DataLoader starts a new epoch after one that was left early") {
    DataLoader whole(counting(9), {.batch_size = 2, .shuffle = true, .seed = 5});
    DataLoader broken(counting(9), {.batch_size = 2, .shuffle = true, .seed = 5});
    epoch_of(whole);
    for (const Batch& batch : broken) {
        rows_of(batch);
        break;
    }
    REQUIRE(epoch_of(broken) == epoch_of(whole));
}

TEST_CASE("DataLoader gives batches that belong to nobody else") {
    const Dataset set = counting(6);
    DataLoader loader(set, {.batch_size = 3});
    std::vector<Batch> batches;
    for (const Batch& batch : loader) batches.push_back(batch);
    for (const Batch& batch : loader) {
        batch.x.fill(-1);
        batch.y.fill(-1);
    }
    REQUIRE(rows_of(batches[0]) == std::vector<Index>{0, 1, 2});
    REQUIRE(rows_of(batches[1]) == std::vector<Index>{3, 4, 5});
    REQUIRE(set.x(5, 0) == 5);
    REQUIRE(epoch_of(loader) == Epoch{{0, 1, 2}, {3, 4, 5}});
}

TEST_CASE("DataLoader gives the same batches on a GPU, gathered there or copied one ahead",
          "[emulated]") {
    for (const Device device : gpus())
        for (const std::size_t most_on_device : {std::size_t{1} << 30, std::size_t{0}}) {
            const LoaderOptions here{.batch_size = 4, .shuffle = true, .seed = 5};
            LoaderOptions there = here;
            there.device = device;
            there.most_on_device = most_on_device;
            DataLoader on_cpu(counting(13), here), loader(counting(13), there);
            for (int epoch = 0; epoch < 3; ++epoch) {
                std::vector<Batch> kept;  // so that nothing may be written over
                for (const Batch& batch : loader) {
                    REQUIRE(batch.x.device() == device);
                    if (epoch == 1 && kept.size() == 2) break;  // with a batch on its way
                    kept.push_back(batch);
                }
                Epoch rows;
                for (const Batch& batch : kept)
                    rows.push_back(rows_of({batch.x.to(Device::cpu), batch.y.to(Device::cpu)}));
                Epoch expected = epoch_of(on_cpu);
                if (epoch == 1) expected.resize(2);
                REQUIRE(rows == expected);
            }
            auto first = loader.begin();
            const Batch one = *first, again = *first;
            REQUIRE(one.x.values() == again.x.values());
        }
}

TEST_CASE("copying batches ahead allocates nothing after the first epoch", "[emulated]") {
    DataLoader loader(
        counting(1000),
        {.batch_size = 48, .shuffle = true, .device = Device::emulated, .most_on_device = 0});
    const auto epoch = [&] {
        for (const Batch& batch : loader) static_cast<void>(batch.x.size());
    };
    epoch();
    const std::size_t blocks = system_allocations();
    epoch();
    REQUIRE(system_allocations() == blocks);
}

TEST_CASE("DataLoader refuses batch sizes that give no batch") {
    const auto refused = [](Index n, Index batch_size, bool drop_last, const std::string& found) {
        const auto make = [&] {
            DataLoader(counting(n), {.batch_size = batch_size, .drop_last = drop_last});
        };
        REQUIRE_THROWS_AS(make(), Error);
        REQUIRE_THROWS_WITH(make(), ContainsSubstring("counting") && ContainsSubstring(found));
    };
    for (const bool drop_last : {false, true}) {
        refused(5, 0, drop_last, "0, for the 5 samples");
        refused(5, -3, drop_last, "-3, for the 5 samples");
        refused(5, 6, drop_last, "6, for the 5 samples");
        refused(5, Index{1} << 62, drop_last, "for the 5 samples");
        refused(0, 1, drop_last, "at least one sample");
    }
}

TEST_CASE("DataLoader refuses a data set that is not valid") {
    Dataset set = counting(5);
    set.y(2) = 10;
    REQUIRE_THROWS_WITH(DataLoader(set, {.batch_size = 2}), ContainsSubstring("the label 10"));
}

TEST_CASE("DataLoader allocates nothing after the first epoch") {
    DataLoader loader(counting(1000), {.batch_size = 48, .shuffle = true});  // the last has 40
    float sum = 0;
    const auto epoch = [&] {
        for (const Batch& batch : loader) sum += batch.x.data()[0];
    };
    epoch();
    const std::size_t blocks = system_allocations(), calls = operator_new_calls();
    for (int i = 0; i < 5; ++i) epoch();
    const std::size_t blocks_after = system_allocations(), calls_after = operator_new_calls();
    REQUIRE(blocks_after == blocks);
    REQUIRE(calls_after == calls);
    REQUIRE(sum > 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    REQUIRE(std::vector<int>(10).size() == 10);
    REQUIRE(operator_new_calls() > calls_after);  // the count is alive
#endif
}
