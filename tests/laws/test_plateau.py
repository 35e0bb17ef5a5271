import numpy as np
import pandas as pd
import pytest
from fitted import least_squares
from scipy.optimize import brentq

from bayescale.laws import get_law
from bayescale.laws.plateau import solve

LAW = get_law("plateau")
THETA = {"E": 1.2, "from_x": 1.1, "gained": 2.7, "alpha": 0.4}


@pytest.mark.parametrize("shape", [0.3, 1.0, 3.0])
def test_the_loss_solves_the_papers_equation(shape):
    # Alabdulmohsin et al. 2022, M4: (y - e_inf) / (e_0 - y)^alpha = beta x^c, with c < 0.
    theta, x0, x = THETA | {"shape": shape}, {"x": 1e6}, np.geomspace(1e3, 1e12, 19)
    paper = theta | LAW.to_paper(np, theta, x0)
    for y in (LAW.at(np, {"x": x}, theta, x0), LAW.paper(np, paper, x=x)):
        left = (y - 1.2) / (paper["start"] - y) ** shape
        np.testing.assert_allclose(left, paper["beta"] * x**-0.4, rtol=1e-10)
    assert paper["start"] == pytest.approx(5.0)
    assert LAW.at(np, {"x": 1e6}, theta, x0) == pytest.approx(2.3, rel=1e-13)


@pytest.mark.parametrize(
    ("shape", "error"),
    [(0.05, 1e-11), (0.1, 1e-12), (0.3, 1e-13), (1.0, 1e-14), (1.7, 1e-13), (3.0, 1e-13), (10.0, 1e-12), (20.0, 1e-11)],
)
def test_two_steps_solve_it_whatever_the_level(shape, error):
    # The level that belongs to each u is explicit, so the u that is found can be held against it, bend and both ends.
    u = np.linspace(-80, 80, 32001)
    found = solve(np, u + (shape - 1) * np.logaddexp(0, u), shape)
    assert np.abs(found - u).max() < error
    assert np.all(np.diff(found) > 0)


def test_the_start_alone_and_one_step_are_not_enough(monkeypatch):
    u = np.linspace(-5, 5, 101)
    for steps, error in ((0, 0.1), (1, 1e-8)):
        monkeypatch.setattr("bayescale.laws.plateau.STEPS", steps)
        assert np.abs(solve(np, u + 2.0 * np.logaddexp(0, u), 3.0) - u).max() > error


def test_it_agrees_with_a_bracketing_solver():
    theta = THETA | {"shape": 0.6}
    for x in (1e-8, 1e-2, 1.0, 30.0, 1e9):
        right = 1.1 / 2.7**0.6 * x**-0.4
        exact = brentq(lambda y, r=right: np.log((y - 1.2) / (5.0 - y) ** 0.6) - np.log(r), 1.2 + 1e-12, 5.0 - 1e-12)
        assert LAW.mean(np, {"x_rel": x}, theta) == pytest.approx(exact, rel=1e-10)


def test_with_shape_one_it_is_a_logistic_curve_in_log_x():
    x = np.geomspace(1e-4, 1e4, 9)
    odds = 1.1 / 2.7 * x**-0.4
    np.testing.assert_allclose(LAW.mean(np, {"x_rel": x}, THETA | {"shape": 1.0}), 1.2 + 3.8 * odds / (1 + odds))


def test_with_a_far_plateau_it_is_the_power_law_over_a_floor():
    x = {"x_rel": np.geomspace(1e-2, 1e4, 9)}
    far = LAW.mean(np, x, THETA | {"gained": 1e12, "shape": 0.7})
    np.testing.assert_allclose(far, get_law("power-floor").mean(np, x, THETA), rtol=1e-10)


def test_it_goes_from_the_plateau_to_the_floor():
    theta = THETA | {"shape": 0.8}
    assert LAW.mean(np, {"x_rel": 1e-60}, theta) == pytest.approx(5.0, abs=1e-12)
    assert LAW.mean(np, {"x_rel": 1e60}, theta) == pytest.approx(LAW.floor(theta), abs=1e-12)


def test_it_fits_translation_curves_at_least_as_closely_as_its_limit(shared_data):
    # M2 is M4 with a plateau at infinity, so that on the same points its residuals cannot be smaller.
    curves = pd.read_csv(shared_data / "revisiting" / "revisiting_lang.csv").query("Domain == 'NMT'")
    starts = {"E": (0.3,), "from_x": (0.2,), "alpha": (0.5,), "gained": (0.5, 20.0), "shape": (1.0,)}
    for model, rows in curves.groupby("Model"):
        x, loss = {"x": rows["Seen Examples"].to_numpy(float)}, rows.Loss.to_numpy()
        rms = {name: least_squares(get_law(name), x, loss, starts)[1] for name in ("plateau", "power-floor")}
        assert rms["plateau"] < rms["power-floor"], model
