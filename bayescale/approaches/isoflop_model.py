"""IsoFLOP profiles as a PyMC model: loss against log N at each budget, with what the budgets share."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.layers.noise import NOISES
from bayescale.priors import Prior

if TYPE_CHECKING:
    import pymc as pm

# What the sampler compiles for: as many budgets as there are, rounded up to this. The others are drawn from the prior.
PAD = 4

_BELIEFS: dict[str, dict[str, Any]] = {
    # log(N_opt / N0) = level + a log(C / C0), at the mean budget C0 and the mean size N0 of the best runs
    "a": dict(dist="Normal", mu=0.5, sigma=0.25),
    "level": dict(dist="Normal", mu=0.0, sigma=2.0),
    # how far the optima of single budgets stray from that line, in log N
    "wander": dict(dist="LogNormal", median=0.05, sigma=0.6),
    # log of the best loss over the lowest that was seen at the budget
    "depth": dict(dist="Normal", mu=0.0, sigma=0.1),
    # a size off by a factor e costs half of this share of the loss; how that changes with compute, as an exponent, and
    # from budget to budget besides
    "curvature_level": dict(dist="LogNormal", median=0.03, sigma=1.0),
    "curvature_slope": dict(dist="Normal", mu=0.0, sigma=0.2),
    "curvature_spread": dict(dist="LogNormal", median=0.15, sigma=0.6),
    # how wrong the shape is, as a share of the rise above the best
    "arms": dict(dist="LogNormal", median=0.05, sigma=1.0),
    "alpha": dict(dist="LogNormal", median=0.35, sigma=0.4),
    "beta": dict(dist="LogNormal", median=0.35, sigma=0.4),
    # scatter of log loss at the mean budget, and how it changes with compute, as an exponent: short runs scatter more
    "sigma_slope": dict(dist="Normal", mu=0.0, sigma=0.2),
    "sigma": dict(dist="LogNormal", median=0.01, sigma=0.8),
    "nu": dict(dist="Gamma", alpha=2, beta=0.1),
}
PRIORS = {name: Prior(**belief) for name, belief in _BELIEFS.items()}
"""What is believed of a set of profiles, whatever their shape."""


def sampled(prior: Prior, name: str, dims: str | None = None) -> Any:
    """Create the random variable of a prior in the model at hand.

    A normal one is sampled in units of its own width: chains start within one such unit of the middle.
    """
    if prior.dist == "Normal":
        import pymc as pm

        offset = pm.Normal(f"{name}_offset", 0.0, 1.0, dims=dims)
        return pm.Deterministic(name, prior.arguments["mu"] + prior.arguments["sigma"] * offset, dims=dims)
    return prior.in_pymc(name, dims)


def parabola(xp: Any, u: Any, alpha: Any = None, beta: Any = None) -> Any:
    """Return ``u**2 / 2``: the shape that approach 2 of Hoffmann et al. 2022 fits."""
    return u**2 / 2


def two_powers(xp: Any, u: Any, alpha: Any, beta: Any) -> Any:
    """Return the profile of two power terms about its minimum, with unit curvature there.

    Along C = k N D, ``A N**-alpha + B D**-beta`` exceeds its lowest value by that curvature times this, where
    ``u = log(N / N_opt)``; its third derivative at the minimum is ``beta - alpha``, which a parabola takes for zero.
    """
    rise = beta * xp.exp(-alpha * u) + alpha * xp.exp(beta * u) - alpha - beta
    return rise / (alpha * beta * (alpha + beta))


SHAPES: dict[str, Callable[..., Any]] = {"parabola": parabola, "corrected": two_powers}
SHAPE_PARAMETERS: dict[str, tuple[str, ...]] = {"parabola": (), "corrected": ("alpha", "beta")}


def rise_above_best(xp: Any, shape: str, u: Any, curvature: Any, theta: Any) -> Any:
    """Return by which share the loss at ``u = log(N / N_opt)`` exceeds the best of its profile."""
    return curvature * SHAPES[shape](xp, u, *(theta[name] for name in SHAPE_PARAMETERS[shape]))


def isoflop_data(profiles: xr.Dataset) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the arrays that condition the model, and the reference: mean budget, and mean N of the best runs."""
    log_n, log_c = (np.log(profiles[name].values.astype(float)) for name in ("params", "compute"))
    log_budget = np.log(profiles["budget"].values)
    c0 = float(log_budget.mean())
    loss, index = profiles["loss"].values.astype(float), profiles["budget_index"].values.astype("int64")
    observed = np.log(loss) + profiles["shift"].values
    best_runs = [np.flatnonzero(index == k)[observed[index == k].argmin()] for k in range(log_budget.size)]
    n0 = float(log_n[best_runs].mean())
    padded = padded_size(log_budget.size)
    lowest, budget = np.zeros(padded), np.zeros(padded)
    lowest[: log_budget.size], budget[: log_budget.size] = observed[best_runs], log_budget - c0
    se = profiles["loss_se"].fillna(0.0).values / loss if "loss_se" in profiles else np.zeros_like(loss)
    arrays = {
        "log_n": log_n - n0,
        "log_c": log_c - c0,
        "budget_index": index,
        "log_budget": budget,
        "lowest": lowest,
        "real": np.arange(padded) < log_budget.size,
        "relative_se": se,
        "observed": observed,
    }
    return arrays, {"params": float(np.exp(n0)), "compute": float(np.exp(c0))}


def padded_size(budgets: int) -> int:
    """Return the number of budgets that the model is built for."""
    return -(-budgets // PAD) * PAD


def build_isoflop(
    arrays: Mapping[str, np.ndarray], shape: str = "corrected", priors: Mapping[str, Prior] = PRIORS
) -> "pm.Model":
    """Build the model of a set of profiles.

    Parameters
    ----------
    arrays : mapping of str to array
        From `isoflop_data`; they become the model's `pm.Data`, so that other runs need no compiling.
    shape : {"corrected", "parabola"}
        The profile of two power terms, or Hoffmann et al.'s parabola.
    priors : mapping of str to Prior
        As `PRIORS`.

    Returns
    -------
    pymc.Model
        Coord ``budget``. ``params_opt`` (relative to the reference size), ``best_loss`` and ``curvature`` are those of
        each budget.

    Notes
    -----
    At budget i the loss is ``best_i (1 + curvature_i shape(u))`` with ``u = log N - log N_opt``, and
    ``log N_opt = level + a log C + wander_i``. Under C = 6ND the two powers of the shape imply a = beta/(alpha + beta);
    that is not imposed, so that a rests on where the minima lie and alpha, beta on how lopsided the profiles are.
    Scatter grows with the rise above the best: on its arms a profile is less like its shape, and a run there says less
    about where the minimum is.
    """
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model(coords={"budget": range(arrays["log_budget"].size)}) as model:
        data = {name: pm.Data(name, values, dims=_find_dims(name)) for name, values in arrays.items()}
        index = data["budget_index"]
        names = ("a", "level", "wander", "arms", "sigma", "sigma_slope", "nu", *SHAPE_PARAMETERS[shape])
        theta = {name: sampled(priors[name], name) for name in names}
        stray = theta["wander"] * pm.Normal("wander_offset", 0.0, 1.0, dims="budget")
        best = pt.exp(data["lowest"] + sampled(priors["depth"], "depth", "budget"))
        spread = sampled(priors["curvature_spread"], "curvature_spread")
        # Centred, as the runs pin each curvature; but not for budgets that are there only to fill the shape.
        about = pm.Normal("curvature_offset", 0.0, pt.switch(data["real"], spread, 1.0), dims="budget")
        slope = sampled(priors["curvature_slope"], "curvature_slope")
        curvature = sampled(priors["curvature_level"], "curvature_level") * pt.exp(slope * data["log_budget"] + about)
        u = data["log_n"] - theta["level"] - theta["a"] * data["log_c"] - stray[index]
        rise = rise_above_best(pt, shape, u, curvature[index], theta)
        known = {"relative_se": pt.sqrt(data["relative_se"] ** 2 + (theta["arms"] * pt.log1p(rise)) ** 2)}
        noise = {"nu": theta["nu"], "sigma": theta["sigma"] * pt.exp(theta["sigma_slope"] * data["log_c"])}
        NOISES["StudentT"].likelihood(pm, "log_loss", best[index] * (1 + rise), noise, known, observed=data["observed"])
        on_line = theta["level"] + theta["a"] * data["log_budget"]
        pm.Deterministic("params_opt", pt.exp(on_line + stray), dims="budget")
        pm.Deterministic("best_loss", best, dims="budget")
        pm.Deterministic("curvature", curvature, dims="budget")
    return model


def _find_dims(name: str) -> str | None:
    return "budget" if name in ("log_budget", "lowest", "real") else None
