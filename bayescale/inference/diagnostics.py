"""May this posterior be quoted? The checks, their thresholds, and the sentence that goes with each."""

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError, UnconvergedError
from bayescale.layers.pooling import CHOLESKY


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
    """All checks of a posterior; `passed` says whether its numbers may be quoted.

    Attributes
    ----------
    checks : tuple of Check
        R-hat, bulk and tail ESS, divergences, E-BFMI and tree depth, each with the worst value found, its limit,
        whether it passed, and a sentence for where it did not. Of a posterior by importance sampling, Pareto k and the
        effective draws.

    Examples
    --------
    >>> from bayescale.inference import Verdict
    >>> from bayescale.inference import Check
    >>> Verdict((Check("E-BFMI", 0.2, 0.3, False, "chain 0", "E-BFMI is 0.20 (at least 0.3)."),)).sentence
    'Not converged: E-BFMI is 0.20 (at least 0.3).'
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.passed:
            value = {check.name: check.value for check in self.checks}
            if PARETO_K in value:
                return (
                    f"Checked: {value[WEIGHED_ESS]:.0f} effective draws by importance sampling about the mode, "
                    f"Pareto k {value[PARETO_K]:.2f}."
                )
            divergences = f"{value['divergences']:.0f} divergences" if value["divergences"] else "no divergences"
            return (
                f"Converged: R-hat {value['R-hat']:.3f} at worst, {value['bulk ESS']:.0f} effective draws or more, "
                f"{divergences}."
            )
        return "Not converged: " + " ".join(check.sentence for check in self.checks if not check.passed)

    def to_json(self) -> str:
        """Return the verdict as JSON, as it is stored in a posterior's attrs."""
        return json.dumps([asdict(check) for check in self.checks])

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """Read back what `to_json` wrote."""
        return cls(tuple(Check(**check) for check in json.loads(text)))


class Limits(NamedTuple):
    """What a posterior must keep to; divergences and saturated trajectories as shares of the draws."""

    rhat: float
    ess: float
    divergences: float
    bfmi: float
    saturated: float


# Thresholds of Vehtari et al. 2021 (R-hat, ESS: arXiv 1903.08008) and Betancourt 2016 (E-BFMI: arXiv 1604.00695).
QUOTED = Limits(rhat=1.01, ess=400, divergences=0.0, bfmi=0.3, saturated=0.01)
# Of a posterior whose bands are counted, not quoted: whether a run lies within one does not hang on a second digit.
COUNTED = Limits(rhat=1.05, ess=100, divergences=0.005, bfmi=0.2, saturated=0.05)

# The checks of a posterior by importance sampling.
PARETO_K, WEIGHED_ESS = "Pareto k", "importance ESS"


def _find_worst(ds: xr.Dataset, largest: bool) -> tuple[float, str]:
    """Return the most extreme value of a Dataset of diagnostics and the element that has it."""
    worst = (-np.inf if largest else np.inf, "")
    for name, values in ds.data_vars.items():
        flat = values.stack(element=values.dims) if values.dims else values.expand_dims("element")
        numbers = np.where(np.isnan(flat.values), np.inf if largest else -np.inf, flat.values)
        at = int(numbers.argmax() if largest else numbers.argmin())
        if (numbers[at] > worst[0]) == largest and numbers[at] != worst[0]:
            where = flat["element"].values[at] if values.dims else ()
            label = f"{name}[{', '.join(map(str, where))}]" if values.dims else str(name)
            worst = (float(numbers[at]), label)
    return worst


def diagnose(posterior: xr.Dataset, sample_stats: xr.Dataset, limits: Limits = QUOTED) -> Verdict:
    """Check a posterior's draws: R-hat, bulk and tail ESS, divergences, E-BFMI, tree depth.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws, dims ``(chain, draw, ...)``.
    sample_stats : xarray.Dataset
        ``diverging``, ``energy`` and ``reached_max_treedepth``, dims ``(chain, draw)``.
    limits : Limits
        What is asked of it: ``QUOTED``, of a posterior whose numbers are quoted, or ``COUNTED``.

    Returns
    -------
    Verdict
        Each check with its value, its threshold and a plain sentence.
    """
    import arviz_stats as az

    posterior = posterior.drop_vars([name for name in posterior if str(name).endswith(CHOLESKY)])
    # A parameter that never moved has no within-chain variance; the nan that comes of it fails the check.
    with np.errstate(divide="ignore", invalid="ignore"):
        rhat, rhat_at = _find_worst(az.rhat(posterior), largest=True)
    bulk, bulk_at = _find_worst(az.ess(posterior, method="bulk"), largest=False)
    tail, tail_at = _find_worst(az.ess(posterior, method="tail"), largest=False)
    divergences = int(sample_stats["diverging"].sum())
    bfmi = az.bfmi(sample_stats)
    bfmi_values = np.atleast_1d(np.asarray(bfmi["energy"] if isinstance(bfmi, xr.Dataset) else bfmi, dtype=float))
    saturated = float(sample_stats["reached_max_treedepth"].mean())
    total = int(sample_stats["diverging"].size)
    allowed = int(limits.divergences * total)
    fewest, most = f"at least {limits.ess:.0f}", f"at most {limits.saturated:.0%}"
    return Verdict(
        (
            Check(
                "R-hat", rhat, limits.rhat, rhat <= limits.rhat, rhat_at,
                f"R-hat of {rhat_at} is {rhat:.3f} (limit {limits.rhat}): the chains do not agree.",
            ),
            Check(
                "bulk ESS", bulk, limits.ess, bulk >= limits.ess, bulk_at,
                f"{bulk_at} has {bulk:.0f} effective draws in the bulk ({fewest}): its centre is noisy.",
            ),
            Check(
                "tail ESS", tail, limits.ess, tail >= limits.ess, tail_at,
                f"{tail_at} has {tail:.0f} effective draws in the tails ({fewest}): its band is noisy.",
            ),
            Check(
                "divergences", divergences, allowed, divergences <= allowed, "all chains",
                f"{divergences} of {total} draws diverged ({allowed or "none"} allowed): part was not explored.",
            ),
            Check(
                "E-BFMI", float(bfmi_values.min()), limits.bfmi, bool(bfmi_values.min() >= limits.bfmi),
                f"chain {int(bfmi_values.argmin())}",
                f"E-BFMI is {bfmi_values.min():.2f} (at least {limits.bfmi}): the tails were not explored.",
            ),
            Check(
                "tree depth", saturated, limits.saturated, saturated <= limits.saturated, "all chains",
                f"{saturated:.1%} of the draws hit the depth limit ({most}): the sampler is slow.",
            ),
        )
    )  # fmt: skip


def diagnose_weights(pareto_k: float, largest: float, ess: float, limits: Limits = QUOTED) -> Verdict:
    """Check draws that were weighed by importance: is the tail of the weights light, and what are the draws worth?

    Parameters
    ----------
    pareto_k, largest : float
        The shape of the weights' tail, and the most that it may be (Vehtari et al. 2024, arXiv 1507.02646).
    ess : float
        How many independent draws the weighted ones are worth.
    limits : Limits
        How many are wanted.
    """
    of = "the weights"
    return Verdict(
        (
            Check(
                PARETO_K, pareto_k, largest, bool(pareto_k <= largest), of,
                f"Pareto k is {pareto_k:.2f} (at most {largest:.2f}): a few draws have most of the weight.",
            ),
            Check(
                WEIGHED_ESS, ess, limits.ess, bool(ess >= limits.ess), of,
                f"the weighted draws are worth {ess:.0f} (at least {limits.ess:.0f}).",
            ),
        )
    )  # fmt: skip


def verdict(fit: xr.DataTree) -> Verdict:
    """Return the verdict that was stored with a posterior.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.

    Returns
    -------
    Verdict
        ``passed``, whether its numbers may be quoted, ``sentence``, which says so or why not, and ``checks``.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), model="chinchilla", seed=1)
    >>> bs.verdict(fit).passed
    True
    """
    return Verdict.from_json(fit.attrs["verdict"])


def require_quotable(fit: xr.DataTree, allow_unconverged: bool | None = False) -> str:
    """Return ``"converged"``, or ``"NOT CONVERGED"`` where the caller takes the blame; refuse otherwise.

    None is for a caller who cannot: what it makes of a posterior carries no mark that it failed.

    Raises
    ------
    UnconvergedError
        If the posterior failed a check and ``allow_unconverged`` is not set.
    QuestionError
        If it is no posterior.
    """
    if not isinstance(fit, xr.DataTree):
        raise QuestionError(
            "a question is asked of a posterior, the DataTree that bs.fit or bs.load_fit('fit.nc') returns; got "
            f"{fit!r}."
        )
    diagnosis = verdict(fit)
    if diagnosis.passed:
        return "converged"
    if not allow_unconverged:
        raise UnconvergedError(
            f"this posterior ({fit.attrs['model']}) failed its diagnostics and is not quoted.\n  "
            + "\n  ".join(check.sentence for check in diagnosis.checks if not check.passed)
            + "\nTry: more runs or a wider range of N and D; tighter priors in the model card; complete pooling of the "
            "parameter that is named; more `tune` and `draws`."
            + " allow_unconverged=True (--allow-unconverged) answers all the same and marks the answer."
            * (allow_unconverged is not None)
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

    Raises
    ------
    QuestionError
        If the posterior has no draws of the prior, as from ``fit(..., prior_draws=0)``.

    Examples
    --------
    >>> import bayescale as bs
    >>> fit = bs.fit(bs.load_shipped("tinylm"), model="chinchilla", seed=1)
    >>> bool((bs.inference.prior_to_posterior(fit)["learned"] <= 1).all())
    True
    """
    if "prior" not in fit:
        raise QuestionError("this posterior has no draws of the prior: fit again, without prior_draws=0.")
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


def parameter_of(label: str) -> tuple[str, str]:
    """Return the parameter that a label is of, and which one where there are several.

    Examples
    --------
    >>> from bayescale.inference.diagnostics import parameter_of
    >>> parameter_of("alpha[english]"), parameter_of("nu")
    (('alpha', 'english'), ('nu', ''))
    """
    name, bracket, which = label.partition("[")
    return name, which.removesuffix("]") if bracket else ""
