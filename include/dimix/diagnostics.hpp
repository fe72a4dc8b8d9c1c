// Diagnostics: where a sampler of few steps loses, and what sequences are worth under a model; by samples, for any denoiser, through the calls
// that samplers make. Every number comes with its interval (diagnostics/measured.hpp).
//
//   factorization_gaps   what a product loses in each step, where noise does nothing but hide: by the chain rule
//   nested_gap           a proxy elsewhere: one step against two
//   path_bound, any_order_bound, one_step_likelihood   -log p, and log p of a mixture in one step
//   best_plan            the times that lose least for a number of network calls (diagnostics/planner.hpp)
// With examples/phones all of them are seen at work on a model of speech whose exact values are known.
#pragma once

#include <dimix/diagnostics/factorization_gap.hpp>
#include <dimix/diagnostics/likelihood.hpp>
#include <dimix/diagnostics/nested_gap.hpp>
#include <dimix/diagnostics/planner.hpp>
