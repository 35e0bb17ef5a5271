import json

import numpy as np
import pytest
from curved import pinned_curves, simulated_curves
from pinned import BESIROGLU, FAILED, ROUNDED, pinned_fit, simulated_runs

import bayescale as bs
from bayescale.errors import CardError, DesignError, QuestionError, UnconvergedError
from bayescale.modeling import prepare


def test_each_prior_is_its_parameters_posterior():
    fit = pinned_fit(spread=0.1, draws=2000, seed=3)
    card = bs.inference.prior_from(fit, name="mine")
    assert (card.name, card.law) == ("mine", "chinchilla")
    for name, prior in card.priors.items():
        logs = np.log(fit["posterior"][name].values.ravel())
        assert prior.dist == "LogNormal"
        # Written with four digits.
        assert np.log(prior.arguments["median"]) == pytest.approx(logs.mean(), abs=1e-3)
        assert prior.arguments["sigma"] == pytest.approx(logs.std(), rel=1e-3)
        assert "16 runs, model chinchilla" in prior.source
    assert bs.inference.prior_from(fit, widen=2).priors["E"].arguments["sigma"] == pytest.approx(0.2, rel=0.05)


def test_the_priors_are_stated_at_the_studys_reference_run():
    fit = pinned_fit(spread=0.1)
    card = bs.inference.prior_from(fit)
    assert card.reference == json.loads(fit.attrs["reference"]) == {"params": 1e9, "tokens": 2e10}
    elsewhere = simulated_runs(sizes=3, ratios=3)
    assert prepare(card, elsewhere).reference == card.reference
    assert prepare(bs.load_card("chinchilla"), elsewhere).reference != card.reference


def test_a_known_family_is_its_own_and_a_new_one_the_populations():
    fit = pinned_fit(families={"a": BESIROGLU, "b": ROUNDED}, spread=0.001, draws=2000)
    known, new = bs.inference.prior_from(fit, family="b"), bs.inference.prior_from(fit)
    assert known.priors["beta"].arguments["median"] == pytest.approx(0.28, rel=0.01)
    middle = np.sqrt(0.28 * 0.3658)
    assert new.priors["beta"].arguments["median"] == pytest.approx(middle, rel=0.02)
    # The spread of two families about their mean is |log(b / a)| / 2, and the mean is known within spread / sqrt(2).
    spread = np.log(0.3658 / 0.28) / 2
    assert new.priors["beta"].arguments["sigma"] == pytest.approx(spread * np.sqrt(1.5), rel=0.05)
    assert {term.kind for term in new.terms("beta")} == {"partial"}


def test_what_the_card_pools_stays_pooled_as_it_was_and_nothing_else_is():
    fit = pinned_fit(families={"a": BESIROGLU, "b": ROUNDED}, spread=0.001, draws=500)
    card = bs.cards.make_card(
        {"extends": "chinchilla", "pooling": {"default": "complete", "E": "partial(family)"}}, "floors"
    )
    posterior = fit["posterior"].to_dataset()
    alone = {name: posterior[name].isel(family=0, drop=True) for name in card.priors if name != "E"}
    parts = [f"{name}_{part}" for name in alone for part in ("level", "population", "spread")]
    fit["posterior"] = posterior.drop_vars(parts).assign(alone)
    fit.attrs["card"] = card.model_dump_json()
    following = bs.inference.prior_from(fit)
    assert following.pooling == card.pooling | {"spread": following.spread}
    assert [name for name in following.priors if following.terms(name)] == ["E"]
    assert following.spread.arguments["median"] == pytest.approx(posterior["E_spread"].values.mean(), rel=1e-3)
    assert following.spread.source


def test_what_the_posterior_holds_stays_held():
    card = bs.inference.prior_from(pinned_fit(spread=0.0))
    assert card.priors["E"].dist == "Fixed"
    assert card.priors["E"].arguments["value"] == pytest.approx(1.8172)


def test_the_card_is_written_and_read_again(tmp_path):
    from bayescale.report.card_text import card_text

    card = bs.inference.prior_from(pinned_fit(spread=0.1))
    path = tmp_path / f"{card.name}.toml"
    path.write_text(card_text(card.model_dump(mode="json")))
    assert bs.load_card(path) == card


@pytest.mark.parametrize("added", ["+curve", "+drift", "+design+budget", "+drift+design", "growing"])
def test_each_prior_stands_in_the_table_that_its_card_has_it_in(added):
    if added == "growing":
        shipped = bs.load_card("chinchilla").model_dump(mode="json", exclude={"name"}, exclude_none=True)
        growth = {"dist": "Normal", "mu": 0, "sigma": 0.3}
        card = bs.cards.make_card(shipped | {"noise": shipped["noise"] | {"sigma_growth": growth}}, added)
    else:
        card = bs.load_card(f"chinchilla{added}")
    fit = pinned_fit(spread=0.1)
    like = fit["posterior"]["alpha"]
    rng = np.random.default_rng(2)
    more = {p: like.copy(data=np.exp(0.2 * rng.standard_normal(like.shape))) for p in card.all_priors}
    fit["posterior"] = fit["posterior"].to_dataset().assign(more)
    fit.attrs["card"] = card.model_dump_json()
    following = bs.inference.prior_from(fit)
    assert list(following.all_priors) == list(card.all_priors)
    for name, prior in following.all_priors.items():
        middle = fit["posterior"][name].values
        assert prior.scipy.mean() == pytest.approx(middle.mean(), rel=0.02), name
        assert prior.source


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"family": "c"}, QuestionError, "no family 'c'"),
        ({"family": "a", "corpus": "web"}, QuestionError, "corpus='web' is of a family that was not seen, and 'a' was"),
        ({"corpus": "web"}, QuestionError, "no group 'corpus'"),
        ({"widen": 0}, QuestionError, "widen: accepted is a number above 0; got 0"),
    ],
)
def test_what_is_not_understood(options, error, said):
    fit = pinned_fit(families={"a": BESIROGLU, "b": ROUNDED}, spread=0.01)
    with pytest.raises(error, match=said):
        bs.inference.prior_from(fit, **options)


def test_a_posterior_that_may_not_be_quoted_is_no_prior():
    with pytest.raises(UnconvergedError) as refused:
        bs.inference.prior_from(pinned_fit(verdict=FAILED))
    assert "allow_unconverged" not in str(refused.value)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({"parms": 1e9}, r"reference.parms.*Did you mean 'params'"),
        ({"params": -1}, r"reference.params: .*above 0; got -1"),
    ],
)
def test_a_reference_run_that_cannot_be(reference, said):
    with pytest.raises(CardError, match=said):
        bs.cards.make_card({"extends": "chinchilla", "reference": reference}, "mine")


def test_priors_that_a_study_found_stand_in_for_runs():
    few = simulated_runs(sizes=2, ratios=1)
    bs.modeling.build_model(bs.load_card("new-lab"), few)
    with pytest.raises(DesignError, match="2 runs cannot fit"):
        bs.modeling.build_model(bs.load_card("chinchilla"), few)


@pytest.mark.sampling
def test_a_lab_with_three_runs_is_answered_by_the_hierarchy_of_others():
    runs = simulated_runs(sizes=3, ratios=3, noise=0.003)
    three = runs.isel(run=[0, 4, 8])
    fit = bs.fit(three, "new-lab", seed=1)
    assert bs.verdict(fit).passed
    # Besiroglu et al.'s law, of which the card has not been told, at a hundred times the largest run.
    far = bs.extrapolate(fit, "100x")
    truth = bs.laws.get_law("chinchilla").paper(
        np, BESIROGLU, params=far["params"].values, tokens=far["tokens"].values
    )[0]
    low, high = far["loss"].quantile([0.025, 0.975]).values
    assert low < truth < high
    assert high / low < 1.5


def test_what_was_found_of_curves_is_a_curves_prior():
    fit = pinned_curves(simulated_curves(), spread=0.1)
    card = bs.inference.prior_from(fit)
    assert card.curve.offset_sd.arguments["median"] == pytest.approx(0.01, rel=0.02)
    assert card.curve.hot_tokens.dist == "Normal"  # a power may be negative
    assert card.curve.hot_tokens.arguments["sigma"] == pytest.approx(0.1, rel=0.1)
    assert card.noise.sigma.arguments["median"] == pytest.approx(0.002, rel=0.02)
    assert "14 runs, model chinchilla+curve" in card.priors["E"].source
