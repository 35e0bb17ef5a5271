"""Which runs lie off the law, and how little does the fit heed them?"""

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.layers.noise import known_of, total_scale, undertuned_log_odds
from bayescale.posterior import Posterior

HEAVY, UNDERTUNED = "StudentT", "Undertuned"
KNOWS_OUTLIERS = (HEAVY, UNDERTUNED)
# The runs that are named: those that count half as much as a run on the law or less, those more likely undertuned.
DISCOUNTED, LIKELY = 0.5, 0.5


def outlier_runs(fit: xr.DataTree | Posterior, *, allow_unconverged: bool = False) -> xr.Dataset:
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
        in scales. Under ``Undertuned`` noise ``probability`` instead of a weight. ``attrs["limit"]`` is the weight, or
        the probability, from which a run is named.

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
    >>> found = bs.answers.outlier_runs(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> bool((found["weight"] <= 1).all()), bool(found["weight"][0] == found["weight"].min())
    (True, True)
    """
    view = Posterior.quoted(fit, None, allow_unconverged)
    card, runs = view.card, view.runs
    if card.noise.family == UNDERTUNED:
        return undertuned_runs(view)
    if card.noise.family != HEAVY:
        raise QuestionError(
            f"{card.noise.family} noise knows no outliers: it heeds every run by its scatter alone. Accepted: cards "
            f'with noise.family = "{HEAVY}" or "{UNDERTUNED}" (chinchilla, chinchilla-undertuned).'
        )
    mean, local = view.respond_at_runs()
    residual = xr.ufuncs.log(runs[view.response]) - xr.ufuncs.log(mean)
    scale = total_scale(np, local["sigma"], known_of(HEAVY, runs, view.response)["relative_se"])
    weight = (local["nu"] / (local["nu"] + (residual / scale) ** 2)).mean(DRAW_DIMS)
    out = xr.Dataset({"weight": weight, "residual": residual.median(DRAW_DIMS)}).drop_attrs()
    out = out.isel(run=np.argsort(weight.values, kind="stable"))
    return out.assign_attrs(view.attrs("outlier_runs", "runs off the law", limit=DISCOUNTED))


def undertuned_runs(fit: xr.DataTree | Posterior, *, allow_unconverged: bool = False) -> xr.Dataset:
    """Return how likely each run is to be worse than its law for want of tuning.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`, of a card with ``noise.family = "Undertuned"``: normal scatter, and a share of runs that
        are worse still by an exponential.
    allow_unconverged : bool
        Answer from a posterior that failed its checks.

    Returns
    -------
    xarray.Dataset
        Dims ``run``, the most likely first: ``probability``, and ``residual``, the median log residual about the law;
        coords ``run`` and, where there are families, ``family``. ``attrs["limit"]`` is the probability above which
        a run is named.

    Raises
    ------
    UnconvergedError
        If the posterior failed its checks.
    QuestionError
        If its noise has no such runs.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), "chinchilla-undertuned", seed=1)              # doctest: +SKIP
    >>> float(bs.answers.undertuned_runs(fit)["probability"].max()) <= 1                              # doctest: +SKIP
    True
    """
    card = (fit if isinstance(fit, Posterior) else Posterior(fit)).card
    if card.noise.family != UNDERTUNED:
        raise QuestionError(
            f"the card {card.name!r} takes all runs as tuned alike ({card.noise.family} noise); fit a card with "
            f'noise.family = "{UNDERTUNED}", such as chinchilla-undertuned.'
        )
    view = Posterior.quoted(fit, None, allow_unconverged)
    runs = view.runs
    mean, theta = view.respond_at_runs()
    odds = undertuned_log_odds(runs[view.response], mean, known_of(UNDERTUNED, runs, view.response), theta)
    residual = xr.ufuncs.log(runs[view.response]) - xr.ufuncs.log(mean)
    # Of log odds far below zero the exponential is infinite, and the probability nothing.
    with np.errstate(over="ignore"):
        probability = (1 / (1 + xr.ufuncs.exp(-odds))).mean(DRAW_DIMS)
    out = xr.Dataset({"probability": probability, "residual": residual.median(DRAW_DIMS)}).drop_attrs()
    out = out.isel(run=np.argsort(-out["probability"].values, kind="stable"))
    return out.assign_attrs(view.attrs("undertuned_runs", "badly tuned runs", limit=LIKELY))
