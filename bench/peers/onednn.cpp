// oneDNN's two ways to a product: dnnl_sgemm, and its matmul primitive. Both follow OpenMP's number
// of threads.
#include <omp.h>

#include <map>
#include <tuple>

#include <oneapi/dnnl/dnnl.hpp>

#include "peer.h"

extern "C" void peer_sgemm(bool trans_a, bool trans_b, long M, long N, long K, const float* A,
                           const float* B, float* C) {
    dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', M, N, K, 1.0F, A, trans_a ? M : K, B,
               trans_b ? K : N, 0.0F, C, N);
}

extern "C" void peer_matmul(bool trans_a, bool trans_b, long M, long N, long K, const float* A,
                            const float* B, float* C) {
    using namespace dnnl;
    static engine cpu(engine::kind::cpu, 0);
    static stream in_order(cpu);
    // A primitive is compiled for its shape and number of threads, which costs more than a small
    // product does.
    struct Made {
        matmul primitive;
        memory a, b, c;
    };
    static std::map<std::tuple<int, bool, bool, long, long, long>, Made> made;
    const std::tuple key{omp_get_max_threads(), trans_a, trans_b, M, N, K};
    auto found = made.find(key);
    if (found == made.end()) {
        using Dims = memory::dims;
        const auto f32 = memory::data_type::f32;
        const memory::desc a({M, K}, f32, trans_a ? Dims{1, M} : Dims{K, 1});
        const memory::desc b({K, N}, f32, trans_b ? Dims{1, K} : Dims{N, 1});
        const memory::desc c({M, N}, f32, Dims{N, 1});
        found = made.emplace(key, Made{matmul({{a, b, c}, cpu}), memory(a, cpu, nullptr),
                                       memory(b, cpu, nullptr), memory(c, cpu, nullptr)})
                    .first;
    }
    Made& m = found->second;
    m.a.set_data_handle(const_cast<float*>(A));
    m.b.set_data_handle(const_cast<float*>(B));
    m.c.set_data_handle(C);
    m.primitive.execute(in_order,
                        {{DNNL_ARG_SRC, m.a}, {DNNL_ARG_WEIGHTS, m.b}, {DNNL_ARG_DST, m.c}});
    in_order.wait();
}
