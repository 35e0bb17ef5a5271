"""Hoffmann et al.'s approach 2 by least squares: a parabola at each budget, and a line through the minima."""

import numpy as np
import xarray as xr

from bayescale.runs.checks.budgets import BUDGET


def parabola_minima(profiles: xr.Dataset, loss: xr.DataArray | None = None) -> xr.Dataset:
    """Return the minimum of the least-squares parabola of loss against log N at each budget.

    Parameters
    ----------
    profiles : xarray.Dataset
        From `isoflop_profiles`.
    loss : xarray.DataArray, optional
        Losses of the same runs, dims ``run`` and any others (replicates); by default those of the profiles.

    Returns
    -------
    xarray.Dataset
        ``params`` at the minimum, nan where the parabola opens downward; ``curvature`` in log N; and ``weight``, the
        inverse variance of log N at the minimum for a unit scatter of the loss. Dimension ``budget``.

    Notes
    -----
    A profile of two power terms is lopsided unless their exponents are equal, and the parabola's minimum lies beside
    its own by an amount that grows with the range of sizes: see `two_powers` in `bayescale.approaches.isoflop_model`.

    Examples
    --------
    >>> import numpy as np, pandas as pd, bayescale as bs
    >>> from bayescale.approaches import parabola_minima
    >>> from bayescale.runs.checks.budgets import isoflop_profiles
    >>> n, c = np.meshgrid([1e8, 2e8, 4e8, 8e8], [1e19, 1e20, 1e21])
    >>> loss = 3 + np.log(n / 2e8) ** 2
    >>> runs = pd.DataFrame({"params": n.ravel(), "compute": c.ravel(), "loss": loss.ravel()})
    >>> parabola_minima(isoflop_profiles(bs.read_runs(runs)))["params"].values.round(-3).tolist()
    [200000000.0, 200000000.0, 200000000.0]
    """
    values = (profiles["loss"] if loss is None else loss) * xr.ufuncs.exp(profiles["shift"])
    log_n, index = np.log(profiles["params"].values.astype(float)), profiles["budget_index"].values
    found = [_find_minimum(log_n[index == k], values.isel(run=index == k)) for k in range(profiles.sizes[BUDGET])]
    return xr.concat(found, dim=BUDGET).assign_coords({BUDGET: profiles[BUDGET]})


def _find_minimum(log_n: np.ndarray, loss: xr.DataArray) -> xr.Dataset:
    middle = log_n.mean()
    x = log_n - middle
    design = np.stack([np.ones_like(x), x, x**2], axis=1)
    solve, spread = np.linalg.pinv(design), np.linalg.inv(design.T @ design)
    coefficients = xr.DataArray(solve, dims=("term", "run")).dot(loss.drop_vars("run", errors="ignore"), dim="run")
    _, slope, bend = (coefficients.isel(term=k) for k in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (-slope / (2 * bend)).where(bend > 0)
        # Delta method: how the minimum moves with the slope and with the bend.
        by_slope, by_bend = -1 / (2 * bend), slope / (2 * bend**2)
        variance = (
            by_slope**2 * spread[1, 1] + by_bend**2 * spread[2, 2] + 2 * by_slope * by_bend * spread[1, 2]
        ).where(bend > 0)
    return xr.Dataset({"params": np.exp(at + middle), "curvature": 2 * bend, "weight": 1 / variance})


def line_through(minima: xr.Dataset, weighted: bool = True) -> xr.Dataset:
    """Return the least-squares line through the minima, ``log N_opt = level + a log(C / C0)``.

    Parameters
    ----------
    minima : xarray.Dataset
        From `parabola_minima`.
    weighted : bool
        Whether each minimum counts by its precision: a parabola that is nearly flat then cannot turn the line.
        Otherwise all minima count alike.

    Returns
    -------
    xarray.Dataset
        ``a`` and ``level``, the latter at ``attrs["compute"]``, the geometric mean of the budgets; nan where fewer than
        two parabolas open upward.
    """
    log_c = xr.ufuncs.log(minima[BUDGET])
    c0 = float(log_c.mean())
    y = xr.ufuncs.log(minima["params"])
    weight = (minima["weight"] if weighted else xr.ones_like(y)).where(xr.ufuncs.isfinite(y), 0.0)
    total = weight.sum(BUDGET)
    x_mean = (weight * log_c).sum(BUDGET) / total
    y_mean = (weight * y.fillna(0.0)).sum(BUDGET) / total
    across = (weight * (log_c - x_mean) ** 2).sum(BUDGET)
    a = (weight * (log_c - x_mean) * (y.fillna(0.0) - y_mean)).sum(BUDGET) / across
    sound = (weight > 0).sum(BUDGET) >= 2
    level = y_mean + a * (c0 - x_mean)
    return xr.Dataset({"a": a.where(sound), "level": level.where(sound)}, attrs={"compute": float(np.exp(c0))})


def params_on_line(line: xr.Dataset, compute: xr.DataArray) -> xr.DataArray:
    """Return N_opt of a line at those computes."""
    return xr.ufuncs.exp(line["level"] + line["a"] * np.log(compute / line.attrs["compute"]))
