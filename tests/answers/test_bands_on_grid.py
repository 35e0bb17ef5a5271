"""Bands at many points: the same as those of all draws at once, within a bound of memory."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, pinned_fit

import bayescale as bs
from bayescale.answers import bands, bands_on_grid
from bayescale.errors import QuestionError


def wide_fit(families, chains=4, draws=1000, seed=0):
    """Return a posterior of many families whose coefficients scatter by 2%."""
    fit, rng = pinned_fit("chinchilla", BESIROGLU), np.random.default_rng(seed)
    names, pinned = [f"family {k:02d}" for k in range(families)], fit["posterior"].to_dataset()
    fit["posterior"] = xr.Dataset(
        {
            name: (
                ("chain", "draw", "family"),
                float(values.values.ravel()[0]) * np.exp(0.02 * rng.normal(size=(chains, draws, families))),
            )
            for name, values in pinned.data_vars.items()
        },
        {"chain": np.arange(chains), "draw": np.arange(draws), "family": names},
    )
    fit.attrs["families"] = json.dumps(names)
    return fit


def test_bands_are_those_of_all_draws_at_once():
    fit = wide_fit(3, draws=50)
    asked = list(np.geomspace(1e21, 1e24, 7))
    whole = bs.optimal_split(fit, asked)
    grid = bands_on_grid(bs.optimal_split, fit, compute=asked, prob=[0.5, 0.9], memory=1e5)
    for name in ("params", "tokens", "optimal_loss"):
        for side, found in bands(whole[name], [0.5, 0.9]).data_vars.items():
            xr.testing.assert_allclose(grid[f"{name}_{side}"], found)
    assert grid["params_median"].attrs["units"] == "parameters"
    np.testing.assert_array_equal(grid["compute"], whole["compute"])
    assert grid.attrs == whole.attrs


def test_what_is_given_once_is_asked_at_every_point():
    fit = wide_fit(2, draws=50)
    params = [1e9, 2e9, 4e9]
    grid = bands_on_grid(bs.extrapolate, fit, params=params, tokens=1e11, family="family 01", memory=1.0)
    whole = bs.extrapolate(fit, params=params, tokens=1e11, family="family 01")
    xr.testing.assert_allclose(grid["expected_loss_median"], whole["expected_loss"].median(("chain", "draw")))
    assert grid["loss_lower"].dims == ("prob", "point")
    # The scatter of single runs is drawn anew in each part: its bands agree within Monte Carlo error.
    np.testing.assert_allclose(grid["loss_median"], whole["loss"].median(("chain", "draw")), rtol=0.01)


def test_the_draws_of_a_large_grid_stay_within_the_memory_given():
    fit = wide_fit(50)
    tracemalloc.start()
    bands_on_grid(bs.extrapolate, fit, compute=list(np.geomspace(1e21, 1e24, 12)), prob=[0.9], memory=1e8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All at once they would be 12 points of 1.6 MB for each of some ten arrays at a time.
    assert peak < 1e8


def test_a_grid_whose_draws_would_not_fit_is_refused_with_the_remedy():
    fit = wide_fit(50)
    with pytest.raises(QuestionError, match=r"10,000 points of 50 families would be 16\.0 GB.*bands_on_grid"):
        bs.extrapolate(fit, compute=list(np.geomspace(1e21, 1e24, 10_000)))


SCRIPT = """
import resource
import numpy as np
import bayescale as bs
from test_bands_on_grid import wide_fit
grid = bs.answers.bands_on_grid(
    bs.extrapolate, wide_fit(50), compute=list(np.geomspace(1e21, 1e25, 10_000)), prob=[0.5, 0.9]
)
assert grid["loss_lower"].shape == (2, 10_000, 50) and bool(np.isfinite(grid["loss_lower"]).all())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is counted in other units elsewhere")
def test_4000_draws_of_10000_points_and_50_families_take_less_than_a_gigabyte():
    here = Path(__file__).parent
    path = [str(here), str(here.parent), str(here.parents[1])]
    script = f"import sys; sys.path[:0] = {path!r}\n{SCRIPT}"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(said) < 1e9
