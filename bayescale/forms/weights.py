"""What each form is worth: by what it was worth before, and by how well it predicted larger runs."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

# Log densities are cut off here, which keeps one run far out from deciding alone.
LOWEST = -20.0
# How far each form's median is moved towards the median of all forms. A mixture of forms whose own bands hold has too
# wide a band (Gneiting and Ranjan 2013, arXiv 1106.1638), as one form errs up where another errs down.
TOGETHER = 0.4


def form_weights(prior: Mapping[str, float], rehearsed: xr.Dataset, from_factor: float, reach: float) -> xr.Dataset:
    """Weigh forms for a question that lies `reach` decades beyond the runs.

    Parameters
    ----------
    prior : mapping of str to float
        What each form is worth before it has predicted a run.
    rehearsed : xarray.Dataset
        From `rehearse`, over all cut-offs.
    from_factor : float
        The runs in use are those at C <= Cmax / from_factor: 1 for all of them. Only rehearsals within these count.
    reach : float
        How far the question lies beyond the runs in use, in decades.

    Returns
    -------
    xarray.Dataset
        ``weight`` and ``prior_weight``, dims ``form``; ``score``, the mean log density of a larger run, dims
        ``(form, rehearsal)``, with the coord ``reach`` of each rehearsal in decades; ``evidence``, how much of the
        score counts.

    Notes
    -----
    ``weight ~ prior * exp(evidence * score)``, where the score of a form is the mean over rehearsals, each counting as
    its reach in compute (as a factor, not in decades): the longest rehearsal is most like the question. Runs beyond a
    cut-off share one error of the form, so that together they count as one run, not as many; and that one counts less
    where the question lies farther than any rehearsal: ``evidence`` is the longest rehearsal over the question in
    decades, at most 1. Full stacking (Yao et al. 2018, arXiv 1704.02030) trusts a short rehearsal too much.
    """
    names = list(prior)
    believed = np.array([prior[name] for name in names]) / sum(prior.values())
    factors = [f for f in np.unique(rehearsed["factor"].values) if f > from_factor * 1.01]
    top = _find_largest(rehearsed) / from_factor * (1 + 1e-6)
    scores, reaches = [], []
    for factor in factors:
        beyond = (rehearsed["factor"].values == factor) & (rehearsed[rehearsed.attrs["measure"]].values <= top)
        if beyond.sum() < 2:
            continue
        density = rehearsed["log_density"].isel(held_out=beyond).sel(form=names)
        mean_density = density.clip(LOWEST).mean("held_out").values
        if np.isnan(mean_density).all():
            continue
        scores.append(mean_density)
        reaches.append(float(np.log10(factor / from_factor)))
    score = np.array(scores).reshape(-1, len(names))
    evidence = min(1.0, max(reaches) / max(reach, 1e-9)) if reaches else 0.0
    log_weight = np.log(believed) + evidence * _mean_score(score, np.array(reaches), believed)
    weight = np.exp(log_weight - log_weight.max())
    return xr.Dataset(
        {
            "weight": ("form", weight / weight.sum()),
            "prior_weight": ("form", believed),
            "score": (("form", "rehearsal"), score.T),
            "evidence": evidence,
        },
        coords={"form": names, "reach": ("rehearsal", reaches)},
    )


def _find_largest(rehearsed: xr.Dataset) -> float:
    """Return the largest run: not only of those that were predicted, as a family may have no smaller ones."""
    values = rehearsed[rehearsed.attrs["measure"]].values
    return float(rehearsed.attrs.get("largest", values.max(initial=0.0)))


def _mean_score(score: np.ndarray, reaches: np.ndarray, believed: np.ndarray) -> np.ndarray:
    """Return each form's score over the rehearsals; one that could not be fitted scores as the others do on average."""
    if not len(score):
        return np.zeros(len(believed))
    known = np.isfinite(score)
    share = np.where(known, believed, 0.0)
    average = np.where(known, score, 0.0) @ believed / np.maximum(share.sum(axis=1), 1e-12)
    filled = np.where(known, score, average[:, None])
    return np.average(filled, axis=0, weights=10.0**reaches)


def drawn_together(values: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Return each form's draws with their median, in logs, a part of the way to the weighted mean of all forms'."""
    # Far from the runs a draw may be zero or infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = xr.ufuncs.log(values.median(("chain", "draw")))
        shift = TOGETHER * ((middle * weight).sum("form") - middle)
    return values * np.exp(shift.where(np.isfinite(shift), 0.0))


def mixed(values: xr.DataArray, weight: xr.DataArray, seed: int) -> xr.DataArray:
    """Return draws of the mixture: each draw is that of one form, chosen with its weight; dims as without ``form``."""
    sizes = {name: values.sizes[name] for name in ("chain", "draw")}
    chosen = chosen_form(weight, sizes["chain"], sizes["draw"], seed)
    each = {name: xr.DataArray(np.arange(size), dims=name) for name, size in sizes.items()}
    return values.isel({"form": chosen, **each}).drop_vars("form", errors="ignore")


def chosen_form(weight: xr.DataArray, chains: int, draws: int, seed: int) -> xr.DataArray:
    """Return the place of the form that each draw is taken from, as many draws of each as its weight says."""
    edges = np.cumsum(weight.values)[:-1]
    # Evenly spaced places, unlike independent ones, add no noise to the shares of the forms.
    even = (np.arange(chains * draws) + 0.5) / (chains * draws)
    order = np.random.default_rng([seed, 5]).permutation(np.searchsorted(edges, even))
    return xr.DataArray(order.reshape(chains, draws), dims=("chain", "draw"))
