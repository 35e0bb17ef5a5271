"""What several checks share: the numbers a report leads with, and the weights that leave one run out."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers import extrapolate, irreducible_loss, optimal_split
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable, with_densities
from bayescale.inference.sampling import SEED
from bayescale.laws import Law
from bayescale.laws.inputs import POINT
from bayescale.numbers import is_multiple
from bayescale.posterior import Posterior

# These follow from a budget. All other inputs of a law are held at the largest values of the runs.
_OF_THE_BUDGET = ("params", "tokens", "compute", "step")
LARGEST = "1x"


def headline(
    fit: xr.DataTree,
    compute: Any = "100x",
    *,
    family: str | None = None,
    seed: int = SEED,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the numbers that a report leads with, as far as the fitted law has them, with the draws.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    compute : str or float
        FLOP, or a multiple of the largest run such as ``"100x"``. For a law in one variable it is a multiple of that
        variable; a law that neither splits a budget nor is in one variable is asked at the largest inputs of its runs.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    seed : int
        Seed of the run noise.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        Dims ``(chain, draw[, family])``; each variable says in its ``long_name`` what it is. ``expected_loss`` there
        and ``loss`` of one new run (or the share that the law predicts); ``params``, the compute-optimal N there, and
        the exponent ``a``, where the law splits a budget; ``irreducible_loss``, where the runs can move it.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or the question is not understood.
    """
    law = Posterior(fit).law
    asked: dict[str, Any] = {"family": family, "allow_unconverged": allow_unconverged}
    at = _point_of(fit, compute)
    far = extrapolate(fit, at=at, seed=seed, **asked)
    where = _name_place(law, compute, far)
    response = law.response
    numbers = {
        f"expected_{response}": far[f"expected_{response}"].assign_attrs(long_name=f"expected {response} {where}"),
        response: far[response].assign_attrs(long_name=f"{response} {where}"),
    }
    if law.has_split:
        others = {name: value for name, value in at.items() if name != "compute"}
        split = optimal_split(fit, compute, at=others, **asked)
        numbers["params"] = split["params"].assign_attrs(long_name=f"compute-optimal N {where}")
        numbers["a"] = split["a"].assign_attrs(long_name="exponent a")
    if law.has_floor:
        numbers["irreducible_loss"] = irreducible_loss(fit, **asked)["irreducible_loss"]
    single = {name: values.isel({POINT: 0}) if POINT in values.dims else values for name, values in numbers.items()}
    out = xr.Dataset({name: values.reset_coords(drop=True) for name, values in single.items()})
    beyond = float(far["decades_beyond"].values.ravel()[0])
    return out.transpose("chain", "draw", ...).assign_attrs(far.attrs | {"where": where, "decades_beyond": beyond})


def _point_of(fit: xr.DataTree, compute: Any) -> dict[str, Any]:
    """Return the value of each input of the law, by column."""
    law = Posterior(fit).law
    if law.has_split:
        return {"compute": compute} | {name: LARGEST for name in law.inputs if name not in _OF_THE_BUDGET}
    if law.inputs == ("loss",):  # a lower loss is the further one
        return {"loss": Posterior(fit).seen["loss"][0]}
    if len(law.inputs) > 1:
        return dict.fromkeys(law.inputs, LARGEST)
    (name,) = law.inputs
    if name != "compute" and not is_multiple(compute):
        raise QuestionError(
            f"the law {law.name!r} takes {name}, not compute; accepted: a multiple of the largest run such as 100x; "
            f"got {compute!r}."
        )
    return {name: compute}


def _name_place(law: Law, compute: Any, far: xr.Dataset) -> str:
    if law.inputs == ("loss",):
        return "at the lowest loss in the runs"
    if not law.has_split and len(law.inputs) > 1:
        return "at the largest inputs of the runs"
    if not is_multiple(compute):
        return f"at {far['compute'].item():.3g} FLOP"
    return f"at {str(compute).strip()}" + ("" if law.has_split or "compute" in law.inputs else f" the {law.inputs[0]}")


def leave_one_out(fit: xr.DataTree, allow_unconverged: bool = False) -> Any:
    """Return what ArviZ knows of leaving out each run: ``log_weights`` of the draws, ``pareto_k`` and ``good_k``.

    Raises
    ------
    UnconvergedError
        If the posterior may not be quoted.
    """
    import arviz_stats as az

    require_quotable(fit, allow_unconverged)
    with warnings.catch_warnings():
        # Every check says itself which runs have a Pareto k that is too high.
        warnings.filterwarnings("ignore", message="Estimated shape parameter")
        return az.loo(with_densities(fit), var_name=fit.attrs["response"], pointwise=True)


def reweighted_quantiles(draws: xr.DataArray, log_weights: xr.DataArray, probs: Sequence[float]) -> xr.DataArray:
    """Return the quantiles of draws under importance weights, on the dimension ``quantile``."""
    import arviz_stats  # noqa: F401 (registers the accessor azstats)

    # Infinite draws become the largest finite one, as infinity times a weight of zero is not a number.
    finite = draws.where(xr.ufuncs.isfinite(draws), draws.where(xr.ufuncs.isfinite(draws)).max())
    values, weights = xr.broadcast(finite, log_weights)
    # ArviZ asks for a Pareto k, although the weights are smoothed already; each check judges Pareto k itself.
    quantiles, _ = values.azstats.loo_quantile(log_weights=weights, pareto_k=xr.DataArray(0.0), probs=list(probs))
    return quantiles


def about_runs(runs: xr.Dataset, inputs: tuple[str, ...]) -> dict[str, Any]:
    """Return the coordinates that identify the runs: row, family and inputs."""
    wanted = dict.fromkeys(("row", "params", "tokens", "compute", *inputs))
    labels = runs["family"].values if "family" in runs.coords else np.full(runs.sizes["run"], "")
    return {name: ("run", runs[name].values) for name in wanted if name in runs} | {"run_family": ("run", labels)}
