"""Read run logs into one validated Dataset over the dimension ``run``."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.costs import CostModel, cost_model
from bayescale.errors import RunsError
from bayescale.runs.checks.check import check_runs
from bayescale.runs.checks.rounding import LOSS_STEP, rounding_findings, rounding_step
from bayescale.runs.reading.aliases import match_columns, unused_columns
from bayescale.runs.reading.columns import COLUMNS, LABELS, QUANTITIES, RESPONSES, SIZES
from bayescale.runs.reading.derive import derive
from bayescale.runs.reading.families import groups_told, with_groups, with_labels
from bayescale.runs.reading.findings import Finding, Suspicious, pack_findings, refuse_errors, rows_text
from bayescale.runs.reading.missing import has_inputs, missing_sizes, require_quantities, unclear_batch
from bayescale.runs.reading.schema import validate
from bayescale.runs.reading.table import Table, load_table
from bayescale.runs.reading.units import (
    LogCard,
    Units,
    convert_to_nats,
    describe_source,
    read_card,
    refuse_impossible_loss,
    settle_units,
)

VARIABLES = {name: about for name, about in COLUMNS.items() if name not in LABELS}


def read_runs(
    source: str | Path | pd.DataFrame | xr.Dataset,
    *,
    columns: Mapping[str, str | None] | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    cost: str | CostModel = "6ND",
    suspicious: Suspicious = "error",
    family: str | Sequence[str] | None = None,
    labels: str | Sequence[str] | None = None,
) -> xr.Dataset:
    """Read a run log, check every value, and say what is odd about it.

    Parameters
    ----------
    source : path, DataFrame or Dataset
        A .csv, .tsv, .parquet, .jsonl or .ndjson file, or a DataFrame; a Dataset that this function made is
        handed back as it is. Needed are a response (``loss``, ``accuracy`` or ``error``, the last two as shares) and
        something that it may depend on: two of N, D and C as a rule, or any other of the Notes.
    columns : mapping of str to str, optional
        Quantity to column, such as ``{"params": "my size"}``, where the names do not say it; None leaves one out.
    loss_unit : {"nats/token", "bits/token", "nats/byte", "bits/byte"}, optional
        Default: what ``card.toml`` beside the file says, or nats/token. Bits are converted to nats.
    params_convention : {"total", "non-embedding", "unknown"}, optional
        Whether N counts the embeddings. Default: what the file or its card says, or unknown.
    cost : str or CostModel
        What gives the third of N, D and C.
    suspicious : {"error", "keep"}
        Whether a value that looks like a typo is refused, or kept with a warning.
    family : str or list of str, optional
        The column that groups the runs, or several: then each combination of theirs is a family (``c4 / cosine``), and
        a card may pool over any of them (``partial(corpus) + effect(schedule) + slope(log lr)``).
    labels : str or list of str, optional
        Further columns that label the runs and make no families of them, such as the cluster they were trained on: a
        card's ``[errors]`` may name what runs share (``cluster = { dist = "HalfNormal", sigma = 0.01 }``).

    Returns
    -------
    xarray.Dataset
        What the file has, over ``run``, with units and conventions in ``attrs``; the third of N, D and C follows from
        the other two, and the third of tokens, batch and step.

    Raises
    ------
    RunsError
        Something in the file cannot be used; the message names the file, row, column, value and what is accepted.

    Notes
    -----
    A law may take ``params`` (N), ``tokens`` (D), ``compute`` (C), ``step``, ``batch`` (in tokens a step, not in
    sequences), ``unique_tokens``, ``words``, ``examples``, ``width``, ``depth``, ``lr_area``, ``annealing``,
    ``experts``, ``granularity``, ``sparsity`` (a share), ``bits_weights``, ``bits_activations``, ``bits_kv`` and
    ``bits_post``; and, for an accuracy or error, ``loss``. ``questions`` says on how many questions an accuracy or
    error was measured, ``loss_se`` how well a loss is known; ``family`` groups the runs, ``run`` and ``seed`` tell
    them apart.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs import read_runs
    >>> log = pd.DataFrame({"N": ["70M", "160M"], "D": ["1.4B", "3.2B"], "val_loss": [3.6, 3.2]})
    >>> float(read_runs(log)["compute"][0])
    5.88e+17
    """
    if suspicious not in ("error", "keep"):
        raise RunsError(f"suspicious: got {suspicious!r}; accepted: 'error', 'keep'")
    if isinstance(source, xr.Dataset):
        return _accept_dataset(source)
    if not isinstance(source, str | Path | pd.DataFrame):
        raise RunsError(f"runs: got {source!r}; accepted: a path, a DataFrame, or what read_runs or read_curves gave.")
    table = load_table(source)
    card = LogCard() if isinstance(source, pd.DataFrame) else read_card(Path(source))
    table, asked, groups = with_groups(table, dict(columns or {}), family)
    names = [str(name) for name in table.frame.columns]
    found = match_columns(names, asked, table.source)
    found, notes = _drop_empty(table, found)
    require_quantities(found, names, table.source)
    groups = with_labels(table, groups, labels, found)
    units = settle_units(table, found, card, loss_unit, params_convention)
    frame = validate(table, found)
    step, raw = (rounding_step(frame["loss"].to_numpy()), frame["loss"].iloc[0]) if "loss" in frame else (0.0, 1.0)
    units = convert_to_nats(frame, units)
    if units.loss:
        refuse_impossible_loss(frame, units.loss, table, found["loss"])
    model = cost_model(cost)
    frame, derived, more = derive(frame, model)
    coords = {name: ("run", of[frame.index].to_numpy(dtype=str)) for name, of in groups.items() if name != "family"}
    runs = _make_dataset(frame, units).assign_coords(coords)
    runs.attrs = {"cost": model.name, "columns": json.dumps(found), "derived": json.dumps(derived)}
    runs.attrs |= describe_source(table, card, units)
    notes += [*units.findings, *more, *unclear_batch(table, found, asked)]
    told = {*found.values(), *groups_told(family, labels), *(note.column for note in notes)}
    if table.blank:
        notes.append(Finding("rows-blank", "info", f"left out as blank: {rows_text(table.blank)}", table.blank))
    notes += unused_columns(table, told)
    unit_step = step * float(frame["loss"].iloc[0] / raw) if step else 0.0
    if rounded := rounding_findings(runs, step, unit_step):
        runs.attrs[LOSS_STEP] = unit_step
        notes += rounded
    checked = [*check_runs(runs, model, suspicious), *missing_sizes(table, found, frame.columns, asked), *notes]
    refuse_errors(checked, table)
    runs.attrs["findings"] = pack_findings(checked)
    runs.attrs["sha256"] = content_hash(runs)
    return runs


def content_hash(runs: xr.Dataset) -> str:
    """Return a hash of the values of the runs. It does not depend on their order, names and file.

    Parameters
    ----------
    runs : xarray.Dataset
        As ``read_runs`` gives it, or a selection from it.

    Returns
    -------
    str
        SHA-256, in hexadecimal.

    Examples
    --------
    >>> from bayescale.runs import content_hash, load_shipped
    >>> runs = load_shipped("tinylm")
    >>> content_hash(runs) == content_hash(runs.isel(run=slice(None, None, -1)))
    True
    """
    names = [name for name in ("family", *VARIABLES) if name in runs.variables]
    parts = [[value if name == "family" else repr(float(value)) for value in runs[name].to_numpy()] for name in names]
    lines = sorted("\t".join(map(str, line)) for line in zip(*parts, strict=True))
    return hashlib.sha256("\n".join(["\t".join(names), *lines]).encode()).hexdigest()


def as_runs(runs: Any) -> xr.Dataset:
    """Return runs as they are; a path or a DataFrame is read by `read_runs` with its defaults.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.runs.read import as_runs
    >>> as_runs(bs.load_shipped("tinylm")).sizes["run"]
    92
    """
    return runs if isinstance(runs, xr.Dataset) else read_runs(runs)


def _accept_dataset(runs: xr.Dataset) -> xr.Dataset:
    lacking, names = [], {str(name) for name in runs}
    if not set(RESPONSES) & names:
        lacking.append(f"has no {', '.join(RESPONSES[:-1])} or {RESPONSES[-1]}")
    if not has_inputs(names):
        lacking.append("has nothing that a law could take, such as params and tokens")
    if "run" not in runs.dims or "findings" not in runs.attrs:
        lacking = lacking or ["was not made by read_runs"]
    if lacking:
        raise RunsError(f"this Dataset {' and '.join(lacking)}: pass its table instead, read_runs(ds.to_dataframe())")
    return runs


def _drop_empty(table: Table, found: dict[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """Leave out columns without a single value, unless the runs cannot be read without them."""
    empty = {name for name, column in found.items() if table.frame[column].isna().all()}
    if len((set(SIZES) & found.keys()) - empty) < 2:
        empty -= set(SIZES)
    if not (set(RESPONSES) & found.keys()) - empty:
        empty -= set(RESPONSES)
    if not has_inputs(found.keys() - empty):
        empty -= {*QUANTITIES, "loss"}
    notes = [
        Finding("column-empty", "info", f"not used: column {found[name]!r} is empty", column=found[name])
        for name in sorted(empty)
    ]
    kept = {name: column for name, column in found.items() if name not in empty}
    if "loss_se" in kept and "loss" not in kept:
        column = kept.pop("loss_se")
        notes.append(
            Finding("loss-error-unused", "info", f"not used: column {column!r}, as there is no loss", column=column)
        )
    return kept, notes


def _make_dataset(frame: pd.DataFrame, units: Units) -> xr.Dataset:
    values: dict[str, Any] = {name: frame[name].to_numpy() for name in VARIABLES if name in frame}
    for name in ("seed", "questions"):
        if name in values and not np.isnan(values[name]).any():
            values[name] = values[name].astype(np.int64)
    rows = frame.index.to_numpy(dtype=np.int64)
    labels = [str(name) for name in frame["run"]] if "run" in frame else [f"row {row}" for row in rows]
    runs = xr.Dataset(
        {
            name: ("run", value, {"units": VARIABLES[name].unit, "long_name": VARIABLES[name].meaning})
            for name, value in values.items()
        },
        coords={"run": np.array(labels, dtype=str), "row": ("run", rows, {"long_name": "row of the file"})},
    )
    for name in ("loss", "loss_se"):
        if name in runs:
            runs[name].attrs["units"] = units.loss
    if "family" in frame:
        runs = runs.assign_coords(family=("run", np.array([str(name) for name in frame["family"]], dtype=str)))
    return runs
