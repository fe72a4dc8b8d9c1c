"""The objective of bench/objective.cpp in JAX, one jitted function for draws, value and gradient.

jit       the gradient of include/dimix/objective.hpp written out, in probabilities, as `fastest` in objective_torch.py
jit_grad  value_and_grad of the loss, one log-softmax and one gather for all targets
"""

import jax
import jax.numpy as jnp
from jax.nn import log_softmax, logsumexp, softmax


def log_mean(log_p, axis):
    return logsumexp(log_p, axis) - jnp.log(float(log_p.shape[axis]))


def draws_by_sums(key, logits_u):
    """(B, K, D, S) -> x (B, K, D), rows (B, D, S): the inverse of the running sum, one uniform a row; jax.random.categorical takes four
    times as long."""
    p = softmax(logits_u, 3)
    running = jnp.cumsum(p, 3)
    u = jax.random.uniform(key, p.shape[:3] + (1,)) * running[..., -1:]
    return jnp.minimum((running <= u).sum(3), p.shape[3] - 1), p.mean(1)


def loss_without_loop(raw, x, weights, rows):
    log_p = log_softmax(raw, 3)
    log_marginal = log_mean(log_p, 1)
    index = jnp.swapaxes(x, 1, 2)  # (B, D, T)
    at_target = jnp.take_along_axis(log_p, index[:, None], 3)  # (B, M, D, T)
    loss = (weights * (log_mean(at_target, 1).sum(1) - log_mean(at_target.sum(2), 1))).sum()
    for row in rows:
        loss += (row * (jnp.log(row) - log_marginal)).sum()
    return loss / raw.shape[0]


def written_out(raw, x, weights, rows):
    B, M = raw.shape[:2]
    index = jnp.swapaxes(x, 1, 2)  # (B, D, T)
    p = softmax(raw, 3)
    marginal = p.mean(1)
    log_marginal = jnp.log(marginal)
    likelihood = jnp.log(jnp.take_along_axis(p, index[:, None], 3)).sum(2)  # (B, M, T)
    value = (weights * (jnp.take_along_axis(log_marginal, index, 2).sum(1) - log_mean(likelihood, 1))).sum()
    for row in rows:
        value += (row * (jnp.log(row) - log_marginal)).sum()
    b, d = jnp.arange(B)[:, None, None], jnp.arange(raw.shape[2])[:, None]
    slope = (-sum(rows)).at[b, d, index].add(jnp.broadcast_to(weights, index.shape))
    shares = softmax(likelihood, 1) * (-weights / B)  # (B, M, T)
    slope = (slope / (marginal * (M * B)))[:, None]
    total = (p * slope).sum(3) + shares.sum(2, keepdims=True)  # (B, M, D)
    gradient = p * (slope - total[..., None])
    m = jnp.arange(M)[:, None, None]
    return value / B, gradient.at[b[:, None], m, d, index[:, None]].add(shares[:, :, None])


def make(peer):
    """-> draws, value_and_gradient, and both with the draws among the targets as one function, all jitted"""
    value_and_gradient = {"jit": written_out, "jit_grad": jax.value_and_grad(loss_without_loop)}[peer]

    @jax.jit
    def whole(key, raw, logits_u, x_0, weights, teacher):
        x, student = draws_by_sums(key, logits_u)
        return value_and_gradient(raw, jnp.concatenate([x_0, x], 1), weights, [student, teacher])

    return jax.jit(draws_by_sums), jax.jit(value_and_gradient), whole
