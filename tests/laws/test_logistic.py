import numpy as np
import pytest

from bayescale.laws import get_law

LAW = get_law("logistic")
# Four choices, so 25% by chance; half way from there to 90% at 1e22 FLOP.
PAPER = {"chance": 0.25, "ceiling": 0.9, "slope": 2.0, "x_mid": 1e22}


def score(compute, **changes):
    return LAW.paper(np, PAPER | changes, x=compute)


def test_half_way_at_the_midpoint_between_chance_and_ceiling():
    assert score(1e22) == pytest.approx((0.25 + 0.9) / 2, rel=1e-12)
    assert score(1e2) == pytest.approx(0.25, abs=1e-9)
    assert score(1e42) == pytest.approx(0.9, abs=1e-9)


def test_it_is_the_logistic_curve_in_log10():
    x = np.geomspace(1e18, 1e26, 9)
    expected = 0.25 + 0.65 / (1 + np.exp(-2.0 * (np.log10(x) - 22)))
    np.testing.assert_allclose(score(x), expected, rtol=1e-12)


def test_a_decade_about_the_midpoint_gains_a_quarter_of_the_slope():
    h = 1e-4
    gained = (score(1e22 * 10**h) - score(1e22 * 10**-h)) / (2 * h)
    assert gained == pytest.approx(0.65 * 2.0 / 4, rel=1e-6)


def test_zhang_without_chance():
    # Zhang et al. 2020: y = L / (1 + exp(-k (log10 w - x0))), w in words; syntax is learnt by some ten million words.
    words = np.array([1e6, 1e7, 1e8, 1e9, 3e10])
    theta = LAW.from_paper(np, {"chance": 0.0, "ceiling": 0.95, "slope": 3.0, "x_mid": 3e6}, {"x": 1e8})
    curve = LAW.on("words").at(np, {"words": words}, theta, {"words": 1e8})
    np.testing.assert_allclose(curve, 0.95 / (1 + np.exp(-3.0 * (np.log10(words) - np.log10(3e6)))), rtol=1e-12)


def test_the_ceiling_lies_above_chance_whatever_is_drawn():
    rng = np.random.default_rng(5)
    theta = {p.name: rng.uniform(*p.typical, 200) for p in LAW.parameters}
    ceiling = LAW.to_paper(np, theta, {"x": 1e21})["ceiling"]
    assert np.all((ceiling > theta["chance"]) & (ceiling <= 1))
    y = LAW.mean(np, {"x_rel": np.geomspace(1e-9, 1e9, 19)[:, None]}, theta)
    assert np.all((y >= theta["chance"]) & (y <= ceiling))
    assert np.all(np.diff(y, axis=0) >= 0)
