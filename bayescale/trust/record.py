"""Did the bands hold on these very runs? One verdict, which the letter of a grade and the words of a report share."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from bayescale.forms import HEADLINE, score

Level = Literal["good", "fair", "poor"]
LEVELS: tuple[Level, ...] = ("good", "fair", "poor")
Verdict = Literal["held", "untested", "few", "failed"]
VERDICTS: tuple[Verdict, ...] = ("held", "untested", "few", "failed")
# A band that promises 90% and held fewer is too narrow, and wrong below the second; from fewer runs nothing follows.
HELD, HELD_LITTLE, ENOUGH = 0.8, 0.6, 5
# A cut-off at a hundredth predicts every run beyond it, most of them just beyond: what tests a step of that size are
# those within so many decades of it, or farther.
ABOUT = 0.5


class Record(NamedTuple):
    """How bands held at the cut-off nearest to a question: verdict, level and sentence of a grade, and whose runs.

    ``factor`` is that cut-off, none where nothing was tested; ``family`` is empty where all runs were judged together.
    """

    verdict: Verdict
    level: Level
    sentence: str
    factor: float | None = None
    family: str = ""


def record_of(held: xr.Dataset, beyond: float, family: str | None = None) -> Record:
    """Judge the bands of a backtest for a question so many decades beyond the runs.

    They failed where they held too few, either of the runs about that far out or of all that were predicted from there,
    as far as these are enough to count; and held where enough of those far out were tried.

    Parameters
    ----------
    held : xarray.Dataset
        From `backtest`.
    beyond : float
        How far the question lies beyond the runs, in decades; infinite where no run can reach it.
    family : str, optional
        Whose question it is: judged by its own runs, if enough of them are far out, else by those of all families.

    Returns
    -------
    Record
    """
    if not held.sizes["held_out"]:
        return Record("untested", "fair", "such bands could not be tested on these runs")
    reach = np.log10(held["factor"].values)
    best = float(reach[np.abs(reach - min(beyond, reach.max())).argmin()])
    factor = float(held["factor"].values[reach == best][0])
    every = held.isel(held_out=held["factor"].values == factor)
    whose = ""
    if family is not None and "family" in held.coords:
        mine = every.isel(held_out=every["family"].values == family)
        if mine.sizes["held_out"] < every.sizes["held_out"] and about(mine, factor).sizes["held_out"] >= ENOUGH:
            every, whose = mine, family
    far, all_of_them = (_count(runs) for runs in (about(every, factor), every))
    # Of two shares that both count, the lower; the far runs' where they are as low.
    worst = min((share for share in (far, all_of_them) if share[1] >= ENOUGH), key=_share, default=far)
    where = f"{'about' if far[1] else 'on the way to'} {factor:.3g}x out on these runs {100 * HEADLINE:.0f}% bands"
    text = f"{where} held {_said(far if far[1] else all_of_them)}" + f" ({whose})" * bool(whose)
    if far[1] and worst is all_of_them:
        text += f", and {_said(all_of_them)} in all"
    if worst[1] >= ENOUGH and _share(worst) < HELD:
        return Record("failed", "fair" if _share(worst) >= HELD_LITTLE else "poor", text, factor, whose)
    if far[1] < ENOUGH:
        return Record("few", "fair", f"{text}: too few to say", factor, whose)
    if beyond - best > ABOUT:
        return Record("held", "fair", f"{text}; farther out is untested", factor, whose)
    return Record("held", "good", text, factor, whose)


def about(held: xr.Dataset, factor: float) -> xr.Dataset:
    """Return the runs of one cut-off that lie about as far out as it says, or farther."""
    return held.isel(held_out=held["decades_beyond"].values >= np.log10(factor) - ABOUT)


def worst_of(records: Iterable[Record]) -> Record:
    """Return the record that speaks most against the bands, the first of those alike."""
    return max(records, key=lambda record: (VERDICTS.index(record.verdict), LEVELS.index(record.level)))


def _count(held: xr.Dataset) -> tuple[int, int]:
    """Return how many runs the bands held, and of how many."""
    if not held.sizes["held_out"]:
        return 0, 0
    row = score(held).iloc[0]
    return int(row["inside"]), int(row["runs"])


def _share(count: tuple[int, int]) -> float:
    return count[0] / count[1]


def _said(count: tuple[int, int]) -> str:
    return f"{count[0]} of {count[1]}"
