"""How low will the loss be there, if nobody knows the form? Several forms, one answer, tested and graded."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from bayescale.cards import Card
from bayescale.forms import mix_forms
from bayescale.forms.forms_for import Forms
from bayescale.inference.sampling import SEED
from bayescale.runs.read import as_runs
from bayescale.studies.stack import Say, Stack, stack_forms
from bayescale.trust import grade

# What is merged into a forecast, by the first part of its names.
HELD, SENSITIVITY, INFLUENCE, CHECK = "held", "sensitivity", "influence", "check"


def forecast(
    runs: xr.Dataset,
    compute: Any = None,
    *,
    params: Any = None,
    tokens: Any = None,
    at: Mapping[str, Any] | None = None,
    family: str | None = None,
    models: "Forms | Iterable[str | Path | Card] | str | Path | Card | None" = None,
    tested: bool = True,
    seed: int = SEED,
    fits: dict[str, xr.DataTree] | None = None,
    rehearsed: xr.Dataset | None = None,
    progress: Say | None = None,
) -> xr.Dataset:
    """Return the loss at larger compute by several forms that may be wrong, tested on these runs and graded.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs, dims ``run``; or learning curves, for forms with a curve.
    compute : str, float or list of either, optional
        FLOP, or a multiple of the largest run such as ``"100x"``. Alone, the run is taken at one split, the median of
        the forms' recommended N by their weights, so that all are asked about the same run.
    params, tokens : float or list, optional
        N and D of the runs in question; both, or one and ``compute``.
    at : mapping of str, optional
        Anything else that the forms take, as in `extrapolate`: on a curve in examples, ``{"examples": "2x"}``.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    models : mapping of str to float, or iterable of str, path or Card, or one of them, optional
        The forms, with what each is worth before it has predicted a run, or all worth the same. By default those of
        ``models/defaults.toml``: coupled, Chinchilla, over-training, Kaplan and Farseer, each with a drift; where the
        runs have no N and D, forms in the one quantity that they differ by: broken, power law over a floor, shifted.
    tested : bool
        Test the forecast on these runs, check it and grade it. Without that only the mixture is returned.
    seed : int
        Seed of everything that draws.
    fits, rehearsed : optional
        From `forms.fit_forms` and `forms.rehearse`, to ask again without sampling again.
    progress : callable, optional
        Called with a line at each step.

    Returns
    -------
    xarray.Dataset
        What `forms.mix_forms` returns: the draws of all forms together and of each alone, the weights, and how the
        variance is made up. With ``tested``, also:

        * ``grade``, a letter from A to D or ``none``, dims ``(point[, family])``; ``grade_level`` and ``grade_reason``
          of its five parts, dims ``(part, point[, family])``.
        * ``held_*``: what `backtest` returns of the same forms on these runs, dims ``held_out`` and ``held_prob``.
        * ``sensitivity_*``, ``influence_*`` and ``check_*``: `prior_sensitivity`, `influence` and `check_predictive` of
          the form that weighs most, the first two at the farthest point. ``attrs["not_checked"]`` is a JSON list of
          those that could not be had, with the reason.

        `forms.unpack_skipped` gives the forms and the cut-offs that were left out, and why.

    Raises
    ------
    UnconvergedError
        If no form gave a posterior that may be quoted.
    QuestionError, DesignError, CardError
        If the question, the runs or a form is not understood.

    Examples
    --------
    >>> import bayescale as bs
    >>> far = bs.forecast(bs.load_shipped("tinylm"), compute="100x")         # doctest: +SKIP
    >>> far["loss"].dims, far["grade"].dims                                  # doctest: +SKIP
    (('chain', 'draw', 'point', 'family'), ('point', 'family'))
    """
    runs = as_runs(runs)
    asked = {"compute": compute, "params": params, "tokens": tokens, "at": at, "family": family}
    if not tested:
        return mix_forms(runs, **asked, models=models, seed=seed, fits=fits, rehearsed=rehearsed, progress=progress)
    say = progress or (lambda line: None)
    stack = stack_forms(runs, asked, forms=models, seed=seed, say=say, fits=fits, rehearsed=rehearsed)
    return join_stack(stack, family)


def join_stack(stack: Stack, family: str | None = None) -> xr.Dataset:
    """Return a stack as one Dataset: the forecast with its grades, its backtest and its checks."""
    out = stack.far.assign(_grade_points(stack, family))
    parts = {HELD: stack.held, SENSITIVITY: stack.sensitivity, INFLUENCE: stack.moved, CHECK: stack.checked}
    for prefix, part in parts.items():
        if part is not None:
            out = out.merge(_prefix_names(part, prefix), join="exact", combine_attrs="override")
    return out.assign_attrs(not_checked=json.dumps(stack.not_checked, ensure_ascii=False))


def _prefix_names(part: xr.Dataset, prefix: str) -> xr.Dataset:
    """Return a Dataset with a prefix before its variables and dimensions, but for the dimension of families."""
    names = dict.fromkeys(map(str, (*part.dims, *part.variables)))
    kept = {"held_out", *(["family"] if "family" in part.dims else [])}
    return part.rename({name: f"{prefix}_{name}" for name in names if name not in kept}).drop_attrs(deep=False)


def _grade_points(stack: Stack, family: str | None) -> dict[str, xr.DataArray]:
    """Return the letter of every point and family, with the level and the reason of each part of the grade."""
    far = stack.far
    names = far["family"].values.tolist() if "family" in far.dims else [family]
    grades = [
        [grade(far, stack.held, stack.sensitivity, point=i, family=name) for name in names]
        for i in range(far.sizes["point"])
    ]
    parts = [[given.parts for given in row] for row in grades]
    coords: dict[str, Any] = {"part": [part.name for part in parts[0][0]]}
    dims = ("point", "family", "part")
    columns = {
        "grade": xr.DataArray([[given.letter for given in row] for row in grades], dims=dims[:2]),
        "grade_level": xr.DataArray([[[part.level for part in p] for p in row] for row in parts], coords, dims),
        "grade_reason": xr.DataArray([[[part.sentence for part in p] for p in row] for row in parts], coords, dims),
    }
    if "family" not in far.dims:
        columns = {name: values.isel(family=0, drop=True) for name, values in columns.items()}
    return {name: values.transpose("part", ..., missing_dims="ignore") for name, values in columns.items()}
