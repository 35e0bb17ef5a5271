"""How approaches 1 and 2 are sampled, and the questions that are asked of both posteriors."""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayescale.costs import cost_model
from bayescale.errors import CardError, QuestionError, did_you_mean
from bayescale.inference import require_quotable
from bayescale.inference.compiled import compile_once
from bayescale.inference.sampling import sample_until_sound
from bayescale.priors import Prior
from bayescale.runs import content_hash

if TYPE_CHECKING:
    import pymc as pm

# What an estimator keeps of its runs' attrs.
_FROM_RUNS = ("title", "source", "loss_unit", "params_convention", "cost", "licence", "profiles", "curves")


def with_priors(known: Mapping[str, Prior], changed: Mapping[str, Any] | None) -> dict[str, Prior]:
    """Return the known priors with the given ones in their places; a prior is a `Prior` or a table of a model card.

    Raises
    ------
    CardError
        If one is named that the model does not have.
    """
    given = {name: value if isinstance(value, Prior) else Prior(**value) for name, value in (changed or {}).items()}
    for name in given:
        if name not in known:
            raise CardError(f"this model has no prior {name!r}.{did_you_mean(name, known)} It has: {', '.join(known)}.")
    return {**known, **given}


def sample_estimator(
    name: str,
    build: "Callable[..., pm.Model]",
    arrays: Mapping[str, np.ndarray],
    reference: Mapping[str, float],
    runs: xr.Dataset,
    *,
    key: Hashable,
    priors: Mapping[str, Prior],
    observed: xr.Dataset,
    constant: xr.Dataset,
    options: Mapping[str, Any],
    about: Mapping[str, str],
) -> xr.DataTree:
    """Sample an estimator's model and return its posterior as a plain DataTree with what it rests on."""
    written = json.dumps({p: str(prior.model_dump()) for p, prior in priors.items()}, sort_keys=True)
    compiled = compile_once((key, written), lambda: build(arrays, priors), name)
    posterior, stats, verdict, settings = sample_until_sound(compiled, arrays, **options)
    kept = [variable for variable in posterior.data_vars if not str(variable).endswith("_offset")]
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior[kept].drop_attrs(),
            "sample_stats": stats.drop_attrs(),
            "observed_data": observed,
            "constant_data": constant,
        }
    )
    tree.attrs.update({key: runs.attrs[key] for key in _FROM_RUNS if key in runs.attrs})
    tree.attrs.update(
        model=name,
        reference=json.dumps(dict(reference)),
        priors=written,
        settings=json.dumps(settings),
        sha256=content_hash(runs),
        verdict=verdict.to_json(),
        **about,
    )
    return tree


def require_all(fits: Iterable[xr.DataTree], allow_unconverged: bool) -> str:
    """Return ``"converged"`` where every posterior is, else what `require_quotable` says of the first that is not."""
    verdicts = [require_quotable(fit, allow_unconverged) for fit in fits]
    return next((verdict for verdict in verdicts if verdict != "converged"), "converged")


def line_split(fit: xr.DataTree, compute: xr.DataArray) -> xr.Dataset:
    """Return N_opt and D_opt at those computes, and the exponents, from a posterior of ``log N_opt = level + a log C``.

    Parameters
    ----------
    fit : xarray.DataTree
        From `isoflop_fit` or `envelope_fit`.
    compute : xarray.DataArray
        FLOP, dims ``point``.

    Returns
    -------
    xarray.Dataset
        ``params`` and ``tokens``, dims ``(chain, draw, point)``, and the exponents ``a`` and ``b`` of either.
    """
    posterior, reference = fit["posterior"].to_dataset(), json.loads(fit.attrs["reference"])
    cost = cost_model(fit.attrs["cost"])

    def best_size(c: Any) -> xr.DataArray:
        steps = posterior["level"] + posterior["a"] * np.log(c / reference["compute"])
        return reference["params"] * xr.ufuncs.exp(steps)

    params = best_size(compute)
    up, down = (reference["compute"] * factor for factor in (np.e, 1 / np.e))
    longer = np.log(cost.tokens(best_size(up), up)) - np.log(cost.tokens(best_size(down), down))
    return xr.Dataset(
        {"params": params, "tokens": cost.tokens(params, compute), "a": posterior["a"], "b": longer / 2}
    ).transpose("chain", "draw", ...)


def one_family(runs: xr.Dataset, family: str | None) -> xr.Dataset:
    """Return the runs of one family; all of them where there is only one.

    Raises
    ------
    QuestionError
        If there are several families and none, or an unknown one, is named.
    """
    if "family" not in runs.coords:
        return runs
    known = sorted(set(runs["family"].values.tolist()))
    if family is None and len(known) == 1:
        return runs
    if family not in known:
        ask = f"there is no family {family!r}.{did_you_mean(str(family), known)}" if family else "say which family."
        raise QuestionError(f"these runs have families, and a profile is of one; {ask} Families: {', '.join(known)}.")
    picked = runs.isel(run=runs["family"].values == family)
    return picked.drop_vars("family")
