"""What a set of runs cannot tell, whatever the law."""

import numpy as np
import xarray as xr

from bayescale.runs.columns import COLUMNS, QUANTITIES, SIZES
from bayescale.runs.finding import Finding, rows_of
from bayescale.runs.numbers import human_number, scientific

# Of these a decade is little; the others seldom span one.
WIDE = ("params", "tokens", "step", "unique_tokens", "words", "examples")


def families_of(runs: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the places of each family's runs; without families, of all runs under an empty name."""
    if "family" not in runs.coords:
        return {"": np.arange(runs.sizes["run"])}
    labels = runs["family"].values
    return {str(label): np.flatnonzero(labels == label) for label in np.unique(labels)}


def design_findings(runs: xr.Dataset) -> list[Finding]:
    """Say what these runs cannot identify, for all of them together and then for each family.

    Parameters
    ----------
    runs : xarray.Dataset
        At least one response and one quantity over ``run``.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> from bayescale.runs import load_shipped
    >>> from bayescale.runs.design import design_findings
    >>> design_findings(load_shipped("tinylm"))
    []
    """
    count = runs.sizes["run"]
    if count == 1:
        return [Finding("warning", "one run: no law can be fitted to it", rows_of(runs, np.array([True])))]
    whole = _degenerate(runs)
    found = [*_few(runs), *(Finding("warning", f"all {count} runs are {text}") for text in whole.values())]
    found += _narrow(runs, whole)
    families = families_of(runs)
    if len(families) > 1:
        for name, places in families.items():
            part = _degenerate(runs.isel(run=places)) if len(places) > 1 else {}
            told = [text for kind, text in part.items() if kind not in whole]
            few = f"{len(places)} run{'s' if len(places) > 1 else ''} only" if len(places) < 5 else ""
            if told or few:
                message = (
                    f"family {name!r}: " + "; ".join(filter(None, [few, *told])) + " (unless shared across families)"
                )
                found.append(Finding("warning", message, tuple(int(row) for row in runs["row"].values[places])))
    return found


def _few(runs: xr.Dataset) -> list[Finding]:
    needed, law = (
        (8, "law in N and D has five") if {"params", "tokens"} <= set(runs) else (6, "law with a floor has three")
    )
    count = runs.sizes["run"]
    if count >= needed:
        return []
    return [Finding("warning", f"only {count} runs: a {law} unknowns, so little can be told from these")]


def _narrow(runs: xr.Dataset, told: dict[str, str]) -> list[Finding]:
    """Say whether the runs span too little to extrapolate from: in compute, or else in what they do have."""
    if "place" in told:
        return []
    names = ["compute"] if "compute" in runs else [name for name in WIDE if name in runs]
    spread = {name: float(np.log10(runs[name].max() / runs[name].min())) for name in names if name not in told}
    if not spread:
        return []
    name = max(spread, key=lambda each: spread[each])
    if spread[name] >= 1:
        return []
    verb = "spans" if name == "compute" else "span"
    message = f"{name} {verb} only {spread[name]:.2f} decades: too little to extrapolate from (2 or more are usual)"
    return [Finding("warning", message)]


def _still(values: xr.DataArray, tolerance: float) -> bool:
    low, high = float(values.min()), float(values.max())
    return high - low <= (tolerance - 1) * abs(low)


def _degenerate(runs: xr.Dataset) -> dict[str, str]:
    """Name the directions in which the runs do not vary, and what cannot be told without them."""
    if not set(SIZES) & set(runs):
        return _one_place(runs)
    texts = {}
    for name in ("params", "tokens"):
        if name in runs and _still(runs[name], 1.1):
            symbol, at = COLUMNS[name].symbol, human_number(float(runs[name].median()))
            texts[name] = f"at one {symbol} ({at}): the effect of {symbol} cannot be identified"
    if texts:
        return texts
    if {"params", "tokens"} <= set(runs) and _still(runs["tokens"] / runs["params"], 1.25):
        texts["ratio"] = (
            f"at about {human_number(float((runs['tokens'] / runs['params']).median()))} tokens per parameter: "
            "the effects of N and D cannot be told apart, nor the best split of a budget"
        )
    if "compute" in runs and _still(runs["compute"], 1.25):
        texts["compute"] = (
            f"at one budget ({scientific(float(runs['compute'].median()))} FLOP): "
            "nothing can be said about any other budget"
        )
    return texts


def _one_place(runs: xr.Dataset) -> dict[str, str]:
    """Say whether runs without N, D and C are all at one place, as then nothing is left for a law to turn on."""
    names = [name for name in QUANTITIES if name in runs] or ["loss"]
    if not all(_still(runs[name], 1.01) for name in names):
        return {}
    at = " and ".join(f"one value of {name} ({human_number(float(runs[name].median()))})" for name in names)
    return {"place": f"at {at}: no effect can be identified"}
