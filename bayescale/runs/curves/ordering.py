"""Turn the rows of a log into checkpoints: checked, sorted, and marked by the rule that leaves them out."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import RunsError
from bayescale.runs.curves.columns import CURVE_COLUMNS, losses_among
from bayescale.runs.curves.positions import mark_overtaken, settle_runs, settle_tokens
from bayescale.runs.curves.rates import settle_rates, two_rates
from bayescale.runs.reading.findings import Finding, names_text, rows_text
from bayescale.runs.reading.schema import validate
from bayescale.runs.reading.table import Table


def ordered_rows(table: Table, found: Mapping[str, str]) -> tuple[pd.DataFrame, list[Finding]]:
    """Return checked values, run after run, each run sorted. Column ``rule`` names the rule that leaves a row out."""
    losses = [_read_loss(value) for value in table.frame[found["loss"]]]
    state = ["no loss" if loss is None else "" if math.isfinite(loss) else "not a number" for loss in losses]
    cells = [None if rule else value for rule, value in zip(state, table.frame[found["loss"]], strict=True)]
    readable = replace(table, frame=table.frame.assign(**{found["loss"]: pd.Series(cells, table.frame.index, object)}))
    frame = validate(readable, found, CURVE_COLUMNS, nullable=CURVE_COLUMNS).assign(rule=state)
    frame["run"] = frame["run"].fillna("")
    unnamed = [int(row) for row in frame.index[frame["run"] == ""]]
    if unnamed:
        raise RunsError(
            f"{table.source}, column {found['run']!r}: {rows_text(unnamed)} (counted {table.counting}) name no run"
        )
    if "time" in frame:
        frame["time"] = _read_times(frame["time"])
    settle_runs(frame, table, found)
    said = settle_tokens(frame, table, found)
    clock = "tokens" if "tokens" in frame else "step"
    if table.nan_for_blank:
        frame.loc[_find_blanks(frame, table.frame[found["loss"]], clock), "rule"] = "no loss"
    places = [name for name in ("step", "tokens") if name in frame]
    usable = frame["rule"] == ""
    frame.loc[usable & frame[places].isna().all(axis=1), "rule"] = "no place"
    frame.loc[usable & frame[clock].isna(), "rule"] = "no place"
    frame.loc[usable & (frame[places] == 0).any(axis=1), "rule"] = "start"
    said += mark_overtaken(frame, table)
    said += [*two_rates(frame[frame["rule"] != "abandoned"]), *settle_rates(frame)]
    idle = int((frame["rule"] == "no loss").sum())
    if idle:
        said.append(
            Finding("rows-without-loss", "info", f"{idle} of {len(frame)} rows have no loss: they are no checkpoints")
        )
        said += _name_runs_without_loss(frame, table, found["loss"])
    if (frame["rule"] != "").all():
        raise RunsError(f"{table.source}, column {found['loss']!r}: no row has a loss and a place in its run")
    order = {name: place for place, name in enumerate(dict.fromkeys(frame["run"]))}
    frame = frame.assign(_run=frame["run"].map(order)).sort_values(["_run", clock], kind="stable")
    return frame.drop(columns="_run"), said


def _read_loss(value: Any) -> float | None:
    """Return a loss, or None where nothing was logged. Text is checked later."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float | np.floating):
        return float(value)
    text = str(value).strip().lower().lstrip("+-")
    return math.nan if text in ("nan", "inf", "infinity") else 1.0


def _find_blanks(frame: pd.DataFrame, losses: pd.Series, clock: str) -> pd.Series:
    """Say which NaN are blanks. All are in a run with a NaN before its last loss, and in a run without a loss."""
    blank = losses.map(lambda value: isinstance(value, float | np.floating) and math.isnan(value)).astype(bool)
    last = frame[clock].where(frame["rule"] == "").groupby(frame["run"]).transform("max")
    within = blank & (last.isna() | (frame[clock] <= last))
    return blank & within.groupby(frame["run"]).transform("any")


def _name_runs_without_loss(frame: pd.DataFrame, table: Table, column: str) -> list[Finding]:
    """Say which runs have no loss, and which of their other columns may be one."""
    names = [str(name) for name, rules in frame.groupby("run", sort=False)["rule"] if (rules == "no loss").all()]
    if not names:
        return []
    others = [name for name in losses_among(map(str, table.frame.columns)) if name != column]
    logged = table.frame.loc[frame.index[frame["run"].isin(names)], others].notna().any()
    have = [name for name in others if logged[name]]
    said = f"; they have {', '.join(map(repr, have))}" if have else ""
    text = (
        f"no checkpoint is left of {len(names)} of {frame['run'].nunique()} runs, which have no loss in column "
        f"{column!r}: {names_text(names)}{said}"
    )
    return [Finding("run-without-loss", "warning", text, column=column)]


def _read_times(times: pd.Series) -> pd.Series:
    """Return times (seconds or dates) as numbers. Times that cannot be read are NaN."""
    numbers = pd.to_numeric(times, errors="coerce")
    if numbers.notna().any():
        return numbers
    dates = pd.to_datetime(times, errors="coerce", utc=True, format="mixed")
    return (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
