"""The learning rates of runs: filled in from other rows, and findings about those that are missing or odd."""

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.numbers import human_number
from bayescale.runs.reading.findings import Finding, names_text

RATES = ("lr_fraction", "lr")
"""Columns that tell how far a run is annealed. The first one that every checkpoint has is used."""
COOLED = 0.02  # share of the peak
STILL = 1e-6  # change of the log rate
STRETCH = 3  # rows at one rate that make it a rate of its own
TURNS, TURNING = 4, 1 / 3  # turns, and their share of all changes, that no schedule has


def settle_rates(frame: pd.DataFrame) -> list[Finding]:
    """Fill in missing learning rates from other rows of the run, in place.

    The rate of another row at the same step is used, else one between the rows before and after. Nothing is filled in
    before the first rate that a run logged or after its last.
    """
    notes = []
    clock = "step" if "step" in frame else "tokens"
    if "lr" in frame and "peak_lr" not in frame:  # nothing but zeros is no schedule
        frame["lr"] = frame["lr"].where(frame.groupby("run")["lr"].transform("max") > 0)
    for name in RATES:
        if name not in frame:
            continue
        lacking = (frame["rule"] == "") & frame[name].isna()
        beside = lacking & frame.groupby(["run", clock])[name].transform("count").gt(0)
        for _, run in frame[frame["run"].isin(frame["run"][lacking])].groupby("run", sort=False):
            frame.loc[run.index, name] = _interpolate_rates(run, name, clock)
        filled = lacking & frame[name].notna()
        if filled.any():
            text = (
                f"{filled.sum()} checkpoints without {name}: {(filled & beside).sum()} take that of another row at "
                f"their {clock}, {(filled & ~beside).sum()} are read between the rows before and after"
            )
            notes.append(Finding("rate-filled-in", "info", text))
    return notes


def _interpolate_rates(run: pd.DataFrame, name: str, clock: str) -> pd.Series:
    written = run.sort_values("time", kind="stable") if "time" in run else run
    known = written[[clock, name]].dropna().drop_duplicates(clock, keep="last").sort_values(clock)
    if known.empty:
        return run[name]
    read = np.interp(run[clock], known[clock], known[name], left=np.nan, right=np.nan)
    return run[name].fillna(pd.Series(read, index=run.index))


def with_peaks(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add the highest learning rate of each run, over all rows that it logged, unless the log has a column for it.

    The share of the peak at a checkpoint must not depend on which checkpoints a filter leaves.
    """
    if "lr" not in frame or "peak_lr" in frame:
        return frame, {}
    return frame.assign(peak_lr=frame.groupby("run")["lr"].transform("max")), {"peak_lr": "the run's highest lr"}


def without_rates(curves: xr.Dataset) -> list[Finding]:
    """Say which runs lack learning rates that other runs have."""
    runs = curves["run"].values
    lacking = {name: dict.fromkeys(runs[np.isnan(curves[name].values)]) for name in RATES if name in curves}
    if not lacking or not all(lacking.values()):
        areas = "lr" not in lacking or lacking["lr"] or "step" not in curves or "lr_area" in curves
        said = "no lr_area: checkpoints that were left out have no lr"
        return [] if areas else [Finding("areas-missing", "info", said)]
    name, without = min(lacking.items(), key=lambda item: len(item[1]))
    text = (
        f"no {name} at some checkpoint of {len(without)} of {len(set(runs))} runs: {names_text(list(without))}. So "
        "no annealing is known of any run, and the curves are taken as they are. Rates are read between rows that "
        "have one, never beyond them"
    )
    return [Finding("rate-missing", "warning", text)]


def two_rates(frame: pd.DataFrame) -> list[Finding]:
    """Say which runs were trained at one constant rate and then at another, or whose rate goes back and forth."""
    clock = "step" if "step" in frame else "tokens"
    name = next((name for name in reversed(RATES) if name in frame), None)
    if name is None:
        return []
    notes: list[Finding] = []
    for label, run in frame.dropna(subset=[name, clock]).sort_values(clock, kind="stable").groupby("run", sort=False):
        # A branch that was cooled down is part of the run that it left.
        run = run[run[name] > COOLED * run[name].max()]
        moves = np.diff(np.log(run[name]))
        notes += _find_stretches(str(label), run, moves, name, clock) or _find_alternation(
            str(label), run, moves, name, clock
        )
    return notes


def _find_stretches(label: str, run: pd.DataFrame, moves: np.ndarray, name: str, clock: str) -> list[Finding]:
    """Say where a constant rate becomes another constant rate. A schedule changes at most checkpoints."""
    jumps = np.flatnonzero(np.abs(moves) > STILL) + 1
    if not 0 < jumps.size <= 2 or np.diff([0, *jumps, len(run)]).min() < STRETCH:
        return []
    rates = run[name].iloc[[0, *jumps]].tolist()
    where = run[clock].iloc[jumps].tolist()
    turns = ", then ".join(
        f"{rate:g} from {clock} {human_number(place)}" for rate, place in zip(rates[1:], where, strict=True)
    )
    what = "learning rates" if name == "lr" else "shares of its peak learning rate"
    text = (
        f"run {label!r} has {len(rates)} {what}, {rates[0]:g}, then {turns}: it is kept as one run; if it is two, "
        "give each its own name"
    )
    return [Finding("rate-changes", "warning", text, tuple(int(row) for row in run.index[jumps]))]


def _find_alternation(label: str, run: pd.DataFrame, moves: np.ndarray, name: str, clock: str) -> list[Finding]:
    """Say where a rate rises and falls by turns, as in two runs under one name."""
    moved = np.flatnonzero(np.abs(moves) > STILL)
    turned = moved[1:][np.diff(np.sign(moves[moved])) != 0] + 1
    if turned.size < TURNS or turned.size < TURNING * moved.size:
        return []
    text = (
        f"run {label!r}: its {name} goes back and forth, {turned.size} times in {len(run)} rows from {clock} "
        f"{human_number(run[clock].iloc[turned[0]])} on: two runs under one name? It is kept as one run; if it is "
        "two, give each its own name"
    )
    return [Finding("rate-alternates", "warning", text, tuple(int(row) for row in run.index[turned]))]
