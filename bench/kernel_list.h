// The kernels on elements and rows, each as a call on arrays of a given size, for the benchmarks.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "kernels/cpu/cpu_backend.h"

namespace handgrad::bench {

using T = float;

/// Memory as tensors have it.
template <class V>
struct Numbers {
    std::shared_ptr<Storage> memory;
    explicit Numbers(Index n)
        : memory(allocate(Device::cpu, static_cast<std::size_t>(n) * sizeof(V))) {}
    [[nodiscard]] V* get() const { return static_cast<V*>(memory->data); }
    V& operator[](Index i) const { return get()[i]; }
};

/// n numbers of [-1, 1).
inline Numbers<T> values(Index n, std::uint32_t seed) {
    Numbers<T> x(n);
    for (Index i = 0; i < n; ++i) {
        seed = seed * 1664525 + 1013904223;
        x[i] = static_cast<T>(seed >> 8) / T{1 << 23} - T{1};
    }
    return x;
}

/// Arrays of which kernels take as many, and of each as much, as they need; they write to a, and
/// update c and d. The numbers of e are in [0, 1).
struct Arrays {
    Numbers<T> memory[5];
    T *a, *b, *c, *d, *e;
    T sums[2000] = {};
    Numbers<std::int32_t> labels, chosen;
    Numbers<Index> order;
    Numbers<char> from, to;  // of the copy

    explicit Arrays(Index bytes)
        : memory{values(bytes / Index{sizeof(T)}, 1), values(bytes / Index{sizeof(T)}, 2),
                 values(bytes / Index{sizeof(T)}, 3), values(bytes / Index{sizeof(T)}, 4),
                 values(bytes / Index{sizeof(T)}, 5)},
          labels(bytes / 4),
          chosen(bytes / 16),
          order(bytes / 8),
          from(bytes / 2),
          to(bytes / 2) {
        const Index n = bytes / Index{sizeof(T)};
        a = memory[0].get(), b = memory[1].get(), c = memory[2].get(), d = memory[3].get(),
        e = memory[4].get();
        for (Index i = 0; i < n; ++i) e[i] = (e[i] + 1) / 2;
        for (Index i = 0; i < n; ++i) labels[i] = 0;
        for (Index i = 0; i < n / 4; ++i) chosen[i] = 0;
        for (Index i = 0; i < n / 2; ++i) order[i] = i;
        std::memset(from.get(), 1, static_cast<std::size_t>(bytes / 2));
        std::memset(to.get(), 1, static_cast<std::size_t>(bytes / 2));
    }

    /// a with the gradient b, and `kept` arrays beside them.
    [[nodiscard]] ParameterArrays<T> parameter(Index n, int kept = 0) const {
        ParameterArrays<T> p{.w = a, .dw = b, .kept = {}, .n = n};
        if (kept > 0) p.kept[0] = c;
        if (kept > 1) p.kept[1] = d;
        return p;
    }
};

struct Kernel {
    std::string name;
    double touches;  // how often an array is read or written
    std::function<void(const Backend<T>&, Arrays&, Index n)> run;
};

inline std::vector<Kernel> kernels() {
    std::vector<Kernel> all;
    const auto add = [&](const char* name, double touches, auto run) {
        all.push_back({name, touches, run});
    };

    const auto unary = [&](const char* name, UnaryOp op) {
        add(name, 2, [op](auto& k, Arrays& x, Index n) { k.unary(op, x.a, x.b, n); });
    };
    unary("exp", UnaryOp::exp);
    add("log", 2, [](auto& k, Arrays& x, Index n) { k.unary(UnaryOp::log, x.a, x.e, n); });
    unary("erf", UnaryOp::erf);
    add("sqrt", 2, [](auto& k, Arrays& x, Index n) { k.unary(UnaryOp::sqrt, x.a, x.e, n); });
    unary("neg", UnaryOp::neg);

    const auto activation = [&](const std::string& name, Activation f) {
        const T b = f == Activation::softplus ? 20 : 0;
        all.push_back({name, 2, [f, b](auto& k, Arrays& x, Index n) {
                           k.activation_forward(f, x.a, x.b, T{1}, b, n);
                       }});
        all.push_back({name + "_backward", 3, [f, b](auto& k, Arrays& x, Index n) {
                           k.activation_backward(f, x.a, x.b, x.c, T{1}, b, n);
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

    add("fill", 1, [](auto& k, Arrays& x, Index n) { k.fill(x.a, T{1}, n); });
    add("multiply", 3, [](auto& k, Arrays& x, Index n) { k.multiply(x.a, x.b, x.c, n); });
    add("add", 3, [](auto& k, Arrays& x, Index n) {
        const Axis axis = {n, 1, 1, 1};
        k.binary(BinaryOp::add, x.a, x.b, x.c, &axis, 1);
    });
    const auto row_vector = [&](const char* name, BinaryOp op, Index along_a, Index along_b) {
        add(name, 2, [=](auto& k, Arrays& x, Index n) {
            // b is one row, or one column, of x (rows, 1000).
            const Axis axes[] = {{n / 1000, 1000, 1000, along_a}, {1000, 1, 1, along_b}};
            k.binary(op, x.a, x.b, x.c, axes, 2);
        });
    };
    row_vector("add_row", BinaryOp::add, 0, 1);
    row_vector("div_column", BinaryOp::div, 1, 0);
    add("divide", 3, [](auto& k, Arrays& x, Index n) {
        const Axis axis = {n, 1, 1, 1};
        k.binary(BinaryOp::div, x.a, x.b, x.c, &axis, 1);
    });
    add("square", 2, [](auto& k, Arrays& x, Index n) {
        const Axis axis = {n, 1, 1, 0};
        const T two = 2;
        k.binary(BinaryOp::pow, x.a, x.b, &two, &axis, 1);
    });
    add("maximum", 3, [](auto& k, Arrays& x, Index n) {
        const Axis axis = {n, 1, 1, 1};
        k.binary(BinaryOp::maximum, x.a, x.b, x.c, &axis, 1);
    });
    add("select", 4, [](auto& k, Arrays& x, Index n) { k.select(x.a, x.b, x.c, x.d, n); });
    add("transpose", 2, [](auto& k, Arrays& x, Index n) {
        const Axis axes[] = {{1000, n / 1000, 1, 0}, {n / 1000, 1, 1000, 0}};
        k.copy_walk(x.a, x.b, axes, 2);
    });
    add("add_walk", 3, [](auto& k, Arrays& x, Index n) {
        const Axis axis = {n, 1, 1, 0};
        k.add_walk(x.a, x.b, &axis, 1);
    });
    add("clamp_gradients", 2, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n);
        k.clamp_gradients(&p, 1, T{2});
    });
    add("clip_gradients", 2, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n);
        const double squares = 1;  // a little too much
        k.clip_gradients(&p, 1, &squares, 1);
    });
    add("dropout", 2, [](auto& k, Arrays& x, Index n) {
        const Index call = 1;
        k.dropout(x.a, x.b, &call, {.seed = 1, .last_kept = 1U << 31}, T{2}, n);
    });
    add("sum", 1, [](auto& k, Arrays& x, Index n) { k.sum(x.b, x.a, T{1}, n); });
    add("sum_squares", 1, [](auto& k, Arrays& x, Index n) {
        const ParameterArrays<T> p = x.parameter(n);
        double total = 0;
        k.sum_squares(&total, &p, 1);
    });
    add("mse", 3, [](auto& k, Arrays& x, Index n) {
        k.pointwise_loss_forward(PointwiseLoss::mse, x.a, x.b, x.c, T{1}, n);
    });
    add("smooth_l1_backward", 4, [](auto& k, Arrays& x, Index n) {
        k.pointwise_loss_backward(PointwiseLoss::smooth_l1, x.a, x.b, x.c, x.d, T{1}, n);
    });
    add("bce", 3, [](auto& k, Arrays& x, Index n) {
        k.pointwise_loss_forward(PointwiseLoss::bce, x.a, x.e, x.c, T{1}, n);
    });
    add("bce_backward", 4, [](auto& k, Arrays& x, Index n) {
        k.pointwise_loss_backward(PointwiseLoss::bce, x.a, x.b, x.e, x.c, T{1}, n);
    });
    add("bce_with_logits_backward", 4, [](auto& k, Arrays& x, Index n) {
        k.bce_with_logits_backward(x.a, x.d, x.b, x.c, nullptr, n, 1);
    });
    add("bce_with_logits", 3, [](auto& k, Arrays& x, Index n) {
        k.bce_with_logits_forward(x.a, x.b, x.c, nullptr, n, 1);
    });

    for (const Index cols : {10, 128, 1000}) {
        const auto rows = [&](const std::string& name, double touches, auto run) {
            all.push_back(
                {name + "_x" + std::to_string(cols), touches,
                 [cols, run](auto& k, Arrays& x, Index n) { run(k, x, n / cols, cols); }});
        };
        rows("add_to_rows", 2,
             [](auto& k, Arrays& x, Index r, Index c) { k.add_to_rows(x.a, x.b, r, c); });
        rows("sum_rows", 1,
             [](auto& k, Arrays& x, Index r, Index c) { k.sum_rows(x.b, x.a, r, c); });
        rows("reduce_sum", 1, [](auto& k, Arrays& x, Index r, Index c) {
            k.reduce(ReduceOp::sum, x.a, x.b, r, c, 1);
        });
        rows("reduce_max", 1, [](auto& k, Arrays& x, Index r, Index c) {
            k.reduce(ReduceOp::max, x.a, x.b, r, c, 1);
        });
        rows("logsumexp", 1, [](auto& k, Arrays& x, Index r, Index c) {
            k.reduce(ReduceOp::logsumexp, x.a, x.b, r, c, 1);
        });
        rows("reduce_columns", 1, [](auto& k, Arrays& x, Index r, Index c) {
            k.reduce(ReduceOp::sum, x.a, x.b, 1, r, c);
        });
        rows("scale_rows", 2,
             [](auto& k, Arrays& x, Index r, Index c) { k.scale_rows(x.a, x.b, x.c, r, c); });
        rows("gather_walk", 2, [](auto& k, Arrays& x, Index r, Index c) {
            const Axis axes[] = {{r, c, 0, 1}, {c, 1, 1, 0}};
            k.gather_walk(x.a, x.b, x.order.get(), r, c, axes, 2);
        });
        rows("add_at_walk", 3, [](auto& k, Arrays& x, Index r, Index c) {
            const Axis axes[] = {{r, c, 0, 1}, {c, 1, 1, 0}};
            k.add_at_walk(x.a, x.b, x.order.get(), r, c, axes, 2);
        });
        rows("layer_norm", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.layer_norm_forward(x.a, x.c, x.d, x.b, x.e, x.e, T(1e-5), r, c);
        });
        rows("layer_norm_backward", 3, [](auto& k, Arrays& x, Index r, Index c) {
            k.layer_norm_backward(x.a, x.sums, x.sums + 1000, x.b, x.c, x.e, x.e, x.d, r, c);
        });
        rows("gather_rows", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.gather_rows(x.a, x.b, x.order.get(), r, c);
        });
        rows("softmax", 2,
             [](auto& k, Arrays& x, Index r, Index c) { k.softmax_forward(x.a, x.b, r, c); });
        rows("softmax_backward", 3,
             [](auto& k, Arrays& x, Index r, Index c) { k.softmax_backward(x.a, x.b, x.c, r, c); });
        rows("log_softmax", 2,
             [](auto& k, Arrays& x, Index r, Index c) { k.log_softmax_forward(x.a, x.b, r, c); });
        rows("log_softmax_backward", 3, [](auto& k, Arrays& x, Index r, Index c) {
            k.log_softmax_backward(x.a, x.b, x.c, r, c);
        });
        rows("cross_entropy", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.cross_entropy_forward(x.c, x.a, x.b, x.labels.get(), r, c);
        });
        rows("cross_entropy_backward", 2, [](auto& k, Arrays& x, Index r, Index c) {
            k.cross_entropy_backward(x.a, x.c, x.b, x.labels.get(), r, c);
        });
    }

    // Images (n, channels, side, side): batch normalisation, and pools of 2x2. Of the larger ones
    // several fit in L2.
    for (const Index side : {7, 28}) {
        const Index channels = side == 7 ? 64 : 8;
        const Index inner = side * side;
        const auto images = [&](const std::string& name, double touches, auto run) {
            all.push_back({name + "_" + std::to_string(side), touches,
                           [=](auto& k, Arrays& x, Index n) { run(k, x, n / channels / inner); }});
        };
        images("channel_moments", 1, [=](auto& k, Arrays& x, Index n) {
            k.channel_moments(x.c, x.d, x.b, n, channels, inner);
        });
        images("batch_norm", 2, [=](auto& k, Arrays& x, Index n) {
            k.batch_norm_forward(x.a, x.b, x.c, x.e, x.c, x.c, T{2}, n, channels, inner);
        });
        images("batch_norm_backward", 3, [=](auto& k, Arrays& x, Index n) {
            k.batch_norm_backward(x.a, x.sums, x.sums + 1000, x.b, x.c, x.d, x.e, x.d, T{2}, true,
                                  n, channels, inner);
        });
        images("prelu", 2, [=](auto& k, Arrays& x, Index n) {
            k.prelu_forward(x.a, x.b, x.c, n, channels, inner);
        });
        images("prelu_backward", 3, [=](auto& k, Arrays& x, Index n) {
            k.prelu_backward(x.a, x.sums, x.b, x.c, x.d, n, channels, inner);
        });
        const WindowAxis axis = {.in = side, .out = side / 2, .kernel = 2, .stride = 2};
        // A quarter of the pixels, and as many indices, are written.
        images("max_pool2d", 1.5, [=](auto& k, Arrays& x, Index n) {
            k.max_pool2d_forward(x.a, x.chosen.get(), x.b, n * channels, {axis, axis});
        });
        images("avg_pool2d", 1.25, [=](auto& k, Arrays& x, Index n) {
            k.avg_pool2d_forward(x.a, x.b, n * channels, {axis, axis}, true);
        });
        images("avg_pool2d_backward", 1.25, [=](auto& k, Arrays& x, Index n) {
            k.avg_pool2d_backward(x.a, x.b, n * channels, {axis, axis}, true);
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

}  // namespace handgrad::bench
