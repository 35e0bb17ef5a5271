"""Did the bands hold on these very runs? One verdict, which the letter of a grade and the words of a report share."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from bayescale.forms import HEADLINE, score

Level = Literal["good", "fair", "poor"]
LEVELS: tuple[Level, ...] = ("good", "fair", "poor")
Outcome = Literal["held", "untested", "few", "failed"]
VERDICTS: tuple[Outcome, ...] = ("held", "untested", "few", "failed")
# A 90% band that held less often than the first share is too narrow, and wrong below the second. Fewer runs than the
# third number prove nothing.
HELD, HELD_LITTLE, ENOUGH = 0.8, 0.6, 5
# A cut-off other than the question's own counts only where chance explains its failure less often than this.
CHANCE = 0.05
# A cut-off at a hundredth predicts all larger runs, most of which lie just beyond it. Only those at most this many
# decades short of 100x test a step of that size.
ABOUT = 0.5


class Record(NamedTuple):
    """How bands held at every tested cut-off: verdict, level and sentence of a grade, and which cut-off decided.

    ``factor`` is the cut-off that decided, none where nothing was tested; ``family`` is empty where all runs were
    judged together.
    """

    verdict: Outcome
    level: Level
    sentence: str
    factor: float | None = None
    family: str = ""


class CutOff(NamedTuple):
    """How bands held at one cut-off: of the runs about as far out as it says, and of all predicted from there.

    Each count is (inside, of).
    """

    factor: float
    far: tuple[int, int]
    every: tuple[int, int]

    @property
    def worst(self) -> tuple[int, int]:
        """The count with the lower share, of those with enough runs; the far runs where both shares are alike."""
        return min(
            (count for count in (self.far, self.every) if count[1] >= ENOUGH), key=_share_inside, default=self.far
        )

    @property
    def failed(self) -> bool:
        """Whether the bands held too few of enough runs."""
        return self.worst[1] >= ENOUGH and _share_inside(self.worst) < HELD

    @property
    def level(self) -> Level:
        """The level of a grade by this cut-off, where its bands failed."""
        return "fair" if _share_inside(self.worst) >= HELD_LITTLE else "poor"

    def by_chance(self, cuts: int) -> float:
        """Return how likely bands that hold 90% hold so few at the worst of so many cut-offs."""
        from scipy import stats

        return cuts * float(stats.binom.cdf(*self.worst, HEADLINE))


def record_of(held: xr.Dataset, beyond: float, family: str | None = None) -> Record:
    """Judge the bands of a backtest for a question so many decades beyond the runs, at every cut-off that was tested.

    At one cut-off they failed where they held too few, either of the runs about that far out or of all that were
    predicted from there, as far as these are enough to count. The cut-off nearest to the question is judged by that
    alone. Any other cut-off, nearer or farther, counts where it failed too and chance is no explanation: bands that
    hold 90% would hold so few at one of the tested cut-offs less often than once in twenty times. The worst decides.
    Bands held where enough runs about as far out as the question were tried and no cut-off failed.

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
        Its sentence tells of every cut-off, the nearest to the question first.
    """
    if not held.sizes["held_out"]:
        return Record("untested", "fair", "such bands could not be tested on these runs")
    reach = np.log10(np.unique(held["factor"].values))
    order = sorted(reach, key=lambda decades: (abs(decades - min(beyond, reach.max())), decades))
    cuts, whose = zip(*(_count_at(held, decades, family) for decades in order), strict=True)
    nearest = cuts[0]
    text = ", ".join(_cut_text(*told, first=told[0] is nearest) for told in zip(cuts, whose, strict=True))
    failed = [cut for cut in cuts if cut.failed and (cut is nearest or cut.by_chance(len(cuts)) < CHANCE)]
    if failed:
        worst = min(failed, key=lambda cut: _share_inside(cut.worst))
        return Record("failed", worst.level, text, worst.factor, whose[cuts.index(worst)])
    about_it = (nearest.factor, whose[0])
    if nearest.far[1] < ENOUGH:
        return Record("few", "fair", f"{text}: too few to say", *about_it)
    if beyond - order[0] > ABOUT:
        return Record("held", "fair", f"{text}; farther out is untested", *about_it)
    return Record("held", "good", text, *about_it)


def _count_at(held: xr.Dataset, decades: float, family: str | None) -> tuple[CutOff, str]:
    """Return how the bands held at one cut-off, and whose runs were judged: one family's, or all."""
    every, whose = held.isel(held_out=np.log10(held["factor"].values) == decades), ""
    factor = float(every["factor"].values[0])
    if family is not None and "family" in held.coords:
        own = every.isel(held_out=every["family"].values == family)
        if own.sizes["held_out"] < every.sizes["held_out"] and about(own, factor).sizes["held_out"] >= ENOUGH:
            every, whose = own, family
    return CutOff(factor, _count_inside(about(every, factor)), _count_inside(every)), whose


def _cut_text(cut: CutOff, whose: str, first: bool) -> str:
    """Say how the bands held at one cut-off; the first one says what is counted."""
    text = f"{'about' if cut.far[1] else 'on the way to'} {cut.factor:.3g}x out "
    text += f"on these runs {100 * HEADLINE:.0f}% bands held " * first
    inside, of = cut.far if cut.far[1] else cut.every
    text += f"{inside} of {of}" + f" ({whose})" * bool(whose)
    if cut.far[1] and cut.worst is cut.every:
        text += ", and {} of {} in all".format(*cut.every)
    return text


def about(held: xr.Dataset, factor: float) -> xr.Dataset:
    """Return the runs of one cut-off that lie about as far out as it says, or farther."""
    return held.isel(held_out=held["decades_beyond"].values >= np.log10(factor) - ABOUT)


def worst_of(records: Iterable[Record]) -> Record:
    """Return the record that speaks most against the bands; the first one where several are alike."""
    return max(records, key=lambda record: (VERDICTS.index(record.verdict), LEVELS.index(record.level)))


def _count_inside(held: xr.Dataset) -> tuple[int, int]:
    """Return how many runs the bands held, and of how many."""
    if not held.sizes["held_out"]:
        return 0, 0
    row = score(held).iloc[0]
    return int(row["inside"]), int(row["runs"])


def _share_inside(count: tuple[int, int]) -> float:
    return count[0] / count[1]
