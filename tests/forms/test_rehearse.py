"""Where runs are cut, and what forms said of the larger ones: posteriors made by hand but for one that is sampled."""

import importlib

import numpy as np
import pandas as pd
import pytest
from curved import pinned_curves, simulated_curves, upto
from pinned import BESIROGLU, FAILED, KAPLAN, pinned_fit, simulated_frame, simulated_runs
from scipy import stats

import bayescale as bs
from bayescale.cards import load_card
from bayescale.errors import DesignError, SamplingError
from bayescale.forms import LADDER, Skipped, rehearse, unpack_skipped
from bayescale.forms.rehearse import cut

PAPERS = {"chinchilla": BESIROGLU, "kaplan": KAPLAN}
CHINCHILLA = load_card("chinchilla")


@pytest.fixture
def fitted(monkeypatch):
    """Posteriors whose every draw is the paper's law with a scatter of 0.5%, and how often each was asked for."""
    asked = []

    def fit(train, card, **options):
        asked.append((card.name, train.sizes["run"]))
        return pinned_fit(card.name, PAPERS[card.name], runs=train, seed=options["seed"])

    monkeypatch.setattr(importlib.import_module("bayescale.forms.rehearse"), "fit", fit)
    return asked


@pytest.fixture(scope="module")
def runs():
    """49 runs over more than six decades of compute."""
    return simulated_runs(sizes=7, ratios=7)


def with_families(**of):
    """Runs of several families, each with the sizes that it is given."""
    frames = [simulated_frame(sizes=5, ratios=3, family=name).query(sizes) for name, sizes in of.items()]
    return bs.read_runs(pd.concat(frames))


# Cuts


@pytest.mark.parametrize("factor", [3.0, 10.0, 100.0])
def test_a_cut_leaves_every_run_on_one_side(runs, factor):
    train, test = cut(runs, CHINCHILLA, factor)
    limit = float(runs["compute"].max()) / factor
    assert train.sizes["run"] + test.sizes["run"] == 49
    assert float(train["compute"].max()) <= limit < float(test["compute"].min())


def test_a_run_at_the_cut_is_fitted_whatever_its_rounding(runs):
    compute = np.sort(runs["compute"].values)
    for at in (30, 40):
        train, _ = cut(runs, CHINCHILLA, compute[-1] / compute[at])
        assert train.sizes["run"] == (runs["compute"] <= compute[at] * (1 + 1e-9)).sum()


def test_a_family_without_smaller_runs_is_not_predicted():
    both = with_families(a="params > 0", b="params > 2e9")
    train, test = cut(both, CHINCHILLA, 100)
    assert set(train["family"].values) == set(test["family"].values) == {"a"}
    later = cut(both, CHINCHILLA, 3)[1]
    assert set(later["family"].values) == {"a", "b"}


@pytest.mark.parametrize(
    ("sizes", "ratios", "factor", "said"),
    [
        (7, 7, 1e6, r"\d runs are that small; it takes 8"),
        (4, 7, 5e3, "the runs that small have 2 values of params; it takes 3"),
        (7, 7, 1.0001, "1 runs are larger|0 runs are larger"),
    ],
)
def test_a_cut_that_is_no_rehearsal_is_refused(sizes, ratios, factor, said):
    with pytest.raises(DesignError, match=said):
        cut(simulated_runs(sizes=sizes, ratios=ratios), CHINCHILLA, factor)


def test_a_curve_is_rehearsed_on_fewer_points_and_by_one():
    examples = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 10.0])
    curve = bs.read_runs(pd.DataFrame({"examples": 100 * examples, "loss": 3 / examples**0.1}), suspicious="keep")
    train, test = cut(curve, load_card("power:examples"), 2)
    assert train["examples"].values.tolist() == [100, 200, 300, 400, 500]
    assert test["examples"].values.tolist() == [1000]
    with pytest.raises(DesignError, match="3 runs are that small; it takes 5"):
        cut(curve, load_card("power:examples"), 3)


# What was said


def test_every_larger_run_is_predicted_by_every_form(runs, fitted):
    lines = []
    held = rehearse(runs, ["chinchilla", "kaplan"], [10, 100], seed=3, progress=lines.append)
    assert held["form"].values.tolist() == ["chinchilla", "kaplan"]
    assert held["predicted"].dims == ("form", "chain", "draw", "held_out")
    compute, largest = runs["compute"].values, float(runs["compute"].max())
    for factor in (10, 100):
        part = held.isel(held_out=(held["factor"] == factor).values)
        small = compute <= largest / factor * (1 + 1e-6)
        assert sorted(part["run"].values) == sorted(runs["run"].values[~small])
        assert set(part["fitted"].values) == {small.sum()}
        np.testing.assert_allclose(part["decades_beyond"], np.log10(part["compute"] / compute[small].max()))
        np.testing.assert_array_equal(part["loss"], runs["loss"].sel(run=part["run"].values))
        assert [(name, small.sum()) for name in ("chinchilla", "kaplan")] == [f for f in fitted if f[1] == small.sum()]
    assert (held.attrs["measure"], held.attrs["response"], unpack_skipped(held)) == ("compute", "loss", [])
    assert held.attrs["largest"] == largest
    assert len(lines) == 4
    assert lines[0] == "chinchilla: predicting the largest runs from those 10x smaller"


def test_a_known_law_predicts_with_its_scatter_and_its_density(runs, fitted):
    held = rehearse(runs, ["chinchilla", "kaplan"], [10], seed=3)
    # Runs without scatter: log loss is the law's, so the density is that of a t at its centre, scale 0.5%.
    centre = stats.t.logpdf(0, 1e6) - np.log(0.005)
    np.testing.assert_allclose(held["log_density"].sel(form="chinchilla"), centre, rtol=1e-6)
    logs = np.log(held["predicted"] / held["loss"]).sel(form="chinchilla")
    assert float(logs.std()) == pytest.approx(0.005, rel=0.02)
    assert float(abs(logs.mean())) < 0.005 / np.sqrt(logs.size) * 5
    # Kaplan's law is a different one: each run lies where its law says.
    law = bs.laws.get_law("kaplan").paper(np, KAPLAN, params=held["params"].values, tokens=held["tokens"].values)
    other = stats.t.logpdf(np.log(held["loss"].values / law) / 0.005, 1e6) - np.log(0.005)
    np.testing.assert_allclose(held["log_density"].sel(form="kaplan"), other, rtol=1e-6)


def test_the_seed_is_of_the_scatter(runs, fitted):
    first, again, other = (rehearse(runs, ["chinchilla"], [10], seed=seed)["predicted"] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


# Bad news


def test_a_form_that_cannot_be_fitted_at_a_cut_is_reported_and_left_out(runs, monkeypatch):
    def fit(train, card, **options):
        if card.name == "kaplan":
            raise SamplingError("the sampler could not start: no density.")
        return pinned_fit(card.name, runs=train)

    monkeypatch.setattr(importlib.import_module("bayescale.forms.rehearse"), "fit", fit)
    held = rehearse(runs, ["kaplan", "chinchilla"], [10])
    assert unpack_skipped(held) == [Skipped("kaplan", 10.0, "the sampler could not start: no density.")]
    assert str(unpack_skipped(held)[0]) == "10x, kaplan: the sampler could not start: no density."
    assert np.isnan(held["predicted"].sel(form="kaplan")).all()
    assert np.isnan(held["log_density"].sel(form="kaplan")).all()
    assert np.isfinite(held["log_density"].sel(form="chinchilla")).all()


def test_a_posterior_that_may_not_be_quoted_predicts_nothing(runs, monkeypatch):
    def fit(train, card, **options):
        return pinned_fit(card.name, runs=train, verdict=FAILED)

    monkeypatch.setattr(importlib.import_module("bayescale.forms.rehearse"), "fit", fit)
    held = rehearse(runs, ["chinchilla"], [10, 100])
    assert held.sizes["held_out"] == 0
    left_out = unpack_skipped(held)
    assert [(record.form, record.factor) for record in left_out] == [("chinchilla", 10.0), ("chinchilla", 100.0)]
    assert "diverged" in left_out[0].reason


def test_cuts_that_cannot_be_made_are_reported_each_with_its_reason(runs, fitted):
    held = rehearse(runs, ["chinchilla"], [10, 1e6, 1e9])
    assert set(held["factor"].values) == {10.0}
    first, second = unpack_skipped(held)
    assert (first.factor, second.factor) == (1e6, 1e9)
    assert "runs are that small; it takes 8" in second.reason


def test_runs_too_few_for_any_cut_give_an_empty_answer(fitted):
    held = rehearse(simulated_runs(sizes=3, ratios=2), ["chinchilla"], LADDER)
    assert held.sizes["held_out"] == 0
    assert held["log_density"].sizes == {"form": 1, "held_out": 0}
    assert len(unpack_skipped(held)) == len(LADDER)
    assert not fitted


def test_a_form_that_all_runs_cannot_identify_is_left_out_and_refused_alone(runs, fitted):
    held = rehearse(runs, ["repeats", "chinchilla"], [10])
    assert held["form"].values.tolist() == ["chinchilla"]
    (left_out,) = unpack_skipped(held)
    assert (left_out.form, left_out.factor) == ("repeats", None)
    assert "unique_tokens" in left_out.reason
    with pytest.raises(DesignError, match="unique_tokens"):
        rehearse(runs, ["repeats"], [10])


def test_families_without_small_runs_are_missing_from_the_answer(monkeypatch):
    families = {"a": BESIROGLU, "b": BESIROGLU | {"E": 1.5}}

    def fit(train, card, **options):
        seen = {name: families[name] for name in np.unique(train["family"].values)}
        return pinned_fit(card.name, runs=train, families=seen)

    monkeypatch.setattr(importlib.import_module("bayescale.forms.rehearse"), "fit", fit)
    both = with_families(a="params > 0", b="params > 2e9")
    held = rehearse(both, ["chinchilla"], [3, 100])
    assert set(held["family"].values[held["factor"].values == 100]) == {"a"}
    near = held.isel(held_out=(held["factor"] == 3).values)
    assert set(near["family"].values) == {"a", "b"}
    # Each is predicted by its own law: both simulate the same, which has the floor of a.
    centre = stats.t.logpdf(0, 1e6) - np.log(0.005)
    of_a = (near["family"] == "a").values
    np.testing.assert_allclose(near["log_density"].isel(form=0, held_out=of_a), centre, rtol=1e-6)
    assert (near["log_density"].isel(form=0, held_out=~of_a) < centre - 10).all()


# Learning curves


@pytest.fixture
def curves():
    """Curves that stop before their rates have fallen, a tenth above their annealed loss; all of one length."""
    return upto(simulated_curves(hot=0.2, runs=30), 0.5)


def test_a_cut_leaves_out_whole_curves(curves):
    card, ends = load_card("chinchilla+curve"), bs.runs.final_runs(curves)
    train, test = cut(curves, card, 3)
    limit = float(ends["compute"].max()) / 3
    small = ends["run"].values[ends["compute"].values <= limit]
    assert set(train["run"].values) == set(small)
    assert (train["run"] == small[0]).sum() == (curves["run"] == small[0]).sum()
    assert test["run"].values.tolist() == ends["run"].values[ends["compute"].values > limit].tolist()
    np.testing.assert_array_equal(test["loss"], ends["loss"].sel(run=test["run"].values))


def test_the_last_loss_of_a_curve_is_predicted_as_it_was_not_annealed(curves, monkeypatch):
    asked = []

    def fit(train, card, **options):
        asked.append(train)
        return pinned_curves(train, hot=0.2)

    monkeypatch.setattr(importlib.import_module("bayescale.forms.rehearse"), "fit", fit)
    held = bs.backtest(curves, "chinchilla+curve", 3)
    assert len(np.unique(asked[0]["run"].values)) == held["fitted"][0]
    assert set(held["run"].values).isdisjoint(asked[0]["run"].values)
    assert float(abs(np.log(held["median"] / held["loss"])).max()) < 0.04  # annealed, all would be 0.1 off
    width = np.log(held["upper"] / held["lower"]).sel(prob=0.9) / 2 / 1.645
    decades = np.log10(held["tokens"] / np.exp(np.log(asked[0]["tokens"]).mean()))
    # One checkpoint of a run of which nothing was seen: its offset, tilt, wander, noise, and what of `hot` is its own.
    heat = float((curves["lr"] / curves["peak_lr"]).min())
    sd = np.sqrt(0.01**2 + (0.01 * decades) ** 2 + 0.001**2 + 0.002**2 + (0.05 * 0.2 * 0.95 * heat) ** 2)
    np.testing.assert_allclose(width, sd, rtol=0.2)
    centre = stats.norm.logpdf(np.log(held["loss"] / held["median"]), scale=sd)
    np.testing.assert_allclose(held["elpd"], centre, atol=0.5)


def test_finished_runs_are_no_curves_and_curves_no_finished_runs(curves):
    with pytest.raises(DesignError, match=r"each row for a run of its own.*bs.runs.final_runs\(curves\)"):
        bs.backtest(curves, "chinchilla", 3)
    with pytest.raises(DesignError, match="is of learning curves, and these are 30 finished runs"):
        bs.backtest(bs.runs.final_runs(curves), "chinchilla+curve", 3)
