"""Keep what is done, so that a benchmark that was stopped goes on from there: results in files, scores in tables."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

BUILD = Path(__file__).parents[1] / "build"


def keep(path: Path, make: Callable[[], Any], is_current: Callable[[Any], bool] = lambda value: True) -> Any:
    """Return what a file holds; where there is no file, or its content is out of date, make it and write the file.

    Parameters
    ----------
    path : Path
        A name that ends in ``.nc`` for a Dataset or a DataTree, in ``.json`` for rows. It is written whole or not at
        all.
    make : callable
        What takes the time.
    is_current : callable, optional
        Whether a value that was read can still be used.
    """
    if path.exists() and is_current(value := read(path)):
        return value
    value = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    if path.suffix == ".json":
        part.write_text(json.dumps(value))
    else:
        value.to_netcdf(part, engine="h5netcdf")
    part.rename(path)
    return read(path)


def read(path: Path) -> Any:
    """Return what a file holds: rows, a DataTree, or a Dataset where the file has no groups."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load() if tree.children else tree.to_dataset().load()


def known_rows(table: Path, key: Iterable[str]) -> set[tuple[Any, ...]]:
    """Return the keys of the rows that a table of scores holds."""
    return set(pd.read_csv(table)[list(key)].itertuples(index=False, name=None)) if table.exists() else set()


def add_row(table: Path, row: Mapping[str, Any]) -> None:
    """Append a row to a table of scores; the first row of the file names the columns."""
    pd.DataFrame([row]).round(6).to_csv(table, mode="a", header=not table.exists(), index=False)


def drop_methods(table: Path, methods: Iterable[str]) -> None:
    """Drop the rows of these methods from a table of scores; they are then scored again."""
    if table.exists():
        rows = pd.read_csv(table)
        rows[~rows["method"].isin(list(methods))].to_csv(table, index=False)
