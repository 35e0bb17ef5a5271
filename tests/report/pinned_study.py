"""A study made by hand: pinned posteriors, a backtest and a comparison with chosen outcomes, no sampling."""

import dataclasses
import functools

import numpy as np
import xarray as xr
from pinned import BESIROGLU, KAPLAN, pinned_fit

import bayescale as bs
from bayescale.forms import Skipped, mix_forms, pack_skipped
from bayescale.forms.backtest import PROBS
from bayescale.studies import Study
from bayescale.studies.stack import Stack, check_stack
from bayescale.studies.study import isoflop_curves
from bayescale.trust import grade, prior_sensitivity

POINTS = 4
FLAT = {"english": BESIROGLU, "source": BESIROGLU | {"E": 1.5}}
STEEP = {"english": KAPLAN, "source": KAPLAN | {"alpha_N": 0.08}}


def pinned_held(model, runs, *, inside, of, factors=(10.0, 100.0), skipped=(), elpd=0.0):
    """A backtest in which the bands held `inside` of `of` times for each factor, all of them that far out."""
    if not factors:
        some = pinned_held(model, runs, inside=inside, of=of, skipped=skipped)
        return some.isel(held_out=np.zeros(some.sizes["held_out"], dtype=bool))
    size = of * len(factors)
    loss = np.full(size, 2.0)
    missed = np.tile(np.arange(of) >= inside, len(factors))
    loss[missed] = 1.6
    width = 0.1 + 0.1 * np.array(PROBS)[:, None] * np.ones(size)
    pick = np.resize(np.arange(runs.sizes["run"]), size)
    factor = np.repeat(factors, of)
    families = runs["family"].values[pick] if "family" in runs.coords else np.full(size, "all")
    coords = {name: ("held_out", runs[name].values[pick]) for name in ("run", "params", "tokens", "compute")}
    coords |= {
        "prob": list(PROBS),
        "factor": ("held_out", factor),
        "fitted": ("held_out", np.full(size, 12)),
        "family": ("held_out", families),
        "decades_beyond": ("held_out", np.log10(factor)),
    }
    values = {
        "loss": ("held_out", loss),
        "median": ("held_out", np.full(size, 2.0)),
        "lower": (("prob", "held_out"), 2.0 - width),
        "upper": (("prob", "held_out"), 2.0 + width),
        "crps": ("held_out", np.full(size, 0.04)),
        "elpd": ("held_out", np.full(size, 3.0 + elpd) + 0.01 * np.arange(size)),
    }
    return xr.Dataset(values, coords=coords).assign_attrs(pack_skipped(skipped), model=model, loss_unit="nats/token")


def pinned_loo(runs, *, kaplan_by):
    """A comparison in which Kaplan's form is ahead by that much, evenly over the runs."""
    size = runs.sizes["run"]
    each = xr.DataArray(np.full((2, size), 2.0), dims=("model", "run"), coords={"run": runs["run"]})
    each[int(kaplan_by < 0)] += abs(kaplan_by) / size
    order = ["kaplan", "chinchilla"] if kaplan_by >= 0 else ["chinchilla", "kaplan"]
    each = each.isel(model=[0, 1] if kaplan_by >= 0 else [1, 0])
    total = each.sum("run").values
    columns = {"elpd_loo": total, "se": [5.0, 5.0], "elpd_diff": total - total[0], "dse": [0.0, 1.0]}
    columns |= {"p_loo": [4.0, 5.0], "weight": [0.9, 0.1], "bad_k": [1, 0], "refitted": [1, 0]}
    out = xr.Dataset({name: ("model", np.asarray(value)) for name, value in columns.items()}, {"model": order})
    out["elpd_i"] = (("model", "run"), each.values)
    out["pareto_k"] = (("model", "run"), np.full((2, size), 0.2))
    return out.assign_coords(run=runs["run"].values)


def pinned_rehearsal(runs, *, by):
    """What two forms said of the largest runs from those 10x smaller: the first ahead by that much a run."""
    compute = runs["compute"].values
    which = np.flatnonzero(compute > compute.max() / 10)
    coords = {name: ("held_out", runs[name].values[which]) for name in ("run", "compute")}
    coords |= {"factor": ("held_out", np.full(which.size, 10.0)), "form": ["chinchilla", "kaplan"]}
    density = np.array([[2.0 + by], [2.0]]) * np.ones(which.size)
    attrs = {"response": "loss", "measure": "compute", "loss_unit": "nats/token"}
    return xr.Dataset({"log_density": (("form", "held_out"), density)}, coords, attrs)


def pinned_stack(runs, fits, grid, at, held, *, checks, left_out):
    """The two pinned forms stacked, under the names of cards with a drift: 2 to 1 after they were worth the same."""
    asked = {"models": ["chinchilla", "kaplan"], "fits": fits, "rehearsed": pinned_rehearsal(runs, by=2 * np.log(2))}
    names = {name: f"{name}+drift" for name in fits}
    far, path = (mix_forms(runs, where, **asked).assign_coords(form=list(names.values())) for where in (at, grid))
    far.attrs |= pack_skipped(Skipped(name, None, "too slow.") for name in left_out)
    stack = Stack((*names.values(), *left_out), {names[name]: fit for name, fit in fits.items()}, far, path, held, {})
    if checks:
        return check_stack(stack, at, seed=1)
    families = path["family"].values if "family" in path.dims else ["all"]
    named = {f: f if "family" in path.dims else None for f in families}
    return dataclasses.replace(stack, grades={f: grade(stack.far, held, family=name) for f, name in named.items()})


def pinned_study(
    *,
    families=False,
    at="100x",
    inside=19,
    of=20,
    factors=(10.0, 100.0),
    skipped=(),
    kaplan_by=-20.0,
    kaplan_ahead=-1.0,
    truth=None,
    prior_spread=0.5,
    spread=0.02,
    stacked=True,
    not_stacked="",
    checks=False,
    left_out=(),
):
    """A study whose posteriors, backtest and comparison say what the arguments say."""
    options = {"spread": spread, "prior_spread": prior_spread, "draws": 300}
    fits = {
        "chinchilla": pinned_fit("chinchilla", families=FLAT if families else None, **options),
        "kaplan": pinned_fit("kaplan", KAPLAN, families=STEEP if families else None, **options),
    }
    # Both forms were fitted to the same runs.
    runs = bs.inference.runs_of(fits["chinchilla"])
    for name in ("observed_data", "constant_data"):
        fits["kaplan"][name] = fits["chinchilla"][name]
    far = {name: bs.extrapolate(fit, at) for name, fit in fits.items()}
    target = float(far["chinchilla"]["compute"].values[0])
    grid = list(np.geomspace(float(runs["compute"].min()), target, POINTS))
    held = {"inside": inside, "of": of, "factors": factors, "skipped": skipped}
    together = pinned_held("forecast", runs, **held)
    stack = pinned_stack(runs, fits, grid, at, together, checks=checks, left_out=left_out) if stacked else None
    return Study(
        runs=runs,
        at=at,
        fits=fits,
        far=far,
        path={name: bs.extrapolate(fit, grid) for name, fit in fits.items()},
        split={name: bs.optimal_split(fit, grid) for name, fit in fits.items()},
        isoflop={name: isoflop_curves(fit, target) for name, fit in fits.items()},
        floor={name: bs.irreducible_loss(fit) for name, fit in fits.items()},
        loo=pinned_loo(runs, kaplan_by=kaplan_by),
        held=({"forecast": together} if stacked else {})
        | {
            "chinchilla": pinned_held("chinchilla", runs, **held),
            "kaplan": pinned_held("kaplan", runs, **held, elpd=kaplan_ahead),
        },
        truth=truth or {},
        design={name: bs.design.identifiability(runs, name) for name in fits} if checks else {},
        leans={name: prior_sensitivity(fit, compute=at) for name, fit in fits.items()} if checks else {},
        stack=stack,
        not_stacked=not_stacked,
    )


@functools.cache
def study_that_held():
    """One family, bands that hold."""
    return pinned_study(truth={"all": 1.8172}, checks=True)


@functools.cache
def study_that_missed():
    """Two families, bands that do not hold."""
    return pinned_study(families=True, inside=12, truth={"source": 1.2}, checks=True)
