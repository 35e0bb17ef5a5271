"""Do approaches 2 and 3 agree? Both asked of runs of the same design."""

import json

import numpy as np
import xarray as xr

from bayescale.answers.posterior import DRAW_DIMS, card_of, complete_inputs, cost_of, law_of, reference_of, theta_of
from bayescale.approaches.minima import line_through, parabola_minima, params_on_line
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable
from bayescale.inference.sampling import SEED
from bayescale.layers.noise import draw_response, known_of
from bayescale.layers.shared_errors import alone
from bayescale.numbers import human_number, scientific
from bayescale.runs.checks.budgets import BUDGET
from bayescale.runs.curves.profiles import profiles_of_curves

REPLICATES = 500
# Two-sided: where less than this share of the replicates lie as far out, the approaches are said to disagree.
DISAGREE = 0.05
REPLICATE = "replicate"


def agreement(
    fit: xr.DataTree,
    profiles: xr.Dataset,
    curves: xr.Dataset | None = None,
    *,
    family: str | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Say whether the parabola minima of the runs are such as the parametric law would give on runs of the same design.

    Parameters
    ----------
    fit : xarray.DataTree
        The parametric law's posterior, from `fit`.
    profiles : xarray.Dataset
        From `isoflop_profiles`, or from `profiles_of_curves` with the ``curves`` that they were read off.
    curves : xarray.Dataset, optional
        The runs off which the profiles were read.
    family : str, optional
        Which family, where the fit has several.
    replicates : int
        How often the runs are simulated.
    seed : int
        Seed of the simulation.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics.

    Returns
    -------
    xarray.Dataset
        ``quick_a`` and ``quick_middle``, the exponent and N_opt at the geometric-mean budget by least-squares parabolas
        and a line through their minima; ``replicated_a`` and ``replicated_middle``, the same of runs that are simulated
        from the posterior predictive of the law at the same N and D (nan where no line could be drawn); ``tail_a`` and
        ``tail_middle``, the two-sided share of replicates as far out. ``attrs["agreement"]`` says it in words.

    Notes
    -----
    A parabola puts the minimum of a lopsided profile in the wrong place, and noisy minima scatter. Both happen to the
    replicates too, so what they leave over is a difference between the approaches and not of the estimator. The law was
    fitted to the same runs: this is a posterior predictive check, which is slow to find fault.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.approaches import agreement
    >>> from bayescale.runs.curves.envelope import curves_of_runs
    >>> from bayescale.runs.curves.profiles import profiles_of_curves
    >>> runs = bs.load_shipped("tinylm")
    >>> english = curves_of_runs(runs.isel(run=runs["family"].values == "english"))
    >>> fit = bs.fit(runs, seed=1)
    >>> found = agreement(fit, profiles_of_curves(english), english, family="english", replicates=50)
    >>> found["replicated_a"].sizes["replicate"]
    50
    """
    require_quotable(fit, allow_unconverged)
    simulated = _simulated(fit, profiles if curves is None else curves, family, replicates, seed)
    if curves is not None:
        simulated = _read_off(curves, profiles, simulated)
    with np.errstate(over="ignore"):
        again = _quick(profiles, simulated)
    here = _quick(profiles, profiles["loss"])
    out = xr.Dataset()
    for name in ("a", "middle"):
        out[f"quick_{name}"], out[f"replicated_{name}"] = here[name], again[name]
        out[f"tail_{name}"] = _tail(here[name], again[name])
    out.attrs = {"agreement": _words(out, profiles, str(fit.attrs["model"]))}
    return out


def _simulated(fit: xr.DataTree, runs: xr.Dataset, family: str | None, replicates: int, seed: int) -> xr.DataArray:
    """Return losses of the same runs, each replicate from one draw of the posterior, dims ``(replicate, run)``."""
    rng, law, card = np.random.default_rng([seed, 2]), law_of(fit), card_of(fit)
    if law.response != "loss":
        raise QuestionError(f"the law {law.name!r} predicts {law.response}: it has no IsoFLOP profiles.")
    posterior = fit["posterior"].to_dataset()
    total = posterior.sizes["chain"] * posterior.sizes["draw"]
    chosen = rng.choice(total, replicates, replace=total < replicates)
    theta = {
        name: value.stack({REPLICATE: DRAW_DIMS}).isel({REPLICATE: chosen}).drop_vars((REPLICATE, *DRAW_DIMS))
        for name, value in theta_of(fit, family).items()
    }
    if any("family" in value.dims for value in theta.values()):
        raise QuestionError("this posterior has several families, and a profile is of one; pass family=.")
    given = {name: runs[name].reset_coords(drop=True) for name in law.inputs if name in runs}
    inputs = complete_inputs(law, given, cost_of(fit))
    mean = law.at(np, inputs, {name: theta[name] for name in law.parameter_names}, reference_of(fit))
    known = {name: value.reset_coords(drop=True) for name, value in known_of(card.noise.family, runs, "loss").items()}
    return draw_response(card.noise.family, mean.transpose(REPLICATE, "run"), alone(card, theta), rng, known)


def _read_off(curves: xr.Dataset, profiles: xr.Dataset, simulated: xr.DataArray) -> xr.DataArray:
    """Return the profiles' losses as they are read off each replicate of the runs."""
    budgets = profiles[BUDGET].values
    each = (curves.assign(loss=("run", loss)) for loss in simulated.values)
    again = [profiles_of_curves(one, budgets=budgets)["loss"].values for one in each]
    return xr.DataArray(np.stack(again), dims=(REPLICATE, "run"))


def _quick(profiles: xr.Dataset, loss: xr.DataArray) -> xr.Dataset:
    line = line_through(parabola_minima(profiles, loss))
    return xr.Dataset({"a": line["a"], "middle": params_on_line(line, xr.DataArray(line.attrs["compute"]))})


def _tail(here: xr.DataArray, again: xr.DataArray) -> xr.DataArray:
    """Return the two-sided share of replicates as far out, the runs themselves counted as one more."""
    sound = xr.ufuncs.isfinite(again)
    count = sound.sum(REPLICATE) + 1
    below, above = ((beyond & sound).sum(REPLICATE) + 1 for beyond in (again <= here, again >= here))
    return (2 * xr.ufuncs.minimum(below, above) / count).clip(max=1.0)


def _words(out: xr.Dataset, profiles: xr.Dataset, model: str) -> str:
    apart = min(float(out["tail_a"]), float(out["tail_middle"])) < DISAGREE
    log_c = np.log(profiles[BUDGET].values)
    at = scientific(float(np.exp(log_c.mean())), 2)
    a, n = (out[f"replicated_{name}"].quantile((0.025, 0.975)).values for name in ("a", "middle"))
    lost = int(np.isnan(out["replicated_a"]).sum())
    return (
        f"Approaches 2 and 3 {'do not agree' if apart else 'agree'}: parabolas through the runs give "
        f"a = {float(out['quick_a']):.3f} and N_opt = {human_number(float(out['quick_middle']))} at {at} FLOP; through "
        f"runs of the same design simulated from {model} they give {a[0]:.3f} to {a[1]:.3f} "
        f"(tail {float(out['tail_a']):.2g}) and {human_number(float(n[0]))} to {human_number(float(n[1]))} "
        f"(tail {float(out['tail_middle']):.2g})." + (f" Replicates that gave no line: {lost}." if lost else "")
    )


def counts_of(profiles: xr.Dataset) -> dict[str, float]:
    """Return how many runs lie on profiles and how many on none, or how many were read off curves."""
    return dict(json.loads(profiles.attrs["profiles"]))
