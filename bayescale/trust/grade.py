"""How far can a number be believed? Five things that a careful reader would ask, and a letter."""

import contextlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from bayescale.compare import HEADLINE, score
from bayescale.errors import BayescaleError, QuestionError
from bayescale.trust.sensitivity import prior_sensitivity

Level = Literal["good", "fair", "poor"]
LEVELS: tuple[Level, ...] = ("good", "fair", "poor")
# Decades of compute beyond the largest run: one is a step that people take, two is what the backtests were made for.
NEAR, FAR = 1.0, 2.05
# A band that promises 90% and held fewer is doubtful, and wrong below the second; from fewer runs nothing follows.
HELD, HELD_LITTLE, ENOUGH = 0.8, 0.6, 5
# Runs within this many decades of the question's distance test it.
ABOUT = 0.5
# Share of the band's variance that is the forms' disagreement.
AGREE, DISAGREE = 0.25, 0.5
# A form with more of the weight than this speaks alone.
COLLAPSED = 0.95
UNTESTED = "such bands could not be tested on these runs"


class Part(NamedTuple):
    """One thing that was asked: its name, how it came out, and why in one sentence."""

    name: str
    level: Level
    sentence: str


class Grade(NamedTuple):
    """A letter from A (believe it) to D (do not stake money on it), and the parts that it is made of.

    A: all good. B: nothing poor, at most two fair. C: at most one poor. D: more, or chains that do not agree, or bands
    that failed on these very runs.
    """

    letter: str
    parts: tuple[Part, ...]

    @property
    def sentence(self) -> str:
        """What keeps the grade from being better, worst first; or that nothing does."""
        worst = [part.sentence for level in ("poor", "fair") for part in self.parts if part.level == level]
        return f"{self.letter}: {'; '.join(worst)}" if worst else f"{self.letter}: nothing speaks against it"


def grade(
    answer: xr.Dataset,
    held: xr.Dataset | None = None,
    sensitivity: xr.Dataset | None = None,
    *,
    point: int = 0,
    family: str | None = None,
) -> Grade:
    """Grade an extrapolated number: convergence, distance, backtest on these runs, agreement of forms, priors.

    Parameters
    ----------
    answer : xarray.Dataset
        From `forecast`, `extrapolate` or `optimal_split`.
    held : xarray.Dataset, optional
        From `backtest` of the same model on the same runs; without it the number is untested. Of several families
        the one that is asked about is judged, or each by its own, and the worst decides.
    sensitivity : xarray.Dataset, optional
        From `prior_sensitivity`; without it, it is not known how far the number leans on priors.
    point : int
        Which of the answer's points.
    family : str, optional
        Which family, where the answer has several.

    Returns
    -------
    Grade
        ``letter``, ``parts`` (each with ``name``, ``level`` good, fair or poor, and ``sentence``) and ``sentence``.

    Raises
    ------
    QuestionError
        If the answer is not an extrapolated number.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.trust import grade
    >>> far = bs.extrapolate(bs.fit(bs.load_shipped("tinylm"), seed=1), "100x", family="english")
    >>> grade(far).letter
    'C'
    """
    if "decades_beyond" not in answer.coords or not _graded(answer):
        raise QuestionError(
            "a grade is of an extrapolated number: give what forecast, extrapolate or optimal_split returned."
        )
    one = answer.isel(point=point)
    if "family" in one.dims:
        if family is None:
            raise QuestionError(f"say which family: {', '.join(map(str, one['family'].values))}.")
        one = one.sel(family=family)
    beyond = float(np.max(one["decades_beyond"].values))
    parts = tuple(_parts(one, beyond, held, sensitivity, family))
    levels = [part.level for part in parts]
    poor, fair = levels.count("poor"), levels.count("fair")
    if poor > 1 or "poor" in (parts[0].level, parts[2].level):
        return Grade("D", parts)
    if poor or fair > 2:
        return Grade("C", parts)
    return Grade("B" if fair else "A", parts)


def _parts(
    one: xr.Dataset, beyond: float, held: xr.Dataset | None, sensitivity: xr.Dataset | None, family: str | None
) -> Iterator[Part]:
    yield _convergence(one)
    yield _distance(one, beyond)
    yield _backtest(beyond, held, family)
    yield _agreement(one)
    yield _priors(sensitivity, family, _graded(one))


def _graded(answer: xr.Dataset) -> str:
    """Return the name of the number that a grade is of: what is expected there, or the best N; empty for others."""
    expected = [str(name) for name in answer.data_vars if str(name).startswith("expected_")]
    return expected[0] if expected else "params" if "tokens_per_param" in answer.data_vars else ""


def grade_alone(fit: xr.DataTree, answer: xr.Dataset, *, point: int = 0) -> Grade:
    """Grade an extrapolated number of one posterior that was not tested, with how far it leans on the priors.

    Parameters
    ----------
    fit : xarray.DataTree
        The posterior.
    answer : xarray.Dataset
        What `extrapolate` or `optimal_split` said of it, of one family at most.
    point : int
        Which of the answer's points.

    Returns
    -------
    Grade

    Raises
    ------
    QuestionError
        If the answer is not an extrapolated number of one family.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.trust import grade_alone
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> grade_alone(fit, bs.optimal_split(fit, "100x", family="english")).parts[-1].sentence
    'it leans on the prior of E'
    """
    name, sensitivity = _graded(answer), None
    # The posterior of a family that was not seen has no runs to hold against the priors.
    if name and "log_likelihood" in fit:
        here = answer[name].isel(point=point)
        # A number is graded although nobody can say how far it leans: the grade then says that.
        with contextlib.suppress(BayescaleError):
            sensitivity = prior_sensitivity(fit, {name: here}, allow_unconverged=True)
    return grade(answer, sensitivity=sensitivity, point=point)


def _convergence(one: xr.Dataset) -> Part:
    if one.attrs["verdict"] != "converged":
        return Part("convergence", "poor", "the chains did not agree")
    if "forms" not in one.attrs:
        return Part("convergence", "good", "the fit converged")
    out = [line for line in one.attrs["skipped"].split("\n") if line and not line.partition(":")[0].endswith("x")]
    forms = one.attrs["forms"].count(",") + 1
    if any("x, " not in line.partition(":")[0] for line in out):
        return Part("convergence", "fair", f"some forms could not be fitted and were left out, {forms} remain")
    return Part("convergence", "good", f"all {forms} forms converged")


def _distance(one: xr.Dataset, beyond: float) -> Part:
    what = f"it lies {beyond:.1f} decades of {one.attrs.get('distance_in', 'compute')} beyond the largest run"
    if beyond <= NEAR:
        return Part("distance", "good", what if beyond > 0 else "it lies within the runs")
    return Part("distance", "fair" if beyond <= FAR else "poor", what)


def _backtest(beyond: float, held: xr.Dataset | None, family: str | None) -> Part:
    """Judge the family that is asked about, or each of them and let the worst decide."""
    if held is None:
        return Part("backtest", "fair", "such bands were not tested on these runs")
    if not held.sizes["held_out"]:
        return Part("backtest", "fair", UNTESTED)
    reach = np.log10(held["factor"].values)
    # The cut-off nearest in distance to the question, and of its runs those about as far out.
    best = reach[np.abs(reach - beyond).argmin()]
    near = (reach == best) & (held["decades_beyond"].values >= best - ABOUT)
    if not near.any():
        return Part("backtest", "fair", UNTESTED)
    held = held.isel(held_out=near)
    labels = held["family"].values if "family" in held.coords else np.full(held.sizes["held_out"], "")
    judged = []
    for name in np.unique(labels) if family is None else [family]:
        mine = labels == name
        # A family with too few runs of its own is judged by those of all of them.
        alone = bool(ENOUGH <= mine.sum() < mine.size)
        judged.append(_record(held.isel(held_out=mine) if alone else held, best, beyond, f" ({name})" * alone))
    return max(judged, key=lambda part: LEVELS.index(part.level))


def _record(held: xr.Dataset, reach: float, beyond: float, whose: str) -> Part:
    row = score(held).iloc[0]
    text = (
        f"about {10**reach:.0f}x out on these runs {100 * HEADLINE:.0f}% bands held {row['inside']:.0f} of "
        f"{row['runs']:.0f}{whose}"
    )
    if row["runs"] < ENOUGH:
        return Part("backtest", "poor" if row["coverage"] < HELD_LITTLE else "fair", f"{text}: few")
    level: Level = "good" if row["coverage"] >= HELD else "fair" if row["coverage"] >= HELD_LITTLE else "poor"
    if beyond - reach > ABOUT and level == "good":
        return Part("backtest", "fair", f"{text}; farther out is untested")
    return Part("backtest", level, text)


def _agreement(one: xr.Dataset) -> Part:
    if "share_form" not in one:
        return Part("agreement", "fair", "one form was asked: whether others agree is not known")
    if one.attrs.get("forms", ",").count(",") == 0:
        return Part("agreement", "fair", "one form remains: whether others agree is not known")
    if "weight" in one and float(one["weight"].max()) > COLLAPSED:
        name = str(one["weight"].idxmax().item())
        text = f"{name} has {float(one['weight'].max()):.0%} of the weight: that others agree counts for little"
        return Part("agreement", "fair", text)
    share = float(np.max(one["share_form"].values))
    text = f"{share:.0%} of the variance is disagreement between the forms"
    return Part("agreement", "good" if share < AGREE else "fair" if share < DISAGREE else "poor", text)


def _priors(sensitivity: xr.Dataset | None, family: str | None, name: str) -> Part:
    if sensitivity is None:
        return Part("priors", "fair", "how far it leans on the priors was not asked")
    mine = sensitivity["quantity"].values == name
    if family is not None and "family" in sensitivity.coords:
        mine &= np.isin(sensitivity["family"].values, [family, ""])
    if not mine.any():
        return Part("priors", "fair", "how far it leans on the priors was not asked")
    found = sensitivity.isel(answer=int(np.flatnonzero(mine)[0]))
    if not bool(found["leans"]):
        return Part("priors", "good", "the runs outweigh the priors")
    text = f"it leans on the prior of {found['leans_on'].item()}"
    weak = str(found["diagnosis"].item()) == "the prior outweighs the runs"
    return Part("priors", "poor" if weak else "fair", text)
