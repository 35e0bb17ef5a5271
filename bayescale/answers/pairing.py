"""Draws of several posteriors put side by side, as one set of draws."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from bayescale.answers.posterior import DRAW_DIMS
from bayescale.errors import QuestionError

Draws = Mapping[str, xr.DataArray]


def paired(posteriors: Sequence[Draws], rng: np.random.Generator) -> list[dict[str, xr.DataArray]]:
    """Return the draws of independent posteriors, equally many of each, paired at random.

    Parameters
    ----------
    posteriors : sequence of mapping of str to xarray.DataArray
        The parameters of each by name; a parameter without the dims ``chain`` and ``draw`` is a constant.
    rng : numpy.random.Generator
        The first posterior that has draws keeps their order; every other one is put in random order, so that what
        equal seeds and equal models have in common does not look like a correlation.

    Returns
    -------
    list of dict
        The same, all with the chains and draws of that first one.

    Raises
    ------
    QuestionError
        If they differ in their families.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.answers.pairing import paired
    >>> first, second = ({"a": xr.DataArray(np.zeros((2, n)), dims=("chain", "draw"))} for n in (3, 8))
    >>> paired([first, second], np.random.default_rng(1))[1]["a"].shape
    (2, 3)
    """
    plain = [{name: value.drop_vars(DRAW_DIMS, errors="ignore") for name, value in each.items()} for each in posteriors]
    kept = next((i for i, each in enumerate(plain) if _drawn(each)), None)
    if kept is not None:
        like = _drawn(plain[kept])[0]
        plain = [each if i == kept else _reordered(each, like, rng) for i, each in enumerate(plain)]
    try:
        xr.align(*(value for each in plain for value in each.values()), join="exact")
    except ValueError:
        raise QuestionError(
            "the posteriors differ in their families; pass family=, one that all of them have."
        ) from None
    return plain


def _drawn(values: Draws) -> list[xr.DataArray]:
    return [value for value in values.values() if set(DRAW_DIMS) <= set(value.dims)]


def _reordered(values: Draws, like: xr.DataArray, rng: np.random.Generator) -> dict[str, xr.DataArray]:
    drawn = _drawn(values)
    if not drawn:
        return dict(values)
    shape = tuple(like.sizes[dim] for dim in DRAW_DIMS)
    count, wanted = drawn[0].sizes["chain"] * drawn[0].sizes["draw"], shape[0] * shape[1]
    order = np.concatenate([rng.permutation(count) for _ in range(-(-wanted // count))])[:wanted].reshape(shape)
    chain, draw = (xr.DataArray(index, dims=DRAW_DIMS) for index in np.divmod(order, drawn[0].sizes["draw"]))
    return {
        name: value.isel(chain=chain, draw=draw) if set(DRAW_DIMS) <= set(value.dims) else value
        for name, value in values.items()
    }
