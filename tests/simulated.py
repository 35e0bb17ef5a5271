"""Runs simulated from any card: its law at realistic scales, its parameters as the card believes them."""

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.cards import Card
from bayescale.laws import SCALES
from bayescale.layers.noise import NOISES, draw_response

# Where runs lie in practice, for what is measured relative to a reference run.
RANGES = {
    "params": (1e7, 1e10),
    "tokens": (2e8, 2e11),
    "compute": (1e18, 1e22),
    "step": (1e3, 1e5),
    "batch": (1e5, 4e6),
    "unique_tokens": (1e9, 2e11),
    "words": (1e6, 3e10),
    "examples": (1e3, 1e6),
    "width": (256, 4096),
    "depth": (4, 64),
    "lr_area": (0.5, 50),
    "annealing": (0.01, 2),
}
LOSS = 2.5  # what a prior `of` the runs' loss is a multiple of
QUESTIONS = 2000
WORST = 12.0
GROWS = ("tokens", "step", "compute", "lr_area")  # in the course of a run


def inputs_for(card: Card, count: int, seed: int) -> dict[str, np.ndarray]:
    """Scales of `count` runs: a Latin hypercube over the ranges, on the log scale where they are relative."""
    rng, found = np.random.default_rng([seed, 11]), {}
    for name in card.get_law().inputs:
        share = (rng.permutation(count) + rng.random(count)) / count
        low, high = RANGES.get(name, SCALES[name].typical)
        found[name] = low * (high / low) ** share if low > 0 else low + (high - low) * share
        if name in ("experts", "granularity"):
            found[name] = np.maximum(np.round(found[name]), 1.0)
    return found


def truth_for(card: Card, seed: int, middle: float = 0.5) -> dict[str, float]:
    """One draw of each parameter from the middle share of its prior."""
    rng = np.random.default_rng([seed, 12])
    found = {}
    for name, prior in card.all_priors.items():
        value = float(prior.scipy.ppf(0.5 + middle * (rng.random() - 0.5)))
        found[name] = value * (LOSS if prior.of else 1.0)
    return found


def simulated_from(
    card: Card, count: int = 40, seed: int = 1, truth: dict[str, float] | None = None, family: str | None = None
) -> xr.Dataset:
    """Runs of the card's law and noise, as `read_runs` gives them."""
    law, inputs = card.get_law(), inputs_for(card, count, seed)
    theta = truth or truth_for(card, seed)
    mean = xr.DataArray(law.at(np, inputs, theta, law.reference(inputs)), dims="run")
    wanted = NOISES[card.noise.family].known
    known = {name: np.full(count, QUESTIONS) if name == "questions" else 0.0 for name in wanted}
    scalars = {name: xr.DataArray(value) for name, value in theta.items()}
    response = draw_response(card.noise.family, mean, scalars, np.random.default_rng([seed, 13]), known)
    frame = pd.DataFrame(inputs | {law.response: response.values})
    if law.response == "loss":  # a model worse than guessing is no run that anybody keeps
        frame = frame[frame["loss"] < WORST]
    if "questions" in known:
        frame["questions"] = QUESTIONS
    if family:
        frame["family"] = family
    return bs.read_runs(frame, suspicious="keep")


def families_from(card: Card, names=("a", "b", "c"), count: int = 12) -> xr.Dataset:
    """The same for several families of one truth."""
    frames = [simulated_from(card, count, seed, truth_for(card, 0)).to_dataframe().reset_index(drop=True)
              for seed in range(len(names))]  # fmt: skip
    wanted = [*card.get_law().inputs, card.get_law().response]
    wanted += [name for name in ("questions",) if name in frames[0]]
    parts = [frame[wanted].assign(family=name) for frame, name in zip(frames, names, strict=True)]
    return bs.read_runs(pd.concat(parts, ignore_index=True), suspicious="keep")


def curves_from(card: Card, count: int = 20, seed: int = 1) -> xr.Dataset:
    """Learning curves of the card's law, six checkpoints a run, with half a percent of scatter."""
    law, inputs, rng = card.get_law(), inputs_for(card, count, seed), np.random.default_rng([seed, 14])
    truth, reference, parts = truth_for(card, seed), law.reference(inputs), []
    for share in np.linspace(1 / 6, 1, 6):
        at = {name: values * (share if name in GROWS else 1) for name, values in inputs.items()}
        loss = law.at(np, at, truth, reference) * np.exp(0.005 * rng.standard_normal(count))
        at.setdefault("tokens", at["step"] * at["batch"] if "step" in at else np.full(count, 1e10 * share))
        parts.append(pd.DataFrame(at | {"loss": loss, "run": [f"r{k:02d}" for k in range(count)]}))
    return bs.read_curves(pd.concat(parts), suspicious="keep", filters=None)
