import numpy as np
import pytest
from pinned import BESIROGLU, KAPLAN, ROUNDED, UNROUNDED, pinned_fit

import bayescale as bs
from bayescale.answers import optimal_params
from bayescale.costs import PowerCost
from bayescale.errors import QuestionError
from bayescale.posterior import Posterior

ONES = {"params": 1.0, "tokens": 1.0}


def test_the_split_is_the_published_one():
    # FACTS: Besiroglu et al. 2024 at 1e21 and the Gopher budget.
    split = bs.optimal_split(pinned_fit(), [1e21, 5.76e23])
    np.testing.assert_allclose(split["params"].isel(chain=0, draw=0), [2.778e9, 7.225e10], rtol=5e-4)
    np.testing.assert_allclose(split["tokens"].isel(chain=1, draw=9), [5.999e10, 1.329e12], rtol=5e-4)
    np.testing.assert_allclose(split["tokens_per_param"].isel(chain=0, draw=0), [21.59, 18.39], rtol=5e-4)
    np.testing.assert_allclose(split["optimal_loss"].isel(chain=0, draw=0), [2.30553, 1.97444], atol=6e-6)
    np.testing.assert_allclose(
        split["decades_beyond"], np.log10(split["compute"] / Posterior(pinned_fit()).seen["compute"][1])
    )
    assert split["params"].dims == ("chain", "draw", "point")


@pytest.mark.parametrize(("paper", "a"), [(ROUNDED, 0.4516), (UNROUNDED, 0.4565), (BESIROGLU, 0.5126)])
def test_the_exponents_share_out_the_compute(paper, a):
    split = bs.optimal_split(pinned_fit(paper=paper))
    np.testing.assert_allclose(split["a"], a, atol=6e-5)
    np.testing.assert_allclose(split["a"] + split["b"], 1)


def test_each_draw_has_its_own_optimum():
    fit = pinned_fit(spread=0.05)
    split = bs.optimal_split(fit, 1e24)
    draw = {"chain": 1, "draw": 17}
    at = {k: float(v) for k, v in fit["posterior"].to_dataset().isel(draw).items()}
    g = (at["alpha"] * at["A"] / (at["beta"] * at["B"])) ** (1 / (at["alpha"] + at["beta"]))
    wanted = g * (1e24 / 6) ** (at["beta"] / (at["alpha"] + at["beta"]))
    assert float(split["params"].isel(draw).squeeze()) == pytest.approx(wanted, rel=1e-9)
    assert float(split["params"].std() / split["params"].mean()) > 0.05


def test_no_other_split_of_the_budget_is_better():
    fit = pinned_fit(spread=0.05)
    split = bs.optimal_split(fit, ["1x", "1000x"])
    for factor in (0.9, 1.1):
        other = {"params": split["params"] * factor, "tokens": split["tokens"] / factor}
        assert bool((Posterior(fit).expect(other) > split["optimal_loss"]).all())


def test_families_and_budgets_broadcast_by_name():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU})
    split = bs.optimal_split(fit, [1e21, 5.76e23])
    assert split["params"].dims == ("chain", "draw", "point", "family")
    np.testing.assert_allclose(split["params"].isel(chain=0, draw=0).sel(family="old"), [1.824e9, 3.219e10], rtol=5e-4)
    one = bs.optimal_split(fit, [1e21, 5.76e23], family="old")
    np.testing.assert_allclose(one["params"], split["params"].sel(family="old"))


def test_kaplans_law_splits_by_its_own_exponents():
    split = bs.optimal_split(pinned_fit("kaplan", KAPLAN), 1e23)
    np.testing.assert_allclose(split["a"], 0.103 / 0.179, rtol=1e-10)


def test_the_default_is_100x():
    np.testing.assert_allclose(bs.optimal_split(pinned_fit())["decades_beyond"], 2)


def test_a_wrong_budget_is_refused():
    with pytest.raises(QuestionError, match="compute 'big' is not understood"):
        bs.optimal_split(pinned_fit(), "big")


def test_a_dearer_token_moves_the_optimum_as_the_formula_says():
    law = bs.laws.get_law("chinchilla")
    theta = law.from_paper(np, BESIROGLU, ONES)
    n = [optimal_params(law, theta, 1e23, PowerCost(k), ONES) for k in (6.0, 8.0)]
    assert n[1] / n[0] == pytest.approx((6 / 8) ** (0.3658 / 0.7136), rel=1e-9)
