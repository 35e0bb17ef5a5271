"""Leave-one-out and leave-the-largest-out on sampled posteriors (each fitted once a session)."""

import numpy as np
import pytest
from pinned import simulated_runs
from scipy import stats

import bayescale as bs
from bayescale.compare.largest_out import PROBS

pytestmark = pytest.mark.sampling


def test_the_240_points_prefer_a_floor(hoffmann_fit, hoffmann_kaplan_fit):
    table = bs.compare({"kaplan": hoffmann_kaplan_fit, "chinchilla": hoffmann_fit}, refit=False)
    assert table["model"].values.tolist() == ["chinchilla", "kaplan"]
    assert float(table["elpd_diff"].sel(model="chinchilla")) == 0
    assert -float(table["elpd_diff"].sel(model="kaplan")) > 2 * float(table["dse"].sel(model="kaplan"))
    assert float(table["weight"].sel(model="chinchilla")) > 0.7
    assert float(table["weight"].sum()) == pytest.approx(1, abs=1e-6)
    # Five law parameters, sigma and nu: the effective number is near seven.
    assert 3 < float(table["p_loo"].sel(model="chinchilla")) < 12
    assert table["elpd_i"].sizes == {"model": 2, "run": 240}


@pytest.fixture(scope="module")
def held():
    # 8 x 8 runs of the law itself over four decades of compute.
    lines = []
    runs = simulated_runs(sizes=8, ratios=8, noise=0.005, seed=11)
    out = bs.backtest(runs, factor=[10, 100, 1e6], seed=1, progress=lines.append)
    return runs, out, lines


def test_a_backtest_predicts_every_larger_run(held):
    runs, out, lines = held
    compute = runs["compute"].values
    for factor in (10, 100):
        cut = compute.max() / factor * (1 + 1e-6)
        part = out.isel(held_out=(out["factor"] == factor).values)
        assert sorted(part["run"].values) == sorted(runs["run"].values[compute > cut])
        assert set(part["fitted"].values) == {int((compute <= cut).sum())}
        fitted = compute[compute <= cut].max()
        np.testing.assert_allclose(part["decades_beyond"], np.log10(part["compute"] / fitted))
        assert float(part["decades_beyond"].min()) > 0
        where = runs.sel(run=part["run"].values)
        np.testing.assert_array_equal(part["loss"], where["loss"])
    assert out["prob"].values.tolist() == list(PROBS)
    assert len(lines) == 3
    assert all("chinchilla" in line for line in lines)


def test_bands_are_nested_about_the_median(held):
    _, out, _ = held
    assert bool((out["lower"].diff("prob") < 0).all())
    assert bool((out["upper"].diff("prob") > 0).all())
    assert bool(((out["lower"] < out["median"]) & (out["median"] < out["upper"])).all())


def test_a_factor_that_leaves_too_few_runs_is_skipped_with_its_reason(held):
    _, out, _ = held
    assert set(out["factor"].values) == {10.0, 100.0}
    skipped = out.attrs["skipped"].splitlines()
    assert len(skipped) == 1
    assert skipped[0].startswith("1e+06x: ")
    assert "cannot fit the 5 parameters" in skipped[0]


def test_bands_hold_about_as_often_as_they_say(held):
    # The runs are the law's own, so nothing but luck keeps a 90% band from its 90%. Errors of one fit are shared by all
    # its predictions, so that the count is wider than binomial: it must not be impossible at half the runs.
    _, out, _ = held
    table = bs.score(out)
    for factor, row in table.iterrows():
        independent = max(int(row["runs"] // 2), 1)
        least = stats.binom.ppf(1e-3, independent, 0.9) / independent
        assert row["coverage"] >= least, (factor, row["coverage"], least)
        assert abs(row["bias"]) < 2, "percent of the loss"
        assert row["width"] < 20, "a band may not be right by being endless"
        assert row["winkler"] >= row["width"] * 0.5
    # A run's own density: sd 0.5% and some uncertainty of the law.
    assert table.loc[10.0, "elpd"] / table.loc[10.0, "runs"] > 2


def test_runs_too_few_for_any_factor_give_an_empty_table():
    out = bs.backtest(simulated_runs(sizes=3, ratios=2), factor=1000)
    assert out.sizes["held_out"] == 0
    assert "1000x: " in out.attrs["skipped"]
    assert len(bs.score(out)) == 0
