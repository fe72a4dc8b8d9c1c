// captured: what a function queues on a gpu, recorded once as a CUDA graph and launched as often as is wanted. What it views has to stay where it
// is. A step that keeps memory between rounds (tiles that do not fit into shared memory) runs once before.
//   auto path = queue_path(process, net, options, run_on);
//   const captured whole(run_on, [&] { path.run(); });
//   whole.launch();                     the N network calls and all sweeps
#pragma once

#include <dimix/backend/cuda.cuh>

namespace dimix {

class captured {
 public:
  /// The stream of run_on must not be the default one, which cannot be captured.
  template <class Queue>
  captured(const gpu& run_on, const Queue& queue) : run_on_(run_on) {
    const cudaStream_t stream = run_on.stream();
    expects(stream != nullptr, "captured: the default stream cannot be captured; make the gpu with a stream of its own");
    expects_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "the start of a capture");
    cudaGraph_t graph = nullptr;
    try {
      queue();
    } catch (...) {
      static_cast<void>(cudaStreamEndCapture(stream, &graph));
      if (graph) static_cast<void>(cudaGraphDestroy(graph));
      throw;
    }
    expects_cuda(cudaStreamEndCapture(stream, &graph), "the end of a capture (did something wait?)");
    const cudaError_t made = cudaGraphInstantiate(&ready_, graph, 0);
    static_cast<void>(cudaGraphDestroy(graph));
    expects_cuda(made, "a graph");
  }
  ~captured() { static_cast<void>(cudaGraphExecDestroy(ready_)); }
  captured(const captured&) = delete;
  captured& operator=(const captured&) = delete;

  void launch() const { expects_cuda(cudaGraphLaunch(ready_, run_on_.stream()), "the launch of a graph"); }

 private:
  gpu run_on_;  // and its tiles, which the graph knows
  cudaGraphExec_t ready_ = nullptr;
};

}  // namespace dimix
