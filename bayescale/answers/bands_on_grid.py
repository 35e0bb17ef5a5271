"""Bands at many points: an answer asked a few points at a time, each part reduced to bands before the next is drawn."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayescale.answers.summary import BANDS, bands
from bayescale.laws.inputs import DRAW_DIMS, POINT
from bayescale.posterior import Posterior

MEMORY = 5e8
# An answer takes so many times the bytes of one of its variables while it is worked out, measured.
COPIES = 12


def bands_on_grid(
    answer: Callable[..., xr.Dataset],
    fit: xr.DataTree,
    *,
    prob: Iterable[float] = BANDS,
    memory: float = MEMORY,
    family: str | None = None,
    **asked: Any,
) -> xr.Dataset:
    """Return the medians and bands of an answer at many points, within a bound of memory.

    All draws of 10,000 points and 50 families would be 16 GB for each variable of an answer. Here they are drawn for a
    few points at a time, and what is kept of each is its median and its bands.

    Parameters
    ----------
    answer : callable
        A question over points, such as `extrapolate`, `optimal_split` or `loss_of_compute`.
    fit : xarray.DataTree
        A posterior from `fit`.
    prob : iterable of float
        Masses of the bands.
    memory : float
        Bytes that the draws may take at a time; one point is asked in any case.
    family : str, optional
        One family; by default all of them, on the dimension ``family``.
    **asked
        What the question is asked, as it takes it: ``compute=[...]``, ``params=[...]``, ``at={...}``.

    Returns
    -------
    xarray.Dataset
        Of each variable of the answer with draws, ``NAME_median``, dims ``(point[, family])``, and ``NAME_lower`` and
        ``NAME_upper``, dims ``(prob, point[, family])``, in the variable's unit; its other variables, coords and attrs
        as they are.

    Raises
    ------
    UnconvergedError, QuestionError
        As the question does.

    Notes
    -----
    Parts of the grid have the same random numbers for the scatter of single runs. Each point has its own band either
    way; differences between points are not asked here.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.answers import bands_on_grid
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> grid = bands_on_grid(bs.extrapolate, fit, compute=["10x", "100x"], prob=[0.9])
    >>> grid["loss_median"].dims, grid["loss_lower"].dims
    (('point', 'family'), ('prob', 'point', 'family'))
    """
    prob, draws = list(prob), fit["posterior"].sizes
    families = 1 if family else len(Posterior(fit).families)
    each = 8 * COPIES * families * np.prod([draws[dim] for dim in DRAW_DIMS])
    options = {"family": family} if family else {}
    parts = [_reduce(answer(fit, **part, **options), prob) for part in _cut(asked, max(1, int(memory / each)))]
    alike = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "combine_attrs": "override"}
    return xr.concat(parts, POINT, **alike) if len(parts) > 1 else parts[0]  # type: ignore[call-overload]


def _cut(asked: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    """Yield the question at a few points at a time; what is given once is asked with each."""
    lists = {name: values for name, values in asked.items() if _count(values) > 1}
    at = dict(asked.get("at") or {})
    lists_at = {name: values for name, values in at.items() if _count(values) > 1}
    count = max((_count(values) for values in (*lists.values(), *lists_at.values())), default=1)
    for start in range(0, count, size):
        part = slice(start, start + size)
        here: dict[str, Any] = {name: list(values)[part] for name, values in lists.items()}
        if at:
            here["at"] = at | {name: list(values)[part] for name, values in lists_at.items()}
        yield dict(asked) | here


def _count(values: Any) -> int:
    """Return how many points a value is; a text and a mapping are none by themselves."""
    return (
        len(values) if isinstance(values, Sequence | np.ndarray | xr.DataArray) and not isinstance(values, str) else 1
    )


def _reduce(answer: xr.Dataset, prob: list[float]) -> xr.Dataset:
    """Return an answer with its draws reduced to medians and bands."""
    out = {}
    for name, values in answer.data_vars.items():
        if not set(DRAW_DIMS) <= set(values.dims):
            out[str(name)] = values
            continue
        found = bands(values, prob)
        for side in ("median", "lower", "upper"):
            out[f"{name}_{side}"] = found[side].assign_attrs(values.attrs)
    kept = {name: labels for name, labels in answer.coords.items() if not set(DRAW_DIMS) & set(labels.dims)}
    return xr.Dataset(out, kept, answer.attrs)
