"""The objective of bench/objective.cpp in PyTorch: draws from the student at u, then value and gradient at t.

authors   as the released code of Di4C forms it (sony/di4c, tauldr/lib/losses/losses.py): log-softmax, one indexed read of the
          log-probabilities per target in a Python loop, autograd.
fastest   the fastest eager form that we found: no loop and no autograd. The gradient is that of include/dimix/objective.hpp, in
          probabilities and not their logarithms (one exponential an output), in arrays that are kept between calls. It gives up range:
          a marginal below 1e-38 is zero, and its logarithm infinite.
autograd  the same without a loop, by autograd: one log-softmax, one gather for all targets.
compiled  `fastest` as one function through torch.compile, which fuses the sweeps.
compiled_autograd  `autograd` through torch.compile.
"""

import math

import torch


def log_mean(log_p, axis):
    return torch.logsumexp(log_p, axis) - math.log(log_p.shape[axis])


# ---- what the student says at u: a target a component, and the mean of the rows ----


def draws_of_authors(logits_u):
    """(B, K, D, S) -> x (B, K, D), rows (B, D, S), log rows (B, D, S)"""
    p = torch.softmax(logits_u, 3)
    log_rows = log_mean(torch.log_softmax(logits_u, 3), 1)
    return torch.distributions.Categorical(p).sample(), p.mean(1), log_rows


class DrawsBySums:
    """The inverse of the running sum: one uniform a row. Three sweeps where an exponential race has five."""

    def __init__(self):
        self.p = None

    @torch.no_grad()
    def __call__(self, logits_u):
        if self.p is None:
            self.p = torch.empty_like(logits_u)
        p = torch.softmax(logits_u, 3, out=self.p)
        rows = p.mean(1)
        running = torch.cumsum(p, 3, out=p)
        u = torch.rand(running.shape[:3] + (1,)) * running[..., -1:]
        return torch.searchsorted(running, u, right=True).squeeze(3).clamp_(max=running.shape[3] - 1), rows, rows.log()


def draws_by_sums(logits_u):
    """The same as one function, for torch.compile."""
    p = torch.softmax(logits_u, 3)
    rows = p.mean(1)
    running = torch.cumsum(p, 3)
    u = torch.rand(running.shape[:3] + (1,)) * running[..., -1:]
    return (running <= u).sum(3).clamp_(max=running.shape[3] - 1), rows, rows.log()


# ---- value and gradient: raw (B, M, D, S), x (B, T, D), weights (T), rows and log rows [(B, D, S)] ----


def loss_of_authors(raw, x, weights, rows, log_rows):
    B, _, D, _ = raw.shape
    log_p = torch.log_softmax(raw, 3)
    log_marginal = log_mean(log_p, 1)
    items, positions = torch.arange(B).repeat_interleave(D), torch.arange(D).repeat(B)
    loss = 0.0
    for row, log_row in zip(rows, log_rows):
        loss = loss + (row * (log_row - log_marginal)).flatten(1).sum(1)
    for k in range(x.shape[1]):
        at_target = log_p[items, :, positions, x[:, k].flatten()].view(B, D, -1)  # (B, D, M)
        loss = loss - weights[k] * (log_mean(at_target.sum(1), 1) - log_mean(at_target, 2).sum(1))
    return loss.mean()


def loss_without_loop(raw, x, weights, rows, log_rows):
    log_p = torch.log_softmax(raw, 3)
    log_marginal = log_mean(log_p, 1)
    index = x.transpose(1, 2)  # (B, D, T)
    at_target = log_p.gather(3, index.unsqueeze(1).expand(-1, raw.shape[1], -1, -1))  # (B, M, D, T)
    loss = (weights * (log_mean(at_target, 1).sum(1) - log_mean(at_target.sum(2), 1))).sum()
    for row, log_row in zip(rows, log_rows):
        loss = loss + (row * (log_row - log_marginal)).sum()
    return loss / raw.shape[0]


def with_autograd(loss):
    def value_and_gradient(raw, *given):
        raw = raw.detach().requires_grad_()
        value = loss(raw, *given)
        return value.detach(), torch.autograd.grad(value, raw)[0]

    return value_and_gradient


class Fastest:
    """Probabilities, and then the gradient, in arrays that are kept."""

    def __init__(self):
        self.p = self.gradient = None

    @torch.no_grad()
    def __call__(self, raw, x, weights, rows, log_rows):
        if self.p is None:
            self.p, self.gradient = torch.empty_like(raw), torch.empty_like(raw)
        B, M = raw.shape[:2]
        index = x.transpose(1, 2)  # (B, D, T)
        index_of_components = index.unsqueeze(1).expand(-1, M, -1, -1)  # (B, M, D, T)
        p = torch.softmax(raw, 3, out=self.p)
        marginal = p.mean(1)  # (B, D, S)
        at_target = p.gather(3, index_of_components).log_()  # (B, M, D, T)
        likelihood = at_target.sum(2)  # (B, M, T)
        value = (weights * (marginal.gather(2, index).log().sum(1) - log_mean(likelihood, 1))).sum()
        log_marginal, slope = marginal.log(), -rows[0]
        for row, log_row in zip(rows, log_rows):
            value += (row * (log_row - log_marginal)).sum()
        for row in rows[1:]:
            slope -= row
        slope.scatter_add_(2, index, weights.expand(index.shape))
        slope /= marginal.mul_(M * B)  # d loss / d p, of the marginals
        shares = torch.softmax(likelihood, 1) * (-weights / B)  # (B, M, T)
        gradient = torch.mul(p, slope.unsqueeze(1), out=self.gradient)
        gradient.scatter_add_(3, index_of_components, shares.unsqueeze(2).expand(index_of_components.shape))
        gradient.addcmul_(p, gradient.sum(3, keepdim=True), value=-1)
        return value / B, gradient


def fused(raw, x, weights, rows, log_rows):
    """Fastest without kept arrays and without a scatter into a large one, for torch.compile."""
    B, M = raw.shape[:2]
    index = x.transpose(1, 2)
    index_of_components = index.unsqueeze(1).expand(-1, M, -1, -1)
    p = torch.softmax(raw, 3)
    marginal = p.mean(1)
    likelihood = p.gather(3, index_of_components).log().sum(2)
    log_marginal = marginal.log()
    value = (weights * (log_marginal.gather(2, index).sum(1) - log_mean(likelihood, 1))).sum()
    for row, log_row in zip(rows, log_rows):
        value = value + (row * (log_row - log_marginal)).sum()
    slope = torch.zeros_like(marginal).scatter_add(2, index, weights.expand(index.shape)) - sum(rows)
    shares = torch.softmax(likelihood, 1) * (-weights / B)
    slope = (slope / (marginal * (M * B))).unsqueeze(1)
    total = (p * slope).sum(3) + shares.sum(2, keepdim=True)  # (B, M, D)
    gradient = p * (slope - total.unsqueeze(3))
    return value / B, gradient.scatter_add(3, index_of_components, shares.unsqueeze(2).expand(index_of_components.shape))


def make(peer):
    """-> draws, value_and_gradient"""
    if peer == "authors":
        return draws_of_authors, with_autograd(loss_of_authors)
    if peer == "autograd":
        return DrawsBySums(), with_autograd(loss_without_loop)
    if peer == "fastest":
        return DrawsBySums(), Fastest()
    if peer == "compiled":
        return torch.compile(draws_by_sums), torch.compile(fused)
    if peer == "compiled_autograd":
        return torch.compile(draws_by_sums), with_autograd(torch.compile(loss_without_loop))
    raise ValueError(peer)
