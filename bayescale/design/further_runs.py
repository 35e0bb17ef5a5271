"""Runs that could be added to those at hand: which of them would teach most is for others to say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayescale.costs import CostModel, cost_model
from bayescale.laws import Law, scale_of

Inputs = dict[str, NDArray[np.float64]]

# How many runs are added.
ADDED = 3
# How far beyond the runs at hand, along one input or in tokens per parameter, and in compute.
FACTOR = 5.0
LARGER = (3.0, 10.0)
# Nothing is proposed with fewer or more tokens per parameter than this, or than at hand.
RATIOS = (1.0, 1000.0)
# How people write these; other columns go by their names.
SYMBOLS = {"params": "N", "tokens": "D", "compute": "C"}
# Runs that cost more than this times the largest are not proposed.
MOST = 10.0


@dataclass(frozen=True)
class Further:
    """Three runs to add: what they are, in words that fit after "3 runs", the law's inputs of each, and their compute.

    ``compute_factor`` is that of the most expensive relative to the largest run at hand. Both are NaN where not known.
    """

    words: str
    inputs: Inputs
    compute: NDArray[np.float64]
    compute_factor: float


def further_runs(law: Law, runs: xr.Dataset, reference: Mapping[str, float]) -> list[Further]:
    """Return sets of three runs that could be added: larger ones, split otherwise, or beyond these in one input.

    Parameters
    ----------
    law : Law
        What they are for.
    runs : xarray.Dataset
        The runs at hand, of one family.
    reference : dict
        The reference run: nothing is proposed that is not met in practice relative to it.

    Returns
    -------
    list of Further

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.design.further_runs import further_runs
    >>> runs, law = bs.load_shipped("tinylm"), bs.laws.get_law("chinchilla")
    >>> further_runs(law, runs, law.reference(runs))[0].words
    'at 3x the compute of the largest run'
    """
    inputs = {name: runs[name].values.astype(float) for name in law.inputs}
    cost = cost_model(str(runs.attrs.get("cost", "6ND")))
    largest = float(runs["compute"].max()) if "compute" in runs else np.nan
    corners = {name: values[_find_corners(inputs)] for name, values in inputs.items()}
    proposed = []
    for words, changed in [*_give_splits(corners, cost, largest), *_give_runs_beyond(inputs, reference)]:
        added = _limit_ratio(corners | changed, inputs, "params" if set(changed) == {"tokens"} else "tokens")
        compute = _find_compute(added, cost)
        factor = float(compute.max()) / largest
        # What costs more is no advice; where the cost is not known, it is not held against the runs.
        if not factor > MOST * 1.001:
            proposed.append(Further(words, added, compute, factor))
    return proposed


def _find_corners(inputs: Inputs) -> NDArray[np.intp]:
    """Return the places of three runs: the two ends and the middle of the direction in which the runs differ most."""
    logs = np.array([np.log(values) if (values > 0).all() else values for values in inputs.values()])
    centred = logs - logs.mean(axis=1, keepdims=True)
    order = np.argsort(np.linalg.svd(centred, full_matrices=False)[0][:, 0] @ centred, kind="stable")
    return order[[0, len(order) // 2, -1]]


def _give_splits(corners: Inputs, cost: CostModel, largest: float) -> Iterator[tuple[str, Inputs]]:
    """Give larger runs split like these, and runs as large as these split otherwise."""
    if not {"params", "tokens"} <= set(corners):
        return
    params, tokens = corners["params"], corners["tokens"]
    for factor in LARGER if np.isfinite(largest) else ():
        up = np.sqrt(factor * largest / cost.compute(params, tokens))
        yield f"at {factor:g}x the compute of the largest run", {"params": params * up, "tokens": tokens * up}
    for way in (FACTOR, 1 / FACTOR):
        words = f"at {FACTOR:g}x the" if way > 1 else f"at 1/{FACTOR:g} of the"
        both = {"params": params / np.sqrt(way), "tokens": tokens * np.sqrt(way)}
        yield f"{words} tokens per parameter", both


def _give_runs_beyond(inputs: Inputs, reference: Mapping[str, float]) -> Iterator[tuple[str, Inputs]]:
    """Give runs above the largest and below the smallest value of each input in turn."""
    for name, values in inputs.items():
        scale, label = scale_of(name), SYMBOLS.get(name, name)
        least, most = (limit * reference.get(name, 1.0) for limit in scale.typical)
        step = FACTOR if scale.relative else np.inf
        above, below = min(values.max() * step, most), max(values.min() / step, least)
        if above > values.max() > 0:
            yield f"with {label} above all of these", {name: np.full(ADDED, above)}
        if below < values.min():
            yield f"with {label} below all of these", {name: np.full(ADDED, below)}


def _limit_ratio(added: Inputs, inputs: Inputs, give: str) -> Inputs:
    """Return the inputs at a usual number of tokens per parameter, by a change of `give`, and not in part unread."""
    if {"params", "tokens"} <= set(added):
        ratios = inputs["tokens"] / inputs["params"]
        low, high = min(ratios.min(), RATIOS[0]), max(ratios.max(), RATIOS[1])
        if give == "tokens":
            added = added | {"tokens": np.clip(added["tokens"], added["params"] * low, added["params"] * high)}
        else:
            added = added | {"params": np.clip(added["params"], added["tokens"] / high, added["tokens"] / low)}
    if {"unique_tokens", "tokens"} <= set(added):
        added = added | {"unique_tokens": np.minimum(added["unique_tokens"], added["tokens"])}
    return added


def _find_compute(inputs: Inputs, cost: CostModel) -> NDArray[np.float64]:
    """Return the compute of each; NaN where it does not follow from what the law takes."""
    if "compute" in inputs:
        return inputs["compute"]
    tokens = inputs["step"] * inputs["batch"] if {"step", "batch"} <= set(inputs) else inputs.get("tokens")
    if tokens is None or "params" not in inputs:
        return np.full(ADDED, np.nan)
    return np.asarray(cost.compute(inputs["params"], tokens))
