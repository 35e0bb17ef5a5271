"""Simulation-based calibration: does the way to fit give back what a card's own beliefs put in?"""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.cards import Card, load_card
from bayescale.design.prior_predictive import TYPICAL_LOSS, TYPICAL_RUN
from bayescale.errors import BayescaleError, DesignError, SamplingError
from bayescale.inference.approximate import approximate
from bayescale.inference.compiled import Compiled, compile_problem, label_dims, quick_mode, sample
from bayescale.inference.diagnostics import QUOTED
from bayescale.inference.sampling import log_likelihood
from bayescale.laws import scale_of
from bayescale.layers import layers_of
from bayescale.layers.noise import NOISES
from bayescale.layers.pooling import CHOLESKY
from bayescale.modeling import Problem, prepare
from bayescale.parallel import map_tasks
from bayescale.runs import read_runs
from bayescale.runs.checks.sharing import BUDGET, DESIGN

if TYPE_CHECKING:
    import pymc as pm

SIMULATIONS, RUNS = 200, 40
CHAINS, TUNE, KEPT = 2, 400, 100
# A light fit that fails its checks is repeated with more care: (target_accept, times the warm-up, draws for each one
# that is kept).
CARE = ((0.95, 1, 10), (0.99, 2, 30), (0.998, 4, 60))
MAX_RHAT = 1.05
# Of importance sampling: worth so many draws that those which are kept are as good as independent.
WEIGHED = QUOTED._replace(ess=4.0 * KEPT)
# How far the simulated runs lie from the typical one, in decades either way.
DECADES = dict.fromkeys(TYPICAL_RUN, 1.5) | {"width": 0.6, "depth": 0.6}
QUESTIONS = 2000
# For cards with shared errors: how many budgets, and how many runs of each design.
BUDGETS, REPLICATES = 5, 2
# After this many draws in a row without a data set that could be fitted, the design does not suit the card.
MAX_REJECTED = 1000
FIT = "log_likelihood"


def designed_runs(card: Card, count: int = RUNS, seed: int = 1) -> xr.Dataset:
    """Return runs to simulate a card at: a Latin hypercube of all that its law takes, about a typical run.

    Parameters
    ----------
    card : Card
        The card.
    count : int
        Runs.
    seed : int
        The same seed gives the same runs.

    Returns
    -------
    xarray.Dataset
        The law's inputs, dims ``run``; 1.5 decades either way of a model of 1e9 parameters and 2e10 tokens. The
        response is a stand-in of which a prior may be a multiple: its smallest and median losses are typical runs'.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.trust.sbc import designed_runs
    >>> runs = designed_runs(bs.load_card("chinchilla"))
    >>> dict(runs.sizes), float(runs["loss"].min())
    ({'run': 40}, 2.0)
    """
    law, rng = card.get_law(), np.random.default_rng([seed, 1])
    smallest, middle = TYPICAL_LOSS["min(loss)"], TYPICAL_LOSS["median(loss)"]
    stand_in = np.linspace(smallest, 2 * middle - smallest, count) if law.response == "loss" else np.full(count, 0.5)
    columns = {law.response: stand_in}
    for name in law.inputs:
        low, high = scale_of(name).typical
        if scale_of(name).relative:
            far = 10.0 ** DECADES[name]
            low, high = TYPICAL_RUN[name] * max(low, 1 / far), TYPICAL_RUN[name] * min(high, far)
        share = (rng.permutation(count) + rng.random(count)) / count
        columns[name] = low * (high / low) ** share if low > 0 else low + (high - low) * share
    columns |= _in_groups(card, columns)
    if "questions" in NOISES[card.noise.family].known:
        columns["questions"] = np.full(count, QUESTIONS)
    return read_runs(pd.DataFrame(columns), suspicious="keep")


def _in_groups(card: Card, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns of a card with errors that runs share where there are runs that do: budgets, replicates."""
    grouped = {name: columns[name] for name in card.get_law().inputs}
    if BUDGET in card.errors and {"params", "tokens"} <= set(grouped):
        logs = np.log10(grouped["params"] * grouped["tokens"])
        low, high = np.quantile(logs, (0.05, 0.95))
        nearest = low + (high - low) * np.round((BUDGETS - 1) * np.clip((logs - low) / (high - low), 0, 1)) / (
            BUDGETS - 1
        )
        grouped["tokens"] = 10.0**nearest / grouped["params"]
    if DESIGN in card.errors:
        first = np.arange(len(next(iter(columns.values())))) // REPLICATES * REPLICATES
        grouped = {name: values[first] for name, values in grouped.items()}
    return grouped


def calibrate(
    model: "str | Path | Card",
    simulations: int = SIMULATIONS,
    *,
    runs: xr.Dataset | None = None,
    seed: int = 1,
    start: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Rank true parameters among posterior draws, over data sets simulated from a card's own beliefs.

    Each simulation draws all parameters from the priors and a response for each run from the model that is fitted, then
    fits those data. Where priors, likelihood and sampler agree, the rank of the truth among independent posterior
    draws is uniform (Talts et al. 2018, arXiv 1804.06788).

    Parameters
    ----------
    model : str, path or Card
        A model card.
    simulations : int
        Data sets, each fitted once; the model is compiled once.
    runs : xarray.Dataset, optional
        Runs whose inputs, families and measurement errors are kept while their response is simulated; by default
        `designed_runs`.
    seed : int
        The same seed simulates the same data sets.
    start : int
        Number of the first simulation, to go on where an earlier call ended.
    progress : callable, optional
        Called with (simulations done, simulations in all).

    Returns
    -------
    xarray.Dataset
        ``rank``, from 0 to ``attrs["kept"]``, and ``truth``, dims ``(simulation, parameter)``; of every parameter that
        is sampled, and of ``log_likelihood``, how well the truth fits the data, which tells a posterior from its prior
        (Modrák et al. 2023, arXiv 2211.02383). Of each fit the ``divergences``, the worst ``rhat`` and ``ess``,
        the ``tries`` (0 where importance sampling sufficed, which has no chains and no R-hat) and the ``seconds``. The
        ranks of a fit that could not start are nan. ``attrs["rejected"]`` counts the draws that gave no data set.

    Raises
    ------
    CardError, DesignError
        If there is no such card, it has a curve, or the runs cannot identify its law.

    Notes
    -----
    A prior that is a multiple of the runs' loss (``of = "min(loss)"``) is a multiple of the same number in simulation
    and fit. In a real fit that number comes from the data, which are thereby used a little twice: no joint distribution
    of parameters and data has that for a posterior, so it is outside of what this can check.

    A draw is rejected where the response is not one that runs can have: a loss that is not finite and above 0, a share
    of just 0 or 1; or where the law expects the impossible and the model gives no density. The first depends on the
    data alone, and the posterior given the data is the same with it; the second has no density in the posterior
    either. A fit is by importance sampling where its verdict passes, by NUTS otherwise. No simulation is left out for
    its fit: one whose chains disagree, diverge or move slowly is done again with more care up to twice, and the last
    try counts.

    Examples
    --------
    >>> from bayescale.trust.sbc import calibrate
    >>> ranks = calibrate("power", simulations=3)
    >>> ranks["parameter"].values.tolist()
    ['loss_x', 'alpha', 'sigma', 'nu', 'log_likelihood']
    """
    card = load_card(model)
    if card.curve:
        raise DesignError(
            f"{card.name}: what is simulated is one loss for each run, and a card with a curve is of whole "
            f"curves. Calibrate the card without it, {card.name.replace('+curve', '')!r}."
        )
    runs = designed_runs(card) if runs is None else runs
    problem = prepare(card, runs)
    compiled = compile_problem(problem)
    draw = _joint(compiled, problem)
    # Each card has its own random numbers. With the same ones, chance would put all cards outside the band together.
    key = [seed, zlib.crc32(card.name.encode())]
    drawn = [(k, *draw([*key, 2, k])) for k in range(start, start + simulations)]
    rejected = sum(in_vain for _, _, _, in_vain in drawn)
    outcomes = map_tasks(
        Ranker(card, runs, _ranked_names(compiled.model)),
        [(truth, observed, [*key, 3, k]) for k, truth, observed, _ in drawn],
        finished=(lambda done: progress(done, simulations)) if progress else None,
    )
    out = xr.concat([outcome.get() for outcome in outcomes], dim="simulation")
    out = out.assign_coords(simulation=np.arange(start, start + simulations))
    return out.assign_attrs(
        model=card.name, card=written(card), kept=KEPT, seed=seed, rejected=rejected, runs=runs.sizes["run"]
    )


def written(card: Card) -> str:
    """Return the card as one line of JSON. A change of it shows that stored ranks are of an older card."""
    content = card.model_dump(mode="json", exclude_none=True)
    if not content["errors"]:
        del content["errors"]
    return json.dumps(content, sort_keys=True)


def _joint(compiled: Compiled, problem: Problem) -> Callable[[list[int]], tuple[xr.Dataset, np.ndarray, int]]:
    """Return how to draw parameters and data together from the very model that is fitted."""
    import pymc as pm
    from pymc.pytensorf import find_rng_nodes, reseed_rngs

    model, card = compiled.model, problem.card
    pm.set_data(problem.arrays, model=model)
    names = [str(variable.name) for variable in model.unobserved_RVs]
    variables = [model[name] for name in (*names, problem.response)]
    function, generators = pm.compile([], variables, mode=quick_mode()), find_rng_nodes(variables)

    def draw(key: list[int]) -> tuple[xr.Dataset, np.ndarray, int]:
        for rejected in range(MAX_REJECTED):
            reseed_rngs(generators, [*key, rejected])
            try:
                *theta, observed = function()
            except ValueError:  # what the law expects has no distribution about it
                continue
            if _can_be_seen(card, observed):
                values = {name: _as_posterior(model, name, value) for name, value in zip(names, theta, strict=True)}
                return xr.Dataset(values), observed, rejected
        raise BayescaleError(
            f"{MAX_REJECTED} draws from the priors of the card {card.name!r} gave no data that runs could have. Look "
            "at the priors, or simulate at other runs."
        )

    return draw


def _as_posterior(model: "pm.Model", name: str, value: Any) -> xr.DataArray:
    """Return a drawn value as a posterior of one draw."""
    value = np.asarray(value)[None, None]
    dims = model.named_vars_to_dims.get(name) or tuple(f"{name}_dim_{k}" for k in range(value.ndim - 2))
    return xr.DataArray(value, dims=("chain", "draw", *dims))


def _can_be_seen(card: Card, observed: np.ndarray) -> bool:
    """Say whether runs can have this response: a finite loss above 0, a share that the noise has a density for."""
    noise = NOISES[card.noise.family]
    if "questions" in noise.known:
        return True
    with np.errstate(over="ignore"):
        value = observed if noise.of_shares else np.exp(observed)
    return bool((np.isfinite(value) & (value > 0) & (value < (1 if noise.of_shares else np.inf))).all())


def _response(problem: Problem, observed: np.ndarray) -> np.ndarray:
    """Return the response as runs have it: the likelihood sees its logarithm, or a count of right answers."""
    noise = NOISES[problem.card.noise.family]
    if "questions" in noise.known:
        return observed / problem.arrays["questions"]
    return observed if noise.of_shares else np.exp(observed)


@dataclass(frozen=True)
class Ranker:
    """How to fit and rank the simulations of one card: what they share, prepared once in each process."""

    card: Card
    runs: xr.Dataset
    names: list[str]

    @cached_property
    def problem(self) -> Problem:
        """The card and the runs, whose response is replaced."""
        return prepare(self.card, self.runs)

    def __call__(self, simulated: tuple[xr.Dataset, np.ndarray, list[int]]) -> xr.Dataset:
        """Return what `_rank_truth` says of one simulation: its true values, its data and its random key."""
        return _rank_truth(self.problem, compile_problem(self.problem), self.names, *simulated)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _rank_truth(
    problem: Problem, compiled: Compiled, names: list[str], truth: xr.Dataset, observed: np.ndarray, key: list[int]
) -> xr.Dataset:
    """Fit one simulated data set; return the rank of each true value among the draws that are kept."""
    start = time.perf_counter()
    seen = problem.runs.assign({problem.law.response: ("run", _response(problem, observed))})
    true = _quantities(problem, truth, names, seen)
    posterior, found = _fit_lightly(compiled, problem.arrays | {"observed": observed}, names, key)
    if posterior is None:
        rank = np.full(true.sizes["parameter"], np.nan)
    else:
        drawn = _quantities(problem, posterior, names, seen)
        rank = (drawn < true.isel(chain=0, draw=0)).sum(("chain", "draw")).values.astype(float)
    columns = {"rank": ("parameter", rank), "truth": true.isel(chain=0, draw=0)}
    return xr.Dataset(columns).assign(found | {"seconds": time.perf_counter() - start})


def _ranked_names(model: "pm.Model") -> list[str]:
    """Return the names of all that is sampled; of a matrix with constants in it, those of the correlations."""
    names = [str(variable.name) for variable in model.free_RVs]
    return [name.removesuffix(CHOLESKY) + "_correlation" * name.endswith(CHOLESKY) for name in names]


def _fit_lightly(
    compiled: Compiled, arrays: Mapping[str, np.ndarray], names: list[str], key: list[int]
) -> tuple[xr.Dataset | None, dict[str, float]]:
    """Draw by importance, or sample until chains agree, move and do not diverge, or the care is at an end; thin it."""
    posterior, diagnostics = None, {"divergences": np.nan, "rhat": np.nan, "ess": np.nan}
    with suppress(SamplingError):
        seed, density = int(np.random.default_rng([*key, 0]).integers(2**31)), compiled.with_data(arrays)
        drawn, _, judged, about = approximate(density, seed=seed, draws=KEPT // CHAINS, chains=CHAINS, limits=WEIGHED)
        if judged.passed:
            return drawn, diagnostics | {"tries": 0, "divergences": 0.0, "ess": about["ess"]}
    for tries, (target_accept, longer, thin) in enumerate(CARE, start=1):
        diagnostics["tries"] = tries
        try:
            drawn, stats = sample(
                compiled,
                arrays,
                draws=KEPT * thin // CHAINS,
                tune=TUNE * longer,
                chains=CHAINS,
                seed=int(np.random.default_rng([*key, tries]).integers(2**31)),
                target_accept=target_accept,
                progress=None,
            )
        except SamplingError:
            continue
        posterior = drawn.isel(draw=slice(thin - 1, None, thin))
        diagnostics |= _measure_chains(drawn[names], stats)
        if diagnostics["divergences"] == 0 and diagnostics["rhat"] <= MAX_RHAT and diagnostics["ess"] >= KEPT:
            break
    return posterior, diagnostics


def _measure_chains(drawn: xr.Dataset, stats: xr.Dataset) -> dict[str, float]:
    import arviz_stats as az

    # A parameter that never moved has no within-chain variance: its R-hat is nan, which fails.
    with np.errstate(divide="ignore", invalid="ignore"):
        rhat, ess = az.rhat(drawn), az.ess(drawn)
    return {
        "divergences": float(stats["diverging"].sum()),
        "rhat": max(float(value.max(skipna=False)) for value in rhat.data_vars.values()),
        "ess": min(float(value.min(skipna=False)) for value in ess.data_vars.values()),
    }


def _quantities(problem: Problem, theta: xr.Dataset, names: list[str], runs: xr.Dataset) -> xr.DataArray:
    """Return all that is ranked, dims (chain, draw, parameter): what is sampled, and how well it fits the data."""
    theta = label_dims(theta, problem)
    parts = [_elements(theta[name], name.removesuffix("_share")) for name in names]
    every = xr.ones_like(parts[0].isel(parameter=0, drop=True))
    whole = theta.assign({name: every * value for name, value in problem.card.fixed.items()})
    for layer in layers_of(problem.card):
        whole = layer.extend_draws(problem.card, whole, problem.spans, 0)
    density = log_likelihood(problem, whole, runs)[problem.response]
    parts.append(density.sum("run").expand_dims(parameter=[FIT]))
    return xr.concat(parts, dim="parameter", coords="minimal").transpose("chain", "draw", "parameter")


def _elements(values: xr.DataArray, name: str) -> xr.DataArray:
    """Return the elements of a parameter, each under its name: ``alpha[0]``, ``alpha[1]``."""
    dims = values.dims[2:]
    if not dims:
        return values.expand_dims(parameter=[name])
    flat = values.values.reshape(*values.shape[:2], -1)
    names = [f"{name}[{k}]" for k in range(flat.shape[2])]
    return xr.DataArray(flat, dims=("chain", "draw", "parameter"), coords={"parameter": names})
