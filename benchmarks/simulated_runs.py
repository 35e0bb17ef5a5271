"""Simulated logs of finished runs: IsoFLOP budgets that err together, seeds that scatter, runs that are badly tuned."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs

BUDGETS, SIZES, EVERY = 6, 10, 5
FARTHER = 10**0.5  # the run that is asked about has so many times the largest N and the largest D
PRIORS: dict[str, Any] = {
    "E": {"dist": "LogNormal", "median": 1.7, "sigma": 0.15},
    "from_params": {"dist": "LogNormal", "median": 0.3, "sigma": 0.3},
    "from_tokens": {"dist": "LogNormal", "median": 0.3, "sigma": 0.3},
    "alpha": {"dist": "LogNormal", "median": 0.35, "sigma": 0.2},
    "beta": {"dist": "LogNormal", "median": 0.35, "sigma": 0.2},
}
WITH = {
    "extends": "chinchilla",
    "priors": PRIORS,
    "noise": {
        "family": "Undertuned",
        "sigma": {"dist": "LogNormal", "median": 0.003, "sigma": 0.3},
        "undertuned": {"dist": "Beta", "a": 2, "b": 14},
        "excess": {"dist": "LogNormal", "median": 0.05, "sigma": 0.3},
    },
    "errors": {
        "budget": {"dist": "LogNormal", "median": 0.015, "sigma": 0.3},
        "lean": {"dist": "LogNormal", "median": 0.03, "sigma": 0.3},
        "design": {"dist": "LogNormal", "median": 0.004, "sigma": 0.3},
    },
}
WITHOUT = {"extends": "chinchilla", "priors": PRIORS}
ABOUT = f"""\
Run logs of {BUDGETS} IsoFLOP budgets of {SIZES} sizes, every fifth design with a second seed. All that is true of a log
is drawn from the beliefs of one card, in NumPy: the law (Chinchilla's), an error that the runs of a budget share (a
standard deviation of about 1.5%) and the lean of its profile (3% a decade of N), lack of fit that seeds share (0.4%),
the scatter of seeds (0.3%), and undertuned runs (one in eight, 5% worse on average). Each log is fitted by that card
(`with`) and by plain Chinchilla with Student-t noise and the same priors of the law (`without`)."""


def places() -> pd.DataFrame:
    """Return where the runs lie: IsoFLOP budgets, and every fifth design with a second seed."""
    compute = np.geomspace(1e19, 3e21, BUDGETS)[:, None]
    params = 0.1 * compute**0.5 * np.geomspace(0.25, 4, SIZES)
    first = pd.DataFrame({"params": params.ravel(), "tokens": (compute / (6 * params)).ravel(), "seed": 1})
    return pd.concat([first, first.iloc[2::EVERY].assign(seed=2)], ignore_index=True)


def simulate(replicate: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return a run log and what is true of it: the floor, what is expected farther out, and a run there."""
    rng, frame, card = np.random.default_rng([replicate, 77]), places(), bs.cards.make_card(WITH)
    theta = drawn(card, rng)
    law, inputs = card.get_law(), {name: frame[name].to_numpy() for name in ("params", "tokens")}
    reference = law.reference(inputs)
    compute = (frame["params"] * frame["tokens"]).round(-10).astype(str)
    decades = np.log10(frame["params"])
    off = decades - decades.groupby(compute).transform("mean")
    design = compute + frame["params"].round().astype(str)
    error = _draw_groups(rng, compute, theta["budget_sd"]) + off * _draw_groups(rng, compute, theta["lean_sd"])
    error += _draw_groups(rng, design, theta["design_sd"])
    mean = law.at(np, inputs, theta, reference)
    frame["loss"] = mean * np.exp(error + _draw_scatter(rng, theta, len(frame)))
    expected = float(law.at(np, farther(frame), theta, reference))
    own = rng.normal(0, np.hypot(theta["budget_sd"], theta["design_sd"])) + _draw_scatter(rng, theta, 1)[0]
    return frame, {"E": theta["E"], "expected_loss": expected, "loss": expected * np.exp(own)}


def drawn(card: bs.cards.Card, rng: np.random.Generator) -> dict[str, float]:
    """Return a value of each of the card's parameters from its prior."""
    return {name: float(prior.scipy.rvs(random_state=rng)) for name, prior in card.all_priors.items()}


def farther(frame: pd.DataFrame) -> dict[str, float]:
    """Return the N and D that are asked about."""
    return {name: float(frame[name].max() * FARTHER) for name in ("params", "tokens")}


def beyond(frame: pd.DataFrame) -> float:
    """Return how many times the compute of the largest run that is."""
    far = farther(frame)
    return far["params"] * far["tokens"] / float((frame["params"] * frame["tokens"]).max())


def read(frame: pd.DataFrame, terms: str) -> xr.Dataset:
    """Return the runs as either card takes them."""
    del terms
    return bs.read_runs(frame, suspicious="keep")


def _draw_groups(rng: np.random.Generator, labels: pd.Series, sd: float) -> pd.Series:
    names = labels.unique()
    return labels.map(dict(zip(names, rng.normal(0, sd, len(names)), strict=True)))


def _draw_scatter(rng: np.random.Generator, theta: dict[str, float], count: int) -> np.ndarray:
    worse = (rng.random(count) < theta["undertuned"]) * rng.exponential(theta["excess"], count)
    return rng.normal(0, theta["sigma"], count) + worse
