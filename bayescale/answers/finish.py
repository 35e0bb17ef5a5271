"""Where will a run in progress end, and from when on was that known? What would annealing give?"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.answers.posterior import (
    DRAW_DIMS,
    card_of,
    complete_inputs,
    cost_of,
    families_of,
    loss_unit,
    reference_of,
    respond_at,
)
from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference import require_quotable
from bayescale.inference.new_family import NAME as NEW_FAMILY
from bayescale.inference.sampling import SEED
from bayescale.layers.course import Course, course, flat, of_curve
from bayescale.layers.curve import known_along
from bayescale.numbers import human_number, parse_number
from bayescale.runs.curves.bins import (
    HEAT,
    OF_RUN,
    binned,
    clock_of,
    heat_of,
    is_binned,
    last_checkpoints,
    named_runs,
)
from bayescale.runs.curves.segments import CHECKPOINT

PROB, PROBS = 0.9, (0.01, 0.999)
UNKNOWN = "unknown"
# What of a run grows as it trains; anything else that a law takes is the run's own and stays.
GROWING = ("tokens", "step", "compute")


class _Run(NamedTuple):
    """A run so far, and the place that is asked about, as one more row after its own."""

    name: str
    family: str | None
    rows: xr.Dataset
    end: xr.Dataset


def finish(
    fit: xr.DataTree,
    curves: xr.Dataset,
    tokens: Any = None,
    *,
    lr_fraction: float = 0.0,
    at: Mapping[str, Any] | None = None,
    prob: float = PROB,
    tolerance: float | None = None,
    target: float | None = None,
    seed: int = SEED,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the loss at which runs in progress will end, given their checkpoints so far, and from when it was known.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior of a card with a curve, such as ``chinchilla+curve``: of other runs, or of these among them.
    curves : xarray.Dataset
        Their checkpoints so far, from `read_curves`.
    tokens : float or str, optional
        Where they will end; by default where the log says that they were planned to.
    lr_fraction : float
        The learning rate at their end as a share of its peak; asked only where the posterior knows what annealing
        gives.
    at : mapping of str, optional
        Anything else at the end that the law takes and that changes along a run, by column.
    prob : float
        Mass of the band.
    tolerance : float, optional
        A run may be stopped once its band is narrower than this share of its loss.
    target : float, optional
        Or once its band no longer holds this loss.
    seed : int
        Seed of the draws.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``loss`` at the end as it will be measured, and ``expected_loss`` without the noise of a checkpoint, dims
        ``(chain, draw, run)``. As the run trained, over ``seen``: ``median``, ``lower`` and ``upper`` of ``loss`` by
        what was seen up to ``seen_tokens`` (the first by nothing). With a tolerance or a target ``safe_from``, the
        tokens from which on the band kept to it; NaN where it does not yet. Coords ``tokens``, the end, and ``share``,
        how much of it the run has done. ``attrs["answer"]`` says which run will end lowest.

    Raises
    ------
    QuestionError
        If the posterior is of finished runs, the end is not known or lies behind a run, or the curves are of a family
        that the posterior does not know, or count loss or N otherwise.

    Notes
    -----
    Exact for each draw: the offset and the wander of a run are Gaussian given the parameters.

    Examples
    --------
    >>> import bayescale as bs
    >>> curves = bs.load_shipped_curves("tinylm")                                     # doctest: +SKIP
    >>> fit = bs.fit(curves, "chinchilla+curve")                                      # doctest: +SKIP
    >>> early = curves.isel(checkpoint=curves["tokens"].values < 1e6)                 # doctest: +SKIP
    >>> bs.finish(fit, early, tokens="20M", tolerance=0.02)["loss"].dims              # doctest: +SKIP
    ('chain', 'draw', 'run')
    """
    quotable = require_quotable(fit, allow_unconverged)
    _check(fit, curves)
    _check_options(tolerance, target, prob, lr_fraction)
    runs = list(_runs(fit, curves, tokens, lr_fraction, at or {}))
    found = _along(fit, runs, prob, seed)
    last = _last(curves)
    ends = found[clock_of(found)].values
    found = found.assign_coords(share=("run", [last[one.name] / end for one, end in zip(runs, ends, strict=True)]))
    if tolerance is not None or target is not None:
        found["safe_from"] = _safe_from(found, tolerance, target)
    about = {"question": "loss at the end of runs in progress", "prob": prob, "verdict": quotable}
    about |= {"answer": _sentence(found, prob)}
    return found.assign_attrs(about | _options(tolerance=tolerance, target=target) | _about(fit))


def annealed(fit: xr.DataTree, curves: xr.Dataset, *, seed: int = SEED, allow_unconverged: bool = False) -> xr.Dataset:
    """Return the loss that each run would have if its learning rate were let fall to nothing where it stands.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior of a card with a curve, from curves some of which anneal.
    curves : xarray.Dataset
        From `read_curves`; each run is taken at its last checkpoint.
    seed : int
        Seed of the draws.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``loss`` and ``expected_loss``, dims ``(chain, draw, run)``, as `finish` gives them; ``measured``, the loss at
        the last checkpoint; ``gained``, by what share annealing takes it down. Coord ``tokens``.

    Raises
    ------
    QuestionError
        If the posterior does not know what annealing gives.

    Examples
    --------
    >>> import bayescale as bs
    >>> curves = bs.load_shipped_curves("tinylm")                                     # doctest: +SKIP
    >>> half = curves.isel(checkpoint=curves["lr_fraction"].values > 0.5)             # doctest: +SKIP
    >>> bs.annealed(bs.fit(curves, "chinchilla+curve"), half)["gained"].dims          # doctest: +SKIP
    ('chain', 'draw', 'run')
    """
    quotable = require_quotable(fit, allow_unconverged)
    _check(fit, curves)
    if "hot" not in card_of(fit).all_priors:
        raise QuestionError(
            "what annealing gives is not known from these curves: none of them told a learning rate that falls. Read "
            "them with columns={'lr': ...} or 'lr_fraction', with runs that anneal among them."
        )
    last = last_checkpoints(curves)
    ends = [_annealed_now(one, last.sel(run=one.name)) for one in _each(fit, binned(curves))]
    found = _along(fit, ends, PROB, seed)[["loss", "expected_loss"]]
    found["measured"] = last["loss"].sel(run=found["run"]).drop_attrs().drop_vars(last.coords, errors="ignore")
    found["gained"] = 1 - found["expected_loss"] / found["measured"]
    return found.assign_attrs({"question": "loss after annealing", "verdict": quotable} | _about(fit))


def _annealed_now(one: _Run, last: xr.Dataset) -> _Run:
    """Return the run with the place of its last checkpoint, where its learning rate has fallen to nothing."""
    there = {name: ("run", [float(last[name])]) for name in one.end.data_vars if name in last}
    return one._replace(end=one.end.assign(there | {HEAT: ("run", [0.0])}))


# ------------------------------------------------------------------------------------------------- what was asked


def _check(fit: xr.DataTree, curves: xr.Dataset) -> None:
    card = card_of(fit)
    if card.curve is None:
        raise QuestionError(
            f"this posterior is of finished runs ({card.name}): it does not know how a run's checkpoints err together. "
            f"Fit learning curves with {card.name + '+curve'!r}."
        )
    if CHECKPOINT not in curves.dims:
        raise QuestionError("give the runs' checkpoints as bs.read_curves reads them, not their last losses.")
    if "hot" in card.all_priors and heat_of(curves) is None:
        raise QuestionError(
            "the posterior is of annealed loss, and these curves do not tell their learning rate. Read them with "
            "columns={'lr': ...} or 'lr_fraction'."
        )
    missing = [name for name in card.get_law().inputs if name not in curves]
    if missing:
        raise QuestionError(
            f"the law {card.get_law().name!r} takes {', '.join(missing)}, which the curves lack. A table with a row "
            "for each run may tell it: read_curves(..., runs=...) (on the command line: --about TABLE)."
        )
    for name in ("loss_unit", "params_convention"):
        known, told = (str(of.attrs.get(name) or UNKNOWN) for of in (fit, curves))
        if UNKNOWN not in (known, told) and known != told:
            raise QuestionError(
                f"{curves.attrs.get('source', 'the curves')}: {name} is {told!r}, and {known!r} in the runs of the "
                f"posterior. If the curves count as those do, read them with {name}={known!r} "
                f"(--{name.replace('_', '-')} {known})."
            )


def _check_options(tolerance: float | None, target: float | None, prob: float, lr_fraction: float) -> None:
    for name, value, most in (("prob", prob, PROBS[1]), ("lr_fraction", lr_fraction, 1.0)):
        least = PROBS[0] if name == "prob" else 0.0
        if not (isinstance(value, float | int) and least <= value <= most):
            raise QuestionError(f"{name}: accepted is a number from {least:g} to {most:g}; got {value!r}.")
    if tolerance is not None and not 0 < tolerance < 1:
        raise QuestionError(f"tolerance: accepted is a share of the loss, such as 0.02; got {tolerance}.")
    if target is not None and not (np.isfinite(target) and target > 0):
        raise QuestionError(f"target: accepted is a loss above 0; got {target}.")


def _last(curves: xr.Dataset) -> dict[str, float]:
    """Return how far each run has got: its last checkpoint, not the middle of its last bin."""
    names = curves[OF_RUN if is_binned(curves) else "run"].values
    return {str(name): float(curves[clock_of(curves)].values[names == name].max()) for name in dict.fromkeys(names)}


def _each(fit: xr.DataTree, rows: xr.Dataset) -> Iterator[_Run]:
    known = families_of(fit)
    named = known != ["all"] and not known[0].startswith(NEW_FAMILY)
    for name in named_runs(rows):
        mine = rows.isel(run=np.flatnonzero(rows[OF_RUN].values == name))
        family = str(mine["family"].values[0]) if "family" in mine.coords else None
        if family not in known and (len(known) > 1 or (named and family)):
            told = f"is of the family {family!r}" if family else "names no family"
            raise QuestionError(f"run {name!r} {told}; the posterior knows: {', '.join(known)}.")
        yield _Run(name, family if len(known) > 1 else None, mine, mine.isel(run=[-1]))


def _runs(
    fit: xr.DataTree, curves: xr.Dataset, tokens: Any, lr_fraction: float, at: Mapping[str, Any]
) -> Iterator[_Run]:
    rows = curves if is_binned(curves) else binned(curves)
    clock, seen = clock_of(rows), _last(curves)
    if clock == "step" and tokens is not None and "batch" not in rows:
        raise QuestionError("these curves tell steps and no tokens: read them with batch= (--batch), in tokens a step.")
    planned = {"tokens": "total_tokens", "step": "total_steps"}[clock]
    for one in _each(fit, rows):
        last = one.end
        if tokens is None and not (planned in last and np.isfinite(last[planned].values[0])):
            raise QuestionError(
                f"run {one.name!r}: the log does not say where it will end; give tokens= (--tokens), such as '20B'."
            )
        end = float(last[planned].values[0]) if tokens is None else _number("tokens", tokens)
        if clock == "step" and tokens is not None:
            end /= float(last["batch"].values[0])
        if not end >= seen[one.name] * (1 - 1e-9):
            so_far, asked = human_number(seen[one.name], 4), human_number(end, 4)
            raise QuestionError(f"run {one.name!r} is at {clock} {so_far} already; the end asked for is {asked}.")
        yield one._replace(end=_at_end(fit, one, {clock: end, **at}, lr_fraction))


def _number(name: str, value: Any) -> float:
    try:
        return parse_number(value)
    except ValueError as error:
        raise QuestionError(f"{name}: {error}.") from None


def _at_end(fit: xr.DataTree, one: _Run, given: Mapping[str, Any], lr_fraction: float) -> xr.Dataset:
    law = card_of(fit).get_law()
    stays = {name: one.rows[name].values[-1] for name in ("params", "batch", *law.inputs)
             if name in one.rows and name not in GROWING}  # fmt: skip
    moving = [name for name in stays if name in law.inputs and name not in given and np.ptp(one.rows[name].values) > 0]
    if moving and moving[0] not in ("batch",):
        raise QuestionError(
            f"run {one.name!r}: {moving[0]} changes along it; say what it is at the end, at={{{moving[0]!r}: ...}}."
        )
    asked = (*law.inputs, "params", "batch", *GROWING)
    if unknown := [name for name in given if name not in asked]:
        accepted = ", ".join(dict.fromkeys(asked))
        raise QuestionError(
            f"at: there is no {unknown[0]!r} at a run's end.{did_you_mean(unknown[0], asked)} Accepted: {accepted}."
        )
    known = {**stays, **{name: _number(name, value) for name, value in given.items()}}
    full = complete_inputs(law, {name: float(value) for name, value in known.items()}, cost_of(fit))
    return one.end.assign({name: ("run", [float(value)]) for name, value in (full | {HEAT: lr_fraction}).items()})


# ------------------------------------------------------------------------------------------------- what is expected


def _along(fit: xr.DataTree, runs: list[_Run], prob: float, seed: int) -> xr.Dataset:
    """Return the loss at each run's end, and the band of it after each of the run's rows."""
    card, reference = card_of(fit), reference_of(fit)
    assert card.curve is not None
    theta = of_curve(fit["posterior"].to_dataset())
    rng = np.random.default_rng([seed, 5])
    longest = 1 + max(one.rows.sizes["run"] for one in runs)
    bands = np.full((3, len(runs), longest), np.nan)
    places = np.full((len(runs), longest), np.nan)
    ends, expected = [], []
    for k, one in enumerate(runs):
        at, log_mean = _log_mean(fit, one)
        known, there = known_along(at.isel(run=slice(-1)), reference), known_along(at.isel(run=[-1]), reference)
        found = course(theta, log_mean, known, np.log(one.rows["loss"].values), there, card.curve.length)
        measured = _drawn(found, theta["sigma"], rng)
        ends.append(measured[:, -1])
        expected.append(np.exp(found.mean[:, -1] + found.sd[:, -1] * rng.standard_normal(len(measured))))
        count = measured.shape[1]
        bands[:, k, :count] = np.quantile(measured, [0.5, (1 - prob) / 2, (1 + prob) / 2], axis=0)
        places[k, :count] = np.concatenate([[0.0], 10 ** known["clock"]])
    sizes = tuple(fit["posterior"].sizes[dim] for dim in DRAW_DIMS)
    clock = clock_of(runs[0].end)
    finals = np.array([float(one.end[clock].values[0]) for one in runs])
    about = {"units": loss_unit(fit)}
    return xr.Dataset(
        {
            name: ((*DRAW_DIMS, "run"), np.stack(values, axis=-1).reshape(*sizes, len(runs)), about)
            for name, values in (("loss", ends), ("expected_loss", expected))
        }
        | {name: (("run", "seen"), band, about) for name, band in zip(("median", "lower", "upper"), bands, strict=True)}
        | {f"seen_{clock}": (("run", "seen"), places)},
        coords={"run": [one.name for one in runs], clock: ("run", finals)},
    )


def _log_mean(fit: xr.DataTree, one: _Run) -> tuple[xr.Dataset, np.ndarray]:
    """Return the run's rows with its end after them, and log loss there by the law, dims (draw, row)."""
    names = [name for name in one.end.data_vars if name in one.rows]
    at = xr.concat([one.rows[names], one.end[names]], dim="run", join="override")
    law = card_of(fit).get_law()
    wanted = [name for name in dict.fromkeys((*law.inputs, "params", "tokens", "compute")) if name in at]
    mean, _ = respond_at(fit, {name: at[name].reset_coords(drop=True) for name in wanted}, one.family)
    return at, np.log(flat(mean.transpose(*DRAW_DIMS, "run")))


def _drawn(found: Course, sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the measured loss at the end after each row; one draw errs alike after all of them."""
    scale = np.sqrt(found.sd**2 + sigma[:, None] ** 2)
    return np.asarray(np.exp(found.mean + scale * rng.standard_normal((len(sigma), 1))))


def _safe_from(found: xr.Dataset, tolerance: float | None, target: float | None) -> xr.DataArray:
    """Return from which tokens on the band kept to the tolerance, or kept away from the target."""
    kept = xr.zeros_like(found["median"], dtype=bool)
    if tolerance is not None:
        kept |= (found["upper"] - found["lower"]) < tolerance * found["median"]
    if target is not None:
        kept |= (found["upper"] < target) | (found["lower"] > target)
    seen = found["seen_tokens"] if "seen_tokens" in found else found["seen_step"]
    # After the last row there is nothing, which keeps to anything.
    held = (kept | seen.isnull()).values
    since = np.logical_and.accumulate(held[:, ::-1], axis=1)[:, ::-1] & seen.notnull().values
    first = np.where(since.any(axis=1), np.argmax(since, axis=1), -1)
    values = np.where(first >= 0, seen.values[np.arange(first.size), np.maximum(first, 0)], np.nan)
    return xr.DataArray(values, dims="run")


def _sentence(found: xr.Dataset, prob: float) -> str:
    """Return which run will end lowest, and how many may be stopped."""
    loss = found["loss"]
    low, middle, high = loss.quantile([(1 - prob) / 2, 0.5, (1 + prob) / 2], DRAW_DIMS).values
    best = int(middle.argmin())
    sure = float((loss.argmin("run") == best).mean())
    among = f", lowest of {loss.sizes['run']} (probability {sure:.2f})" if loss.sizes["run"] > 1 else ""
    said = f"{found['run'].values[best]} will end at {middle[best]:.4g} ({low[best]:.4g} to {high[best]:.4g}){among}"
    if "safe_from" not in found:
        return f"{said}."
    stopped = int(np.isfinite(found["safe_from"]).sum())
    return f"{said}; {stopped} of {loss.sizes['run']} may be stopped by now."


def _options(**given: float | None) -> dict[str, float]:
    return {name: value for name, value in given.items() if value is not None}


def _about(fit: xr.DataTree) -> dict[str, Any]:
    return {"model": fit.attrs["model"], "loss_unit": loss_unit(fit), "cost": fit.attrs["cost"]}
