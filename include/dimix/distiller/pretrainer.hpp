// The pretrainer: one training step of a factorized teacher on the continuous-time bound (objective/nelbo.hpp).
//   t even over the batch in [shortest_time, 1],  x_t ~ q(x_t | x_0),  loss = mean over items of sum_d l
#pragma once

#include <dimix/distiller/time_law.hpp>
#include <dimix/forward_process/corrupt.hpp>
#include <dimix/objective/nelbo.hpp>

#include <utility>

namespace dimix {

struct pretrainer_options {
  double shortest_time = 1e-3;  // in (0, 1): the weight of the bound grows like 1/t
  std::uint64_t seed = 0;
};

template <class Real, class Process, class Net, backend Backend = cpu>
class pretrainer {
  static_assert(trainable_denoiser<Net, Real>,
                "pretrainer: Net must provide outputs(), operator(), forward(request, raw) and backward(gradient); see "
                "dimix/denoiser.hpp");

 public:
  pretrainer(const Process& forward, Net& net, pretrainer_options options = {}, Backend run_on = Backend{})
      : process_(forward), net_(net), options_(options), run_on_(run_on) {
    expects(options.shortest_time > 0 && options.shortest_time < 1, "pretrainer: shortest_time = ", options.shortest_time,
            " lies outside (0, 1)");
  }

  /// x_0 (B, D) tokens; first_item: id of the first item, every item of a training with its own. Leaves the gradient of the mean
  /// over items in the network and returns that mean in nats per item. classes (B), -1: none; may be empty. Throws numeric_error
  /// when the mean is not finite.
  double step(view<const token, 2> x_0, std::uint64_t first_item, view<const token, 1> classes = {}) {
    prepare(x_0, first_item, classes);
    gradient_.resize(x_0.extent(0), 1, x_0.extent(1), net_.outputs());  // (B, 1, D, outputs)
    net_.forward(asked(classes), raw_.whole());
    const double loss = mean(nelbo<Real>(process_, head_of(net_, process_.space()), x_0, x_t_, t_, view<const Real, 4>(raw_),
                                         run_on_, gradient_.whole()));
    net_.backward(view<const Real, 4>(gradient_));
    return loss;
  }

  /// The same estimate without a gradient, for validation.
  double evaluate(view<const token, 2> x_0, std::uint64_t first_item, view<const token, 1> classes = {}) {
    prepare(x_0, first_item, classes);
    std::as_const(net_)(asked(classes), raw_.whole());
    return mean(nelbo<Real>(process_, head_of(net_, process_.space()), x_0, x_t_, t_, view<const Real, 4>(raw_), run_on_));
  }

 private:
  void prepare(view<const token, 2> x_0, std::uint64_t first_item, view<const token, 1> classes) {
    expects_data("pretrainer: x_0", x_0, process_.space());
    if (!classes.empty()) expects_shape("pretrainer: classes", classes, x_0.extent(0));
    const index_t B = x_0.extent(0), D = x_0.extent(1);
    const rng random{options_.seed};
    const double start = unit(random(purpose::time, first_item, 2, 0, 0).first());
    items_.resize(B);  // (B)
    t_.resize(B);      // (B)
    times_.resize(B);  // (B)
    for (index_t b = 0; b < B; ++b) {
      items_(b) = first_item + static_cast<std::uint64_t>(b);
      t_(b) = between(antithetic(start, b, B), options_.shortest_time, 1.0);
      times_(b) = static_cast<Real>(t_(b));
    }
    x_t_.resize(B, D);  // (B, D)
    corrupt(process_, x_0, t_, random, items_, x_t_.whole(), run_on_);
    raw_.resize(B, 1, D, net_.outputs());  // (B, 1, D, outputs)
    none_.resize(B, 1, 0);                 // (B, 1, 0)
  }
  request<Real> asked(view<const token, 1> classes) const { return {x_t_, times_, none_, items_, 0, classes}; }
  static double mean(const array<Real, 1>& values) {
    double total = 0;
    for (Real v : values) total += static_cast<double>(v);
    return total / static_cast<double>(values.size());
  }

  Process process_;
  Net& net_;
  pretrainer_options options_;
  Backend run_on_;
  array<token, 2> x_t_;
  array<std::uint64_t, 1> items_;
  array<double, 1> t_;
  array<Real, 1> times_;
  array<Real, 3> none_;
  array<Real, 4> raw_, gradient_;
};

}  // namespace dimix
