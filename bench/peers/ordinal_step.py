"""One step of ordinal noise from t = 0.75 to s = 0.5: x_0 from the denoiser's rows, x_s from q(x_s | x_0, x_t): bench/ordinal_step.cpp.
Shape: B, D, S; the whole batch has one t. The noise is the discretised Gaussian of tauLDR (include/dimix/state_space/ordinal.hpp) with the
linear schedule, total noise -log(1 - t).

authors  sony/di4c, tauldr/lib/losses/losses.py calc_pst with sample=True: three transition tables per item, (B, S, S) each, from the
         eigenvectors in every call; rows gathered from them, (B D, S); torch's Categorical
authors_summed  the same with sample=False: x_0 summed out by a product with the table, then a draw
fastest  one table per time pair, kept; rows gathered, and the inverse of the running sum
summed   x_0 summed out with kept tables"""

import numpy as np

import inputs
import measure
from objective import check_draws

AXES = ["B", "D", "S"]
PEERS = ["torch.authors", "torch.authors_summed", "torch.fastest", "torch.summed"]
USUAL = [(8, 192, 256)]
LARGE = [(8, 3072, 256)]
TIME_S, TIME_T = 0.5, 0.75


def rates(S):
    """(S, S) base rates and the stationary law."""
    i, j = np.arange(S)[:, None], np.arange(S)
    law = np.exp(-((np.arange(S) + 1 - S / 2) ** 2) / (2 * 512.0**2))
    jump = np.exp(-(((abs(i - j) - 1) / 6.0) ** 2))
    inward = ((i < S // 2) & (i < j) & (j < S - i)) | ((i > S // 2) & (S - 1 - i < j) & (j < i))
    rate = np.where(inward, jump, np.where(inward.T, jump * law[None, :] / law[:, None], 0.0))
    return rate - np.diag(rate.sum(1)), law / law.sum()


def make(peer, shape, threads):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(7)
    B, D, S = shape
    rate, law = rates(S)
    root = np.sqrt(law)
    values, vectors = np.linalg.eigh(root[:, None] * rate / root)  # symmetric, because the process is reversible
    values, right, left = (torch.from_numpy(a.astype(np.float32)) for a in (values, vectors / root[:, None], vectors.T * root))
    logits = torch.from_numpy(inputs.random_numbers((B, D, S), 1))
    x_t = torch.from_numpy(inputs.random_tokens((B, D), S, 2))
    tiny = 1e-9

    def transition(s, t):
        """(B, S, S) for times (B)"""
        noise = torch.log1p(-s) - torch.log1p(-t)
        table = right @ (torch.exp(noise[:, None] * values)[:, :, None] * left)
        return torch.where(table < 1e-8, 0.0, table)

    def draw(p):
        return torch.distributions.Categorical(p).sample()

    def by_sums(p):
        running = p.cumsum(-1)
        u = torch.rand(p.shape[:-1] + (1,)) * running[..., -1:]
        return torch.searchsorted(running, u, right=True).squeeze(-1).clamp_(max=S - 1)

    def tables():
        zero, s, t = torch.zeros(B), torch.full((B,), TIME_S), torch.full((B,), TIME_T)
        return transition(zero, t) + tiny, transition(zero, s) + tiny, transition(s, t) + tiny

    items, every = torch.arange(B).repeat_interleave(D), torch.arange(B * D)

    def authors():
        p = torch.softmax(logits, 2)
        to_t, to_s, from_s = tables()
        to_t, from_s = to_t[items, :, x_t.flatten()], from_s[items, :, x_t.flatten()]  # (B D, S)
        x_0 = draw(p).flatten()
        row = from_s / to_t[every, x_0].unsqueeze(1) * to_s[items, x_0] + tiny
        return draw(row / row.sum(1, keepdim=True)).view(B, D)

    def authors_summed():
        p = torch.softmax(logits, 2)
        to_t, to_s, from_s = tables()
        row = p / to_t[items, :, x_t.flatten()].view(B, D, S) @ to_s * from_s[items, :, x_t.flatten()].view(B, D, S)
        return draw(row / row.sum(2, keepdim=True))

    measure.inputs_are_made()
    to_t, to_s, from_s = (table[0].contiguous() for table in tables())
    columns_t, columns_s = to_t.T.contiguous(), from_s.T.contiguous()  # rows are x_t

    def fastest():
        x_0 = by_sums(torch.softmax(logits, 2))
        return by_sums(to_s[x_0] * columns_s[x_t])

    def summed():
        p = torch.softmax(logits, 2)
        return by_sums((p / columns_t[x_t]).view(B * D, S).matmul(to_s).view(B, D, S) * columns_s[x_t])

    once = torch.no_grad()({"torch.authors": authors, "torch.authors_summed": authors_summed, "torch.fastest": fastest,
                            "torch.summed": summed}[peer])
    check_draws(once().numpy(), np.log(expected_rows(peer.endswith("summed"), logits, x_t, to_s, to_t, from_s)))
    return once, None


def expected_rows(sums, logits, x_t, *tables):
    """(B, D, S): the law of x_s in float64 that a form draws from with its own tables. The two differ, though Bayes' rule says that they do not,
    because the tables have no entry below 1e-9: where x_0 cannot have become x_t, x_0 drawn first counts with p(x_0), and x_0 summed out with what
    the sum over x_s makes of these entries."""
    p, (to_s, to_t, from_s) = np.exp(logits.numpy().astype(np.float64)), (table.numpy().astype(np.float64) for table in tables)
    p /= p.sum(-1, keepdims=True)
    x_t, rows = x_t.numpy(), np.empty_like(p)
    for y in np.unique(x_t):
        posterior = to_s * from_s[:, y] / to_t[:, y, None]  # (S, S)  x_0, x_s
        if not sums:
            posterior /= posterior.sum(1, keepdims=True)
        rows[x_t == y] = p[x_t == y] @ posterior
    return rows
