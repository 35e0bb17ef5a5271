"""Which form do these runs support, by leaving out one run at a time?"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from bayescale.cards import Card
from bayescale.errors import QuestionError
from bayescale.inference import ends_of, log_likelihood, require_quotable, runs_of, with_densities
from bayescale.inference import fit as sample_fit
from bayescale.inference.sampling import SEED
from bayescale.modeling import prepare
from bayescale.parallel import map_tasks
from bayescale.posterior import Posterior
from bayescale.runs.curves.bins import OF_RUN

# A refit for each run with a high Pareto k is exact. Beyond this many runs, ten folds cost less.
MAX_REFITS = 10
FOLDS = 10


def compare(
    fits: Mapping[str, xr.DataTree],
    *,
    refit: bool = True,
    seed: int = SEED,
    progress: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """Compare forms on the same runs by PSIS-LOO, exact where Pareto k says that PSIS fails.

    Parameters
    ----------
    fits : mapping of str to xarray.DataTree
        Posteriors of different cards on the same runs.
    refit : bool
        Refit without each run whose Pareto k is too high (or in ten folds, where more than ten are).
    seed : int
        Seed of the refits.
    progress : callable, optional
        Called with a line before a model is refitted.

    Returns
    -------
    xarray.Dataset
        Dims ``model``, best first: ``elpd_loo`` and ``se`` (log density of log loss, summed), ``elpd_diff`` and
        ``dse`` against the best, ``p_loo``, stacking ``weight``, ``bad_k`` (runs over the threshold) and ``refitted``;
        and by ``run``: ``elpd_i`` and ``pareto_k``.

    Raises
    ------
    QuestionError
        If the fits are of different runs or different responses, or there are fewer than two.
    UnconvergedError
        If one of them may not be quoted.

    References
    ----------
    Vehtari, Gelman and Gabry 2017, arXiv 1507.04544; Yao et al. 2018, arXiv 1704.02030 (stacking).

    Examples
    --------
    >>> import bayescale as bs
    >>> runs = bs.load_shipped("tinylm")
    >>> table = bs.compare({m: bs.fit(runs, model=m, seed=1) for m in ("chinchilla", "kaplan")}, refit=False)
    >>> sorted(table["model"].values.tolist())
    ['chinchilla', 'kaplan']
    """
    import arviz_stats as az

    _check_comparable(fits)
    order = ends_of(next(iter(fits.values())))["run"]
    scored, bad, exact = {}, {}, {}
    for name, fit in fits.items():
        with warnings.catch_warnings():
            # The table shows Pareto k, and runs with a high one are refitted, so the warning says nothing new.
            warnings.filterwarnings("ignore", message="Estimated shape parameter")
            scored[name], bad[name], exact[name] = _leave_one_out(
                name, _in_order(with_densities(fit), order), refit, seed, progress or (lambda line: None)
            )
    # ArviZ refuses to compare estimators of different kinds. It needs only their pointwise values, which are alike.
    table = az.compare({name: _as_loo(loo) for name, loo in scored.items()}, round_to="none")
    names = list(table.index)
    columns = {"elpd_loo": "elpd", "se": "se", "elpd_diff": "elpd_diff", "dse": "dse", "p_loo": "p", "weight": "weight"}
    out = xr.Dataset(
        {new: ("model", table[old].to_numpy(dtype=float)) for new, old in columns.items()}, coords={"model": names}
    )
    out["bad_k"] = ("model", [bad[n] for n in names])
    out["refitted"] = ("model", [exact[n] for n in names])
    out["elpd_i"] = xr.concat([scored[n].elpd_i for n in names], dim="model", coords="minimal", compat="override")
    out["pareto_k"] = xr.concat([scored[n].pareto_k for n in names], dim="model", coords="minimal", compat="override")
    first = next(iter(fits.values()))
    return out.assign_attrs(
        response=first.attrs["response"], runs_sha256=first.attrs.get("sha256", ""), runs=first.attrs["runs"]
    )


def _in_order(fit: xr.DataTree, order: xr.DataArray) -> xr.DataTree:
    """Return the posterior with the densities of its runs in that order."""
    density = fit["log_likelihood"].to_dataset().sel(run=order.values)
    return fit.assign(log_likelihood=xr.DataTree(density))


def _leave_one_out(
    name: str, fit: xr.DataTree, refit: bool, seed: int, say: Callable[[str], None]
) -> tuple[Any, int, int]:
    """Return the score, the number of runs whose Pareto k is too high, and how many were refitted for it."""
    import arviz_stats as az

    loo = az.loo(fit, var_name=fit.attrs["response"], pointwise=True)
    bad = int((loo.pareto_k > loo.good_k).sum())
    if not (refit and bad):
        return loo, bad, 0
    say(f"{name}: {bad} runs with a high Pareto k, refitting {min(bad, FOLDS)} times")
    pareto_k, count = loo.pareto_k, int(fit.attrs["runs"])
    if bad <= MAX_REFITS:
        wrapper = _make_refitter(fit, seed, np.flatnonzero(pareto_k.values > loo.good_k))
        loo, exact = az.reloo(wrapper, loo_orig=loo, var_name=fit.attrs["response"]), bad
    else:
        folds = np.sort(np.arange(count) % FOLDS)[np.random.default_rng(seed).permutation(count)]
        wrapper = _make_refitter(fit, seed, [np.flatnonzero(folds == fold) for fold in range(FOLDS)])
        loo = az.loo_kfold(fit, wrapper, k=FOLDS, folds=folds, var_name=fit.attrs["response"], pointwise=True)
        exact = count
    loo.pareto_k = pareto_k
    return loo, bad, exact


def _as_loo(loo: Any) -> Any:
    loo.warning = False
    return loo


def _check_comparable(fits: Mapping[str, xr.DataTree]) -> None:
    if len(fits) < 2:
        raise QuestionError("a comparison takes at least two fits.")
    for attr, what in (
        ("sha256", "different runs"),
        ("response", "different responses"),
        ("loss_unit", "losses in different units"),
    ):
        values = {name: fit.attrs.get(attr, "") for name, fit in fits.items()}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name} ({str(value)[:12]})" for name, value in values.items())
            raise QuestionError(
                f"these fits are of {what} and cannot be compared: {listed}. Fit each card to the same runs."
            )
    for fit in fits.values():
        require_quotable(fit, None)


def _name_runs(runs: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the runs; of learning curves, a run is several rows."""
    return tuple(dict.fromkeys(runs[OF_RUN if OF_RUN in runs.coords else "run"].values.tolist()))


def _refit(card: Card, seed: int, kept: xr.Dataset) -> xr.DataTree:
    """Fit the kept runs; the density of one run needs no more than the fast path, or the first try, gives."""
    return sample_fit(kept, card, seed=seed, prior_draws=0, tries=1, method="auto", pointwise=False)


def _make_refitter(fit: xr.DataTree, seed: int, left_out: Iterable[Any] = ()) -> Any:
    """Return how ArviZ refits a posterior without some of its runs; its base class loads ArviZ.

    ArviZ asks for one refit after the other. Those that it will ask for (``left_out``, positions of runs) are done
    before, as they do not depend on one another.
    """
    import arviz_stats as az

    class Refitter(az.SamplingWrapper):
        """Fits again without some of the runs, as ArviZ asks for it."""

        def __init__(self) -> None:
            super().__init__(model=Posterior(fit).card, idata_orig=fit)
            self.runs, self.names = runs_of(fit), fit["log_likelihood"].to_dataset()["run"].values
            kept = [self.sel_observations(positions)[0] for positions in left_out]
            done = map_tasks(partial(_refit, self.model, seed), kept)
            self.done = dict(zip(map(_name_runs, kept), done, strict=True))

        def sel_observations(self, idx: Any) -> tuple[xr.Dataset, xr.Dataset]:
            """Return (kept, left out)."""
            # A run of learning curves is several rows.
            of = self.runs[OF_RUN if OF_RUN in self.runs.coords else "run"]
            out = np.isin(of.values, self.names[np.asarray(idx)])
            return self.runs.isel(run=~out), self.runs.isel(run=out)

        def sample(self, modified_observed_data: xr.Dataset) -> xr.DataTree:
            """Return the fit of the kept runs."""
            return self.done[_name_runs(modified_observed_data)].get()

        def get_inference_data(self, fitted_model: xr.DataTree) -> xr.DataTree:
            """Return the fit as it is."""
            return fitted_model

        def log_likelihood__i(self, excluded_obs: xr.Dataset, idata__i: xr.DataTree) -> xr.DataArray:
            """Return the log density of the runs left out."""
            card, posterior = self.model, idata__i["posterior"].to_dataset()
            problem = prepare(card, runs_of(idata__i))
            return log_likelihood(problem, posterior, excluded_obs)[problem.response]

    return Refitter()
