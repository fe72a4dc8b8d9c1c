// Whole paths on the device, queued and as one CUDA graph.
#include <dimix/backend/cuda/graph.cuh>
#include <dimix/sampler/queued_path.hpp>

#include "cuda/on_device.cuh"
#include "laws/path_network.hpp"

using namespace dimix;
using namespace on_device;

TEST_CASE("cuda: a path of N steps, queued and captured as a graph, has the host's tokens but where a boundary rounds") {
  SKIP_WITHOUT_DEVICE();
  const stream queue;
  const gpu run_on(queue.handle);
  const auto check = [&](const auto& process) {
    const sample_options options{.batch = 64, .dims = 48, .steps = 8, .seed = 4};
    const laws::path_network<gpu> net{run_on, process.max_states()};
    auto path = queue_path(process, net, options, run_on);
    path.run();
    const auto queued = path.result();
    const captured graph(run_on, [&] { path.run(); });
    graph.launch();
    const auto launched = path.result();
    CHECK(launched == queued);
    const auto here = sample(process, laws::path_network<cpu>{cpu(1), process.max_states()}, options, cpu(1));
    check_tokens(queued, here, 8);  // a token that differs changes what the network says of its neighbour
  };
  check(forward_process(absorbing<5>{}, log_linear{}));
  check(forward_process(uniform<70>{}, cosine{}));
}
