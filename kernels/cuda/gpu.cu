// The memory of a GPU and its queues of work, by the CUDA runtime or the emulator's.
#include "kernels/cuda/gpu.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/launch.h"

namespace handgrad::HANDGRAD_GPU {
namespace {

std::string size(const char* call, std::size_t bytes) {
    return std::string(call) + " of " + std::to_string(bytes) + " bytes";
}

class CudaGpu final : public Gpu {
  public:
    CudaGpu() {
        // Not the default stream: that one waits for every other, and cannot be captured.
        check(cudaStreamCreateWithFlags(&work, cudaStreamNonBlocking), "cudaStreamCreate");
        check(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking), "cudaStreamCreate");
        work_so_far = static_cast<cudaEvent_t>(make_event());
        void* p = nullptr;
        check(cudaMalloc(&p, scratch_size * sizeof(double)), "cudaMalloc of the scratch memory");
        partial_sums = static_cast<double*>(p);
        for (Piece& piece : pieces) {
            piece.pinned = static_cast<char*>(allocate_pinned(piece_bytes));
            piece.sent = static_cast<cudaEvent_t>(make_event());
        }
    }

    void* allocate(std::size_t bytes) const override {
        void* p = nullptr;
        if (bytes == 0) return p;
        const cudaError_t status = cudaMalloc(&p, bytes);
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();  // it has been dealt with
            return nullptr;
        }
        check(status, size("cudaMalloc", bytes));
        return p;
    }
    void release(void* p) const override { check(cudaFree(p), "cudaFree"); }

    void copy_in(void* to, const void* from, std::size_t bytes) const override {
        // From memory that can be paged out CUDA may go on reading after cudaMemcpyAsync has
        // returned, or may first wait for all work. So the bytes go through memory that cannot.
        for (std::size_t done = 0; done < bytes; done += piece_bytes) {
            const Piece& piece = pieces[pieces_sent++ % most_pieces];
            const std::size_t part = std::min(piece_bytes, bytes - done);
            wait_on_host(piece.sent);
            std::memcpy(piece.pinned, static_cast<const char*>(from) + done, part);
            copy_bytes(static_cast<char*>(to) + done, piece.pinned, part, cudaMemcpyHostToDevice,
                       "copy to the device");
            check(cudaEventRecord(piece.sent, work), "cudaEventRecord");
        }
    }
    void copy_out(void* to, const void* from, std::size_t bytes) const override {
        copy_bytes(to, from, bytes, cudaMemcpyDeviceToHost, "copy from the device");
        synchronize();
    }
    void copy(void* to, const void* from, std::size_t bytes) const override {
        copy_bytes(to, from, bytes, cudaMemcpyDeviceToDevice, "copy within the device");
    }

    void* allocate_pinned(std::size_t bytes) const override {
        void* p = nullptr;
        check(cudaMallocHost(&p, bytes), size("cudaMallocHost", bytes));
        return p;
    }
    void release_pinned(void* p) const override { check(cudaFreeHost(p), "cudaFreeHost"); }
    void* make_event() const override {
        cudaEvent_t event = nullptr;
        check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
        return event;
    }
    void destroy_event(void* event) const override {
        check(cudaEventDestroy(static_cast<cudaEvent_t>(event)), "cudaEventDestroy");
    }
    void copy_in_beside(void* to, const void* pinned, std::size_t bytes,
                        void* event) const override {
        check(cudaEventRecord(work_so_far, work), "cudaEventRecord");
        check(cudaStreamWaitEvent(copies, work_so_far, 0), "cudaStreamWaitEvent");
        if (bytes > 0)
            check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, copies),
                  size("copy to the device", bytes));
        check(cudaEventRecord(static_cast<cudaEvent_t>(event), copies), "cudaEventRecord");
    }
    void wait_in_order(void* event) const override {
        check(cudaStreamWaitEvent(work, static_cast<cudaEvent_t>(event), 0), "cudaStreamWaitEvent");
    }
    void wait_on_host(void* event) const override {
        check(cudaEventSynchronize(static_cast<cudaEvent_t>(event)),
              "cudaEventSynchronize, or a copy before it");
    }

    void synchronize() const override {
        check(cudaStreamSynchronize(work), "cudaStreamSynchronize, or a kernel before it");
    }

    void begin_recording() const override {
        // Relaxed: memory may be taken meanwhile.
        check(cudaStreamBeginCapture(work, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
    }
    void* end_recording() const override {
        cudaGraph_t graph = nullptr;
        check(cudaStreamEndCapture(work, &graph), "cudaStreamEndCapture");
        cudaGraphExec_t runnable = nullptr;
        const cudaError_t status = cudaGraphInstantiate(&runnable, graph, 0);
        check(cudaGraphDestroy(graph), "cudaGraphDestroy");
        check(status, "cudaGraphInstantiate");
        return runnable;
    }
    void replay(void* graph) const override {
        check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), work), "cudaGraphLaunch");
    }
    void destroy_graph(void* graph) const override {
        const cudaError_t waited = cudaStreamSynchronize(work);  // it may still be running
        check(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)), "cudaGraphExecDestroy");
        check(waited, "cudaStreamSynchronize before cudaGraphExecDestroy");
    }

    cudaStream_t work = nullptr, copies = nullptr;
    cudaEvent_t work_so_far = nullptr;
    double* partial_sums = nullptr;

  private:
    /// Where a part of what is copied to the device waits, and the end of its last copy.
    struct Piece {
        char* pinned = nullptr;
        cudaEvent_t sent = nullptr;
    };
    static constexpr std::size_t piece_bytes = 1 << 20;
    static constexpr unsigned most_pieces = 4;  // the inputs of two steps
    Piece pieces[most_pieces];
    mutable unsigned pieces_sent = 0;

    void copy_bytes(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                    const char* what) const {
        if (bytes > 0) check(cudaMemcpyAsync(to, from, bytes, kind, work), size(what, bytes));
    }
};

/// Never destroyed: tensors with static lifetime release their memory after main has ended.
const CudaGpu& the_gpu() {
    static const CudaGpu& only = *new CudaGpu;
    return only;
}

}  // namespace

const Gpu& gpu() {
    return the_gpu();
}
cudaStream_t stream() {
    return the_gpu().work;
}
double* scratch() {
    return the_gpu().partial_sums;
}

}  // namespace handgrad::HANDGRAD_GPU
