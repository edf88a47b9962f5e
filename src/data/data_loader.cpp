#include "data/data_loader.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace handgrad {

DataLoader::DataLoader(Dataset dataset, LoaderOptions options)
    : dataset_(std::move(dataset)), options_(options), random_(options.seed) {
    dataset_.validate();
    if (options_.batch_size < 1 || options_.batch_size > dataset_.size())
        throw Error("DataLoader: no such batch size",
                    std::to_string(options_.batch_size) + ", for the " +
                        std::to_string(dataset_.size()) + " samples of '" + dataset_.name + "'",
                    "a batch size from 1 to the number of samples");
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(dataset_.features());
    const bool stays =
        bytes * static_cast<std::size_t>(dataset_.size()) > options_.most_on_device &&
        options_.device != Device::cpu;
    for (int i = 0; stays && i < 2; ++i)
        ways_.emplace_back(options_.device, bytes * static_cast<std::size_t>(options_.batch_size));
    x_ = stays ? dataset_.x : dataset_.x.to(options_.device);
    order_.resize(static_cast<std::size_t>(dataset_.size()));
    std::iota(order_.begin(), order_.end(), Index{0});
    row_numbers_ = Tensor<Index>::empty({dataset_.size()}, x_.device());
    labels_ = Labels::empty({dataset_.size()}, options_.device);
}

Index DataLoader::batches() const {
    return (samples() + options_.batch_size - 1) / options_.batch_size;
}

Index DataLoader::samples() const {
    const Index n = dataset_.size();
    return options_.drop_last ? n - n % options_.batch_size : n;
}

DataLoader::Iterator DataLoader::begin() {
    const Index n = dataset_.size();
    if (options_.shuffle) {
        // PyTorch draws one seed for its worker processes and one for the sampler, whose order
        // comes from a generator of its own.
        random_.int63();
        Random sampler(random_.int63());
        sampler.permutation(order_, n);
    }
    const Labels labels = Labels::empty({n});
    std::transform(order_.begin(), order_.end(), labels.data(),
                   [&](Index i) { return dataset_.y.data()[i]; });
    labels_.copy_from(labels);
    row_numbers_.copy_from(Tensor<Index>::from({n}, order_));
    if (!ways_.empty()) send(0);
    return Iterator(this);
}

Index DataLoader::size_of(Index number) const {
    return std::min(options_.batch_size, samples() - number * options_.batch_size);
}

void DataLoader::send(Index number) {
    const Index n = size_of(number), features = dataset_.features();
    const Upload& way = ways_[static_cast<std::size_t>(number % 2)];
    auto* const rows = static_cast<float*>(way.host());
    backend<float>(Device::cpu)
        .gather_rows(rows, x_.data(), row_numbers_.data() + number * options_.batch_size, n,
                     features);
    if (coming_number_ >= 0) ways_[static_cast<std::size_t>(coming_number_ % 2)].arrive();
    coming_ = Tensor<float>::empty({n, features}, options_.device);
    coming_number_ = number;
    way.start(coming_.data(), static_cast<std::size_t>(n * features) * sizeof(float));
}

Batch DataLoader::batch(Index number) {
    const Index begin = number * options_.batch_size, n = size_of(number);
    Batch batch{{}, labels_.rows(begin, begin + n).clone()};
    if (ways_.empty()) {
        const Index features = dataset_.features();
        batch.x = Tensor<float>::empty({n, features}, options_.device);
        backend<float>(options_.device)
            .gather_rows(batch.x.data(), x_.data(), row_numbers_.data() + begin, n, features);
        return batch;
    }
    if (coming_number_ != number) send(number);
    ways_[static_cast<std::size_t>(number % 2)].arrive();
    batch.x = std::exchange(coming_, {});
    coming_number_ = -1;
    if (number + 1 < batches()) send(number + 1);
    return batch;
}

}  // namespace handgrad
