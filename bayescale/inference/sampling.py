"""`fit`: from runs and a model card to a posterior that carries all that later questions need."""

import importlib.metadata
import json
import math
import platform
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from bayescale.cards import Card, load_card
from bayescale.errors import QuestionError, SamplingError
from bayescale.inference.approximate import approximate
from bayescale.inference.compiled import Compiled, compile_problem, label_dims, sample, sample_prior
from bayescale.inference.diagnostics import QUOTED, Limits, Verdict, diagnose
from bayescale.inference.power_scaling import POWER_SCALING, power_scaling
from bayescale.layers import CURVE, layers_of, read_inputs, respond, sampled_names
from bayescale.layers.course import log_density_along
from bayescale.layers.noise import known_of, log_density
from bayescale.layers.pooling import CHOLESKY
from bayescale.modeling import Problem, prepare
from bayescale.runs import content_hash
from bayescale.runs.checks.rounding import LOSS_STEP
from bayescale.runs.curves.bins import OF_RUN, is_binned, last_rows, named_runs

SEED, DRAWS, TUNE, CHAINS, PRIOR_DRAWS = 1, 1000, 400, 4, 2000
# What the densities of single runs may take, kept and while they are worked out, and how many draws are kept anyway.
KEPT_BYTES, CHUNK_BYTES, FEWEST_KEPT = 4e8, 1e7, 100
# About how long a fit takes, for a decision whether other processes are worth their start.
FIT_SECONDS = 3.0
# A failed verdict is tried again more carefully: (target_accept, times the warm-up, times the draws, thinned back).
ATTEMPTS = ((0.9, 1, 1), (0.95, 2, 3), (0.99, 3, 8))
# What a posterior keeps of its runs' attrs.
_FROM_RUNS = (*"title source sha256 loss_unit params_convention cost licence truth findings filters".split(), LOSS_STEP)
_VERSIONS = ("bayescale", "pymc", "pytensor", "nutpie", "arviz", "numpy", "xarray")

Progress = Callable[[int, int], None]
Method = Literal["nuts", "laplace", "auto"]


def fit(
    runs: xr.Dataset,
    model: "str | Path | Card" = "chinchilla",
    *,
    seed: int = SEED,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    prior_draws: int = PRIOR_DRAWS,
    tries: int = len(ATTEMPTS),
    first_try: int = 1,
    limits: Limits = QUOTED,
    progress: Progress | None = None,
    method: Method = "nuts",
    pointwise: bool = True,
) -> xr.DataTree:
    """Sample the posterior of a model card given runs.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs from `read_runs`, dims ``run``; learning curves from `read_curves` for a card with a curve.
    model : str, path or Card
        A shipped card's name, the path of a card of your own, or a card.
    seed : int
        The same seed, versions, processor and data give the same posterior, whether or not the compiled model was kept
        on disk.
    draws, tune, chains : int
        Draws kept and warm-up steps a chain, and chains.
    prior_draws : int
        Draws from the prior kept for comparison; 0 for none. More than 2,000 need PyMC.
    tries : int
        How often to sample at most, each time more carefully, until the verdict passes.
    first_try : int
        With which of those to begin: 2 where what the first one gives is known to be too little.
    limits : Limits
        What the verdict asks for; ``COUNTED`` where bands are counted and nothing is quoted.
    progress : callable, optional
        Called with (draws done, draws in all) while sampling.
    method : {"nuts", "laplace", "auto"}
        ``"laplace"`` draws about the mode and weighs the draws by importance, which takes hundredths of a second and
        has a verdict of its own: Pareto k and the effective draws. ``"auto"`` takes that where it passes, and NUTS
        otherwise. ``settings`` in ``attrs`` say which was used.
    pointwise : bool
        Keep the density of each run under each draw, which comparisons and checks take; refits do without.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior``, ``sample_stats``, ``prior``, ``log_likelihood`` (of log loss), ``observed_data``,
        ``constant_data`` and, of one that may be quoted, ``power_scaling`` (by which a grade tells how far an answer
        leans on the priors). The posterior holds the law's parameters at the reference run, the paper's coefficients,
        and, under partial pooling, ``*_population`` and ``*_spread``. ``attrs`` carry the card, the reference run,
        units, seed, versions, a hash of the runs and the verdict; of long logs also ``densities``, of how many draws
        ``log_likelihood`` is, which is bounded at 0.4 GB.

    Raises
    ------
    CardError, DesignError, SamplingError, QuestionError
        If the card is wrong, the runs cannot identify the law, the sampler cannot start, or there is no such method.

    Examples
    --------
    >>> import bayescale as bs
    >>> posterior = bs.fit(bs.load_shipped("tinylm"), model="chinchilla", seed=1)
    >>> sorted(posterior["posterior"].sizes)
    ['chain', 'draw', 'family']
    """
    if method not in get_args(Method):
        raise QuestionError(f"method: accepted are {', '.join(get_args(Method))}; got {method!r}.")
    problem = prepare(load_card(model), runs)
    card, runs = problem.card, problem.runs
    compiled = compile_problem(problem)
    options: dict[str, Any] = {"tries": tries, "first_try": first_try, "limits": limits, "progress": progress}
    about: dict[str, Any] = {"seed": seed, "draws": draws, "chains": chains}
    posterior, stats, verdict, settings = _draw_posterior(compiled, problem.arrays, method, about, tune, options)
    posterior = label_dims(posterior, problem)
    names = [name for name in posterior.data_vars if not str(name).endswith(("_offset", CHOLESKY))]
    posterior = _with_fixed_and_paper_parameters(problem, posterior[names])
    for layer in layers_of(card):
        posterior = layer.extend_draws(card, posterior, problem.spans, seed)
    response = problem.law.response
    constant = runs.drop_vars(response)
    groups = {
        "posterior": posterior,
        "sample_stats": stats,
        "observed_data": runs[[response]].drop_vars("family", errors="ignore"),
        "constant_data": constant.reset_coords("family") if "family" in runs.coords else constant,
    }
    if pointwise:
        kept = keep_for_runs(posterior, runs)
        groups["log_likelihood"] = log_likelihood(problem, kept)
        if verdict.passed and limits == QUOTED:  # what may not be quoted is not graded
            groups[POWER_SCALING] = power_scaling(problem, kept, groups["log_likelihood"])
    if prior_draws:
        latents = {name for layer in layers_of(card) for name in layer.latents(card)}
        shown = [str(name) for name in names if name not in latents]
        groups["prior"] = sample_prior(compiled, problem, shown, prior_draws, seed)
    tree = xr.DataTree.from_dict({name: _drop_library_attrs(ds) for name, ds in groups.items()})
    tree.attrs.update(provenance(problem, verdict, settings))
    if pointwise and kept.sizes["draw"] < posterior.sizes["draw"]:
        tree.attrs["densities"] = f"of {kept.sizes['draw']} of {posterior.sizes['draw']} draws a chain"
    return tree


def _draw_posterior(
    compiled: Compiled,
    arrays: Mapping[str, np.ndarray],
    method: Method,
    about: dict[str, Any],
    tune: int,
    options: dict[str, Any],
) -> tuple[xr.Dataset, xr.Dataset, Verdict, dict[str, Any]]:
    """Return what `sample_until_sound` does, by the method that is named; settings say which one was used."""
    tried: dict[str, Any] = {}
    if method != "nuts":
        try:
            drawn = approximate(compiled.with_data(arrays), **about, limits=options["limits"])
        except SamplingError:
            if method == "laplace":
                raise
        else:
            if method == "laplace" or drawn[2].passed:
                return drawn
            tried = {"laplace": {name: drawn[3][name] for name in ("pareto_k", "ess", "modes")}}
    posterior, stats, verdict, settings = sample_until_sound(compiled, arrays, **about, tune=tune, **options)
    return posterior, stats, verdict, settings | tried


def sample_until_sound(
    compiled: Compiled,
    arrays: Mapping[str, np.ndarray],
    *,
    seed: int = SEED,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    tries: int = len(ATTEMPTS),
    first_try: int = 1,
    limits: Limits = QUOTED,
    progress: Progress | None = None,
) -> tuple[xr.Dataset, xr.Dataset, Verdict, dict[str, Any]]:
    """Sample, and where the verdict fails sample again more carefully; the options are those of `fit`.

    Returns
    -------
    tuple
        Of the last try, sound or not: posterior and sample statistics, dims ``(chain, draw, ...)``; the verdict; the
        settings.
    """
    for target_accept, longer, thin in ATTEMPTS[first_try - 1 : max(tries, first_try)]:
        effort = {"draws": draws * thin, "tune": tune * longer, "chains": chains, "seed": seed}
        posterior, stats = sample(compiled, arrays, **effort, target_accept=target_accept, progress=progress)
        verdict = diagnose(posterior, stats, limits)
        if verdict.passed:
            break
    settings = {
        "method": "nuts",
        "draws": draws,
        "thin": thin,
        "tune": tune * longer,
        "chains": chains,
        "target_accept": target_accept,
    }
    posterior, stats = (
        ds.isel(draw=slice(None, None, thin)).assign_coords(draw=np.arange(draws)) for ds in (posterior, stats)
    )
    return posterior, stats, verdict, settings | {"seed": seed}


def _with_fixed_and_paper_parameters(problem: Problem, posterior: xr.Dataset) -> xr.Dataset:
    every = xr.DataArray(np.ones((posterior.sizes["chain"], posterior.sizes["draw"])), dims=("chain", "draw"))
    posterior = posterior.assign({name: every * value for name, value in problem.card.fixed.items()})
    theta = {name: posterior[name] for name in problem.law.parameter_names}
    return posterior.assign(problem.law.to_paper(np, theta, problem.reference))


def by_run(theta: Mapping[str, xr.DataArray], labels: xr.DataArray | None) -> dict[str, xr.DataArray]:
    """Return each parameter as each run sees it: its family's where there are families."""
    return {
        name: value.sel(family=labels).drop_vars("family") if "family" in value.dims and labels is not None else value
        for name, value in theta.items()
    }


def keep_for_runs(posterior: xr.Dataset, runs: xr.Dataset) -> xr.Dataset:
    """Return the draws under which each run's density is kept: all of them, or every so many of long logs.

    4,000 draws of 100,000 runs would be 3.2 GB. At most 0.4 GB are kept, but 100 draws in any case.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.inference.sampling import keep_for_runs
    >>> posterior = xr.Dataset({"E": (("chain", "draw"), np.ones((4, 1000)))}, {"draw": np.arange(1000)})
    >>> runs = {count: xr.Dataset(coords={"run": np.arange(count)}) for count in (240, 100_000)}
    >>> [dict(keep_for_runs(posterior, each).sizes) for each in runs.values()]
    [{'chain': 4, 'draw': 1000}, {'chain': 4, 'draw': 125}]
    """
    every = math.ceil(8 * posterior["chain"].size * posterior["draw"].size * runs.sizes["run"] / KEPT_BYTES)
    most = max(1, posterior["chain"].size * posterior["draw"].size // FEWEST_KEPT)
    return posterior.isel(draw=slice(None, None, min(every, most)))


def with_densities(fit: xr.DataTree) -> xr.DataTree:
    """Return the posterior with those of its draws under which the densities of its runs were kept.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.inference import with_densities
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> with_densities(fit)["posterior"].sizes["draw"]
    1000
    """
    if fit["log_likelihood"].sizes["draw"] == fit["posterior"].sizes["draw"]:
        return fit
    kept = fit["log_likelihood"].to_dataset()["draw"].values
    thinned = {name: fit[name].to_dataset().sel(draw=kept) for name in ("posterior", "sample_stats") if name in fit}
    return fit.assign({name: xr.DataTree(group) for name, group in thinned.items()})


def log_likelihood(problem: Problem, posterior: xr.Dataset, runs: xr.Dataset | None = None) -> xr.Dataset:
    """Return the log density of each run's response under each draw; by default of the runs that were fitted.

    The runs are taken a few at a time, so that what is worked out on the way stays small.

    Other runs are measured from the reference run of those that were fitted. Of learning curves each run has one
    density, that of all its checkpoints together; of one checkpoint, its own.
    """
    runs = problem.runs if runs is None else runs
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    values = np.empty((chains, draws, len(named_runs(runs)) if _is_whole(problem, runs) else runs.sizes["run"]))
    labels, done = [], 0
    for rows in _cut_rows(problem, runs, max(1, int(CHUNK_BYTES / (8 * chains * draws)))):
        density = _density_of_runs(problem, posterior, runs.isel(run=rows))
        values[..., done : done + density.sizes["run"]] = density.values
        labels.append(density.isel(chain=0, draw=0, drop=True).copy())
        done += density.sizes["run"]
    coords = xr.concat(labels, "run").coords if len(labels) > 1 else labels[0].coords
    own = {dim: posterior[dim] for dim in ("chain", "draw") if dim in posterior.coords}
    return xr.DataArray(values, dict(coords) | own, ("chain", "draw", "run")).to_dataset(name=problem.response)


def _is_whole(problem: Problem, runs: xr.Dataset) -> bool:
    """Return whether each run is several rows, whose density is one."""
    return problem.card.curve is not None and is_binned(runs)


def _cut_rows(problem: Problem, runs: xr.Dataset, size: int) -> list[slice]:
    """Return the rows in pieces of about that size; of learning curves, no run is cut."""
    count = runs.sizes["run"]
    ends = np.arange(1, count + 1)
    if _is_whole(problem, runs):
        ends = np.append(np.flatnonzero(runs[OF_RUN].values[1:] != runs[OF_RUN].values[:-1]) + 1, count)
    cuts = [0, *ends[np.unique(np.searchsorted(ends, np.arange(size, count, size)))], count]
    return [slice(first, last) for first, last in pairwise(dict.fromkeys(map(int, cuts)))]


def _density_of_runs(problem: Problem, posterior: xr.Dataset, runs: xr.Dataset) -> xr.DataArray:
    """Return what `log_likelihood` does, of all rows at once."""
    card, law, family = problem.card, problem.law, problem.card.noise.family
    theta = by_run({name: posterior[name] for name in sampled_names(card)}, runs.coords.get("family"))
    together = _is_whole(problem, runs)
    inputs = read_inputs(card, runs, but=CURVE if together else None)
    mean, theta = respond(card, theta, inputs, problem.reference, problem.spans)
    if together:
        return log_density_along(posterior, mean, runs, problem.reference, card.curve.length)
    density = log_density(family, runs[law.response], mean, known_of(family, runs, law.response), theta)
    return density.transpose("chain", "draw", "run").drop_vars("family", errors="ignore")


def _drop_library_attrs(ds: xr.Dataset) -> xr.Dataset:
    """Drop what one group's library wrote into attrs: provenance is kept once, at the root."""
    out = ds.drop_attrs(deep=False)
    for name in out.variables:
        out[name].attrs = {key: text for key, text in out[name].attrs.items() if key in ("units", "long_name")}
    return out


def provenance(problem: Problem, verdict: Verdict, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a posterior carries in its attrs: its card, reference run, runs, settings, versions and verdict."""
    runs = problem.runs
    versions = {name: importlib.metadata.version(name) for name in _VERSIONS} | {"python": platform.python_version()}
    kept = {key: runs.attrs[key] for key in _FROM_RUNS if key in runs.attrs}
    seen = [name for name in dict.fromkeys(("compute", *problem.law.inputs)) if name in runs]
    return kept | {
        # Not the log's: these may be a selection of its runs.
        "sha256": content_hash(runs),
        "model": problem.card.name,
        "law": problem.law.name,
        "card": json.dumps(problem.card.model_dump(mode="json")),
        "reference": json.dumps(problem.reference),
        "seen": json.dumps({name: (float(runs[name].min()), float(runs[name].max())) for name in seen}),
        "spans": json.dumps(problem.spans),
        "families": json.dumps(list(problem.families)),
        "runs": (last_rows(runs) if is_binned(runs) else runs).sizes["run"],
        "response": problem.response,
        "settings": json.dumps(settings),
        "versions": json.dumps(versions),
        "verdict": verdict.to_json(),
    }


def runs_of(fit: xr.DataTree) -> xr.Dataset:
    """Return the runs that a posterior was fitted to, as `read_runs` gave them.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.

    Returns
    -------
    xarray.Dataset
        Dims ``run``; of learning curves the bins that were fitted.

    Examples
    --------
    >>> import bayescale as bs
    >>> runs = bs.load_shipped("tinylm")
    >>> bs.inference.runs_of(bs.fit(runs, seed=1)).sizes["run"] == runs.sizes["run"]
    True
    """
    runs = fit["constant_data"].to_dataset().assign(fit["observed_data"].to_dataset().data_vars)
    runs.attrs = {key: fit.attrs[key] for key in _FROM_RUNS if key in fit.attrs}
    return runs.set_coords("family") if "family" in runs else runs


def ends_of(fit: xr.DataTree) -> xr.Dataset:
    """Return the runs that a posterior has a density for each: those fitted; of learning curves, each where it ends.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.inference import ends_of
    >>> ends_of(bs.fit(bs.load_shipped("tinylm"), seed=1)).sizes["run"]
    92
    """
    rows = runs_of(fit)
    return last_rows(rows) if is_binned(rows) else rows
