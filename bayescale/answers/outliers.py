"""Which runs lie off the law, and how little does the fit heed them?"""

import numpy as np
import xarray as xr

from bayescale.answers.posterior import DRAW_DIMS, card_of, law_of, respond_at_runs
from bayescale.answers.undertuned import NOISE, undertuned_runs
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable, runs_of
from bayescale.layers.noise import known_of, total_scale

HEAVY = "StudentT"
KNOWS_OUTLIERS = (HEAVY, NOISE)
# A run that counts half as much as one on the law, or less, is named.
DISCOUNTED = 0.5


def outlier_runs(fit: xr.DataTree, *, allow_unconverged: bool = False) -> xr.Dataset:
    """Return how far each run lies off the law, and how much the fit heeds it.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, with Student-t noise; or with noise ``Undertuned``, of which `undertuned_runs` answers.
    allow_unconverged : bool
        Answer from a posterior that failed its checks.

    Returns
    -------
    xarray.Dataset
        Dims ``run``, the farthest first: ``residual``, the median log residual about the law; ``weight``, the posterior
        mean of how much the run counts against one that lies on the law, ``nu / (nu + z**2)`` with ``z`` its residual
        in scales. Under ``Undertuned`` noise ``probability`` instead of a weight. ``attrs["sentence"]`` names the runs
        that count less than half.

    Raises
    ------
    UnconvergedError
        If the posterior failed its checks.
    QuestionError
        If its noise knows no outliers.

    Notes
    -----
    A Student-t is a normal whose precision differs from run to run; given the residual its mean is
    ``(nu + 1) / (nu + z**2)``, here relative to that at ``z = 0``.

    Examples
    --------
    >>> import bayescale as bs
    >>> found = bs.outlier_runs(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> bool((found["weight"] <= 1).all()), bool(found["weight"][0] == found["weight"].min())
    (True, True)
    """
    card, runs = card_of(fit), runs_of(fit)
    if card.noise.family == NOISE:
        return undertuned_runs(fit, allow_unconverged=allow_unconverged)
    if card.noise.family != HEAVY:
        raise QuestionError(
            f"{card.noise.family} noise knows no outliers: it heeds every run by its scatter alone. Accepted: cards "
            f'with noise.family = "{HEAVY}" or "{NOISE}" (chinchilla, chinchilla-undertuned).'
        )
    quotable = require_quotable(fit, allow_unconverged)
    law = law_of(fit)
    mean, local = respond_at_runs(fit)
    residual = xr.ufuncs.log(runs[law.response]) - xr.ufuncs.log(mean)
    scale = total_scale(np, local["sigma"], known_of(HEAVY, runs, law.response)["relative_se"])
    weight = (local["nu"] / (local["nu"] + (residual / scale) ** 2)).mean(DRAW_DIMS)
    out = xr.Dataset({"weight": weight, "residual": residual.median(DRAW_DIMS)}).drop_attrs()
    out = out.isel(run=np.argsort(weight.values, kind="stable"))
    named = [str(run) for run in out["run"].values[out["weight"].values < DISCOUNTED]]
    found = f"{len(named)} of {runs.sizes['run']} runs count less than half as much as one on the law"
    sentence = found + (f": {', '.join(named)}." if named else ".")
    return out.assign_attrs(model=fit.attrs["model"], verdict=quotable, sentence=sentence)
