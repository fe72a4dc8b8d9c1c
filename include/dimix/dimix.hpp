// dimix on the CPU, stage by stage as data flows; a stage names its headers in the order of the alphabet. Read this first, then the headers
// from top to bottom.
#pragma once

#include <dimix/config.hpp>
#include <dimix/version.hpp>

// ---- memory, numbers and randomness, and the sweep over rows ----
#include <dimix/backend.hpp>           // the sweep over rows
#include <dimix/core/array.hpp>        // the memory itself
#include <dimix/core/categorical.hpp>  // exact draws from a row
#include <dimix/core/error.hpp>        // sentences for callers' mistakes
#include <dimix/core/lanes.hpp>        // numbers that the processor handles together
#include <dimix/core/math.hpp>         // stable logarithms and exponentials
#include <dimix/core/memory.hpp>       // for loops: what was given back, again
#include <dimix/core/poisson.hpp>      // exact numbers of jumps
#include <dimix/core/product.hpp>      // a few rows times a matrix that many share
#include <dimix/core/rng.hpp>          // randomness as a value: Philox by purpose, item, step, draw, position
#include <dimix/core/storage.hpp>      // bfloat16 and half for arrays of logits
#include <dimix/core/view.hpp>         // a window on memory, with shape and memory space
#include <dimix/core/workspace.hpp>    // how many bytes an object will take
#include <dimix/group.hpp>             // the threads of one row

// ---- what noise does ----
#include <dimix/forward_process.hpp>               // q(x_t|x_0), q(x_t|x_s), q(x_s|x_t,x_0), rates, prior
#include <dimix/forward_process/reverse_rate.hpp>  // x_0-prediction to rates of jumps
#include <dimix/forward_process/score.hpp>         // x_0-prediction to score
#include <dimix/forward_process/scores_of.hpp>     // the same for any process, and the rate of a jump back
#include <dimix/forward_process/table_rows.hpp>    // rows of steps by tables, many at once
#include <dimix/noise_schedule.hpp>                // how much survives at time t
#include <dimix/state_space.hpp>                   // which values a position takes, and what noise draws from

// ---- what a network says ----
#include <dimix/denoiser.hpp>                   // what the user's network has to be
#include <dimix/denoiser/cached.hpp>            // asked about what has changed alone
#include <dimix/denoiser/hybrid.hpp>            // student first, then teacher
#include <dimix/denoiser/score_network.hpp>     // a network that predicts scores
#include <dimix/denoiser/shifted.hpp>           // outputs that speak of the next position
#include <dimix/denoiser/tabular.hpp>           // exact, from a table
#include <dimix/denoiser/time_independent.hpp>  // always asked at t = 0
#include <dimix/denoiser/under_head.hpp>        // a network that is there already, through another head
#include <dimix/denoiser/with_classes.hpp>      // asked for the class of every item
#include <dimix/denoiser/with_head.hpp>         // a network with a head of its own
#include <dimix/guidance.hpp>                   // more of a class: on logits, on rows
#include <dimix/head.hpp>                       // raw outputs to a categorical row, and gradients back
#include <dimix/head/from_score.hpp>            // scores to such a row
#include <dimix/head/reshaped.hpp>              // temperature, nucleus, top-k
#include <dimix/head/stepped.hpp>               // the same row at a time s > 0
#include <dimix/latent.hpp>                     // the law of λ

// ---- generate ----
#include <dimix/sampler.hpp>                      // generate: rows, step, sample
#include <dimix/sampler/blocks.hpp>               // from left to right in blocks
#include <dimix/sampler/first_hitting.hpp>        // one reveal at a time, at exact times
#include <dimix/sampler/gillespie.hpp>            // jumps at their own times: exact
#include <dimix/sampler/plan.hpp>                 // where to stop, as a value that can be written down
#include <dimix/sampler/predictor_corrector.hpp>  // noise forth and back after a step
#include <dimix/sampler/queued_path.hpp>          // whole paths that the host does not decide about
#include <dimix/sampler/remasking.hpp>            // hide again, to decide anew
#include <dimix/sampler/reveal.hpp>               // choose which positions are revealed: MaskGIT and its kin

// ---- marginalise and learn ----
#include <dimix/distiller.hpp>                // learn: one training step
#include <dimix/distiller/teacher_rows.hpp>   // targets of k teacher steps
#include <dimix/marginal.hpp>                 // marginalisation over λ
#include <dimix/objective.hpp>                // losses with gradients, in three phases
#include <dimix/objective/ct_elbo.hpp>        // the same bound from one jump
#include <dimix/objective/nelbo.hpp>          // the bound that teachers learn from
#include <dimix/objective/score_entropy.hpp>  // the same for networks that predict scores

// ---- look at what was learnt ----
#include <dimix/diagnostics.hpp>  // where few steps lose, likelihoods, and plans of steps

// ---- know exactly ----
#include <dimix/exact.hpp>  // laws of all of this on small spaces, by enumeration

// Not in here: dimix/nn/ (Eigen), dimix/io/ (JSON, zlib, stb) and dimix/backend/thrust (CCCL) bring a dependency; dimix/parity/ reproduces what
// released code does where it departs from its mathematics.
