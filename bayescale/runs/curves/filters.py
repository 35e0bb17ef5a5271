"""Which checkpoints say nothing about a scaling law: every rule has a name, a reason and a count."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayescale.errors import RunsError, did_you_mean
from bayescale.numbers import human_number
from bayescale.runs.curves.segments import run_segments
from bayescale.runs.reading.columns import CHECKPOINT, LEFT_OUT
from bayescale.runs.reading.findings import Finding, findings, names_text, pack_findings, rows_of

PLURAL = {"tokens": "tokens", "step": "steps"}
Mask = NDArray[np.bool_]

NOT_A_NUMBER = "not a number"
RISEN = 0.99  # share of the peak at which the warm-up has ended
WARM_UP_AT_MOST = 0.5  # a peak beyond the middle of a run is a cycle or a restart, not a warm-up
NEIGHBOURS = 5  # checkpoints on either side that a spike is held against
LEAST_FOR_SPIKES = 12
SMALLEST_SPIKE = 0.01  # in log loss, for logs with hardly any scatter
AT_THE_END = 3
# What these rules leave out needs no warning.
ROUTINE = ("first tokens", "warm-up", "start", "repeated", "no place")


@dataclass(frozen=True)
class Filters:
    """Which checkpoints are left out of training curves; None turns a rule off.

    Attributes
    ----------
    first : float, optional
        Share of the run that counts as its first tokens, of which the loss still falls by other laws.
    first_tokens : float
        The first tokens are no more than this (Choshen et al. 2024: the first 10B tokens, or 10%).
    warm_up : bool
        Whether checkpoints before the learning rate first reached its peak are left out, where it is logged.
    diverged : float, optional
        A run that ends by more than this share above its own lowest loss is left out whole.
    spike : float, optional
        A checkpoint by so many standard deviations above its neighbours is left out: of the run's own scatter, robustly
        measured, or of the loss's known error where that is larger; by 1% of the loss at least.

    Examples
    --------
    >>> import bayescale as bs
    >>> rules = bs.runs.Filters(first=0.3, spike=None)
    >>> bs.runs.load_shipped_curves("tinylm", filters=rules).sizes["checkpoint"]
    684
    """

    first: float | None = 0.1
    first_tokens: float = 10e9
    warm_up: bool = True
    diverged: float | None = 0.2
    spike: float | None = 6.0

    def reasons(self) -> dict[str, str]:
        """Return the rules that are on, in the order in which they are applied, each with its reason.

        Examples
        --------
        >>> from bayescale.runs.curves.filters import Filters
        >>> list(Filters(first=None, spike=None).reasons())
        ['diverged', 'warm-up']
        """
        said = {
            "diverged": self.diverged
            and f"the run's loss became no number, or ended more than {self.diverged:.0%} above its own lowest",
            "first tokens": self.first
            and f"within the first {self.first:.0%} of the run or its first {human_number(self.first_tokens)} tokens, "
            "whichever is less",
            "warm-up": self.warm_up and "before the learning rate had reached its peak",
            "spike": self.spike
            and f"more than {self.spike:g} robust standard deviations above the checkpoints around it",
        }
        return {name: reason for name, reason in said.items() if reason}


def as_filters(filters: "Filters | Mapping[str, Any] | None") -> Filters | None:
    """Return filters from a mapping such as ``{"first": 0.05}``, whose other rules are the default ones."""
    if filters is None or isinstance(filters, Filters):
        return filters
    known = [field.name for field in fields(Filters)]
    for name, value in filters.items():
        if name not in known:
            raise RunsError(f"filters: there is no {name!r}; accepted: {', '.join(known)}.{did_you_mean(name, known)}")
        accepted = isinstance(value, bool | int | float) and value >= 0 and (value is not True or name == "warm_up")
        if value is not None and not accepted:
            number = "true or false" if name == "warm_up" else "a number, 0 or more, or None (false) to turn it off"
            raise RunsError(f"filters: {name} = {value!r}; accepted: {number}")
    return Filters(**filters)


def filter_curves(curves: xr.Dataset, filters: "Filters | Mapping[str, Any] | None" = None) -> xr.Dataset:
    """Leave out the checkpoints that say nothing about a scaling law, and say which and why.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves`.
    filters : Filters or mapping, optional
        The rules; by default all of `Filters`, with a mapping only what differs, such as ``{"first": 0.05}``.

    Returns
    -------
    xarray.Dataset
        Without those checkpoints; they stand along the dimension ``left_out``, with the rule that took them.

    Raises
    ------
    RunsError
        If no checkpoint is left, or a rule is unknown.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs import filter_curves, load_shipped_curves
    >>> curves = load_shipped_curves("tinylm", filters=None)
    >>> curves.sizes["checkpoint"], filter_curves(curves).sizes["checkpoint"]
    (1104, 920)
    """
    rules = as_filters({} if filters is None else filters) or Filters()
    taken = np.full(curves.sizes[CHECKPOINT], "", dtype=object)
    for name in rules.reasons():
        # The peak that ends the warm-up may lie within the first tokens. Spikes stand out from what is left.
        seen = np.flatnonzero((taken == "") | (name == "warm-up"))
        mask = np.zeros(taken.size, dtype=bool)
        mask[seen] = RULES[name](curves.isel({CHECKPOINT: seen}), rules)
        taken[mask & (taken == "")] = name
    if (taken != "").all():
        counted = ", ".join(f"{name}: {(taken == name).sum()}" for name in rules.reasons() if (taken == name).any())
        raise RunsError(
            f"{curves.attrs.get('source', 'the curves')}: no checkpoint is left of {taken.size} ({counted}). "
            "Relax a rule, such as filters={'first': None}, or pass filters=None."
        )
    return leave_out(curves, taken, rules.reasons())


def leave_out(curves: xr.Dataset, taken: NDArray[np.object_], reasons: Mapping[str, str]) -> xr.Dataset:
    """Move checkpoints to the dimension ``left_out``: ``taken`` names the rule of each, or is empty."""
    gone = curves.isel({CHECKPOINT: np.flatnonzero(taken != "")})
    more = pd.DataFrame(
        {"rule": taken[taken != ""].astype(str)}
        | {name: gone[name].values for name in ("run", "row", "step", "tokens", "loss") if name in gone.variables}
    )
    kept = curves.isel({CHECKPOINT: np.flatnonzero(taken == "")})
    ended = sorted(set(gone["run"].values.tolist()) - set(kept["run"].values.tolist()))
    noted = [
        _describe_rule(gone, taken[taken != ""], name, reason) for name, reason in reasons.items() if name in set(taken)
    ]
    if ended:
        text = f"no checkpoint is left of {len(ended)} of the runs: {names_text(ended)}"
        noted.append(Finding("run-left-out", "warning", text))
    out = with_left_out(kept, pd.concat([left_out(curves), more], ignore_index=True))
    counts = [
        RuleCount(name, reason, int((taken == name).sum()), np.unique(curves["run"].values[taken == name]).size)
        for name, reason in reasons.items()
    ]
    rules = json.dumps([asdict(count) for count in [*rule_counts(curves), *counts]])
    return out.assign_attrs(filters=rules, findings=pack_findings([*findings(curves), *noted]))


@dataclass(frozen=True)
class RuleCount:
    """How many checkpoints of how many runs a rule left out, and why."""

    rule: str
    why: str
    checkpoints: int
    runs: int


def rule_counts(curves: xr.Dataset) -> list[RuleCount]:
    """Return the rules that were applied to curves, in their order, with what each left out.

    Examples
    --------
    >>> from bayescale.runs import load_shipped_curves
    >>> from bayescale.runs.curves.filters import rule_counts
    >>> [(count.rule, count.checkpoints) for count in rule_counts(load_shipped_curves("tinylm"))][:2]
    [('diverged', 0), ('first tokens', 184)]
    """
    return [RuleCount(**count) for count in json.loads(curves.attrs.get("filters", "[]"))]


def _describe_rule(gone: xr.Dataset, taken: NDArray[np.object_], rule: str, reason: str) -> Finding:
    mask = taken == rule
    runs = list(dict.fromkeys(gone["run"].values[mask].tolist()))
    whose = f"of {len(runs)} runs" if len(runs) > 1 else f"of run {runs[0]!r}"
    if rule == "diverged" and len(runs) > 1:
        whose += f" ({', '.join(map(repr, runs[:6]))}{', ...' if len(runs) > 6 else ''})"
    count = int(mask.sum())
    message = f"left out as {rule!r}: {count} checkpoint{'' if count == 1 else 's'} {whose}: {reason}"
    return Finding("left-out", "info" if rule in ROUTINE else "warning", message, rows_of(gone, mask))


def with_left_out(curves: xr.Dataset, gone: pd.DataFrame) -> xr.Dataset:
    """Add the checkpoints that were left out along the dimension ``left_out``."""
    if gone.empty:
        return curves
    columns = {f"{LEFT_OUT}_{name}": (LEFT_OUT, _plain_values(gone[name])) for name in gone.columns}
    return curves.drop_dims(LEFT_OUT, errors="ignore").assign(columns)


def _plain_values(values: pd.Series) -> np.ndarray:
    kinds: dict[str, Any] = {"rule": str, "run": str, "row": np.int64}
    return values.to_numpy(dtype=kinds.get(str(values.name), float))


def left_out(curves: xr.Dataset) -> pd.DataFrame:
    """Return the checkpoints that were left out, each with the rule that took it.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves` or `filter_curves`.

    Returns
    -------
    pandas.DataFrame
        Columns rule, run, row, and step, tokens, loss as far as the curves have them.

    Examples
    --------
    >>> from bayescale.runs import left_out, load_shipped_curves
    >>> left_out(load_shipped_curves("tinylm"))["rule"].value_counts().to_dict()
    {'first tokens': 184}
    """
    names = [str(name) for name in curves.data_vars if str(name).startswith(f"{LEFT_OUT}_")]
    if not names:
        return pd.DataFrame({"rule": [], "run": [], "row": []})
    return pd.DataFrame({name.removeprefix(f"{LEFT_OUT}_"): curves[name].values for name in names})


# The rules ------------------------------------------------------------------------------------------------------------


def _mask_first_tokens(curves: xr.Dataset, rules: Filters) -> Mask:
    if rules.first is None:
        return np.zeros(curves.sizes[CHECKPOINT], dtype=bool)
    segments = run_segments(curves)
    clock, most = ("tokens", rules.first_tokens) if "tokens" in curves else ("step", np.inf)
    at, planned = curves[clock].values, curves.get(f"total_{PLURAL[clock]}")
    ends = at[segments.last][segments.index]
    # A run in progress is measured against its planned length, if known: the rule then stays where it is.
    whole = ends if planned is None else np.where(np.isfinite(planned.values), planned.values, ends)
    return np.asarray(at < np.minimum(rules.first * whole, most))


def _mask_warm_up(curves: xr.Dataset, rules: Filters) -> Mask:
    rate = next((curves[name].values for name in ("lr", "lr_fraction") if name in curves), None)
    out = np.zeros(curves.sizes[CHECKPOINT], dtype=bool)
    if rate is None:
        return out
    for run in run_segments(curves).slices():
        mine = rate[run]
        if not np.isfinite(mine).any():
            continue
        top = int(np.argmax(np.nan_to_num(mine) >= RISEN * _find_first_peak(mine[np.isfinite(mine)])))
        if top <= WARM_UP_AT_MOST * mine.size:
            out[run.start : run.start + top] = True
    return out


def _find_first_peak(rate: NDArray[np.float64]) -> float:
    """Return the first peak of the rate. A restart or a second cycle is no warm-up."""
    highest = np.maximum.accumulate(rate)
    fallen = rate < RISEN * highest
    return float(highest[int(np.argmax(fallen))] if fallen.any() else highest[-1])


def _mask_diverged(curves: xr.Dataset, rules: Filters) -> Mask:
    if rules.diverged is None:
        return np.zeros(curves.sizes[CHECKPOINT], dtype=bool)
    segments, log_loss = run_segments(curves), np.log(curves["loss"].values)
    gone = left_out(curves)
    lost = gone[gone["rule"] == NOT_A_NUMBER]
    clock = "tokens" if "tokens" in curves else "step"
    after = lost.groupby("run")[clock].max().to_dict() if len(lost) else {}
    bad = np.zeros(len(segments.names), dtype=bool)
    for k, run in enumerate(segments.slices()):
        mine = log_loss[run]
        bad[k] = np.median(mine[-AT_THE_END:]) - _smooth_losses(mine).min() > np.log1p(rules.diverged)
        bad[k] |= after.get(segments.names[k], -np.inf) > float(curves[clock].values[run][-1])
    return bad[segments.index]


def _mask_spikes(curves: xr.Dataset, rules: Filters) -> Mask:
    out = np.zeros(curves.sizes[CHECKPOINT], dtype=bool)
    if rules.spike is None:
        return out
    known = (curves["loss_se"] / curves["loss"]).fillna(0.0).values if "loss_se" in curves else np.zeros(out.size)
    for run in run_segments(curves).slices():
        mine = np.log(curves["loss"].values[run])
        if mine.size < LEAST_FOR_SPIKES:
            continue
        above = mine - _expect_from_neighbours(mine)
        # The two values at either end are compared with themselves, so they say nothing about the scatter.
        scatter = np.maximum(1.4826 * np.median(np.abs(above[2:-2])), known[run])
        out[run] = above > np.maximum(rules.spike * scatter, SMALLEST_SPIKE)
    return out


def _find_neighbours(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values before and after each value, nearest first. Pairs that reach beyond the run are NaN."""
    padded = np.concatenate([np.full(NEIGHBOURS, np.nan), values, np.full(NEIGHBOURS, np.nan)])
    place = np.arange(values.size) + NEIGHBOURS
    before, after = (np.stack([padded[place + sign * k] for k in range(1, NEIGHBOURS + 1)]) for sign in (-1, 1))
    lacking = np.isnan(before + after)
    return np.where(lacking, np.nan, before), np.where(lacking, np.nan, after)


def _expect_from_neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the neighbours of each value predict for it: the median of the midpoints of pairs around it.

    Midpoints remove a slope. The two values at either end have too few neighbours and predict themselves.
    """
    before, after = _find_neighbours(values)
    midpoints = np.sort((before + after) / 2, axis=0)
    count = np.isfinite(midpoints).sum(axis=0)
    middle = np.take_along_axis(midpoints, (count // 2)[None], axis=0)[0]
    return np.where(count >= 2, middle, values)


def _smooth_losses(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running median. A single low checkpoint does not count as a loss that the run had reached."""
    return np.asarray(np.nanmedian(np.vstack([*_find_neighbours(values), values[None]]), axis=0))


RULES = {
    "diverged": _mask_diverged,
    "first tokens": _mask_first_tokens,
    "warm-up": _mask_warm_up,
    "spike": _mask_spikes,
}
"""The rules in the order in which they are applied. A run that diverged is left out before its first tokens are."""
