"""`make learn-priors`: what public runs say of a law's parameters, its drift and its scatter, as priors for others.

Each public set is fitted whole with priors wide enough to matter little. A prior for the next set is the population
that makes these posteriors most likely: type-II maximum likelihood, with each posterior's draws standing for its
likelihood (draws divided by the wide prior). It is done again without each set in turn, which says how much hangs on
one of them.
Writes benchmarks/learned_priors.csv, for models/defaults.toml and models/coupled-public.toml, whose numbers were chosen
by hand on the same sets so far.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy import optimize, stats

import bayescale as bs
from benchmarks.sets import open_sets

TABLE = Path(__file__).parent / "learned_priors.csv"
WIDE = {
    "law": "coupled",
    "priors": {
        "E": {"dist": "Beta", "a": 1, "b": 1, "of": "min(loss)"},
        "from_params": {"dist": "LogNormal", "median": 0.5, "sigma": 1.0},
        "from_tokens": {"dist": "LogNormal", "median": 0.5, "sigma": 1.0},
        "alpha": {"dist": "LogNormal", "median": 0.33, "sigma": 0.8},
        "beta": {"dist": "LogNormal", "median": 0.33, "sigma": 0.8},
        "kappa": {"dist": "LogNormal", "median": 0.6, "sigma": 0.8},
    },
    "discrepancy": {
        "tau": {"dist": "LogNormal", "median": 0.01, "sigma": 1.2},
        "tau_growth": {"dist": "HalfNormal", "sigma": 1.5},
        "sigma_growth": {"dist": "Normal", "mu": 0.3, "sigma": 0.8},
    },
}
# The family of each learned prior, on the scale where it is normal; a half-normal has its sigma alone.
LEARNED = {
    "alpha": "LogNormal",
    "beta": "LogNormal",
    "kappa": "LogNormal",
    "tau": "LogNormal",
    "tau_growth": "HalfNormal",
    "sigma_growth": "Normal",
}
DRAWS, CHAINS, SEED = 1000, 4, 1
# Sets are few: a population narrower than this is not to be believed.
NARROWEST = 0.2


def posterior_draws() -> dict[str, xr.Dataset]:
    """Return the draws of each set under the wide card; a set that does not converge is told and left out."""
    card, found = bs.make_card(WIDE, "wide"), {}
    for name, frame in open_sets().items():
        runs = bs.read_runs(frame.rename(columns={"N": "params", "D": "tokens", "C": "compute"}), suspicious="keep")
        fit = bs.fit(runs, card, seed=SEED, draws=DRAWS, chains=CHAINS, prior_draws=0)
        verdict = bs.verdict(fit)
        print(f"{name}: {verdict.sentence}", flush=True)
        if verdict.passed:
            found[name] = fit["posterior"].to_dataset()[list(LEARNED)]
    return found


def population(draws: Mapping[str, np.ndarray], prior: object, family: str) -> tuple[float, float]:
    """Return centre and spread of the population that makes the posteriors most likely."""
    values = list(draws.values())
    wide = [prior.pdf(x) for x in values]  # type: ignore[attr-defined]

    def loss(at: np.ndarray) -> float:
        shape = _family(family, at[0], NARROWEST + np.exp(at[1]))
        return -sum(np.log(np.mean(shape.pdf(x) / w) + 1e-300) for x, w in zip(values, wide, strict=True))

    pooled = np.concatenate(values)
    scale = np.log(pooled) if family == "LogNormal" else pooled
    best = optimize.minimize(loss, [np.median(scale), np.log(scale.std() + 1e-9)], method="Nelder-Mead")
    centre, spread = best.x[0], NARROWEST + np.exp(best.x[1])
    return (float(np.exp(centre)) if family == "LogNormal" else float(centre)), float(spread)


def _family(family: str, centre: float, spread: float) -> object:
    return {
        "LogNormal": lambda: stats.lognorm(s=spread, scale=np.exp(centre)),
        "Normal": lambda: stats.norm(centre, spread),
        "HalfNormal": lambda: stats.halfnorm(scale=spread),
    }[family]()


def main() -> None:
    """Fit the sets, learn the populations, with and without each set, and write the table."""
    draws, card, rows = posterior_draws(), bs.make_card(WIDE, "wide"), []
    for name, family in LEARNED.items():
        each = {key: ds[name].values.ravel() for key, ds in draws.items()}
        prior = card.all_priors[name].scipy
        centre, spread = population(each, prior, family)
        without = [population({k: v for k, v in each.items() if k != left}, prior, family) for left in each]
        centres, spreads = zip(*without, strict=True)
        row = {"parameter": name, "dist": family, "centre": centre, "spread": spread, "sets": len(each)}
        row |= {"least_centre": min(centres), "most_centre": max(centres)}
        rows.append(row | {"least_spread": min(spreads), "most_spread": max(spreads)})
    table = pd.DataFrame(rows)
    if "HalfNormal" in set(table["dist"]):
        table.loc[table["dist"] == "HalfNormal", ["centre", "least_centre", "most_centre"]] = 0.0
    table.to_csv(TABLE, index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
