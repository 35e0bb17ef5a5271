"""What a set of runs cannot tell, whatever the law, and which runs would."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from bayescale.numbers import human_number, scientific
from bayescale.runs.reading.columns import COLUMNS, QUANTITIES, SIZES
from bayescale.runs.reading.families import places_by_family
from bayescale.runs.reading.findings import Finding, rows_of

# Quantities of which a decade is little. The others seldom span one.
WIDE = ("params", "tokens", "step", "unique_tokens", "words", "examples")
# The least factor between the runs and further ones that would help: of a size or a ratio (OFF), of compute (FAR).
OFF, FAR = 5.0, 10.0
# Two N within the factor SAME count as one, and two ratios or budgets within SAME_RATIO.
SAME, SAME_RATIO = 1.1, 1.25
# Tokens per parameter within this factor hardly tell N from D.
NEAR_RATIO = 2.0


class Lack(NamedTuple):
    """Something that runs cannot tell, and the runs that would."""

    text: str
    cure: str


def design_findings(runs: xr.Dataset) -> list[Finding]:
    """Say what these runs cannot identify, for all of them together and then for each family, and what would help.

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
    >>> from bayescale.runs.checks.design import design_findings
    >>> design_findings(load_shipped("tinylm"))
    []
    """
    count = runs.sizes["run"]
    if count == 1:
        message = f"one run: no law can be fitted to it. {_propose_more(runs)}"
        return [Finding("few-runs", "warning", message, rows_of(runs, np.array([True])))]
    whole = _find_lacks(runs)
    found = [*_report_few(runs)]
    found += [
        Finding("not-varied", "warning", f"all {count} runs are {lack.text}. {lack.cure}") for lack in whole.values()
    ]
    return [*found, *_report_narrow(runs, whole), *_check_families(runs, whole)]


def _check_families(runs: xr.Dataset, whole: dict[str, Lack]) -> list[Finding]:
    """Say what single families cannot tell, unless it was said of all runs."""
    families = places_by_family(runs)
    if len(families) == 1:
        return []
    found = []
    for name, places in families.items():
        count = len(places)
        part = _find_lacks(runs.isel(run=places)) if count > 1 else {}
        lacks = [lack for kind, lack in part.items() if kind not in whole]
        few = [f"{count} run{'s' if count > 1 else ''} only"] if count < 5 else []
        if lacks or few:
            told = "; ".join([*few, *(lack.text for lack in lacks)])
            cures = " ".join(lack.cure for lack in lacks) or f"Add at least {5 - count} of this family."
            rows = tuple(int(row) for row in runs["row"].values[places])
            message = f"family {name!r}: {told} (unless shared across families). {cures}"
            found.append(Finding("family-not-varied", "warning", message, rows))
    return found


# Too few, and too near one another ------------------------------------------------------------------------------------


def _count_needed(runs: xr.Dataset) -> tuple[int, str]:
    return (8, "law in N and D has five") if {"params", "tokens"} <= set(runs) else (6, "law with a floor has three")


def _report_few(runs: xr.Dataset) -> list[Finding]:
    needed, law = _count_needed(runs)
    count = runs.sizes["run"]
    if count >= needed:
        return []
    message = f"only {count} runs: a {law} unknowns, so little can be told from these. {_propose_more(runs)}"
    return [Finding("few-runs", "warning", message)]


def _propose_more(runs: xr.Dataset) -> str:
    """Say how many runs to add, and down to which size. Small runs cost little."""
    names = [name for name in SIZES[:2] if name in runs] or [name for name in (*SIZES, *WIDE) if name in runs][:1]
    down = " and ".join(f"{_symbol_of(name)} = {_write_value(name, float(runs[name].max()) / FAR)}" for name in names)
    return f"Add at least {_count_needed(runs)[0] - runs.sizes['run']}{f', down to {down}' if down else ''}."


def _report_narrow(runs: xr.Dataset, told: dict[str, Lack]) -> list[Finding]:
    """Say whether the runs span too little to extrapolate from: in compute, or without compute in another quantity."""
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
    low, high = float(runs[name].min()), float(runs[name].max())
    cheap, dear = (_write_value(name, value) for value in (high / 100, low * 100))
    message = (
        f"{name} {verb} only {spread[name]:.2f} decades: too little to extrapolate from (2 or more are usual). "
        f"Add runs from {_symbol_of(name)} = {cheap} on, or up to {dear}."
    )
    return [Finding("narrow-range", "warning", message)]


# Directions in which the runs do not vary -----------------------------------------------------------------------------


def _stands_still(values: xr.DataArray, tolerance: float) -> bool:
    low, high = float(values.min()), float(values.max())
    return high - low <= (tolerance - 1) * abs(low)


def _find_lacks(runs: xr.Dataset) -> dict[str, Lack]:
    """Name the directions in which the runs hardly vary, and what cannot be told without them."""
    if not set(SIZES) & set(runs):
        return _find_one_place(runs)
    lacks = {
        name: _report_one_size(runs, name)
        for name in ("params", "tokens")
        if name in runs and _stands_still(runs[name], SAME)
    }
    if lacks:
        return lacks
    if {"params", "tokens"} <= set(runs):
        lacks |= _find_one_ratio(runs) or _find_one_line(runs)
    if "compute" in runs and _stands_still(runs["compute"], SAME_RATIO):
        lacks["compute"] = _report_one_budget(runs)
        lacks.pop("line", None)
    return lacks | {
        f"two {name}": lack for name in ("params", "tokens") if name in runs for lack in _find_two_values(runs, name)
    }


def _report_one_size(runs: xr.Dataset, name: str) -> Lack:
    symbol, at = _symbol_of(name), float(runs[name].median())
    other = next((each for each in ("tokens", "params") if each in runs and each != name), None)
    with_other = f", with {_symbol_of(other)} as in these ({_write_range(runs[other])})" if other else ""
    return Lack(
        f"at one {symbol} ({human_number(at)}): the effect of {symbol} cannot be identified",
        f"Add runs at {symbol} = {_write_value(name, at / OFF)} and {_write_value(name, at * OFF)}{with_other}.",
    )


def _find_one_ratio(runs: xr.Dataset) -> dict[str, Lack]:
    """Say whether the tokens per parameter are the same throughout, or nearly."""
    ratio = runs["tokens"] / runs["params"]
    if _stands_still(ratio, SAME_RATIO):
        text = (
            f"at about {human_number(float(ratio.median()))} tokens per parameter: the effects of N and D cannot be "
            "told apart, nor the best split of a budget"
        )
        return {"ratio": Lack(text, _propose_splits(runs))}
    low, high = (float(each) for each in ratio.quantile([0.05, 0.95]))
    if high > NEAR_RATIO * low:
        return {}
    text = (
        f"at {_write_short(low)} to {_write_short(high)} tokens per parameter: so near one ratio, the effects of "
        "N and D are hard to tell apart"
    )
    return {"ratio": Lack(text, _propose_splits(runs))}


def _find_one_line(runs: xr.Dataset) -> dict[str, Lack]:
    """Say whether D follows from N, as in a log of runs at the best split of another law."""
    logs = np.log([runs["params"].values, runs["tokens"].values])
    if runs.sizes["run"] < 4:
        return {}
    centred = logs - logs.mean(axis=1, keepdims=True)
    along, across = np.linalg.svd(centred, full_matrices=False)[0].T
    off = np.ptp(across @ centred)
    if off > np.log(SAME_RATIO):
        return {}
    text = f"on one line (D goes as N^{along[1] / along[0]:.2f}): the effects of N and D cannot be told apart"
    return {"line": Lack(text, _propose_splits(runs))}


def _propose_splits(runs: xr.Dataset) -> str:
    """Propose other splits of the middle budget."""
    params, tokens = (float(np.exp(np.log(runs[name]).mean())) for name in ("params", "tokens"))
    places = (
        f"{_write_short(tokens / params * way)} (N = {_write_short(params / way**0.5)}, "
        f"D = {_write_short(tokens * way**0.5)})"
        for way in (1 / OFF, OFF)
    )
    return f"Add runs at other tokens per parameter, such as {' and '.join(places)}."


def _report_one_budget(runs: xr.Dataset) -> Lack:
    at = float(runs["compute"].median())
    names = [name for name in ("params", "tokens") if name in runs]
    middle = {name: float(np.exp(np.log(runs[name]).mean())) for name in names}
    places = []
    for way in (1 / FAR, FAR):
        share = way ** (1 / max(len(names), 1))
        where = ", ".join(f"{_symbol_of(name)} = {_write_short(value * share)}" for name, value in middle.items())
        places.append(f"{scientific(at * way, 2)} FLOP{f' (about {where})' if where else ''}")
    return Lack(
        f"at one budget ({scientific(at)} FLOP): nothing can be said about any other budget",
        f"Add runs at {' and '.join(places)}.",
    )


def _find_two_values(runs: xr.Dataset, name: str) -> list[Lack]:
    """Say whether there are only two values of N or D. They give a slope, but not the value that it ends at."""
    values = np.sort(runs[name].values.astype(float))
    starts = np.flatnonzero(np.append(True, np.diff(np.log(values)) > np.log(SAME)))
    if len(starts) != 2:
        return []
    symbol, low, high = _symbol_of(name), values[0], values[-1]
    text = (
        f"at two {symbol} ({human_number(low)} and {human_number(high)}): how fast the effect of {symbol} falls cannot "
        "be told from where it ends"
    )
    below, above = _write_value(name, low / OFF), _write_value(name, high * OFF)
    cure = f"Add runs at a third {symbol} or more, such as {below} and {above}."
    return [Lack(text, cure)]


def _find_one_place(runs: xr.Dataset) -> dict[str, Lack]:
    """Say whether runs without N, D and C have one value of every quantity, so that no law can be fitted."""
    names = [name for name in QUANTITIES if name in runs] or ["loss"]
    if not all(_stands_still(runs[name], 1.01) for name in names):
        return {}
    at = " and ".join(f"one value of {name} ({human_number(float(runs[name].median()))})" for name in names)
    wide = [name for name in names if name in WIDE]
    said = []
    for name in wide:
        value = float(runs[name].median())
        said.append(f"{name} = {_write_value(name, value / OFF)} and {_write_value(name, value * OFF)}")
    others = ", ".join(said) or f"other values of {' and '.join(names)}"
    return {"place": Lack(f"at {at}: no effect can be identified", f"Add runs at {others}.")}


def _symbol_of(name: str) -> str:
    return COLUMNS[name].symbol or name


def _write_value(name: str, value: float) -> str:
    return f"{scientific(value, 2)} FLOP" if name == "compute" else _write_short(value)


def _write_short(value: float) -> str:
    """Write a number with two digits. Hundreds have three, as two would make a power of ten of them."""
    return human_number(value, 3 if 99.5 <= value < 1000 else 2)


def _write_range(values: xr.DataArray) -> str:
    low, high = (_write_short(float(each)) for each in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
