"""The run logs that come with the package."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from bayescale.errors import RunsError, did_you_mean
from bayescale.runs.read import read_runs
from bayescale.runs.units import read_card
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

    Examples
    --------
    >>> from bayescale.runs import load_shipped
    >>> load_shipped("published").attrs["loss_unit"]
    'nats/token'
    """
    logs = {log.name: log for log in shipped_logs()}
    if name not in logs:
        raise RunsError(f"no run log {name!r} is shipped; accepted: {', '.join(logs)}.{did_you_mean(name, logs)}")
    return read_runs(logs[name].path)
