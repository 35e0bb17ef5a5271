"""Draws from a posterior by importance sampling about its modes, which says itself whether it succeeded.

The proposal is a mixture of Student t distributions: one about each mode, as wide as Laplace's approximation says. Each
draw has the weight of the density that NUTS samples over that of the mixture. Unless the draws are then worth half as
many independent ones, which shows a posterior that is close to normal, others are added along its ridges (`ridges`).
Where the tail of the weights is too heavy all the same (Pareto k, Vehtari et al. 2024, arXiv 1507.02646), one that is
fitted to the weighted draws is added, and all draws are weighed by the mixture of all that was drawn from (adaptive
multiple importance sampling, Cornuet et al. 2012, arXiv 0907.1254).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayescale.inference.laplace import Mode
from bayescale.inference.ridges import follow_ridges

if TYPE_CHECKING:
    from bayescale.inference.program import Density, Program

# Degrees of freedom of the proposal, and by how much it is wider than the normal approximation.
FREEDOM, WIDER = 12, 1.1
# Draws about a mode: at least so many, and so many for each parameter. Along the ridges, and from a fitted component.
LEAST_BATCH, BATCH_EACH = 250, 20
LEAST_ALONG, ALONG_EACH = 1000, 40
# How often a component may be fitted, and the most draws in all.
ADAPTATIONS, MAX_DRAWS = 6, 20_000
# Draws about the mode that are worth this share of as many independent ones need no others along ridges.
NORMAL_ENOUGH = 0.5
# The weights of places along the ridges are their masses to this power, and an equal share beside.
POWER, EQUAL = 0.7, 0.3
# The most that Pareto k may be; of few draws less, see `largest_k`.
MAX_K = 0.7
# Weights are tempered until they are worth so many draws for each adapted parameter, before a component is fitted.
WORTH_EACH = 4.0
# How many draws the spread of a latent about what is expected of it is known to be worth beforehand.
PRIOR_WORTH = 5.0
# What the names of latents have in them: these are standard normal by the prior, or nearly so.
LATENTS = ("_offset", "_step")
# Where a point has no density, its log weight is so far below the lowest.
FAR_BELOW = 50.0


class Weighted(NamedTuple):
    """Weighted draws from a posterior.

    Attributes
    ----------
    points : array
        Unconstrained draws from the proposal, dims (draw, parameter).
    log_densities : array
        The log density that was compiled, at each.
    log_weights : array
        Their smoothed log weights; the weights sum to one.
    pareto_k : float
        The shape of the weights' tail: up to .7 the draws may be used.
    ess : float
        How many independent draws they are worth: one over the sum of squared weights.
    """

    points: np.ndarray
    log_densities: np.ndarray
    log_weights: np.ndarray
    pareto_k: float
    ess: float


class _Mixture:
    """A mixture of Student t distributions, each weighed by how often it was drawn from, and its draws."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.points = np.empty((0, size))
        self.components: list[tuple[np.ndarray, np.ndarray]] = []
        self.counts: list[int] = []
        # Log density of each draw under each component.
        self._parts = np.empty((0, 0))

    def add(self, centre: np.ndarray, covariance: np.ndarray) -> int:
        """Add a component, and return its number."""
        root = np.linalg.cholesky(covariance)
        self.components.append((centre, root))
        self.counts.append(0)
        self._parts = np.concatenate([self._parts, self._evaluate(centre, root, self.points)[None]])
        return len(self.counts) - 1

    def draw(self, rng: np.random.Generator, component: int, count: int) -> None:
        """Draw so often from a component."""
        centre, root = self.components[component]
        stretch = np.sqrt(rng.chisquare(FREEDOM, count) / FREEDOM)[:, None]
        points = centre + rng.standard_normal((count, self.size)) / stretch @ root.T
        parts = np.array([self._evaluate(*each, points) for each in self.components])
        self.points, self._parts = np.concatenate([self.points, points]), np.concatenate([self._parts, parts], axis=1)
        self.counts[component] += count

    def log_density(self) -> np.ndarray:
        """Return the log density of all draws, but for a constant."""
        from scipy.special import logsumexp

        shares = np.array(self.counts) / sum(self.counts)
        return np.asarray(logsumexp(self._parts, b=shares[:, None], axis=0))

    def _evaluate(self, centre: np.ndarray, root: np.ndarray, points: np.ndarray) -> np.ndarray:
        units = (points - centre) @ np.linalg.inv(root).T
        shape = (FREEDOM + self.size) / 2 * np.log1p(np.einsum("ij,ij->i", units, units) / FREEDOM)
        return -np.log(np.diag(root)).sum() - shape


def importance_sample(density: "Density", modes: Sequence[Mode], ess: float, seed: int) -> Weighted:
    """Draw about the modes until the weights' tail is light and the draws are worth enough, or it is at an end.

    Parameters
    ----------
    density : Density
        The compiled log density.
    modes : sequence of Mode
        Where to draw; `find_modes` gives them.
    ess : float
        How many independent draws are wanted.
    seed : int
        Seed of the draws.

    Returns
    -------
    Weighted
        Where its ``pareto_k`` is above `largest_k` or its ``ess`` below what was wanted, it failed.
    """
    rng, mixture = np.random.default_rng([seed, 7]), _Mixture(density.size)
    batch, along = max(LEAST_BATCH, BATCH_EACH * density.size), max(LEAST_ALONG, ALONG_EACH * density.size)
    weighted = _draw_more(density, mixture, rng, _components_at_modes(modes), batch, None)
    if weighted.ess >= NORMAL_ENOUGH * len(weighted.points) and _is_light(weighted):
        adaptations = ADAPTATIONS
    else:
        adaptations = 0
        weighted = _draw_more(density, mixture, rng, _components_along_ridges(density, modes), along, weighted)
    while len(weighted.points) < MAX_DRAWS:
        if adaptations == 0 or (not _is_light(weighted) and adaptations < ADAPTATIONS):
            adaptations += 1
            fitted = [(*_fit_component(density, modes[0], weighted), 1.0)]
            weighted = _draw_more(density, mixture, rng, fitted, along, weighted)
        elif _is_light(weighted) and weighted.ess < ess:
            # As many more as are wanting, from all that was drawn from.
            wanting = 1.2 * len(weighted.points) * (ess / weighted.ess - 1)
            batch = int(min(max(LEAST_BATCH, wanting), MAX_DRAWS - len(weighted.points)))
            weighted = _draw_more(density, mixture, rng, [], batch, weighted)
        else:
            break
    return weighted


def _is_light(weighted: Weighted) -> bool:
    """Say whether the tail of the weights is light enough for so many draws."""
    return weighted.pareto_k <= largest_k(len(weighted.points))


def _draw_more(
    density: "Density",
    mixture: _Mixture,
    rng: np.random.Generator,
    components: Sequence[tuple[np.ndarray, np.ndarray, float]],
    count: int,
    before: Weighted | None,
) -> Weighted:
    """Return the draws of a mixture, weighed, after more were made: from new components, or from all where none is new.

    A component is a centre, a covariance and its share of the new draws.
    """
    drawn = sum(mixture.counts)
    for centre, covariance, share in components:
        mixture.draw(rng, mixture.add(centre, covariance), int(np.ceil(count * share)))
    if not components:
        for component, earlier in enumerate(list(mixture.counts)):
            mixture.draw(rng, component, int(np.ceil(count * earlier / drawn)))
    heights = density.log_densities(mixture.points[drawn:])[0]
    heights = heights if before is None else np.concatenate([before.log_densities, heights])
    log_weights, pareto_k = smooth_weights(heights - mixture.log_density())
    return Weighted(mixture.points, heights, log_weights, pareto_k, float(1 / np.exp(2 * log_weights).sum()))


def _components_at_modes(modes: Sequence[Mode]) -> list[tuple[np.ndarray, np.ndarray, float]]:
    return [(mode.point, WIDER**2 * mode.covariance, 1 / len(modes)) for mode in modes]


def _components_along_ridges(density: "Density", modes: Sequence[Mode]) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Return modes and places along the profiles of all but the latents, as components."""
    along = np.setdiff1d(np.arange(density.size), latent_places(density.program))
    found = [(mode.point, mode.covariance, mode.log_mass) for mode in modes]
    found += [place for mode in modes for place in follow_ridges(density, mode, along)]
    masses = np.array([mass for _, _, mass in found])
    shares = np.exp(POWER * (masses - masses.max()))
    shares = (1 - EQUAL) * shares / shares.sum() + EQUAL / len(shares)
    return [
        (centre, WIDER**2 * covariance, float(share))
        for (centre, covariance, _), share in zip(found, shares, strict=True)
    ]


def latent_places(program: "Program") -> np.ndarray:
    """Return which of the unconstrained parameters are latents: standard normal by the prior, or nearly so."""
    flags: list[bool] = []
    for name, shape in zip(program.names, program.shapes, strict=True):
        if len(flags) == program.size:
            break
        flags += [any(ending in name for ending in LATENTS)] * int(np.prod(shape, dtype=int))
    return np.flatnonzero(flags)


def largest_k(draws: int) -> float:
    """Return the largest Pareto k at which so many draws may be used: .7, and of few draws less."""
    return min(MAX_K, 1 - 1 / np.log10(draws))


def smooth_weights(log_ratio: np.ndarray) -> tuple[np.ndarray, float]:
    """Return Pareto-smoothed log weights, which sum to one, and Pareto k; infinity where few points have a density."""
    from arviz_stats.base import array_stats
    from scipy.special import logsumexp

    finite = np.isfinite(log_ratio)
    if finite.sum() < LEAST_BATCH / 2:
        return np.full(len(log_ratio), -np.log(len(log_ratio))), np.inf
    log_ratio = np.where(finite, log_ratio, log_ratio[finite].min() - FAR_BELOW)
    # ArviZ takes the negative.
    log_weights, pareto_k = array_stats.psislw(log_ratio.max() - log_ratio)
    return log_weights - logsumexp(log_weights), float(pareto_k)


def _fit_component(density: "Density", mode: Mode, weighted: Weighted) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and covariance of a component that is fitted to the weighted draws.

    Few weighted draws know little of a large covariance. That of the parameters is drawn to the mode's. The latents
    follow them as at the mode, and only how far they spread about that is fitted.
    """
    from scipy.special import logsumexp

    points, log_weights, latents = weighted.points, weighted.log_weights, latent_places(density.program)
    adapted = np.setdiff1d(np.arange(density.size), latents)
    size = len(adapted)

    def temper(power: float) -> np.ndarray:
        return np.exp(power * log_weights - logsumexp(power * log_weights))

    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        if 1 / (temper(middle) ** 2).sum() > WORTH_EACH * size:
            low = middle
        else:
            high = middle
    weights = temper(low)
    worth = 1 / (weights**2).sum()
    covariance = WIDER**2 * mode.covariance
    among, within = (covariance[np.ix_(rows, adapted)] for rows in (adapted, latents))
    slope = np.linalg.solve(among, within.T).T
    root = np.linalg.cholesky(covariance[np.ix_(latents, latents)] - slope @ within.T)
    mean = weights @ points
    away = points - mean
    fitted = (away[:, adapted] * weights[:, None]).T @ away[:, adapted]
    fitted = (worth * fitted + size * among) / (worth + size)
    units = np.linalg.solve(root, (away[:, latents] - away[:, adapted] @ slope.T).T)
    scales = np.sqrt((worth * (units**2 @ weights) + PRIOR_WORTH) / (worth + PRIOR_WORTH))
    out = np.empty_like(covariance)
    out[np.ix_(adapted, adapted)] = fitted
    out[np.ix_(latents, adapted)] = slope @ fitted
    out[np.ix_(adapted, latents)] = (slope @ fitted).T
    out[np.ix_(latents, latents)] = slope @ fitted @ slope.T + (root * scales**2) @ root.T
    return mean, out


def resample(weighted: Weighted, count: int, seed: int) -> np.ndarray:
    """Return which draws stand for the posterior, each as often as its weight says, in random order.

    Resampling is systematic: rounding to whole numbers of draws adds the least noise.
    """
    rng = np.random.default_rng([seed, 8])
    ends = np.cumsum(np.exp(weighted.log_weights))
    chosen = np.searchsorted(ends / ends[-1], (np.arange(count) + rng.random()) / count)
    return rng.permutation(np.minimum(chosen, len(ends) - 1))
