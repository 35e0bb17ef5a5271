"""Training curves as a whole: the run log of their ends, and a hash of what they say."""

import hashlib

import xarray as xr

from bayescale.runs.curves.segments import run_segments
from bayescale.runs.reading.columns import CHECKPOINT


def final_runs(curves: xr.Dataset) -> xr.Dataset:
    """Return the last checkpoint of every run: a run log as `read_runs` gives it, over ``run``.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves`.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    RunsError
        If these are no training curves, or a run is not in one piece and in the order of its tokens.

    Examples
    --------
    >>> from bayescale.runs import final_runs, load_shipped_curves
    >>> final_runs(load_shipped_curves("tinylm")).sizes["run"]
    92
    """
    segments = run_segments(curves)
    ends = curves.isel({CHECKPOINT: segments.last}).drop_dims("left_out", errors="ignore")
    ends = ends.rename(run="name").swap_dims({CHECKPOINT: "name"}).rename(name="run")
    return ends.assign_attrs({key: value for key, value in curves.attrs.items() if key not in ("curves", "filters")})


def curves_hash(curves: xr.Dataset) -> str:
    """Return a hash of the runs, their order and every number. It does not depend on the file.

    Examples
    --------
    >>> from bayescale.runs import load_shipped_curves
    >>> from bayescale.runs.curves.final import curves_hash
    >>> curves_hash(load_shipped_curves("tinylm")) == curves_hash(load_shipped_curves("tinylm"))
    True
    """
    names = sorted(str(name) for name in curves.variables if curves[name].dims == (CHECKPOINT,) and name != "row")
    digest = hashlib.sha256("\t".join(names).encode())
    for name in names:
        values = curves[name].values
        digest.update("\n".join(map(str if values.dtype.kind == "U" else repr, values.tolist())).encode())
    return digest.hexdigest()
