// Exact laws on small spaces: every probability of every sequence, without Monte Carlo. The oracle of the tests, the theory as programs
// (examples/theory), and what estimates on large spaces are checked against.
//
//   const dimix::exact::joint_law data = dimix::exact::law_of(states, sequences, probabilities);
//   dimix::sampler<double, process, net> steps(process{}, net{}, {.scope = dimix::latent_scope::per_step});
//   const auto law = dimix::exact::law_after(steps, D, dimix::uniform_grid(4));     // of x_0, over all paths, through steps.rows()
//   dimix::exact::total_variation(law, data);
//
// A space of joint states is the numbers of its sequences (joint_states.hpp); a law has a probability for each of them (law.hpp). What noise
// makes of a law is in forward.hpp, one step of a sampler in step.hpp and reveal.hpp, whole paths in path.hpp. No formula of a step is in
// here: laws are pushed through the rows that users' samplers draw from. Those without rows (tau-leaping with summed jumps, first hitting,
// remasking by confidence, Gillespie) are compared by their samples (empirical.hpp).
//
//   sampler                                     enumerated up to
//   product samplers: ancestral, analytic, Euler, one jump, remasking; hybrid, guided; every wrapper
//     where noise does nothing but hide         1e6 sequences
//     elsewhere                                 1e4
//   reveal: random, margin, entropy orders with by_schedule, by_count     as the first; orders with weights 20 positions
//   reveal: confidence orders, by_threshold     6 positions
// λ: by its components where it is finite, else by quadrature (latent_points.hpp); per step or per path as the sampler says.
#pragma once

#include <dimix/exact/empirical.hpp>
#include <dimix/exact/forward.hpp>
#include <dimix/exact/joint_states.hpp>
#include <dimix/exact/latent_points.hpp>
#include <dimix/exact/law.hpp>
#include <dimix/exact/path.hpp>
#include <dimix/exact/reveal.hpp>
#include <dimix/exact/step.hpp>
