"""Approach 2: the minima of IsoFLOP profiles, with what the profiles share."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.approaches.isoflop_model import PRIORS, SHAPE_PARAMETERS, build_isoflop, isoflop_data, rise_above_best
from bayescale.approaches.sample_estimator import one_family, sample_estimator, with_priors
from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference import require_quotable
from bayescale.posterior import SEED
from bayescale.runs.checks.budgets import BUDGET, TOLERANCE, isoflop_profiles

ON_PROFILES = ("params", "compute", "budget_index", "shift", "loss_se")


def isoflop_fit(
    runs: xr.Dataset,
    *,
    shape: str = "corrected",
    budgets: Iterable[float] | None = None,
    tolerance: float = TOLERANCE,
    family: str | None = None,
    priors: Mapping[str, Any] | None = None,
    seed: int = SEED,
    **options: Any,
) -> xr.DataTree:
    """Sample approach 2 of Hoffmann et al. 2022: the sizes at the minima of IsoFLOP profiles.

    Parameters
    ----------
    runs : xarray.Dataset
        As `read_runs` gives it, or from `isoflop_profiles` or `profiles_of_curves`.
    shape : {"corrected", "parabola"}
        The profile of two power terms with unknown exponents, or the paper's parabola, whose minimum lies beside that
        of a lopsided profile.
    budgets : iterable of float, optional
        The budgets, as in `isoflop_profiles`.
    tolerance : float
        How far from a budget a run may lie, as in `isoflop_profiles`.
    family : str, optional
        Which family, where there are several.
    priors : mapping, optional
        Priors that replace those of `bayescale.approaches.isoflop_model.PRIORS`, as tables of a model card:
        ``{"a": {"dist": "Normal", "mu": 0.5, "sigma": 0.1}}``.
    seed : int
        As in `fit`, with its ``draws``, ``tune``, ``chains``, ``tries`` and ``progress`` as further options.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``sample_stats``, ``observed_data`` (log loss at the budget) and ``constant_data``. The
        posterior holds ``a`` and ``level`` of ``log(N_opt / N0) = level + a log(C / C0)``; ``wander``, how far single
        optima stray from that line; ``params_opt``, ``best_loss`` and ``curvature`` of each budget. ``attrs`` carry the
        verdict, the reference N0 and C0, and how many runs are on no profile.

    Raises
    ------
    DesignError, QuestionError
        If there are fewer than three profiles, or the shape or family is unknown.

    Notes
    -----
    ``loss = best_i (1 + curvature_i shape(log N - log N_opt_i))`` with Student-t scatter of its logarithm that is wider
    on the arms. The curvatures of the budgets lie about a power of compute, the minima about the line. Under C = 6ND
    the exponents of the shape imply a = beta/(alpha + beta), as approach 3 has it; it is left free, and approach 2
    stays an estimator of its own.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.approaches import isoflop_fit
    >>> from bayescale.runs.curves.profiles import profiles_of_curves
    >>> from bayescale.runs.curves.envelope import curves_of_runs
    >>> runs = bs.load_shipped("tinylm")
    >>> english = curves_of_runs(runs.isel(run=runs["family"].values == "english"))
    >>> isoflop_fit(profiles_of_curves(english), seed=1)["posterior"]["params_opt"].dims
    ('chain', 'draw', 'budget')
    """
    if shape not in SHAPE_PARAMETERS:
        raise QuestionError(
            f"shape: got {shape!r}.{did_you_mean(shape, SHAPE_PARAMETERS)} Accepted: {', '.join(SHAPE_PARAMETERS)}."
        )
    profiles = as_profiles(runs, budgets=budgets, tolerance=tolerance, family=family)
    arrays, reference = isoflop_data(profiles)
    believed = with_priors(PRIORS, priors)
    tree = sample_estimator(
        f"isoflop {shape}",
        lambda data, beliefs: build_isoflop(data, shape, beliefs),
        arrays,
        reference,
        profiles,
        key=("isoflop", shape, arrays["log_budget"].size),
        priors=believed,
        observed=xr.Dataset({"log_loss": ("run", arrays["observed"])}, {"run": profiles["run"].values}),
        constant=profiles[[name for name in ON_PROFILES if name in profiles]].reset_coords(drop=True),
        options={"seed": seed, **options},
        about={"shape": shape},
    )
    return _name_budgets(tree, profiles, reference)


def as_profiles(runs: xr.Dataset, *, family: str | None = None, **options: Any) -> xr.Dataset:
    """Return the runs on profiles; as they are where they are profiles already."""
    return runs if BUDGET in runs.dims else isoflop_profiles(one_family(runs, family), **options)


def _name_budgets(tree: xr.DataTree, profiles: xr.Dataset, reference: Mapping[str, float]) -> xr.DataTree:
    """Return the posterior with the budgets named and the best sizes in parameters, without the padding budgets."""
    count = profiles.sizes[BUDGET]
    posterior = tree["posterior"].to_dataset().isel({BUDGET: slice(count)})
    posterior = posterior.assign_coords({BUDGET: profiles[BUDGET]})
    posterior["params_opt"] = (posterior["params_opt"] * reference["params"]).assign_attrs(units="parameters")
    tree["posterior"] = xr.DataTree(posterior)
    return tree


def profile_curves(
    fit: xr.DataTree, points: int = 60, reach: float = 1.5, allow_unconverged: bool = False
) -> xr.Dataset:
    """Return the fitted profiles, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        From `isoflop_fit`.
    points : int
        Sizes along each profile, evenly spaced in log N.
    reach : float
        How far beyond the sizes that were tried, as a factor.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        ``loss``, dims ``(chain, draw, budget, point)``, with the coord ``params`` (``budget``, ``point``);
        ``params_opt`` and ``best_loss`` of each budget; and the runs: ``run_params``, ``run_loss`` (at the budget),
        ``budget_index``.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.approaches import isoflop_fit, profile_curves
    >>> from bayescale.runs.curves.profiles import profiles_of_curves
    >>> from bayescale.runs.curves.envelope import curves_of_runs
    >>> runs = bs.load_shipped("tinylm")
    >>> english = curves_of_runs(runs.isel(run=runs["family"].values == "english"))
    >>> profile_curves(isoflop_fit(profiles_of_curves(english), seed=1), points=20).sizes["point"]
    20
    """
    quotable = require_quotable(fit, allow_unconverged)
    posterior, constant = fit["posterior"].to_dataset(), fit["constant_data"].to_dataset()
    params, index = constant["params"].values, constant["budget_index"].values
    ends = np.array([(params[index == k].min() / reach, params[index == k].max() * reach) for k in np.unique(index)])
    steps = np.linspace(0, 1, points)
    log_n = xr.DataArray(np.log(ends[:, :1]) + steps * np.log(ends[:, 1:] / ends[:, :1]), dims=(BUDGET, "point"))
    u = log_n - xr.ufuncs.log(posterior["params_opt"])
    rise = rise_above_best(np, fit.attrs["shape"], u, posterior["curvature"], posterior)
    loss = (posterior["best_loss"] * (1 + rise)).transpose("chain", "draw", BUDGET, "point")
    return xr.Dataset(
        {
            "loss": loss,
            "params_opt": posterior["params_opt"],
            "best_loss": posterior["best_loss"],
            "run_params": ("run", params),
            "run_loss": ("run", np.exp(fit["observed_data"].to_dataset()["log_loss"].values)),
            "budget_index": ("run", index),
        },
        coords={"params": ((BUDGET, "point"), np.exp(log_n.values))},
        attrs={
            "question": "IsoFLOP profiles",
            "model": fit.attrs["model"],
            "verdict": quotable,
            "loss_unit": fit.attrs["loss_unit"],
            "counts": fit.attrs.get("profiles", json.dumps({})),
        },
    )
