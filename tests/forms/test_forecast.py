"""One answer from several forms: posteriors and rehearsals made by hand, and two cheap forms that are sampled."""

import importlib

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit, simulated_runs, with_errors

import bayescale as bs
from bayescale.cards import load_card
from bayescale.errors import CardError, QuestionError, SamplingError, UnconvergedError
from bayescale.forms import (
    Skipped,
    fit_forms,
    forms_for,
    held_out,
    mix_forms,
    pack_skipped,
    rehearse,
    shipped_forms,
    unpack_skipped,
)
from bayescale.forms.forms_for import keep_forms
from bayescale.forms.weights import TOGETHER, drawn_together, form_weights

CHEAP = ["power-floor:compute+drift", "power:compute+drift"]
PAIR = ["chinchilla", "kaplan"]


@pytest.fixture(scope="module")
def runs():
    return simulated_runs(sizes=4, ratios=4)


@pytest.fixture(scope="module")
def fits(runs):
    """Of the same runs, by two forms that are sure of themselves and do not agree."""
    return {
        "chinchilla": pinned_fit("chinchilla", BESIROGLU, runs=runs, spread=0.002, chains=4, draws=500, seed=1),
        "kaplan": pinned_fit("kaplan", KAPLAN, runs=runs, spread=0.002, chains=4, draws=500, seed=2),
    }


def rehearsal(runs, densities, names=PAIR, skipped=()):
    """What forms said at one cut-off, ten times down, of the two largest runs: their log densities."""
    top = runs.sortby("compute").isel(run=[-2, -1])
    values = {"log_density": (("form", "held_out"), np.repeat(np.array(densities, float)[:, None], 2, axis=1))}
    coords = {"form": names, "factor": ("held_out", [10.0, 10.0]), "compute": ("held_out", top["compute"].values)}
    largest = float(runs["compute"].max())
    return xr.Dataset(values, coords).assign_attrs(pack_skipped(skipped), measure="compute", largest=largest)


def ask(runs, fits, densities=(0.0, 0.0), compute="10x", **options):
    known = options.pop("rehearsed", rehearsal(runs, densities))
    return mix_forms(runs, compute, models=options.pop("models", PAIR), fits=fits, rehearsed=known, **options)


# The forms


def test_the_shipped_forms_are_cards_that_may_be_wrong():
    weights = shipped_forms()
    assert sum(weights.values()) == pytest.approx(1)
    assert all(load_card(name).discrepancy is not None for name in weights)
    assert all(load_card(name).name == name for name in weights)


def test_forms_given_without_weights_are_worth_the_same(runs):
    cards, weights = forms_for(runs, PAIR)
    assert list(cards) == PAIR
    assert weights == {"chinchilla": 0.5, "kaplan": 0.5}
    assert forms_for(runs, {"chinchilla": 3, "kaplan": 1})[1] == {"chinchilla": 0.75, "kaplan": 0.25}
    for one in ("kaplan", load_card("kaplan")):
        assert forms_for(runs, one)[1] == {"kaplan": 1.0}


def test_forms_can_be_asked_more_than_once():
    assert keep_forms(name for name in PAIR) == PAIR
    for models in (None, "chinchilla", {"chinchilla": 2.0}):
        assert keep_forms(models) is models


def test_forms_are_known_by_the_names_of_their_cards(runs, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "chinchilla"\ndiscrepancy = "drift"\n')
    for models in ({str(path): 1.0, "kaplan": 1.0}, [path, "kaplan"]):
        cards, weights = forms_for(runs, models)
        assert list(cards) == list(weights) == ["mine", "kaplan"]


def test_the_shipped_forms_are_asked_of_runs_with_n_and_d(runs):
    assert set(forms_for(runs)[0]) == set(shipped_forms())


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([], "name at least one form"),
        ({}, "name at least one form"),
        (["kaplan", "kaplan"], "'kaplan' is named twice"),
        ({"kaplan": 0.0}, "'kaplan' has the weight 0.0; a weight is positive"),
        ({"kaplan": float("nan"), "chinchilla": 1.0}, "'kaplan' has the weight nan"),
        (["chinchilla", "accuracy"], "chinchilla of loss, accuracy of accuracy"),
    ],
)
def test_forms_that_are_no_set_of_forms_are_refused(runs, models, said):
    with pytest.raises(QuestionError, match=said):
        forms_for(runs, models)


# One answer


def test_each_draw_is_that_of_one_form_and_forms_have_their_shares(runs, fits):
    far = ask(runs, fits, (np.log(3), 0.0))
    assert far["loss"].dims == ("chain", "draw", "point")
    assert far["form_loss"].dims == ("form", "chain", "draw", "point")
    # The rehearsal is as long as the question: 3 : 1.
    assert far["weight"].sel(form=PAIR).values == pytest.approx([0.75, 0.25])
    assert far["prior_weight"].values.tolist() == [0.5, 0.5]
    assert int((far["chosen"] == 1).sum()) == 500
    for name in ("loss", "form_loss"):
        assert far[name].attrs["units"] == "nats/token"
    for place in (0, 1):
        mine = (far["chosen"] == place).values
        near = drawn_together(far["form_loss"], far["weight"]).isel(form=place)
        np.testing.assert_allclose(far["loss"].values[mine], near.values[mine])
    assert far.attrs["model"] == "forecast"
    assert far["form"].values.tolist() == PAIR
    assert float(far["decades_beyond"].item()) == pytest.approx(1)


def test_expected_and_observed_loss_are_of_the_same_form(runs, fits):
    far = ask(runs, fits)
    # Scatter is 0.5%, while the forms differ by more.
    apart = np.log(far["form_loss"].median(("chain", "draw")))
    assert float(abs(apart.diff("form")).min()) > 0.02
    assert float(abs(np.log(far["loss"] / far["expected_loss"])).max()) < 0.03


def test_all_forms_are_asked_about_the_same_run(runs, fits):
    far = ask(runs, fits, (np.log(3), 0.0))
    alone = [np.log(float(bs.extrapolate(fits[name], "10x")["params"].item())) for name in PAIR]
    assert np.log(float(far["params"].item())) == pytest.approx(0.75 * alone[0] + 0.25 * alone[1])
    assert float(far["compute"].item()) == pytest.approx(10 * float(runs["compute"].max()))
    for place, name in enumerate(PAIR):
        said = bs.extrapolate(fits[name], params=far["params"].values, tokens=far["tokens"].values)
        np.testing.assert_allclose(said["loss"].values, far["form_loss"].isel(form=place).values, rtol=1e-6)


def test_the_shares_say_that_forms_disagree_and_sum_to_one(runs, fits):
    far = ask(runs, fits)
    shares = [far[f"share_{part}"] for part in ("form", "parameters", "drift", "noise")]
    assert float(sum(shares).item()) == pytest.approx(1)
    assert float(far["share_drift"].item()) == 0
    medians = np.log(far["form_loss"]).median(("chain", "draw"))
    # Two equal halves, drawn together: the variance between is a quarter of the squared difference that is left; a 90%
    # band is 3.29 sd wide.
    apart = (3.29 * float(medians.diff("form").item())) ** 2 / 4
    between = (1 - TOGETHER) ** 2 * apart
    logs = np.log(far["form_loss"])
    width = logs.quantile(0.95, ("chain", "draw")) - logs.quantile(0.05, ("chain", "draw"))
    within = float((width**2).mean("form").item())
    assert float(far["share_form"].item()) == pytest.approx(between / (between + within), rel=1e-6)
    # How far the forms agree is asked of what each says as it is.
    assert float(far["disagreement"].item()) == pytest.approx(apart / (apart + within), rel=1e-6)
    assert float(ask(runs, fits, (19.0, -19.0))["share_form"].item()) < 1e-6


def test_what_runs_share_is_a_part_of_the_width_where_a_form_knows_of_it(runs, fits):
    assert "share_errors" not in ask(runs, fits)
    knows = fits | {"kaplan": with_errors(fits["kaplan"], budget=0.02)}
    far = ask(runs, knows)
    shares = [far[f"share_{part}"] for part in ("form", "parameters", "drift", "errors", "noise")]
    assert float(sum(shares).item()) == pytest.approx(1)
    one = bs.extrapolate(knows["kaplan"], params=far["params"].values, tokens=far["tokens"].values)
    assert 0 < float(far["share_errors"].item()) < float(one["share_errors"].item())


def test_one_form_alone_says_what_its_own_extrapolation_does(runs, fits):
    for where in ({"compute": ["2x", "100x"]}, {"params": ["1B", "3B"], "tokens": "100B"}):
        one = mix_forms(
            runs, **where, models="chinchilla", fits=fits, rehearsed=rehearsal(runs, (0.0,), PAIR[:1]), seed=4
        )
        alone = bs.extrapolate(fits["chinchilla"], **where, seed=4)
        for name in ("loss", "expected_loss", "params", "tokens", "share_noise", "share_parameters"):
            np.testing.assert_allclose(one[name].values, alone[name].values, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(one["share_form"], 0, atol=1e-12)


def test_the_seed_chooses_the_draws(runs, fits):
    first, again, other = (ask(runs, fits, seed=seed) for seed in (1, 1, 2))
    xr.testing.assert_identical(first, again)
    assert (first["chosen"] != other["chosen"]).any()
    assert (first["form_loss"] != other["form_loss"]).any()


def test_cut_offs_beyond_100x_are_for_backtests_alone(runs, fits):
    known = rehearsal(runs, (1.0, 0.0))
    too_far = Skipped(None, 1000.0, "3 runs are that small.")
    longer = known.assign_coords(factor=("held_out", [300.0, 300.0])).assign(log_density=-known["log_density"])
    both = xr.concat([known, longer], "held_out").assign_attrs(known.attrs | pack_skipped([too_far]))
    far = ask(runs, fits, rehearsed=both)
    xr.testing.assert_identical(far, ask(runs, fits, (1.0, 0.0)))


def test_a_list_of_computes_is_a_path_with_one_set_of_weights(runs, fits):
    far = ask(runs, fits, (1.0, 0.0), compute=["1x", "10x", "100x"])
    assert far["loss"].sizes["point"] == 3
    assert far["weight"].dims == ("form",)
    # Two decades out, a rehearsal of one decade counts half.
    assert float(far["evidence"]) == pytest.approx(0.5)
    assert np.log(far["weight"][0] / far["weight"][1]) == pytest.approx(0.5)
    np.testing.assert_allclose(far["decades_beyond"], [0, 1, 2], atol=1e-9)


def test_families_are_answered_each_by_its_own():
    families = {"a": BESIROGLU, "b": ROUNDED}
    each = {"chinchilla": pinned_fit("chinchilla", families=families, spread=0.002, chains=4, draws=500, seed=1)}
    both = bs.inference.runs_of(each["chinchilla"])
    known = {"models": ["chinchilla"], "rehearsed": rehearsal(both, (0.0,), PAIR[:1])}
    far = ask(both, each, **known)
    assert far["loss"].dims == ("chain", "draw", "point", "family")
    one = ask(both, each, family="b", **known)
    assert "family" not in one["loss"].dims
    assert float(one["expected_loss"].median()) != pytest.approx(float(far["expected_loss"].sel(family="a").median()))
    with pytest.raises(QuestionError, match=r"no family 'c'.*a, b"):
        ask(both, each, family="c", **known)


def test_forms_in_compute_and_in_n_and_d_answer_together(runs, fits):
    paper = {"x_c": 1e10, "alpha": 0.05}
    power = pinned_fit("power:compute", paper, runs=runs, spread=0.002, chains=4, draws=500)
    names = ["power:compute", "chinchilla"]
    far = ask(runs, {"power:compute": power, **fits}, models=names, rehearsed=rehearsal(runs, (0.0, 0.0), names))
    assert far["form_loss"]["form"].values.tolist() == names
    alone = bs.extrapolate(fits["chinchilla"], "10x")
    np.testing.assert_allclose(far["form_loss"].sel(form="chinchilla").values, alone["loss"].values, rtol=1e-9)


# Bad questions and bad news


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({}, "say where: compute, or two of"),
        ({"compute": "far"}, "compute 'far' is not understood"),
        ({"compute": ["10x", "-1"]}, "compute '-1' is not understood"),
        ({"compute": "10x", "params": 1e9, "tokens": 1e10}, "not all three"),
        ({"compute": "10x", "family": "c"}, "there is no family 'c'"),
    ],
)
def test_a_question_that_is_not_understood_is_refused_before_anything_is_fitted(runs, where, said, monkeypatch):
    def fit(*args, **options):
        raise AssertionError("minutes are lost")

    monkeypatch.setattr(importlib.import_module("bayescale.forms.mix_forms"), "fit_card", fit)
    with pytest.raises(QuestionError, match=said):
        mix_forms(runs, **where, models=PAIR)


def test_an_unknown_form_is_refused(runs):
    with pytest.raises(CardError, match=r"no model 'kaplann'.*mean 'kaplan'"):
        mix_forms(runs, "10x", models=["kaplann"])


def test_a_form_that_did_not_converge_is_reported_and_left_out(runs, fits):
    bad = fits | {"kaplan": pinned_fit("kaplan", KAPLAN, runs=runs, verdict=FAILED)}
    far = ask(runs, bad)
    assert far["form"].values.tolist() == ["chinchilla"]
    assert far["weight"].values.tolist() == [1.0]
    (left_out,) = unpack_skipped(far)
    assert (left_out.form, left_out.factor) == ("kaplan", None)
    assert "diverged" in left_out.reason


def test_a_form_whose_chains_predict_differently_is_reported_and_left_out(runs, fits):
    apart = fits["kaplan"].copy(deep=True)
    posterior = apart["posterior"].to_dataset()
    posterior["alpha_N"] = posterior["alpha_N"] * xr.DataArray([1.0, 1.0, 1.0, 1.3], dims="chain")
    apart["posterior"] = posterior
    far = ask(runs, fits | {"kaplan": apart})
    assert far["form"].values.tolist() == ["chinchilla"]
    (left_out,) = unpack_skipped(far)
    assert str(left_out).startswith("kaplan: its predictions do not agree between chains (R-hat ")
    with pytest.raises(UnconvergedError, match=r"(?s)no form gave a prediction.*kaplan: its predictions"):
        ask(runs, {"kaplan": apart}, models="kaplan", rehearsed=rehearsal(runs, (0.0,), ["kaplan"]))


def test_what_counts_is_whether_chains_agree_beyond_the_runs_or_at_the_farthest_point():
    draws = np.random.default_rng(1).standard_normal((4, 500, 3))
    draws[3, :, 0] += 3
    values = {"expected_loss": (("chain", "draw", "point"), draws)}
    module = importlib.import_module("bayescale.forms.mix_forms")
    for beyond, kept in (([-1.0, 0.5, 2.0], True), ([0.5, -1.0, 2.0], False), ([-2.0, -1.0, -0.5], True)):
        said = {"one": xr.Dataset(values, {"decades_beyond": ("point", beyond)})}
        said |= {"other": said["one"].isel(point=[1, 2])}
        assert ("one" in module._keep_agreeing(said, [])) == kept


def test_a_form_that_cannot_be_sampled_is_reported_and_left_out(runs, fits, monkeypatch):
    module = importlib.import_module("bayescale.forms.mix_forms")

    def fit(runs, card, **options):
        if card.name == "kaplan":
            raise SamplingError("the sampler could not start: no density.")
        return fits[card.name]

    monkeypatch.setattr(module, "fit_card", fit)
    lines = []
    known = rehearsal(runs, (0.0,), PAIR[:1], skipped=[Skipped(None, 100.0, "3 runs are that small; it takes 8.")])
    far = mix_forms(runs, "10x", models=PAIR, rehearsed=known, progress=lines.append)
    assert lines == ["chinchilla: compiling and sampling", "kaplan: compiling and sampling"]
    assert far["form"].values.tolist() == ["chinchilla"]
    assert list(map(str, unpack_skipped(far))) == [
        "kaplan: the sampler could not start: no density.",
        "100x: 3 runs are that small; it takes 8.",
    ]
    with pytest.raises(SamplingError, match="no density"):
        fit_forms(runs, {"kaplan": load_card("kaplan")})


def test_where_no_form_may_be_quoted_none_is(runs):
    papers = {"chinchilla": BESIROGLU, "kaplan": KAPLAN}
    bad = {name: pinned_fit(name, paper, runs=runs, verdict=FAILED) for name, paper in papers.items()}
    with pytest.raises(UnconvergedError, match=r"(?s)no form.*chinchilla: .*diverged.*kaplan: .*diverged"):
        ask(runs, bad)


def test_without_any_rehearsal_the_weights_are_those_before(runs, fits):
    nothing = rehearse(simulated_runs(sizes=3, ratios=2), PAIR, [100])
    far = ask(runs, fits, rehearsed=nothing, models={"chinchilla": 3.0, "kaplan": 1.0})
    assert far["weight"].values == pytest.approx([0.75, 0.25])
    assert [record.factor for record in unpack_skipped(far)] == [100.0]


# Sampled


@pytest.fixture(scope="module")
def few():
    """Sixteen runs at one ratio, of a power law over a floor in compute."""
    compute = np.geomspace(1e18, 1e22, 16)
    scatter = 0.004 * np.random.default_rng(5).standard_normal(16)
    n = np.sqrt(compute / 120)
    frame = {"params": n, "tokens": 20 * n, "loss": (1.8 + (compute / 1e17) ** -0.15 * 2.5) * np.exp(scatter)}
    return bs.read_runs(pd.DataFrame(frame), suspicious="keep")


@pytest.fixture(scope="module")
def sampled(few):
    """Two cheap forms, fitted to all runs and rehearsed at two cut-offs."""
    cards, _ = forms_for(few, CHEAP)
    return fit_forms(few, cards, {"compute": "10x"}), rehearse(few, CHEAP, [3, 10])


def fitted_at(rehearsed, factor):
    """The forms that could be fitted below that cut-off."""
    density = rehearsed["log_density"].isel(held_out=(rehearsed["factor"] == factor).values)
    return [str(name) for name in density["form"].values if np.isfinite(density.sel(form=name)).all()]


@pytest.mark.sampling
def test_two_sampled_forms_answer_together(few, sampled):
    fits, rehearsed = sampled
    far = mix_forms(few, "10x", models=CHEAP, fits=fits, rehearsed=rehearsed)
    # Whether a small cut converges is luck; that what did not is told is none.
    asked, skipped = far["form"].values.tolist(), {(record.form, record.factor) for record in unpack_skipped(far)}
    assert asked
    assert all((name, None) in skipped for name in CHEAP if name not in asked)
    for factor in (3, 10):
        failed = set(CHEAP) - set(fitted_at(rehearsed, factor))
        assert failed == {name for name in CHEAP if (name, factor) in skipped}
    shares = [float(far[f"share_{part}"].item()) for part in ("form", "parameters", "drift", "noise")]
    assert sum(shares) == pytest.approx(1)
    assert shares[2] > 0.01
    assert "along" not in far.coords
    # The runs' own law, which is one of the two: 1.8 + 2.5 (1e23 / 1e17)^-0.15 = 2.115.
    low, high = (float(far["loss"].quantile(q).item()) for q in (0.025, 0.975))
    assert low < 1.8 + 2.5 * 1e6**-0.15 < high
    assert high / low < 1.4


@pytest.mark.sampling
def test_a_drift_widens_with_distance(sampled):
    fits, _ = sampled
    name = next(name for name, fit in fits.items() if bs.verdict(fit).passed)
    path = bs.extrapolate(fits[name], ["1x", "10x", "100x"])
    np.testing.assert_allclose(path["share_drift"] + path["share_parameters"] + path["share_noise"], 1)
    assert float(path["share_drift"][2]) > float(path["share_drift"][0])
    width = np.log(path["loss"]).quantile([0.05, 0.95], ("chain", "draw")).diff("quantile").values.ravel()
    assert (np.diff(width) > 0).all()


@pytest.mark.sampling
def test_what_was_held_out_is_the_forecast_from_below_the_cut(few, sampled):
    _, rehearsed = sampled
    _, prior = forms_for(few, CHEAP)
    held = held_out(rehearsed, prior, [3, 10])
    for factor in (3, 10):
        fitted = fitted_at(rehearsed, factor)
        weight = held["weight"].isel(held_out=(held["factor"] == factor).values).isel(held_out=0)
        # Below the cut at 3x, the runs were rehearsed once, from 10x, a step of 3.3; below that at 10x never.
        expected = form_weights({name: prior[name] for name in fitted}, rehearsed, factor, np.log10(factor))
        assert expected.sizes["rehearsal"] == (factor == 3)
        np.testing.assert_allclose(weight.sel(form=fitted), expected["weight"])
        assert float(weight.sum()) == pytest.approx(1)
    assert (bs.forms.score(held)["width"] < 30).all()
