"""May this posterior be quoted? The checks, their thresholds, and the sentence that goes with each."""

import json
from dataclasses import asdict, dataclass

import arviz as az
import numpy as np
import xarray as xr

from bayescale.errors import UnconvergedError


@dataclass(frozen=True)
class Check:
    """One check of a posterior.

    ``value`` is the worst one found, ``worst`` the parameter or chain that has it, ``limit`` the threshold.
    """

    name: str
    value: float
    limit: float
    passed: bool
    worst: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """All checks of a posterior; `passed` says whether its numbers may be quoted."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.passed:
            rhat, bulk = self.checks[0], self.checks[1]
            return (
                f"Converged: R-hat {rhat.value:.3f} at worst, {bulk.value:.0f} effective draws or more, no divergences."
            )
        return "Not converged: " + " ".join(check.sentence for check in self.checks if not check.passed)

    def to_json(self) -> str:
        """Return the verdict as JSON, as it is stored in a posterior's attrs."""
        return json.dumps([asdict(check) for check in self.checks])

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """Read back what `to_json` wrote."""
        return cls(tuple(Check(**check) for check in json.loads(text)))


# Thresholds of Vehtari et al. 2021 (R-hat, ESS: arXiv 1903.08008) and Betancourt 2016 (E-BFMI: arXiv 1604.00695).
MAX_RHAT = 1.01
MIN_ESS = 400.0
MAX_DIVERGENCES = 0.0
MIN_BFMI = 0.3
MAX_SATURATED = 0.01


def _worst(ds: xr.Dataset, largest: bool) -> tuple[float, str]:
    """Return the most extreme value of a Dataset of diagnostics and the element that has it."""
    found = (-np.inf if largest else np.inf, "")
    for name, values in ds.data_vars.items():
        flat = values.stack(element=values.dims) if values.dims else values.expand_dims("element")
        numbers = np.where(np.isnan(flat.values), np.inf if largest else -np.inf, flat.values)
        at = int(numbers.argmax() if largest else numbers.argmin())
        if (numbers[at] > found[0]) == largest and numbers[at] != found[0]:
            where = flat["element"].values[at] if values.dims else ()
            label = f"{name}[{', '.join(map(str, where))}]" if values.dims else str(name)
            found = (float(numbers[at]), label)
    return found


def diagnose(posterior: xr.Dataset, sample_stats: xr.Dataset) -> Verdict:
    """Check a posterior's draws: R-hat, bulk and tail ESS, divergences, E-BFMI, tree depth.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws, dims ``(chain, draw, ...)``.
    sample_stats : xarray.Dataset
        ``diverging``, ``energy`` and ``reached_max_treedepth``, dims ``(chain, draw)``.

    Returns
    -------
    Verdict
        Each check with its value, its threshold and a plain sentence.
    """
    # A parameter that never moved has no within-chain variance; the nan that comes of it fails the check.
    with np.errstate(divide="ignore", invalid="ignore"):
        rhat, rhat_at = _worst(az.rhat(posterior), largest=True)
    bulk, bulk_at = _worst(az.ess(posterior, method="bulk"), largest=False)
    tail, tail_at = _worst(az.ess(posterior, method="tail"), largest=False)
    divergences = int(sample_stats["diverging"].sum())
    bfmi = az.bfmi(sample_stats)
    bfmi_values = np.atleast_1d(np.asarray(bfmi["energy"] if isinstance(bfmi, xr.Dataset) else bfmi, dtype=float))
    saturated = float(sample_stats["reached_max_treedepth"].mean())
    total = int(sample_stats["diverging"].size)
    return Verdict(
        (
            Check(
                "R-hat", rhat, MAX_RHAT, rhat <= MAX_RHAT, rhat_at,
                f"R-hat of {rhat_at} is {rhat:.3f} (limit {MAX_RHAT}): the chains do not agree.",
            ),
            Check(
                "bulk ESS", bulk, MIN_ESS, bulk >= MIN_ESS, bulk_at,
                f"{bulk_at} has {bulk:.0f} effective draws in the bulk (at least {MIN_ESS:.0f}): its centre is noisy.",
            ),
            Check(
                "tail ESS", tail, MIN_ESS, tail >= MIN_ESS, tail_at,
                f"{tail_at} has {tail:.0f} effective draws in the tails (at least {MIN_ESS:.0f}): its band is noisy.",
            ),
            Check(
                "divergences", divergences, MAX_DIVERGENCES, divergences <= MAX_DIVERGENCES, "all chains",
                f"{divergences} of {total} draws diverged (none allowed): part of the posterior was not explored.",
            ),
            Check(
                "E-BFMI", float(bfmi_values.min()), MIN_BFMI, bool(bfmi_values.min() >= MIN_BFMI),
                f"chain {int(bfmi_values.argmin())}",
                f"E-BFMI is {bfmi_values.min():.2f} (at least {MIN_BFMI}): the tails were not explored.",
            ),
            Check(
                "tree depth", saturated, MAX_SATURATED, saturated <= MAX_SATURATED, "all chains",
                f"{saturated:.1%} of the draws hit the depth limit (at most {MAX_SATURATED:.0%}): the sampler is slow.",
            ),
        )
    )  # fmt: skip


def verdict(fit: xr.DataTree) -> Verdict:
    """Return the verdict that was stored with a posterior.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), model="chinchilla", seed=1)
    >>> bs.verdict(fit).passed
    True
    """
    return Verdict.from_json(fit.attrs["verdict"])


def require_quotable(fit: xr.DataTree, allow_unconverged: bool = False) -> str:
    """Return ``"converged"``, or ``"NOT CONVERGED"`` where the caller takes the blame; refuse otherwise.

    Raises
    ------
    UnconvergedError
        If the posterior failed a check and ``allow_unconverged`` is not set.
    """
    found = verdict(fit)
    if found.passed:
        return "converged"
    if not allow_unconverged:
        raise UnconvergedError(
            f"this posterior ({fit.attrs['model']}) failed its diagnostics and is not quoted.\n  "
            + "\n  ".join(check.sentence for check in found.checks if not check.passed)
            + "\nTry: more runs or a wider range of N and D; tighter priors in the model card; complete pooling of the "
            "parameter that is named; more `tune` and `draws`. allow_unconverged=True (--allow-unconverged) answers "
            "all the same and marks the answer."
        )
    return "NOT CONVERGED"


def prior_to_posterior(fit: xr.DataTree) -> xr.Dataset:
    """Compare prior and posterior of every parameter: what did the runs say, and what is the prior's?

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.

    Returns
    -------
    xarray.Dataset
        Dims ``parameter``: medians and 95% limits of both, and ``learned``, one minus the ratio of their interquartile
        ranges, on the log scale for what is positive. Below 0.5 the answer is at least half the prior's.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), model="chinchilla", seed=1)
    >>> bool((bs.prior_to_posterior(fit)["learned"] <= 1).all())
    True
    """
    rows: dict[str, list[float]] = {}
    posterior, prior = fit["posterior"].to_dataset(), fit["prior"].to_dataset()
    for name in prior.data_vars:
        after, before = posterior[name], prior[name]
        for label in after["family"].values if "family" in after.dims else [None]:
            pick = {} if label is None else {"family": label}
            a, b = after.sel(pick).values.ravel(), before.sel(pick).values.ravel()
            on = np.log if min(a.min(), b.min()) > 0 else np.asarray
            iqr_a, iqr_b = (np.subtract(*np.quantile(on(x), [0.75, 0.25])) for x in (a, b))
            key = str(name) if label is None else f"{name}[{label}]"
            rows[key] = [*np.quantile(b, [0.5, 0.025, 0.975]), *np.quantile(a, [0.5, 0.025, 0.975]), 1 - iqr_a / iqr_b]
    columns = "prior_median prior_lower prior_upper median lower upper learned".split()
    table = np.array(list(rows.values()))
    return xr.Dataset(
        {column: ("parameter", table[:, i]) for i, column in enumerate(columns)}, coords={"parameter": list(rows)}
    )
