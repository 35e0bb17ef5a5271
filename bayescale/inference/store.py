"""Posteriors on disk: NetCDF, written whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.errors import OutputError, QuestionError

if TYPE_CHECKING:
    import h5py  # type: ignore[import-untyped]

# How NetCDF-4 notes dimensions in HDF5: not attributes of anybody's.
_OF_THE_FORMAT = set(
    "CLASS NAME DIMENSION_LIST REFERENCE_LIST _Netcdf4Dimid _Netcdf4Coordinates _NCProperties _nc3_strict".split()
)
_WITHOUT_LABELS = b"This is a netCDF dimension but not a netCDF variable"


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
        fit = _read_netcdf(path)
    except (OSError, ValueError, KeyError) as error:
        raise QuestionError(f"{path} is not a posterior that bayescale wrote: {error}") from None
    if "posterior" not in fit.children or "card" not in fit.attrs:
        raise QuestionError(f"{path} is NetCDF, but not a posterior that bayescale wrote: it carries no model card.")
    return fit


def _read_netcdf(path: Path) -> xr.DataTree:
    """Read a file that `save_fit` wrote: all of it, as `xarray.open_datatree` would, in a third of the time."""
    import h5py

    with h5py.File(path) as file:
        groups = {"/": file} | {name: item for name, item in file.items() if isinstance(item, h5py.Group)}
        return xr.DataTree.from_dict({name: _read_group(file, group) for name, group in groups.items()})


def _read_group(file: "h5py.File", group: "h5py.Group") -> xr.Dataset:
    variables = {}
    for name, data in group.items():
        attrs = dict(data.attrs)
        if not hasattr(data, "shape") or attrs.get("NAME", b"").startswith(_WITHOUT_LABELS):
            continue
        # What has no list of dimensions is one itself, or a single number.
        scales = [file[references[0]].name for references in attrs.get("DIMENSION_LIST", [])]
        dims = [scale.rpartition("/")[2] for scale in scales] or [name] * data.ndim
        values = data.asstr()[()].astype(str) if data.dtype.kind == "O" else data[()]
        variables[name] = xr.Variable(dims, values, _read_attrs(attrs))
    return xr.decode_cf(xr.Dataset(variables, attrs=_read_attrs(dict(group.attrs))))


def _read_attrs(attrs: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        for name, value in attrs.items()
        if name not in _OF_THE_FORMAT
    }
