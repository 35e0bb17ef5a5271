"""A ladder of experiments: approach 2 on each, and what each step of it does to the exponent."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayescale.approaches.isoflop_fit import isoflop_fit
from bayescale.approaches.sample_estimator import require_all
from bayescale.errors import QuestionError
from bayescale.inference import verdict
from bayescale.posterior import SEED

EXPERIMENT, RUNG = "experiment", "rung"


def ladder(
    experiments: Mapping[str, xr.Dataset] | xr.Dataset,
    *,
    published: Mapping[str, float] | None = None,
    shape: str = "corrected",
    seed: int = SEED,
    allow_unconverged: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Return the exponent of the compute-optimal size by experiment, and how it changes from each to the next.

    Parameters
    ----------
    experiments : mapping of str to xarray.Dataset, or xarray.Dataset
        Runs by experiment, in the order of the ladder; or runs whose families are the experiments.
    published : mapping of str to float, optional
        Published exponents by experiment, to stand beside.
    shape : {"corrected", "parabola"}
        As in `isoflop_fit`.
    seed : int
        Each experiment has a seed of its own that follows from it: their posteriors are independent.
    allow_unconverged : bool
        Answer although a posterior failed its diagnostics; the answer is marked.
    **options
        As in `isoflop_fit`: ``budgets``, ``tolerance``, ``priors``, ``draws``, ``tune``, ``chains``, ``tries``.

    Returns
    -------
    xarray.Dataset
        ``a``, dims ``(chain, draw, experiment)``; ``effect``, dims ``(chain, draw, rung)``, the change of a from one
        experiment to the next, with ``probability`` that a falls; ``published`` and its ``published_effect`` where
        given; ``verdict`` in words, ``runs`` and ``left_out`` (on no profile) of each experiment.

    Raises
    ------
    QuestionError, DesignError, UnconvergedError
        If there are fewer than two experiments, one has no profiles, or its posterior may not be quoted.

    Notes
    -----
    Experiments whose number of budgets is the same up to a multiple of four share one compiled model.

    Examples
    --------
    >>> import numpy as np, pandas as pd, bayescale as bs
    >>> from bayescale.approaches import ladder
    >>> n, c = (x.ravel() for x in np.meshgrid(np.geomspace(3e7, 3e9, 9), [1e18, 1e19, 1e20, 1e21]))
    >>> scatter = 1 + 0.002 * np.random.default_rng(1).standard_normal(n.size)
    >>> def runs(a):
    ...     loss = 3 + 0.1 * np.log(n / (1e8 * (c / 1e18) ** a)) ** 2
    ...     return bs.read_runs(pd.DataFrame({"params": n, "compute": c, "loss": loss * scatter}))
    >>> steps = ladder({"before": runs(0.45), "after": runs(0.30)}, shape="parabola")
    >>> steps["rung"].values.tolist(), float(steps["probability"][0])
    (['before -> after'], 1.0)
    """
    named = _split_by_family(experiments) if isinstance(experiments, xr.Dataset) else dict(experiments)
    if len(named) < 2:
        raise QuestionError(f"a ladder takes two experiments or more; got {', '.join(named) or 'none'}.")
    fits = {}
    for k, (name, runs) in enumerate(named.items()):
        own = int(np.random.default_rng([seed, k]).integers(2**31))
        fits[name] = isoflop_fit(runs, shape=shape, seed=own, **options)
    quotable = require_all(fits.values(), allow_unconverged)
    a = xr.concat([fit["posterior"]["a"].reset_coords(drop=True) for fit in fits.values()], dim=EXPERIMENT)
    a = a.assign_coords({EXPERIMENT: list(fits)}).transpose("chain", "draw", EXPERIMENT)
    rungs = [f"{one} -> {other}" for one, other in zip(list(fits)[:-1], list(fits)[1:], strict=True)]
    effect = a.diff(EXPERIMENT).rename({EXPERIMENT: RUNG}).assign_coords({RUNG: rungs})
    counts = [json.loads(fit.attrs["profiles"]) for fit in fits.values()]
    out = xr.Dataset(
        {
            "a": a,
            "effect": effect,
            "probability": (effect < 0).mean(("chain", "draw")),
            "verdict": (EXPERIMENT, [verdict(fit).sentence for fit in fits.values()]),
            "runs": (EXPERIMENT, [count["runs"] for count in counts]),
            "left_out": (EXPERIMENT, [count.get("left_out", 0) for count in counts]),
        },
        attrs={"question": "exponent of N_opt by experiment", "verdict": quotable, "shape": shape},
    )
    if published is not None:
        printed = np.array([published.get(name, np.nan) for name in fits])
        out = out.assign(published=(EXPERIMENT, printed), published_effect=(RUNG, np.diff(printed)))
    return out


def _split_by_family(runs: xr.Dataset) -> dict[str, xr.Dataset]:
    if "family" not in runs.coords:
        raise QuestionError("these runs have no families; pass a mapping of experiment to runs.")
    labels = runs["family"].values
    return {str(name): runs.isel(run=labels == name).drop_vars("family") for name in dict.fromkeys(labels.tolist())}
