// queued_path: whole paths from noise to data with nothing left for the host to decide: times, λ, random bits and the numbers of every step are
// values that are there before it starts. run() queues one sweep for x_1, and per step one network call and one sweep, so that on a
// device nothing waits and nothing asks for memory between the first step and the last, and all of it can be captured in a CUDA graph.
// The network is the user's launch on the same stream:
//   net(request<Real, Space>, view<Real, 4, Space> raw)      Space: that of the backend; queued like a sweep
// Laws (tests/laws/queued_path.cpp): the tokens are those of sample(), bit for bit on the host (analytic steps over tables but for ties within rounding); 1 + N sweeps beside those of the network.
#pragma once

#include <dimix/sampler/sample.hpp>

namespace dimix {

/// Row b: x_1 from the prior, and nothing has failed.
template <class Space>
struct initial_row {
  Space space;
  rng random;
  view<const std::uint64_t, 1> items;  // (B)
  view<token, 2> x;                    // (B, D)
  view<unsigned char, 2> failed;       // (B, D)

  template <class Group, class Real>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    group.for_each(x.extent(1), [&](index_t d) {
      x(b, d) = draw_prior(space, d, random(purpose::initial, items(b), 0, 0, d).first());
      failed(b, d) = 0;
    });
  }
};

/// Row (b, d): x_s from x_t by a method, with the same times for every item. Where no state has a positive probability, x stays and that is written down.
template <class Real, class Head, class Kernel, class Method>
struct path_step_row {
  Head head;
  Kernel kernel;
  Method method;
  index_t states;  // S
  rng random;
  index_t step;
  bool takes_most_probable;
  view<const std::uint64_t, 1> items;  // (B)
  view<const Real, 4> raw;             // (B, 1, D, outputs)
  view<token, 2> x;                    // (B, D)
  view<unsigned char, 2> failed;       // (B, D)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t b = row_index / x.extent(1), d = row_index % x.extent(1);
    const place at{b, d, x(b, d)};
    group.sync();  // all have read x before the leader writes it
    const rows_of_call<Real, Group, Head> rows_of{group, head, raw};
    const denoised_at<rows_of_call<Real, Group, Head>> denoised{rows_of, at};
    const auto bits_of = [&](purpose what, index_t draw = 0) { return random(what, items(b), step, draw, d); };
    token next = -1;
    if (takes_most_probable) {
      const auto law = method.row(kernel, at, denoised());
      next = most_probable_of(group, law, states);
    } else {
      next = method.draw(kernel, at, states, denoised, bits_of);
    }
    if (!group.leader()) return;
    if (next < 0)
      failed(b, d) = 1;
    else
      x(b, d) = next;
  }
};

template <class Real, class Process, class Net, class Method, backend Backend>
class queued_path {
  using memory_space = typename Backend::space;
  using kernel_type = typename Process::template kernel<Real>;
  using method_type = decltype(method_between(std::declval<Method>(), std::declval<Process>(), 0.0, 0.0));
  static_assert(has_rows<Method>, "queued_path: the method must have rows; see dimix/sampler.hpp");
  static_assert(
      requires(const Net net, const request<Real, memory_space>& asked, view<Real, 4, memory_space> raw) {
        { net.outputs() } -> std::convertible_to<index_t>;
        net(asked, raw);
      },
      "queued_path: Net must provide outputs() and operator()(request<Real, Space>, view<Real, 4, Space>) const in the space "
      "of the "
      "backend; see dimix/sampler/queued_path.hpp");
  static_assert(
      std::is_same_v<memory_space, host_space> || !requires(const kernel_type kernel) { kernel.to_s; },
      "queued_path: the tables of this process lie in the host's memory; only processes in closed form run on a device");

 public:
  /// batch, dims, steps or grid, seed, first_item, scope and argmax_tail of the options; others are refused. process and net outlive it.
  queued_path(const Process& process, const Net& net, const sample_options& options, const Backend& run_on, Method method = {})
      : process_(process),
        net_(net),
        options_(options),
        run_on_(run_on),
        grid_(options.grid.empty() ? uniform_grid(options.steps) : options.grid),
        tokens_(workspace_of(run_on)),
        failed_(workspace_of(run_on)),
        items_(workspace_of(run_on)),
        times_(workspace_of(run_on)),
        latents_(workspace_of(run_on)),
        raw_(workspace_of(run_on)) {
    const index_t B = options.batch, D = options.dims;
    expects(B >= 1 && D >= 1, "queued_path: batch = ", B, " and dims = ", D, " must be at least 1");
    expects_grid("queued_path", grid_, stays_in_time<Method>);
    expects_positions(process.space(), D);
    expects_draws("queued_path", steps() - 1, 0, D);
    expects(options.evidence.empty() && options.classes.empty() && options.last_candidates == 0,
            "queued_path: evidence, classes and last_candidates are for sample(), whose steps the host decides");
    for (index_t n = 0; n < steps(); ++n) {
      kernels_.push_back(process.template between<Real>(at(n + 1), at(n)));
      methods_.push_back(method_between(method, process, at(n + 1), at(n)));
    }
    tokens_.resize(B, D);                 // (B, D)
    failed_.resize(B, D);                 // (B, D)
    raw_.resize(B, 1, D, net.outputs());  // (B, 1, D, outputs)
    array<std::uint64_t, 1> items(B);     // (B)
    for (index_t b = 0; b < B; ++b) items(b) = options.first_item + static_cast<std::uint64_t>(b);
    array<Real, 2> times(steps(), B);  // (N, B)
    for (index_t n = 0; n < steps(); ++n)
      for (index_t b = 0; b < B; ++b) times(n, b) = static_cast<Real>(at(n));
    place_on(items_, items);
    place_on(times_, times);
    place_on(latents_, latents_of(items));
  }

  /// Queues the paths, from x_1 on.
  void run() {
    const rng random{options_.seed};
    const index_t B = options_.batch, D = options_.dims;
    dimix::sweep<Real>(
        run_on_, B, 0, D,
        initial_row<typename Process::space_type>{process_.space(), random, items(), tokens_.rows(), failed_.rows()});
    for (index_t n = 0; n < steps(); ++n) {
      net_(request<Real, memory_space>{tokens(), times_.whole()[n].template in<memory_space>(),
                                       latents_.whole()[n].template in<memory_space>(),
                                       items_.whole().template in<memory_space>(), n},
           raw_.whole().template in<memory_space>());
      const auto head = head_of(net_, process_.space());
      const auto step = static_cast<std::size_t>(n);
      dimix::sweep<Real>(run_on_, B * D, 0, net_.outputs(),
                         path_step_row<Real, std::remove_const_t<decltype(head)>, kernel_type, method_type>{
                             head, kernels_[step], methods_[step], process_.max_states(), random, n,
                             options_.argmax_tail && at(n + 1) == 0, items(), raw_.rows(), tokens_.rows(), failed_.rows()});
    }
  }

  /// x, where the rows are: (B, D).
  view<const token, 2, memory_space> tokens() const { return tokens_.whole().template in<memory_space>(); }
  /// Waits, and gives x on the host: (B, D). Throws where a row had no positive probability.
  array<token, 2> result() const {
    array<token, 2> x(options_.batch, options_.dims);  // (B, D)
    fetch(run_on_, tokens_.rows(), x.whole());
    array<unsigned char, 2> failed(options_.batch, options_.dims);  // (B, D)
    fetch(run_on_, failed_.rows(), failed.whole());
    for (index_t i = 0; i < x.size(); ++i)
      expects<numeric_error>(!failed.data()[i], "queued_path: item ", i / options_.dims, " position ", i % options_.dims,
                             " has no state with a positive probability (non-finite outputs?)");
    return x;
  }

  index_t steps() const { return static_cast<index_t>(grid_.size()) - 1; }

 private:
  double at(index_t n) const { return grid_[static_cast<std::size_t>(n)]; }
  view<const std::uint64_t, 1> items() const { return items_.rows(); }

  /// λ of every step, as sample() draws it: (N, B, 1, L).
  array<Real, 4> latents_of(const array<std::uint64_t, 1>& items) const {
    if constexpr (requires { net_.latent(); }) {
      array<Real, 4> all(steps(), options_.batch, 1, net_.latent().dims());  // (N, B, 1, L)
      for (index_t n = 0; n < steps(); ++n)
        draw_latents(net_.latent(), latent_draws::iid, rng{options_.seed}, items,
                     options_.scope == latent_scope::per_path ? 0 : n, all.whole()[n]);
      return all;
    } else {
      return array<Real, 4>(steps(), options_.batch, 1, 0);  // (N, B, 1, 0)
    }
  }

  template <class T, int Rank>
  void place_on(array<T, Rank, row_space>& there, const array<T, Rank>& here) const {
    there.resize_like(here);
    if (here.size() > 0) send(run_on_, here.whole(), there.rows());
  }

  const Process& process_;
  const Net& net_;
  sample_options options_;
  Backend run_on_;
  time_grid grid_;
  std::vector<kernel_type> kernels_;  // (N)
  std::vector<method_type> methods_;  // (N)
  array<token, 2, row_space> tokens_;
  array<unsigned char, 2, row_space> failed_;
  array<std::uint64_t, 1, row_space> items_;
  array<Real, 2, row_space> times_;    // (N, B)
  array<Real, 4, row_space> latents_;  // (N, B, 1, L)
  array<Real, 4, row_space> raw_;
};

/// The paths of sample(process, net, options), to be queued by run().
template <class Real = float, class Method = ancestral, class Process, class Net, backend Backend>
queued_path<Real, Process, Net, Method, Backend> queue_path(const Process& process, const Net& net,
                                                            const sample_options& options, const Backend& run_on,
                                                            Method method = {}) {
  return {process, net, options, run_on, method};
}

}  // namespace dimix
