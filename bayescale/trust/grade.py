"""How far can a number be believed? Five things that a careful reader would ask, and a letter."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayescale.answers import response_names
from bayescale.errors import BayescaleError, QuestionError
from bayescale.forms import unpack_skipped
from bayescale.trust.record import Level, record_of, worst_of
from bayescale.trust.sensitivity import OUTWEIGHS, lean_on_priors

# Decades of compute beyond the largest run. One is a step that people take. Two, 100x, is how far the benchmark on
# public runs reaches. Three is a step beyond it, and beyond four there is no record that a grade could rest on. A
# twentieth of a decade is left for rounding.
NEAR, FAR, VERY_FAR, NO_RECORD = 1.0, 2.05, 3.05, 4.05
# What a grade is called that is no letter; it sorts after all letters.
NO_LETTER = "none"
FLOOR = "irreducible_loss"
# A family whose runs end this many decades below the largest run of all is told its own distance.
FARTHER = 0.05
# The share of the variance of the forms' predictions that lies between the forms.
AGREE, DISAGREE = 0.25, 0.5
# A form with a larger weight than this speaks alone.
COLLAPSED = 0.95


class Part(NamedTuple):
    """One of the five questions: its name, the level of the answer, and the reason in one sentence."""

    name: str
    level: Level
    sentence: str


class Grade(NamedTuple):
    """A letter from A (believe it) to D (do not stake money on it), and the parts that it is made of.

    A: all good. B: nothing poor, at most two fair. C: at most one poor. D: more, or chains that do not agree, or bands
    that failed on these very runs, or a number more than three decades beyond the runs. More than four decades beyond
    them there is no letter, and ``letter`` is ``"none"``.
    """

    letter: str
    parts: tuple[Part, ...]

    @property
    def sentence(self) -> str:
        """The reasons against a better grade, the worst first."""
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

    A grade falls with distance and ends. The distance is good up to one decade of compute beyond the largest run, fair
    up to two, which the benchmark on public runs covers, and poor beyond. More than three decades beyond the runs the
    letter is D at best. More than four decades beyond them there is none: no public record says whether such numbers
    come true. The limits are the same for a law in another quantity than compute, in decades of that quantity.

    An irreducible loss lies farther than any compute: its distance is poor, and the farthest test is the nearest to it.
    It keeps a letter, as it is no prediction of a run.

    Parameters
    ----------
    answer : xarray.Dataset
        From `forecast`, `extrapolate`, `optimal_split` or `irreducible_loss`.
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
        ``letter`` from A to D, or ``"none"`` where the number lies beyond any record; ``parts`` (each with ``name``,
        ``level`` good, fair or poor, and ``sentence``) and ``sentence``.

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
    name = _name_number(answer)
    if not name or (name != FLOOR and "decades_beyond" not in answer.coords):
        raise QuestionError(
            "a grade is of an extrapolated number: give what forecast, extrapolate, optimal_split or irreducible_loss "
            "returned."
        )
    if was_put_in(answer):
        raise QuestionError(f"this irreducible loss was not learned, so it has no grade: {answer.attrs['warning']}")
    number = answer.isel(point=point, missing_dims="ignore")
    if "family" in number.dims:
        if family is None:
            raise QuestionError(f"say which family: {', '.join(map(str, number['family'].values))}.")
        number = number.sel(family=family)
    # A family's own runs may end long before the largest of all.
    own = "family_decades_beyond" in number.coords
    beyond = np.inf if name == FLOOR else number["family_decades_beyond" if own else "decades_beyond"].values.max()
    parts = tuple(_list_parts(number, beyond, held, sensitivity, family))
    return Grade(_letter_of([part.level for part in parts], max(beyond, _decades_below(number, beyond))), parts)


def _decades_below(number: xr.Dataset, beyond: float) -> float:
    """Return how many decades a number lies below the smallest run; negative within the runs or where unknown."""
    return -beyond - number.attrs.get("span_decades", np.inf)


def _letter_of(levels: list[Level], beyond: float) -> str:
    if np.isfinite(beyond) and beyond > NO_RECORD:
        return NO_LETTER
    poor, fair = levels.count("poor"), levels.count("fair")
    too_far = np.isfinite(beyond) and beyond > VERY_FAR
    if poor > 1 or "poor" in (levels[0], levels[2]) or too_far:
        return "D"
    if poor or fair > 2:
        return "C"
    return "B" if fair else "A"


def _list_parts(
    number: xr.Dataset, beyond: float, held: xr.Dataset | None, sensitivity: xr.Dataset | None, family: str | None
) -> Iterator[Part]:
    yield _judge_convergence(number)
    yield _judge_distance(number, beyond)
    yield _judge_backtest(beyond, held, family)
    yield _judge_agreement(number)
    if "identified" in number and not bool(number["identified"]):
        yield Part("priors", "poor", "the runs do not identify it: most of its band is the prior's")
    else:
        yield _judge_priors(sensitivity, family, _name_number(number))


def _name_number(answer: xr.Dataset) -> str:
    """Return the name of the number that a grade is of: what is expected, the best N, the floor; empty for others."""
    expected = [name for name in response_names(answer)[:1] if name in answer]
    if expected:
        return expected[0]
    return "params" if "tokens_per_param" in answer.data_vars else FLOOR if FLOOR in answer.data_vars else ""


def was_put_in(answer: xr.Dataset) -> bool:
    """Return whether an answer is an irreducible loss that the law or the card holds, whatever the runs say."""
    return _name_number(answer) == FLOOR and bool((answer[FLOOR] == answer[FLOOR][{"chain": 0, "draw": 0}]).all())


def grade_alone(fit: xr.DataTree, answer: xr.Dataset, *, point: int = 0) -> Grade:
    """Grade an extrapolated number of one posterior that was not tested, with how far it leans on the priors.

    Parameters
    ----------
    fit : xarray.DataTree
        The posterior.
    answer : xarray.Dataset
        What `extrapolate`, `optimal_split` or `irreducible_loss` said of it, of one family at most.
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
    name, sensitivity = _name_number(answer), None
    # The posterior of a family that was not seen has no runs to hold against the priors.
    if name and "log_likelihood" in fit:
        here = answer[name].isel(point=point, missing_dims="ignore")
        # Where the check fails, the grade says that the leaning is not known.
        with contextlib.suppress(BayescaleError):
            sensitivity = lean_on_priors(fit, {name: here})
    return grade(answer, sensitivity=sensitivity, point=point)


def _judge_convergence(number: xr.Dataset) -> Part:
    if number.attrs["verdict"] != "converged":
        return Part("convergence", "poor", "the chains did not agree")
    forms = number.sizes.get("form", 0)
    if not forms:
        return Part("convergence", "good", "the fit converged")
    # A form that was skipped at one cut-off only was fitted to all runs.
    if any(record.factor is None for record in unpack_skipped(number)):
        return Part("convergence", "fair", f"some forms could not be fitted and were left out, {forms} remain")
    return Part("convergence", "good", f"all {forms} forms converged")


def _judge_distance(number: xr.Dataset, beyond: float) -> Part:
    if np.isinf(beyond):
        return Part("distance", "poor", "no compute reaches it")
    measure, below = number.attrs.get("distance_in", "compute"), _decades_below(number, beyond)
    what = f"it lies {beyond:.1f} decades of {measure} beyond the largest run"
    what += " of its family" if beyond > float(np.max(number["decades_beyond"].values)) + FARTHER else ""
    if below > 0:
        beyond, what = below, f"it lies {below:.1f} decades of {measure} below the smallest run"
    if beyond > NO_RECORD:
        what += f", farther than any public record of such predictions (at most {NO_RECORD:.0f} decades are graded)"
    if beyond <= NEAR:
        return Part("distance", "good", what if beyond > 0 else "it lies within the runs")
    return Part("distance", "fair" if beyond <= FAR else "poor", what)


def _judge_backtest(beyond: float, held: xr.Dataset | None, family: str | None) -> Part:
    """Judge the bands of the family in question or, without one, of every family; the worst decides."""
    if held is None:
        return Part("backtest", "fair", "such bands were not tested on these runs")
    names = [family] if family or "family" not in held.coords else [None, *np.unique(held["family"].values)]
    record = worst_of(record_of(held, beyond, name) for name in names)
    return Part("backtest", record.level, record.sentence)


def _judge_agreement(number: xr.Dataset) -> Part:
    if "disagreement" not in number:
        return Part("agreement", "fair", "one form was asked: whether others agree is not known")
    if number.sizes.get("form") == 1:
        return Part("agreement", "fair", "one form remains: whether others agree is not known")
    if "weight" in number and float(number["weight"].max()) > COLLAPSED:
        name = str(number["weight"].idxmax().item())
        text = f"{name} has {float(number['weight'].max()):.0%} of the weight: that others agree counts for little"
        return Part("agreement", "fair", text)
    share = float(np.max(number["disagreement"].values))
    text = f"{share:.0%} of the variance of what the forms say is between them"
    return Part("agreement", "good" if share < AGREE else "fair" if share < DISAGREE else "poor", text)


def _judge_priors(sensitivity: xr.Dataset | None, family: str | None, name: str) -> Part:
    if sensitivity is None:
        return Part("priors", "fair", "how far it leans on the priors was not asked")
    asked = sensitivity["quantity"].values == name
    if family is not None and "family" in sensitivity.coords:
        asked &= np.isin(sensitivity["family"].values, [family, ""])
    if not asked.any():
        return Part("priors", "fair", "how far it leans on the priors was not asked")
    leaning = sensitivity.isel(answer=int(np.flatnonzero(asked)[0]))
    if not bool(leaning["leans"]):
        return Part("priors", "good", "the runs outweigh the priors")
    text = f"it leans on the prior of {leaning['leans_on'].item()}"
    weak = str(leaning["diagnosis"].item()) == OUTWEIGHS
    return Part("priors", "poor" if weak else "fair", text)
