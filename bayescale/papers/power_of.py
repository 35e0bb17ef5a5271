"""Power laws from a paper's constants or from posterior draws, and the place where two power laws cross."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.laws.base import Quantity
from bayescale.posterior import SEED

# Range of compute in FLOP in which a crossing is looked for; a crossing outside of it does not count.
NEAREST, FARTHEST = 1.0, 1e100


class PowerOf(NamedTuple):
    """``value * (x / at)**exponent``, elementwise on floats, arrays or posterior draws.

    Attributes
    ----------
    at : float or array
        The place at which the quantity is `value`, in the package's units (FLOP, tokens).
    value : float or array
        The quantity at `at`.
    exponent : float or array
        The power of x with which the quantity goes; negative for a loss.

    Examples
    --------
    >>> from bayescale.papers.power_of import PowerOf
    >>> from bayescale.papers.tables import PF_DAY
    >>> best_size = PowerOf(at=PF_DAY, value=1.3e9, exponent=0.73)  # Kaplan et al. 2020, Table 6
    >>> f"{best_size(1000 * PF_DAY):.3g}"
    '2.01e+11'
    """

    at: Quantity
    value: Quantity
    exponent: Quantity

    def __call__(self, x: Quantity) -> Quantity:
        """Return the quantity there."""
        return self.value * (x / self.at) ** self.exponent


def power_with_errors(
    at: float,
    value: float,
    exponent: float,
    *,
    value_error: float = 0.0,
    exponent_error: float = 0.0,
    draws: int = 4000,
    seed: int = SEED,
) -> PowerOf:
    """Return a published power law as draws that carry its standard errors.

    Parameters
    ----------
    at : float
        The place at which the quantity is `value`, in the package's units.
    value : float
        The quantity at `at`.
    exponent : float
        The power of x: the quantity is ``value * (x / at)**exponent``.
    value_error : float
        Standard error of the value, as a share of it; the draws are log-normal.
    exponent_error : float
        Standard error of the exponent; the draws are normal.
    draws : int
        How many.
    seed : int
        Of the draws; give each power law another.

    Returns
    -------
    PowerOf
        Its value and exponent on the dims ``(chain, draw)``.

    Raises
    ------
    QuestionError
        If an error is negative, or `at` or the value is not above 0.

    Notes
    -----
    The two errors are taken as independent, which holds where `at` lies in the middle of the runs. Carried back to
    ``at=1``, as most papers print it, value and exponent are almost one unknown, and independent errors of theirs are
    far too wide.

    Examples
    --------
    >>> from bayescale.papers.power_of import power_with_errors
    >>> size = power_with_errors(8.64e19, 1.3e9, 0.73, exponent_error=0.01, draws=100)
    >>> size.exponent.dims, float(size.value.std())
    (('chain', 'draw'), 0.0)
    """
    if not (at > 0 and value > 0 and value_error >= 0 and exponent_error >= 0):
        raise QuestionError(
            "a power law with errors: accepted are at and value above 0, and errors of 0 or more; got "
            f"at={at!r}, value={value!r}, value_error={value_error!r}, exponent_error={exponent_error!r}."
        )
    rng = np.random.default_rng([seed, 21])
    scatter = rng.standard_normal((2, 1, draws))
    return PowerOf(
        at,
        xr.DataArray(value * np.exp(value_error * scatter[0]), dims=("chain", "draw")),
        xr.DataArray(exponent + exponent_error * scatter[1], dims=("chain", "draw")),
    )


def crossing_of_powers(of_compute: PowerOf, of_tokens: PowerOf, tokens: PowerOf) -> Any:
    """Return the compute C* at which L(C) falls below L(D(C)), in closed form.

    Parameters
    ----------
    of_compute : PowerOf
        L(C), the best loss that compute can give.
    of_tokens : PowerOf
        L(D), the best loss that tokens can give.
    tokens : PowerOf
        D(C), the tokens that the optimum takes.

    Returns
    -------
    float or array
        C* in FLOP; not a number where L(C) falls no faster than L(D(C)), so that it never crosses it, or crosses it
        nowhere between 1 and 1e100 FLOP.

    Notes
    -----
    With L(C) = p C**-x, L(D) = q D**-y and D(C) = r C**z: ``C* = (p r**y / q)**(1 / (x - y z))`` where x > y z.

    Examples
    --------
    >>> from bayescale.papers.power_of import PowerOf, crossing_of_powers
    >>> of_compute, of_tokens = PowerOf(1e18, 3.0, -0.05), PowerOf(1e9, 2.9, -0.1)
    >>> f"{float(crossing_of_powers(of_compute, of_tokens, PowerOf(1e18, 1e9, 0.25))):.3g}"
    '3.88e+18'
    """
    faster = -of_compute.exponent + of_tokens.exponent * tokens.exponent
    start = xr.ufuncs.log(of_compute(NEAREST)) - xr.ufuncs.log(of_tokens(tokens(NEAREST)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_c = xr.DataArray(start / faster)
        found = log_c.where(xr.DataArray(faster > 0) & (log_c > np.log(NEAREST)) & (log_c < np.log(FARTHEST)))
    return np.exp(found)
