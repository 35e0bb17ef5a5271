"""Leave-one-out and leave-the-largest-out on sampled posteriors (each fitted once a session)."""

import importlib

import numpy as np
import pytest
from pinned import simulated_runs
from scipy import stats
from scipy.special import logsumexp

import bayescale as bs
from bayescale.cards import load_card
from bayescale.errors import QuestionError
from bayescale.forms import shipped_forms, unpack_skipped
from bayescale.forms.backtest import PROBS
from bayescale.inference import log_likelihood
from bayescale.modeling import prepare

pytestmark = pytest.mark.sampling
loo = importlib.import_module("bayescale.forms.compare")


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
def few():
    """Twelve scattered runs: each matters so much to seven parameters that PSIS fails for some."""
    runs = simulated_runs(sizes=4, ratios=3, noise=0.02, seed=3)
    return runs, {model: bs.fit(runs, model, seed=1) for model in ("chinchilla", "kaplan")}


# ArviZ warns of a Pareto k that compare is about to refit, or was told not to.
expected = pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")


@expected
def test_runs_that_importance_sampling_cannot_leave_out_are_refitted_exactly(few):
    runs, fits = few
    rough, exact = (bs.compare(fits, refit=refit).sel(model="chinchilla") for refit in (False, True))
    bad = np.flatnonzero(rough["pareto_k"].values > 0.7)
    assert 1 <= len(bad) == int(rough["bad_k"]) == int(exact["refitted"]) <= loo.MAX_REFITS
    assert int(rough["refitted"]) == 0
    good = np.setdiff1d(np.arange(12), bad)
    np.testing.assert_allclose(exact["elpd_i"][good], rough["elpd_i"][good], rtol=1e-9)
    for i in bad:
        kept, out = runs.isel(run=np.arange(12) != i), runs.isel(run=[i])
        card = load_card("chinchilla")
        posterior = bs.fit(kept, seed=1, prior_draws=0, tries=1, method="auto")["posterior"].to_dataset()
        density = log_likelihood(prepare(card, kept), posterior, out)["log_loss"]
        assert float(exact["elpd_i"][i]) == pytest.approx(logsumexp(density.values) - np.log(4000), abs=1e-9)
    assert float(exact["elpd_loo"]) == pytest.approx(float(exact["elpd_i"].sum()), abs=1e-9)


@expected
def test_where_too_many_are_bad_ten_folds_are_refitted(few, monkeypatch):
    _, fits = few
    exact = bs.compare(fits)
    monkeypatch.setattr(loo, "MAX_REFITS", 0)
    folds = bs.compare(fits)
    assert folds["refitted"].values.tolist() == [12, 12]
    # A fold leaves out one or two runs of twelve: a little harder than one.
    assert float(folds["elpd_loo"].sel(model="chinchilla")) == pytest.approx(
        float(exact["elpd_loo"].sel(model="chinchilla")), abs=4
    )


@pytest.fixture(scope="module")
def held():
    # 8 x 8 runs of the law itself over four decades of compute.
    lines = []
    runs = simulated_runs(sizes=8, ratios=8, noise=0.005, seed=11)
    out = bs.backtest(runs, "chinchilla", factor=[10, 100, 1e6], seed=1, progress=lines.append)
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
    assert [line.partition(":")[0] for line in lines] == ["chinchilla"] * 2
    assert "weight" not in out
    assert out.attrs["model"] == "chinchilla"


def test_bands_are_nested_about_the_median(held):
    _, out, _ = held
    assert bool((out["lower"].diff("prob") < 0).all())
    assert bool((out["upper"].diff("prob") > 0).all())
    assert bool(((out["lower"] < out["median"]) & (out["median"] < out["upper"])).all())


def test_a_factor_that_leaves_too_few_runs_is_skipped_with_its_reason(held):
    _, out, _ = held
    assert set(out["factor"].values) == {10.0, 100.0}
    (skipped,) = unpack_skipped(out)
    assert (skipped.form, skipped.factor) == (None, 1e6)
    assert skipped.reason.endswith("runs are that small; it takes 8.")


def test_bands_hold_about_as_often_as_they_say(held):
    # The runs are the law's own, so nothing but luck keeps a 90% band from its 90%. Errors of one fit are shared by all
    # its predictions, so that the count is wider than binomial: it must not be impossible at half the runs.
    _, out, _ = held
    table = bs.forms.score(out)
    for factor, row in table.iterrows():
        independent = max(int(row["runs"] // 2), 1)
        least = stats.binom.ppf(1e-3, independent, 0.9) / independent
        assert row["coverage"] >= least, (factor, row["coverage"], least)
        assert abs(row["bias"]) < 2, "percent of the loss"
        assert row["width"] < 20, "a band may not be right by being endless"
        assert row["winkler"] >= row["width"] * 0.5
    # A run's own density: sd 0.5% and some uncertainty of the law.
    assert table.loc[10.0, "elpd"] / table.loc[10.0, "runs"] > 2


def test_the_crps_lies_between_none_and_the_error(held):
    _, out, _ = held
    # Of a band that is as wide as its error it is about a quarter of a standard deviation; of a far miss, the error.
    assert bool((out["crps"] > 0).all())
    width = (out["upper"] - out["lower"]).sel(prob=0.5)
    assert bool((out["crps"] < abs(out["loss"] - out["median"]) + width / 2).all())


def test_runs_too_few_for_any_factor_give_an_empty_table():
    out = bs.backtest(simulated_runs(sizes=3, ratios=2), "chinchilla", factor=1000)
    assert out.sizes["held_out"] == 0
    assert [record.factor for record in unpack_skipped(out)] == [1000.0]
    assert len(bs.forms.score(out)) == 0


def test_a_backtest_is_of_the_forecast_unless_told():
    few = simulated_runs(sizes=3, ratios=3)
    out = bs.backtest(few, factor=1e5)
    assert out.attrs["model"] == "forecast"
    assert out["form"].values.tolist() == list(shipped_forms())
    assert out["weight"].sizes == {"held_out": 0, "form": 5}
    # What nine runs cannot identify is left out and said so; the rest is asked.
    assert "farseer+drift" in [record.form for record in unpack_skipped(out)]


@pytest.mark.parametrize("factor", [1.0, 0.5, [10, -1], np.nan])
def test_a_cut_off_at_or_above_the_largest_run_is_refused(factor):
    with pytest.raises(QuestionError, match="a factor is above 1"):
        bs.backtest(simulated_runs(sizes=3, ratios=3), "chinchilla", factor=factor)


def test_forms_of_ones_own_choice_are_weighed():
    runs = simulated_runs(sizes=7, ratios=7, noise=0.005, seed=2)
    out = bs.backtest(runs, {"power-floor:compute": 3, "power:compute": 1}, factor=[100, 300])
    assert out["form"].values.tolist() == ["power-floor:compute", "power:compute"]
    np.testing.assert_allclose(out["weight"].sum("form"), 1)
    # Weights are those earned below the cut: one set for each.
    for factor in (100, 300):
        part = out["weight"].isel(held_out=(out["factor"] == factor).values)
        assert float(part.std("held_out").max()) < 1e-12
    assert float(abs(out["weight"].isel(held_out=0, form=0) - 0.75)) > 0.01, "a rehearsal moves what was believed"
