"""The map from independent coordinates to latents, and its gradient, against linear algebra and differences."""

import numpy as np

from bayescale.layers.whitened import pull_back, unwhiten


def some(seed=1, blocks=2, size=5):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((blocks, size, 9))
    precision = np.eye(size) + root @ np.swapaxes(root, 1, 2)
    return precision, rng.standard_normal((blocks, size)), rng.standard_normal((blocks, size))


def test_latents_have_the_mean_and_the_spread_that_the_runs_leave_them():
    precision, score, point = some()
    latents, volume = unwhiten(precision, score, point)
    for k in range(2):
        root = np.linalg.cholesky(precision[k])
        wanted = np.linalg.solve(precision[k], score[k]) + np.linalg.solve(root.T, point[k])
        np.testing.assert_allclose(latents[k], wanted, rtol=1e-12)
        np.testing.assert_allclose(volume[k], -0.5 * np.linalg.slogdet(precision[k])[1], rtol=1e-12)


def test_the_gradient_is_that_of_differences():
    given, rng, width = some(seed=2), np.random.default_rng(3), 1e-6
    bars = rng.standard_normal((2, 5)), rng.standard_normal(2)

    def value(*inputs):
        return sum(float((bar * out).sum()) for bar, out in zip(bars, unwhiten(*inputs), strict=True))

    for k, slope in enumerate(pull_back(*given, *bars)):
        way = rng.standard_normal(given[k].shape)
        if k == 0:  # a precision is symmetric
            way = way + np.swapaxes(way, 1, 2)
        ahead, back = ([*given[:k], given[k] + sign * width * way, *given[k + 1 :]] for sign in (1, -1))
        np.testing.assert_allclose((value(*ahead) - value(*back)) / (2 * width), (slope * way).sum(), rtol=1e-6)
