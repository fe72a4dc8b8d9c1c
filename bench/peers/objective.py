"""Draws of K targets from the student's logits at u, then value and gradient at t: bench/objective.cpp. Shape: B, M, K, D, S.

The value is checked for given targets, because every system draws others; the draws are checked by their mean logit. The time is that of
both together."""

import numpy as np

import inputs
import measure

AXES = ["B", "M", "K", "D", "S"]
PEERS = ["torch.authors", "torch.fastest", "torch.autograd", "torch.compiled", "torch.compiled_autograd", "jax.jit", "jax.jit_grad"]
USUAL = [(1, 16, 16, 192, 256), (1, 4, 4, 8, 50258)]
LARGE = [(2, 16, 16, 3072, 256), (1, 4, 4, 128, 50258)]


def check_draws(x, logits):
    """The mean over rows of the drawn logit is within five standard errors of its expectation."""
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    mean = (p * logits).sum(-1)
    variance = (p * logits**2).sum(-1) - mean**2
    drawn = np.take_along_axis(logits, x[..., None].astype(np.int64), -1)[..., 0]
    error = (drawn - mean).sum() / np.sqrt(variance.sum())
    if not abs(error) < 5:
        raise SystemExit(f"the draws are off by {error:.1f} standard errors")


def reference(shape):
    given = inputs.Objective(*shape)
    return inputs.reference_value(given.raw, given.targets, given.target_weights, [given.student, given.teacher])


def make(peer, shape, threads):
    """-> once, the value for given targets"""
    given = inputs.Objective(*shape)
    library, form = peer.split(".")
    if library == "jax":
        return make_jax(form, given)
    import torch

    import objective_torch

    torch.set_num_threads(threads)
    draws, value_and_gradient = objective_torch.make(form)
    raw, x, weights, student, teacher, logits_u = map(
        torch.from_numpy, (given.raw, given.targets, given.target_weights, given.student, given.teacher, given.logits_u))
    log_teacher, x_0 = teacher.log(), x[:, :1]
    measure.inputs_are_made()
    value = value_and_gradient(raw, x, weights, [student, teacher], [student.log(), log_teacher])[0].item()
    check_draws(draws(logits_u)[0].numpy(), given.logits_u)

    def once():
        drawn, rows, log_rows = draws(logits_u)
        return value_and_gradient(raw, torch.cat([x_0, drawn], 1), weights, [rows, teacher], [log_rows, log_teacher])

    return once, value


def make_jax(form, given):
    import jax
    import jax.numpy as jnp

    import objective_jax

    draws, value_and_gradient, whole = objective_jax.make(form)
    raw, x, weights, student, teacher, logits_u = map(
        jnp.asarray, (given.raw, given.targets, given.target_weights, given.student, given.teacher, given.logits_u))
    key, x_0 = jax.random.key(1), x[:, :1]
    measure.inputs_are_made()
    value = float(value_and_gradient(raw, x, weights, [student, teacher])[0])
    check_draws(np.asarray(draws(key, logits_u)[0]), given.logits_u)
    return lambda: jax.block_until_ready(whole(key, raw, logits_u, x_0, weights, teacher)), value
