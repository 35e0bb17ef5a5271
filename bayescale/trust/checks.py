"""Does the fitted model make runs like those it was fitted to? Replicated runs, and each run left out in turn."""

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.inference import ends_of, require_quotable, with_densities
from bayescale.inference.sampling import SEED
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.layers import read_inputs
from bayescale.layers.noise import NOISES, draw_response, known_of
from bayescale.posterior import Posterior
from bayescale.trust.headline import about_runs, leave_one_out, reweighted_quantiles

PROBS = (0.5, 0.8, 0.9, 0.95)
HEADLINE = 0.9
# The largest runs, judged by themselves: those within this factor of the largest one's compute.
LAST = 10.0
EVERY, LARGEST = "all runs", "the largest runs"
FINE, TOO_FEW, UNEVEN = "fine", "too few runs", "uneven"
# A group of fewer runs than this is not judged by itself.
FEWEST = 8
# The simultaneous band that a calibrated model's ECDF leaves once in twenty times, and how many samples place it.
BAND, NULL = 0.95, 1000
NONE = (np.array([0.0, 1.0]),) * 4
# A mean of n uniform numbers has this standard deviation, divided by the root of n.
_UNIFORM_SD = np.sqrt(1 / 12)
# Where the ECDF leaves its band, the fault is named: a shift by this many standard errors, or a count of runs inside a
# band with a probability below the second number.
CLEAR, CHANCE = 2.0, 0.025


def check_predictive(fit: xr.DataTree, *, seed: int = SEED, allow_unconverged: bool = False) -> xr.Dataset:
    """Check a posterior against its own runs: are they such as the model would make, where it has not seen them?

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    seed : int
        Seed of the run noise.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        By ``run``: ``replicated``, a new run at each run's place and with its measurement error (dims ``(chain, draw,
        run)``); ``pit``, the share of them below the run, and ``loo_pit``, the same with the run left out; ``median``,
        ``lower`` and ``upper`` of the leave-one-out prediction (dims ``prob``); ``pareto_k`` and ``reliable``.
        ``attrs["warning"]`` names the runs that are not.
        By ``group`` (all runs, each family, the largest runs: the last decade of compute, at least 8): ``runs``;
        ``coverage`` by ``prob`` with its 95% interval (Jeffreys), ``coverage_lower`` and ``coverage_upper``; the
        ``ecdf`` of the LOO-PIT at ``ecdf_at`` with its simultaneous 95% band, ``ecdf_lower`` and ``ecdf_upper``;
        ``shift`` of its mean in standard errors, positive where runs come out above the prediction; ``found``
        (``fine``, ``too narrow``, ``too high`` ...) and ``sentence``.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or there are too few runs to check.

    Notes
    -----
    Each run is predicted from the others by Pareto-smoothed importance sampling (Vehtari et al. 2024, arXiv
    1507.02646); the values are uniform where the model is right (Gabry et al. 2019, arXiv 1709.01449). Where their ECDF
    leaves the band (Sailynoja et al. 2022, arXiv 2103.10522), the sentence says which way.

    Of learning curves, whole runs are left out with all their checkpoints, and each is predicted where it ended.

    This is about runs like those at hand. A form that bends wrongly beyond them can pass: `backtest` looks there, and
    here the largest runs are judged by themselves.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.trust.checks import check_predictive
    >>> checked = check_predictive(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> checked["group"].values.tolist()
    ['all runs', 'english', 'source', 'the largest runs']
    """
    quotable, fit = require_quotable(fit, allow_unconverged), with_densities(fit)
    view = Posterior(fit)
    runs, law, noise = ends_of(fit), view.law, NOISES[view.card.noise.family]
    if runs.sizes["run"] < FEWEST:
        raise QuestionError(f"a check of the predictive takes at least {FEWEST} runs; got {runs.sizes['run']}.")
    known = known_of(view.card.noise.family, runs, law.response)
    replicated, seen = replicate(fit, seed), runs[law.response]
    loo = leave_one_out(fit, allow_unconverged)
    log_weights = loo.log_weights.sel(run=runs["run"])
    drawn, observed = replicated, seen
    if noise.of_shares:  # counts are compared as counts, as ties matter
        drawn, observed = (noise.observe(values, known).astype(float) for values in (replicated, seen))
    quantiles = reweighted_quantiles(replicated, log_weights, _list_limits())
    by_run = {
        "replicated": replicated,
        law.response: seen,
        "pit": _compute_pit(drawn, observed, xr.zeros_like(log_weights), seed),
        "loo_pit": _compute_pit(drawn, observed, log_weights, seed),
        "median": quantiles.sel(quantile=0.5, drop=True),
        "lower": _take_ends(quantiles, -1),
        "upper": _take_ends(quantiles, 1),
        "pareto_k": loo.pareto_k.sel(run=runs["run"]),
        "reliable": loo.pareto_k.sel(run=runs["run"]) <= loo.good_k,
    }
    out = xr.Dataset({name: value.drop_attrs().reset_coords(drop=True) for name, value in by_run.items()})
    out = out.assign_coords(about_runs(runs, law.inputs))
    groups = _groups(out, Posterior(fit).families)
    parts = [_judge_group(out["loo_pit"].values[which], name, seed) for name, which in groups.items()]
    judged = xr.concat(parts, dim="group", join="outer").assign_coords(group=list(groups))
    attrs = {"model": fit.attrs["model"], "verdict": quotable, "response": law.response, "good_k": float(loo.good_k)}
    return xr.merge([out, judged]).assign_attrs(
        attrs, loss_unit=view.loss_unit, measure=law.inputs[0], warning=_warning(out, loo.good_k)
    )


def _warning(out: xr.Dataset, good_k: float) -> str:
    bad = out["run"].values[~out["reliable"].values]
    if not len(bad):
        return ""
    named = ", ".join(map(str, bad[:5])) + (" ..." if len(bad) > 5 else "")
    have = "1 run has" if len(bad) == 1 else f"{len(bad)} runs have"
    return f"{have} a Pareto k above {good_k:.2f} ({named}): how they would be predicted without them takes a fit."


def replicate(fit: xr.DataTree, seed: int = SEED) -> xr.DataArray:
    """Return a new run at the place of each fitted run, for each draw, dims ``(chain, draw, run)``."""
    view = Posterior(fit)
    runs, law, noise = ends_of(fit), view.law, view.card.noise.family
    rng, parts = np.random.default_rng([seed, 31]), []
    for family in view.families if "family" in runs.coords else [None]:
        mine = runs if family is None else runs.isel(run=runs["family"].values == family)
        mine = mine.drop_vars("family", errors="ignore")
        inputs = read_inputs(view.card, mine)
        expected, theta = view.of_family(family).respond(inputs)
        expected, known = expected.transpose(*DRAW_DIMS, "run"), known_of(noise, mine, law.response)
        parts.append(draw_response(noise, expected, theta, rng, known).reset_coords(drop=True))
    return xr.concat(parts, dim="run").sel(run=runs["run"].values)


def _compute_pit(drawn: xr.DataArray, observed: xr.DataArray, log_weights: xr.DataArray, seed: int) -> xr.DataArray:
    import arviz_stats  # noqa: F401 (registers the accessor azstats)

    together = xr.broadcast(drawn.reset_coords(drop=True), observed.reset_coords(drop=True), log_weights)
    values, _ = together[0].azstats.loo_pit(
        y_obs=observed.reset_coords(drop=True), log_weights=together[2], pareto_k=xr.DataArray(0.0), random_state=seed
    )
    return values.clip(0, 1)


def _list_limits() -> list[float]:
    return sorted({0.5, *(0.5 + sign * p / 2 for p in PROBS for sign in (-1, 1))})


def _take_ends(quantiles: xr.DataArray, sign: int) -> xr.DataArray:
    ends = quantiles.sel(quantile=[0.5 + sign * p / 2 for p in PROBS], method="nearest")
    return ends.rename(quantile="prob").assign_coords(prob=list(PROBS))


def _groups(checked: xr.Dataset, families: list[str]) -> dict[str, np.ndarray]:
    count = checked.sizes["run"]
    groups = {EVERY: np.ones(count, dtype=bool)}
    if len(families) > 1:
        labels = checked["run_family"].values
        groups |= {name: labels == name for name in families if name in labels}
    if "compute" in checked.coords:
        size = checked["compute"].values
        largest = size >= min(size.max() / LAST, np.sort(size)[-FEWEST])
        groups |= {} if largest.all() else {LARGEST: largest}
    return groups


def _judge_group(pit: np.ndarray, name: str, seed: int) -> xr.Dataset:
    """Return how evenly the LOO-PIT values of some runs lie between 0 and 1, and what that means in words."""
    from arviz_stats.ecdf_utils import ecdf_pit
    from scipy import stats

    count = len(pit)
    held = np.array([(np.abs(2 * pit - 1) <= p).sum() for p in PROBS])
    shift = (pit.mean() - 0.5) / _UNIFORM_SD * np.sqrt(count)
    place, ecdf, lower, upper = ecdf_pit(pit, BAND, NULL, rng=np.random.default_rng([seed, 32])) if count > 1 else NONE
    uneven = bool(((ecdf < lower) | (ecdf > upper)).any())
    found = TOO_FEW if count < FEWEST else _name_faults(held, count, shift) if uneven else FINE
    inside = f"{held[PROBS.index(HEADLINE)]} of {count} runs lie within their {100 * HEADLINE:g}% bands"
    fault = _describe_fault(found, float((pit > 0.5).mean()))
    columns = {
        "runs": count,
        "shift": shift,
        "found": found,
        "sentence": f"{name}: each predicted from the others, {inside}, {fault}.",
        "coverage": ("prob", held / count),
        "coverage_lower": ("prob", stats.beta.ppf(0.025, held + 0.5, count - held + 0.5)),
        "coverage_upper": ("prob", stats.beta.ppf(0.975, held + 0.5, count - held + 0.5)),
        "ecdf_at": ("step", place),
        "ecdf": ("step", ecdf),
        "ecdf_lower": ("step", lower),
        "ecdf_upper": ("step", upper),
    }
    return xr.Dataset(columns, coords={"prob": list(PROBS), "step": np.arange(len(place))})


def _name_faults(held: np.ndarray, count: int, shift: float) -> str:
    """Return what is wrong with bands in which the runs lie unevenly."""
    from scipy import stats

    few = [p for p, k in zip(PROBS, held, strict=True) if stats.binom.cdf(k, count, p) < CHANCE]
    many = [p for p, k in zip(PROBS, held, strict=True) if stats.binom.sf(k - 1, count, p) < CHANCE]
    width = {(True, False): "too narrow", (False, True): "too wide", (True, True): "too wide but for a few"}
    fault = width.get((bool(few), bool(many)), "")
    side = "" if abs(shift) < CLEAR else "too low" if shift > 0 else "too high"
    return " and ".join(text for text in (fault, side) if text) or UNEVEN


def _describe_fault(fault: str, above: float) -> str:
    if fault == TOO_FEW:
        return "too few to say more"
    if fault == FINE:
        return "and they fall evenly over the predictions"
    if fault == UNEVEN:
        return "but they fall unevenly over the predictions"
    off_centre = "too low" in fault or "too high" in fault
    return f"and the bands are {fault}" + (f": {above:.0%} of the runs came out above the middle" if off_centre else "")
