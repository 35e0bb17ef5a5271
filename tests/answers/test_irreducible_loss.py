import numpy as np
import pytest
from pinned import BESIROGLU, KAPLAN, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.errors import QuestionError


def test_the_floor_is_e():
    fit = pinned_fit()
    floor = bs.irreducible_loss(fit)
    np.testing.assert_allclose(floor["irreducible_loss"], 1.8172, rtol=1e-12)
    assert floor["irreducible_loss"].attrs["units"] == "nats/token"
    assert float(floor["lowest_seen"]) == float(bs.inference.runs_of(fit)["loss"].min())
    assert floor.attrs["verdict"] == "converged"


@pytest.mark.parametrize(("spread", "identified"), [(0.05, True), (0.45, False)])
def test_learned_is_the_share_of_the_priors_spread_that_is_gone(spread, identified):
    floor = bs.irreducible_loss(pinned_fit(spread=spread, prior_spread=0.5, draws=4000))
    # Log-normal draws: the ratio of interquartile ranges is that of the spreads, known to 2% from 8000 draws.
    assert float(floor["learned"]) == pytest.approx(1 - spread / 0.5, abs=0.04)
    assert bool(floor["identified"]) is identified
    assert bool(floor.attrs["warning"]) is not identified
    if not identified:
        assert "do not identify the irreducible loss" in floor.attrs["warning"]


def test_each_family_and_their_population():
    floor = bs.irreducible_loss(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}))
    np.testing.assert_allclose(floor["irreducible_loss"].sel(family="old"), 1.69)
    np.testing.assert_allclose(floor["irreducible_loss"].sel(family="new"), 1.8172)
    np.testing.assert_allclose(floor["population"], np.sqrt(1.69 * 1.8172))
    assert floor["lowest_seen"].sizes == {"family": 2}
    assert float(floor["lowest_seen"].sel(family="old")) < float(floor["lowest_seen"].sel(family="new"))


def test_the_warning_names_the_families_that_it_is_about():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, spread=0.1, prior_spread=0.5, draws=1000)
    wide = fit["posterior"]["E"].copy(deep=True)
    wide.loc[{"family": "old"}] = fit["prior"]["E"].sel(family="old").values
    fit["posterior"] = fit["posterior"].to_dataset().assign(E=wide)
    floor = bs.irreducible_loss(fit)
    assert "for old:" in floor.attrs["warning"]
    assert floor["identified"].values.tolist() == [True, False]


def test_one_family_can_be_asked_for():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU})
    floor = bs.irreducible_loss(fit, family="old")
    assert floor["irreducible_loss"].dims == ("chain", "draw")
    np.testing.assert_allclose(floor["irreducible_loss"], 1.69)
    every = bs.irreducible_loss(fit)
    assert float(floor["lowest_seen"]) == float(every["lowest_seen"].sel(family="old"))
    assert float(floor["learned"]) == float(every["learned"].sel(family="old"))
    with pytest.raises(QuestionError, match=r"no family 'nwe'.*Did you mean 'new'"):
        bs.irreducible_loss(fit, family="nwe")


def test_a_law_without_a_floor_says_that_zero_is_its_assumption():
    floor = bs.irreducible_loss(pinned_fit("kaplan", KAPLAN))
    np.testing.assert_array_equal(floor["irreducible_loss"], 0.0)
    assert not bool(floor["identified"])
    assert "zero by assumption" in floor.attrs["warning"]


def test_without_prior_draws_nothing_is_said_of_learning():
    fit = pinned_fit()
    del fit["prior"]
    floor = bs.irreducible_loss(fit)
    assert "learned" not in floor
    np.testing.assert_allclose(floor["irreducible_loss"], 1.8172)
