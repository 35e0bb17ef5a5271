"""What these runs can teach of a law's parameters, worked out in a second and before anything is sampled."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayescale.cards.card import Card
from bayescale.cards.files import load_card
from bayescale.design.descent import descend, differentiate_twice
from bayescale.design.further_runs import ADDED, Further, further_runs
from bayescale.errors import BayescaleError, DesignError
from bayescale.layers import layers_of, read_inputs
from bayescale.layers.layer import Linear, Where
from bayescale.layers.noise import NOISES, known_of, no_error
from bayescale.layers.pooling import Places, apart, of_name, places_of
from bayescale.modeling import Problem, prepare

Array = NDArray[Any]

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
    >>> from bayescale.design.identifiability import identifiability
    >>> found = identifiability(bs.load_shipped("tinylm"), "chinchilla")
    >>> found["learned"].sizes["parameter"], bool((found["learned"] > 0.5).all())
    (5, True)
    """
    card = load_card(model)
    if card.curve is not None:
        raise DesignError(
            f"what learning curves can teach is not worked out in advance. Ask it of the finished runs: "
            f"identifiability(bs.runs.final_runs(curves), {card.name.replace('+curve', '')!r})."
        )
    problem = prepare(card, runs)
    design = _linearise(problem)
    if not design.places:
        raise DesignError(f"the model {card.name!r} holds every parameter of its law: there is nothing to learn.")
    families = range(len(problem.families))
    about: dict[str, Any] = {"model": card.name, "law": problem.law.name, "runs": runs.sizes["run"]}
    try:
        point = _fit_point(design)
        parts = [_answer_for_family(design, point, family) for family in families]
        about |= {f"noise_{name}": value for name, value in point.noise.items()}
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        if isinstance(error, BayescaleError):
            raise
        unknown = np.full((len(design.places), len(design.places)), np.nan)
        parts = [_write_answer(design, unknown[0], unknown, unknown[0], np.array([np.nan]), []) for _ in families]
        about["cannot_say"] = f"no point fit succeeded ({str(error).rstrip('.')})"
    out = xr.concat(parts, xr.Variable("family", list(problem.families)), join="outer")
    out = out if "family" in runs.coords else out.isel(family=0, drop=True)
    return out.assign_attrs(about)


class _Runs(NamedTuple):
    """A set of runs, at hand or not: what the law takes of them, their families, and how each may scatter and drift.

    ``off_law`` says what each latent of the layers adds to log loss and how the layers change the scatter.
    """

    inputs: dict[str, Array]
    family: Array
    known: dict[str, Any]
    off_law: Linear


class _Design(NamedTuple):
    """A problem in linear form. Its latents are standard normal by the prior: one is a prior's spread."""

    problem: Problem
    places: Places
    at_hand: _Runs

    @property
    def parameters(self) -> int:
        """How many latents the law's parameters take; after them come those of the layers."""
        level, _, effects = list(self.places.values())[-1]
        return int((effects[-1].place if effects else level).stop)

    @property
    def latents(self) -> int:
        """How many latents there are."""
        return self.parameters + self.at_hand.off_law.columns.shape[-1]


class _Point(NamedTuple):
    """A point fit: the latents, the noise, and how uncertain these runs would leave the latents."""

    latent: Array
    noise: dict[str, float]
    covariance: Array


def _linearise(problem: Problem) -> _Design:
    """Return the design of the runs at hand."""
    card, law, runs = problem.card, problem.law, problem.runs
    known = {name: value.values for name, value in known_of(card.noise.family, runs, law.response).items()}
    inputs = {name: value.values for name, value in read_inputs(card, runs).items()}
    inputs = {name: values.astype(float) if values.dtype.kind in "if" else values for name, values in inputs.items()}
    at_hand = _Runs(inputs, problem.arrays["family_index"], known, _linearise_layers(problem, inputs))
    return _Design(problem, places_of(card, problem.known["pooling"].facts.groups), at_hand)


def _linearise_layers(problem: Problem, inputs: dict[str, Array]) -> Linear:
    """Return the linear form of all layers together at some runs."""
    card, where = problem.card, Where(inputs, problem.reference, problem.spans)
    columns, scale, variance = zip(
        *(layer.linear(card, problem.known[layer.table], where) for layer in layers_of(card)), strict=True
    )
    return Linear(np.concatenate(columns, axis=1), np.prod(scale, axis=0), np.sum(variance, axis=0))


# From latents to what the law expects ---------------------------------------------------------------------------------


def _compute_theta(design: _Design, latent: Array) -> dict[str, Array]:
    """Return each parameter as each family has it, dims (..., family), from latents of dims (..., latent)."""
    from scipy.special import ndtr

    card, shape = design.problem.card, (*latent.shape[:-1], len(design.problem.families))
    support = {parameter.name: parameter.support for parameter in design.problem.law.parameters}
    theta = {name: np.full(shape, value) for name, value in card.fixed.items() if name in card.priors}
    for name, (level, of_family, effects) in design.places.items():
        prior = card.priors[name]
        value = prior.quantile(ndtr(np.clip(latent[..., level], -FAR, FAR)))[..., of_family]
        value = value * design.problem.arrays[of_name(prior)] if prior.of else value
        for place, of in effects:
            value = apart(np, support[name], value, latent[..., place] @ of)
        theta[name] = np.broadcast_to(value, shape)
    return theta


def _expect_response(design: _Design, latent: Array, where: _Runs) -> Array:
    """Return the response that is expected of runs, the drift included, dims (..., run)."""
    theta = {name: value[..., where.family] for name, value in _compute_theta(design, latent).items()}
    with np.errstate(all="ignore"):
        mean = design.problem.law.at(np, where.inputs, theta, design.problem.reference)
        mean = mean * np.exp(latent[..., design.parameters :] @ where.off_law.columns.T)
    highest = 1 - NARROW * 2 if NOISES[design.problem.card.noise.family].of_shares else 1e30
    # The fit may try latents at which a law has no value: they are bad, not fatal.
    return np.clip(np.nan_to_num(mean, nan=highest, posinf=highest), NARROW * 2, highest)


def _scale_response(design: _Design, response: Array) -> Array:
    """Return a response as its scatter is measured: by its logarithm; a share as it is."""
    return response if NOISES[design.problem.card.noise.family].of_shares else np.log(response)


def _differentiate(function: Any, latent: Array) -> Array:
    """Return the derivatives of a function of the latents, dims (..., latent)."""
    steps = WIDTH * np.eye(len(latent))
    return np.moveaxis((function(latent + steps) - function(latent - steps)) / (2 * WIDTH), 0, -1)


# The point fit --------------------------------------------------------------------------------------------------------


def _fit_point(design: _Design) -> _Point:
    """Fit the latents by robust least squares with their priors, and the noise to what is left, in turn."""
    response = design.problem.runs[design.problem.law.response].values.astype(float)
    count, where = len(response), design.at_hand
    noise = {name: prior.median for name, prior in design.problem.card.noise.priors.items()}
    latent, seen = np.zeros(design.latents), _scale_response(design, response)

    def expected(at: Array) -> Array:
        return _scale_response(design, _expect_response(design, at, where))

    for _ in range(ROUNDS):
        root = np.sqrt(_measure_information(design, _expect_response(design, latent, where), noise, where))

        def soften(at: Array, root: Array = root) -> tuple[Array, Array]:
            return _soften_squares(np.append((expected(at) - seen) * root, at), count)

        def follow(at: Array, root: Array = root) -> tuple[Array, Array]:
            slopes = np.vstack([_differentiate(expected, at) * root[:, None], np.eye(len(at))])
            pull = soften(at)[1]
            residuals = np.append((expected(at) - seen) * root, at)
            return slopes.T @ (pull * residuals), (slopes.T * pull) @ slopes

        latent = descend(lambda at: float(soften(at)[0].sum()), follow, latent, STEPS)
        noise = _fit_noise(design, _expect_response(design, latent, where))
    slopes = _differentiate(expected, latent)
    each = _measure_information(design, _expect_response(design, latent, where), noise, where)
    information = (slopes.T * each) @ slopes
    # What the fit has used up of the runs makes the scatter about it look smaller than it is.
    used = np.trace(np.linalg.solve(np.eye(len(latent)) + information, information))
    precision = np.eye(len(latent)) + information * max(1 - used / count, 1 / count)
    return _Point(latent, noise, np.linalg.inv(precision))


def _soften_squares(residuals: Array, count: int) -> tuple[Array, Array]:
    """Return half the squares of residuals and how they pull: linear far out for the runs, square for the priors."""
    cost, pull = 0.5 * residuals**2, np.ones_like(residuals)
    root = np.sqrt(1 + residuals[:count] ** 2)
    cost[:count], pull[:count] = root - 1, 1 / root
    return cost, pull


def _fit_noise(design: _Design, mean: Array) -> dict[str, float]:
    """Return the noise's parameters that the runs and their priors make likeliest."""
    from scipy.special import ndtr

    kind, priors = NOISES[design.problem.card.noise.family], design.problem.card.noise.priors
    observed = design.problem.arrays["observed"]

    def noise(at: Array) -> dict[str, float]:
        places = ndtr(np.clip(at, -FAR, FAR))
        return {name: float(prior.quantile(p)) for p, (name, prior) in zip(places, priors.items(), strict=True)}

    def cost(at: Array) -> float:
        here = _scatter_at(noise(at), design.at_hand)
        return float(0.5 * at @ at - kind.logpdf(observed, mean, here, design.at_hand.known).sum())

    if not priors:
        return {}
    return noise(descend(cost, lambda at: differentiate_twice(cost, at), np.zeros(len(priors)), STEPS))


def _scatter_at(noise: dict[str, float], where: _Runs) -> dict[str, Any]:
    """Return the noise as it is at each run."""
    scale, own = where.off_law.scale, np.sqrt(where.off_law.variance)
    return noise | {"sigma": np.hypot(noise["sigma"] * scale, own)} if "sigma" in noise else dict(noise)


def _measure_information(design: _Design, mean: Array, noise: dict[str, float], where: _Runs) -> Array:
    """Return how much each run says about its mean: the variance of the slope of its log density, over draws."""
    kind, here = NOISES[design.problem.card.noise.family], _scatter_at(noise, where)
    full = {name: np.full((DRAWS, *mean.shape), value) for name, value in here.items()}
    drawn = kind.draw(np.random.default_rng(1), np.broadcast_to(mean, (DRAWS, *mean.shape)), full, where.known)
    observed = kind.observe(drawn if kind.of_shares else np.clip(drawn, TINIEST, LARGEST), where.known)
    up, down = (mean + NARROW, mean - NARROW) if kind.of_shares else (mean * np.exp(NARROW), mean * np.exp(-NARROW))
    slope = kind.logpdf(observed, up, here, where.known) - kind.logpdf(observed, down, here, where.known)
    return np.asarray(((slope / (2 * NARROW)) ** 2).mean(axis=0))


# What would be learned ------------------------------------------------------------------------------------------------


def _answer_for_family(design: _Design, point: _Point, family: int) -> xr.Dataset:
    """Return one family's part of the answer."""
    theta, way = _compute_theta(design, point.latent), _follow_parameters(design, point.latent, family)
    covariance = way @ point.covariance @ way.T
    size, ways = np.linalg.eigh(covariance)
    direction = ways[:, -1] * np.sign(ways[np.argmax(np.abs(ways[:, -1])), -1])
    own = design.problem.runs.isel(run=design.at_hand.family == family)
    further = further_runs(design.problem.law, own, design.problem.reference)
    less = _reduce_variance(design, point, further, family, point.covariance @ way.T @ direction)
    left = np.append(size[-1], np.maximum(size[-1] - less, 0))
    estimate = np.array([float(theta[name][family]) for name in design.places])
    return _write_answer(design, estimate, covariance, direction, left, further)


def _write_answer(
    design: _Design, estimate: Array, covariance: Array, direction: Array, left: Array, further: list[Further]
) -> xr.Dataset:
    """Return an answer of one family: ``left`` is the variance along the direction now and with each further runs."""
    names, inputs, spread = list(design.places), list(design.problem.law.inputs), np.sqrt(np.diag(covariance))
    places = np.array([[*runs.inputs.values()] for runs in further]).reshape(len(further), len(inputs), ADDED)
    learned = 1 - np.sqrt(left)
    return xr.Dataset(
        {
            "learned": ("parameter", 1 - spread),
            "estimate": ("parameter", estimate),
            "correlation": (("parameter", "other"), covariance / np.outer(spread, spread)),
            "direction": ("parameter", direction),
            "direction_learned": learned[0],
            "direction_learned_with": ("further", learned[1:]),
            "compute_factor": ("further", [runs.compute_factor for runs in further]),
            "place": (("further", "input", "added"), places),
        },
        {
            "parameter": names,
            "other": names,
            "further": np.array([runs.words for runs in further], dtype=str),
            "input": inputs,
        },
    )


def _follow_parameters(design: _Design, latent: Array, family: int) -> Array:
    """Return how a family's parameters follow the latents, dims (parameter, latent), in spreads of their priors.

    What cannot be negative is looked at on its logarithm, and a spread is 0.74 of the interquartile range.
    """
    from scipy.special import ndtri

    support = {parameter.name: parameter.support for parameter in design.problem.law.parameters}

    def scaled(at: Array) -> Array:
        theta = _compute_theta(design, at)
        values = {name: theta[name][..., family] for name in design.places}
        return np.stack([v if support[name] == "real" else np.log(v) for name, v in values.items()], axis=-1)

    quartile = ndtri(0.75)
    upper, lower = (scaled(np.full(design.latents, at)) for at in (quartile, -quartile))
    slopes = _differentiate(scaled, latent)
    effects = enumerate(effects for _, _, effects in design.places.values())
    apart = np.array([sum(np.sum(slopes[k, effect.place] ** 2) for effect in parts) for k, parts in effects])
    return slopes / np.sqrt(((upper - lower) / (2 * quartile)) ** 2 + apart)[:, None]


def _reduce_variance(design: _Design, point: _Point, further: list[Further], family: int, along: Array) -> Array:
    """Return how much of the variance along a direction each set of further runs would remove.

    ``along`` is the covariance of the latents with the direction.
    """
    if not further:
        return np.zeros(0)
    inputs = {name: np.concatenate([runs.inputs[name] for runs in further]) for name in design.problem.law.inputs}
    count = ADDED * len(further)
    known = {name: np.full(count, value) for name, value in no_error(design.problem.card.noise.family).items()}
    inputs = {"compute": np.concatenate([runs.compute for runs in further])} | inputs
    # No further run is in a group of those at hand.
    where = _Runs(inputs, np.full(count, family), known, _linearise_layers(design.problem, inputs))
    information = _measure_information(design, _expect_response(design, point.latent, where), point.noise, where)
    slopes = _differentiate(lambda at: _scale_response(design, _expect_response(design, at, where)), point.latent)
    told = []
    for k in range(len(further)):
        rows = slice(ADDED * k, ADDED * (k + 1))
        noise = np.diag(1 / np.maximum(information[rows], NOTHING))
        expected = slopes[rows] @ point.covariance @ slopes[rows].T + noise
        told.append(float(slopes[rows] @ along @ np.linalg.solve(expected, slopes[rows] @ along)))
    return np.array(told)
