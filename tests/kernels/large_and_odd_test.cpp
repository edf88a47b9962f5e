// Kernels where they change their ways: results beyond the last-level cache, rows of few and of
// many numbers, transposes around their tiles.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "every_backend.h"
#include "kernels/cpu/caches.h"

using namespace handgrad;

namespace {

template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

/// Calls body(backend) for each instruction set of the CPU, on one thread: what is tested here is
/// how its kernels are written.
template <class T, class Body>
void on_every_isa(Body&& body) {
    const cpu::Threads one(1);
    for (const cpu::Isa isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512}) {
        if (!cpu::supported(isa)) continue;
        INFO(cpu::name_of(isa));
        body(cpu::backend<T>(isa));
    }
}

/// What a kernel makes of n elements of a and b, in y.
template <class T>
struct Kernel {
    const char* name;
    Index cols;  // it works on rows of so many
    std::function<void(const Backend<T>&, T* y, const T* a, const T* b, Index n)> run;
};

template <class T>
std::vector<Kernel<T>> kernels() {
    return {
        {"fill", 1, [](auto& k, T* y, const T*, const T*, Index n) { k.fill(y, T(0.5), n); }},
        {"exp", 1,
         [](auto& k, T* y, const T* a, const T*, Index n) { k.unary(UnaryOp::exp, y, a, n); }},
        {"sqrt", 1,
         [](auto& k, T* y, const T* a, const T*, Index n) { k.unary(UnaryOp::sqrt, y, a, n); }},
        {"multiply", 1,
         [](auto& k, T* y, const T* a, const T* b, Index n) { k.multiply(y, a, b, n); }},
        {"prelu", 7,
         [](auto& k, T* y, const T* a, const T*, Index n) {
             const T slope = T(0.3);
             k.prelu_forward(y, a, &slope, n / 7, 1, 7);
         }},
        {"softmax", 10,
         [](auto& k, T* y, const T* a, const T*, Index n) { k.softmax_forward(y, a, n / 10, 10); }},
        {"softmax of long rows", 1001,
         [](auto& k, T* y, const T* a, const T*, Index n) {
             k.softmax_forward(y, a, n / 1001, 1001);
         }},
        {"log_softmax of rows beyond the buffer", 50'001,
         [](auto& k, T* y, const T* a, const T*, Index n) {
             k.log_softmax_forward(y, a, n / 50'001, 50'001);
         }},
        {"softmax_backward", 33,
         [](auto& k, T* y, const T* a, const T* b, Index n) {
             k.softmax_backward(y, a, b, n / 33, 33);
         }},
        {"log_softmax_backward", 65,
         [](auto& k, T* y, const T* a, const T* b, Index n) {
             k.log_softmax_backward(y, a, b, n / 65, 65);
         }},
    };
}

}  // namespace

TEST_CASE("results beyond the caches are those within them", "[kernels]") {
    using T = float;
    const Index least = cpu::caches().l3 / Index{sizeof(T)};
    if (least > 16 << 20) return;  // too much memory for a test
    const Index n = least + 4'000'037;
    const auto a = numbers<T>(n, 1), b = numbers<T>(n, 2);
    std::vector<T> whole(a.size()), parts(a.size());
    const cpu::Threads two(2);
    for (const cpu::Isa isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512}) {
        if (!cpu::supported(isa)) continue;
        const Backend<T>& backend = cpu::backend<T>(isa);
        for (const Kernel<T>& kernel : kernels<T>()) {
            INFO(kernel.name << ", " << cpu::name_of(isa));
            // From the second element on, so that y is not aligned; and nothing behind it is
            // touched.
            const Index rows = (n - 2) / kernel.cols, count = rows * kernel.cols;
            std::fill(whole.begin(), whole.end(), T{-7});
            std::fill(parts.begin(), parts.end(), T{-7});
            kernel.run(backend, whole.data() + 1, a.data(), b.data(), count);
            const Index some = std::max<Index>(1, 200'003 / kernel.cols) * kernel.cols;
            for (Index i = 0; i < count; i += some)
                kernel.run(backend, parts.data() + 1 + i, a.data() + i, b.data() + i,
                           std::min(some, count - i));
            CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(T)) == 0);
        }
    }
}

TEST_CASE("sums of rows beyond the caches are exact on whole numbers", "[kernels]") {
    const Index n = cpu::caches().l3 / Index{sizeof(float)} + 100'003;
    if (n > 17 << 20) return;  // too much memory for a test
    std::vector<float> x(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
    on_every_isa<float>([&](const Backend<float>& backend) {
        for (const Index cols : {10, 72, 77}) {
            const Index rows = n / cols;
            std::vector<float> expected(static_cast<std::size_t>(cols), 1), got = expected;
            for (Index i = 0; i < rows * cols; ++i)
                expected[static_cast<std::size_t>(i % cols)] += x[static_cast<std::size_t>(i)];
            backend.sum_rows(got.data(), x.data(), rows, cols);
            INFO(rows << " rows of " << cols);
            CHECK(got == expected);
        }
    });
}

TEMPLATE_TEST_CASE("reductions of rows of every length", "[kernels]", float, double) {
    using T = TestType;
    constexpr double eps = std::numeric_limits<T>::epsilon();
    on_every_isa<T>([](const Backend<T>& backend) {
        for (const Index n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 1009})
            for (const Index rows : {1, 2, 3, 7, 8, 9, 16, 17, 35}) {
                const auto x = numbers<T>(rows * n, 3);
                for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::logsumexp}) {
                    std::vector<T> y(static_cast<std::size_t>(rows + 1), T{-7});
                    backend.reduce(op, y.data(), x.data(), rows, n, 1);
                    INFO("op " << static_cast<int>(op) << ": " << rows << " rows of " << n);
                    CHECK(y.back() == T{-7});
                    for (Index r = 0; r < rows; ++r) {
                        const T* row = x.data() + r * n;
                        double sum = 0, exps = 0;
                        for (Index c = 0; c < n; ++c) {
                            sum += double{row[c]};
                            exps += std::exp(double{row[c]});
                        }
                        const double expected = op == ReduceOp::sum ? sum
                                                : op == ReduceOp::max
                                                    ? double{*std::max_element(row, row + n)}
                                                    : std::log(exps);
                        const double error =
                            std::abs(double{y[static_cast<std::size_t>(r)]} - expected);
                        REQUIRE(error <= 2 * eps * static_cast<double>(n + 4));
                    }
                }
            }
    });
}

TEMPLATE_TEST_CASE("a reduction of NaN or infinities says so", "[kernels]", float, double) {
    using T = TestType;
    const auto body = [](const Backend<T>& backend) {
        for (const Index n : {1, 2, 7, 8, 9, 17, 64, 65, 100})
            for (Index at = 0; at<n; at += n> 20 ? 3 : 1)
                for (const Index inner : {1, 3}) {
                    constexpr Index rows = 3;
                    const auto put = [&](T value, ReduceOp op) {
                        auto x = numbers<T>(rows * n * inner, 4);
                        // The second number of the second row.
                        const Index place = inner == 1 ? 0 : 1;
                        x[static_cast<std::size_t>((n + at) * inner + place)] = value;
                        std::vector<T> y(static_cast<std::size_t>(rows * inner));
                        backend.reduce(op, y.data(), x.data(), rows, n, inner);
                        const T got = y[static_cast<std::size_t>(inner + place)];
                        y[static_cast<std::size_t>(inner + place)] = 0;
                        for (const T other : y) CHECK(std::isfinite(other));
                        return got;
                    };
                    INFO(n << " numbers, the " << at << "th, inner " << inner);
                    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::logsumexp}) {
                        CHECK(std::isnan(put(not_a_number<T>, op)));
                        CHECK(put(infinity<T>, op) == infinity<T>);
                    }
                }
        const std::vector<T> nothing(100, -infinity<T>);
        for (const Index n : {1, 9, 65, 100}) {
            T y = 0;
            backend.reduce(ReduceOp::logsumexp, &y, nothing.data(), 1, n, 1);
            CHECK(y == -infinity<T>);
            backend.reduce(ReduceOp::max, &y, nothing.data(), 1, n, 1);
            CHECK(y == -infinity<T>);
        }
    };
    on_every_isa<T>(body);
    on_every_gpu<T>(body);
}

TEMPLATE_TEST_CASE("transposes around their tiles", "[kernels]", float, double) {
    using T = TestType;
    on_every_isa<T>([](const Backend<T>& backend) {
        for (const Index rows : {1, 2, 7, 8, 9, 16, 17, 63, 64, 65, 131})
            for (const Index cols : {1, 3, 4, 8, 9, 16, 17, 33, 70})
                for (const Index batch : {1, 2, 3}) {
                    // y (batch, rows, cols) of x (batch, cols, rows), each y row one longer.
                    const Index plane = rows * (cols + 1);
                    const auto x = numbers<T>(batch * rows * cols, 5);
                    std::vector<T> y(static_cast<std::size_t>(batch * plane), T{-7}), expected = y;
                    for (Index i = 0; i < batch; ++i)
                        for (Index r = 0; r < rows; ++r)
                            for (Index c = 0; c < cols; ++c)
                                expected[static_cast<std::size_t>(i * plane + r * (cols + 1) + c)] =
                                    x[static_cast<std::size_t>((i * cols + c) * rows + r)];
                    const Axis axes[] = {
                        {batch, plane, rows * cols, 0}, {rows, cols + 1, 1, 0}, {cols, 1, rows, 0}};
                    backend.copy_walk(y.data(), x.data(), axes, 3);
                    INFO(batch << " of " << rows << " x " << cols);
                    CHECK(y == expected);
                }
    });
}

// A sum is cut into parts by its length alone, so that threads may share them.
TEST_CASE("long sums have the same bits on any number of threads", "[kernels]") {
    const Index n = 1'300'003;
    auto x = numbers<float>(n + 1, 6);
    // Parameters that begin and end within the parts that threads take.
    const ParameterArrays<float> all[] = {{.dw = x.data(), .n = 70'001},
                                          {.dw = x.data() + 70'001, .n = n - 70'001}};
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 3}) {
        const cpu::Threads set(threads);
        const Backend<float>& backend = cpu::backend<float>(cpu::chosen_isa());
        std::vector<float> got(200);
        double squares = 0;
        backend.sum(got.data(), x.data(), 1, n);
        backend.sum_squares(&squares, all, 2);
        got[1] = static_cast<float>(squares);
        backend.sum_rows(got.data() + 2, x.data(), n / 10, 10);
        backend.sum_rows(got.data() + 12, x.data(), n / 130, 130);
        std::vector<float> dx(x.size());
        for (const Index cols : {10, 130}) {
            const Index rows = n / cols;
            std::vector<float> of_columns(static_cast<std::size_t>(2 * cols));
            backend.layer_norm_backward(dx.data(), of_columns.data(), of_columns.data() + cols,
                                        x.data() + 1, x.data(), x.data(), x.data(), x.data(), rows,
                                        cols);
            got.insert(got.end(), of_columns.begin(), of_columns.end());
            got.insert(got.end(), dx.begin(), dx.begin() + rows * cols);
        }
        results.push_back(got);
    }
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
}
