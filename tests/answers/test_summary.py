import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, KAPLAN, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.answers import bands
from bayescale.errors import QuestionError


def test_bands_are_the_quantiles():
    draws = xr.DataArray(np.linspace(0, 1, 1001).reshape(7, 143), dims=("chain", "draw"))
    found = bands(draws, (0.5, 0.9))
    assert float(found["median"]) == pytest.approx(0.5)
    np.testing.assert_allclose(found["lower"], [0.25, 0.05], atol=1e-12)
    np.testing.assert_allclose(found["upper"], [0.75, 0.95], atol=1e-12)
    np.testing.assert_allclose(found["prob"], [0.5, 0.9])


def test_a_summary_has_a_row_for_each_variable_and_point():
    table = bs.extrapolate(pinned_fit(), ["10x", "100x"]).pipe(bs.summary)
    assert table.index.names == ["variable", "point"]
    assert set(table.index) == {(v, p) for v in ("expected_loss", "loss") for p in (0, 1)}
    edges = [f"{side}_{mass}" for mass in (50, 80, 95) for side in ("lower", "upper")]
    assert list(table.columns) == ["median", *edges, "unit"]
    assert set(table["unit"]) == {"nats/token"}


def test_its_values_are_the_draws_quantiles():
    far = bs.extrapolate(pinned_fit(spread=0.02), "100x")
    row = bs.summary(far, (0.9,)).loc[("loss", 0)]
    wanted = np.quantile(far["loss"].values, [0.5, 0.05, 0.95])
    np.testing.assert_allclose([row["median"], row["lower_90"], row["upper_90"]], wanted, rtol=1e-12)


def test_pinned_draws_have_a_band_without_width():
    row = bs.optimal_split(pinned_fit(), 5.76e23).pipe(bs.summary).loc[("params", 0)]
    assert row["lower_95"] == pytest.approx(row["upper_95"]) == pytest.approx(7.225e10, rel=5e-4)
    assert row["unit"] == "parameters"


def test_families_are_rows_and_the_population_has_none():
    floor = bs.irreducible_loss(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}))
    table = bs.summary(floor)
    assert table.index.names == ["variable", "family"]
    assert table.loc[("irreducible_loss", "old"), "median"] == pytest.approx(1.69)
    assert table.loc[("population", ""), "median"] == pytest.approx(np.sqrt(1.69 * 1.8172))
    assert "lowest_seen" not in table.index.get_level_values("variable")


def test_a_plain_answer_is_one_row():
    table = bs.summary(bs.irreducible_loss(pinned_fit("kaplan", KAPLAN)))
    assert table.loc["irreducible_loss", "median"] == 0.0
    assert len(table) == 1


def test_bands_bear_draws_that_are_infinite_and_variables_without_any():
    draws = xr.DataArray([[1.0, 2.0, 3.0, np.inf, np.inf]], dims=("chain", "draw"))
    found = bands(draws, (0.5,))
    assert [float(found[k].squeeze()) for k in ("lower", "median", "upper")] == [2.0, 3.0, np.inf]
    assert bool(np.isnan(bands(draws * np.nan, (0.5,))["median"]))


def test_a_table_of_scores_has_no_bands():
    with pytest.raises(QuestionError, match=r"no variable has draws \(dims chain, draw\): weight"):
        bs.summary(xr.Dataset({"weight": ("form", [1.0])}))
