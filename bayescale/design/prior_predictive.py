"""What a card believes before it has seen a run: its priors, as the responses that they imply."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.cards.card import Card
from bayescale.cards.files import load_card
from bayescale.laws import Law, scale_of
from bayescale.layers import read_inputs, respond
from bayescale.layers.noise import NOISES, draw_response, known_of, no_error
from bayescale.layers.pooling import of_name
from bayescale.layers.shared_errors import SHARED_ERRORS
from bayescale.modeling import Problem, prepare

# A typical language model: where a card without runs is looked at. D/N = 20, C = 6ND, D = steps times batch, four
# epochs of the unique tokens; S1 and S2 as a cosine from 3e-4 to a tenth of it leaves them; trained in 16 bits.
TYPICAL_RUN = {
    "params": 1e9,
    "tokens": 2e10,
    "compute": 1.2e20,
    "step": 4e4,
    "batch": 5e5,
    "unique_tokens": 5e9,
    "words": 1e8,
    "examples": 1e4,
    "width": 2048.0,
    "depth": 24.0,
    "lr_area": 7.0,
    "annealing": 0.25,
    "experts": 8.0,
    "granularity": 8.0,
    "sparsity": 0.5,
    "bits_weights": 16.0,
    "bits_activations": 16.0,
    "bits_kv": 16.0,
    "bits_post": 4.0,
    "loss": 2.7,
}
# The losses of typical runs, in nats/token, of which a prior may be a multiple.
TYPICAL_LOSS = {"min(loss)": 2.0, "median(loss)": 2.7}
# How far either side of the reference run, in decades: models of a quarter of a layer are of no interest.
DECADES = dict.fromkeys(TYPICAL_RUN, 2.0) | {"width": 1.0, "depth": 1.0}
POINTS = 41
# A share of just 0 or 1, which a law reaches by rounding, has no Beta distribution about it.
EDGE = 1e-9


class _Place(NamedTuple):
    """Where a card is looked at: the reference run, the losses that priors are multiples of, and whose they are."""

    centre: dict[str, float]
    loss: Mapping[str, float]
    unit: str
    about: str


def prior_predictive(
    card: "str | Path | Card", runs: xr.Dataset | None = None, draws: int = 400, seed: int = 1
) -> xr.Dataset:
    """Return what a card believes before it has seen a run: the responses that its priors imply.

    Parameters
    ----------
    card : str, path or Card
        A shipped card's name, the path of a card of your own, or a card.
    runs : xarray.Dataset, optional
        Validated runs: the beliefs are then about them; for a card with a curve learning curves, and about their bins.
        By default about a typical language model of 1e9 parameters and 2e10 tokens, among runs whose lowest loss is 2.0
        and whose median loss is 2.7 nats/token.
    draws : int
        Draws from the priors.
    seed : int
        The same seed gives the same draws.

    Returns
    -------
    xarray.Dataset
        ``expected_loss``, the law's loss, and ``loss``, that of one new run with its scatter, dims
        ``(draw, input, point)``; ``expected_accuracy`` and so on where the law predicts a share. Along each input in
        turn, the others held at the reference run, from a hundredth to a hundred times the reference run (a tenth to
        ten times for width and depth), or over the values met in practice where those are fewer. ``parameters``, dims
        ``(draw, parameter)``. Coords ``value``, of the input at each point, and ``reference``, of the input. With runs
        also ``expected_loss_at_runs`` and ``loss_at_runs``, dims ``(draw, run)``. ``attrs["unusable"]`` is the share of
        what the law expects that is no number, or none that the response can take.

    Raises
    ------
    CardError, DesignError
        If there is no such card, or the runs cannot identify its law.

    Notes
    -----
    Nothing is sampled by MCMC. The draws are of the level of a parameter: how families differ about it is left out.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.design.prior_predictive import prior_predictive
    >>> prior = prior_predictive("chinchilla")
    >>> prior["expected_loss"].dims, prior["input"].values.tolist()
    (('draw', 'input', 'point'), ['params', 'tokens'])
    """
    card = load_card(card)
    problem = None if runs is None else prepare(card, runs)
    card = card if problem is None else problem.card
    law, rng = card.get_law(), np.random.default_rng(seed)
    place = _describe_typical_place(law) if problem is None else _describe_place(problem)
    theta = _draw_priors(card, place.loss, draws, rng)
    value = _make_grid(law, place.centre)
    inputs = {name: value.where(value["input"] == name, place.centre[name]) for name in law.inputs}
    responses = _draw_responses(card, inputs, theta, place, no_error(card.noise.family), rng)
    unusable = float((~_mark_usable(card, responses[f"expected_{law.response}"])).mean())
    if problem is not None:
        # Without the groups that share errors: each run is drawn by itself.
        ungrouped = read_inputs(card, problem.runs, but=SHARED_ERRORS)
        inputs = {name: xr.DataArray(values.values.astype(float), dims="run") for name, values in ungrouped.items()}
        known = known_of(card.noise.family, problem.runs, law.response)
        bare = {name: xr.DataArray(values.values, dims="run") for name, values in known.items()}
        at_runs = _draw_responses(card, inputs, theta, place, bare, rng)
        responses |= {f"{name}_at_runs": values for name, values in at_runs.items()}
    parameters = xr.concat(list(theta.values()), dim="parameter").transpose("draw", "parameter")
    out = xr.Dataset(responses | {"parameters": parameters}).assign_coords(
        parameter=list(theta), value=value, reference=("input", [place.centre[name] for name in law.inputs])
    )
    about = {"model": card.name, "title": card.title, "law": law.name, "response": law.response, "about": place.about}
    return out.assign_attrs(about, loss_unit=place.unit, unusable=unusable, seed=seed)


def _describe_typical_place(law: Law) -> _Place:
    centre = {name: TYPICAL_RUN[name] for name in law.inputs}
    losses = ", ".join(f"{of} = {value:g}" for of, value in TYPICAL_LOSS.items())
    unit = "nats/token" if law.response == "loss" else "1"
    return _Place(centre, TYPICAL_LOSS, unit, f"a typical language model's runs ({losses} nats/token)")


def _describe_place(problem: Problem) -> _Place:
    card, law, runs = problem.card, problem.law, problem.runs
    # What is not measured relative to a reference run stays at its middle.
    centre = {name: problem.reference.get(name, float(np.median(runs[name]))) for name in law.inputs}
    loss = {str(p.of): float(problem.arrays[of_name(p)]) for p in card.all_priors.values() if p.of}
    losses = "".join(f", {of} = {value:.4g}" for of, value in loss.items())
    unit = runs.attrs.get("loss_unit", "") if law.response == "loss" else "1"
    return _Place(centre, loss, unit, f"{runs.sizes['run']} runs of {runs.attrs.get('source', 'yours')}{losses}")


def _draw_priors(
    card: Card, loss: Mapping[str, float], draws: int, rng: np.random.Generator
) -> dict[str, xr.DataArray]:
    drawn = {}
    for name, prior in card.all_priors.items():
        values = prior.scipy.rvs(size=draws, random_state=rng) * (loss[prior.of] if prior.of else 1.0)
        drawn[name] = xr.DataArray(values, dims="draw")
    return drawn


def _make_grid(law: Law, centre: Mapping[str, float]) -> xr.DataArray:
    """Return the values of each input at which it is looked at, dims (input, point)."""
    rows = []
    for name in law.inputs:
        (low, high), relative = scale_of(name).typical, scale_of(name).relative
        if relative:
            far = 10.0 ** DECADES[name]
            low, high = centre[name] * max(low, 1 / far), centre[name] * min(high, far)
        # A share starts at 0, which has no logarithm.
        rows.append(np.geomspace(low, high, POINTS) if low > 0 else np.linspace(low, high, POINTS))
    return xr.DataArray(np.array(rows), dims=("input", "point"), coords={"input": list(law.inputs)})


def _draw_responses(
    card: Card,
    inputs: Mapping[str, xr.DataArray],
    theta: Mapping[str, xr.DataArray],
    place: _Place,
    known: Mapping[str, Any],
    rng: np.random.Generator,
) -> dict[str, xr.DataArray]:
    """Return what the law expects for each draw, and the response of one new run, by name."""
    law, family = card.get_law(), card.noise.family
    # A prior may allow what a float does not: it is counted, and shown to be absurd, rather than refused.
    with np.errstate(all="ignore"):
        # Without spans: a prior alone has no drift, and its scatter is that of the largest run.
        expected, local = respond(card, theta, inputs, place.centre, {})
        expected = expected.transpose("draw", *next(iter(inputs.values())).dims)
        usable = _mark_usable(card, expected)
        mean = expected.where(usable, 0.5)
        if NOISES[family].of_shares:
            mean = mean.clip(EDGE, 1 - EDGE)
        response = draw_response(family, mean, local, rng, known).where(usable)
    return {
        f"expected_{law.response}": expected.assign_attrs(units=place.unit, long_name=f"{law.response} by the law"),
        law.response: response.assign_attrs(units=place.unit, long_name=f"{law.response} of one new run"),
    }


def _mark_usable(card: Card, expected: xr.DataArray) -> xr.DataArray:
    if NOISES[card.noise.family].of_shares:
        return (expected >= 0) & (expected <= 1)
    return (expected > 0) & (expected < np.inf)
