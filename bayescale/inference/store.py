"""Posteriors on disk: NetCDF, written whole or not at all."""

import os
import tempfile
from pathlib import Path

import xarray as xr

from bayescale.errors import OutputError, QuestionError


def save_fit(fit: xr.DataTree, path: str | Path) -> Path:
    """Write a posterior as NetCDF; the file appears whole or not at all.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    path : str or Path
        The file, in a folder that is there; a file of that name is replaced.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written, or the path is a folder.

    Examples
    --------
    >>> import tempfile, pathlib, bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> bs.save_fit(fit, pathlib.Path(tempfile.mkdtemp()) / "fit.nc").name
    'fit.nc'
    """
    path = Path(path)
    check_can_save(path)
    handle, name = -1, ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        fit.to_netcdf(name, engine="h5netcdf")
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}.") from None
    finally:
        if name and os.path.exists(name):
            os.unlink(name)
    return path


def check_can_save(path: str | Path) -> None:
    """Refuse a place that cannot take a file, before anything is computed for it.

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written, or the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; accepted: a file, such as {path / 'fit.nc'}.")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not allow it.")


def load_fit(path: str | Path) -> xr.DataTree:
    """Read a posterior that `save_fit` wrote, into memory.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    xarray.DataTree
        The posterior as `fit` gave it: every answer may be asked of it.

    Raises
    ------
    QuestionError
        If there is no such file, or it is not a bayescale posterior.

    Examples
    --------
    >>> import tempfile, pathlib, bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> path = bs.save_fit(fit, pathlib.Path(tempfile.mkdtemp()) / "fit.nc")
    >>> bs.verdict(bs.load_fit(path)).passed
    True
    """
    path = Path(path)
    if path.is_dir():
        raise QuestionError(f"{path} is a folder; accepted: the file of a posterior, that `bayescale fit -o` wrote.")
    if not path.is_file():
        raise QuestionError(f"there is no file {path}. `bayescale fit RUNS.csv -o {path}` makes one.")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            fit = tree.load()
    except (OSError, ValueError) as error:
        raise QuestionError(f"{path} is not a posterior that bayescale wrote: {error}") from None
    if "posterior" not in fit.children or "card" not in fit.attrs:
        raise QuestionError(f"{path} is NetCDF, but not a posterior that bayescale wrote: it carries no model card.")
    return fit
