"""Approach 1: the lower envelope of training curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.approaches.envelope_model import PRIORS, build_envelope, envelope_data
from bayescale.approaches.sample_estimator import one_family, sample_estimator, with_priors
from bayescale.posterior import SEED
from bayescale.runs.curves.envelope import CHANGE, ENVELOPE_POINTS, as_rows, curves_of_runs, training_envelope

CAVEATS = {
    "training": "points before the end of a run have a learning rate that was not yet brought down",
    "finished runs": "the curves run from finished run to finished run of a size, read in between",
}


def envelope_fit(
    curves: xr.Dataset,
    *,
    points: int = ENVELOPE_POINTS,
    family: str | None = None,
    priors: Mapping[str, Any] | None = None,
    seed: int = SEED,
    **options: Any,
) -> xr.DataTree:
    """Sample approach 1 of Hoffmann et al. 2022: the size with the lowest loss along the envelope of training curves.

    Parameters
    ----------
    curves : xarray.Dataset
        From `read_curves`, or runs from `read_runs`: then a size's finished runs are its curve.
    points : int
        Values of compute along the envelope.
    family : str, optional
        Which family, where there are several.
    priors : mapping, optional
        Priors that replace those of `bayescale.approaches.envelope_model.PRIORS`, as tables of a model card.
    seed : int
        As in `fit`, with its ``draws``, ``tune``, ``chains``, ``tries`` and ``progress`` as further options.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``sample_stats``, ``observed_data`` and ``constant_data``. The posterior holds ``a`` and
        ``level`` of ``log(N_opt / N0) = level + a log(C / C0)``. ``attrs["caveat"]`` says what the curves are.

    Raises
    ------
    DesignError, QuestionError
        If the best size changes at fewer than three places, or the family is unknown.

    Notes
    -----
    The paper regresses on all points of the envelope. Neighbouring points are the same model's, so each change of the
    best size counts once here: the geometric mean of the two sizes, at the compute where they are equally good.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.approaches import envelope_fit
    >>> fit = envelope_fit(bs.load_shipped("tinylm"), family="english", seed=1)
    >>> fit.attrs["caveat"]
    'the curves run from finished run to finished run of a size, read in between'
    """
    one = one_family(as_rows(curves), family)
    if "curve" not in one.coords:
        one = curves_of_runs(one)
    envelope = training_envelope(one, points)
    arrays, reference = envelope_data(envelope)
    changes = {CHANGE: np.arange(envelope.sizes[CHANGE])}
    return sample_estimator(
        "envelope",
        build_envelope,
        arrays,
        reference,
        one,
        key=("envelope",),
        priors=with_priors(PRIORS, priors),
        observed=xr.Dataset({"log_params": (CHANGE, arrays["log_n"])}, changes),
        constant=envelope[["change_params", "change_compute"]].assign_coords(changes),
        options={"seed": seed, **options},
        about={"caveat": CAVEATS[envelope.attrs["curves"]]},
    )
