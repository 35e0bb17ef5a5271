"""Which column of the file each variable of the runs was read from, or what it was derived from."""

import json

import xarray as xr


def columns_of(runs: xr.Dataset) -> dict[str, str]:
    """Return the column of the file that each variable was read from."""
    return dict(json.loads(runs.attrs["columns"]))


def derived_of(runs: xr.Dataset) -> dict[str, str]:
    """Return what each variable that was not read was derived from, such as ``6ND``."""
    return dict(json.loads(runs.attrs.get("derived", "{}")))


def name_origin(runs: xr.Dataset, name: str) -> str:
    """Name the column of a variable, or the variable and what it was derived from."""
    column = columns_of(runs).get(name)
    return f"column {column!r}" if column else f"{name} (by {derived_of(runs)[name]})"
