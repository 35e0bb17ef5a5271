"""Several forms, one answer: each form asked about the same run, and their draws mixed by weight."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers import bands, extrapolate, optimal_split, response_names
from bayescale.cards import Card
from bayescale.costs import SIX_ND
from bayescale.errors import BayescaleError, QuestionError, UnconvergedError, did_you_mean
from bayescale.forms.forms_for import Forms, forms_for
from bayescale.forms.rehearse import CURVE_LADDER, LADDER, Say, identifiable, is_curve, not_rehearsed, rehearse
from bayescale.forms.skipped import Skipped, pack_skipped
from bayescale.forms.weights import chosen_form, drawn_together, form_weights, mixed
from bayescale.inference import COUNTED, QUOTED, verdict
from bayescale.inference import fit as fit_card
from bayescale.inference.sampling import FIT_SECONDS, SEED
from bayescale.laws import SCALES
from bayescale.laws.inputs import complete_inputs, same_length
from bayescale.modeling import family_names
from bayescale.numbers import parse_compute
from bayescale.parallel import kept_workers, map_tasks
from bayescale.posterior import Posterior

# Rehearsals of a forecast end at 100x. Longer ones cost fits, and few run logs allow them.
REHEARSALS = tuple(factor for factor in LADDER if factor <= 100)
CURVE_REHEARSALS = tuple(factor for factor in CURVE_LADDER if factor <= 100)
DRAWS, TUNE, TRIES = 500, 400, 2
Fits = dict[str, xr.DataTree]


@kept_workers()
def mix_forms(
    runs: xr.Dataset,
    compute: Any = None,
    *,
    params: Any = None,
    tokens: Any = None,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    models: "Forms | Iterable[str | Path | Card] | str | Path | Card | None" = None,
    seed: int = SEED,
    fits: Fits | None = None,
    rehearsed: xr.Dataset | None = None,
    progress: Say | None = None,
) -> xr.Dataset:
    """Return the loss at larger compute by several forms that may be wrong, weighted by how well they predict.

    Parameters
    ----------
    runs, compute, params, tokens, at, family, models, seed, progress
        As in `bayescale.forecast`, which tests and grades what is mixed here.
    fits, rehearsed : optional
        Posteriors of all runs by form (`fit_forms`), and what `rehearse` returned for the forms: to ask again without
        sampling again.

    Returns
    -------
    xarray.Dataset
        ``expected_loss``, without the scatter of runs, and ``loss``, that of one new run, dims ``(chain, draw, point[,
        family])``: each draw is that of one form, moved a part of the way to what all say. ``form_expected_loss`` and
        ``form_loss`` are what each form says alone, dims ``(form, chain, draw, point[, family])``; ``weight`` and
        ``prior_weight``, dims ``form``, and ``score``, dims ``(form, rehearsal)``, how the weights came about.
        ``share_form``, ``share_parameters``, ``share_drift``, ``share_noise`` and, where a form's card has them,
        ``share_errors`` (those that runs share): how the variance of log loss is made up, robustly; ``disagreement``,
        what ``share_form`` would be had the forms not been moved together. Coords ``params``, ``tokens``, ``compute``,
        ``decades_beyond`` and, of families, ``family_decades_beyond``. `unpack_skipped` gives the forms and rehearsals
        that could not be had, and why.

    Raises
    ------
    UnconvergedError
        If no form gave a posterior that may be quoted.
    QuestionError, DesignError, CardError
        If the question, the runs or a form is not understood.

    Notes
    -----
    `form_weights` says how the weights are made. `backtest` mixes forms in the same way on the runs themselves, below a
    cut-off, and counts how often the bands held.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.forms import mix_forms
    >>> mixed = mix_forms(bs.load_shipped("tinylm"), compute="100x")         # doctest: +SKIP
    >>> mixed["loss"].dims                                                   # doctest: +SKIP
    ('chain', 'draw', 'point', 'family')
    """
    cards, prior = forms_for(runs, models)
    asked = check_question(runs, cards.values(), compute, params=params, tokens=tokens, at=at, family=family)
    skipped: list[Skipped] = []
    if fits is None:
        where = asked | {"at": at, "family": family}
        fits = fit_forms(runs, cards, where, seed=seed, skipped=skipped, progress=progress)
    sound = keep_quotable({name: fit for name, fit in fits.items() if name in cards}, skipped)
    factors = _choose_cuts(cards.values(), sound, asked, at, family)
    if rehearsed is None:
        rehearsed = rehearse(runs, [cards[name] for name in sound], factors, seed=seed, progress=progress)
    rehearsed = rehearsed.isel(held_out=rehearsed["factor"].values <= max(factors))
    skipped += not_rehearsed(rehearsed, factors)
    prior = {name: prior[name] for name in sound}
    if set(asked) == {"compute"}:
        before = form_weights(prior, rehearsed, 1.0, _decades_asked(runs, asked["compute"]))["weight"]
        asked = _choose_split(sound, before, asked["compute"], at, family)
    alone = {name: extrapolate(fit, **asked, at=at, family=family, seed=seed) for name, fit in sound.items()}
    alone = _keep_agreeing(alone, skipped)
    prior = {name: prior[name] for name in alone}
    first = next(iter(alone.values()))
    weights = form_weights(prior, rehearsed, 1.0, float(first["decades_beyond"].max()))
    mixture = _mix_draws(alone, weights, first, seed)
    return mixture.assign_attrs(first.attrs | {"model": "forecast"} | pack_skipped(skipped))


def keep_quotable(fits: Fits, skipped: list[Skipped]) -> Fits:
    """Return the posteriors that may be quoted; note the others, and raise if none is left.

    Raises
    ------
    UnconvergedError
        If none may be quoted.
    """
    sound = {name: fit for name, fit in fits.items() if verdict(fit).passed}
    skipped += [Skipped(name, None, verdict(fit).sentence) for name, fit in fits.items() if name not in sound]
    if not sound:
        raise UnconvergedError("no form gave a posterior that may be quoted:\n  " + _list_skipped(skipped))
    return sound


def _list_skipped(skipped: Iterable[Skipped]) -> str:
    return "\n  ".join(map(str, skipped))


def fit_forms(
    runs: xr.Dataset,
    cards: Mapping[str, Card],
    where: Mapping[str, Any] | None = None,
    *,
    seed: int = SEED,
    skipped: list[Skipped] | None = None,
    progress: Say | None = None,
) -> Fits:
    """Return the posterior of every form on all runs; a form that cannot be fitted is noted and left out.

    With the question (``where``, as `extrapolate` takes it), a form whose chains agree on its parameters but not yet on
    the answer is sampled longer before it is left out of it.
    """
    names = list(cards)

    def say(number: int) -> None:
        if progress:
            progress(f"{names[number]}: compiling and sampling")

    tasks = [(runs, card, where, seed) for card in cards.values()]
    outcomes = map_tasks(_fit_form, tasks, seconds=FIT_SECONDS, starting=say)
    fits: Fits = {}
    for name, outcome in zip(names, outcomes, strict=True):
        try:
            fits[name] = outcome.get()
        except BayescaleError as error:
            if skipped is None:
                raise
            skipped.append(Skipped(name, None, str(error)))
    return fits


def _fit_form(task: tuple[xr.Dataset, Card, Mapping[str, Any] | None, int]) -> xr.DataTree:
    """Return the posterior of one form, sampled longer where its chains do not agree on the answer."""
    runs, card, where, seed = task
    for first in range(1, TRIES + 1):
        fit = fit_card(
            runs, card, seed=seed, draws=DRAWS, tune=TUNE, prior_draws=0, tries=TRIES, first_try=first, limits=COUNTED
        )
        if where is None or json.loads(fit.attrs["settings"]).get("thin", 1) > 1 or _chains_agree(fit, where):
            break
    return fit


def _chains_agree(fit: xr.DataTree, where: Mapping[str, Any]) -> bool:
    """Return whether the chains agree on the answer; a form that has none to the question says so later."""
    try:
        return verdict(fit).passed and not _describe_disagreement(extrapolate(fit, **where))
    except QuestionError:
        return True


def check_question(
    runs: xr.Dataset,
    cards: Iterable[Card],
    compute: Any = None,
    *,
    params: Any = None,
    tokens: Any = None,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
) -> dict[str, Any]:
    """Return those of compute, params and tokens that were given; refuse a bad question before anything is fitted.

    Raises
    ------
    QuestionError
        If a place is not understood, does not tell a form all that it takes, or there is no such family.
    DesignError
        If the runs can identify none of the forms.
    """
    given = {"compute": compute, "params": params, "tokens": tokens}
    asked = {name: value for name, value in given.items() if value is not None}
    if not asked and not at:
        raise QuestionError("say where: compute, or two of params, tokens and compute; got none of them.")
    if len(asked) == len(given):
        raise QuestionError("say where with two of params, tokens and compute, not all three.")
    known = family_names(runs)
    if family is not None and family not in known:
        raise QuestionError(
            f"there is no family {family!r} in these runs.{did_you_mean(family, known)} Families: {', '.join(known)}."
        )
    ends = {name: (float(runs[name].min()), float(runs[name].max())) for name in SCALES if name in runs}
    unfitted = Posterior(xr.DataTree(xr.Dataset(attrs={"seen": json.dumps(ends)})))
    points = same_length({name: unfitted.points(value, name) for name, value in (asked | dict(at or {})).items()})
    for card in identifiable(list(cards), runs, []):
        law = card.get_law()
        splits = law.has_split and "compute" in points and points.keys().isdisjoint({"params", "tokens", "step"})
        complete_inputs(law, points | dict.fromkeys(("params", "tokens"), 1.0) if splits else points, SIX_ND)
    return asked


def _decades_asked(runs: xr.Dataset, compute: Any) -> float:
    """Return how many decades of compute the farthest question lies beyond the runs; 0 within them."""
    largest = float(runs["compute"].max()) if "compute" in runs else None
    entries = np.atleast_1d(np.asarray(compute, dtype=object)).ravel()
    values = [parse_compute(entry, largest) for entry in entries]
    return 0.0 if largest is None else max(0.0, float(np.log10(max(values) / largest)))


def _choose_split(
    fits: Fits, weight: xr.DataArray, compute: Any, at: Mapping[str, Any] | None, family: str | None
) -> dict[str, Any]:
    """Return the N and C at which every form is asked: the weighted mean of the forms' medians of log N_opt."""
    if not all(Posterior(fit).law.has_split for fit in fits.values()):
        return {"compute": compute}
    splits, kept, why = [], [], ""
    for name, fit in fits.items():
        try:
            splits.append(optimal_split(fit, compute, at=at, family=family))
            kept.append(name)
        except QuestionError as error:  # some forms have no best size far from the runs; they are asked at the others'
            why = str(error)
    if not splits:
        raise QuestionError(why)
    logs = [xr.ufuncs.log(split["params"]).median(("chain", "draw")).reset_coords(drop=True) for split in splits]
    logs = [size.mean("family") if "family" in size.dims else size for size in logs]
    middle = xr.concat(logs, dim="form").transpose("form", ...).values
    size = np.exp(np.average(middle, axis=0, weights=weight.sel(form=kept).values))
    return {"params": list(np.atleast_1d(size)), "compute": list(splits[0]["compute"].values)}


def _choose_cuts(
    cards: Iterable[Card], fits: Fits, asked: Mapping[str, Any], at: Mapping[str, Any] | None, family: str | None
) -> tuple[float, ...]:
    """Return the cut-offs; on a curve, none farther than the question: a form of it may do well far on, ill nearby."""
    if not is_curve(cards):
        return REHEARSALS
    far = extrapolate(next(iter(fits.values())), **asked, at=at, family=family)
    longest = max(10 ** float(far["decades_beyond"].max()) * 1.05, CURVE_REHEARSALS[0])
    return tuple(factor for factor in CURVE_REHEARSALS if factor <= longest)


def _keep_agreeing(alone: Mapping[str, xr.Dataset], skipped: list[Skipped]) -> dict[str, xr.Dataset]:
    """Return the forms whose chains agree on what they predict, by the limits of any number that is quoted."""
    why = {name: _describe_disagreement(far) for name, far in alone.items()}
    skipped += [Skipped(name, None, reason) for name, reason in why.items() if reason]
    agreeing = {name: far for name, far in alone.items() if not why[name]}
    if not agreeing:
        raise UnconvergedError("no form gave a prediction that may be quoted:\n  " + _list_skipped(skipped))
    return agreeing


def _describe_disagreement(far: xr.Dataset) -> str:
    """Return why a form's predictions may not be quoted, or nothing.

    A floor and an exponent can trade for one another and mix slowly, while the predictions of their form mix well. A
    form is kept or left out as a whole, and the weights then hold at every point. The points beyond the runs decide, or
    the farthest point where none lies beyond. Within the runs a chain may be slow without harm to the answer.
    """
    import arviz_stats as az

    expected = far[response_names(far)[0]]
    beyond = far["decades_beyond"].values
    expected = expected.isel(point=beyond >= min(beyond.max(), 1e-9))
    rhat, ess = (np.asarray(check(expected)) for check in (az.rhat, az.ess))
    if rhat.max() <= QUOTED.rhat and ess.min() >= QUOTED.ess:
        return ""
    return (
        f"its predictions do not agree between chains (R-hat {rhat.max():.3f}, {ess.min():.0f} effective draws; limits "
        f"{QUOTED.rhat} and {QUOTED.ess:g})."
    )


def _mix_draws(apart: Mapping[str, xr.Dataset], weights: xr.Dataset, first: xr.Dataset, seed: int) -> xr.Dataset:
    """Return draws of all forms together and of each alone, the weights, and how the width is made up."""
    expected, response = response_names(first)
    names = list(apart)
    stacked = {
        name: xr.concat([apart[form][name] for form in names], dim="form").assign_coords(form=names)
        for name in (expected, response)
    }
    weight = weights["weight"]
    near = {name: drawn_together(values, weight) for name, values in stacked.items()}
    out = xr.Dataset(
        {name: mixed(values, weight, seed).assign_attrs(first[name].attrs) for name, values in near.items()}
    )
    sizes = first.sizes
    out = out.assign(chosen=chosen_form(weight, sizes["chain"], sizes["draw"], seed))
    alone = {f"form_{name}": values for name, values in stacked.items()}
    alone["disagreement"] = _split_width(apart, stacked, weight, response)["share_form"]
    out = out.assign({**alone, **weights.data_vars, **_split_width(apart, near, weight, response)})
    return out.assign_coords(weights.coords)


def _split_width(
    apart: Mapping[str, xr.Dataset], stacked: Mapping[str, xr.DataArray], weight: xr.DataArray, response: str
) -> dict[str, xr.DataArray]:
    """Split the squared width of the band: between the forms' medians, and within them as each form says."""
    # As in `extrapolate`: a draw may be zero.
    with np.errstate(divide="ignore"):
        log_bands = bands(xr.ufuncs.log(stacked[response]), [0.9])
    within = ((log_bands["upper"] - log_bands["lower"]) ** 2).isel(prob=0, drop=True)
    centre = (log_bands["median"] * weight).sum("form")
    # The 90% band of a normal distribution is 3.29 standard deviations wide, which puts both variances on one scale.
    between = 3.29**2 * ((log_bands["median"] - centre) ** 2 * weight).sum("form")
    parts = {"form": between}
    errors = ("errors",) if any("share_errors" in far for far in apart.values()) else ()
    for part in ("parameters", "drift", *errors, "noise"):
        of_form = [
            far.get(f"share_{part}", xr.zeros_like(far["share_noise"])).reset_coords(drop=True)
            for far in apart.values()
        ]
        share = xr.concat(of_form, dim="form").assign_coords(form=weight["form"])
        parts[part] = (share * within * weight).sum("form")
    total = sum(parts.values())
    return {f"share_{part}": value / total for part, value in parts.items()}
