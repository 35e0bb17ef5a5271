"""Does the answer hang on one run? What it would be with each run left out in turn."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.inference import ends_of, require_quotable
from bayescale.inference.sampling import SEED
from bayescale.laws.inputs import DRAW_DIMS
from bayescale.numbers import human_number
from bayescale.posterior import Posterior
from bayescale.trust.headline import about_runs, headline, leave_one_out, reweighted_quantiles

BAND = {"lower": 0.05, "median": 0.5, "upper": 0.95}
TOP = 5
# A shift of half the way from the median to the end of the 90% band is large.
LARGE = 0.5
# For normal draws: the error of a median over that of a mean, and a standard deviation over half a 90% band, which is
# 1.64 of them.
_MEDIAN_OF_HALF_BAND = np.sqrt(np.pi / 2) / 1.6448536269514722


def influence(
    fit: xr.DataTree,
    compute: Any = "100x",
    *,
    answer: xr.DataArray | None = None,
    family: str | None = None,
    seed: int = SEED,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return how the loss predicted at larger compute would move if any one of the runs had not been there.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    compute : str or float
        FLOP, or a multiple of the largest run such as ``"100x"``; of the one variable of a law in one variable. The
        N and D of the prediction are kept as they are with all runs.
    answer : xarray.DataArray, optional
        Another quantity drawn from this posterior, dims ``(chain, draw[, family])``, in place of the loss.
    family : str, optional
        Whose loss is predicted; by default that of every family, on the dimension ``family``.
    seed : int
        Seed of the run noise.
    allow_unconverged : bool
        Answer although the posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        By ``run`` (and ``family``): ``shift`` of the median of the loss of one new run there, and ``shift_lower`` and
        ``shift_upper`` of the ends of its 90% band, all in % of the median and as they would be without the run;
        ``of_band``, the shift over half the band's width; ``mc_error`` of the shift; by ``run``: ``pareto_k`` and
        ``reliable``. ``median``, ``lower`` and ``upper`` of the answer itself. Coords say which run it is; ``attrs``
        carry the ``sentence``. `most_influential` makes a table of it.

    Raises
    ------
    UnconvergedError, QuestionError
        If the posterior may not be quoted, or the question is not understood.

    Notes
    -----
    By Pareto-smoothed importance sampling (Vehtari et al. 2024, arXiv 1507.02646), without a new fit. Where Pareto k is
    too high for the number of draws (``reliable`` is false) the posterior without that run is too different from the
    one at hand; such a run matters, and only a fit without it says how much. One run at a time: two that support
    each other hide each other.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.trust.influence import influence
    >>> fit = bs.fit(bs.load_shipped("tinylm"), seed=1)
    >>> moved = influence(fit, "100x", family="english")
    >>> moved["shift"].dims, bool((abs(moved["of_band"]) < 1).all())
    (('run',), True)
    """
    quotable = require_quotable(fit, allow_unconverged)
    law, runs = Posterior(fit).law, ends_of(fit)
    if answer is None:
        known = headline(fit, compute, family=family, seed=seed, allow_unconverged=allow_unconverged)
        answer = known[law.response].assign_attrs(units=Posterior(fit).loss_unit)
    draws, loo = _check_answer(answer, fit), leave_one_out(fit, allow_unconverged)
    if loo.log_weights.sizes["draw"] < draws.sizes["draw"]:
        draws = draws.sel(draw=loo.log_weights["draw"])
    log_weights, pareto_k = loo.log_weights.sel(run=runs["run"]), loo.pareto_k.sel(run=runs["run"])
    now = reweighted_quantiles(draws, xr.zeros_like(draws), list(BAND.values()))
    without = reweighted_quantiles(draws, log_weights, list(BAND.values()))
    lower, median, upper = (now.sel(quantile=q, drop=True) for q in BAND.values())
    shift = 100 * (without - now) / median
    half = (upper - lower) / 2
    # How far weights that differ from equal ones move the median of independent draws by chance.
    uneven = np.sqrt(((np.exp(log_weights) - 1 / (draws.sizes["chain"] * draws.sizes["draw"])) ** 2).sum(DRAW_DIMS))
    columns = {
        "shift": shift.sel(quantile=0.5, drop=True),
        "shift_lower": shift.sel(quantile=BAND["lower"], drop=True),
        "shift_upper": shift.sel(quantile=BAND["upper"], drop=True),
        "of_band": (without - now).sel(quantile=0.5, drop=True) / half,
        "mc_error": 100 * half / median * _MEDIAN_OF_HALF_BAND * uneven,
        "pareto_k": pareto_k,
        "reliable": pareto_k <= loo.good_k,
    } | {name: now.sel(quantile=q, drop=True) for name, q in BAND.items()}
    out = xr.Dataset({name: values.reset_coords(drop=True).drop_attrs() for name, values in columns.items()})
    out = out.assign_coords(about_runs(runs, law.inputs)).transpose("run", ...)
    out = out.assign_attrs(model=fit.attrs["model"], verdict=quotable, good_k=float(loo.good_k))
    out = out.assign_attrs(
        answer=draws.attrs.get("long_name", str(draws.name)), units=draws.attrs.get("units", ""), measure=law.inputs[0]
    )
    return out.assign_attrs(sentence=_describe_influence(out))


def _check_answer(answer: xr.DataArray, fit: xr.DataTree) -> xr.DataArray:
    posterior, kept = fit["posterior"].sizes, (*DRAW_DIMS, "family")
    single = answer.squeeze([dim for dim in answer.dims if answer.sizes[dim] == 1 and dim not in kept])
    drawn = all(single.sizes.get(dim) == posterior[dim] for dim in DRAW_DIMS)
    if not drawn or not set(single.dims) <= set(kept):
        wanted = ", ".join(f"{dim} {posterior[dim]}" for dim in DRAW_DIMS)
        raise QuestionError(
            f"answer: one number drawn from this posterior, please, of each family or of one (dims {wanted}); got "
            f"{dict(answer.sizes)}."
        )
    return single


def most_influential(moved: xr.Dataset, top: int = TOP) -> pd.DataFrame:
    """Return the runs that the answer hangs on most, first those whose shift cannot be told without a fit.

    Parameters
    ----------
    moved : xarray.Dataset
        What `influence` returned.
    top : int
        How many.

    Returns
    -------
    pandas.DataFrame
        By ``run``: where it stands, its family, N, D and C as far as the runs have them; ``shift`` and the rest of
        `influence`, of the family whose answer it moves most (``answer_family``).

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.trust.influence import influence, most_influential
    >>> moved = influence(bs.fit(bs.load_shipped("tinylm"), seed=1))
    >>> most_influential(moved, 3).shape[0]
    3
    """
    by_run = moved.drop_vars(list(BAND))
    if "family" in by_run.dims:
        by_run = by_run.isel(family=abs(by_run["of_band"]).argmax("family")).rename(family="answer_family")
    table = by_run.to_dataframe()
    table["size"] = table["of_band"].abs()
    return table.sort_values(["reliable", "size"], ascending=[True, False]).drop(columns="size").head(top)


def _describe_influence(moved: xr.Dataset) -> str:
    what = f"the {moved.attrs['answer']}"
    table = most_influential(moved, moved.sizes["run"])
    known, lost = table[table["reliable"]], table[~table["reliable"]]
    sentences = [_describe_largest(known.iloc[0], what)] if len(known) else []
    if len(lost):
        it, runs = ("it", "run") if len(lost) == 1 else ("them", "runs")
        named = ", ".join(_name_run(row) for _, row in lost.head(TOP).iterrows()) + (" ..." if len(lost) > TOP else "")
        high = f"{len(lost)} {runs} with a Pareto k above {moved.attrs['good_k']:.2f}"
        sentences.append(f"{high} ({named}): only a fit without {it} says how far {what} would move.")
    return " ".join(sentences)


def _describe_largest(row: pd.Series, what: str) -> str:
    whose = f" for {row['answer_family']}" if "answer_family" in row else ""
    way = f"{abs(row['of_band']):.0%} of the way to the edge of its 90% band"
    moves = f"{abs(row['shift']):.2g}% {'higher' if row['shift'] > 0 else 'lower'}{whose}, {way}"
    carried = "Single runs carry" if abs(row["of_band"]) >= LARGE else "No single run carries"
    return f"{carried} {what}: it would be {moves}, without {_name_run(row)}, the run that moves it most."


def _name_run(row: pd.Series) -> str:
    """Name a run, with its family and its inputs."""
    parts = [str(row["run_family"])] if row["run_family"] else []
    parts += [
        f"{symbol} {human_number(row[name])}" for name, symbol in (("params", "N"), ("tokens", "D")) if name in row
    ]
    parts += [f"{row['compute']:.2e} FLOP"] if "compute" in row else []
    return f"{row.name} ({', '.join(parts)})" if parts else str(row.name)
