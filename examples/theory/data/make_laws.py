"""Writes the Dirichlet laws of the toy table. They are numbers of numpy's generator: run it again only to see that they are the same."""

import pathlib

import numpy as np

folder = pathlib.Path(__file__).parent
for name, shape, concentration in [("dirD2S3", (3, 3), 0.3), ("dirD3S2", (2, 2, 2), 0.5), ("dir33", (3, 3, 3), 0.3)]:
    law = np.random.default_rng(7).dirichlet([concentration] * int(np.prod(shape))).reshape(shape)
    marginals = [law.sum(axis=tuple(e for e in range(law.ndim) if e != d)) for d in range(law.ndim)]
    product = marginals[0]
    for row in marginals[1:]:
        product = np.multiply.outer(product, row)
    print(name, "TV to the product of its marginals", round(abs(law - product).sum() / 2, 6))
    np.save(folder / f"{name}.npy", law)
