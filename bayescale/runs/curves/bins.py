"""Learning curves as rows for a model: their checkpoints averaged in bins of log10 tokens, eight a decade.

Whatever the rate at which a run was logged, the model sees the same places.
"""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.runs.curves.final import final_runs
from bayescale.runs.curves.rates import RATES
from bayescale.runs.curves.segments import CHECKPOINT, run_segments

OF_RUN, COUNT, HEAT = "of_run", "checkpoints", "heat"
A_DECADE = 8  # bins: few enough to be quick, and finer than anything that a law says
SAME_LR = 0.02  # of the peak: a rate that moves by less stands still


def clock_of(known: Any) -> str:
    """Return what tells how far a run has got: tokens, or steps for want of them."""
    return "tokens" if "tokens" in known else "step"


def is_binned(runs: xr.Dataset) -> bool:
    """Return whether these rows are bins of learning curves."""
    return OF_RUN in runs.coords


def heat_of(curves: xr.Dataset) -> np.ndarray | None:
    """Return the learning rate of each checkpoint as a share of its run's peak; None where it is not told."""
    name = next((name for name in RATES if name in curves and np.isfinite(curves[name].values).all()), None)
    if name is None:
        return None
    share = curves[name].values.astype(float)
    if name == "lr":
        peak = pd.Series(share).groupby(curves["run"].values).transform("max").to_numpy()
        share = share / (curves["peak_lr"].values if "peak_lr" in curves else peak)
    return share if np.isfinite(share).all() else None


def binned(curves: xr.Dataset) -> xr.Dataset:
    """Return the curves with their checkpoints averaged, eight bins a decade of tokens, over ``run``: a row is a bin.

    Quantities that must be positive are averaged on the log, loss among them. Measurement errors are left out: those of
    one run's checkpoints are on the same held-out text and so shared, which the run's offset stands for.
    """
    segments = run_segments(curves)
    clock = clock_of(curves)
    heat = heat_of(curves)
    cell = np.floor(np.log10(curves[clock].values) * A_DECADE).astype(int)
    # A branch that was cooled down stands beside the run that it left, not in the same bin.
    cooled = np.zeros(cell.size, int) if heat is None else (heat < SAME_LR).astype(int)
    order = pd.DataFrame({"run": segments.index, "cell": cell, "cooled": cooled})
    of = order.groupby(["run", "cell", "cooled"], sort=False).ngroup().to_numpy()
    counts = np.bincount(of).astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(of, values) / counts)

    def middle(values: np.ndarray) -> np.ndarray:
        average = np.exp(mean(np.log(values))) if (values > 0).all() else mean(values)
        low, high = np.full(counts.size, np.inf), np.full(counts.size, -np.inf)
        np.fmin.at(low, of, values)
        np.fmax.at(high, of, values)
        return np.clip(average, low, high)  # what stays the same is not rounded

    out: dict[str, Any] = {}
    for name, values in curves.data_vars.items():
        if values.dims != (CHECKPOINT,) or values.dtype.kind not in "fi" or name in ("loss_se", "time"):
            continue
        out[str(name)] = ("run", middle(values.values.astype(float)), values.attrs)
    first = np.flatnonzero(~pd.Series(of).duplicated().to_numpy())
    out[COUNT] = ("run", counts)
    out[HEAT] = ("run", np.zeros(counts.size) if heat is None else mean(heat))
    coords = {OF_RUN: ("run", curves["run"].values[first])}
    labels = [name for name, of in curves.coords.items() if of.dims == (CHECKPOINT,) and name not in ("run", "row")]
    coords |= {str(name): ("run", curves[name].values[first]) for name in labels}
    rows = xr.Dataset(out, coords=coords, attrs=dict(curves.attrs))
    # By their mean tokens: a cooled branch goes on a little beyond the bin that it left.
    return rows.isel(run=np.lexsort([rows[clock].values, segments.index[first]]))


def named_runs(rows: xr.Dataset) -> list[str]:
    """Return the runs' names, in the order in which their rows stand."""
    return list(dict.fromkeys(rows[OF_RUN].values.tolist()))


def last_rows(rows: xr.Dataset) -> xr.Dataset:
    """Return the last bin of every run by the run's name: where a run is held against what was expected of it."""
    ends = rows.isel(run=~pd.Series(rows[OF_RUN].values).duplicated(keep="last").to_numpy())
    return ends.drop_vars(OF_RUN).assign_coords(run=ends[OF_RUN].values)


def last_checkpoints(curves: xr.Dataset) -> xr.Dataset:
    """Return the last checkpoint of every run with its learning rate: as in bins, noise stands for measurement."""
    heat, ends = heat_of(curves), final_runs(curves).drop_vars("loss_se", errors="ignore")
    return ends if heat is None else ends.assign({HEAT: ("run", heat[run_segments(curves).last])})
