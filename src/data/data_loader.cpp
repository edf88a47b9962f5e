#include "data/data_loader.h"

#include <algorithm>
#include <numeric>

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
    x_ = dataset_.x.to(options_.device);
    order_.resize(static_cast<std::size_t>(dataset_.size()));
    std::iota(order_.begin(), order_.end(), Index{0});
    row_numbers_ = Tensor<Index>::empty({dataset_.size()}, options_.device);
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
    return Iterator(this);
}

Batch DataLoader::batch(Index number) const {
    const Index begin = number * options_.batch_size;
    const Index end = std::min(begin + options_.batch_size, samples());
    const Index features = dataset_.features();
    Batch batch{Tensor<float>::empty({end - begin, features}, options_.device),
                labels_.rows(begin, end).clone()};
    backend<float>(options_.device)
        .gather_rows(batch.x.data(), x_.data(), row_numbers_.data() + begin, end - begin, features);
    return batch;
}

}  // namespace handgrad
