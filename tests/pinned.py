"""Posteriors made by hand, every draw a known truth, and runs simulated from a known law: no sampling."""

import dataclasses
import json
from collections.abc import Mapping
from unittest import mock

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.inference import Check, Verdict
from bayescale.inference.sampling import provenance
from bayescale.layers.noise import observed_name
from bayescale.modeling import prepare

# Hoffmann et al. 2022, eq. 10 as printed; the same from the paper's TeX comment, unrounded; Besiroglu et al. 2024.
ROUNDED = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
UNROUNDED = {
    "E": np.exp(0.5267228),
    "A": np.exp(6.0073404),
    "B": np.exp(6.0179186),
    "alpha": 0.33917084,
    "beta": 0.2849083,
}
BESIROGLU = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
# Kaplan et al. 2020, Table 2.
KAPLAN = {"alpha_N": 0.076, "alpha_D": 0.103, "N_c": 6.4e13, "D_c": 1.8e13}

PASSED = Verdict(
    tuple(
        Check(name, value, limit, True, "E", "")
        for name, value, limit in (
            ("R-hat", 1.0, 1.01),
            ("bulk ESS", 4000.0, 400.0),
            ("tail ESS", 3000.0, 400.0),
            ("divergences", 0.0, 0.0),
        )
    )
)
FAILED = Verdict((*PASSED.checks[:3], Check("divergences", 7, 0.0, False, "all chains", "7 of 4000 draws diverged.")))


def simulated_frame(
    law: str = "chinchilla",
    paper: Mapping[str, float] = BESIROGLU,
    sizes: int = 6,
    ratios: int = 6,
    noise: float = 0.0,
    seed: int = 1,
    **columns: str,
) -> pd.DataFrame:
    """Runs of a known law on a grid of N (20M to 4B) and D/N (5 to 200), with log-normal scatter."""
    size, ratio = np.meshgrid(np.geomspace(2e7, 4e9, sizes), np.geomspace(5, 200, ratios))
    params, tokens = size.ravel(), (size * ratio).ravel()
    scatter = noise * np.random.default_rng(seed).standard_normal(params.size)
    loss = bs.laws.get_law(law).paper(np, paper, params=params, tokens=tokens) * np.exp(scatter)
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss, **columns})


def simulated_runs(*args, **kwargs) -> xr.Dataset:
    """The same, as `read_runs` gives them."""
    return bs.read_runs(simulated_frame(*args, **kwargs))


def pinned_fit(
    law: str = "chinchilla",
    paper: Mapping[str, float] = BESIROGLU,
    *,
    params0: float = 1e9,
    tokens0: float = 2e10,
    runs: xr.Dataset | None = None,
    reference: Mapping[str, float] | None = None,
    families: Mapping[str, Mapping[str, float]] | None = None,
    sigma: float = 0.005,
    nu: float = 1e6,
    spread: float = 0.0,
    prior_spread: float = 0.5,
    draws: int = 250,
    chains: int = 2,
    verdict: Verdict = PASSED,
    seed: int = 0,
) -> xr.DataTree:
    """A posterior whose draws are the given paper's parameters, times exp(`spread` * normal) where that is not 0.

    `law` names a card; a law that takes more than N and D is given its own `runs` (and `reference`).
    """
    card, rng = bs.load_card(law), np.random.default_rng(seed)
    form = card.get_law()
    truths = families or {"all": paper}
    names = tuple(sorted(truths))
    if runs is None:
        frames = [simulated_frame(law, truths[name], 4, 4, family=name) for name in names]
        runs = bs.read_runs(pd.concat(frames) if families else frames[0].drop(columns="family"))
        reference = reference or {"params": params0, "tokens": tokens0}
    reference = reference or form.reference({name: runs[name].values for name in form.inputs})

    def scattered(value, width, dims):
        shape = (chains, draws, *np.shape(value))
        return xr.DataArray(value * np.exp(width * rng.standard_normal(shape)), dims=("chain", "draw", *dims))

    posterior, prior = {}, {}
    each = [form.from_paper(np, truths[name], reference) for name in names]
    for name in form.parameter_names:
        value = np.array([theta[name] for theta in each])
        if families:
            posterior[name] = scattered(value, spread, ("family",)).assign_coords(family=list(names))
            for part in ("level", "population"):
                posterior[f"{name}_{part}"] = scattered(np.exp(np.log(value).mean()), spread, ())
            posterior[f"{name}_spread"] = scattered(max(float(np.log(value).std()), 0.01), spread, ())
            prior[name] = scattered(value, prior_spread, ("family",)).assign_coords(family=list(names))
            prior |= {f"{name}_{part}": posterior[f"{name}_{part}"] for part in ("level", "spread")}
        else:
            posterior[name], prior[name] = scattered(value[0], spread, ()), scattered(value[0], prior_spread, ())
    theta = {name: posterior[name] for name in form.parameter_names}
    posterior |= form.to_paper(np, theta, reference)
    noise = {"sigma": sigma, "nu": nu, "precision": 300.0}
    posterior |= {name: scattered(noise[name], spread, ()) for name in card.noise.priors}
    flat = xr.DataArray(np.zeros((chains, draws)), dims=("chain", "draw"))
    density = rng.normal(3.0, 0.1, (chains, draws, runs.sizes["run"]))
    constant = runs.drop_vars(form.response)
    observed = observed_name(card.noise.family, form.response)
    groups = {
        "posterior": xr.Dataset(posterior),
        "sample_stats": xr.Dataset({"diverging": flat.astype(bool), "energy": flat, "reached_max_treedepth": flat > 1}),
        "log_likelihood": xr.Dataset({observed: (("chain", "draw", "run"), density)}, {"run": runs["run"]}),
        "observed_data": runs[[form.response]].drop_vars("family", errors="ignore"),
        "constant_data": constant.reset_coords("family") if families else constant,
        "prior": xr.Dataset(prior),
    }
    tree = xr.DataTree.from_dict(groups)
    # A posterior that is written by hand may be of fewer runs than its law could be fitted to.
    with mock.patch("bayescale.modeling.problem.check_rows"):
        data = dataclasses.replace(prepare(card, runs), reference=dict(reference))
    tree.attrs.update(provenance(data, verdict, {"seed": seed, "draws": draws, "chains": chains}))
    return tree


def with_errors(fit: xr.DataTree, **sd: float) -> xr.DataTree:
    """The same posterior of the same card with errors that runs share, by what they share: standard deviations."""
    posterior, card = fit["posterior"].to_dataset(), json.loads(fit.attrs["card"])
    flat = xr.zeros_like(posterior["sigma"])
    for key, value in sd.items():
        card["errors"][key] = {"dist": "HalfNormal", "sigma": 0.02}
        posterior[f"{key}_sd"] = flat + value
        posterior[f"{key}_error"] = flat.expand_dims({f"{key}_group": ["fitted"]}, -1)
    out = fit.copy(deep=True)
    out["posterior"] = posterior
    out.attrs["card"] = json.dumps(card)
    return out
