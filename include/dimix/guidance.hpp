// Guidance: sequences of a class, more of it than the network alone makes.
//
//   guided        a denoiser: z = (1 + w) z_c - w z_u on logits                       guidance/guided.hpp
//   paired, guided_rows   rows p(x_s | x_t, y)^γ p(x_s | x_t)^(1 - γ) of any head      guidance/paired.hpp
//   guidance_weight       w along the path: constant_weight, step_ramp, time_ramp     guidance/weight.hpp
//
// The class of an item is part of the request (denoiser.hpp): -1 asks for none. A network learns to answer both when a share of its training
// items has class -1 (label dropout), which is the caller's to write. Classes come from sample_options.classes, conditions or with_classes.
// Laws (tests/laws/guidance.cpp): w = 0 and γ = 1 are the conditional network, bit by bit on logits; w = -1 and γ = 0 the unconditional one;
// rows sum to 1; both branches share λ.
#pragma once

#include <dimix/guidance/guided.hpp>
#include <dimix/guidance/paired.hpp>
#include <dimix/guidance/weight.hpp>
