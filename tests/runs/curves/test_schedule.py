import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import QuestionError
from bayescale.runs.curves.schedule import learning_rate_areas

STEPS = np.arange(400)
SCHEDULES = {
    "cosine": 3e-4 * np.minimum(STEPS / 40, 0.5 * (1 + np.cos(np.pi * STEPS / 400))),
    "warmup, stable, decay": 3e-4 * np.clip(np.minimum(STEPS / 40, (400 - STEPS) / 80), 0, 1),
    "steps": np.repeat([3e-4, 9e-5, 3e-5, 3e-4], 100),
}


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
@pytest.mark.parametrize("lr", SCHEDULES.values(), ids=SCHEDULES)
def test_areas_are_the_double_sum(lr, decay):
    falls = [0.0, *(lr[:-1] - lr[1:])]
    remembered = [sum(falls[k] * decay ** (i - k) for k in range(i + 1)) for i in range(len(lr))]
    areas = learning_rate_areas(lr, decay)
    np.testing.assert_allclose(areas["annealing"], np.cumsum(remembered), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(areas["lr_area"], [lr[: i + 1].sum() for i in range(len(lr))], rtol=1e-12)


def test_a_constant_learning_rate_anneals_nothing_and_a_fall_is_felt_for_as_long_as_it_is_remembered():
    assert not learning_rate_areas(np.full(50, 3e-4))["annealing"].any()
    fallen = learning_rate_areas(np.r_[3e-4, np.zeros(20_000)], decay=0.999)
    assert fallen["annealing"][-1] == pytest.approx(3e-4 / (1 - 0.999), rel=1e-6)
    assert (learning_rate_areas(np.linspace(1e-6, 3e-4, 50))["annealing"][1:] < 0).all(), "warm-up is the reverse"


def test_schedules_are_taken_along_the_last_axis():
    together = learning_rate_areas(np.array(list(SCHEDULES.values())))
    for k, lr in enumerate(SCHEDULES.values()):
        np.testing.assert_array_equal(together["annealing"][k], learning_rate_areas(lr)["annealing"])


@pytest.mark.parametrize(
    ("lr", "decay", "message"),
    [
        ([1e-3, -1e-4], 0.999, r"found -0.0001 at step 1"),
        ([1e-3, 1e-3, np.nan], 0.999, r"found nan at step 2"),
        ([1e-3], 1.0, r"decay must be a share from 0 to below 1, got 1.0"),
    ],
)
def test_a_schedule_that_is_none_is_refused(lr, decay, message):
    with pytest.raises(QuestionError, match=message):
        learning_rate_areas(lr, decay)


def log(every=20, **columns):
    """A run that warms up over 40 steps, stands still and decays over the last 80, and what it did at every step."""
    rates = SCHEDULES["warmup, stable, decay"]
    at = STEPS[every - 1 :: every]
    return pd.DataFrame({"run": "a", "step": at + 1, "loss": 4 - at / 400, "lr": rates[at]} | columns), rates


def test_a_log_of_steps_and_learning_rates_tells_the_areas_of_the_annealing_law():
    frame, rates = log()
    curves = bs.read_curves(frame, filters=None)
    every = learning_rate_areas(rates)["lr_area"]
    # Before the first checkpoint the rate is taken to have stood still; this run warmed up.
    np.testing.assert_allclose(
        curves["lr_area"] - curves["lr_area"][0], (every - every[19])[frame["step"] - 1], rtol=0.02
    )
    # S2 counts from the peak on; between two checkpoints the fall begins sooner than it did.
    peak = rates.argmax()
    annealed = np.r_[np.zeros(peak), learning_rate_areas(rates[peak:])["annealing"]]
    np.testing.assert_allclose(curves["annealing"], annealed[frame["step"] - 1], rtol=0.02, atol=5e-5)
    assert "step and lr" in curves.attrs["derived"]


def test_areas_of_each_run_are_its_own():
    frame, _ = log()
    both = bs.read_curves(pd.concat([frame, frame.assign(run="b", lr=2 * frame["lr"])]), filters=None)
    first, second = (both["lr_area"].values[both["run"].values == name] for name in "ab")
    np.testing.assert_allclose(second, 2 * first)


def test_areas_that_the_log_has_are_kept_and_a_rate_that_ends_early_makes_none():
    frame, _ = log(S1=7.0, S2=0.0)
    assert set(bs.read_curves(frame, filters=None)["lr_area"].values) == {7.0}
    frame, _ = log()
    frame.loc[len(frame) - 1, "lr"] = np.nan
    assert "lr_area" not in bs.read_curves(frame, filters=None)


@pytest.mark.sampling
def test_the_annealing_law_is_fitted_along_curves_of_several_schedules():
    rng, parts, truth = np.random.default_rng(5), [], {"L0": 2.6, "A": 0.5, "alpha": 0.5, "C": 0.4}
    shapes = {"constant": np.ones(4000), "cosine": 0.5 * (1 + np.cos(np.pi * np.arange(4000) / 4000))}
    shapes["decay"] = np.clip((4000 - np.arange(4000)) / 1000, 0, 1)
    for name, shape in shapes.items():
        areas = learning_rate_areas(1e-3 * shape)
        at = np.arange(99, 4000, 100)
        law = truth["L0"] + truth["A"] * areas["lr_area"] ** -truth["alpha"] - truth["C"] * areas["annealing"]
        loss = law[at] * np.exp(rng.normal(0, 0.002, at.size) + rng.normal(0, 0.003))
        parts.append(pd.DataFrame({"run": name, "step": at + 1, "lr": 1e-3 * shape[at], "loss": loss}))
    curves = bs.read_curves(pd.concat(parts), filters=None)
    fit = bs.fit(curves, "annealing+curve", seed=1, draws=300, tune=300, chains=2, prior_draws=0)
    low, high = fit["posterior"]["L0"].quantile([0.01, 0.99]).values
    assert low < truth["L0"] < high
    assert high - low < 0.3
