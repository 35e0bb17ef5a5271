"""The sentence that goes with an answer, made from its numbers: one phrase for each question that has one."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers import bands
from bayescale.laws.inputs import DRAW_DIMS, POINT
from bayescale.numbers import human_number, scientific

# From which probability a difference is said to be sure, and one of two ways to spend compute to be better.
SURE, CLEAR = 0.975, 0.95
BAND = 0.95


def say_answer(answer: xr.Dataset) -> str:
    """Return an answer in words; empty for an answer that is all numbers.

    Parameters
    ----------
    answer : xarray.Dataset
        What `differences`, `crossing`, `finish`, `off_optimal` or any other answer returned.

    Returns
    -------
    str
        A sentence for each point and family.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.report.words.answers import say_answer
    >>> say_answer(bs.answers.differences(bs.fit(bs.load_shipped("tinylm"), seed=1)))[:21]
    'E of source is higher'
    """
    phrase = PHRASES.get(answer.attrs.get("asked", ""))
    return phrase(answer) if phrase else ""


def say_agreement(answer: xr.Dataset) -> str:
    """Return whether approaches 2 and 3 agree, in words; empty where that was not asked."""
    if "agree" not in answer.attrs:
        return ""
    at = scientific(float(answer.attrs["middle_flop"]), 2)
    a, n = (answer[f"replicated_{name}"].quantile((0.025, 0.975)).values for name in ("a", "middle"))
    lost = int(np.isnan(answer["replicated_a"]).sum())
    return (
        f"Approaches 2 and 3 {'agree' if answer.attrs['agree'] else 'do not agree'}: parabolas through the runs give "
        f"a = {float(answer['quick_a']):.3f} and N_opt = {human_number(float(answer['quick_middle']))} at {at} FLOP; "
        f"through runs of the same design simulated from {answer.attrs['model']} they give {a[0]:.3f} to {a[1]:.3f} "
        f"(tail {float(answer['tail_a']):.2g}) and {human_number(float(n[0]))} to {human_number(float(n[1]))} "
        f"(tail {float(answer['tail_middle']):.2g})." + (f" Replicates that gave no line: {lost}." if lost else "")
    )


def _each_family(answer: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield the answer of each family after its name; of an answer without families all, after no name."""
    if "family" not in answer.dims:
        yield "", answer
        return
    for family in answer["family"].values:
        yield str(family), answer.sel(family=family)


def _each_point(answer: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield the answer at each point of each family after the family's name."""
    for family, part in _each_family(answer):
        for i in range(part.sizes[POINT]):
            yield family, part.isel({POINT: i})


def _band(draws: xr.DataArray, mass: float = BAND) -> tuple[float, float, float]:
    """Return the lower end of the band, the median and the upper end."""
    found = bands(draws, [mass]).squeeze("prob")
    return float(found["lower"]), float(found["median"]), float(found["upper"])


def _say_differences(answer: xr.Dataset) -> str:
    """Return which parameters differ for sure: the sign of the difference has a probability of 97.5% or more."""
    group, baseline = answer.attrs["group"], answer.attrs["baseline"]
    sure = answer["probability_higher"].stack(which=("parameter", group))
    phrases = [
        f"{parameter} of {level} is {'higher' if p > 0.5 else 'lower'} than of {baseline} "
        f"(probability {max(p, 1 - p):.3f})"
        for (parameter, level), p in zip(sure["which"].values, sure.values, strict=True)
        if max(p, 1 - p) >= SURE
    ]
    return (
        "; ".join(phrases) + "." if phrases else "No parameter differs for sure: none has a sign of probability 0.975."
    )


def _say_finish(answer: xr.Dataset) -> str:
    """Return which run will end lowest, and how many may be stopped."""
    loss, prob, count = answer["loss"], float(answer.attrs["prob"]), answer.sizes["run"]
    low, middle, high = loss.quantile([(1 - prob) / 2, 0.5, (1 + prob) / 2], DRAW_DIMS).values
    best = int(middle.argmin())
    share = float((loss.argmin("run") == best).mean())
    among = f", lowest of {count} (probability {share:.2f})" if count > 1 else ""
    end = f"{answer['run'].values[best]} will end at {middle[best]:.4g} ({low[best]:.4g} to {high[best]:.4g}){among}"
    if "safe_from" not in answer:
        return f"{end}."
    return f"{end}; {int(np.isfinite(answer['safe_from']).sum())} of {count} may be stopped by now."


def _say_outliers(answer: xr.Dataset) -> str:
    """Return which runs the fit heeds little, or holds to be badly tuned."""
    limit = float(answer.attrs["limit"])
    if "probability" in answer:
        named, what = answer["probability"].values > limit, "are more likely undertuned than not"
    else:
        named, what = answer["weight"].values < limit, "count less than half as much as one on the law"
    runs = ", ".join(map(str, answer["run"].values[named]))
    return f"{int(named.sum())} of {answer.sizes['run']} runs {what}" + (f": {runs}." if runs else ".")


def _say_bigger_or_longer(answer: xr.Dataset) -> str:
    return " ".join(_say_what_buys_more(family, at, answer.attrs["loss_unit"]) for family, at in _each_point(answer))


def _say_what_buys_more(family: str, at: xr.Dataset, unit: str) -> str:
    share, error = float(at["probability_bigger"]), float(at["mc_error"])
    choice = "bigger" if share >= CLEAR else "longer" if share <= 1 - CLEAR else "the runs do not tell"
    bigger, longer = (0.01 * float(at[f"fall_{name}"].median()) for name in ("bigger", "longer"))
    text = (
        f"{f'{family}: ' if family else ''}at N = {human_number(float(at['params']))}, "
        f"D = {human_number(float(at['tokens']))}: {choice}. Parameters buy more than tokens with probability "
        f"{share:.3g} (Monte Carlo error {error:.1g}): 1% more compute lowers the loss by {bigger:.2g} {unit} as "
        f"parameters, by {longer:.2g} as tokens."
    )
    if "size_ratio" not in at:
        return text
    low, middle, high = _band(at["size_ratio"])
    return f"{text} N is {middle:.2g} times the best for that compute (95%: {low:.2g} to {high:.2g})."


def _say_convergence(answer: xr.Dataset) -> str:
    return " ".join(
        f"{_say_place(family, at)} the best model stops {_say_percent(at['gap'])} above its converged loss."
        for family, at in _each_point(answer)
    )


def _say_off_optimal(answer: xr.Dataset) -> str:
    return " ".join(_say_cost(_say_place(family, at), at) for family, at in _each_point(answer))


def _say_cost(where: str, at: xr.Dataset) -> str:
    phrases = []
    for factor in (at["factor"].values.min(), at["factor"].values.max()):
        part = at.sel(factor=factor)
        never = 1 - float(part["reachable"])
        if never > 0:
            phrases.append(f"{factor:g} times that size never gets there in {_round_percent(100 * never)}% of draws")
        else:
            phrases.append(f"{factor:g} times that size takes {_say_percent(part['extra_compute'])} more compute")
    best = human_number(float(at["params"].median()))
    return f"{where} the best N is {best}. For the same loss {'; '.join(dict.fromkeys(phrases))}."


def _say_place(family: str, at: xr.Dataset) -> str:
    return f"{f'{family}, ' if family else ''}{float(at['compute']):.3g} FLOP:"


def _say_percent(share: xr.DataArray) -> str:
    low, middle, high = (_round_percent(100 * value) for value in _band(share))
    return f"{middle}% (95%: {low} to {high}%)"


def _round_percent(percent: float) -> str:
    return f"{percent:.0f}" if percent >= 99.5 else f"{round(percent, 2) + 0.0:.2g}"


def _say_crossing(answer: xr.Dataset) -> str:
    return " ".join(_say_where_they_cross(family, part, answer.attrs) for family, part in _each_family(answer))


def _say_where_they_cross(family: str, part: xr.Dataset, attrs: dict[str, Any]) -> str:
    share, mass = float(part["probability"]), float(attrs["mass"])
    start = f"{family}: " if family else ""
    if share == 0:
        return f"{start}L(C) never falls below L(D(C)): these laws do not contradict each other."
    names = ("compute", "compute_pf_days", "params", "tokens", "loss")
    flop, days, size, tokens, loss = (float(part[name].median()) for name in names)
    low, _, high = _band(part["compute_pf_days"], mass)
    decades = float(part["decades"].sel(quantity="compute"))
    width = "" if decades == 0 else f" ({100 * mass:g}%: {low:.2g} to {high:.2g} PF-days, {decades:.1f} decades)"
    others = "" if share == 1 else f" In {100 * (1 - share):.2g}% of draws they never cross."
    return (
        f"{start}L(C) falls below L(D(C)) at {flop:.2g} FLOP, {days:.2g} PF-days{width}, with "
        f"N = {human_number(size, 2)}, D = {human_number(tokens, 2)} and a loss of {loss:.3g} {attrs['loss_unit']}."
        f"{others}"
    )


PHRASES: dict[str, Callable[[xr.Dataset], str]] = {
    "agreement": say_agreement,
    "approaches": say_agreement,
    "bigger_or_longer": _say_bigger_or_longer,
    "convergence_gap": _say_convergence,
    "crossing": _say_crossing,
    "differences": _say_differences,
    "finish": _say_finish,
    "off_optimal": _say_off_optimal,
    "outlier_runs": _say_outliers,
    "undertuned_runs": _say_outliers,
}
