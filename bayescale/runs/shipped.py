"""The run logs that come with the package."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from bayescale.errors import RunsError, did_you_mean
from bayescale.runs.read import read_runs
from bayescale.runs.read_checkpoints import read_curves
from bayescale.runs.reading.units import read_card
from bayescale.shipped_files import shipped_path


@dataclass(frozen=True)
class ShippedLog:
    """One run log that comes with the package."""

    name: str
    title: str
    licence: str
    path: Path


def shipped_logs() -> list[ShippedLog]:
    """List the run logs that come with the package.

    Returns
    -------
    list of ShippedLog
        Name, title, licence and path of each, by name.

    Examples
    --------
    >>> from bayescale.runs import shipped_logs
    >>> "published" in [log.name for log in shipped_logs()]
    True
    """
    logs = []
    for path in sorted(shipped_path("data").glob("*/runs.csv")):
        card = read_card(path)
        logs.append(ShippedLog(path.parent.name, card.title or path.parent.name, card.licence or "not stated", path))
    return logs


def load_shipped(name: str) -> xr.Dataset:
    """Read one of the run logs that come with the package.

    Parameters
    ----------
    name : str
        One of ``shipped_logs()``, such as "published".

    Returns
    -------
    xarray.Dataset
        As ``read_runs`` gives it.

    Raises
    ------
    RunsError
        If no run log of that name is shipped.

    Examples
    --------
    >>> from bayescale.runs import load_shipped
    >>> load_shipped("published").attrs["loss_unit"]
    'nats/token'
    """
    return read_runs(_find_shipped(name, {log.name: log.path for log in shipped_logs()}, "run log"))


def load_shipped_curves(name: str, **options: Any) -> xr.Dataset:
    """Read the training curves of one of the run logs that come with the package.

    Parameters
    ----------
    name : str
        "tinylm".
    **options
        As for `read_curves`, such as ``filters=None``.

    Returns
    -------
    xarray.Dataset
        As `read_curves` gives it, with seed, width and depth of each run from its run log.

    Raises
    ------
    RunsError
        If no training curves of that name are shipped, or as `read_curves` does.

    Examples
    --------
    >>> from bayescale.runs import load_shipped_curves
    >>> load_shipped_curves("tinylm", filters=None).sizes["checkpoint"]
    1104
    """
    there = {path.parent.name: path for path in sorted(shipped_path("data").glob("*/curves.csv"))}
    path = _find_shipped(name, there, "set of training curves")
    return read_curves(path, **{"runs": path.with_name("runs.csv"), **options})


def _find_shipped(name: str, there: dict[str, Path], what: str) -> Path:
    if name not in there:
        raise RunsError(f"no {what} {name!r} is shipped; accepted: {', '.join(there)}.{did_you_mean(name, there)}")
    return there[name]
