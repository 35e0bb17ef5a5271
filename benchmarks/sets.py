"""The ten open sets of public runs, their split and their score: read from ../shared, where they are."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import xarray as xr

SHARED = Path(__file__).parents[2] / "shared"


class AbsentError(FileNotFoundError):
    """The public runs are not beside this repository; their licences keep them out of it."""


def shared(*parts: str) -> Path:
    """Return a path under ../shared.

    Raises
    ------
    AbsentError
        If there is nothing there.
    """
    path = SHARED.joinpath(*parts)
    if not path.exists():
        raise AbsentError(
            f"the public runs are not here: ../shared/{'/'.join(parts)} is absent. Their licences keep them out of "
            "the repository: put the folder `shared` beside it to have what needs them run."
        )
    return path


def reader() -> ModuleType:
    """Return the script that says what the open sets are, how they are split and how a band of them is scored."""
    spec = importlib.util.spec_from_file_location("open_sets", shared("tools", "open_sets.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def open_sets() -> dict[str, pd.DataFrame]:
    """Return the open sets by name: a row for each run, columns N, D, C and loss."""
    return {name: runs[["N", "D", "C", "loss"]] for name, runs in reader().sets(shared("data"))}


def read_set(frame: pd.DataFrame) -> xr.Dataset:
    """Return the rows of an open set, or of several as families, as a run log; every row is kept."""
    import bayescale as bs  # slow to import, and the tests of `runs` do without

    named = frame.rename(columns={"N": "params", "D": "tokens", "C": "compute"})
    return bs.read_runs(named.dropna(), suspicious="keep")
