"""Do runs that share something err alike, where the fitted card takes them as independent? Then it is too sure."""

import numpy as np
import xarray as xr

from bayescale.cards import Card
from bayescale.cards.card import ADDITIONS
from bayescale.inference import require_quotable, with_densities
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.layers.noise import NOISES
from bayescale.posterior import Posterior
from bayescale.runs.checks.sharing import ALONE, BUDGET, DESIGN, label_names, shared_labels

# Fewer groups than this say little of how groups differ.
FEWEST = 4
# How many sets of random signs are drawn, and how seldom chance may be as uneven for a clear result.
FLIPS, CLEAR = 2000, 0.01
# A standard error that is too small by a smaller factor is not worth another card.
WORTH = 1.25
NOTHING_SHARED = xr.Dataset({"warning": ("key", np.zeros(0, dtype=str))}, {"key": np.zeros(0, dtype=str)})
WHAT = {BUDGET: "IsoFLOP budgets", DESIGN: "designs (replicates by seed)"}


def dependence(fit: xr.DataTree, *, seed: int = 1, allow_unconverged: bool = False) -> xr.Dataset:
    """Say whether runs that share a budget, a design or a label err alike, and how much too sure a posterior then is.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    seed : int
        Seed of the random signs.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics.

    Returns
    -------
    xarray.Dataset
        Dims ``key``, what runs share of which the card knows nothing (``budget``, ``design``, columns that label the
        runs), where there are at least four groups; and ``parameter`` of the law. ``icc``, the intraclass correlation
        of the residuals, with the ``f_probability`` of its F test; ``factor``, by how much the standard error of each
        parameter exceeds the posterior's where groups are drawn and not runs; ``probability`` that the signs of
        independent runs are as uneven; ``design_effect``, by how much the standard error of a mean of such runs exceeds
        that of independent ones. ``runs`` and ``groups`` that share. ``warning`` says so, where they err alike.

    Raises
    ------
    UnconvergedError
        If the posterior may not be quoted.

    Notes
    -----
    The correlation is that of one-way analysis of variance (Donner 1986), of normal scores, so that an outlier does not
    decide. The standard error is the infinitesimal jackknife's, summed over groups (Giordano and Broderick 2023, arXiv
    2305.06466): it needs the posterior alone, and what it says of groups is what a bootstrap of groups would. It sees
    more than the correlation does, such as budgets whose profiles lean. Of few groups it is uncertain, by about
    ``1 / sqrt(2 groups)``, and too small where the law's parameters have taken up their errors: where it is not clear,
    the correlation's design effect is told (Kish 1965).

    Examples
    --------
    >>> import bayescale as bs
    >>> found = bs.trust.dependence(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> found["key"].values.tolist(), int(found["groups"][0])
    (['design'], 16)
    """
    require_quotable(fit, allow_unconverged)
    fit = with_densities(fit)
    card, runs = Posterior(fit).card, Posterior(fit).runs
    if card.curve:  # a card with a curve knows that the checkpoints of a run err together
        return NOTHING_SHARED.assign_attrs(model=card.name)
    residuals, (names, draws) = _compute_residuals(fit), _draw_parameters(fit)
    log_density = fit["log_likelihood"][fit.attrs["response"]].transpose(*DRAW_DIMS, "run").sel(run=runs["run"].values)
    density = log_density.values.reshape(draws.shape[1], -1)
    # How the mean of each parameter moves as a run is given more weight.
    moved = (draws - draws.mean(axis=1, keepdims=True)) @ (density - density.mean(axis=0)) / draws.shape[1]
    parts = []
    for key in (key for key in _list_keys(runs) if key not in _list_known(card)):
        labels = shared_labels(runs, key)
        if len(set(labels.tolist()) - {ALONE}) >= FEWEST:
            parts.append(_measure_sharing(key, labels, residuals, moved, draws.std(axis=1), seed))
    out = xr.concat(parts, "key") if parts else NOTHING_SHARED
    out = out.assign_coords(parameter=names)
    warnings = [_warn_of_sharing(out.sel(key=key), card, runs.sizes["run"]) for key in out["key"].values]
    return out.assign(warning=("key", warnings)).assign_attrs(model=card.name)


def dependence_warnings(shared: xr.Dataset) -> list[str]:
    """Return a sentence for each way in which runs err alike and the card does not know."""
    return [str(line) for line in shared["warning"].values if line]


def _list_keys(runs: xr.Dataset) -> list[str]:
    return [BUDGET, DESIGN, *label_names(runs)]


def _list_known(card: Card) -> set[str]:
    """Return what the card knows runs to share: an error, or parameters of the law that differ by it."""
    return {*card.errors, *(term.group for name in card.get_law().parameter_names for term in card.terms(name))}


def _compute_residuals(fit: xr.DataTree) -> np.ndarray:
    """Return by how much each run's response lies above what is expected of it: on the log, or of a share as it is."""
    view = Posterior(fit)
    card, runs, law = view.card, view.runs, view.law
    mean, _ = view.respond_at_runs()
    middle, response = mean.median(DRAW_DIMS).values, runs[law.response].values
    return response - middle if NOISES[card.noise.family].of_shares else np.log(response) - np.log(middle)


def _draw_parameters(fit: xr.DataTree) -> tuple[list[str], np.ndarray]:
    """Return the draws of the law's free parameters, dims (parameter, draw), each family's by itself."""
    view = Posterior(fit)
    posterior, card = view.draws, view.card
    names, rows = [], []
    for name in (name for name in view.law.parameter_names if name not in card.fixed):
        values = posterior[name].transpose(..., *DRAW_DIMS)
        labels = [f"{name}[{family}]" for family in values["family"].values] if "family" in values.dims else [name]
        names += labels
        rows.append(values.values.reshape(len(labels), -1))
    return names, np.concatenate(rows)


def _measure_sharing(
    key: str, labels: np.ndarray, residuals: np.ndarray, moved: np.ndarray, spread: np.ndarray, seed: int
) -> xr.Dataset:
    shared = labels != ALONE
    own = np.where(shared, labels, np.array([f"alone {k}" for k in range(len(labels))]))
    _, member = np.unique(own, return_inverse=True)
    icc, f_probability = intraclass(_normal_scores(residuals)[shared], labels[shared])
    clustered = _sum_over_groups(moved, member)
    signs = np.random.default_rng([seed, 51]).choice([-1.0, 1.0], (FLIPS, len(labels)))
    by_chance = np.array([_sum_over_groups(moved * flip, member) for flip in signs])
    rows = np.sqrt((moved**2).sum(axis=1))
    least = (1 + ((by_chance / rows).max(axis=1) >= (clustered / rows).max()).sum()) / (1 + FLIPS)
    groups, sizes = member.max() + 1, np.unique(labels[shared], return_counts=True)[1]
    effect = np.sqrt(1 + max(icc, 0.0) * ((sizes**2).sum() / sizes.sum() - 1))
    return xr.Dataset(
        {
            "icc": icc,
            "f_probability": f_probability,
            "factor": ("parameter", np.sqrt(groups / (groups - 1)) * clustered / spread),
            "probability": least,
            "design_effect": effect,
            "runs": int(shared.sum()),
            "groups": len(np.unique(labels[shared])),
        }
    ).expand_dims(key=[key])


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Return normal scores: what a normal sample of that size has at these ranks."""
    from scipy import stats

    return stats.norm.ppf((stats.rankdata(values) - 0.375) / (len(values) + 0.25))


def _sum_over_groups(moved: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return the root of the sum of squares over groups of what moves each parameter."""
    return np.sqrt(np.array([(np.bincount(member, row) ** 2).sum() for row in moved]))


def intraclass(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the intraclass correlation of values within groups, and the probability of its F test.

    Examples
    --------
    >>> import numpy as np
    >>> from bayescale.trust.dependence import intraclass
    >>> round(intraclass(np.array([1.0, 1.1, 3.0, 3.1]), np.array(["a", "a", "b", "b"]))[0], 3)
    0.998
    """
    from scipy import stats

    groups = [values[labels == name] for name in np.unique(labels)]
    sizes, count = np.array([group.size for group in groups]), len(groups)
    tested = stats.f_oneway(*groups)
    typical = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (count - 1)
    return float((tested.statistic - 1) / (tested.statistic - 1 + typical)), float(tested.pvalue)


def _warn_of_sharing(row: xr.Dataset, card: Card, runs: int) -> str:
    key, worst = str(row["key"].item()), int(np.argmax(row["factor"].values))
    factor, effect = float(row["factor"][worst]), float(row["design_effect"])
    # There are two tests, and each is allowed half of the false alarms.
    by_groups = 2 * float(row["probability"]) < CLEAR and factor >= WORTH
    by_correlation = 2 * float(row["f_probability"]) < CLEAR and effect >= WORTH
    if by_groups:
        fault = f"the standard error of {row['parameter'].values[worst]} may be {factor:.1f} times what it says"
    elif by_correlation:
        fault = f"standard errors may be up to {effect:.1f} times what it says"
    else:
        return ""
    what = WHAT.get(key, f"values of {key}")
    cure = f"fit {card.name}+{key}" if f"+{key}" in ADDITIONS else f"give the card a prior for it, errors.{key}"
    least = min(1.0, 2 * min(float(row["probability"]), float(row["f_probability"])))
    return (
        f"{int(row['runs'])} of {runs} runs share {int(row['groups'])} {what} and err alike (intraclass correlation "
        f"{float(row['icc']):.2f}; p = {least:.1g}), which {card.name} takes as independent: {fault}. Better: {cure}."
    )
