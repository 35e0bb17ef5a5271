import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

import bayescale as bs
from bayescale.approaches.envelope_model import build_envelope, envelope_data
from bayescale.approaches.isoflop_model import PAD, SHAPES, build_isoflop, isoflop_data, rise_above_best, two_powers
from bayescale.runs.checks.budgets import isoflop_profiles
from bayescale.runs.curves.envelope import curves_of_runs, training_envelope

EXPONENTS = [(0.34, 0.28), (0.465, 0.155), (0.2, 0.6)]


@pytest.mark.parametrize(("alpha", "beta"), EXPONENTS)
def test_the_corrected_shape_is_the_profile_of_two_power_terms(alpha, beta):
    # Along C = 6ND about the optimum: A N^-alpha + B D^-beta - its lowest value = (alpha + beta) R shape(u), where
    # R = alpha A N_opt^-alpha = beta B D_opt^-beta.
    n_opt, compute = 3e9, 1e21
    d_opt = compute / (6 * n_opt)
    rise = 0.05
    a, b = rise / alpha * n_opt**alpha, rise / beta * d_opt**beta
    u = np.linspace(-3, 3, 25)
    loss = a * (n_opt * np.exp(u)) ** -alpha + b * (d_opt * np.exp(-u)) ** -beta
    lowest = rise / alpha + rise / beta
    assert loss - lowest == pytest.approx((alpha + beta) * rise * two_powers(np, u, alpha, beta), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), EXPONENTS)
def test_near_its_minimum_it_is_the_parabola_and_its_third_derivative_is_beta_minus_alpha(alpha, beta):
    u = 1e-3
    assert two_powers(np, u, alpha, beta) == pytest.approx(u**2 / 2 + (beta - alpha) * u**3 / 6, rel=1e-6)
    # The third derivative by a central difference, second computation.
    h = 0.01
    f = [two_powers(np, k * h, alpha, beta) for k in (-2, -1, 1, 2)]
    assert (f[3] - 2 * f[2] + 2 * f[1] - f[0]) / (2 * h**3) == pytest.approx(beta - alpha, abs=1e-4)


def noise_free(alpha, beta, A=406.4, B=410.7, E=1.69):
    """Five budgets 1e17 to 1e21, 15 sizes a factor 16 to either side of the optimum: the design of arXiv 2603.22339."""
    ratio = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    budgets = np.geomspace(1e17, 1e21, 5)
    best = ratio * (budgets / 6) ** (beta / (alpha + beta))
    n = (best[:, None] * np.geomspace(1 / 16, 16, 15)).ravel()
    c = np.repeat(budgets, 15)
    # Halved, which moves no minimum: some losses would be more than any vocabulary can give.
    loss = (E + A * n**-alpha + B * (c / (6 * n)) ** -beta) / 2
    return bs.read_runs(pd.DataFrame({"params": n, "compute": c, "loss": loss}), suspicious="keep"), best


@pytest.mark.parametrize(("alpha", "beta"), EXPONENTS[:2])
def test_the_corrected_shape_by_least_squares_finds_the_optima_that_a_parabola_misses(alpha, beta):
    runs, best = noise_free(alpha, beta)
    profiles = isoflop_profiles(runs)
    log_n, loss, index = np.log(profiles["params"].values), profiles["loss"].values, profiles["budget_index"].values

    def minima(shape):
        # alpha and beta are shared, as in the model; log of best, curvature and N_opt are each budget's own.
        start = np.concatenate([[np.log(0.35)] * 2, np.log(loss[7::15]), np.full(5, np.log(0.03)), log_n[7::15] + 0.3])

        def residuals(x):
            theta = {"alpha": np.exp(x[0]), "beta": np.exp(x[1])}
            level, curvature, n_opt = x[2:].reshape(3, 5)
            rise = rise_above_best(np, shape, log_n - n_opt[index], np.exp(curvature[index]), theta)
            return np.exp(level[index]) * (1 + rise) - loss

        return least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=2000).x

    found = minima("corrected")
    assert np.exp(found[-5:]) == pytest.approx(best, rel=1e-4)
    assert np.exp(found[:2]) == pytest.approx([alpha, beta], rel=1e-3)
    assert np.abs(minima("parabola")[-5:] - np.log(best)).min() > 0.05


@pytest.fixture(scope="module")
def profiles():
    return isoflop_profiles(noise_free(0.34, 0.28)[0])


@pytest.mark.parametrize("shape", list(SHAPES))
def test_the_model_has_named_budgets_padded_to_a_shape_that_others_share(profiles, shape):
    arrays, reference = isoflop_data(profiles)
    assert arrays["log_budget"].size % PAD == 0
    assert arrays["real"].sum() == 5
    model = build_isoflop(arrays, shape)
    assert model.coords["budget"] == tuple(range(8))
    assert [rv.name for rv in model.observed_RVs] == ["log_loss"]
    assert ("alpha" in model.named_vars) == (shape == "corrected")
    assert np.isfinite(model.point_logps()["log_loss"])
    assert reference["compute"] == pytest.approx(1e19)


def test_the_mean_is_exact_at_the_truth(profiles):
    # At the true parameters all that is left of the likelihood is its width: no point lies off its profile.
    arrays, reference = isoflop_data(profiles)
    model = build_isoflop(arrays, "corrected")
    ratio = (0.34 * 406.4 / (0.28 * 410.7)) ** (1 / 0.62)
    a = 0.28 / 0.62
    level = np.log(ratio * (reference["compute"] / 6) ** a / reference["params"])
    best_n = ratio * (profiles["budget"].values / 6) ** a
    tokens = profiles["budget"].values / (6 * best_n)
    best = (1.69 + 406.4 * best_n**-0.34 + 410.7 * tokens**-0.28) / 2
    curvature = 0.34 * 406.4 * best_n**-0.34 * 0.62 / 2 / best
    point = model.initial_point()
    pad = np.zeros(3)
    point |= {
        "a_offset": np.array((a - 0.5) / 0.25),
        "level_offset": np.array(level / 2),
        "depth_offset": np.concatenate([(np.log(best) - arrays["lowest"][:5]) / 0.1, pad]),
        "wander_offset": np.zeros(8),
        "curvature_offset": np.concatenate([np.log(curvature), pad]),
        "curvature_level_log__": np.array(0.0),
        "curvature_slope_offset": np.array(0.0),
        "sigma_slope_offset": np.array(0.0),
        "alpha_log__": np.log(0.34),
        "beta_log__": np.log(0.28),
        "sigma_log__": np.log(1e-4),
        "arms_log__": np.log(1e-6),
        "nu_log__": np.log(1e4),
    }
    at_truth = model.compile_logp(vars=model.observed_RVs, sum=True)(point)
    assert float(at_truth) == pytest.approx(75 * (-np.log(1e-4) - 0.5 * np.log(2 * np.pi)), abs=0.1)


def test_the_envelope_model_has_one_observation_for_each_change():
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e8, 1e11, 12)))
    loss = 1.69 + 406.4 * n**-0.34 + 410.7 * d**-0.28
    envelope = training_envelope(curves_of_runs(bs.read_runs(pd.DataFrame({"params": n, "tokens": d, "loss": loss}))))
    arrays, reference = envelope_data(envelope)
    assert arrays["log_n"].size == envelope.sizes["change"] == 5
    assert [rv.name for rv in build_envelope(arrays).observed_RVs] == ["log_params"]
    assert reference["params"] == pytest.approx(1e8, rel=1e-6)
