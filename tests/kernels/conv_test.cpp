// Convolution and pooling on every instruction set, held against their definitions: loops over all
// indices, in double.
#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "every_backend.h"
#include "kernels/emulator/watch.h"

using namespace handgrad;

namespace {

WindowAxis axis(Index in, Index kernel, Index stride, Index padding, Index dilation) {
    const Index out = (in + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    return {in, out, kernel, stride, padding, dilation};
}

std::string name_of(const WindowAxis& a) {
    return std::to_string(a.in) + " k" + std::to_string(a.kernel) + " s" +
           std::to_string(a.stride) + " p" + std::to_string(a.padding) + " d" +
           std::to_string(a.dilation);
}

/// visit(window, pixel, element of the kernel) for all that lie in the image.
template <class Visit>
void each_element(const Windows& v, Visit&& visit) {
    for (Index i = 0; i < v.h.out; ++i)
        for (Index j = 0; j < v.w.out; ++j)
            for (Index k = 0; k < v.h.kernel; ++k)
                for (Index l = 0; l < v.w.kernel; ++l) {
                    const Index y = i * v.h.stride - v.h.padding + k * v.h.dilation;
                    const Index x = j * v.w.stride - v.w.padding + l * v.w.dilation;
                    if (y < 0 || y >= v.h.in || x < 0 || x >= v.w.in) continue;
                    visit(i * v.w.out + j, y * v.w.in + x, k * v.w.kernel + l);
                }
}

const std::vector<Conv2dSizes> convolutions = {
    // n, in, out, groups, height, width
    {1, 1, 1, 1, {axis(1, 1, 1, 0, 1), axis(1, 1, 1, 0, 1)}},      // one pixel
    {0, 3, 2, 1, {axis(5, 3, 1, 1, 1), axis(5, 3, 1, 1, 1)}},      // no samples
    {3, 1, 20, 1, {axis(28, 5, 1, 0, 1), axis(28, 5, 1, 0, 1)}},   // LeNet
    {2, 3, 5, 1, {axis(7, 7, 1, 0, 1), axis(5, 5, 1, 0, 1)}},      // kernel = image
    {5, 4, 6, 2, {axis(13, 3, 2, 1, 1), axis(11, 2, 3, 0, 1)}},    // primes, groups
    {2, 6, 6, 6, {axis(9, 3, 1, 1, 1), axis(17, 3, 1, 1, 1)}},     // groups = channels
    {4, 32, 48, 2, {axis(6, 3, 1, 1, 1), axis(6, 3, 1, 1, 1)}},    // groups of tiles, sums in parts
    {2, 128, 130, 2, {axis(8, 1, 1, 0, 1), axis(8, 1, 1, 0, 1)}},  // groups of large tiles
    {2, 3, 7, 1, {axis(16, 3, 1, 2, 2), axis(15, 2, 2, 3, 5)}},    // dilation
    {2, 2, 3, 1, {axis(11, 2, 5, 0, 1), axis(10, 1, 3, 0, 1)}},    // stride > kernel
    {1, 2, 3, 1, {axis(1, 3, 1, 1, 1), axis(2, 5, 1, 2, 1)}},      // kernel > image
    {1, 2, 3, 1, {axis(3, 2, 1, 4, 1), axis(2, 2, 2, 5, 1)}},      // windows of padding alone
    {2, 5, 9, 1, {axis(17, 1, 1, 0, 1), axis(13, 1, 1, 0, 1)}},    // pointwise
    {7, 9, 6, 3, {axis(3, 1, 1, 0, 1), axis(2, 1, 1, 0, 1)}},      // pointwise, few pixels
    {3, 5, 4, 1, {axis(9, 1, 2, 0, 1), axis(9, 1, 2, 1, 1)}},      // 1x1 with a stride
    {1, 17, 9, 1, {axis(37, 3, 1, 1, 1), axis(61, 3, 1, 1, 1)}},   // several pieces of a sample
    {33, 16, 24, 1, {axis(8, 3, 1, 1, 1), axis(8, 3, 2, 1, 1)}},   // several samples in a piece
    {300, 2, 3, 1, {axis(4, 3, 1, 0, 1), axis(3, 3, 1, 0, 1)}},    // many small samples
};

}  // namespace

TEMPLATE_TEST_CASE("conv2d is its definition", "[kernels][conv]", float, double) {
    using T = TestType;
    for (const Conv2dSizes& s : convolutions) {
        const Windows& v = s.windows;
        INFO("n " << s.n << ", " << s.in_channels << " to " << s.out_channels << ", groups "
                  << s.groups << ", h " << name_of(v.h) << ", w " << name_of(v.w));
        const Index c_group = s.in_channels / s.groups, o_group = s.out_channels / s.groups;
        const Index kernel = v.h.kernel * v.w.kernel, pixels = v.h.in * v.w.in;
        const Index P = v.h.out * v.w.out, K = c_group * kernel;
        const auto x = numbers<T>(s.n * s.in_channels * pixels, 1);
        const auto weight = numbers<T>(s.out_channels * K, 2);
        const auto bias = numbers<T>(s.out_channels, 3);
        const auto dy = numbers<T>(s.n * s.out_channels * P, 4);

        std::vector<double> y(dy.size()), dx(x.size()), dw(weight.size()), db(bias.size());
        for (Index n = 0; n < s.n; ++n)
            for (Index o = 0; o < s.out_channels; ++o) {
                const Index y0 = (n * s.out_channels + o) * P;
                for (Index p = 0; p < P; ++p) {
                    y[y0 + p] += double{bias[o]};
                    db[o] += double{dy[y0 + p]};
                }
                for (Index c = 0; c < c_group; ++c) {
                    const Index x0 = (n * s.in_channels + o / o_group * c_group + c) * pixels;
                    const Index w0 = o * K + c * kernel;
                    each_element(v, [&](Index window, Index pixel, Index k) {
                        y[y0 + window] += double{weight[w0 + k]} * double{x[x0 + pixel]};
                        dx[x0 + pixel] += double{weight[w0 + k]} * double{dy[y0 + window]};
                        dw[w0 + k] += double{dy[y0 + window]} * double{x[x0 + pixel]};
                    });
                }
            }

        const T nan = std::numeric_limits<T>::quiet_NaN();
        const double epsilon = std::numeric_limits<T>::epsilon();
        // Numbers below 1, so an error of epsilon for each of the sum's terms is never reached.
        const double over_kernel = epsilon * static_cast<double>(K + 1),
                     over_outputs = epsilon * static_cast<double>(o_group * kernel + 1),
                     over_batch = epsilon * static_cast<double>(s.n * P + 1);
        on_every_backend<T>([&](const Backend<T>& backend) {
            std::vector<T> got(y.size(), nan);
            backend.conv2d_forward(got.data(), x.data(), weight.data(), bias.data(), s);
            CHECK(close<T>(got, {y.begin(), y.end()}, over_kernel));
            std::vector<T> no_bias(y.size(), nan), zero_bias(y.size(), nan);
            const std::vector<T> zeros(bias.size());
            backend.conv2d_forward(no_bias.data(), x.data(), weight.data(), nullptr, s);
            backend.conv2d_forward(zero_bias.data(), x.data(), weight.data(), zeros.data(), s);
            CHECK(close<T>(no_bias, zero_bias, over_kernel));

            std::vector<T> got_dx(x.size(), nan);
            backend.conv2d_backward_input(got_dx.data(), dy.data(), weight.data(), s);
            CHECK(close<T>(got_dx, {dx.begin(), dx.end()}, over_outputs));

            std::vector<T> got_dw(weight.size(), T{2}), got_db(bias.size(), T{3});  // added to
            backend.conv2d_backward_weight(got_dw.data(), got_db.data(), dy.data(), x.data(), s);
            std::vector<T> expected_dw, expected_db;
            for (const double d : dw) expected_dw.push_back(static_cast<T>(d + 2));
            for (const double d : db) expected_db.push_back(static_cast<T>(d + 3));
            CHECK(close(got_dw, expected_dw, over_batch + 2 * epsilon));
            CHECK(close(got_db, expected_db, over_batch + 2 * epsilon));
            std::vector<T> again(weight.size(), T{2});
            backend.conv2d_backward_weight(again.data(), nullptr, dy.data(), x.data(), s);
            CHECK(again == got_dw);
        });
    }
}

TEST_CASE("conv2d gives the same bits on any number of threads", "[kernels][conv]") {
    const Conv2dSizes s{19, 3, 20, 1, {axis(30, 5, 1, 2, 1), axis(31, 5, 1, 2, 1)}};
    const Index pixels = Index{30} * 31;
    const auto x = numbers<float>(s.n * 3 * pixels, 1), dy = numbers<float>(s.n * 20 * pixels, 2),
               weight = numbers<float>(Index{20} * 75, 3);
    const int before = cpu::max_threads();
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 3}) {
        cpu::set_max_threads(threads);
        const auto& backend = cpu::backend<float>(cpu::chosen_isa());
        std::vector<float> y(dy.size()), dx(x.size()), dw(weight.size());
        backend.conv2d_forward(y.data(), x.data(), weight.data(), nullptr, s);
        backend.conv2d_backward_input(dx.data(), dy.data(), weight.data(), s);
        backend.conv2d_backward_weight(dw.data(), nullptr, dy.data(), x.data(), s);
        for (auto* part : {&y, &dx, &dw}) results.push_back(*part);
    }
    cpu::set_max_threads(before);
    for (std::size_t i = 3; i < results.size(); ++i) CHECK(results[i] == results[i % 3]);
}

namespace {

const std::vector<Windows> pools = {
    {axis(1, 1, 1, 0, 1), axis(1, 1, 1, 0, 1)},   {axis(24, 2, 2, 0, 1), axis(24, 2, 2, 0, 1)},
    {axis(7, 7, 1, 0, 1), axis(5, 5, 1, 0, 1)},   {axis(13, 3, 2, 1, 1), axis(37, 3, 1, 1, 1)},
    {axis(11, 2, 5, 1, 1), axis(17, 3, 4, 0, 1)}, {axis(1, 3, 1, 1, 1), axis(2, 5, 2, 2, 1)},
    {axis(61, 3, 2, 1, 1), axis(67, 4, 2, 2, 1)}, {axis(7, 2, 2, 0, 1), axis(7, 2, 2, 0, 1)},
    {axis(8, 3, 1, 1, 1), axis(8, 3, 1, 1, 1)},   {axis(8, 2, 1, 1, 1), axis(8, 2, 1, 1, 1)},
    {axis(4, 2, 2, 0, 1), axis(34, 2, 2, 0, 1)},  {axis(4, 2, 2, 0, 1), axis(35, 2, 2, 0, 1)},
};

}  // namespace

TEMPLATE_TEST_CASE("pools are their definitions", "[kernels][pool]", float, double) {
    using T = TestType;
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (const Windows& v : pools)
        for (const Index planes : {0, 1, 3, 40}) {
            INFO(planes << " planes, h " << name_of(v.h) << ", w " << name_of(v.w));
            const Index pixels = v.h.in * v.w.in, P = v.h.out * v.w.out;
            auto x = numbers<T>(planes * pixels, 5);
            for (T& e : x) e = std::round(e * 4) / 4;  // many are equal
            if (planes > 1) x[x.size() / 2] = nan;
            if (planes > 2)  // the greatest of windows may be -infinity
                for (Index i = 0; i < pixels; ++i) x[i] = -std::numeric_limits<T>::infinity();
            const auto dy = numbers<T>(planes * P, 6);

            std::vector<T> greatest(dy.size());
            std::vector<std::int32_t> at(dy.size(), -1);
            std::vector<double> means[2], max_dx(x.size()), mean_dx[2];
            for (const int padded : {0, 1}) {
                means[padded].resize(dy.size());
                mean_dx[padded].resize(x.size());
            }
            for (Index plane = 0; plane < planes; ++plane) {
                const Index x0 = plane * pixels, y0 = plane * P;
                std::vector<double> inside(P);
                each_element(v, [&](Index window, Index, Index) { ++inside[window]; });
                each_element(v, [&](Index window, Index pixel, Index) {
                    const T e = x[x0 + pixel];
                    std::int32_t& chosen = at[y0 + window];
                    if (chosen < 0 || e > x[x0 + chosen] || std::isnan(e))
                        chosen = static_cast<std::int32_t>(pixel);
                    for (const int padded : {0, 1}) {
                        const double count =
                            padded ? static_cast<double>(v.h.kernel * v.w.kernel) : inside[window];
                        means[padded][y0 + window] += double{e} / count;
                        mean_dx[padded][x0 + pixel] += double{dy[y0 + window]} / count;
                    }
                });
                for (Index p = 0; p < P; ++p) {
                    greatest[y0 + p] = x[x0 + at[y0 + p]];
                    max_dx[x0 + at[y0 + p]] += double{dy[y0 + p]};
                }
            }

            const double tolerance = std::numeric_limits<T>::epsilon() *
                                     static_cast<double>(v.h.kernel * v.w.kernel + 2);
            // NaN and infinity where the other has them, else close.
            const auto alike = [&](const std::vector<T>& got, const auto& expected) {
                for (std::size_t i = 0; i < got.size(); ++i) {
                    const double a = double{got[i]}, b = static_cast<double>(expected[i]);
                    if (std::isnan(b) ? !std::isnan(a) : a != b && !(std::abs(a - b) <= tolerance))
                        return false;
                }
                return got.size() == expected.size();
            };
            on_every_backend<T>([&](const Backend<T>& backend) {
                std::vector<T> y(dy.size(), T{7}), dx(x.size(), nan);
                std::vector<std::int32_t> chosen(dy.size(), 7);
                backend.max_pool2d_forward(y.data(), chosen.data(), x.data(), planes, v);
                CHECK(alike(y, greatest));
                CHECK(chosen == at);
                backend.max_pool2d_backward(dx.data(), dy.data(), chosen.data(), planes, v);
                CHECK(alike(dx, max_dx));
                for (const int padded : {0, 1}) {
                    backend.avg_pool2d_forward(y.data(), x.data(), planes, v, padded == 1);
                    CHECK(alike(y, means[padded]));
                    backend.avg_pool2d_backward(dx.data(), dy.data(), planes, v, padded == 1);
                    CHECK(alike(dx, mean_dx[padded]));
                }
            });
        }
}

TEST_CASE("a GPU is asked once for all groups of a convolution", "[kernels][conv]") {
    const WindowAxis h = axis(5, 3, 1, 1, 1), w = axis(4, 3, 1, 1, 1);
    std::size_t emulated_launches = 0;
    on_every_gpu<float>([&](const Backend<float>& backend) {
        const Conv2dSizes s{2, 6, 12, 6, {h, w}};
        const auto x = numbers<float>(240, 1), weight = numbers<float>(108, 2);
        std::vector<float> y(480), dx(x.size()), dw(weight.size());
        emulator::take_traffic();
        emulator::set_counting(true);
        backend.conv2d_forward(y.data(), x.data(), weight.data(), nullptr, s);
        backend.conv2d_backward_input(dx.data(), y.data(), weight.data(), s);
        backend.conv2d_backward_weight(dw.data(), nullptr, y.data(), x.data(), s);
        emulator::set_counting(false);
        const auto launched = emulator::take_traffic();
        for (const emulator::Traffic& kernel : launched) CHECK(kernel.launches == 1);
        emulated_launches = std::max(emulated_launches, launched.size());
    });
    CHECK(emulated_launches == 3);
}

TEST_CASE("a GPU convolves more groups than a grid has along y", "[kernels][conv]") {
    constexpr Index groups = 65'537;
    const WindowAxis one = axis(1, 1, 1, 0, 1);
    const auto x = numbers<float>(groups, 1), weight = numbers<float>(groups, 2);
    std::vector<float> expected(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) expected[i] = x[i] * weight[i];
    on_every_gpu<float>([&](const Backend<float>& backend) {
        std::vector<float> y(x.size());
        backend.conv2d_forward(y.data(), x.data(), weight.data(), nullptr,
                               {1, groups, groups, groups, {one, one}});
        CHECK(y == expected);
    });
}
