// The CPU's product beside the libraries that this machine has: oneDNN, OpenBLAS, BLIS, MKL, Eigen.
//
//   make bench-gemm                               the table, and out/bench/gemm.json
//   make bench-gemm ARGS="--only 16x784x128"      shapes whose name holds these words
//   make bench-gemm ARGS="--only layer"           the layers alone
//   make bench-gemm ARGS="--only bf16"            rungs 9 and 10 alone
//   make bench-gemm ARGS="--readme README.md"     also writes the table between README's markers
//
// The libraries are opened where they lie. On Debian their packages are libdnnl-dev, libeigen3-dev
// (both before the build is configured), libopenblas0-openmp and libblis4-openmp; MKL comes from
// PyPI's package mkl, and --mkl names the folder of its libmkl_rt.so.
//
// Shapes are M x K x N, with op(A) (M, K) and op(B) (K, N), in memory as tensors have it. Every
// result is checked against the definition before it is timed; a wrong one is reported and gets no
// speed. All libraries take turns within each round, so that a busy neighbour slows all alike; one
// thread is timed by its own time, several by the wall clock. Speeds are medians over the rounds; a
// ratio is the median of the rounds' ratios, and above 1 where handgrad is faster. Each round also
// measures the multiply-adds that the processor can do right then; %peak is the median over the
// rounds whose probe was within 3 % of the best.
//
// Lines called "layer" time what a layer does in a training step, batch x inputs x outputs: y =
// relu(x W' + b) and back, dz = dy where y > 0, dW = dz' x, db = the sum of dz's rows, dx = dz W.
// handgrad adds the bias and applies relu while the tile is in registers, and its product that
// makes dW makes db, too. The libraries' products have passes of their own beside them for that,
// with handgrad's kernels; all else is the same.
//
// Where the processor has AMX, squares in bf16 and bf16x3 follow, on one thread, each checked
// against its own bound and compared with handgrad in float. Tiles were seen to be loaded at two
// speeds, 2.4 times apart, on one and the same machine, so each round also measures products whose
// tiles are loaded from L1. Cycle for cycle they are 16 times the multiply-adds, and 12 times at
// the lower clock that they were seen to run at: a round is "fast" where the probe shows 8 times or
// more, and the others are reported beside as "slow". With HANDGRAD_ISA=portable, and --only bf16,
// the same runs on plain C++, to see that it works.
#include <dlfcn.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/timing.h"
#include "core/error.h"
#include "core/file.h"
#include "core/tensor.h"
#include "core/text.h"
#include "kernels/ladder/0_naive.h"
#include "kernels/ladder/fma_peak.h"
#include "kernels/ladder/ladder.h"
#include "peers/peer.h"

using namespace handgrad;
using namespace handgrad::bench;

namespace {

// ---- the libraries ------------------------------------------------------------------------------

struct Library {
    std::string name;
    std::function<PeerGemm> gemm;
    std::function<void(int)> set_threads = [](int) {};  // beyond OpenMP's own number
};

const Backend<float>& backend() {
    return cpu::backend<float>(cpu::chosen_isa());
}

void handgrad_gemm(bool trans_a, bool trans_b, long M, long N, long K, const float* A,
                   const float* B, float* C) {
    static const Backend<float>& ours = backend();
    ours.gemm(trans_a ? Trans::yes : Trans::no, trans_b ? Trans::yes : Trans::no, M, N, K, 1.0F, A,
              trans_a ? M : K, B, trans_b ? K : N, 0.0F, C, N);
}

/// The first of some files that can be opened, or null.
void* open_first(const std::vector<std::string>& files) {
    for (const std::string& file : files)
        if (void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
    return nullptr;
}

template <class Function>
Function* symbol(void* handle, const char* name) {
    return reinterpret_cast<Function*>(dlsym(handle, name));
}

void add_module(std::vector<Library>& libraries, const std::string& name, const std::string& file,
                const char* function) {
    if (void* handle = open_first({std::string(HANDGRAD_PEERS) + "/libpeer_" + file + ".so"}))
        libraries.push_back({name, symbol<PeerGemm>(handle, function)});
}

/// A library with the interface of the reference BLAS.
void add_blas(std::vector<Library>& libraries, const std::string& name,
              const std::vector<std::string>& files, const char* set_threads) {
    using Sgemm = void(int, int, int, int, int, int, float, const float*, int, const float*, int,
                       float, float*, int);
    void* handle = open_first(files);
    if (handle == nullptr) return;
    auto* sgemm = symbol<Sgemm>(handle, "cblas_sgemm");
    if (sgemm == nullptr) return;
    Library library{name, [sgemm](bool trans_a, bool trans_b, long M, long N, long K,
                                  const float* A, const float* B, float* C) {
                        constexpr int row_major = 101, as_is = 111, transposed = 112;
                        const int m = static_cast<int>(M), n = static_cast<int>(N);
                        const int k = static_cast<int>(K);
                        sgemm(row_major, trans_a ? transposed : as_is, trans_b ? transposed : as_is,
                              m, n, k, 1.0F, A, trans_a ? m : k, B, trans_b ? k : n, 0.0F, C, n);
                    }};
    if (auto* set = symbol<void(int)>(handle, set_threads)) library.set_threads = set;
    libraries.push_back(std::move(library));
}

/// handgrad and what is installed beside it. Debian's OpenBLAS and BLIS don't know newer processors
/// and run a fraction of their speed there unless they are told of an older one; what the
/// environment says of it may be meant for other programs.
std::vector<Library> find_libraries(const std::string& mkl) {
    if (cpu::supported(cpu::Isa::avx512)) {
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
        setenv("BLIS_ARCH_TYPE", "skx", 1);
        unsetenv("OPENBLAS_L2_SIZE");
    }
    setenv("MKL_THREADING_LAYER", "GNU", 0);  // libgomp, as all others
    std::vector<Library> libraries{{"handgrad", handgrad_gemm, cpu::set_max_threads}};
    add_module(libraries, "oneDNN sgemm", "onednn", "peer_sgemm");
    add_module(libraries, "oneDNN matmul", "onednn", "peer_matmul");
    const std::string debian = "/usr/lib/x86_64-linux-gnu/";
    // Built with OpenMP where there is a choice: pthreads of its own would fight the others'.
    add_blas(libraries, "OpenBLAS",
             {debian + "openblas-openmp/libopenblas.so.0", "libopenblas.so.0", "libopenblas.so"},
             "openblas_set_num_threads");
    add_blas(libraries, "BLIS", {debian + "blis-openmp/libblis.so.4", "libblis.so.4", "libblis.so"},
             "bli_thread_set_num_threads");
    std::vector<std::string> mkl_files;
    for (const char* version : {".3", ".2", ""})
        mkl_files.push_back((mkl.empty() ? "" : mkl + "/") + "libmkl_rt.so" + version);
    add_blas(libraries, "MKL", mkl_files, "MKL_Set_Num_Threads");
    add_module(libraries, "Eigen", "eigen", "peer_eigen");
    return libraries;
}

// ---- the shapes ---------------------------------------------------------------------------------

struct Shape {
    std::string trans;  // of A, of B: "NT"; or "layer"
    Index M, K, N;      // of a layer: batch, inputs, outputs
    bool own = false;   // a product of a layer, or a square A B: goes to the README

    bool operator==(const Shape&) const = default;
    [[nodiscard]] std::string size() const {
        return std::to_string(M) + "x" + std::to_string(K) + "x" + std::to_string(N);
    }
    [[nodiscard]] bool layer() const { return trans == "layer"; }
    [[nodiscard]] bool square() const { return M == N && N == K; }
    [[nodiscard]] bool trans_a() const { return trans[0] == 'T'; }
    [[nodiscard]] bool trans_b() const { return trans[1] == 'T'; }
    /// Of the products alone.
    [[nodiscard]] double flops() const {
        return (layer() ? 6.0 : 2.0) * static_cast<double>(M * N * K);
    }
    /// Batches up to 64, and ten classes: most products of a training step look like these.
    [[nodiscard]] bool small_training() const {
        return !layer() && !square() && (std::min({M, K, N}) <= 64 || N == 10);
    }
};

std::vector<Shape> all_shapes() {
    std::vector<Shape> shapes;
    const char* transpositions[] = {"NN", "NT", "TN"};
    for (Index n = 16; n <= 4096; n *= 2)
        for (const char* trans : transpositions)
            shapes.push_back({trans, n, n, n, trans[0] == trans[1]});
    const Shape layers[] = {{"layer", 16, 784, 128},  {"layer", 64, 784, 100},
                            {"layer", 256, 784, 512}, {"layer", 1024, 512, 256},
                            {"layer", 256, 4096, 10}, {"layer", 1649, 4096, 10},
                            {"layer", 64, 100, 10}};
    for (const auto& [name, batch, in, out, own] : layers) {
        for (const std::string trans : transpositions)
            shapes.push_back({trans, batch, in, out, trans == "NT"});  // y = x W'
        shapes.push_back({"TN", out, batch, in, true});                // dW = dy' x
        shapes.push_back({"NN", batch, out, in, true});                // dx = dy W
    }
    shapes.insert(shapes.end(), std::begin(layers), std::end(layers));
    return shapes;
}

Tensor<float> empty(Index n) {
    return Tensor<float>::empty({n});
}

Tensor<float> random(Index n, unsigned seed) {
    std::minstd_rand engine(seed);
    Tensor<float> x = empty(n);
    for (Index i = 0; i < n; ++i)
        x.data()[i] =
            2 * static_cast<float>(engine()) / static_cast<float>(std::minstd_rand::max()) - 1;
    return x;
}

constexpr float not_written = std::numeric_limits<float>::quiet_NaN();

/// Some rows of C against the definition. K products, each at most 1, summed in any order; then
/// bias (N), unless it is null, and relu.
bool right_product(const Shape& s, const float* A, const float* B, const float* C,
                   const float* bias = nullptr) {
    std::vector<float> row(static_cast<std::size_t>(s.N));
    const auto k = static_cast<double>(s.K);
    const double allowed = (k + 2) * std::numeric_limits<float>::epsilon() * std::sqrt(k);
    const Index step = std::max<Index>(1, s.M / (s.flops() > 1e9 ? 4 : 16));
    for (Index m = s.M - 1; m >= 0; m -= step) {
        const float* a = A + (s.trans_a() ? m : m * s.K);
        ladder::gemm_naive<float, double>(
            s.trans_a() ? Trans::yes : Trans::no, s.trans_b() ? Trans::yes : Trans::no, 1, s.N, s.K,
            1, a, s.trans_a() ? s.M : s.K, B, s.trans_b() ? s.K : s.N, 0, row.data(), s.N);
        for (Index n = 0; n < s.N; ++n) {
            float wanted = row[static_cast<std::size_t>(n)];
            if (bias != nullptr) wanted = std::max(wanted + bias[n], 0.0F);
            if (!(std::fabs(C[m * s.N + n] - wanted) <= allowed)) return false;
        }
    }
    return true;
}

struct Multiplication {
    Shape s;
    Tensor<float> A, B, C;

    explicit Multiplication(const Shape& shape)
        : s(shape), A(random(s.M * s.K, 1)), B(random(s.K * s.N, 2)), C(empty(s.M * s.N)) {}
    void run(const Library& library) {
        library.gemm(s.trans_a(), s.trans_b(), s.M, s.N, s.K, A.data(), B.data(), C.data());
    }
    bool right(const Library& library) {
        std::fill_n(C.data(), s.M * s.N, not_written);
        run(library);
        return right_product(s, A.data(), B.data(), C.data());
    }
};

struct LayerStep {
    Index batch, in, out;
    Tensor<float> x, w, b, y, dy, dz, dw, db, dx;

    explicit LayerStep(const Shape& s)
        : batch(s.M),
          in(s.K),
          out(s.N),
          x(random(batch * in, 1)),
          w(random(out * in, 2)),
          b(random(out, 3)),
          y(empty(batch * out)),
          dy(random(batch * out, 4)),
          dz(empty(batch * out)),
          dw(empty(out * in)),
          db(empty(out)),
          dx(empty(batch * in)) {}
    void run(const Library& library) {
        static const Backend<float>& ours = backend();
        static const ladder::FusedGemm<float> fused = ladder::fused_rung<float>(cpu::chosen_isa());
        const bool by_hand = library.name == "handgrad";
        if (by_hand) {
            fused(Trans::no, Trans::yes, batch, out, in, x.data(), w.data(), b.data(), true,
                  nullptr, y.data());
        } else {
            library.gemm(false, true, batch, out, in, x.data(), w.data(), y.data());
            ours.add_to_rows(y.data(), b.data(), batch, out);
            ours.activation_forward(Activation::relu, y.data(), y.data(), 0, 0, batch * out);
        }
        ours.activation_backward(Activation::relu, dz.data(), dy.data(), y.data(), 0, 0,
                                 batch * out);
        ours.fill(db.data(), 0, out);
        if (by_hand) {
            fused(Trans::yes, Trans::no, out, in, batch, dz.data(), x.data(), nullptr, false,
                  db.data(), dw.data());
        } else {
            ours.sum_rows(db.data(), dz.data(), batch, out);
            library.gemm(true, false, out, in, batch, dz.data(), x.data(), dw.data());
        }
        library.gemm(false, false, batch, in, out, dz.data(), w.data(), dx.data());
    }
    bool right(const Library& library) {
        std::fill_n(y.data(), batch * out, not_written);
        std::fill_n(dw.data(), out * in, not_written);
        std::fill_n(dx.data(), batch * in, not_written);
        run(library);
        for (Index i = 0; i < batch * out; ++i)
            if (dz.data()[i] != (y.data()[i] > 0 ? dy.data()[i] : 0.0F)) return false;
        // The sum of dz's rows is a product with ones.
        Tensor<float> ones = empty(batch);
        std::fill_n(ones.data(), batch, 1.0F);
        return right_product({"NT", batch, in, out}, x.data(), w.data(), y.data(), b.data()) &&
               right_product({"NN", 1, batch, out}, ones.data(), dz.data(), db.data()) &&
               right_product({"TN", out, batch, in}, dz.data(), x.data(), dw.data()) &&
               right_product({"NN", batch, out, in}, dz.data(), w.data(), dx.data());
    }
};

// ---- measuring ----------------------------------------------------------------------------------

/// Runs on the time of one thread alone, or on the wall clock: where other programs want the cores
/// as well, one thread's own time leaves theirs out.
class Stopwatch {
  public:
    explicit Stopwatch(int threads)
        : clock_(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC), start_(now()) {}
    [[nodiscard]] double seconds() const { return now() - start_; }

  private:
    [[nodiscard]] double now() const {
        timespec time{};
        clock_gettime(clock_, &time);
        return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    }
    clockid_t clock_;
    double start_;
};

struct Line {
    Shape shape;
    std::string precision = {};  // "bf16" or "bf16x3"; else float
    int threads = 1;
    double gflops = 0, pct_peak = 0;
    std::string peer;  // the best one
    double peer_gflops = 0, ratio = 0;
    std::map<std::string, double> all;  // GFLOP/s of everybody
};

/// Work: Multiplication or LayerStep.
template <class Work>
Line measure(const Shape& shape, int threads, const std::vector<Library>& all, double seconds) {
    omp_set_num_threads(threads);
    for (const Library& library : all) library.set_threads(threads);
    Work work(shape);
    std::vector<const Library*> libraries;
    for (const Library& library : all) {
        if (work.right(library))
            libraries.push_back(&library);
        else
            std::fprintf(stderr, "%s: %s %s is wrong\n", library.name.c_str(), shape.trans.c_str(),
                         shape.size().c_str());
    }

    // As many a turn as take half a millisecond, at 100 GFLOP/s.
    const int times = std::max(1, static_cast<int>(5e-4 * 1e11 / shape.flops()));
    std::map<std::string, std::vector<double>> speed;
    std::vector<double> probes;
    const auto start = Clock::now();
    for (std::size_t round = 0; round < 3 || (round < 1000 && seconds_since(start) < seconds);
         ++round) {
        probes.push_back(ladder::fma_peak<float>(cpu::chosen_isa(), threads));
        for (std::size_t i = 0; i < libraries.size(); ++i) {
            const Library& library = *libraries[(i + round) % libraries.size()];
            work.run(library);  // wakes its threads, fills its caches
            const Stopwatch turn(threads);
            for (int t = 0; t < times; ++t) work.run(library);
            speed[library.name].push_back(shape.flops() * times / turn.seconds() / 1e9);
        }
    }

    Line line;
    line.shape = shape;
    line.threads = threads;
    for (const auto& [name, rounds] : speed) line.all[name] = median(rounds);
    const std::vector<double>& ours = speed["handgrad"];
    if (ours.empty()) return line;
    line.gflops = line.all["handgrad"];
    const double best_probe = *std::max_element(probes.begin(), probes.end());
    std::vector<double> of_peak;
    for (std::size_t r = 0; r < probes.size(); ++r)
        if (probes[r] > 0.97 * best_probe) of_peak.push_back(100 * ours[r] / probes[r]);
    line.pct_peak = median(of_peak);
    for (const auto& [name, rounds] : speed) {
        if (name == "handgrad" || line.all[name] <= line.peer_gflops) continue;
        std::vector<double> ratios;
        for (std::size_t r = 0; r < rounds.size(); ++r) ratios.push_back(ours[r] / rounds[r]);
        line.peer = name;
        line.peer_gflops = line.all[name];
        line.ratio = median(ratios);
    }
    return line;
}

// ---- rungs 9 and 10 -----------------------------------------------------------------------------

/// Four rows of C = A B against the bound of the rung that made it.
bool within_bound(int number, const Multiplication& work) {
    const Shape& s = work.s;
    const auto at = [](const Tensor<float>& x, Index i) { return double{x.data()[i]}; };
    for (Index m = 0; m < s.M; m += s.M / 4)
        for (Index n = 0; n < s.N; ++n) {
            double sum = 0, magnitude = 0;
            for (Index k = 0; k < s.K; ++k) {
                const double term = at(work.A, m * s.K + k) * at(work.B, k * s.N + n);
                sum += term;
                magnitude += std::fabs(term);
            }
            const double error = std::fabs(at(work.C, m * s.N + n) - sum);
            if (!(error <= ladder::error_bound(number, s.K) * magnitude)) return false;
        }
    return true;
}

/// A square in float, bf16 and bf16x3, on one thread, in turns; a line for each of the latter two,
/// with handgrad's float as the peer.
std::vector<Line> measure_tiles(Index n, double seconds) {
    const cpu::Isa isa = cpu::chosen_isa();
    cpu::set_max_threads(1);
    Multiplication work({"NN", n, n, n});
    const auto run = [&](int number) {
        ladder::rung<float>(number, isa)(Trans::no, Trans::no, n, n, n, 1, work.A.data(), n,
                                         work.B.data(), n, 0, work.C.data(), n);
    };
    const int numbers[] = {ladder::last_rung, ladder::bf16_rung, ladder::bf16x3_rung};
    bool right[3] = {};
    for (int i = 0; i < 3; ++i) {
        std::fill_n(work.C.data(), n * n, not_written);
        run(numbers[i]);
        right[i] = within_bound(numbers[i], work);
    }

    // GFLOP/s of each, and of the tiles, in fast rounds [1] and in slow ones [0].
    std::vector<double> speed[2][3], probes[2];
    const auto start = Clock::now();
    for (int round = 0; round < 5 || (round < 1000 && seconds_since(start) < 3 * seconds);
         ++round) {
        const double probe = ladder::tile_peak(isa);
        const bool fast = probe >= 8 * ladder::fma_peak<float>(isa, 1);
        probes[fast].push_back(probe);
        for (int i = 0; i < 3; ++i) {
            const Stopwatch turn(1);
            run(numbers[i]);
            speed[fast][i].push_back(work.s.flops() / turn.seconds() / 1e9);
        }
    }
    std::vector<Line> lines;
    for (int i = 1; i < 3; ++i) {
        Line line;
        line.shape = work.s;
        line.precision = i == 1 ? "bf16" : "bf16x3";
        std::printf("%-6s %-14s", line.precision.c_str(), line.shape.size().c_str());
        if (!right[0] || !right[i]) std::printf("  beyond its bound");
        for (const int fast : {1, 0}) {
            if (!right[0] || !right[i] || probes[fast].empty()) continue;
            std::vector<double> ratios;
            for (std::size_t r = 0; r < probes[fast].size(); ++r)
                ratios.push_back(speed[fast][i][r] / speed[fast][0][r]);
            const double gflops = median(speed[fast][i]);
            const double of_peak = 100 * gflops * (i == 1 ? 1 : 6) / median(probes[fast]);
            std::printf("  %s: %.1f GFLOP/s, %.1f %% of the tiles' peak, %.2f times float (%zu)",
                        fast == 1 ? "fast" : "slow", gflops, of_peak, median(ratios),
                        ratios.size());
            if (line.gflops > 0) continue;  // the line is of the fast rounds, if there are any
            line.gflops = gflops;
            line.pct_peak = of_peak;
            line.peer = fast == 1 ? "handgrad float" : "handgrad float, tiles slow";
            line.peer_gflops = median(speed[fast][0]);
            line.ratio = median(ratios);
        }
        std::printf("\n");
        lines.push_back(line);
    }
    return lines;
}

// ---- reporting ----------------------------------------------------------------------------------

std::string machine() {
    std::string model = "unknown processor";
    std::istringstream info(read_file("/proc/cpuinfo"));
    for (std::string text; std::getline(info, text);)
        if (text.rfind("model name", 0) == 0) {
            model = text.substr(text.find(':') + 2);
            break;
        }
    return format("%s, %u cores, kernels %s", model.c_str(), std::thread::hardware_concurrency(),
                  cpu::name_of(cpu::chosen_isa()).data());
}

/// The geometric mean of the ratios of some lines, and the smallest of them.
template <class Wanted>
std::string summary(const char* what, const std::vector<Line>& lines, Wanted wanted) {
    double logs = 0, least = std::numeric_limits<double>::infinity();
    int count = 0;
    std::string where;
    for (const Line& line : lines) {
        if (line.peer.empty() || !wanted(line)) continue;
        logs += std::log(line.ratio);
        ++count;
        if (line.ratio < least) {
            least = line.ratio;
            where = line.shape.trans + " " + line.shape.size() + ", " +
                    std::to_string(line.threads) + (line.threads == 1 ? " thread" : " threads");
        }
    }
    if (count == 0) return {};
    return format("%s: geometric mean %.3f over %d, least %.3f (%s)\n", what,
                  std::exp(logs / count), count, least, where.c_str());
}

std::string summaries(const std::vector<Line>& lines) {
    return summary("all products", lines, [](const Line& line) { return !line.shape.layer(); }) +
           summary("training, batch up to 64 or N = 10", lines,
                   [](const Line& line) { return line.shape.small_training(); }) +
           summary("squares from 256", lines,
                   [](const Line& line) { return line.shape.square() && line.shape.M >= 256; }) +
           summary("layers in training, three products with bias and ReLU", lines,
                   [](const Line& line) { return line.shape.layer(); });
}

void write_json(const std::filesystem::path& path, const std::vector<Line>& lines) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Line& line : lines) {
        const Shape& s = line.shape;
        const std::string kind = !line.precision.empty() ? line.precision + "_"
                                 : s.layer()             ? ""
                                                         : "sgemm_";
        list.push_back(
            {{"name", kind + s.trans + "_" + s.size() + "/threads:" + std::to_string(line.threads)},
             {"m", s.M},
             {"n", s.N},
             {"k", s.K},
             {"trans", s.trans},
             {"threads", line.threads},
             {"gflops", line.gflops},
             {"pct_peak", line.pct_peak},
             {"peer", line.peer},
             {"peer_gflops", line.peer_gflops},
             {"ratio", line.ratio}});
    }
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
    write_file_atomically(path, list.dump(1) + "\n");
}

/// Replaces what stands between the markers of a README.
void write_readme(const std::filesystem::path& path, const std::vector<Line>& lines) {
    const std::string begin = "<!-- bench-gemm -->\n", end = "<!-- end of bench-gemm -->\n";
    std::string text = read_file(path);
    const std::size_t from = text.find(begin), to = text.find(end);
    if (from == std::string::npos || to == std::string::npos || to < from)
        throw Error("bench_gemm --readme: no place for the table", path.string(),
                    "a file with the markers", "add the lines " + begin + end);
    // One row for a shape, its numbers of threads beside each other: squares A B, and the three
    // products of each layer.
    std::string table =
        "| M x K x N | | GFLOP/s | of peak | best peer | ratio |\n|---|---|---|---|---|---|\n";
    for (std::size_t first = 0, next = 0; first < lines.size(); first = next) {
        const Shape& shape = lines[first].shape;
        std::string speed, share, peer, ratio;
        for (next = first; next < lines.size() && lines[next].shape == shape; ++next) {
            const Line& line = lines[next];
            const char* between = next == first ? "" : " / ";
            speed += format("%s%.0f", between, line.gflops);
            share += format("%s%.0f %%", between, line.pct_peak);
            peer += format("%s%s %.0f", between, line.peer.c_str(), line.peer_gflops);
            ratio += format("%s%.2f", between, line.ratio);
        }
        if (shape.own)
            table += format("| %s | %s | %s | %s | %s | %s |\n", shape.size().c_str(),
                            shape.trans.c_str(), speed.c_str(), share.c_str(), peer.c_str(),
                            ratio.c_str());
    }
    std::string means;
    std::istringstream each(summaries(lines));
    for (std::string mean; std::getline(each, mean);) means += "- " + mean + "\n";
    text.replace(from + begin.size(), to - from - begin.size(),
                 "\nOn " + machine() + ", 1 / 2 threads:\n\n" + table +
                     "\nAll shapes and their transpositions:\n\n" + means + "\n");
    write_file_atomically(path, text);
}

int run(int argc, char** argv) {
    std::string json = "out/bench/gemm.json", readme, mkl;
    std::vector<std::string> only, peers;
    std::vector<int> threads{1, static_cast<int>(std::thread::hardware_concurrency())};
    double seconds = 0.3;
    Index largest = 4096;
    CLI::App app("The CPU's matrix product beside other libraries'");
    app.add_option("--only", only, "shapes whose name holds one of these: 'NT 16x784x128'");
    app.add_option("--largest", largest, "leave out squares above this");
    app.add_option("--threads", threads, "numbers of threads");
    app.add_option("--seconds", seconds, "time for each shape; three rounds at least");
    app.add_option("--peers", peers, "these libraries alone: 'oneDNN sgemm'");
    app.add_option("--mkl", mkl, "folder of libmkl_rt.so, from the Python package mkl");
    app.add_option("--json", json, "where the figures go");
    app.add_option("--readme", readme, "a README whose table is to be written anew");
    CLI11_PARSE(app, argc, argv);
    std::sort(threads.begin(), threads.end());
    threads.erase(std::unique(threads.begin(), threads.end()), threads.end());

    std::vector<Library> libraries = find_libraries(mkl);
    if (!peers.empty())
        std::erase_if(libraries, [&](const Library& library) {
            return library.name != "handgrad" &&
                   std::find(peers.begin(), peers.end(), library.name) == peers.end();
        });
    std::printf("%s\n", machine().c_str());
    for (const int t : threads) {
        double peak = 0;
        for (int attempt = 0; attempt < 10; ++attempt)
            peak = std::max(peak, ladder::fma_peak<float>(cpu::chosen_isa(), t));
        std::printf("multiply-add peak, %d thread%s: %.0f GFLOP/s\n", t, t == 1 ? "" : "s", peak);
    }
    std::printf("\n%-5s %-14s %2s %8s %6s", "", "M x K x N", "t", "handgrad", "%peak");
    for (std::size_t i = 1; i < libraries.size(); ++i)
        std::printf(" %13s", libraries[i].name.c_str());
    std::printf("  ratio\n");

    std::vector<Line> lines;
    for (const Shape& shape : all_shapes()) {
        const std::string name = shape.trans + " " + shape.size();
        const auto holds = [&](const std::string& part) {
            return (name + " ").find(part + " ") != std::string::npos || name == part;
        };
        if (!only.empty() && std::none_of(only.begin(), only.end(), holds)) continue;
        if (shape.square() && shape.M > largest) continue;
        for (const int t : threads) {
            const Line line = shape.layer() ? measure<LayerStep>(shape, t, libraries, seconds)
                                            : measure<Multiplication>(shape, t, libraries, seconds);
            std::printf("%-5s %-14s %2d %8.1f %6.1f", shape.trans.c_str(), shape.size().c_str(), t,
                        line.gflops, line.pct_peak);
            for (std::size_t i = 1; i < libraries.size(); ++i) {
                const auto found = line.all.find(libraries[i].name);
                std::printf(" %13.1f", found == line.all.end() ? NAN : found->second);
            }
            std::printf("  %.3f\n", line.ratio);
            std::fflush(stdout);
            lines.push_back(line);
        }
    }
    std::printf("\n%s", summaries(lines).c_str());
    if (!readme.empty()) write_readme(readme, lines);
    const bool tiles = only.empty() ? cpu::chosen_isa() == cpu::Isa::avx512
                                    : std::find(only.begin(), only.end(), "bf16") != only.end();
    if (tiles && ladder::has_tiles(cpu::chosen_isa()))
        for (Index n = 1024; n <= std::min<Index>(largest, 4096); n *= 2)
            for (Line& line : measure_tiles(n, seconds)) lines.push_back(std::move(line));
    else
        std::printf("no AMX, or none asked for: no bf16\n");
    write_json(json, lines);
    return std::all_of(lines.begin(), lines.end(), [](const Line& l) { return l.gflops > 0; }) ? 0
                                                                                               : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
