"""Read run logs into one validated Dataset over the dimension ``run``."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.costs import CostModel, cost_model
from bayescale.errors import RunsError
from bayescale.runs.aliases import match_columns, require_quantities, squash
from bayescale.runs.check import Finding, Suspicious, check_runs, pack_findings, rows_text
from bayescale.runs.schema import validate
from bayescale.runs.table import Table, load_table
from bayescale.runs.units import Card, Units, read_card, refuse_impossible_loss, settle_units

ABOUT = {
    "params": ("1", "parameters N"),
    "tokens": ("token", "training tokens D"),
    "compute": ("FLOP", "training compute C"),
    "loss": ("", "loss"),
    "loss_se": ("", "standard error of the loss"),
    "seed": ("1", "random seed"),
    "step": ("1", "training step"),
}
DECLARING = ("loss_unit", "params_convention", "convention")


def read_runs(
    source: str | Path | pd.DataFrame | xr.Dataset,
    *,
    columns: Mapping[str, str | None] | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    cost: str | CostModel = "6ND",
    suspicious: Suspicious = "error",
    family: str | None = None,
) -> xr.Dataset:
    """Read a run log, check every value, and say what is odd about it.

    Parameters
    ----------
    source : path, DataFrame or Dataset
        A .csv, .tsv, .parquet, .jsonl or .ndjson file, or a DataFrame; a Dataset that this function made is
        handed back as it is. Two of N, D and C, and the loss, are needed.
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
    family : str, optional
        The column that groups the runs; short for ``columns={"family": ...}``.

    Returns
    -------
    xarray.Dataset
        ``params``, ``tokens``, ``compute``, ``loss`` (and ``loss_se``, ``seed``, ``step`` where given) over ``run``,
        with units and conventions in ``attrs``.

    Raises
    ------
    RunsError
        Something in the file cannot be used; the message names the file, row, column, value and what is accepted.

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
        return _already_read(source)
    table = load_table(source)
    card = Card() if isinstance(source, pd.DataFrame) else read_card(Path(source))
    asked = dict(columns or {})
    if family is not None and asked.setdefault("family", family) != family:
        raise RunsError(f"family={family!r} and columns={{'family': {asked['family']!r}}} differ: pass one of them")
    names = [str(name) for name in table.frame.columns]
    found = match_columns(names, asked, table.source)
    found, notes = _without_empty(table, found)
    require_quantities(found, names, table.source)
    units = settle_units(table, found, card, loss_unit, params_convention)
    frame = validate(table, found)
    loss_now, more = _in_nats(frame, units)
    refuse_impossible_loss(frame, loss_now, table, found["loss"])
    model = cost_model(cost)
    runs = _dataset(frame, model)
    title = card.title or (table.source if table.source == "DataFrame" else Path(table.source).stem)
    runs.attrs |= {
        "title": title,
        "source": table.source,
        "loss_unit": loss_now,
        "params_convention": units.params,
        "cost": model.name,
        "columns": json.dumps(found),
        "rows_counted": table.counting,
    }
    if card.licence:
        runs.attrs["licence"] = card.licence
    if card.truth:
        # The known irreducible loss of each family, where the language was made and its entropy rate is exact.
        runs.attrs["truth"] = json.dumps(dict(card.truth))
    for name in ("loss", "loss_se"):
        if name in runs:
            runs[name].attrs["units"] = loss_now
    notes += [*units.findings, *more, *_left_out(table, names, found)]
    checked = [*check_runs(runs, model, suspicious), *notes]
    _refuse_errors(checked, table)
    runs.attrs["findings"] = pack_findings(checked)
    runs.attrs["sha256"] = content_hash(runs)
    return runs


def content_hash(runs: xr.Dataset) -> str:
    """Return a hash of what the runs say, whatever their order, names and file.

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
    names = [name for name in ("family", *ABOUT) if name in runs.variables]
    parts = [[value if name == "family" else repr(float(value)) for value in runs[name].to_numpy()] for name in names]
    lines = sorted("\t".join(map(str, line)) for line in zip(*parts, strict=True))
    return hashlib.sha256("\n".join(["\t".join(names), *lines]).encode()).hexdigest()


def _already_read(runs: xr.Dataset) -> xr.Dataset:
    lacking = [name for name in ("params", "tokens", "compute", "loss") if name not in runs.data_vars]
    if lacking or "run" not in runs.dims or "findings" not in runs.attrs:
        what = f"has no {', '.join(lacking)}" if lacking else "was not made by read_runs"
        raise RunsError(f"this Dataset {what}: pass its table instead, read_runs(ds.to_dataframe())")
    return runs


def _without_empty(table: Table, found: dict[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """Leave out a column without a single value, where the runs can be read without it."""
    empty = {name for name, column in found.items() if name != "loss" and table.frame[column].isna().all()}
    scales = {"params", "tokens", "compute"}
    if len((scales & found.keys()) - empty) < 2:
        empty -= scales
    notes = [
        Finding("info", f"not used: column {found[name]!r} is empty", column=found[name]) for name in sorted(empty)
    ]
    return {name: column for name, column in found.items() if name not in empty}, notes


def _in_nats(frame: pd.DataFrame, units: Units) -> tuple[str, list[Finding]]:
    kind, per = units.loss.split("/")
    if kind == "nats":
        return units.loss, []
    for name in ("loss", "loss_se"):
        if name in frame:
            frame[name] *= math.log(2)
    return f"nats/{per}", [Finding("info", f"the loss was converted from {units.loss} to nats/{per} (times ln 2)")]


def _dataset(frame: pd.DataFrame, cost: CostModel) -> xr.Dataset:
    values: dict[str, Any] = {name: frame[name].to_numpy() for name in ABOUT if name in frame}
    if "tokens" not in values:
        values["tokens"] = cost.tokens(values["params"], values["compute"])
    elif "params" not in values:
        values["params"] = cost.params(values["tokens"], values["compute"])
    elif "compute" not in values:
        values["compute"] = cost.compute(values["params"], values["tokens"])
    if "seed" in values and not np.isnan(values["seed"]).any():
        values["seed"] = values["seed"].astype(np.int64)
    rows = frame.index.to_numpy(dtype=np.int64)
    labels = [str(name) for name in frame["run"]] if "run" in frame else [f"row {row}" for row in rows]
    runs = xr.Dataset(
        {
            name: ("run", values[name], {"units": unit, "long_name": long})
            for name, (unit, long) in ABOUT.items()
            if name in values
        },
        coords={"run": np.array(labels, dtype=str), "row": ("run", rows, {"long_name": "row of the file"})},
    )
    if "family" in frame:
        runs = runs.assign_coords(family=("run", np.array([str(name) for name in frame["family"]], dtype=str)))
    return runs


def _left_out(table: Table, names: list[str], found: Mapping[str, str]) -> list[Finding]:
    declaring = {squash(name) for name in DECLARING}
    unused = [name for name in names if name not in found.values() and squash(name) not in declaring]
    notes = []
    if unused:
        shown = ", ".join(unused[:12]) + (f", and {len(unused) - 12} more" if len(unused) > 12 else "")
        notes.append(Finding("info", f"not used: {shown}"))
    if table.blank:
        notes.append(Finding("info", f"left out as blank: {rows_text(table.blank)}", table.blank))
    return notes


def _refuse_errors(checked: list[Finding], table: Table) -> None:
    errors = [finding.message for finding in checked if finding.level == "error"]
    if not errors:
        return
    more = [f"and {len(errors) - 8} more"] if len(errors) > 8 else []
    listed = "\n".join(f"  - {text}" for text in errors[:8] + more)
    raise RunsError(f"{table.source} cannot be used as it stands (rows are counted {table.counting}):\n{listed}")
