"""Read training curves: every checkpoint of every run, from a table or from what an experiment tracker wrote."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.costs import CostModel, cost_model
from bayescale.errors import RunsError
from bayescale.numbers import parse_number
from bayescale.runs.checks.check import batch_disagrees, compute_disagrees
from bayescale.runs.checks.magnitudes import magnitude_findings
from bayescale.runs.curves.columns import CURVE_COLUMNS, HELD_OUT, TRAINING, match_curve_columns
from bayescale.runs.curves.filters import Filters, filter_curves, leave_out
from bayescale.runs.curves.final import curves_hash, final_runs
from bayescale.runs.curves.ordering import ordered_rows
from bayescale.runs.curves.positions import REASONS, TOGETHER
from bayescale.runs.curves.rates import RATES, with_peaks, without_rates
from bayescale.runs.curves.run_table import with_runs
from bayescale.runs.curves.schedule import with_areas
from bayescale.runs.curves.segments import run_segments
from bayescale.runs.reading.aliases import unused_columns
from bayescale.runs.reading.columns import CHECKPOINT
from bayescale.runs.reading.derive import derive
from bayescale.runs.reading.families import groups_told, require_columns, with_groups, with_labels
from bayescale.runs.reading.findings import Finding, Suspicious, findings, names_text, pack_findings, refuse_errors
from bayescale.runs.reading.missing import unclear_batch
from bayescale.runs.reading.table import Table, load_table
from bayescale.runs.reading.units import (
    LogCard,
    convert_to_nats,
    describe_source,
    read_card,
    refuse_impossible_loss,
    settle_units,
)
from bayescale.runs.trackers import load_log, trackers_in

ALL = Filters()
LABELS = ("run", "family", "schedule")


def read_curves(
    source: str | Path | pd.DataFrame,
    *,
    columns: Mapping[str, str | None] | None = None,
    run: str | Sequence[str] | None = None,
    runs: str | Path | pd.DataFrame | None = None,
    batch: float | None = None,
    family: str | Sequence[str] | None = None,
    labels: str | Sequence[str] | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    cost: str | CostModel = "6ND",
    suspicious: Suspicious = "error",
    filters: Filters | Mapping[str, Any] | None = ALL,
    tracker: str | None = None,
) -> xr.Dataset:
    """Read training curves, sort every run, and leave out the checkpoints that say nothing about a scaling law.

    Parameters
    ----------
    source : path, URI or DataFrame
        A table with a row for each checkpoint (run, step or tokens, loss); a Hugging Face ``trainer_state.json``; a
        TensorBoard event file; a Weights & Biases CSV export or ``.wandb`` file; an MLflow database or tracking URI; or
        a folder of one of these.
    columns : mapping of str to str, optional
        Quantity to column or metric where the names do not say it, such as ``{"loss": "eval/c4"}``; None leaves it out.
    run : str or sequence of str, optional
        The column that names the run, or several that do so together.
    runs : path or DataFrame, optional
        A table with a row for each run of what the curves lack, such as params, family, batch or seed.
    batch : float, optional
        Tokens a step, where the log has steps only.
    family, labels : str or list of str, optional
        The column that groups the runs, or several, and those that only label them, as for `read_runs`.
    loss_unit, params_convention, cost
        As for `read_runs`.
    suspicious : {"error", "keep"}
        Whether params, tokens and compute that no training has are refused, or kept with a warning.
    filters : Filters, mapping or None
        Which checkpoints to leave out, as for `filter_curves`; None keeps all that can be used.
    tracker : {"trainer_state", "wandb", "mlflow", "tensorboard"}, optional
        Whose files to read, where a folder holds several kinds.

    Returns
    -------
    xarray.Dataset
        Over ``checkpoint``: ``tokens``, ``loss`` and what else there is (``step``, ``params``, ``batch``, ``compute``,
        ``lr``, ...), with the coords ``run``, ``family`` and ``row``. Runs stand one after the other, each from its
        first tokens to its last; `run_segments` says where. What was left out stands along ``left_out``; ``attrs`` hold
        the units, the rules with their counts, and the findings.

    Raises
    ------
    RunsError
        Something cannot be used; the message names the file, row or run, and what is accepted.

    Notes
    -----
    Of several losses the held-out one is read. Tokens are those since the run began; where only steps were logged they
    are batch times step; where step and learning rate were, ``lr_area`` and ``annealing`` follow. A checkpoint without
    a learning rate has that of another row at its step, or one between those of the rows before and after. A step that
    was written twice counts as it was written last, and what a run did beyond a checkpoint that it was resumed from is
    left out, where the log tells the time.

    A blank loss is none, and ``nan`` is that of a run that went wrong. A frame has NaN for both, as has a Parquet file:
    there it is taken for a blank in a run that has one before its last loss, or no loss at all.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs import read_curves
    >>> log = pd.DataFrame({"run": "a", "step": [30, 10, 20], "loss": [3.2, 4.0, 3.5], "N": "70M"})
    >>> read_curves(log, batch="0.5M")["tokens"].values.tolist()
    [5000000.0, 10000000.0, 15000000.0]
    """
    log = load_log(source, tracker)
    table, asked, groups = with_groups(log.table, dict(columns or {}), family)
    table, asked = _join_run_columns(table, asked, run)
    table, asked = _add_batch(table, asked, batch)
    found = match_curve_columns([str(name) for name in table.frame.columns], asked, table.source)
    table, found, joined = with_runs(*_add_single_run(table, found), runs)
    found, notes = _drop_empty_columns(table, found)
    _require_curve_columns(table, found)
    card = LogCard() if isinstance(source, pd.DataFrame) or "://" in str(source) else read_card(Path(source))
    units = settle_units(table, found, card, loss_unit, params_convention)
    frame, said = ordered_rows(table, found)
    units = convert_to_nats(frame, units)
    usable = frame[frame["rule"] == ""]
    if units.loss:
        refuse_impossible_loss(usable, units.loss, table, found["loss"])
    model = cost_model(cost)
    frame, lacking = _drop_incomplete(frame, table)
    frame, of_peaks = with_peaks(frame)
    frame, derived, more = derive(frame, model)
    if "tokens" in frame and "tokens" not in found:
        derived["tokens"] = "batch x step"
    usable, of_schedule = with_areas(frame[frame["rule"] == ""])
    frame, derived = frame.join(usable[list(of_schedule)]), derived | of_peaks | of_schedule
    groups = with_labels(table, groups, labels, found)
    curves = _make_curves_dataset(frame[frame["rule"].isin(["", *REASONS])], units.loss, groups)
    curves.attrs = {"cost": model.name, "columns": json.dumps(found), "derived": json.dumps(derived), "filters": "[]"}
    curves.attrs |= describe_source(table, card, units) | {"curves": "training"}
    notes = [*log.findings, *joined, *notes, *_warn_of_training_loss(found, asked), *units.findings]
    notes += [*said, *lacking, *more]
    told = {*found.values(), *groups_told(family, labels), *(note.column for note in notes)}
    notes += [*unclear_batch(table, found, asked), *unused_columns(table, told)]
    curves.attrs["findings"] = pack_findings(notes)
    rules = curves["rule"].values.astype(object)
    curves = leave_out(curves.drop_vars("rule"), rules, {name: why for name, why in REASONS.items() if name in rules})
    ends = final_runs(curves)
    impossible = magnitude_findings(ends, suspicious, in_progress=True)
    refuse_errors(impossible, table)
    odd = [*impossible, *_note_loss_errors(curves), *_warn_of_sparse(curves), *compute_disagrees(ends, model, "keep")]
    odd += batch_disagrees(ends) if "tokens" in found else []
    curves.attrs["findings"] = pack_findings([*findings(curves), *odd])
    curves = curves if filters is None else filter_curves(curves, filters)
    curves.attrs["findings"] = pack_findings([*findings(curves), *without_rates(curves)])
    return curves.assign_attrs(sha256=curves_hash(curves))


def are_curves(path: str | Path, columns: Mapping[str, str | None] | None = None) -> bool:
    """Say whether a file or folder holds training curves: a tracker's log, or a table that names a run more than once.

    Examples
    --------
    >>> from bayescale.runs.read_checkpoints import are_curves
    >>> from bayescale.shipped_files import shipped_path
    >>> [are_curves(shipped_path("data") / "tinylm" / name) for name in ("curves.csv", "runs.csv")]
    [True, False]
    """
    path = Path(path)
    if path.is_dir() or (path.exists() and trackers_in(path)):
        return True
    try:
        table = load_table(path)
        found = match_curve_columns([str(name) for name in table.frame.columns], columns or {}, table.source)
    except RunsError:
        return False  # the reader of run logs says what is wrong with it
    if not {"run", "loss"} <= found.keys() or not {"step", "tokens"} & found.keys():
        return False
    return bool(table.frame[found["run"]].dropna().duplicated().any())


# Which column is what -------------------------------------------------------------------------------------------------


def _join_run_columns(
    table: Table, asked: dict[str, Any], run: str | Sequence[str] | None
) -> tuple[Table, dict[str, Any]]:
    """Join the columns that name a run together."""
    if run is None:
        return table, asked
    parts = require_columns(table, run, "run")
    if len(parts) == 1:
        return table, {**asked, "run": parts[0]}
    name = TOGETHER.join(parts)
    frame = table.frame.assign(**{name: table.frame[parts].astype(str).agg(", ".join, axis=1)})
    return replace(table, frame=frame), {**asked, "run": name}


def _add_batch(table: Table, asked: dict[str, Any], batch: float | None) -> tuple[Table, dict[str, Any]]:
    if batch is None:
        return table, asked
    try:
        value = parse_number(batch)
    except ValueError as error:
        raise RunsError(f"batch: {error}") from error
    if not (math.isfinite(value) and value > 0):
        raise RunsError(f"batch: got {batch!r}; accepted: a number of tokens a step above 0, such as 500k")
    return replace(table, frame=table.frame.assign(**{"batch=": value})), {**asked, "batch": "batch="}


def _add_single_run(table: Table, found: dict[str, str]) -> tuple[Table, dict[str, str]]:
    """Read a table without a column for the run as a single run, if no step comes twice."""
    if "run" in found:
        return table, found
    place = next((found[name] for name in ("step", "tokens") if name in found), None)
    rows = table.frame if "loss" not in found else table.frame[table.frame[found["loss"]].notna()]
    if place is None or rows[place].dropna().duplicated().any():
        raise RunsError(
            f"{table.source}: learning curves need a column that says which run a row belongs to; pass run='...', or "
            "several that name it together, run=['model', 'seed']."
            f"\n  Its columns: {', '.join(map(str, table.frame.columns))}"
        )
    name = Path(table.source).stem
    return replace(table, frame=table.frame.assign(**{"run=": name})), {**found, "run": "run="}


def _drop_empty_columns(table: Table, found: dict[str, str]) -> tuple[dict[str, str], list[Finding]]:
    empty = {name: column for name, column in found.items() if table.frame[column].isna().all()}
    notes = [
        Finding("column-empty", "info", f"not used: column {column!r} is empty", column=column)
        for column in empty.values()
    ]
    return {name: column for name, column in found.items() if name not in empty}, notes


def _require_curve_columns(table: Table, found: Mapping[str, str]) -> None:
    names = ", ".join(map(str, table.frame.columns))
    if "loss" not in found:
        raise RunsError(
            f"{table.source}: no column or metric is known as the loss; pass columns={{'loss': ...}} (on the command "
            f"line: --columns loss=...).\n  Known by name: loss, {', '.join(HELD_OUT[:6])}, {TRAINING[0]}, ...\n  "
            f"Its columns: {names}"
        )
    if not {"step", "tokens"} & found.keys():
        raise RunsError(
            f"{table.source}: no column says where in the run a row stands; pass columns={{'step': ...}} or "
            f"columns={{'tokens': ...}}.\n  Its columns: {names}"
        )


def _warn_of_training_loss(found: Mapping[str, str], asked: Mapping[str, str | None]) -> list[Finding]:
    column = found["loss"]
    plain = column.lower().replace("/", "_")
    if "loss" in asked or plain not in {name.replace("/", "_") for name in TRAINING}:
        return []
    text = f"column {column!r} is the loss on the text that was being trained on: a held-out one was not found"
    return [Finding("training-loss", "warning", text, column=column)]


# From the file's cells to checkpoints in order ------------------------------------------------------------------------


def _drop_incomplete(frame: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[Finding]]:
    """Drop quantities that only some runs have. A missing size or family is an error, as no law sees such a run."""
    notes = []
    kept = frame[frame["rule"].isin(["", *REASONS])]
    usable = frame[frame["rule"] == ""]
    if {"total_steps", "tokens", "step"} <= set(frame):
        planned = frame["run"].map(_plan_tokens(usable))
        frame["total_tokens"] = frame["total_tokens"].fillna(planned) if "total_tokens" in frame else planned
    for name in frame.columns:
        if name in ("run", "rule", "loss", *RATES, "seed", "time", "total_tokens", "total_steps"):
            continue
        lacking = list(dict.fromkeys(usable["run"][usable[name].isna()]))
        if not lacking:
            continue
        shown = names_text(lacking)
        if name in ("params", "family"):
            raise RunsError(f"{table.source}: no {name} for {len(lacking)} of {kept['run'].nunique()} runs: {shown}")
        frame = frame.drop(columns=name)
        text = f"not used: {name}, which {len(lacking)} runs lack at some checkpoint: {shown}"
        notes.append(Finding("quantity-incomplete", "warning", text))
    return frame, notes


def _plan_tokens(usable: pd.DataFrame) -> pd.Series:
    """Return the planned tokens of each run: those so far, and the steps left times the last batch size."""
    ends = usable.groupby("run").tail(1).set_index("run")
    a_step = ends["tokens"] / ends["step"]
    a_step = ends["batch"].fillna(a_step) if "batch" in ends else a_step
    return ends["tokens"] + (ends["total_steps"] - ends["step"]) * a_step


def _make_curves_dataset(frame: pd.DataFrame, loss_unit: str | None, groups: Mapping[str, pd.Series]) -> xr.Dataset:
    values: dict[str, Any] = {
        name: (CHECKPOINT, frame[name].to_numpy(dtype=float), {"units": about.unit, "long_name": about.meaning})
        for name, about in CURVE_COLUMNS.items()
        if name in frame and about.role != "label"
    }
    coords: dict[str, Any] = {
        name: (CHECKPOINT, frame[name].to_numpy(dtype=str), {"long_name": CURVE_COLUMNS[name].meaning})
        for name in LABELS
        if name in frame
    }
    coords |= {
        name: (CHECKPOINT, of[frame.index].to_numpy(dtype=str)) for name, of in groups.items() if name not in LABELS
    }
    coords["row"] = (CHECKPOINT, frame.index.to_numpy(dtype=np.int64), {"long_name": "row of the file"})
    curves = xr.Dataset(values | {"rule": (CHECKPOINT, frame["rule"].to_numpy(dtype=str))}, coords=coords)
    for name in ("loss", "loss_se"):
        if name in curves:
            curves[name].attrs["units"] = loss_unit
    return curves


def _note_loss_errors(curves: xr.Dataset) -> list[Finding]:
    """Say that models of learning curves do not use the standard errors of checkpoints."""
    if "loss_se" not in curves:
        return []
    said = (
        "loss_se is used to tell spikes and by models of finished runs; models of learning curves (+curve) leave it "
        "out: a run's checkpoints are measured on the same text, and its offset stands for what they share"
    )
    return [Finding("loss-error-unused", "info", said)]


def _warn_of_sparse(curves: xr.Dataset) -> list[Finding]:
    """Say which runs have one checkpoint, and which families one run."""
    segments = run_segments(curves)
    notes = []
    single = segments.names[segments.counts == 1].tolist()
    if single:
        said = f"{len(single)} of {segments.names.size} runs have one checkpoint: {names_text(single)}"
        finished = "; is this a log of finished runs? read_runs reads it" * (len(single) == segments.names.size > 1)
        notes.append(Finding("one-checkpoint", "warning", said + finished))
    if "family" in curves.coords:
        of = curves["family"].values[segments.last]
        families, counts = np.unique(of, return_counts=True)
        if families.size > 1:
            text = "family {!r} has one run: its own level cannot be told from that run's"
            notes += [Finding("one-run-family", "warning", text.format(str(name))) for name in families[counts == 1]]
    return notes
