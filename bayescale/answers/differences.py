"""Do groups of runs follow different constants? Each parameter of one group against the same of another."""

from typing import Any

import xarray as xr

from bayescale.errors import QuestionError, did_you_mean
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.layers.groups import FAMILY
from bayescale.layers.pooling import named, support_of
from bayescale.posterior import Posterior
from bayescale.runs.reading.schema import label_text


def differences(
    fit: xr.DataTree, group: str = FAMILY, baseline: Any = None, *, allow_unconverged: bool = False
) -> xr.Dataset:
    """Return how the parameters of each level of a group differ from the parameters of a baseline level.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    group : str
        The families, or a group that the card names, such as the ``schedule`` of ``effect(schedule)`` or the ``lr`` of
        ``slope(log lr)``.
    baseline : str, float or bool, optional
        The level that the others are compared with; by default the first, the lowest of numbers.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        A variable for each parameter that differs, dims ``(chain, draw, GROUP)``, without the baseline. A positive
        parameter is given as a multiple of the baseline's, a parameter that may be negative as a difference, a share as
        a difference of log odds. ``probability_higher``, dims ``(parameter, GROUP)``, is the probability that the
        parameter is higher than the baseline's.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or has no such group or level.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> bs.answers.differences(fit)["alpha"].sizes["family"]
    1
    """
    view = Posterior.quoted(fit, None, allow_unconverged)
    card, law, posterior = view.card, view.law, view.draws
    found = {name: _find_effect(posterior, name, group, support_of(law, name)) for name in card.all_priors}
    effects = {name: effect for name, effect in found.items() if effect is not None}
    if not effects:
        known = sorted({term.group for name in card.all_priors for term in card.terms(name)} & set(posterior.dims))
        raise QuestionError(
            f"in this posterior no parameter differs by {group!r}.{did_you_mean(group, known)} Groups by which one "
            f"does: {', '.join(known) or 'none'}."
        )
    levels = [str(level) for level in posterior[group].values]
    baseline = levels[0] if baseline is None else label_text(baseline)
    if baseline not in levels:
        raise QuestionError(
            f"baseline={baseline!r}: no such {group}.{did_you_mean(baseline, levels)} Accepted: {', '.join(levels)}."
        )
    others, out, higher = [level for level in levels if level != baseline], {}, []
    for name, effect in effects.items():
        apart = effect.sel({group: others}) - effect.sel({group: baseline}, drop=True)
        higher.append((apart > 0).mean(DRAW_DIMS))
        times = support_of(law, name) == "positive"
        out[name] = (xr.ufuncs.exp(apart) if times else apart).assign_attrs(
            long_name=f"{name}, {'times' if times else 'more than'} that of {baseline}"
        )
    answer = xr.Dataset(out).transpose(*DRAW_DIMS, ...)
    answer["probability_higher"] = xr.concat(higher, "parameter").assign_coords(parameter=list(out))
    question = f"parameters by {group}, against {baseline}"
    return answer.assign_attrs(view.attrs("differences", question, group=group, baseline=baseline))


def _find_effect(posterior: xr.Dataset, name: str, group: str, support: str) -> xr.DataArray | None:
    """Return a parameter's differences between the levels on the scale on which they add up; None where it has none."""
    if group != FAMILY:
        return posterior.get(named(name, group))
    if FAMILY not in posterior.get(name, xr.DataArray()).dims:
        return None
    value = posterior[name]
    if support == "positive":
        return xr.ufuncs.log(value)
    return value if support == "real" else xr.ufuncs.log(value) - xr.ufuncs.log1p(-value)
