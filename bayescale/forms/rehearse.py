"""Leave the largest runs out and predict them from the smaller ones: what every form said, draw by draw."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards import Card, load_card
from bayescale.errors import BayescaleError, DesignError
from bayescale.forms.skipped import Skipped, pack_skipped, unpack_skipped
from bayescale.inference import COUNTED, by_run, fit, log_likelihood, verdict
from bayescale.inference.sampling import SEED
from bayescale.layers import read_inputs, respond
from bayescale.layers.noise import draw_response, known_of
from bayescale.modeling import Problem, prepare
from bayescale.parallel import map_tasks
from bayescale.posterior import Posterior
from bayescale.runs.curves.bins import last_checkpoints
from bayescale.runs.curves.segments import CHECKPOINT, run_segments

# The cut-offs: the largest run lies this many times beyond the fitted ones. They are half a decade apart, and the
# predictions at one cut-off are a rehearsal of the next.
LADDER = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
# A curve in one quantity is often short, and the question is often about twice as much of that quantity.
CURVE_LADDER = (2.0, *LADDER)
# A rehearsal needs this many runs, sizes and lengths. From fewer, the prior would speak and not the runs.
FEWEST_RUNS, FEWEST_SCALES, FEWEST_BEYOND = 8, 3, 2
# A curve in one quantity needs fewer runs. Its points beyond the cut share one error, and one of them is enough.
FEWEST_ON_CURVE, FEWEST_BEYOND_CURVE = 5, 1
# A rehearsal needs bands and no third digits, and few draws suffice.
DRAWS, TUNE, TRIES = 500, 400, 2

Say = Callable[[str], None]


def rehearse(
    runs: xr.Dataset,
    models: "Iterable[str | Path | Card]",
    factors: Sequence[float] = LADDER,
    *,
    seed: int = SEED,
    progress: Say | None = None,
) -> xr.Dataset:
    """Fit every form to the runs at C <= Cmax / factor, for each factor, and predict all larger runs.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs, dims ``run``; or learning curves for cards with a curve. Whole runs are then fitted or left out,
        and what is predicted is the loss at the last checkpoint of those left out.
    models : iterable of str, path or Card
        The forms.
    factors : sequence of float
        How far the largest run lies beyond the fitted ones.
    seed : int
        Seed of the fits and of the run noise.
    progress : callable, optional
        Called with a line for each fit.

    Returns
    -------
    xarray.Dataset
        ``predicted``, draws of each run's response, dims ``(form, chain, draw, held_out)``, and ``log_density``, its
        log predictive density, dims ``(form, held_out)``; NaN where a form could not be fitted. Coords of ``held_out``:
        ``factor``, ``run``, ``family``, the scales, ``fitted`` (runs that were fitted) and ``decades_beyond``; and the
        response itself. `unpack_skipped` gives what could not be done and why.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.forms import rehearse
    >>> held = rehearse(bs.load_shipped("tinylm"), ["chinchilla"], [10])     # doctest: +SKIP
    """
    skipped: list[Skipped] = []
    cards = identifiable([load_card(model) for model in models], runs, skipped)
    cuts = {}
    for factor in factors:
        try:
            cuts[factor] = cut(runs, cards[0], factor)
        except DesignError as error:
            skipped.append(Skipped(None, float(factor), str(error)))
    tasks = [(factor, card) for factor in cuts for card in cards]

    def say(number: int) -> None:
        factor, card = tasks[number]
        if progress:
            progress(f"{card.name}: predicting the largest runs from those {factor:g}x smaller")

    outcomes = map_tasks(_predict_cut, [(*cuts[factor], card, seed) for factor, card in tasks], starting=say)
    predicted: dict[float, dict[str, xr.Dataset]] = {factor: {} for factor in cuts}
    for (factor, card), outcome in zip(tasks, outcomes, strict=True):
        try:
            predicted[factor][card.name] = outcome.get()
        except BayescaleError as error:
            skipped.append(Skipped(card.name, float(factor), str(error)))
    names = [card.name for card in cards]
    parts = [
        _join_forms(names, predicted[factor], *cuts[factor], factor, cards[0]) for factor in cuts if predicted[factor]
    ]
    response = cards[0].get_law().response
    out = xr.concat(parts, dim="held_out", join="exact") if parts else _empty_rehearsal(cards, response)
    measure = measure_of(cards[0], runs)
    about = pack_skipped(skipped) | {"response": response, "measure": measure}
    return out.assign_attrs(about, largest=float(runs[measure].max()), loss_unit=runs.attrs.get("loss_unit", "1"))


def not_rehearsed(rehearsed: xr.Dataset, factors: Sequence[float]) -> list[Skipped]:
    """Return what could not be rehearsed: at these cut-offs, and forms at all of them."""
    return [record for record in unpack_skipped(rehearsed) if record.factor is None or record.factor in factors]


def identifiable(cards: list[Card], runs: xr.Dataset, skipped: list[Skipped]) -> list[Card]:
    """Return the cards that all runs together can identify; note those that they cannot, and raise if none is left."""
    kept, refused = [], []
    for card in cards:
        try:
            prepare(card, runs)
            kept.append(card)
        except DesignError as error:
            refused.append(error)
            skipped.append(Skipped(card.name, None, str(error)))
    if refused and not kept:
        raise refused[0]
    return kept


def measure_of(card: Card, runs: xr.Dataset) -> str:
    """Return the column by which runs are large: their compute, or the first quantity that the law takes."""
    return "compute" if "compute" in runs else card.get_law().inputs[0]


def rungs(cards: Iterable[Card]) -> tuple[float, ...]:
    """Return the cut-offs that a report and a backtest rehearse: what one predicts is weighed by those below it."""
    return CURVE_LADDER if is_curve(cards) else LADDER


def is_curve(cards: Iterable[Card]) -> bool:
    """Return whether all these forms are curves in one quantity."""
    return all(len(card.get_law().inputs) == 1 for card in cards)


def cut(runs: xr.Dataset, card: Card, factor: float) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the runs up to the largest compute over the factor, and the larger runs of the same families.

    Learning curves stay whole: to learn from, runs with all their checkpoints; to predict, the last ones of the others.

    Raises
    ------
    DesignError
        If too few runs are left on either side, or too few sizes to learn from.
    """
    curves = CHECKPOINT in runs.dims
    ends = last_checkpoints(runs) if curves else runs
    size = ends[measure_of(card, ends)]
    # The tolerance keeps rounding of C from deciding on which side the run at the cut falls.
    limit = size.values.max() / factor * (1 + 1e-6)
    train, test = ends.isel(run=size.values <= limit), ends.isel(run=size.values > limit)
    if "family" in runs.coords:
        test = test.isel(run=np.isin(test["family"].values, train["family"].values))
    fewest, beyond = (FEWEST_ON_CURVE, FEWEST_BEYOND_CURVE) if is_curve([card]) else (FEWEST_RUNS, FEWEST_BEYOND)
    if train.sizes["run"] < fewest:
        raise DesignError(f"{train.sizes['run']} runs are that small; it takes {fewest}.")
    if curves:
        train = runs.isel({CHECKPOINT: np.isin(runs["run"].values, train["run"].values)})
    for name in card.get_law().inputs:
        count = len(np.unique(train[name].values))
        if name in ("params", "tokens") and count < FEWEST_SCALES:
            raise DesignError(f"the runs that small have {count} values of {name}; it takes {FEWEST_SCALES}.")
    if test.sizes["run"] < beyond:
        raise DesignError(f"{test.sizes['run']} runs are larger; it takes {beyond}.")
    return train, test


def _predict_cut(task: tuple[xr.Dataset, xr.Dataset, Card, int]) -> xr.Dataset:
    """Return what one form says of the runs beyond one cut-off."""
    return _predict_runs(*task)


def _predict_runs(train: xr.Dataset, test: xr.Dataset, card: Card, seed: int) -> xr.Dataset:
    """Return the draws of the response of each test run and its log density, from a posterior that may be quoted."""
    from scipy.special import logsumexp

    lightly: dict[str, Any] = {"draws": DRAWS, "tune": TUNE, "tries": TRIES, "limits": COUNTED, "method": "auto"}
    posterior = fit(train, card, seed=seed, prior_draws=0, pointwise=False, **lightly)
    if not (judged := verdict(posterior)).passed:
        raise BayescaleError(judged.sentence)
    # Held-out runs are measured from the reference run of the runs that were fitted.
    problem = prepare(card, train)
    density = log_likelihood(problem, posterior["posterior"].to_dataset(), test)[problem.response]
    draws = density.sizes["chain"] * density.sizes["draw"]
    log_density = logsumexp(density.values, axis=(0, 1)) - np.log(draws)
    return xr.Dataset(
        {
            "predicted": (("chain", "draw", "held_out"), _draw_responses(posterior, problem, test, seed).values),
            "log_density": ("held_out", log_density),
        }
    )


def _draw_responses(posterior: xr.DataTree, problem: Problem, test: xr.Dataset, seed: int) -> xr.DataArray:
    """Return draws of the response of each test run, dims ``(chain, draw, run)``, with the noise of one run."""
    card, family, rng = problem.card, problem.card.noise.family, np.random.default_rng([seed, 2])
    theta = by_run(Posterior(posterior).theta, test.coords.get("family"))
    mean, theta = respond(card, theta, read_inputs(card, test), problem.reference, problem.spans)
    mean = mean.transpose("chain", "draw", "run")
    return draw_response(family, mean, theta, rng, known_of(family, test, problem.law.response))


def _join_forms(
    names: list[str], predicted: dict[str, xr.Dataset], train: xr.Dataset, test: xr.Dataset, factor: float, card: Card
) -> xr.Dataset:
    """Return what all forms predicted at one cut-off, NaN of a form that could not be fitted."""
    like = next(iter(predicted.values()))
    parts = [predicted.get(name, xr.full_like(like, np.nan)) for name in names]
    size, count, law = test[measure_of(card, test)], test.sizes["run"], card.get_law()
    fitted = len(run_segments(train).names) if CHECKPOINT in train.dims else train.sizes["run"]
    wanted = ("run", *dict.fromkeys(("params", "tokens", "compute", *law.inputs)))
    coords: dict[str, Any] = {name: ("held_out", test[name].values) for name in wanted if name in test} | {
        "factor": ("held_out", np.full(count, factor)),
        "fitted": ("held_out", np.full(count, fitted)),
        "family": ("held_out", test["family"].values if "family" in test.coords else np.full(count, "all")),
        "decades_beyond": ("held_out", np.log10(size.values / train[size.name].values.max())),
    }
    joined = xr.concat(parts, dim="form").assign_coords(form=names, **coords)
    return joined.assign({law.response: ("held_out", test[law.response].values)})


def _empty_rehearsal(cards: list[Card], response: str) -> xr.Dataset:
    names = ("run", "params", "tokens", "compute", "factor", "fitted", "family", "decades_beyond")
    flat = {name: ("held_out", np.array([], dtype=object if name in ("run", "family") else float)) for name in names}
    return xr.Dataset(
        {
            "predicted": (("form", "chain", "draw", "held_out"), np.zeros((len(cards), 4, DRAWS, 0))),
            "log_density": (("form", "held_out"), np.zeros((len(cards), 0))),
            response: ("held_out", np.zeros(0)),
        },
        coords=flat | {"form": [card.name for card in cards]},
    )
