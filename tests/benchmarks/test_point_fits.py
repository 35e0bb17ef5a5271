from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayescale.laws import get_law
from benchmarks.point_fits import grid, huber, least_huber, least_squares, log_loss, theta_of

PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "runs.csv"
CHINCHILLA = get_law("chinchilla")
STARTS = {"E": (1.0, 1.8), "from_params": (0.3,), "from_tokens": (0.3,), "alpha": (0.2, 0.6), "beta": (0.4,)}


def test_huber_is_quadratic_and_then_linear():
    # Hoffmann et al. 2022, section 3.3: delta 1e-3; at the bend both pieces are delta^2 / 2.
    np.testing.assert_allclose(huber(np.array([-1e-4, 1e-3, -2e-3])), [5e-9, 5e-7, 1e-3 * (2e-3 - 5e-4)], rtol=1e-12)


def test_least_huber_of_the_240_points_is_that_of_the_reanalysis(open_sets):
    # Besiroglu et al. 2024, their objective and data: E 1.817218, alpha 0.347310, beta 0.367172 at 1.0182740e-3.
    points = open_sets["chinchilla"]
    inputs, loss = {"params": points.N.to_numpy(), "tokens": points.D.to_numpy()}, points.loss.to_numpy()
    best = least_huber(CHINCHILLA, inputs, loss, grid(CHINCHILLA, STARTS))
    found = {name: float(value[0]) for name, value in theta_of(CHINCHILLA, best).items()}
    assert (found["E"], found["alpha"], found["beta"]) == pytest.approx((1.817218, 0.347310, 0.367172), abs=5e-5)
    residuals = log_loss(CHINCHILLA, inputs, best, CHINCHILLA.reference(inputs)) - np.log(loss)
    assert huber(residuals).sum() == pytest.approx(1.0182740e-3, abs=1e-9)


def test_least_squares_on_published_rows():
    # GPT-3's eight sizes: E 1.620, alpha 0.256, log-RMS 0.0035, as in tests/laws/test_power.py.
    law, rows = get_law("power-floor"), pd.read_csv(PUBLISHED).query("family == 'GPT-3'")
    inputs = {"x": rows.params.to_numpy(float)}
    starts = grid(law, {"E": (0.05, 1.5), "from_x": (0.3, 1.0), "alpha": (0.1, 0.3)})
    best = least_squares(law, inputs, rows.loss.to_numpy(), starts)
    residuals = log_loss(law, inputs, best, law.reference(inputs)) - np.log(rows.loss)
    found = theta_of(law, best)
    assert (found["E"][0], found["alpha"][0]) == pytest.approx((1.620, 0.256), abs=6e-4)
    assert np.sqrt(np.mean(residuals**2)) == pytest.approx(0.0035, abs=6e-5)


@pytest.mark.parametrize("fit", [least_huber, least_squares])
def test_a_run_that_counts_twice_is_two_runs(known_runs, fit):
    inputs = {name: known_runs[name].values for name in ("params", "tokens")}
    loss = known_runs["loss"].values
    counts = np.random.default_rng(1).integers(3, size=len(loss))
    weighted = fit(CHINCHILLA, inputs, loss, grid(CHINCHILLA, STARTS), counts)
    again = {name: np.repeat(x, counts) for name, x in inputs.items()}
    law_there = log_loss(CHINCHILLA, again, weighted, CHINCHILLA.reference(inputs))
    repeated = fit(CHINCHILLA, again, np.repeat(loss, counts), grid(CHINCHILLA, STARTS))
    # The law is that of the repeated runs, though its parameters are written at another reference run.
    np.testing.assert_allclose(log_loss(CHINCHILLA, again, repeated, CHINCHILLA.reference(again)), law_there, atol=1e-5)


def test_many_fits_at_once_are_each_one(known_runs):
    inputs = {name: known_runs[name].values for name in ("params", "tokens")}
    many, reference = grid(CHINCHILLA, STARTS), CHINCHILLA.reference(inputs)
    together = log_loss(CHINCHILLA, inputs, many, reference)
    np.testing.assert_allclose(together, [log_loss(CHINCHILLA, inputs, one, reference) for one in many], rtol=1e-14)


def test_the_search_turns_back_from_where_nothing_is_finite(known_runs):
    # 1 / alpha_D is the outer exponent: at 1e-6 the bracket overflows.
    law, inputs = get_law("kaplan"), {name: known_runs[name].values for name in ("params", "tokens")}
    good = {"loss_params": (2.0,), "loss_tokens": (2.0,), "alpha_N": (0.07,), "alpha_D": (0.1,)}
    starts = grid(law, good)
    nowhere = grid(law, good | {"loss_params": (9.0,), "alpha_D": (1e-6,)})
    losses = known_runs["loss"].values
    alone, both = (least_huber(law, inputs, losses, z) for z in (starts, np.concatenate([nowhere, starts])))
    np.testing.assert_array_equal(alone, both)
