"""Several forms stacked: fitted, tested on the user's own runs, checked and graded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards import Card
from bayescale.errors import BayescaleError, UnconvergedError
from bayescale.forms import (
    FACTORS,
    Skipped,
    check_question,
    fit_forms,
    forms_for,
    held_out,
    keep_quotable,
    mix_forms,
    pack_skipped,
    rehearse,
    rungs,
    unpack_skipped,
)
from bayescale.forms.forms_for import Forms, keep_forms
from bayescale.parallel import kept_workers
from bayescale.posterior import Posterior
from bayescale.trust import Grade, check_predictive, grade, influence, prior_sensitivity
from bayescale.trust.headline import headline

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """What several forms predict together, and how far that can be believed.

    Attributes
    ----------
    asked : tuple of str
        The forms that were asked.
    fits : dict of str to xarray.DataTree
        Posteriors by form, those whose prediction may be quoted.
    far : xarray.Dataset
        `mix_forms` at the question.
    path : xarray.Dataset or None
        `mix_forms` at rising compute, for the picture.
    held : xarray.Dataset
        The same way to predict, tested on the largest of these runs: what `backtest` returns.
    grades : dict of str to Grade
        By family, at the farthest point of the question.
    sensitivity, moved, checked : xarray.Dataset or None
        `prior_sensitivity`, `influence` and `check_predictive` of the form with the largest weight, the first two at
        the farthest point of the question.
    not_checked : tuple of str
        Which of the three could not be had, and why.
    """

    asked: tuple[str, ...]
    fits: dict[str, xr.DataTree]
    far: xr.Dataset
    path: xr.Dataset | None
    held: xr.Dataset
    grades: dict[str, Grade]
    sensitivity: xr.Dataset | None = None
    moved: xr.Dataset | None = None
    checked: xr.Dataset | None = None
    not_checked: tuple[str, ...] = ()

    @property
    def leading(self) -> str:
        """The form with the largest weight."""
        return str(self.far["form"].values[int(self.far["weight"].argmax("form"))])


@kept_workers()
def stack_forms(
    runs: xr.Dataset,
    asked: Mapping[str, Any],
    *,
    at: str | None = None,
    grid: "Sequence[float] | np.ndarray | None" = None,
    forms: "Forms | Iterable[str | Path | Card] | str | Path | Card | None" = None,
    seed: int,
    say: Say,
    fits: dict[str, xr.DataTree] | None = None,
    rehearsed: xr.Dataset | None = None,
) -> Stack:
    """Fit every form once to all runs and once below each cut-off, and answer, test, check and grade from that.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs.
    asked : mapping of str
        The question as `mix_forms` takes it; of several points, the farthest is the one that is checked.
    at : str, optional
        The one point of a report, as the user asked it.
    grid : sequence of float, optional
        Computes to draw the forecast along.
    forms : mapping, iterable of str, path or Card, or one of them, optional
        The forms as `mix_forms` takes them; by default the shipped ones.
    seed : int
        Seed of everything that draws.
    say : callable
        Called with a line at each step.
    fits, rehearsed : optional
        From `fit_forms` and `rehearse`, to ask again without sampling again.

    Returns
    -------
    Stack

    Raises
    ------
    BayescaleError
        If no form gave a posterior that may be quoted, or the question is not understood.
    """
    forms = keep_forms(forms)
    cards, prior = forms_for(runs, forms)
    check_question(runs, cards.values(), **asked)
    skipped: list[Skipped] = []
    if fits is None:
        fits = fit_forms(runs, cards, asked, seed=seed, skipped=skipped, progress=say)
    fits = keep_quotable(fits, skipped)
    if rehearsed is None:
        rehearsed = rehearse(runs, [cards[name] for name in fits], rungs(cards.values()), seed=seed, progress=say)
    say("stacking the forms, testing and checking the answer")
    far = mix_forms(runs, **asked, models=forms, seed=seed, fits=fits, rehearsed=rehearsed)
    far.attrs |= pack_skipped([*skipped, *unpack_skipped(far)])
    # A form's prediction this far out may not be quotable although its posterior is.
    names = [str(name) for name in far["form"].values]
    fits, rehearsed = {name: fits[name] for name in names}, rehearsed.sel(form=names)
    prior = {name: prior[name] for name in names}
    held = held_out(rehearsed, prior, FACTORS, seed=seed)
    path = None
    if grid is not None:
        with suppress(UnconvergedError):  # a number that may be quoted is not kept back for want of a picture
            path = mix_forms(runs, list(grid), models=forms, seed=seed, fits=fits, rehearsed=rehearsed)
    return check_stack(Stack(tuple(cards), fits, far, path, held, {}), at, seed)


def check_stack(stack: Stack, at: str | None, seed: int) -> Stack:
    """Return the stack with its grades and the checks of the form that weighs most, at the farthest point asked."""
    fit, name, response = stack.fits[stack.leading], stack.leading, Posterior(stack.fits[stack.leading]).response
    far = stack.far.isel(point=[farthest(stack.far)])
    place = at or f"{10 ** float(far['decades_beyond'].max()):.4g}x"
    # The checks are of the run in question at its own N and D, and not at the split that this form recommends.
    asked = far.sel(form=name).isel(point=0).reset_coords(drop=True)
    predicted = asked[f"form_{response}"].assign_attrs(
        long_name=f"{response} at {place} by {name}", units=stack.far.attrs["loss_unit"]
    )
    expected = asked[f"form_expected_{response}"].assign_attrs(long_name=f"expected {response} at {place}")
    missing: list[str] = []

    def attempt(what: str, check: Callable[[], xr.Dataset]) -> xr.Dataset | None:
        try:
            return check()
        except BayescaleError as error:
            missing.append(f"{what}: {error}")
            return None

    sensitivity = attempt("prior sensitivity", lambda: prior_sensitivity(fit, _leading_numbers(fit, expected, at)))
    moved = attempt("single runs", lambda: influence(fit, answer=predicted))
    checked = attempt("check of the runs", lambda: check_predictive(fit, seed=seed))
    grades = {
        family: grade(far, stack.held, sensitivity, family=family if "family" in far.dims else None)
        for family in (map(str, far["family"].values) if "family" in far.dims else Posterior(fit).families)
    }
    return replace(
        stack, grades=grades, sensitivity=sensitivity, moved=moved, checked=checked, not_checked=tuple(missing)
    )


def _leading_numbers(fit: xr.DataTree, expected: xr.DataArray, at: str | None) -> dict[str, xr.DataArray]:
    """Return what is expected where it was asked and, in a report, the other numbers that one leads with."""
    response = Posterior(fit).response
    if at is None:
        return {f"expected_{response}": expected}
    known = headline(fit, at).drop_vars(response)
    expected = expected.assign_attrs(known[f"expected_{response}"].attrs)
    return {**{str(name): values for name, values in known.items()}, f"expected_{response}": expected}


def farthest(far: xr.Dataset) -> int:
    """Return which point of a forecast lies farthest beyond the runs; the last one where several are as far."""
    beyond = far["decades_beyond"].values
    return int(np.flatnonzero(beyond == beyond.max())[-1])
