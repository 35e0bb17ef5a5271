"""What these runs can teach of a law's parameters, worked out in a second and before anything is sampled."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.optimize import least_squares, minimize
from scipy.special import ndtr, ndtri

from bayescale.cards.card import Card
from bayescale.cards.files import load_card
from bayescale.design.further_runs import ADDED, Further, further_runs
from bayescale.errors import BayescaleError, DesignError
from bayescale.laws import Law
from bayescale.layers.drift import Spans, spans_of
from bayescale.layers.noise import NOISES, known_of, no_error
from bayescale.layers.pooling import apart, of_name
from bayescale.modeling.build import ModelData, model_data
from bayescale.modeling.design import check_design
from bayescale.modeling.latents import Array, Places, off_law_of, places_of, shared_errors_of

# Below this the posterior is at least half the prior's, as in the answers.
LEARNED = 0.5
# Rounds of the point fit, each with the scatter of the last, and the most steps of one.
ROUNDS, STEPS = 3, 60
# Draws of each run's noise, from which is worked out how much it says.
DRAWS = 200
# Half the width of a numeric derivative, in standard deviations of the prior and in the response.
WIDTH, NARROW = 1e-4, 1e-5
# What a run says where it says nothing, so that it can be divided by.
NOTHING = 1e-12
# No prior is followed further out than this, in standard deviations.
FAR = 8.0
# A scatter with very heavy tails has draws that no float holds, of which only how far out they are matters.
TINIEST, LARGEST = 1e-300, 1e300


def identifiability(runs: xr.Dataset, model: "str | Path | Card" = "chinchilla") -> xr.Dataset:
    """Say what these runs can teach of a card's parameters, and which further runs would teach more, without sampling.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs, dims ``run``.
    model : str, path or Card
        The card.

    Returns
    -------
    xarray.Dataset
        Dims ``parameter``, those that the card leaves free, and ``family`` where the runs have families. ``learned``,
        how much of the prior's spread would go, as in `prior_to_posterior`; ``estimate``, a point fit;
        ``correlation``, dims ``(parameter, other)``; ``direction``, the combination of parameters that would be learned
        least, its parts in standard deviations of the prior; ``direction_learned``, how much of its spread would go.
        Over ``further``, sets of three runs that could be added: ``direction_learned_with`` them;
        ``compute_factor``, the compute of the largest relative to the largest run; ``place``, dims
        ``(further, input, added)``, where they are. ``attrs`` carry the noise of the point fit. Where no point fit
        succeeds, all of it is NaN, there are no further runs, and ``attrs["cannot_say"]`` gives the reason.

    Raises
    ------
    CardError, DesignError
        If there is no such card, or the runs lack what its law takes or leave one input the same throughout.

    Notes
    -----
    Linear and Gaussian about a point fit, with the run-to-run scatter that the fit leaves; the spread between families,
    and how fast a law may drift, are held at the medians of their priors. ``learned`` agreed within 0.1 with posteriors
    that were sampled; where parameters trade against one another freely, or the law may drift but does not, it may be
    0.2 too low. Further runs are judged as if the law held where they are: one much smaller than all others is cheap,
    but may follow another law.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.design.identify import identifiability
    >>> found = identifiability(bs.load_shipped("tinylm"), "chinchilla")
    >>> found["learned"].sizes["parameter"], bool((found["learned"] > 0.5).all())
    (5, True)
    """
    card = load_card(model)
    if card.curve is not None:
        raise DesignError(
            f"what learning curves can teach is not worked out in advance. Ask it of the finished runs: "
            f"identifiability(bs.final_runs(curves), {card.name.replace('+curve', '')!r})."
        )
    check_design(card, runs)
    problem = _problem(card, runs)
    if not problem.places:
        raise DesignError(f"the model {card.name!r} holds every parameter of its law: there is nothing to learn.")
    families = range(len(problem.given.families))
    about: dict[str, Any] = {"model": card.name, "law": problem.law.name, "runs": runs.sizes["run"]}
    try:
        point = _point_fit(problem, runs[problem.law.response].values.astype(float))
        parts = [_of_family(problem, point, runs, family) for family in families]
        about |= {f"noise_{name}": value for name, value in point.noise.items()}
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        if isinstance(error, BayescaleError):
            raise
        parts = [_empty_answer(problem) for _ in families]
        about["cannot_say"] = f"no point fit succeeded ({str(error).rstrip('.')})"
    out = xr.concat(parts, xr.Variable("family", list(problem.given.families)), join="outer")
    out = out if "family" in runs.coords else out.isel(family=0, drop=True)
    return out.assign_attrs(about)


class _Where(NamedTuple):
    """A set of runs, at hand or not: what the law takes of them, their families, and how each may scatter and drift.

    ``drift`` is what each latent off the law adds to log loss: steps of the drift, and errors that runs share;
    ``own``, the standard deviation of the errors that a run shares with no other.
    """

    inputs: dict[str, Array]
    family: Array
    known: dict[str, Any]
    drift: Array
    scatter: Array
    own: Array


class _Problem(NamedTuple):
    """A card and what it is conditioned on. Its latents are standard normal by the prior: one is a prior's spread."""

    card: Card
    law: Law
    given: ModelData
    places: Places
    spans: Spans
    at_hand: _Where

    @property
    def parameters(self) -> int:
        """How many latents the law's parameters take; after them come the steps of the drift."""
        level, _, effects = list(self.places.values())[-1]
        return int((effects[-1].place if effects else level).stop)

    @property
    def latents(self) -> int:
        """How many there are."""
        return self.parameters + self.at_hand.drift.shape[-1]


class _Point(NamedTuple):
    """A point fit: the latents, the noise, and how uncertain these runs would leave the latents."""

    latent: Array
    noise: dict[str, float]
    covariance: Array


def _problem(card: Card, runs: xr.Dataset) -> _Problem:
    law, given, spans = card.get_law(), model_data(card, runs), spans_of(card, runs)
    inputs = {name: runs[name].values.astype(float) for name in law.inputs}
    known = {name: one.values for name, one in known_of(card.noise.family, runs, law.response).items()}
    scales = {name: runs[name].values.astype(float) for name in spans}
    steps, scatter = off_law_of(card, spans, scales, runs.sizes["run"])
    errors, own = shared_errors_of(card, given.sharing, runs.sizes["run"])
    off_law = np.concatenate([steps, errors], axis=1)
    at_hand = _Where(inputs, given.arrays["family_index"], known, off_law, scatter, own)
    return _Problem(card, law, given, places_of(card, given.groups), spans, at_hand)


# From latents to what the law expects ---------------------------------------------------------------------------------


def _theta(problem: _Problem, latent: Array) -> dict[str, Array]:
    """Return each parameter as each family has it, dims (..., family), from latents of dims (..., latent)."""
    card, shape = problem.card, (*latent.shape[:-1], len(problem.given.families))
    support = {parameter.name: parameter.support for parameter in problem.law.parameters}
    theta = {name: np.full(shape, value) for name, value in card.fixed.items() if name in card.priors}
    for name, (level, of_family, effects) in problem.places.items():
        prior = card.priors[name]
        value = prior.scipy.ppf(ndtr(np.clip(latent[..., level], -FAR, FAR)))[..., of_family]
        value = value * problem.given.arrays[of_name(prior)] if prior.of else value
        for place, of in effects:
            value = apart(np, support[name], value, latent[..., place] @ of)
        theta[name] = np.broadcast_to(value, shape)
    return theta


def _mean(problem: _Problem, latent: Array, where: _Where) -> Array:
    """Return the response that is expected of runs, the drift included, dims (..., run)."""
    theta = {name: value[..., where.family] for name, value in _theta(problem, latent).items()}
    with np.errstate(all="ignore"):
        mean = problem.law.at(np, where.inputs, theta, problem.given.reference)
        mean = mean * np.exp(latent[..., problem.parameters :] @ where.drift.T)
    highest = 1 - NARROW * 2 if NOISES[problem.card.noise.family].of_shares else 1e30
    # The fit may try latents at which a law has no value: they are bad, not fatal.
    return np.clip(np.nan_to_num(mean, nan=highest, posinf=highest), NARROW * 2, highest)


def _seen(problem: _Problem, response: Array) -> Array:
    """Return a response as its scatter is measured: by its logarithm; a share as it is."""
    return response if NOISES[problem.card.noise.family].of_shares else np.log(response)


def _slopes(function: Any, latent: Array) -> Array:
    """Return the derivatives of a function of the latents, dims (..., latent)."""
    steps = WIDTH * np.eye(len(latent))
    return np.moveaxis((function(latent + steps) - function(latent - steps)) / (2 * WIDTH), 0, -1)


# The point fit --------------------------------------------------------------------------------------------------------


def _point_fit(problem: _Problem, response: Array) -> _Point:
    """Fit the latents by robust least squares with their priors, and the noise to what is left, in turn."""
    count, where = len(response), problem.at_hand
    noise = {name: float(prior.scipy.ppf(0.5)) for name, prior in problem.card.noise.priors.items()}
    latent, seen = np.zeros(problem.latents), _seen(problem, response)

    def expected(at: Array) -> Array:
        return _seen(problem, _mean(problem, at, where))

    for _ in range(ROUNDS):
        root = np.sqrt(_information(problem, _mean(problem, latent, where), noise, where))
        latent = least_squares(
            lambda at, root=root: np.append((expected(at) - seen) * root, at),
            latent,
            jac=lambda at, root=root: np.vstack([_slopes(expected, at) * root[:, None], np.eye(len(at))]),
            loss=lambda squares: _soft(squares, count),
            max_nfev=STEPS,
            tr_solver="lsmr",
        ).x
        noise = _noise_fit(problem, _mean(problem, latent, where))
    slopes = _slopes(expected, latent)
    said = (slopes.T * _information(problem, _mean(problem, latent, where), noise, where)) @ slopes
    # What the fit has used up of the runs makes the scatter about it look smaller than it is.
    used = np.trace(np.linalg.solve(np.eye(len(latent)) + said, said))
    precision = np.eye(len(latent)) + said * max(1 - used / count, 1 / count)
    return _Point(latent, noise, np.linalg.inv(precision))


def _soft(squares: Array, count: int) -> Array:
    """Return the loss of squared residuals with its derivatives: linear far out for the runs, square for the priors."""
    out = np.stack([squares, np.ones_like(squares), np.zeros_like(squares)])
    far = 1 + squares[:count]
    out[:, :count] = 2 * (np.sqrt(far) - 1), far**-0.5, -0.5 * far**-1.5
    return out


def _noise_fit(problem: _Problem, mean: Array) -> dict[str, float]:
    """Return the noise's parameters that the runs and their priors make likeliest."""
    kind, priors = NOISES[problem.card.noise.family], problem.card.noise.priors
    observed = problem.given.arrays["observed"]

    def noise(at: Array) -> dict[str, float]:
        places = ndtr(np.clip(at, -FAR, FAR))
        return {name: float(prior.scipy.ppf(p)) for p, (name, prior) in zip(places, priors.items(), strict=True)}

    def cost(at: Array) -> float:
        here = _scattered(noise(at), problem.at_hand)
        return float(0.5 * at @ at - kind.logpdf(observed, mean, here, problem.at_hand.known).sum())

    return noise(minimize(cost, np.zeros(len(priors)), options={"gtol": 0.01}).x) if priors else {}


def _scattered(noise: dict[str, float], where: _Where) -> dict[str, Any]:
    """Return the noise as it is at each run."""
    return noise | {"sigma": np.hypot(noise["sigma"] * where.scatter, where.own)} if "sigma" in noise else dict(noise)


def _information(problem: _Problem, mean: Array, noise: dict[str, float], where: _Where) -> Array:
    """Return how much each run says about its mean: the variance of the slope of its log density, over draws."""
    kind, here = NOISES[problem.card.noise.family], _scattered(noise, where)
    full = {name: np.full((DRAWS, *mean.shape), value) for name, value in here.items()}
    drawn = kind.draw(np.random.default_rng(1), np.broadcast_to(mean, (DRAWS, *mean.shape)), full, where.known)
    observed = kind.observe(drawn if kind.of_shares else np.clip(drawn, TINIEST, LARGEST), where.known)
    up, down = (mean + NARROW, mean - NARROW) if kind.of_shares else (mean * np.exp(NARROW), mean * np.exp(-NARROW))
    slope = kind.logpdf(observed, up, here, where.known) - kind.logpdf(observed, down, here, where.known)
    return np.asarray(((slope / (2 * NARROW)) ** 2).mean(axis=0))


# What would be learned ------------------------------------------------------------------------------------------------


def _of_family(problem: _Problem, point: _Point, runs: xr.Dataset, family: int) -> xr.Dataset:
    """Return one family's part of the answer."""
    names, theta = list(problem.places), _theta(problem, point.latent)
    way = _way(problem, point.latent, family)
    covariance = way @ point.covariance @ way.T
    spread = np.sqrt(np.diag(covariance))
    size, ways = np.linalg.eigh(covariance)
    direction = ways[:, -1] * np.sign(ways[np.argmax(np.abs(ways[:, -1])), -1])
    mine = runs.isel(run=problem.at_hand.family == family)
    further = further_runs(problem.law, mine, problem.given.reference)
    told = _told_by(problem, point, further, family, point.covariance @ way.T @ direction)
    places = np.array([[*one.inputs.values()] for one in further]).reshape(len(further), len(problem.law.inputs), -1)
    return xr.Dataset(
        {
            "learned": ("parameter", 1 - spread),
            "estimate": ("parameter", [float(theta[name][family]) for name in names]),
            "correlation": (("parameter", "other"), covariance / np.outer(spread, spread)),
            "direction": ("parameter", direction),
            "direction_learned": 1 - np.sqrt(size[-1]),
            "direction_learned_with": ("further", 1 - np.sqrt(np.maximum(size[-1] - told, 0))),
            "compute_factor": ("further", [one.compute_factor for one in further]),
            "place": (("further", "input", "added"), places),
        },
        {
            "parameter": names,
            "other": names,
            "further": [one.words for one in further],
            "input": list(problem.law.inputs),
        },
    )


def _empty_answer(problem: _Problem) -> xr.Dataset:
    """Return the answer for one family where nothing can be said: NaN throughout, and no further runs."""
    names, inputs = list(problem.places), list(problem.law.inputs)
    unknown = np.full(len(names), np.nan)
    return xr.Dataset(
        {
            **dict.fromkeys(("learned", "estimate", "direction"), ("parameter", unknown)),
            "correlation": (("parameter", "other"), np.full((len(names), len(names)), np.nan)),
            "direction_learned": np.nan,
            **{name: ("further", np.zeros(0)) for name in ("direction_learned_with", "compute_factor")},
            "place": (("further", "input", "added"), np.zeros((0, len(inputs), ADDED))),
        },
        {"parameter": names, "other": names, "further": np.zeros(0, dtype=str), "input": inputs},
    )


def _way(problem: _Problem, latent: Array, family: int) -> Array:
    """Return how a family's parameters follow the latents, dims (parameter, latent), in spreads of their priors.

    What cannot be negative is looked at on its logarithm, and a spread is 0.74 of the interquartile range.
    """
    support = {parameter.name: parameter.support for parameter in problem.law.parameters}

    def scaled(at: Array) -> Array:
        theta = _theta(problem, at)
        values = {name: theta[name][..., family] for name in problem.places}
        return np.stack([v if support[name] == "real" else np.log(v) for name, v in values.items()], axis=-1)

    quartile = ndtri(0.75)
    upper, lower = (scaled(np.full(problem.latents, at)) for at in (quartile, -quartile))
    slopes = _slopes(scaled, latent)
    effects = [effects for _, _, effects in problem.places.values()]
    apart = np.array([sum(np.sum(slopes[k, one.place] ** 2) for one in mine) for k, mine in enumerate(effects)])
    return slopes / np.sqrt(((upper - lower) / (2 * quartile)) ** 2 + apart)[:, None]


def _told_by(problem: _Problem, point: _Point, further: list[Further], family: int, along: Array) -> Array:
    """Return how much of the variance along a direction each set of further runs would remove.

    ``along`` is the covariance of the latents with the direction.
    """
    if not further:
        return np.zeros(0)
    inputs = {name: np.concatenate([one.inputs[name] for one in further]) for name in problem.law.inputs}
    count = ADDED * len(further)
    known = {name: np.full(count, value) for name, value in no_error(problem.card.noise.family).items()}
    scales = {"compute": np.concatenate([one.compute for one in further])} | inputs
    steps, scatter = off_law_of(problem.card, problem.spans, scales, count)
    _, own = shared_errors_of(problem.card, {}, count)
    # No further run is in a group of those at hand.
    off_law = np.pad(steps, ((0, 0), (0, problem.at_hand.drift.shape[1] - steps.shape[1])))
    where = _Where(inputs, np.full(count, family), known, off_law, scatter, own)
    information = _information(problem, _mean(problem, point.latent, where), point.noise, where)
    slopes = _slopes(lambda at: _seen(problem, _mean(problem, at, where)), point.latent)
    told = []
    for k in range(len(further)):
        rows = slice(ADDED * k, ADDED * (k + 1))
        noise = np.diag(1 / np.maximum(information[rows], NOTHING))
        expected = slopes[rows] @ point.covariance @ slopes[rows].T + noise
        told.append(float(slopes[rows] @ along @ np.linalg.solve(expected, slopes[rows] @ along)))
    return np.array(told)
