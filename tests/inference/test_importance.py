"""Modes and importance sampling on densities that are known in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from bayescale.inference.importance import LEAST_BATCH, importance_sample, largest_k, latent_places, resample
from bayescale.inference.laplace import find_modes


class Known:
    """A density in closed form, as `Density` offers one; its gradient by differences."""

    def __init__(self, log_density, names):
        self.evaluate, self.size = log_density, len(names)
        self.program = SimpleNamespace(names=names, shapes=[()] * len(names), size=len(names))

    def log_densities(self, points):
        points, width = np.atleast_2d(points), 1e-5
        with np.errstate(all="ignore"):
            ways = width * np.eye(self.size)
            slopes = [np.ravel(self.evaluate(points + way) - self.evaluate(points - way)) for way in ways]
            return np.ravel(self.evaluate(points)), np.nan_to_num(np.array(slopes).T) / (2 * width)

    def log_density(self, point):
        values, gradients = self.log_densities(point)
        return float(values[0]), gradients[0]


def normal(covariance, names=("a_log__", "b", "c_offset", "d_step_whitened__")):
    return Known(lambda points: stats.multivariate_normal.logpdf(points, np.arange(4.0), covariance), list(names))


def correlated():
    root = np.random.default_rng(1).standard_normal((4, 6))
    return root @ root.T / 4


def test_latents_are_told_by_their_names():
    assert latent_places(normal(np.eye(4)).program).tolist() == [2, 3]


def test_a_normal_density_is_found_exactly():
    covariance = correlated()
    density = normal(covariance)
    [mode] = find_modes(density, np.random.default_rng(2).standard_normal((3, 4)) * 5)
    np.testing.assert_allclose(mode.point, np.arange(4.0), atol=1e-3)
    np.testing.assert_allclose(mode.covariance, covariance, rtol=1e-3, atol=1e-4)
    # The mass of a density that integrates to one, in units of (2 pi)^(n/2).
    assert mode.log_mass == pytest.approx(-2 * np.log(2 * np.pi), abs=1e-3)
    weighted = importance_sample(density, [mode], 400, seed=1)
    assert weighted.pareto_k < 0.5
    assert weighted.ess > 0.6 * len(weighted.points)
    weights = np.exp(weighted.log_weights)
    mean = weights @ weighted.points
    spread = np.sqrt(np.diag(covariance) / weighted.ess)
    assert (np.abs(mean - np.arange(4.0)) < 4 * spread).all()
    np.testing.assert_array_equal(importance_sample(density, [mode], 400, seed=1).points, weighted.points)


def test_two_modes_are_both_seen_and_weighed():
    def two(points):
        parts = [np.log(w) + stats.norm.logpdf(points, c).sum(-1) for w, c in ((0.8, -4.0), (0.2, 4.0))]
        return logsumexp(parts, axis=0)

    density = Known(two, ["a", "b"])
    starts = np.array([[5.0, 5.0], [-5.0, -5.0], [3.0, 3.0]])
    modes = find_modes(density, starts)
    assert [round(float(mode.point[0])) for mode in modes] == [-4, 4]  # higher mass first
    weighted = importance_sample(density, modes, 400, seed=1)
    share = np.exp(weighted.log_weights)[weighted.points[:, 0] > 0].sum()
    assert share == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / weighted.ess))
    # A mode of no weight is no mode.
    assert len(find_modes(Known(lambda x: np.where(x[:, 0] > 0, -20.0, 0.0) - (np.abs(x) - 4).sum(-1) ** 2, ["a"]),
                          np.array([[5.0], [-5.0]]))) == 1  # fmt: skip


def test_a_skewed_density_is_adapted_to():
    def skewed(points):  # the log of a gamma of shape 1, and a normal as wide as it says
        return points[:, 0] - np.exp(points[:, 0]) + stats.norm.logpdf(points[:, 1], 0, np.exp(points[:, 0] / 2))

    density = Known(skewed, ["a", "b"])
    modes = find_modes(density, np.array([[0.3, 0.5]]))
    weighted = importance_sample(density, modes, 400, seed=1)
    assert weighted.pareto_k <= largest_k(len(weighted.points))
    assert weighted.ess >= 400
    mean = np.exp(weighted.log_weights) @ np.exp(weighted.points[:, 0])
    assert mean == pytest.approx(1.0, abs=4 / np.sqrt(weighted.ess))


def test_a_funnel_is_given_up():
    def funnel(points):
        return stats.norm.logpdf(points[:, 0], 0, 4) + stats.norm.logpdf(points[:, 1:], 0, np.exp(points[:, :1])).sum(
            -1
        )

    density = Known(funnel, list("abcdefghijklmnop"))
    modes = find_modes(density, np.full((1, 16), 0.1))
    weighted = importance_sample(density, modes, 400, seed=1)
    assert weighted.pareto_k > largest_k(len(weighted.points)) or weighted.ess < 400


def test_no_density_gives_no_mode():
    nowhere = Known(lambda points: np.full(len(points), -np.inf), ["a"])
    assert find_modes(nowhere, np.ones((2, 1))) == []


def test_few_draws_may_have_less_of_a_tail():
    assert largest_k(100) == 0.5
    assert largest_k(10**6) == 0.7


def test_resampling_has_each_draw_as_often_as_its_weight_says():
    weights = np.array([0.5, 0.25, 0.249, 0.001])
    points = np.arange(4.0)[:, None]
    weighted = SimpleNamespace(points=points, log_weights=np.log(weights))
    chosen = resample(weighted, 1000, seed=1)
    assert np.abs(np.bincount(chosen, minlength=4) - 1000 * weights).max() <= 1
    assert len(chosen) == 1000 > LEAST_BATCH
    assert (np.diff(chosen) < 0).any()  # in random order
