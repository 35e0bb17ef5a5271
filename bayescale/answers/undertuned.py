"""Which runs were badly tuned? A run can be worse than its law for want of tuning, hardly better."""

import numpy as np
import xarray as xr
from scipy.special import expit

from bayescale.answers.posterior import DRAW_DIMS, card_of, law_of, respond_at_runs
from bayescale.errors import QuestionError
from bayescale.inference import require_quotable, runs_of
from bayescale.layers.noise import known_of, undertuned_log_odds

NOISE = "Undertuned"
LIKELY = 0.5  # runs more likely undertuned than not are named


def undertuned_runs(fit: xr.DataTree, *, allow_unconverged: bool = False) -> xr.Dataset:
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
        coords ``run`` and, where there are families, ``family``. ``attrs["sentence"]`` names the runs above one half.

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
    >>> float(bs.undertuned_runs(fit)["probability"].max()) <= 1                              # doctest: +SKIP
    True
    """
    card, runs = card_of(fit), runs_of(fit)
    if card.noise.family != NOISE:
        raise QuestionError(
            f"the card {card.name!r} takes all runs as tuned alike ({card.noise.family} noise); fit a card with "
            f'noise.family = "{NOISE}", such as chinchilla-undertuned.'
        )
    quotable = require_quotable(fit, allow_unconverged)
    law = law_of(fit)
    mean, theta = respond_at_runs(fit)
    odds = undertuned_log_odds(runs[law.response], mean, known_of(NOISE, runs, law.response), theta)
    out = xr.Dataset(
        {
            "probability": expit(odds).mean(DRAW_DIMS),
            "residual": (xr.ufuncs.log(runs[law.response]) - xr.ufuncs.log(mean)).median(DRAW_DIMS),
        }
    )
    out = out.drop_attrs().isel(run=np.argsort(-out["probability"].values, kind="stable"))
    named = [str(run) for run in out["run"].values[out["probability"].values > LIKELY]]
    found = f"{len(named)} of {runs.sizes['run']} runs are more likely undertuned than not"
    sentence = found + (f": {', '.join(named)}." if named else ".")
    return out.assign_attrs(model=fit.attrs["model"], verdict=quotable, sentence=sentence)
