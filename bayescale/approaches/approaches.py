"""The three approaches side by side."""

import json
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.answers import bands, optimal_split
from bayescale.approaches.agreement import REPLICATES, agreement, counts_of
from bayescale.approaches.envelope_fit import envelope_fit
from bayescale.approaches.isoflop_fit import isoflop_fit
from bayescale.approaches.isoflop_model import SHAPES
from bayescale.approaches.sample_estimator import line_split, one_family, require_all
from bayescale.errors import DesignError
from bayescale.inference import verdict
from bayescale.laws.inputs import DRAW_DIMS, POINT
from bayescale.papers.tables import published_table
from bayescale.posterior import SEED, Posterior
from bayescale.runs.checks.budgets import BUDGET, TOLERANCE, isoflop_profiles
from bayescale.runs.curves.envelope import as_rows, curves_of_runs
from bayescale.runs.curves.profiles import profiles_of_curves

APPROACH, PAIR = "approach", "pair"
SPLIT = ("a", "b", "params", "tokens")
PUBLISHED = {
    "envelope": "1 training curves",
    "isoflop parabola": "2 IsoFLOP",
    "isoflop corrected": "2 IsoFLOP",
    "parametric": "3 parametric",
}
HOFFMANN = ("Hoffmann 2022", "MassiveText")
# Hoffmann et al.'s Table 2 gives the 10th and the 90th percentile.
PUBLISHED_BAND = 0.8


def approaches(
    runs: xr.Dataset,
    fit: xr.DataTree,
    curves: xr.Dataset | None = None,
    compute: Any = ("1x", "10x", "100x"),
    *,
    family: str | None = None,
    budgets: Iterable[float] | None = None,
    tolerance: float = TOLERANCE,
    replicates: int = REPLICATES,
    seed: int = SEED,
    allow_unconverged: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Return Hoffmann et al.'s three approaches to the compute-optimal split side by side, and whether they agree.

    Parameters
    ----------
    runs : xarray.Dataset
        Finished runs, as `read_runs` gives them.
    fit : xarray.DataTree
        A posterior of those runs under a law that trades N against D: approach 3.
    curves : xarray.Dataset, optional
        Learning curves, from `read_curves`, for approach 1; without them a size's finished runs are its curve.
    compute : str, float or list of either
        FLOP, or a multiple of the largest run such as ``"100x"``.
    family : str, optional
        Which family, where there are several.
    budgets : iterable of float, optional
        The budgets of approach 2, as in `isoflop_profiles`.
    tolerance : float
        How far from a budget a run of approach 2 may lie, as in `isoflop_profiles`.
    replicates : int
        How often the runs are simulated to see whether approaches 2 and 3 agree.
    seed : int
        Seed of the samplers and of the simulation.
    allow_unconverged : bool
        Answer although a posterior failed its diagnostics; the answer is marked.
    **options
        ``tune``, ``tries`` and ``progress``, as in `fit`.

    Returns
    -------
    xarray.Dataset
        ``a``, ``b``, dims ``(chain, draw, approach)``, and ``params``, ``tokens`` at each budget (``point``);
        ``verdict`` of each approach in words; ``a_difference`` and ``params_ratio`` of each ``pair`` of approaches,
        with ``probability``, that a is larger in the first; and what `agreement` gives. ``attrs["left_out"]`` says
        which approaches the runs do not support and why, ``attrs["caveats"]`` what to keep in mind of each, as JSON.

    Raises
    ------
    UnconvergedError, QuestionError
        If a posterior may not be quoted, or the question is not understood.

    Notes
    -----
    The approaches see the same runs: their differences are no test. `agreement` is the test.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.approaches import approaches
    >>> runs = bs.load_shipped("tinylm")
    >>> found = approaches(runs, bs.fit(runs, seed=1), family="english", replicates=50)
    >>> found["approach"].values.tolist()
    ['envelope', 'isoflop parabola', 'isoflop corrected', 'parametric']
    """
    view = Posterior.quoted(fit, family, allow_unconverged)
    own_runs = one_family(runs, family)
    points = view.points(list(compute) if isinstance(compute, tuple) else compute)
    sizes = view.draws.sizes
    sampling = {**options, "draws": sizes["draw"], "chains": sizes["chain"]}
    left_out: dict[str, str] = {}
    fits: dict[str, xr.DataTree] = {}
    try:
        along = own_runs if curves is None else one_family(as_rows(curves), family)
        fits["envelope"] = envelope_fit(along, seed=seed + 1, **sampling)
    except DesignError as error:
        left_out["envelope"] = str(error)
    profiles = read_from = None
    try:
        profiles, read_from = _find_profiles(own_runs, budgets, tolerance)
        for k, shape in enumerate(("parabola", "corrected")):
            fits[f"isoflop {shape}"] = isoflop_fit(profiles, shape=shape, seed=seed + 2 + k, **sampling)
    except DesignError as error:
        left_out |= {f"isoflop {shape}": str(error) for shape in SHAPES}
    quotable = require_all((fit, *fits.values()), allow_unconverged)
    splits = {name: line_split(estimate, points) for name, estimate in fits.items()}
    splits["parametric"] = _split_by_law(view, points, _find_middle(profiles, view))
    out = xr.concat([split[list(SPLIT)] for split in splits.values()], dim=APPROACH, coords="minimal")
    out = out.assign_coords({APPROACH: list(splits)}).transpose(*DRAW_DIMS, APPROACH, POINT)
    out["params"].attrs["units"], out["tokens"].attrs["units"] = "parameters", "tokens"
    out["verdict"] = (APPROACH, [verdict(each).sentence for each in (*fits.values(), fit)])
    out = out.merge(_compare_pairs(out))
    attrs = view.attrs("approaches", "compute-optimal split by three approaches", verdict=quotable)
    attrs |= {"left_out": json.dumps(left_out), "caveats": json.dumps(_list_caveats(fits, profiles, view))}
    if profiles is not None:
        test = agreement(view, profiles, read_from, replicates=replicates, seed=seed)
        out, attrs = out.merge(test), attrs | {name: test.attrs[name] for name in ("agree", "middle_flop")}
    out = out.assign_coords(compute=points, decades_beyond=view.decades_beyond({"compute": points}))
    return out.assign_attrs(attrs)


def _find_profiles(
    runs: xr.Dataset, budgets: Iterable[float] | None, tolerance: float
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Return the profiles, and the curves that they were read off where the runs themselves lie on none."""
    try:
        return isoflop_profiles(runs, budgets=budgets, tolerance=tolerance), None
    except DesignError as direct:
        curves = curves_of_runs(runs)
        try:
            return profiles_of_curves(curves, budgets=budgets), curves
        except DesignError as read:
            raise DesignError(f"{direct} Nor {read}") from None


def _find_middle(profiles: xr.Dataset | None, view: Posterior) -> float:
    """Return the compute at which a local exponent is taken: the middle of the budgets, or of the runs."""
    ends = profiles[BUDGET].values if profiles is not None else np.array(view.seen["compute"])
    return float(np.exp(np.log(ends).mean()))


def _split_by_law(view: Posterior, points: xr.DataArray, middle: float) -> xr.Dataset:
    split = optimal_split(view, points.values)
    if POINT in split["a"].dims:
        there = optimal_split(view, middle).isel(point=0)
        split = split.assign(a=there["a"], b=there["b"])
    return split[list(SPLIT)].reset_coords(drop=True)


def _compare_pairs(out: xr.Dataset) -> xr.Dataset:
    pairs = list(combinations(out[APPROACH].values.tolist(), 2))
    one, other = (out[["a", "params"]].sel({APPROACH: [pair[k] for pair in pairs]}) for k in (0, 1))
    one, other = (part.rename({APPROACH: PAIR}).drop_vars(PAIR) for part in (one, other))
    difference = one["a"] - other["a"]
    return xr.Dataset(
        {
            "a_difference": difference,
            "params_ratio": one["params"] / other["params"],
            "probability": (difference > 0).mean(DRAW_DIMS),
        },
        coords={PAIR: [f"{first} - {second}" for first, second in pairs]},
    )


def _list_caveats(fits: Mapping[str, xr.DataTree], profiles: xr.Dataset | None, view: Posterior) -> dict[str, str]:
    caveats = {"parametric": f"by the law {view.law.name!r}: a follows from its exponents"}
    if "envelope" in fits:
        caveats["envelope"] = fits["envelope"].attrs["caveat"]
    if profiles is not None:
        count = counts_of(profiles)
        where = (
            f"{count['left_out']} of {count['runs']} runs are on no profile and left out"
            if "left_out" in count
            else f"no run is on a profile: {count['read_off_curves']} losses were read between finished runs of a size"
        )
        caveats["isoflop parabola"] = f"a parabola's minimum lies beside that of a lopsided profile; {where}"
        caveats["isoflop corrected"] = f"a is left free of the profile's two exponents; {where}"
    return caveats


def approaches_table(answer: xr.Dataset, prob: float = PUBLISHED_BAND) -> pd.DataFrame:
    """Return the exponents and the optimal sizes by approach, next to Hoffmann et al.'s published table.

    Parameters
    ----------
    answer : xarray.Dataset
        From `approaches`.
    prob : float
        Mass of the bands; 0.8 is that of the published ones.

    Returns
    -------
    pandas.DataFrame
        A row for each approach: median and band of ``a``, ``b`` and of N_opt at each budget; ``published_a`` with
        ``published_a_low``, ``published_a_high`` (Hoffmann et al. 2022, Table 2, on their own runs).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.approaches import approaches_table
    >>> a = np.random.default_rng(1).normal(0.5, 0.02, (2, 50, 1))
    >>> dims, coords = ("chain", "draw", "approach"), {"approach": ["parametric"], "compute": ("point", [1e21])}
    >>> sizes = {"params": ((*dims, "point"), 1e9 * np.ones((2, 50, 1, 1)))}
    >>> answer = xr.Dataset({"a": (dims, a), "b": (dims, 1 - a), **sizes}, coords)
    >>> approaches_table(answer).loc["parametric", ["published_a", "N at 1e+21"]].tolist()
    [0.46, 1000000000.0]
    """
    columns: dict[str, np.ndarray] = {}
    for name in ("a", "b"):
        columns |= _list_columns(name, answer[name], prob)
    for k, c in enumerate(answer["compute"].values):
        columns |= _list_columns(f"N at {c:.3g}", answer["params"].isel(point=k), prob)
    table = pd.DataFrame(columns, index=pd.Index(answer[APPROACH].values, name=APPROACH))
    return table.join(published_beside(table.index))


def published_beside(names: Iterable[str]) -> pd.DataFrame:
    """Return Hoffmann et al.'s own exponents of these approaches, with their 10th and 90th percentiles.

    Examples
    --------
    >>> from bayescale.approaches import published_beside
    >>> published_beside(["parametric"])["published_a"].tolist()
    [0.46]
    """
    study, setup = HOFFMANN
    printed = published_table("exponents")
    printed = printed[(printed["study"] == study) & (printed["setup"] == setup)].set_index("method")
    index = pd.Index(list(names), name=APPROACH)
    numbers = printed[["a", "a_low", "a_high", "b", "b_low", "b_high"]].add_prefix("published_")
    return numbers.reindex([PUBLISHED[name] for name in index]).set_axis(index, axis=0)


def _list_columns(name: str, draws: xr.DataArray, prob: float) -> dict[str, np.ndarray]:
    found = bands(draws, [prob]).isel(prob=0)
    return {name: found["median"].values, f"{name}_low": found["lower"].values, f"{name}_high": found["upper"].values}
