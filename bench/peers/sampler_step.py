"""One ancestral step of masked diffusion from t = 0.75 to s = 0.5, log-linear schedule: bench/sampler_step.cpp, absorbing. Shape: B, D, S
with the mask as the last state. Three of four positions are masked, and a third of those is revealed.

authors    as SDTT and MDLM form it: all rows of q(x_s | x_t), then a Gumbel race over them
fastest    the positions that are revealed first, then the inverse of the running sum of their rows only
multinomial  the same with torch.multinomial
maximum    only the largest logit of every row: what a step cannot be faster than"""

import inputs
import measure
from objective import check_draws

AXES = ["B", "D", "S"]
PEERS = ["torch.authors", "torch.fastest", "torch.multinomial", "torch.maximum"]
USUAL = [(1, 16, 50258)]
LARGE = [(4, 256, 50258)]


def make(peer, shape, threads):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(7)
    B, D, S = shape
    mask = S - 1
    logits = torch.from_numpy(inputs.random_numbers((B, D, S), 1))
    x_t = torch.from_numpy(inputs.random_tokens((B, D), S - 1, 2))
    x_t.view(-1)[torch.arange(B * D) % 4 != 0] = mask
    noise_s, noise_t = 0.5, 0.75

    def authors():
        p = torch.softmax(logits[..., :mask], 2)
        q = torch.empty_like(logits)
        q[..., :mask] = p * (noise_t - noise_s)
        q[..., mask] = noise_s
        race = q / (1e-10 - (torch.rand_like(q) + 1e-10).log())
        return torch.where(x_t == mask, race.argmax(2), x_t)

    def revealed():
        return (x_t == mask) & (torch.rand(B, D) < (noise_t - noise_s) / noise_t)

    def by_sums(rows):
        running = torch.softmax(rows, 1).cumsum_(1)
        u = torch.rand(len(rows), 1) * running[:, -1:]
        return torch.searchsorted(running, u, right=True).squeeze(1).clamp_(max=mask - 1)

    def by_multinomial(rows):
        return torch.multinomial(torch.softmax(rows, 1), 1).squeeze(1)

    def step(draw):
        x, where = x_t.clone(), revealed()
        x[where] = draw(logits[where][:, :mask])
        return x

    steps = {
        "torch.authors": authors,
        "torch.fastest": lambda: step(by_sums),
        "torch.multinomial": lambda: step(by_multinomial),
        "torch.maximum": lambda: logits.amax(2),
    }
    once = torch.no_grad()(steps[peer])
    measure.inputs_are_made()
    if peer != "torch.maximum":
        moved = once()
        where = (moved != x_t).numpy()
        check_draws(moved.numpy()[where], logits.numpy()[where][:, :mask])
    return once, None
