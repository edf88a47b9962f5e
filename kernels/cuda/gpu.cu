// The memory of a GPU and its queue of work, by the CUDA runtime or the emulator's.
#include "kernels/cuda/gpu.h"

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
        void* p = nullptr;
        check(cudaMalloc(&p, scratch_size * sizeof(double)), "cudaMalloc of the scratch memory");
        partial_sums = static_cast<double*>(p);
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
        copy_bytes(to, from, bytes, cudaMemcpyHostToDevice, "copy to the device");
    }
    void copy_out(void* to, const void* from, std::size_t bytes) const override {
        copy_bytes(to, from, bytes, cudaMemcpyDeviceToHost, "copy from the device");
        synchronize();
    }
    void copy(void* to, const void* from, std::size_t bytes) const override {
        copy_bytes(to, from, bytes, cudaMemcpyDeviceToDevice, "copy within the device");
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
        cudaGraphDestroy(graph);
        check(status, "cudaGraphInstantiate");
        return runnable;
    }
    void replay(void* graph) const override {
        check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), work), "cudaGraphLaunch");
    }
    void destroy_graph(void* graph) const override {
        // It may still be running.
        check(cudaStreamSynchronize(work), "cudaStreamSynchronize before cudaGraphExecDestroy");
        check(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)), "cudaGraphExecDestroy");
    }

    cudaStream_t work = nullptr;
    double* partial_sums = nullptr;

  private:
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
