"""Value and gradient of the objective through a truncated-logistic head: two numbers a position, S probabilities. Shape: B, M, K, D, S.
Targets are given. The head is that of include/dimix/head/truncated_logistic.hpp (tails::cut), built as tauLDR does: the logits
(B, M, D, S) are logarithms of differences of logistic functions."""

import numpy as np

import inputs
import measure

AXES = ["B", "M", "K", "D", "S"]
PEERS = ["torch.authors", "torch.fastest", "torch.compiled"]
USUAL = [(1, 16, 16, 192, 256)]
LARGE = [(2, 16, 16, 3072, 256)]


def given(shape):
    """raw (B, M, D, 2), x_t (B, D) as a level in [-1, 1], targets (B, 1 + K, D), their weights, student and teacher (B, D, S)"""
    B, M, K, D, S = shape
    targets = np.concatenate([inputs.random_tokens((B, 1, D), S, 3), inputs.random_tokens((B, K, D), S, 4)], 1)
    weights = np.array([inputs.Objective.datapoint_weight] + [1 / K] * K, np.float32)
    now = (2 * inputs.random_tokens((B, D), S, 2) / (S - 1) - 1).astype(np.float32)
    return (inputs.random_numbers((B, M, D, 2), 1, 1.0), now, targets, weights, inputs.random_rows((B, D, S), 5),
            inputs.random_rows((B, D, S), 6))


def reference(shape):
    raw, now, targets, weights, student, teacher = given(shape)
    raw, edges = raw.astype(np.float64), np.linspace(-1, 1, shape[4] + 1)
    mean, steepness = np.tanh(raw[..., 0] + now[:, None])[..., None], np.exp(2 - raw[..., 1])[..., None]
    left, right = (edges[:-1] - mean) * steepness, (edges[1:] - mean) * steepness
    # σ(b) - σ(a) = σ(b) σ(-a) (1 - e^(a - b))
    logits = np.log(-np.expm1(left - right)) - np.logaddexp(0, -right) - np.logaddexp(0, left)
    return inputs.reference_value(logits, targets, weights, [student, teacher])


def make(peer, shape, threads):
    import torch
    from torch.nn.functional import logsigmoid

    import objective_torch

    torch.set_num_threads(threads)
    raw, now, x, weights, student, teacher = map(torch.from_numpy, given(shape))
    edges = torch.linspace(-1, 1, shape[4] + 1)
    rest = (x, weights, [student, teacher], [student.log(), teacher.log()])
    measure.inputs_are_made()

    def logits_of(raw):
        mean = torch.tanh(raw[..., 0] + now.unsqueeze(1)).unsqueeze(3)  # (B, M, D, 1)
        steepness = torch.exp(2 - raw[..., 1]).unsqueeze(3)
        left, right = (edges[:-1] - mean) * steepness, (edges[1:] - mean) * steepness
        return logsigmoid(right) + logsigmoid(-left) + torch.log(-torch.expm1(left - right))

    if peer == "torch.fastest":  # autograd through the head, the gradient of the loss written out
        objective = objective_torch.Fastest()

        def once():
            leaf = raw.detach().requires_grad_()
            logits = logits_of(leaf)
            value, gradient = objective(logits.detach(), *rest)
            return value, torch.autograd.grad(logits, leaf, gradient)[0]

    else:
        loss = objective_torch.loss_of_authors if peer == "torch.authors" else objective_torch.loss_without_loop
        whole = lambda raw, *rest: loss(logits_of(raw), *rest)
        value_and_gradient = objective_torch.with_autograd(torch.compile(whole) if peer == "torch.compiled" else whole)
        once = lambda: value_and_gradient(raw, *rest)

    return once, once()[0].item()
