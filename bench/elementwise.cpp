// The speed of the kernels that are bound by memory, beside a plain copy of as many bytes.
//
// Each kernel takes turns with std::memcpy: %copy compares the medians of their bytes a second. An
// array counts once where it is read and once where it is written, so that a copy of n bytes counts
// 2n. Sizes are those of all arrays together: 256 KiB is in L2, 8 MiB beyond most, 128 MiB in
// memory, where memcpy writes past the caches and so saves a third of the traffic.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/parallel.h"

using namespace handgrad;

namespace {

using T = float;
using Clock = std::chrono::steady_clock;

/// Arrays of n elements, in [-1, 1), of which kernels take as many as they need.
struct Arrays {
    std::vector<T> a, b, c, d, e;
    std::vector<std::int32_t> labels;
    std::vector<Index> order;

    explicit Arrays(Index n)
        : a(values(n, 1)),
          b(values(n, 2)),
          c(values(n, 3)),
          d(values(n, 4)),
          e(values(n, 5)),
          labels(a.size()),
          order(a.size()) {
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
    }

    /// a with the gradient b, and `kept` arrays beside them.
    ParameterArrays<T> parameter(Index n, int kept = 0) {
        ParameterArrays<T> p{.w = a.data(), .dw = b.data(), .kept = {}, .n = n};
        if (kept > 0) p.kept[0] = c.data();
        if (kept > 1) p.kept[1] = d.data();
        return p;
    }

    static std::vector<T> values(Index n, std::uint32_t seed) {
        std::vector<T> x(static_cast<std::size_t>(n));
        for (T& v : x) {
            seed = seed * 1664525 + 1013904223;
            v = static_cast<T>(seed >> 8) / T{1 << 23} - T{1};
        }
        return x;
    }
};

struct Kernel {
    std::string name;
    int touches;  // how often an array is read or written
    std::function<void(const Backend<T>&, Arrays&, Index n)> run;
};

std::vector<Kernel> kernels() {
    std::vector<Kernel> all;
    const auto add = [&](const char* name, int touches, auto run) {
        all.push_back({name, touches, run});
    };

    const auto unary = [&](const char* name, UnaryOp op) {
        add(name, 2, [op](auto& k, Arrays& x, Index n) { k.unary(op, x.a.data(), x.b.data(), n); });
    };
    unary("exp", UnaryOp::exp);
    unary("log", UnaryOp::log);
    unary("erf", UnaryOp::erf);
    unary("sqrt", UnaryOp::sqrt);

    const auto activation = [&](const std::string& name, Activation f) {
        const T b = f == Activation::softplus ? 20 : 0;
        all.push_back({name, 2, [f, b](auto& k, Arrays& x, Index n) {
                           k.activation_forward(f, x.a.data(), x.b.data(), T{1}, b, n);
                       }});
        all.push_back({name + "_backward", 3, [f, b](auto& k, Arrays& x, Index n) {
                           k.activation_backward(f, x.a.data(), x.b.data(), x.c.data(), T{1}, b, n);
                       }});
    };
    activation("relu", Activation::relu);
    activation("leaky_relu", Activation::leaky_relu);
    activation("elu", Activation::elu);
    activation("softplus", Activation::softplus);
    activation("sigmoid", Activation::sigmoid);
    activation("tanh", Activation::tanh);
    activation("silu", Activation::silu);
    activation("gelu", Activation::gelu);
    activation("gelu_tanh", Activation::gelu_tanh);

    add("fill", 1, [](auto& k, Arrays& x, Index n) { k.fill(x.a.data(), T{1}, n); });
    add("multiply", 3,
        [](auto& k, Arrays& x, Index n) { k.multiply(x.a.data(), x.b.data(), x.c.data(), n); });
    add("add", 3, [](auto& k, Arrays& x, Index n) {
        const Axis axis = {n, 1, 1, 1};
        k.binary(BinaryOp::add, x.a.data(), x.b.data(), x.c.data(), &axis, 1);
    });
    add("clamp", 2, [](auto& k, Arrays& x, Index n) { k.clamp(x.a.data(), T{2}, n); });
    add("clip_gradients", 2, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n);
        const double squares = 1;  // a little too much
        k.clip_gradients(&p, 1, &squares, 1);
    });
    add("dropout", 2, [](auto& k, Arrays& x, Index n) {
        const Index call = 1;
        k.dropout(x.a.data(), x.b.data(), &call, {.seed = 1, .last_kept = 1U << 31}, T{2}, n);
    });
    add("sum", 1, [](auto& k, Arrays& x, Index n) { k.sum(x.b.data(), x.a.data(), T{1}, n); });
    add("add_squares", 1, [](auto& k, Arrays& x, Index n) {
        double total = 0;
        k.add_squares(&total, x.a.data(), n);
        benchmark::DoNotOptimize(total);
    });
    add("mse", 3, [](auto& k, Arrays& x, Index n) {
        k.pointwise_loss_forward(PointwiseLoss::mse, x.a.data(), x.b.data(), x.c.data(), T{1}, n);
    });
    add("smooth_l1_backward", 4, [](auto& k, Arrays& x, Index n) {
        k.pointwise_loss_backward(PointwiseLoss::smooth_l1, x.a.data(), x.b.data(), x.c.data(),
                                  x.d.data(), T{1}, n);
    });
    add("bce_with_logits", 3, [](auto& k, Arrays& x, Index n) {
        k.bce_with_logits_forward(x.a.data(), x.b.data(), x.c.data(), nullptr, n, 1);
    });

    for (const Index cols : {10, 128, 1000}) {
        const auto rows = [&](const std::string& name, int touches, auto run) {
            all.push_back(
                {name + "_x" + std::to_string(cols), touches,
                 [cols, run](auto& k, Arrays& x, Index n) { run(k, x, n / cols, cols); }});
        };
        rows("add_to_rows", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.add_to_rows(x.a.data(), x.b.data(), r, c);
        });
        rows("sum_rows", 1, [](auto& k, Arrays& x, Index r, Index c) {
            k.sum_rows(x.b.data(), x.a.data(), r, c);
        });
        rows("gather_rows", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.gather_rows(x.a.data(), x.b.data(), x.order.data(), r, c);
        });
        rows("softmax", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.softmax_forward(x.a.data(), x.b.data(), r, c);
        });
        rows("softmax_backward", 3, [](auto& k, Arrays& x, Index r, Index c) {
            k.softmax_backward(x.a.data(), x.b.data(), x.c.data(), r, c);
        });
        rows("log_softmax", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.log_softmax_forward(x.a.data(), x.b.data(), r, c);
        });
        rows("log_softmax_backward", 3, [](auto& k, Arrays& x, Index r, Index c) {
            k.log_softmax_backward(x.a.data(), x.b.data(), x.c.data(), r, c);
        });
        rows("cross_entropy", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.cross_entropy_forward(x.c.data(), x.a.data(), x.b.data(), x.labels.data(), r, c);
        });
        rows("cross_entropy_backward", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.cross_entropy_backward(x.a.data(), x.c.data(), x.b.data(), x.labels.data(), r, c);
        });
    }

    static constexpr Index step = 9;
    add("sgd", 3, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n, 0);
        k.sgd_step(&p, 1, &step, {.lr = 1e-6F, .weight_decay = 1e-4F});
    });
    add("sgd_momentum", 5, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n, 1);
        k.sgd_step(&p, 1, &step, {.lr = 1e-6F, .momentum = 0.9F});
    });
    add("adam", 7, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n, 2);
        k.adam_step(&p, 1, &step,
                    {.lr = 1e-6F,
                     .beta1 = 0.9F,
                     .beta2 = 0.99F,
                     .gain2 = 0.01F,
                     .log_beta1 = -0.1F,
                     .log_beta2 = -0.01F,
                     .eps = 1e-8F});
    });
    add("adagrad", 5, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n, 1);
        k.adagrad_step(&p, 1, &step, {.lr = 1e-6F, .eps = 1e-8F});
    });
    add("rmsprop", 5, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n, 1);
        k.rmsprop_step(&p, 1, {.lr = 1e-6F, .alpha = 0.9F, .gain = 0.1F, .eps = 1e-8F});
    });
    return all;
}

double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

void run_benchmark(benchmark::State& state, const Kernel& kernel, Index bytes, int threads) {
    cpu::set_max_threads(threads);
    const Backend<T>& backend = cpu::backend<T>(cpu::chosen_isa());
    const Index n = bytes / (kernel.touches * Index{sizeof(T)});
    Arrays arrays(n);
    const auto half = static_cast<std::size_t>(bytes / 2);
    std::vector<char> from(half), to(half);
    std::vector<double> kernel_times, copy_times;
    const auto seconds = [](auto&& work) {
        const auto start = Clock::now();
        work();
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    for (auto _ : state) {
        kernel_times.push_back(seconds([&] { kernel.run(backend, arrays, n); }));
        copy_times.push_back(seconds([&] {
            cpu::parallel_ranges(
                bytes / 2, {.flops = 0, .bytes = bytes},
                [&](Index begin, Index end) {
                    std::memcpy(to.data() + begin, from.data() + begin,
                                static_cast<std::size_t>(end - begin));
                },
                64);
            benchmark::ClobberMemory();
        }));
        state.SetIterationTime(kernel_times.back());
    }
    const double time = median(kernel_times), copy_time = median(copy_times);
    state.counters["GB/s"] = static_cast<double>(bytes) / time / 1e9;
    state.counters["%copy"] = 100 * copy_time / time;
    state.counters["ns/element"] = 1e9 * time / static_cast<double>(n);
}

}  // namespace

int main(int argc, char** argv) {
    for (const auto& size : {std::pair<Index, const char*>{256 << 10, "256KiB"},
                             {8 << 20, "8MiB"},
                             {128 << 20, "128MiB"}})
        for (const int threads : {1, 2})
            for (const Kernel& kernel : kernels()) {
                const std::string title =
                    kernel.name + "/" + size.second + "/threads:" + std::to_string(threads);
                benchmark::RegisterBenchmark(title.c_str(), [=](benchmark::State& state) {
                    run_benchmark(state, kernel, size.first, threads);
                })->UseManualTime();
            }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
}
