"""Draws from a posterior by importance sampling about its modes, which says itself whether it succeeded.

The proposal is a mixture of Student t distributions about the modes, as wide as Laplace's approximation says. Each draw
has the weight of the density that NUTS samples over that of the proposal. Where the tail of the weights is too heavy
(Pareto k, Vehtari et al. 2024, arXiv 1507.02646), a component fitted to the weighted draws is added, and all draws are
weighed by the mixture of all components (adaptive multiple importance sampling, Cornuet et al. 2012, arXiv 0907.1254).
Latents that are close to normal given all else, such as the steps of a drift, are drawn so: they would only add to the
noise of what is adapted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayescale.inference.laplace import Mode

if TYPE_CHECKING:
    from bayescale.inference.program import Density, Program

# Degrees of freedom of the proposal, and by how much it is wider than the normal approximation; the same of latents.
FREEDOM, WIDER, LATENTS_WIDER = 20, 1.1, 1.03
# Draws in a round: at least so many, and so many for each parameter; rounds in which the proposal may still change, and
# the most draws in all.
LEAST_BATCH, BATCH_EACH, ADAPTATIONS, MAX_DRAWS = 250, 20, 8, 12_000
# The most that Pareto k may be; of few draws less, see `largest_k`.
MAX_K = 0.7
# Weights are tempered until they are worth so many draws for each adapted parameter, before a component is fitted.
WORTH_EACH = 4.0
# Endings of what is standard normal by the prior, or nearly so.
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
    rounds : int
        How often the proposal was drawn from.
    """

    points: np.ndarray
    log_densities: np.ndarray
    log_weights: np.ndarray
    pareto_k: float
    ess: float
    rounds: int


class _Proposal:
    """A mixture over the adapted parameters, with the latents normal given those."""

    def __init__(self, modes: Sequence[Mode], latents: np.ndarray) -> None:
        self.latents = latents
        self.adapted = np.setdiff1d(np.arange(len(modes[0].point)), latents)
        self.components: list[tuple[np.ndarray, np.ndarray]] = []
        self.counts: list[int] = []
        # The latents follow the highest mode: the components differ in the adapted parameters alone.
        covariance = modes[0].covariance
        among, within = (covariance[np.ix_(rows, self.adapted)] for rows in (self.adapted, latents))
        self.slope = np.linalg.solve(among, within.T).T
        given = np.linalg.inv(modes[0].precision[np.ix_(latents, latents)])
        self.root = LATENTS_WIDER * np.linalg.cholesky(given)
        self.centre = modes[0].point
        self.first_covariance = WIDER**2 * among
        for mode in modes:
            self.add(mode.point[self.adapted], WIDER**2 * mode.covariance[np.ix_(self.adapted, self.adapted)])

    def add(self, centre: np.ndarray, covariance: np.ndarray) -> None:
        """Add a component."""
        self.components.append((centre, np.linalg.cholesky(covariance)))
        self.counts.append(0)

    def draw(self, rng: np.random.Generator, count: int, component: int) -> tuple[np.ndarray, np.ndarray]:
        """Return points from a component, and the log density of their latents given the rest."""
        centre, root = self.components[component]
        self.counts[component] += count
        stretch = np.sqrt(rng.chisquare(FREEDOM, count) / FREEDOM)[:, None]
        points = np.empty((count, len(self.centre)))
        points[:, self.adapted] = centre + rng.standard_normal((count, len(centre))) / stretch @ root.T
        units = rng.standard_normal((count, len(self.latents)))
        away = points[:, self.adapted] - self.centre[self.adapted]
        points[:, self.latents] = self.centre[self.latents] + away @ self.slope.T + units @ self.root.T
        return points, -0.5 * (units**2).sum(axis=1)

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return the log density of the adapted parameters under the mixture of all that was drawn, but a constant."""
        from scipy.special import logsumexp

        parts, total = [], sum(self.counts)
        for (centre, root), count in zip(self.components, self.counts, strict=True):
            if not count:
                continue
            units = np.linalg.solve(root, (points[:, self.adapted] - centre).T)
            shape = (FREEDOM + len(centre)) / 2 * np.log1p((units**2).sum(axis=0) / FREEDOM)
            parts.append(np.log(count / total) - np.log(np.diag(root)).sum() - shape)
        return np.asarray(logsumexp(parts, axis=0))


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
        Where its ``pareto_k`` is above .7 or its ``ess`` below what was wanted, it failed.
    """
    rng = np.random.default_rng([seed, 7])
    proposal = _Proposal(modes, latent_places(density.program))
    batch = max(LEAST_BATCH, BATCH_EACH * density.size)
    points, heights, latents = np.empty((0, density.size)), np.empty(0), np.empty(0)
    adaptations, rounds, latest = 0, 0, 0
    while True:
        for component in range(latest, len(proposal.components)):
            drawn, given = proposal.draw(rng, batch, component)
            points = np.concatenate([points, drawn])
            heights = np.concatenate([heights, density.log_densities(drawn)[0]])
            latents = np.concatenate([latents, given])
        rounds += 1
        log_weights, pareto_k = smooth_weights(heights - latents - proposal.log_density(points))
        worth = float(1 / np.exp(2 * log_weights).sum())
        light = pareto_k <= largest_k(len(points))
        if (light and worth >= ess) or (not light and adaptations == ADAPTATIONS) or len(points) >= MAX_DRAWS:
            return Weighted(points, heights, log_weights, pareto_k, worth, rounds)
        if not light:
            _adapt(proposal, points, log_weights)
            adaptations += 1
        else:  # as many more as are wanting
            batch = int(min(max(batch, 1.2 * len(points) * (ess / worth - 1)), MAX_DRAWS - len(points)))
        latest = len(proposal.components) - 1


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


def _adapt(proposal: _Proposal, points: np.ndarray, log_weights: np.ndarray) -> None:
    """Add a component that is fitted to the weighted draws, and drawn to the first one where they are worth little."""
    from scipy.special import logsumexp

    adapted = points[:, proposal.adapted]
    size = adapted.shape[1]

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
    centre = weights @ adapted
    away = adapted - centre
    fitted = (away * weights[:, None]).T @ away
    proposal.add(centre, (worth * fitted + size * proposal.first_covariance) / (worth + size))


def resample(weighted: Weighted, count: int, seed: int) -> np.ndarray:
    """Return which draws stand for the posterior, each as often as its weight says, in random order.

    Resampling is systematic: rounding to whole numbers of draws adds the least noise.
    """
    rng = np.random.default_rng([seed, 8])
    ends = np.cumsum(np.exp(weighted.log_weights))
    chosen = np.searchsorted(ends / ends[-1], (np.arange(count) + rng.random()) / count)
    return rng.permutation(np.minimum(chosen, len(ends) - 1))
