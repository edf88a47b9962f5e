// The networks, batches and thread counts that training steps are measured at.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"
#include "kernels/cpu/parallel.h"

namespace handgrad {

/// Registers body(state, widths, batch, threads) as "784-128-10/16/threads:1" and so on, hands each
/// to `set_up` for its unit and clock, and runs those that the flags ask for. Returns main's exit
/// code.
template <class Body, class SetUp>
int run_at_mlp_sizes(int argc, char** argv, const std::vector<Index>& batches, Body body,
                     SetUp set_up) {
    const std::vector<std::vector<Index>> models = {{784, 128, 10}, {64, 32, 10}};
    std::vector<int> threads = {1};
    if (cpu::max_threads() > 1) threads.push_back(cpu::max_threads());
    for (const std::vector<Index>& widths : models)
        for (const Index batch : batches)
            for (const int count : threads) {
                std::string name;
                for (const Index width : widths) name.append(std::to_string(width)).append("-");
                name.back() = '/';
                name.append(std::to_string(batch)).append("/threads:");
                name.append(std::to_string(count));
                set_up(benchmark::RegisterBenchmark(name.c_str(), body, widths, batch, count)
                           ->Unit(benchmark::kMicrosecond));
            }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

/// `batch` samples of random numbers in [0, 1) as wide as the network's input, with the classes in
/// turn.
struct MlpBatch {
    Tensor<float> x;
    Labels labels;
    MlpBatch(const std::vector<Index>& widths, Index batch, Random& random)
        : x(Tensor<float>::empty({batch, widths.front()})), labels(Labels::empty({batch})) {
        random.uniform(x, 0, 1);
        for (Index i = 0; i < batch; ++i) labels(i) = static_cast<std::int32_t>(i % widths.back());
    }
};

}  // namespace handgrad
