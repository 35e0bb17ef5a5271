"""Do approaches 2 and 3 agree? Both asked of runs of the same design."""

import json

import numpy as np
import xarray as xr

from bayescale.approaches.parabola_minima import line_through, parabola_minima, params_on_line
from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS, complete_inputs
from bayescale.layers.noise import draw_response, known_of
from bayescale.layers.shared_errors import alone
from bayescale.posterior import SEED, Posterior
from bayescale.runs.checks.budgets import BUDGET
from bayescale.runs.curves.profiles import profiles_of_curves

REPLICATES = 500
# Two-sided: where less than this share of the replicates lie as far out, the approaches are said to disagree.
DISAGREE = 0.05
REPLICATE = "replicate"


def agreement(
    fit: xr.DataTree | Posterior,
    profiles: xr.Dataset,
    curves: xr.Dataset | None = None,
    *,
    family: str | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Compare the parabola minima of the runs with those of runs that the parametric law gives for the same design.

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
        ``tail_middle``, the two-sided share of replicates as far out. ``attrs["agree"]`` is 1 where no tail is below
        5%, ``attrs["middle_flop"]`` the geometric mean of the budgets.

    Notes
    -----
    A parabola puts the minimum of a lopsided profile in the wrong place, and noisy minima scatter. Both happen to the
    replicates too: a difference that remains is one between the approaches, not an error of the estimator. The law was
    fitted to the same runs, and the comparison is a posterior predictive check, which is slow to find fault.

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
    view = Posterior.quoted(fit, family, allow_unconverged)
    simulated = _simulate_losses(view, profiles if curves is None else curves, replicates, seed)
    if curves is not None:
        simulated = _read_profiles_off(curves, profiles, simulated)
    with np.errstate(over="ignore"):
        again = _fit_line(profiles, simulated)
    here = _fit_line(profiles, profiles["loss"])
    out = xr.Dataset()
    for name in ("a", "middle"):
        out[f"quick_{name}"], out[f"replicated_{name}"] = here[name], again[name]
        out[f"tail_{name}"] = _measure_tail(here[name], again[name])
    agree = min(float(out["tail_a"]), float(out["tail_middle"])) >= DISAGREE
    middle = float(np.exp(np.log(profiles[BUDGET].values).mean()))
    question = "do approaches 2 and 3 agree?"
    return out.assign_attrs(view.attrs("agreement", question, agree=int(agree), middle_flop=middle))


def _simulate_losses(view: Posterior, runs: xr.Dataset, replicates: int, seed: int) -> xr.DataArray:
    """Return losses of the same runs, each replicate from one draw of the posterior, dims ``(replicate, run)``."""
    rng, law, card = np.random.default_rng([seed, 2]), view.law, view.card
    if law.response != "loss":
        raise QuestionError(f"the law {law.name!r} predicts {law.response}: it has no IsoFLOP profiles.")
    total = view.draws.sizes["chain"] * view.draws.sizes["draw"]
    chosen = rng.choice(total, replicates, replace=total < replicates)
    theta = {
        name: value.stack({REPLICATE: DRAW_DIMS}).isel({REPLICATE: chosen}).drop_vars((REPLICATE, *DRAW_DIMS))
        for name, value in view.theta.items()
    }
    if any("family" in value.dims for value in theta.values()):
        raise QuestionError("this posterior has several families, and a profile is of one; say which family.")
    given = {name: runs[name].reset_coords(drop=True) for name in law.inputs if name in runs}
    inputs = complete_inputs(law, given, view.cost)
    mean = law.at(np, inputs, {name: theta[name] for name in law.parameter_names}, view.reference)
    known = {name: value.reset_coords(drop=True) for name, value in known_of(card.noise.family, runs, "loss").items()}
    return draw_response(card.noise.family, mean.transpose(REPLICATE, "run"), alone(card, theta), rng, known)


def _read_profiles_off(curves: xr.Dataset, profiles: xr.Dataset, simulated: xr.DataArray) -> xr.DataArray:
    """Return the profiles' losses as they are read off each replicate of the runs."""
    budgets = profiles[BUDGET].values
    each = (curves.assign(loss=("run", loss)) for loss in simulated.values)
    again = [profiles_of_curves(one, budgets=budgets)["loss"].values for one in each]
    return xr.DataArray(np.stack(again), dims=(REPLICATE, "run"))


def _fit_line(profiles: xr.Dataset, loss: xr.DataArray) -> xr.Dataset:
    line = line_through(parabola_minima(profiles, loss))
    return xr.Dataset({"a": line["a"], "middle": params_on_line(line, xr.DataArray(line.attrs["compute"]))})


def _measure_tail(here: xr.DataArray, again: xr.DataArray) -> xr.DataArray:
    """Return the two-sided share of replicates as far out, the runs themselves counted as one more."""
    sound = xr.ufuncs.isfinite(again)
    count = sound.sum(REPLICATE) + 1
    below, above = ((beyond & sound).sum(REPLICATE) + 1 for beyond in (again <= here, again >= here))
    return (2 * xr.ufuncs.minimum(below, above) / count).clip(max=1.0)


def counts_of(profiles: xr.Dataset) -> dict[str, float]:
    """Return how many runs lie on profiles and how many on none, or how many were read off curves."""
    return dict(json.loads(profiles.attrs["profiles"]))
