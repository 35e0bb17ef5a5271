"""`make learn-priors`: which priors would have made larger runs of public sets most likely, as priors for other runs.

Each public set is cut at a tenth and at a hundredth of its largest compute and the runs below fitted with priors wide
enough to matter little. The draws are then weighed as if under other priors, and those are sought that give the runs
above the cut the highest log density: type-II maximum likelihood of what a forecast is for. It is done again without
each set in turn: how much hangs on one of them, and what the priors of the others are worth to it.
Writes benchmarks/learned_priors.csv, for models/defaults.toml and models/coupled-public.toml.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.special import expit, logit, logsumexp

import bayescale as bs
from bayescale.cards import Card
from bayescale.errors import DesignError
from bayescale.forms.rehearse import cut
from bayescale.inference import COUNTED, log_likelihood
from bayescale.modeling import prepare
from benchmarks.resume import BUILD, keep
from benchmarks.sets import open_sets, read_set

TABLE = Path(__file__).parent / "learned_priors.csv"
FACTORS, DRAWS, SEED, SWEEPS = (10.0, 100.0), 1000, 1, 2
THIN = 4  # of the draws: they are weighed thousands of times
# Beliefs under which fewer of a fit's draws count than these cannot be judged by it.
FEWEST = 25
WIDE = {
    "law": "coupled",
    "priors": {
        "E": {"dist": "Beta", "a": 2, "b": 1.2, "of": "min(loss)"},
        "from_params": {"dist": "LogNormal", "median": 0.5, "sigma": 1.0},
        "from_tokens": {"dist": "LogNormal", "median": 0.5, "sigma": 1.0},
        "alpha": {"dist": "LogNormal", "median": 0.33, "sigma": 0.5},
        "beta": {"dist": "LogNormal", "median": 0.33, "sigma": 0.5},
        "kappa": {"dist": "LogNormal", "median": 0.7, "sigma": 0.6},
    },
    "discrepancy": {
        "tau": {"dist": "LogNormal", "median": 0.01, "sigma": 0.9},
        "tau_growth": {"dist": "HalfNormal", "sigma": 0.8},
        "sigma_growth": {"dist": "Normal", "mu": 0.3, "sigma": 0.4},
    },
}


class Shape(NamedTuple):
    """A family of priors with two numbers, given on the whole real line; sets are few, so that spreads are bounded."""

    prior: Callable[[np.ndarray], Any]
    written: Callable[[np.ndarray], tuple[float, float]]
    start: tuple[float, float]
    of: tuple[str, ...]


def _bound_spread(x: float, least: float, most: float) -> float:
    return float(least + (most - least) * expit(x))


def _make_log_normal(of: tuple[str, ...], median: float) -> Shape:
    def written(h: np.ndarray) -> tuple[float, float]:
        return float(np.exp(h[0])), _bound_spread(h[1], 0.3, 1.0)

    return Shape(lambda h: stats.lognorm(s=written(h)[1], scale=written(h)[0]), written, (np.log(median), 0.0), of)


def _write_share(h: np.ndarray) -> tuple[float, float]:
    mean, runs = float(expit(h[0])), _bound_spread(h[1], 3.0, 70.0)
    return mean * runs, (1 - mean) * runs


def _write_shift(h: np.ndarray) -> tuple[float, float]:
    return float(h[0]), _bound_spread(h[1], 0.2, 0.5)


LEARNED = {
    "E": Shape(lambda h: stats.beta(*_write_share(h)), _write_share, (logit(0.625), -2.0), ("E",)),
    "alpha, beta": _make_log_normal(("alpha", "beta"), 0.33),
    "kappa": _make_log_normal(("kappa",), 0.7),
    "tau": _make_log_normal(("tau",), 0.01),
    "sigma_growth": Shape(lambda h: stats.norm(*_write_shift(h)), _write_shift, (0.3, 0.0), ("sigma_growth",)),
}
FAMILIES = {"E": "Beta", "sigma_growth": "Normal"}


class SetDraws(NamedTuple):
    """What the fit of one set below one cut gave: its draws, their log density of each larger run, and its priors'."""

    theta: dict[str, np.ndarray]
    density: np.ndarray
    wide: np.ndarray


def fits() -> dict[str, list[SetDraws]]:
    """Fit every set below each cut with the wide priors; what cannot be fitted is told and left out."""
    card, found = bs.cards.make_card(WIDE, "wide"), {}
    for name, frame in open_sets().items():
        runs = read_set(frame.astype(float))
        for factor in FACTORS:
            try:
                train, test = cut(runs, card, factor)
            except DesignError as error:
                print(f"{name}, {factor:g}x: {error}", flush=True)
                continue
            # The fits take a quarter of an hour, so they are kept.
            fit = keep(BUILD / "learn-priors" / f"{name.replace(' ', '_')}-{factor:g}.nc", partial(bs.fit, train, card,
                       seed=SEED, draws=DRAWS, tune=DRAWS, tries=2, prior_draws=0, limits=COUNTED))  # fmt: skip
            verdict = bs.verdict(fit)
            print(f"{name}, {factor:g}x: {verdict.sentence}", flush=True)
            if verdict.passed:
                found.setdefault(name, []).append(_take_draws(card, fit, train, test))
    return found


def _take_draws(card: Card, fit: Any, train: Any, test: Any) -> SetDraws:
    posterior = fit["posterior"].to_dataset().isel(draw=slice(None, None, THIN))
    density = next(iter(log_likelihood(prepare(card, train), posterior, test).data_vars.values()))
    names = [name for shape in LEARNED.values() for name in shape.of]
    theta = {name: posterior[name].values.ravel() for name in names}
    # The share of the lowest loss is what has a prior; one of just 1 has no density under most.
    theta["E"] = np.clip(theta["E"] / float(train["loss"].min()), 1e-6, 1 - 1e-6)
    wide = sum(card.all_priors[name].scipy.logpdf(theta[name]) for name in names)
    return SetDraws(theta, density.values.reshape(-1, test.sizes["run"]), np.asarray(wide))


def predicted(said: list[SetDraws], beliefs: Mapping[str, np.ndarray] | None, fewest: float = 0.0) -> float:
    """Return the mean log density of a larger run under these beliefs, over the cuts; of the wide ones without."""
    scores = []
    for one in said:
        weight = np.zeros(len(one.wide))
        if beliefs is not None:
            new = {name: shape.prior(beliefs[key]) for key, shape in LEARNED.items() for name in shape.of}
            weight = sum(prior.logpdf(one.theta[name]) for name, prior in new.items()) - one.wide
        weight = weight - logsumexp(weight)
        if np.exp(-logsumexp(2 * weight)) < fewest:
            return -np.inf
        scores.append(logsumexp(one.density + weight[:, None], axis=0).clip(-20).mean())
    return float(np.mean(scores))


def learn(sets: Mapping[str, list[SetDraws]]) -> dict[str, np.ndarray]:
    """Return the beliefs under which the larger runs of these sets are most likely: one parameter after the other."""
    beliefs = {name: np.array(shape.start, dtype=float) for name, shape in LEARNED.items()}
    for _ in range(SWEEPS):
        for name in LEARNED:

            def loss(at: np.ndarray, name: str = name) -> float:
                return -float(np.mean([predicted(said, beliefs | {name: at}, FEWEST) for said in sets.values()]))

            steps = beliefs[name] + np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 1.0]])
            options = {"maxfev": 30, "xatol": 0.02, "fatol": 1e-4, "initial_simplex": steps}
            beliefs[name] = optimize.minimize(loss, beliefs[name], method="Nelder-Mead", options=options).x
    return beliefs


def main() -> None:
    """Fit the sets, learn the priors, with and without each set, and write the table."""
    sets = fits()
    whole, without = learn(sets), {left: learn({k: v for k, v in sets.items() if k != left}) for left in sets}
    rows = []
    for name, shape in LEARNED.items():
        first, second = shape.written(whole[name])
        others = np.array([shape.written(one[name]) for one in without.values()])
        row = {"parameter": name, "dist": FAMILIES.get(name, "LogNormal"), "first": first, "second": second}
        low, high = others.min(axis=0), others.max(axis=0)
        row |= {"first_least": low[0], "first_most": high[0], "second_least": low[1], "second_most": high[1]}
        rows.append(row)
    table = pd.DataFrame(rows)
    table.to_csv(TABLE, index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.3g}".format))
    wide = np.mean([predicted(said, None) for said in sets.values()])
    learned = np.mean([predicted(said, without[name]) for name, said in sets.items()])
    print(f"Mean log density of a larger run: {wide:.3f} with wide priors, {learned:.3f} with those of the other sets.")


if __name__ == "__main__":
    main()
