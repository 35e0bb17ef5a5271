"""The axes of a prior predictive, for pictures and for text: limits, scales and round values along them."""

import math

import numpy as np
import xarray as xr

# A response whose 95% band spans more than this factor is drawn on a log axis.
WIDE = 5.0
# An input that spans less than this factor is drawn on an axis of plain numbers, as bits and losses are read.
NARROW = 20.0
# Steps between ticks of plain numbers: bits are read in twos and fours.
STEPS = (1, 2, 4, 5, 10)
# Multiples of a power of ten that have a tick on a log axis, from many ticks to few.
FACTORS = ((1, 2, 3, 4, 6, 8), (1, 2, 5), (1, 3), (1,))


def is_wide(x: np.ndarray) -> bool:
    """Return whether an input spans so much that its axis is logarithmic."""
    return bool(x[0] > 0 and x[-1] > NARROW * x[0])


def limit_response(prior: xr.Dataset) -> tuple[float, float, bool]:
    """Return the limits of the response over all inputs, and whether its axis is logarithmic; shares go from 0 to 1."""
    response = prior.attrs["response"]
    if response != "loss":
        return 0.0, 1.0, False
    expected = prior[f"expected_{response}"]
    low = float(expected.quantile(0.025, dim="draw").min())
    high = float(expected.quantile(0.975, dim="draw").max())
    return low / 1.1, high * 1.1, high > WIDE * low > 0


def count_panels(inputs: int) -> tuple[int, int]:
    """Return how many panels stand side by side and one below the other, a panel for each input."""
    across = 2 if inputs == 4 else min(inputs, 3)
    return across, -(-inputs // across)


def round_ticks(low: float, high: float, on_log: bool, most: int) -> list[float]:
    """Return round values between the limits, at most so many.

    Examples
    --------
    >>> from bayescale.plots.ticks import round_ticks
    >>> round_ticks(2, 16, on_log=False, most=7)
    [4.0, 8.0, 12.0, 16.0]
    """
    if not on_log:
        least = (high - low) / (most - 1)
        power = 10.0 ** math.floor(math.log10(least))
        step = next(step * power for step in STEPS if step * power >= least * (1 - 1e-9))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [step * k for k in range(first, last + 1)]
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    for factors in FACTORS:
        ticks = [factor * 10.0**k for k in (decades.start - 1, *decades) for factor in factors]
        ticks = [tick for tick in ticks if low / 1.001 <= tick <= high * 1.001]
        if len(ticks) <= most:
            return ticks
    return ticks[:: -(-len(ticks) // most)]
