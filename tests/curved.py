"""Learning curves simulated from a known law, and posteriors made by hand whose draws are that truth: no sampling."""

import numpy as np
import pandas as pd
import xarray as xr
from pinned import PASSED

import bayescale as bs
from bayescale.inference import log_likelihood
from bayescale.inference.sampling import provenance
from bayescale.modeling import prepare

RUNS, END, PEAK = 14, 20e9, 0.95
LAW = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}
ERRORS = {"sigma": 0.002, "offset_sd": 0.01, "tilt_sd": 0.01, "wander_sd": 0.001}


def simulated(seed=3, runs=RUNS, hot=0.04, offsets=None):
    """Curves of a known law; rates fall to zero over each run, which takes a share of `hot` off the loss."""
    rng, parts = np.random.default_rng(seed), []
    for place in range(runs):
        n, share = 10 ** rng.uniform(7, 9), np.linspace(0.05, 1, 60)
        d = END * share
        error = rng.normal(0, 0.01) + rng.normal(0, 0.01) * np.log10(d / 5e9) + rng.normal(0, 0.002, d.size)
        error += 0.0 if offsets is None else offsets[place]
        loss = bs.laws.get_law("chinchilla").paper(np, LAW, params=n, tokens=d) * np.exp(error + hot * (1 - share))
        parts.append(pd.DataFrame({"run": f"r{place:02d}", "params": n, "tokens": d, "loss": loss, "lr": 1 - share}))
    return pd.concat(parts, ignore_index=True).assign(total_tokens=END, peak_lr=PEAK)


def simulated_curves(**options):
    """The same, as `read_curves` gives them."""
    return bs.read_curves(simulated(**options), params_convention="total")


def upto(curves, share):
    """The curves as they stood when they had seen a share of their tokens."""
    return curves.isel(checkpoint=np.flatnonzero(curves["tokens"].values <= share * END))


def pinned_curves(curves, hot=0.04, spread=0.002, draws=250, chains=2, seed=0):
    """A posterior of ``chinchilla+curve`` whose draws are the truth, times exp(`spread` * normal); 0 plus that."""
    data, rng = prepare(bs.load_card("chinchilla+curve"), curves), np.random.default_rng(seed)
    card, rows = data.card, data.runs
    truth = card.get_law().from_paper(np, LAW, data.reference) | ERRORS
    truth |= {"hot": hot * PEAK, "hot_sd": 0.05, "hot_params": 0.0, "hot_tokens": 0.0}
    apart = {name: spread * rng.standard_normal((chains, draws)) for name in card.all_priors}
    drawn = {name: truth[name] * np.exp(by) if truth[name] else by for name, by in apart.items()}
    posterior = xr.Dataset({name: (("chain", "draw"), values) for name, values in drawn.items()})
    groups = {
        "posterior": posterior,
        "log_likelihood": log_likelihood(data, posterior),
        "observed_data": rows[["loss"]],
        "constant_data": rows.drop_vars("loss"),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(provenance(data, PASSED, {"seed": seed, "draws": draws, "chains": chains}))
    return tree
