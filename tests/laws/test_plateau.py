import numpy as np
import pandas as pd
import pytest
from fitted import least_squares
from scipy.optimize import brentq

from bayescale.laws import get_law
from bayescale.laws.plateau import NEWTON_STEPS, solve

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


@pytest.mark.parametrize("shape", [0.05, 0.2, 0.7, 1.0, 1.5, 5.0, 20.0])
def test_newton_converges_from_its_start_whatever_the_level(shape):
    # g(u) = u + (shape - 1) log(1 + exp(u)) - level rises and is convex or concave, so that Newton's steps approach the
    # root from one side after the first. Against a bracketing solver, to rounding, with steps to spare.
    levels = np.concatenate([np.linspace(-60, 60, 241), [-700.0, -300.0, 300.0, 700.0]])

    def g(u, level):
        return u + (shape - 1) * np.logaddexp(0, u) - level

    ends = 1 + np.abs(levels) * max(1, 1 / shape) + 25 / min(1, shape)
    exact = [brentq(g, -e, e, args=(level,), xtol=1e-14, rtol=1e-15) for level, e in zip(levels, ends, strict=True)]
    np.testing.assert_allclose(solve(np, levels, shape), exact, rtol=1e-13, atol=1e-13)
    assert NEWTON_STEPS == 8


def test_one_step_fewer_suffices_for_ordinary_shapes(monkeypatch):
    levels = np.linspace(-60, 60, 241)
    for shape in (0.3, 0.5, 2.0, 3.0):
        monkeypatch.undo()
        full = solve(np, levels, shape)
        monkeypatch.setattr("bayescale.laws.plateau.NEWTON_STEPS", 6)
        np.testing.assert_allclose(solve(np, levels, shape), full, rtol=1e-13, atol=1e-13)


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
