"""Where will a run in progress end, and from when on was that known? What would annealing give?"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference.new_family import NAME as NEW_FAMILY
from bayescale.laws.inputs import DRAW_DIMS, complete_inputs
from bayescale.layers.course import Course, course, flat, of_curve
from bayescale.layers.curve import known_along
from bayescale.numbers import human_number, parse_number
from bayescale.posterior import SEED, Posterior
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
# The inputs of a law that grow as a run trains; the other inputs are constant along the run.
GROWING = ("tokens", "step", "compute")


class _Run(NamedTuple):
    """A run so far, and the place that is asked about as one more row after the rows of the run."""

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
        how much of it the run has done.

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
    >>> curves = bs.runs.load_shipped_curves("tinylm")                                     # doctest: +SKIP
    >>> fit = bs.fit(curves, "chinchilla+curve")                                      # doctest: +SKIP
    >>> early = curves.isel(checkpoint=curves["tokens"].values < 1e6)                 # doctest: +SKIP
    >>> bs.answers.finish(fit, early, tokens="20M", tolerance=0.02)["loss"].dims              # doctest: +SKIP
    ('chain', 'draw', 'run')
    """
    view = Posterior.quoted(fit, None, allow_unconverged)
    _check_curves(view, curves)
    _check_options(tolerance, target, prob, lr_fraction)
    runs = list(_place_ends(view, curves, tokens, lr_fraction, at or {}))
    out = _predict_ends(view, runs, prob, seed)
    last = _find_last_places(curves)
    ends = out[clock_of(out)].values
    out = out.assign_coords(share=("run", [last[run.name] / end for run, end in zip(runs, ends, strict=True)]))
    if tolerance is not None or target is not None:
        out["safe_from"] = _find_safe_place(out, tolerance, target)
    options = {name: value for name, value in (("tolerance", tolerance), ("target", target)) if value is not None}
    return out.assign_attrs(view.attrs("finish", "loss at the end of runs in progress", prob=prob, **options))


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
    >>> curves = bs.runs.load_shipped_curves("tinylm")                                     # doctest: +SKIP
    >>> half = curves.isel(checkpoint=curves["lr_fraction"].values > 0.5)             # doctest: +SKIP
    >>> bs.answers.annealed(bs.fit(curves, "chinchilla+curve"), half)["gained"].dims          # doctest: +SKIP
    ('chain', 'draw', 'run')
    """
    view = Posterior.quoted(fit, None, allow_unconverged)
    _check_curves(view, curves)
    if "hot" not in view.card.all_priors:
        raise QuestionError(
            "what annealing gives is not known from these curves: none of them told a learning rate that falls. Read "
            "them with columns={'lr': ...} or 'lr_fraction', with runs that anneal among them."
        )
    last = last_checkpoints(curves)
    ends = [_anneal_now(run, last.sel(run=run.name)) for run in _separate_runs(view, binned(curves))]
    out = _predict_ends(view, ends, PROB, seed)[["loss", "expected_loss"]]
    out["measured"] = last["loss"].sel(run=out["run"]).drop_attrs().drop_vars(last.coords, errors="ignore")
    out["gained"] = 1 - out["expected_loss"] / out["measured"]
    return out.assign_attrs(view.attrs("annealed", "loss after annealing"))


def _anneal_now(run: _Run, last: xr.Dataset) -> _Run:
    """Return the run with the place of its last checkpoint, where its learning rate has fallen to nothing."""
    there = {name: ("run", [float(last[name])]) for name in run.end.data_vars if name in last}
    return run._replace(end=run.end.assign(there | {HEAT: ("run", [0.0])}))


# ------------------------------------------------------------------------------------------------- what was asked


def _check_curves(view: Posterior, curves: xr.Dataset) -> None:
    card = view.card
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
        known, told = (str(of.attrs.get(name) or UNKNOWN) for of in (view.fit, curves))
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


def _find_last_places(curves: xr.Dataset) -> dict[str, float]:
    """Return how far each run has got: its last checkpoint, not the middle of its last bin."""
    names = curves[OF_RUN if is_binned(curves) else "run"].values
    return {str(name): float(curves[clock_of(curves)].values[names == name].max()) for name in dict.fromkeys(names)}


def _separate_runs(view: Posterior, rows: xr.Dataset) -> Iterator[_Run]:
    known = view.families
    named = known != ["all"] and not known[0].startswith(NEW_FAMILY)
    for name in named_runs(rows):
        own = rows.isel(run=np.flatnonzero(rows[OF_RUN].values == name))
        family = str(own["family"].values[0]) if "family" in own.coords else None
        if family not in known and (len(known) > 1 or (named and family)):
            told = f"is of the family {family!r}" if family else "names no family"
            raise QuestionError(f"run {name!r} {told}; the posterior knows: {', '.join(known)}.")
        yield _Run(name, family if len(known) > 1 else None, own, own.isel(run=[-1]))


def _place_ends(
    view: Posterior, curves: xr.Dataset, tokens: Any, lr_fraction: float, at: Mapping[str, Any]
) -> Iterator[_Run]:
    rows = curves if is_binned(curves) else binned(curves)
    clock, seen = clock_of(rows), _find_last_places(curves)
    if clock == "step" and tokens is not None and "batch" not in rows:
        raise QuestionError("these curves tell steps and no tokens: read them with batch= (--batch), in tokens a step.")
    planned = {"tokens": "total_tokens", "step": "total_steps"}[clock]
    for run in _separate_runs(view, rows):
        last = run.end
        if tokens is None and not (planned in last and np.isfinite(last[planned].values[0])):
            raise QuestionError(
                f"run {run.name!r}: the log does not say where it will end; give tokens= (--tokens), such as '20B'."
            )
        end = float(last[planned].values[0]) if tokens is None else _parse_number("tokens", tokens)
        if clock == "step" and tokens is not None:
            end /= float(last["batch"].values[0])
        if not end >= seen[run.name] * (1 - 1e-9):
            so_far, asked = human_number(seen[run.name], 4), human_number(end, 4)
            raise QuestionError(f"run {run.name!r} is at {clock} {so_far} already; the end asked for is {asked}.")
        yield run._replace(end=_describe_end(view, run, {clock: end, **at}, lr_fraction))


def _parse_number(name: str, value: Any) -> float:
    try:
        return parse_number(value)
    except ValueError as error:
        raise QuestionError(f"{name}: {error}.") from None


def _describe_end(view: Posterior, run: _Run, given: Mapping[str, Any], lr_fraction: float) -> xr.Dataset:
    """Return all that the law takes at the end of a run."""
    law = view.law
    stays = {name: run.rows[name].values[-1] for name in ("params", "batch", *law.inputs)
             if name in run.rows and name not in GROWING}  # fmt: skip
    moving = [name for name in stays if name in law.inputs and name not in given and np.ptp(run.rows[name].values) > 0]
    if moving and moving[0] not in ("batch",):
        raise QuestionError(
            f"run {run.name!r}: {moving[0]} changes along it; say what it is at the end, at={{{moving[0]!r}: ...}}."
        )
    asked = (*law.inputs, "params", "batch", *GROWING)
    if unknown := [name for name in given if name not in asked]:
        accepted = ", ".join(dict.fromkeys(asked))
        raise QuestionError(
            f"at: there is no {unknown[0]!r} at a run's end.{did_you_mean(unknown[0], asked)} Accepted: {accepted}."
        )
    known = {**stays, **{name: _parse_number(name, value) for name, value in given.items()}}
    full = complete_inputs(law, {name: float(value) for name, value in known.items()}, view.cost)
    return run.end.assign({name: ("run", [float(value)]) for name, value in (full | {HEAT: lr_fraction}).items()})


# ------------------------------------------------------------------------------------------------- what is expected


def _predict_ends(view: Posterior, runs: list[_Run], prob: float, seed: int) -> xr.Dataset:
    """Return the loss at each run's end, and the band of it after each of the run's rows."""
    card, reference = view.card, view.reference
    assert card.curve is not None
    theta = of_curve(view.draws)
    rng = np.random.default_rng([seed, 5])
    longest = 1 + max(run.rows.sizes["run"] for run in runs)
    bands = np.full((3, len(runs), longest), np.nan)
    places = np.full((len(runs), longest), np.nan)
    ends, expected = [], []
    for k, run in enumerate(runs):
        at, log_mean = _expect_along(view, run)
        known, there = known_along(at.isel(run=slice(-1)), reference), known_along(at.isel(run=[-1]), reference)
        found = course(theta, log_mean, known, np.log(run.rows["loss"].values), there, card.curve.length)
        measured = _draw_measured(found, theta["sigma"], rng)
        ends.append(measured[:, -1])
        expected.append(np.exp(found.mean[:, -1] + found.sd[:, -1] * rng.standard_normal(len(measured))))
        count = measured.shape[1]
        bands[:, k, :count] = np.quantile(measured, [0.5, (1 - prob) / 2, (1 + prob) / 2], axis=0)
        places[k, :count] = np.concatenate([[0.0], 10 ** known["clock"]])
    sizes = tuple(view.draws.sizes[dim] for dim in DRAW_DIMS)
    clock = clock_of(runs[0].end)
    finals = np.array([float(run.end[clock].values[0]) for run in runs])
    about = {"units": view.loss_unit}
    return xr.Dataset(
        {
            name: ((*DRAW_DIMS, "run"), np.stack(values, axis=-1).reshape(*sizes, len(runs)), about)
            for name, values in (("loss", ends), ("expected_loss", expected))
        }
        | {name: (("run", "seen"), band, about) for name, band in zip(("median", "lower", "upper"), bands, strict=True)}
        | {f"seen_{clock}": (("run", "seen"), places)},
        coords={"run": [run.name for run in runs], clock: ("run", finals)},
    )


def _expect_along(view: Posterior, run: _Run) -> tuple[xr.Dataset, np.ndarray]:
    """Return the run's rows with its end after them, and log loss there by the law, dims (draw, row)."""
    names = [name for name in run.end.data_vars if name in run.rows]
    at = xr.concat([run.rows[names], run.end[names]], dim="run", join="override")
    wanted = [name for name in dict.fromkeys((*view.law.inputs, "params", "tokens", "compute")) if name in at]
    mean = view.of_family(run.family).expect({name: at[name].reset_coords(drop=True) for name in wanted})
    return at, np.log(flat(mean.transpose(*DRAW_DIMS, "run")))


def _draw_measured(found: Course, sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the measured loss at the end after each row; a draw has the same error after all rows."""
    scale = np.sqrt(found.sd**2 + sigma[:, None] ** 2)
    return np.asarray(np.exp(found.mean + scale * rng.standard_normal((len(sigma), 1))))


def _find_safe_place(found: xr.Dataset, tolerance: float | None, target: float | None) -> xr.DataArray:
    """Return from which tokens on the band kept to the tolerance, or kept away from the target."""
    kept = xr.zeros_like(found["median"], dtype=bool)
    if tolerance is not None:
        kept |= (found["upper"] - found["lower"]) < tolerance * found["median"]
    if target is not None:
        kept |= (found["upper"] < target) | (found["lower"] > target)
    seen = found["seen_tokens"] if "seen_tokens" in found else found["seen_step"]
    # Past the last row of a run nothing was seen, and nothing speaks against the band.
    held = (kept | seen.isnull()).values
    since = np.logical_and.accumulate(held[:, ::-1], axis=1)[:, ::-1] & seen.notnull().values
    first = np.where(since.any(axis=1), np.argmax(since, axis=1), -1)
    values = np.where(first >= 0, seen.values[np.arange(first.size), np.maximum(first, 0)], np.nan)
    return xr.DataArray(values, dims="run")
