"""Simulated learning curves: each run lies off the law by an error of its own, and wanders smoothly as it trains."""

import functools

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.layers.curve import CURVE, alike
from benchmarks.simulated_runs import PRIORS, drawn, farther

SIZES, RATIOS, CHECKPOINTS, EVERY = 6, (5.0, 20.0, 80.0), 40, 3
NARROW = 0.3
WITH = {
    "extends": "chinchilla",
    "priors": PRIORS,
    "noise": {"family": "Normal", "sigma": {"dist": "LogNormal", "median": 0.002, "sigma": NARROW}},
    "curve": {
        name: {"dist": "LogNormal", "median": 0.01, "sigma": NARROW} for name in ("offset_sd", "tilt_sd", "wander_sd")
    }
    | {"length": 1.0},
}
WITHOUT = {"extends": "chinchilla", "priors": PRIORS}
ABOUT = f"""\
Learning curves of {SIZES} sizes at {len(RATIOS)} tokens-per-parameter ratios, every third design with a second seed,
{CHECKPOINTS} checkpoints a run from a tenth of its tokens on. All that is true of a log is drawn from the beliefs of
one card, in NumPy: the law (Chinchilla's), how far a whole run lies off it (a standard deviation of about 1%: what
seeds scatter by), how much faster or slower it falls (1% a decade of tokens), a wander that is correlated over a decade
of tokens (1%), and the noise of a checkpoint (0.2%). Each log is fitted by that card (`with`) and by plain Chinchilla
with Student-t noise and the same priors of the law, to which each checkpoint is a run of its own (`without`)."""


@functools.cache
def places() -> pd.DataFrame:
    """Return where the checkpoints lie."""
    designs = [(n, ratio * n) for n in np.geomspace(5e7, 2e9, SIZES) for ratio in RATIOS]
    parts = []
    for k, (params, tokens) in enumerate(designs + designs[::EVERY]):
        along = tokens * np.linspace(0.1, 1, CHECKPOINTS)
        parts.append(pd.DataFrame({"run": f"run {k:02d}", "params": params, "tokens": along}))
    return pd.concat(parts, ignore_index=True)


@functools.cache
def reference() -> dict[str, float]:
    """Return the reference run of the model that is fitted, about which its priors and a run's tilt are."""
    card, rows = CURVE.prepare_rows(bs.cards.make_card(WITH), read(places().assign(loss=3.0), "with"))
    law = card.get_law()
    return dict(law.reference({name: rows[name].values for name in law.inputs}))


def simulate(replicate: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return a log of curves and what is true of it: the floor, what is expected farther out, and a run there."""
    rng, frame, card = np.random.default_rng([replicate, 78]), places().copy(), bs.cards.make_card(WITH)
    theta, law = drawn(card, rng), card.get_law()
    assert card.curve is not None
    decades = np.log10(frame["tokens"].to_numpy() / reference()["tokens"])
    error = np.empty(len(frame))
    for rows in frame.groupby("run").indices.values():
        level, tilt = rng.normal(0, [theta["offset_sd"], theta["tilt_sd"]])
        error[rows] = (
            level + tilt * decades[rows] + theta["wander_sd"] * _draw_wander(rng, decades[rows], card.curve.length)
        )
    noise = rng.normal(0, theta["sigma"], len(frame))
    mean = law.at(np, {name: frame[name].to_numpy() for name in ("params", "tokens")}, theta, reference())
    frame["loss"] = mean * np.exp(error + noise)
    far = farther(frame)
    expected = float(law.at(np, far, theta, reference()))
    beyond = np.log10(far["tokens"] / reference()["tokens"])
    sds = [theta["offset_sd"], theta["tilt_sd"] * beyond, theta["wander_sd"], theta["sigma"]]
    own = rng.normal(0, sds).sum()
    return frame, {"E": theta["E"], "expected_loss": expected, "loss": expected * np.exp(own)}


def _draw_wander(rng: np.random.Generator, decades: np.ndarray, length: float) -> np.ndarray:
    together = alike(decades, decades, length) + 1e-9 * np.eye(decades.size)
    return np.asarray(np.linalg.cholesky(together) @ rng.standard_normal(decades.size))


def read(frame: pd.DataFrame, terms: str) -> xr.Dataset:
    """Return the curves; or, without terms, their checkpoints as if they were runs."""
    if terms == "with":
        return bs.read_curves(frame, filters=None)
    return bs.read_runs(frame.drop(columns="run"), suspicious="keep")
