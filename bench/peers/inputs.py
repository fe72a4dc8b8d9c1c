"""The inputs of bench/*.cpp, number for number: Philox 4x32-10 as in include/dimix/core/rng.hpp, filled as in bench/support.hpp."""

import numpy as np

PURPOSE_USER = 48  # dimix::purpose::user


def philox(items, seed):
    """Blocks of four 32-bit words of purpose `user`, step, draw and position 0: (4, items)."""
    mask = np.uint64(0xFFFFFFFF)
    low = np.uint64(32)
    word = [items & mask, items >> low, np.zeros_like(items), np.full_like(items, (PURPOSE_USER << 58) >> 32)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * word[0], np.uint64(0xCD9E8D57) * word[2]
        word = [(b >> low) ^ word[1] ^ np.uint64(key[0]), b & mask, (a >> low) ^ word[3] ^ np.uint64(key[1]), a & mask]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(word)


def random_numbers(shape, seed, spread=4.0):
    """fill_random: float32 in (-spread, spread)."""
    size = int(np.prod(shape))
    out = np.empty(size, np.float32)
    piece = 1 << 20
    for first in range(0, size, piece):
        items = np.arange(first, min(first + piece, size), 4, dtype=np.uint64)
        words = philox(items, seed).T.reshape(-1).astype(np.float64)  # (4 items)
        numbers = ((words + 0.5) * 2.0**-31 - 1.0) * spread
        out[first : first + piece] = numbers[: min(piece, size - first)]
    return out.reshape(shape)


def random_rows(shape, seed):
    """fill_rows: float32, sums of the last axis 1."""
    rows = np.exp(random_numbers(shape, seed))
    return (rows / rows.sum(-1, keepdims=True, dtype=np.float64)).astype(np.float32)


def random_tokens(shape, states, seed):
    """fill_tokens: int64 in [0, states)."""
    word = philox(np.arange(int(np.prod(shape)), dtype=np.uint64), seed)
    bits = word[0] | word[1] << np.uint64(32)
    unit = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return (unit * states).astype(np.int64).reshape(shape)


class Objective:
    """Inputs of bench/objective.cpp. The last ones are those of the draws: what the student says at u, one component a draw."""

    datapoint_weight = 0.1

    def __init__(self, B, M, K, D, S):
        self.B, self.M, self.K, self.D, self.S = B, M, K, D, S
        self.raw = random_numbers((B, M, D, S), 1)
        self.targets = np.concatenate([random_tokens((B, 1, D), S, 3), random_tokens((B, K, D), S, 4)], 1)  # (B, 1 + K, D)
        self.target_weights = np.array([self.datapoint_weight] + [1 / K] * K, np.float32)  # (1 + K)
        self.student = random_rows((B, D, S), 5)
        self.teacher = random_rows((B, D, S), 6)
        self.logits_u = random_numbers((B, K, D, S), 7)


def reference_value(raw, x, weights, rows):
    """In float64: mean over b of  sum_k w_k [sum_d log P(x_kd) - log p(x_k)] + sum_rows sum_d KL(row_d || P_d)."""
    total = 0.0
    B, M, D, _ = raw.shape
    for b in range(B):
        likelihood, of_targets, divergence = 0.0, 0.0, 0.0
        for d in range(D):
            z = raw[b, :, d].astype(np.float64)  # (M, S)
            log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
            log_marginal = np.logaddexp.reduce(log_p, axis=0) - np.log(M)  # (S)
            likelihood = likelihood + log_p[:, x[b, :, d]]  # (M, T)
            of_targets += weights @ log_marginal[x[b, :, d]]
            for row in rows:
                r = row[b, d].astype(np.float64)
                divergence += np.sum(r * (np.log(r) - log_marginal))
        joint = np.logaddexp.reduce(likelihood, axis=0) - np.log(M)  # (T)
        total += of_targets - weights @ joint + divergence
    return total / B
