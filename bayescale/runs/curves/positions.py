"""The position of each logged row along its run: its step and tokens, and whether a later row replaces it."""

import shlex
from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayescale.errors import RunsError
from bayescale.numbers import human_number
from bayescale.runs.curves.columns import OF_RUN
from bayescale.runs.reading.families import BETWEEN
from bayescale.runs.reading.findings import Finding, rows_text
from bayescale.runs.reading.table import Table

REASONS = {
    "no place": "neither a step nor tokens tell where in the run it stands",
    "start": "before the first step, where the logarithm of the tokens is not defined",
    "not a number": "the loss is no finite number",
    "abandoned": "the run went back to an earlier step afterwards, so what it had done beyond was thrown away",
    "repeated": "the step was written again later; the last one counts",
}
TOGETHER = " + "  # joins the names of columns that name a run together
SEVERAL = 3  # this many repeated steps, if they are more than half of a run, mean two runs and no resumed one


def settle_runs(frame: pd.DataFrame, table: Table, found: Mapping[str, str]) -> None:
    """Copy the properties of a run to all of its rows, in place. Two runs under one name are refused."""
    for name in OF_RUN:
        if name not in frame:
            continue
        values = frame.groupby("run", sort=False)[name]
        several = values.nunique()[lambda count: count > 1]
        if len(several):
            run = several.index[0]
            shown = ", ".join(str(value) for value in frame.loc[frame["run"] == run, name].dropna().unique()[:4])
            columns = _split_columns(found["run"], TOGETHER, table), _split_columns(found[name], BETWEEN, table)
            names = [*columns[0], *columns[1]]
            out = f"columns={{{name!r}: None}}" if len(columns[1]) == 1 else "name fewer in family="
            raise RunsError(
                f"{table.source}: run {run!r} has {several.iloc[0]} values in column {found[name]!r} ({shown}), and so "
                f"have {len(several) - 1} others: more than one run under one name?\n"
                f"  Name them by {'both' if len(names) == 2 else 'all of'}: run={names} (on the command line: --run "
                f"{shlex.join(names)}); or leave the column out: {out}."
            )
        frame[name] = values.transform("first")


def _split_columns(name: str, between: str, table: Table) -> list[str]:
    """Return the columns that were joined into one to name a run or a family."""
    parts = name.split(between)
    return parts if set(parts) <= {str(column) for column in table.frame.columns} else [name]


def settle_tokens(frame: pd.DataFrame, table: Table, found: Mapping[str, str]) -> list[Finding]:
    """Fill in missing tokens and steps from other rows of the run, in place."""
    notes = []
    if "batch" in frame:
        frame["batch"] = frame.groupby("run", sort=False)["batch"].transform(lambda batch: batch.ffill().bfill())
    if "tokens" not in frame and {"step", "batch"} <= set(frame):
        frame["tokens"] = np.nan
        for _, run in frame.groupby("run", sort=False):
            frame.loc[run.index, "tokens"] = _sum_tokens(run)
        varies = frame.groupby("run", sort=False)["batch"].nunique().gt(1).sum()
        how = f"; {varies} runs change it on the way, so it was summed step by step" if varies else ""
        notes.append(Finding("derived", "info", f"no column for tokens: they are taken to be batch x step{how}"))
    elif {"tokens", "step"} <= set(frame):
        for name, other in (("tokens", "step"), ("step", "tokens")):
            lacking = frame[name].isna() & frame[other].notna()
            if not lacking.any():
                continue
            for _, run in frame.groupby("run", sort=False):
                frame.loc[run.index, name] = _interpolate_places(run, name, other)
            filled = int((lacking & frame[name].notna()).sum())
            if filled:
                text = f"{filled} rows without {name}: read between those of the same run that have them"
                notes.append(Finding("place-filled-in", "info", text))
    _refuse_falling(frame, table, found)
    return notes


def _sum_tokens(run: pd.DataFrame) -> pd.Series:
    """Return step times batch. Where the batch changes along the run, the tokens are summed step by step."""
    if run["batch"].min() == run["batch"].max():
        return run["step"] * run["batch"]
    ordered = run.sort_values("step", kind="stable")
    return (ordered["step"].diff().fillna(ordered["step"]) * ordered["batch"]).cumsum()


def _interpolate_places(run: pd.DataFrame, name: str, other: str) -> pd.Series:
    known = run[[name, other]].dropna().drop_duplicates(other).sort_values(other)
    if known.empty or (known[other] <= 0).all():
        return run[name]
    read = np.interp(run[other], known[other], known[name])
    last = known.iloc[-1]
    # After the last known row the ratio of that row holds, and before the first known row the ratio of the first.
    read = np.where(run[other] > last[other], run[other] * last[name] / last[other], read)
    read = np.where(run[other] < known[other].iloc[0], run[other] * known[name].iloc[0] / known[other].iloc[0], read)
    return run[name].fillna(pd.Series(read, index=run.index))


def _refuse_falling(frame: pd.DataFrame, table: Table, found: Mapping[str, str]) -> None:
    """Refuse tokens that are not counted from the beginning of the run."""
    if "tokens" not in found or "step" not in found:
        return
    column = found["tokens"]
    for name, run in frame[["run", "step", "tokens"]].dropna().groupby("run", sort=False):
        ordered = run.drop_duplicates("step", keep="last").sort_values("step")
        if len(ordered) > 2 and ordered["tokens"].min() == ordered["tokens"].max():
            raise RunsError(
                f"{table.source}, column {column!r}: run {name!r} has {human_number(ordered['tokens'].iloc[0])} at "
                f"each of {len(ordered)} steps. Is it the tokens of a step (columns={{'batch': {column!r}}}), or of "
                f"the whole run (columns={{'total_tokens': {column!r}}})?"
            )
        falls = ordered.index[ordered["tokens"].diff() < 0]
        if len(falls):
            raise RunsError(
                f"{table.source}, column {column!r}: in run {name!r} the tokens fall while the steps rise, at "
                f"{rows_text([int(row) for row in falls])} (rows are counted {table.counting}); accepted: all tokens "
                f"since the run began. To do without it: columns={{'tokens': None}} and batch=, in tokens a step."
            )


def mark_overtaken(frame: pd.DataFrame, table: Table) -> list[Finding]:
    """Mark the rows that a later row of the same run replaces, in column ``rule``. Say which rows were out of order.

    Notes
    -----
    A run that went back and a table that was shuffled look alike unless the log has the time of each row.
    """
    clock = "step" if "step" in frame else "tokens"
    moved: dict[str, int] = {}
    differing: list[int] = []
    for name, run in frame[frame["rule"] == ""].groupby("run", sort=False):
        timed = "time" in run and run["time"].notna().all() and run["time"].min() < run["time"].max()
        written = run.sort_values("time", kind="stable") if timed else run
        at = written[clock].to_numpy()
        later = np.append(np.minimum.accumulate(at[::-1])[::-1][1:], np.inf)
        twice = written.duplicated(clock, keep="last").to_numpy()
        if timed:
            frame.loc[written.index[(later < at) & ~twice], "rule"] = "abandoned"
        frame.loc[written.index[twice], "rule"] = "repeated"
        again = _find_differing(written, clock)
        if timed:
            _refuse_two_at_once(str(name), written, clock, table)
        else:
            _refuse_two_runs(str(name), again, written[clock].nunique(), table)
            if out := int((at < np.maximum.accumulate(at)).sum()):
                moved[str(name)] = out
        differing += again
    notes = []
    if moved:
        shown = ", ".join(f"{name!r} ({count})" for name, count in list(moved.items())[:4])
        more = ", ..." if len(moved) > 4 else ""
        text = f"rows that stood out of the order of their {clock} were sorted: {shown}{more}"
        notes.append(Finding("rows-sorted", "info", text))
    if differing:
        text = (
            f"{rows_text(differing)}: at the {clock} of an earlier row of the same run, with another loss; "
            "the later one counts"
        )
        notes.append(Finding("step-repeated", "warning", text, tuple(differing)))
    return notes


def _find_differing(written: pd.DataFrame, clock: str) -> list[int]:
    """Return the rows that repeat a step of the run with another loss."""
    losses = written.groupby(clock)["loss"]
    other = written.duplicated(clock) & (losses.transform("nunique") > 1)
    return [int(row) for row in written.index[other]]


def _refuse_two_runs(name: str, again: list[int], steps: int, table: Table) -> None:
    if len(again) >= SEVERAL and len(again) > steps / 2:
        raise RunsError(
            f"{table.source}: run {name!r} has two losses at more than half of its {steps} steps "
            f"({rows_text(again)}, counted {table.counting}): two runs under one name?\n"
            "  Name them by more columns, such as run=['run', 'seed'] (on the command line: --run run seed)."
        )


def _refuse_two_at_once(name: str, written: pd.DataFrame, clock: str, table: Table) -> None:
    """Refuse a run that goes back again and again. A run that was resumed goes back once and then on."""
    moves = written[clock].diff()
    back = (moves < 0) | ((moves == 0) & (written["loss"].diff() != 0))
    rows = [int(row) for row in written.index[back]]
    if len(rows) >= SEVERAL and len(rows) > len(written) / 4:
        raise RunsError(
            f"{table.source}: run {name!r} is {len(rows)} times at a {clock} that it had reached before, in "
            f"{len(written)} rows in the order of their time ({rows_text(rows)}, counted {table.counting}): two runs "
            "under one name?\n  Name them by more columns, such as run=['run', 'seed'] (on the command line: --run run "
            "seed); or, if the time is not that of writing, leave it out: columns={'time': None}."
        )
