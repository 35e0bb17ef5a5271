"""Are ranks uniform? The ECDF of simulation-based calibration against the band that chance allows, and coverage."""

from functools import cache

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.trust.sbc import MAX_RHAT

# The band that the ECDF of a sound posterior leaves once in a hundred times, and the samples that place it.
BAND, NULL = 0.99, 10_000
MASSES = (0.5, 0.8, 0.9, 0.95)


def rank_ecdf(ranks: xr.Dataset, prob: float = BAND, seed: int = 1) -> xr.Dataset:
    """Hold the ranks of true values against those that a sound posterior gives, which are uniform.

    Parameters
    ----------
    ranks : xarray.Dataset
        `calibrate`.
    prob : float
        Mass of the simultaneous band: how often the whole ECDF of uniform ranks stays within it.
    seed : int
        Of the place within its rank that each rank is given, which makes discrete ranks continuous.

    Returns
    -------
    xarray.Dataset
        ``difference``, the ECDF of the ranks less the uniform one, dims ``(parameter, share)``, and the band's
        ``lower`` and ``upper``, alike. By parameter, ``outside``, whether the ECDF leaves the band anywhere;
        ``distance``, the largest difference; ``p``, of the Kolmogorov-Smirnov test; ``low``, the share of simulations
        with the truth in the lower half of the posterior. ``covered``, dims ``(parameter, mass)``, how often the
        central band of that mass held the truth. ``simulations``, those that count.

    Notes
    -----
    The band is that of Säilynoja, Bürkner and Vehtari (2022, arXiv 2103.10522), by simulation. Of a hundred parameters
    of sound posteriors one leaves a band of 99%. Simulations whose fit never started have no rank, and do not count.

    Examples
    --------
    >>> from bayescale.trust.ranks import rank_ecdf
    >>> from bayescale.trust.sbc import calibrate
    >>> found = rank_ecdf(calibrate("power", simulations=20))
    >>> found["outside"].dims, found["covered"].dims
    (('parameter',), ('parameter', 'mass'))
    """
    from scipy import stats

    counts = ranks["rank"].dropna("simulation").transpose("parameter", "simulation")
    jitter = np.random.default_rng([seed, 4]).random(counts.shape)
    place = np.sort((counts.values + jitter) / (ranks.attrs["kept"] + 1), axis=1)
    share, lower, upper = band(place.shape[1], prob)
    ecdf = np.array([np.searchsorted(places, share, side="right") for places in place]) / place.shape[1]
    columns = {
        "difference": (("parameter", "share"), ecdf - share),
        "lower": ("share", lower - share),
        "upper": ("share", upper - share),
        "outside": ("parameter", ((ecdf < lower) | (ecdf > upper)).any(axis=1)),
        "distance": ("parameter", np.abs(ecdf - share).max(axis=1)),
        "p": ("parameter", stats.kstest(place, "uniform", axis=1).pvalue),
        "low": ("parameter", (place < 0.5).mean(axis=1)),
        "covered": (
            ("parameter", "mass"),
            np.array([(np.abs(place - 0.5) < mass / 2).mean(axis=1) for mass in MASSES]).T,
        ),
        "simulations": place.shape[1],
    }
    coords = {"parameter": counts["parameter"].values, "share": share, "mass": list(MASSES)}
    return xr.Dataset(columns, coords=coords, attrs={"model": ranks.attrs["model"], "prob": prob})


@cache
def band(count: int, prob: float = BAND) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the ECDF of that many uniform numbers is looked at, and the ends of its simultaneous band there.

    Examples
    --------
    >>> from bayescale.trust.ranks import band
    >>> share, lower, upper = band(200)
    >>> bool(((lower <= share) & (share <= upper)).all())
    True
    """
    from arviz_stats.ecdf_utils import ecdf_pit

    uniform = (np.arange(count) + 0.5) / count
    share, _, lower, upper = ecdf_pit(uniform, prob, NULL, rng=np.random.default_rng(count))
    return share, lower, upper


def calibration_table(ranks: xr.Dataset, prob: float = BAND) -> pd.DataFrame:
    """Sum up a simulation-based calibration: a row for each parameter.

    Parameters
    ----------
    ranks : xarray.Dataset
        `calibrate`.
    prob : float
        Mass of the simultaneous band.

    Returns
    -------
    pandas.DataFrame
        ``card``, ``parameter``, ``simulations``, ``outside`` (of the band), ``distance`` and ``p`` as in `rank_ecdf`,
        ``covered_50`` and so on, and of the fits: ``rejected`` draws, ``retried``, ``diverged``, ``disagree`` (R-hat
        above 1.05 after the last try), ``failed`` (never started), and mean ``seconds``.

    Examples
    --------
    >>> from bayescale.trust.ranks import calibration_table
    >>> from bayescale.trust.sbc import calibrate
    >>> calibration_table(calibrate("power", simulations=20))["parameter"].tolist()
    ['loss_x', 'alpha', 'sigma', 'nu', 'log_likelihood']
    """
    judged = rank_ecdf(ranks, prob)
    covered = {f"covered_{100 * mass:g}": judged["covered"].sel(mass=mass).values for mass in judged["mass"].values}
    return pd.DataFrame(
        {
            "card": ranks.attrs["model"],
            "parameter": judged["parameter"].values,
            "simulations": judged["simulations"].item(),
            **{name: judged[name].values for name in ("outside", "distance", "p")},
            **covered,
            "rejected": ranks.attrs["rejected"],
            "retried": int((ranks["tries"] > 1).sum()),
            "diverged": int((ranks["divergences"] > 0).sum()),
            "disagree": int((ranks["rhat"] > MAX_RHAT).sum()),
            "failed": int(np.isnan(ranks["rank"].values).any(axis=1).sum()),
            "seconds": float(ranks["seconds"].mean()),
        }
    )
