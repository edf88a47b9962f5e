// Batches of a data set, epoch after epoch.
#pragma once

#include <iterator>
#include <vector>

#include "core/random.h"
#include "core/upload.h"
#include "data/dataset.h"

namespace handgrad {

struct Batch {
    Tensor<float> x;  // (B, features)
    Labels y;         // (B)
};

struct LoaderOptions {
    Index batch_size = 1;
    bool shuffle = false;
    bool drop_last = false;  // leave the last batch out where it is smaller than the others
    std::uint64_t seed = 0;
    Device device = Device::cpu;  // where the batches are wanted
    /// Samples of more bytes than this stay on the CPU, and the next batch is copied to the device
    /// while it computes with this one. Less is there from the start, and batches are gathered
    /// there.
    std::size_t most_on_device = std::size_t{2} << 30;
};

/// Each range-for over the loader is one epoch:
///
///     for (const Batch& batch : loader) train_on(batch.x, batch.y);
///
/// The order of a shuffled epoch is PyTorch's: that of DataLoader(dataset, batch_size,
/// shuffle=True) iterated again and again after torch.manual_seed(seed). Batches are tensors of
/// their own, and after the first epoch none of them costs an allocation from the system.
class DataLoader {
  public:
    /// Throws Error where the data set is not valid, or batch_size is not 1 .. its size.
    explicit DataLoader(Dataset dataset, LoaderOptions options);

    /// Batches in an epoch.
    [[nodiscard]] Index batches() const;
    /// Samples in an epoch: all of them, unless drop_last leaves some out.
    [[nodiscard]] Index samples() const;
    [[nodiscard]] const Dataset& dataset() const { return dataset_; }

    class Iterator {
      public:
        Batch operator*() const { return loader_->batch(number_); }
        Iterator& operator++() {
            ++number_;
            return *this;
        }
        bool operator==(std::default_sentinel_t) const { return number_ == loader_->batches(); }

      private:
        friend class DataLoader;
        explicit Iterator(DataLoader* loader) : loader_(loader) {}
        DataLoader* loader_;
        Index number_ = 0;
    };
    /// Starts a new epoch, with a new order; iterators of the last one are no longer of use.
    Iterator begin();
    [[nodiscard]] std::default_sentinel_t end() const { return {}; }

  private:
    Batch batch(Index number);
    /// How many samples a batch has.
    [[nodiscard]] Index size_of(Index number) const;
    /// Starts to copy the samples of a batch to the device.
    void send(Index number);

    Dataset dataset_;
    LoaderOptions options_;
    Random random_;
    std::vector<Index> order_;   // of the rows, in this epoch
    Tensor<float> x_;            // all samples: where the batches are wanted, or on the CPU
    Tensor<Index> row_numbers_;  // order_, there too
    Labels labels_;              // all labels in this epoch's order, where the batches are wanted

    // Where samples are copied batch by batch: two ways, one in use while the other is filled, and
    // the batch that is on its way. It goes after its way, which waits for the copy.
    Tensor<float> coming_;
    Index coming_number_ = -1;
    std::vector<Upload> ways_;
};

}  // namespace handgrad
