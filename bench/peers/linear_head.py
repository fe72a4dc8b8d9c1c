"""Value and gradients of the objective through a linear head, hidden (B, M, D, H) times vocabulary (S, H): bench/linear_head.cpp. Shape:
B, M, K, D, H, S. Targets are given, as there; the gradients are those of both factors."""

import numpy as np

import inputs
import measure

AXES = ["B", "M", "K", "D", "H", "S"]
PEERS = ["torch.authors", "torch.fastest", "torch.compiled"]
USUAL = [(1, 4, 4, 8, 64, 50258)]
LARGE = [(1, 4, 4, 128, 768, 50258)]


def given(shape):
    B, M, K, D, H, S = shape
    targets = np.concatenate([inputs.random_tokens((B, 1, D), S, 3), inputs.random_tokens((B, K, D), S, 4)], 1)
    weights = np.array([inputs.Objective.datapoint_weight] + [1 / K] * K, np.float32)
    return (inputs.random_numbers((B, M, D, H), 1, 1.5), inputs.random_numbers((S, H), 2, 4 / np.sqrt(H)), targets, weights,
            inputs.random_rows((B, D, S), 5), inputs.random_rows((B, D, S), 6))


def reference(shape):
    hidden, matrix, targets, weights, student, teacher = given(shape)
    return inputs.reference_value(hidden.astype(np.float64) @ matrix.T.astype(np.float64), targets, weights, [student, teacher])


def make(peer, shape, threads):
    import torch

    import objective_torch

    torch.set_num_threads(threads)
    B, M, K, D, H, S = shape
    hidden, matrix, x, weights, student, teacher = map(torch.from_numpy, given(shape))
    rest = (x, weights, [student, teacher], [student.log(), teacher.log()])
    measure.inputs_are_made()

    if peer == "torch.fastest":  # the gradient of the loss written out, logits in an array that is kept
        objective, logits = objective_torch.Fastest(), torch.empty(B * M * D, S)

        @torch.no_grad()
        def once():
            torch.mm(hidden.view(-1, H), matrix.T, out=logits)
            value, gradient = objective(logits.view(B, M, D, S), *rest)
            gradient = gradient.view(-1, S)
            return value, gradient @ matrix, gradient.T @ hidden.view(-1, H)

    else:
        loss = objective_torch.loss_of_authors if peer == "torch.authors" else objective_torch.loss_without_loop
        whole = lambda hidden, matrix: loss(torch.nn.functional.linear(hidden, matrix), *rest)
        whole = torch.compile(whole) if peer == "torch.compiled" else whole

        def once():
            leaves = hidden.detach().requires_grad_(), matrix.detach().requires_grad_()
            value = whole(*leaves)
            return value.detach(), *torch.autograd.grad(value, leaves)

    return once, once()[0].item()
