// The linear head: hidden vectors (B, M, D, H) times a vocabulary matrix (S, H), as a language model ends. Likelihoods, marginals, draws, values
// and gradients are computed tile by tile over S, and the logits (B, M, D, S) are never held. Needs Eigen.
//   nn::linear_head<float> head{.matrix = W, .bias = c};                        // or linear_head<float, subs>{W, {}, subs{mask}}
//   auto loss = nn::make_linear_objective<float>(head, x_t, M, {}, terms...);   // terms of objective/terms.hpp
//   value_and_gradient(loss, hidden, {d_hidden, d_matrix, d_bias}, run_on);
#pragma once

#include <dimix/nn/linear_head/draw.hpp>       // tokens
#include <dimix/nn/linear_head/functions.hpp>  // likelihoods, responsibilities, marginals
#include <dimix/nn/linear_head/head.hpp>       // the head as a value
#include <dimix/nn/linear_head/objective.hpp>  // losses with gradients
