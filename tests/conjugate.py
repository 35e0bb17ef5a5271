"""A posterior in closed form: one unknown, normal on the log of the loss, so that every check has an exact answer.

The law is a power of compute with its exponent and its noise held; the log of the loss at the reference run is normal
before and after the runs.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from pinned import PASSED, pinned_fit
from scipy import stats

import bayescale as bs
from bayescale.inference.sampling import log_likelihood
from bayescale.modeling import prepare

ALPHA, MEDIAN = 0.1, 3.0


@dataclass(frozen=True)
class Conjugate:
    """The posterior as a DataTree, and the exact normal of log loss at the reference run behind it."""

    fit: xr.DataTree
    y: np.ndarray
    sigma: float
    width: float

    def posterior(self, counted: float = 1.0, without: int | None = None) -> tuple[float, float]:
        """Mean and standard deviation with the prior counted so much, or without a run."""
        kept = self.y if without is None else np.delete(self.y, without)
        of_prior, of_runs = counted / self.width**2, len(kept) / self.sigma**2
        precision = of_prior + of_runs
        return (of_prior * np.log(MEDIAN) + kept.sum() / self.sigma**2) / precision, precision**-0.5

    def loo_pit(self) -> np.ndarray:
        """The probability that a new run comes out below each run, predicted from the others."""
        each = np.array([self.posterior(without=i) for i in range(len(self.y))])
        return stats.norm.cdf((self.y - each[:, 0]) / np.hypot(self.sigma, each[:, 1]))


def conjugate(
    residuals: np.ndarray, sigma: float = 0.02, width: float = 0.5, chains: int = 4, draws: int = 1000, verdict=PASSED
) -> Conjugate:
    """The posterior of runs of the law that lie so far from it, on the log."""
    content = {
        "extends": "power",
        "priors": {"alpha": {"dist": "Fixed", "value": ALPHA}},
        "noise": {"family": "Normal", "sigma": {"dist": "Fixed", "value": sigma}},
    }
    unknown = bs.laws.get_law("power").parameter_names[0]
    content["priors"][unknown] = {"dist": "LogNormal", "median": MEDIAN, "sigma": width}
    card = bs.cards.make_card(content)
    compute = np.geomspace(1e18, 1e21, len(residuals))
    log_c = np.log(compute) - np.log(compute).mean()
    loss = MEDIAN * np.exp(residuals - ALPHA * log_c)
    runs = bs.read_runs(pd.DataFrame({"compute": compute, "loss": loss}), suspicious="keep")
    reference = prepare(card, runs).reference
    fit = pinned_fit(card, {"x_c": 1.0, "alpha": ALPHA}, runs=runs, reference=reference, verdict=verdict,
                     chains=chains, draws=draws)  # fmt: skip
    found = Conjugate(fit, np.log(MEDIAN) + residuals, sigma, width)
    mean, spread = found.posterior()
    # The quantiles of the normal in random order: no Monte Carlo error in what is exact.
    normal = stats.norm.ppf((np.arange(chains * draws) + 0.5) / (chains * draws))
    z = mean + spread * np.random.default_rng(1).permutation(normal).reshape(chains, draws)
    posterior = xr.Dataset({unknown: (("chain", "draw"), np.exp(z))}, {"chain": range(chains), "draw": range(draws)})
    posterior = posterior.assign(
        alpha=xr.full_like(posterior[unknown], ALPHA), sigma=xr.full_like(posterior[unknown], sigma)
    )
    fit["posterior"] = posterior
    fit["log_likelihood"] = log_likelihood(prepare(card, runs), posterior)
    return found
