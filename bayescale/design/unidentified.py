"""What runs cannot tell of a law, in sentences, with the runs that would help."""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.design.further_runs import SYMBOLS
from bayescale.design.identifiability import LEARNED
from bayescale.laws import scale_of
from bayescale.numbers import human_number

# Of the direction that is learned least, the parameters are named whose part of it is at least this. The squares of all
# parts sum to one.
PART = 0.3
# Further runs that teach this much more than others are worth more compute; that teach less than this are no help.
AS_GOOD, NO_HELP = 0.05, 0.1
# Families that are told of in full.
SHOWN = 3


def unidentified(answer: xr.Dataset) -> list[str]:
    """Say which parameters these runs cannot tell, what can be traded for what, and which runs would help most.

    Parameters
    ----------
    answer : xarray.Dataset
        `identifiability`.

    Returns
    -------
    list of str
        A sentence or three for each family of which less than half of some combination would be learned; one that says
        so where nothing could be worked out; empty where everything would be learned.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.design.identifiability import identifiability
    >>> from bayescale.design.unidentified import unidentified
    >>> unidentified(identifiability(bs.load_shipped("tinylm"), "chinchilla"))
    []
    """
    if reason := answer.attrs.get("cannot_say"):
        return [f"What these runs can tell of its parameters could not be worked out: {reason}."]
    if "family" not in answer.dims:
        return [_describe_family(answer, "These")] if _is_weak(answer) else []
    families = [answer.sel(family=name).dropna("further", how="all") for name in answer["family"].values]
    weak = sorted(filter(_is_weak, families), key=lambda each: float(each["direction_learned"]))
    lines = [f"family {each['family'].item()!r}: {_describe_family(each, 'these')}" for each in weak[:SHOWN]]
    if rest := [f"{each['family'].item()} ({_write_percent(each['direction_learned'])})" for each in weak[SHOWN:]]:
        lines.append(f"Of {len(rest)} more families less than half is learned of some combination: {', '.join(rest)}.")
    return lines


def identified(answer: xr.Dataset) -> str:
    """Say that these runs identify the law, and how much would be learned where least is.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.design.unidentified import identified
    >>> identified(bs.design.identifiability(bs.load_shipped("tinylm"), "chinchilla")).partition(":")[0]
    'These runs tell its parameters apart'
    """
    least = _write_percent(answer["direction_learned"].min())
    return f"These runs tell its parameters apart: {least} of the prior's spread or more would go along every line."


def ridge_of(answer: xr.Dataset) -> tuple[str, str]:
    """Return the two parameters of one family that most make up the combination which would be learned least.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.design.identifiability import identifiability
    >>> from bayescale.design.unidentified import ridge_of
    >>> ridge_of(identifiability(bs.load_shipped("tinylm"), "chinchilla").sel(family="english"))
    ('E', 'alpha')
    """
    order = np.argsort(-np.abs(answer["direction"].values), kind="stable")[:2]
    first, second = (str(name) for name in answer["parameter"].values[np.sort(order)])
    return first, second


def _is_weak(answer: xr.Dataset) -> bool:
    return bool(answer["direction_learned"] < LEARNED)


def _describe_family(answer: xr.Dataset, these: str) -> str:
    parts = answer["direction"].to_series().sort_values(key=lambda part: -abs(part))
    parts = parts[np.abs(parts) >= PART]
    sentences = _describe_trade(answer, parts, these), _list_little_learned(answer, parts), _suggest_runs(answer)
    return " ".join(filter(None, sentences))


def _describe_trade(answer: xr.Dataset, parts: pd.Series, these: str) -> str:
    """Say what can be traded for what without the runs' noticing."""
    spread = f"{_write_percent(answer['direction_learned'])} of the prior's spread"
    if len(parts) == 1:
        return f"{these} runs say little of {parts.index[0]}: they would remove {spread}."
    rest = [f"a {'higher' if part > 0 else 'lower'} {name}" for name, part in parts.iloc[1:].items()]
    return (
        f"{these} runs cannot tell {_join_words(parts.index)} apart: a higher {parts.index[0]} with "
        f"{_join_words(rest)} fits them nearly as well, and they would remove {spread} along that line."
    )


def _list_little_learned(answer: xr.Dataset, parts: pd.Series) -> str:
    few = {name: value for name, value in answer["learned"].to_series().items() if value < LEARNED}
    if len(parts) == 1 and set(few) <= set(parts.index):
        return ""
    names = _join_words(f"{name} ({_write_percent(value)})" for name, value in few.items())
    return f"Less than half of the prior's spread would go for {names}." if few else ""


def _suggest_runs(answer: xr.Dataset) -> str:
    """Name the cheapest further runs among those that teach about as much as the best."""
    if not answer.sizes["further"]:
        return ""
    learned, factor = answer["direction_learned_with"], answer["compute_factor"]
    as_good = np.flatnonzero(learned >= learned.max() - AS_GOOD)
    best = answer.isel(further=as_good[np.argmin(factor.fillna(np.inf).values[as_good])])
    runs = f"{best.sizes['added']} runs {best['further'].item()} ({_write_places(best)})"
    cost = float(best["compute_factor"])
    dear = f", up to {cost:.2g}x the compute of the largest run" if cost > 1.05 and "compute" not in runs else ""
    reached = _write_percent(best["direction_learned_with"])
    if float(best["direction_learned_with"]) < float(answer["direction_learned"]) + NO_HELP:
        return f"Few further runs would not change that: of those tried, {runs} do most, to {reached}."
    return f"What would help: {runs}{dear}, which would make it {reached}."


def _write_places(best: xr.Dataset) -> str:
    """Write where further runs lie: ``N = 20M, D = 1B to 20B``."""
    places = []
    for name in best["input"].values:
        values, scale = best["place"].sel(input=name).values, scale_of(str(name))
        ends = [_write_number(value) for value in (values.min(), values.max())]
        label = SYMBOLS.get(scale.name, scale.name)
        places.append(f"{label} = {ends[0]}" if ends[0] == ends[1] else f"{label} = {ends[0]} to {ends[1]}")
    return ", ".join(places)


def _write_number(value: float) -> str:
    return human_number(value, 2) if value >= 1000 else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _write_percent(share: xr.DataArray | float) -> str:
    """Write a share in whole percent, rounded down: what is under half must not read as half."""
    return f"{math.floor(100 * max(float(share), 0))}%"


def _join_words(words: Iterable[str]) -> str:
    """Write ``a, b and c``; nothing for none."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last
