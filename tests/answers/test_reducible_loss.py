import numpy as np
import pytest
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.answers.irreducible_loss import reducible_loss
from bayescale.errors import QuestionError, UnconvergedError


def test_what_is_reducible_is_the_loss_less_its_floor():
    kl = reducible_loss(pinned_fit(), params="70B", tokens="1.4T")
    # Besiroglu et al. 2024: 1.97388 - 1.8172 at 70B on 1.4T tokens.
    np.testing.assert_allclose(kl["reducible_loss"], 1.97388 - 1.8172, atol=6e-6)
    np.testing.assert_allclose(kl["reducible_bits"], (1.97388 - 1.8172) / np.log(2), atol=9e-6)
    np.testing.assert_allclose(kl["share"], (1.97388 - 1.8172) / 1.97388, atol=4e-6)
    assert kl["reducible_loss"].dims == ("chain", "draw", "point")
    assert [kl[name].attrs["units"] for name in ("reducible_loss", "reducible_bits")] == ["nats/token", "bits/token"]


def test_each_draw_has_its_own_floor():
    fit = pinned_fit(spread=0.05)
    kl = reducible_loss(fit, ["10x", "1000x"])
    far = bs.extrapolate(fit, ["10x", "1000x"])
    np.testing.assert_allclose(kl["reducible_loss"], far["expected_loss"] - fit["posterior"]["E"])
    assert (kl["reducible_loss"] > 0).all()
    assert (kl["reducible_loss"].isel(point=1) < kl["reducible_loss"].isel(point=0)).all()
    table = bs.summary(kl)
    assert table.loc[("share", 0), "median"] == pytest.approx(float(kl["share"].isel(point=0).median()))


def test_families_and_the_warning_of_a_floor_that_is_the_priors():
    kl = reducible_loss(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}), params=70e9, tokens=1.4e12)
    assert kl["reducible_loss"].isel(chain=0, draw=0, point=0).sel(family="old").item() == pytest.approx(
        0.24665, abs=6e-6
    )
    assert kl.attrs["warning"] == ""
    assert "do not identify" in reducible_loss(pinned_fit(spread=0.5, prior_spread=0.5), "10x").attrs["warning"]


def test_a_law_without_a_floor_is_refused_with_those_that_have_one():
    said = r"'kaplan' has no irreducible loss that runs can tell.*Laws with one: .*chinchilla"
    with pytest.raises(QuestionError, match=said) as refused:
        reducible_loss(pinned_fit("kaplan", KAPLAN), "100x")
    assert "kaplan" not in str(refused.value).split("Laws with one")[1]
    with pytest.raises(UnconvergedError):
        reducible_loss(pinned_fit(verdict=FAILED), "100x")
