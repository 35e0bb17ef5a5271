import numpy as np
import pytest
import xarray as xr
from conjugate import ALPHA, conjugate
from curved import pinned_curves, simulated_curves
from pinned import BESIROGLU, FAILED, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.trust.influence import influence, most_influential

# The third run lies three scatters above the others.
RESIDUALS = np.array([0.0, -0.02, 0.06, 0.01, -0.01, 0.0, 0.02, -0.02, 0.01, 0.0])


@pytest.fixture(scope="module")
def known():
    return conjugate(RESIDUALS)


def _log_far(known):
    """Log of the expected loss at 100 times the largest run, less log of the loss at the reference run."""
    compute = bs.inference.runs_of(known.fit)["compute"].values
    return -ALPHA * (np.log(100 * compute.max()) - np.log(compute).mean())


def test_the_shift_is_that_of_the_exact_posterior_without_the_run(known):
    expected = bs.extrapolate(known.fit, "100x")["expected_loss"]
    moved = influence(known.fit, answer=expected)
    mean, spread = known.posterior()
    for i in range(len(RESIDUALS)):
        without, wider = known.posterior(without=i)
        for name, z in (("shift", 0.0), ("shift_lower", -1.6449), ("shift_upper", 1.6449)):
            # Closed form: both are quantiles of a log-normal; in % of the median of the first.
            wanted = 100 * (np.exp(without + z * wider - mean) - np.exp(z * spread))
            np.testing.assert_allclose(moved[name].values[i], wanted, atol=0.05)
        np.testing.assert_allclose(moved["of_band"].values[i], (without - mean) / (1.6449 * spread), atol=0.05)
    assert float(moved["median"]) == pytest.approx(np.exp(mean + _log_far(known)), rel=1e-4)
    assert bool(moved["reliable"].all())


def test_the_loss_of_a_new_run_is_what_is_moved_by_default(known):
    moved = influence(known.fit, "100x")
    mean, _ = known.posterior()
    wanted = [100 * (np.exp(known.posterior(without=i)[0] - mean) - 1) for i in range(len(RESIDUALS))]
    # Scatter of the run is drawn: four Monte Carlo errors of the median of 4000 draws.
    np.testing.assert_allclose(moved["shift"], wanted, atol=4 * float(moved["mc_error"].max()))
    half = float((moved["upper"] - moved["lower"]) / 2 / moved["median"])
    assert half == pytest.approx(1.6449 * np.hypot(known.sigma, known.posterior()[1]), rel=0.05)
    assert moved.attrs["answer"] == "loss at 100x"
    assert moved.attrs["units"] == "nats/token"


def test_the_error_of_the_shift_is_that_of_repeated_draws(known):
    shifts = [float(influence(known.fit, "100x", seed=seed)["shift"][2]) for seed in range(8)]
    stated = float(influence(known.fit, "100x")["mc_error"][2])
    # The scatter alone is drawn anew here, which is most of the band: between half and all of the stated error.
    assert 0.4 * stated < np.std(shifts) < 1.3 * stated


def test_the_run_that_stands_out_is_named_first_with_what_was_put_into_it(known):
    moved = influence(known.fit, "100x")
    table = most_influential(moved, 2)
    assert table.index[0] == bs.inference.runs_of(known.fit)["run"].values[2]
    assert table.iloc[0]["shift"] < 0  # the run is high: the loss is predicted lower without it
    assert abs(table.iloc[0]["of_band"]) > abs(table.iloc[1]["of_band"])
    sentence = moved.attrs["sentence"]
    assert sentence.startswith("No single run carries the loss at 100x: it would be 0.6")
    assert f"without {table.index[0]} ({table.iloc[0]['compute']:.2e} FLOP)" in sentence
    assert "lower" in sentence


def test_a_run_that_carries_the_answer_is_said_to():
    far_off = conjugate(np.array([0.08 * (i == 7) for i in range(8)]), sigma=0.02)
    expected = bs.extrapolate(far_off.fit, "100x")["expected_loss"].assign_attrs(long_name="loss far out")
    moved = influence(far_off.fit, answer=expected)
    # Closed form, with the prior left out: 0.08 / 8 of the mean, over half a band of 1.645 * 0.02 / sqrt(8).
    assert float(moved["of_band"][7]) == pytest.approx(-0.86, abs=0.05)
    assert moved.attrs["sentence"].startswith("Single runs carry the loss far out: it would be 0.99% lower, 8")


def test_a_run_without_which_the_posterior_is_another_is_marked_and_not_told(known):
    fit = known.fit.copy(deep=True)
    name = fit.attrs["response"]
    density = fit["log_likelihood"][name].values
    # One run whose density varies over the draws by far more than any other's: its weights rest on a few draws.
    density[..., 4] = 40 * np.log(np.linspace(1e-4, 1, density[..., 4].size)).reshape(density.shape[:2])
    moved = influence(fit, "100x")
    assert moved["reliable"].values.tolist() == [i != 4 for i in range(10)]
    run = bs.inference.runs_of(fit)["run"].values[4]
    assert most_influential(moved, 1).index[0] == run
    said = moved.attrs["sentence"]
    assert f"1 run with a Pareto k above 0.70 ({run}" in said
    assert said.endswith("only a fit without it says how far the loss at 100x would move.")
    assert f"without {run}" not in said.split("1 run with")[0]


def test_every_family_has_its_shifts_and_its_runs():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, spread=0.01, draws=300)
    moved = influence(fit, "100x")
    assert moved["shift"].dims == ("run", "family")
    assert moved["run_family"].values.tolist() == bs.inference.runs_of(fit)["family"].values.tolist()
    table = most_influential(moved, 3)
    row = table.iloc[0]
    assert abs(row["of_band"]) == pytest.approx(float(abs(moved["of_band"].sel(run=table.index[0])).max()))
    one = influence(fit, "100x", family="old")
    np.testing.assert_allclose(one["shift"], moved["shift"].sel(family="old"), atol=1)
    assert one["shift"].dims == ("run",)


def test_questions_that_cannot_be_answered(known):
    with pytest.raises(QuestionError, match="there is no family 'odl'"):
        influence(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, draws=3), family="odl")
    with pytest.raises(QuestionError, match="dims chain 4, draw 1000"):
        influence(known.fit, answer=xr.DataArray(np.ones((4, 7)), dims=("chain", "draw")))
    with pytest.raises(QuestionError, match="compute 'far' is not understood"):
        influence(known.fit, "far")


def test_an_unconverged_posterior_is_refused_or_marked():
    bad = conjugate(RESIDUALS, draws=100, verdict=FAILED).fit
    with pytest.raises(UnconvergedError):
        influence(bad)
    assert influence(bad, allow_unconverged=True).attrs["verdict"] == "NOT CONVERGED"


@pytest.mark.sampling
def test_the_shift_is_that_of_a_fit_without_the_run(known_runs, known_fit):
    moved = influence(known_fit, "100x")
    run = most_influential(moved, 1).index[0]
    n, d = (float(bs.extrapolate(known_fit, "100x")[name][0]) for name in ("params", "tokens"))
    without = bs.fit(known_runs.isel(run=known_runs["run"].values != run), seed=2)
    before, after = (bs.extrapolate(fit, params=n, tokens=d)["expected_loss"] for fit in (known_fit, without))
    wanted = 100 * float(after.median() / before.median() - 1)
    found = influence(known_fit, answer=before)["shift"].sel(run=run)
    # Two independent medians of at least 1000 effective draws each, in % of the loss, three errors.
    error = 100 * float(before.std() / before.median()) * 1.25 * np.sqrt(2 / 1000)
    np.testing.assert_allclose(found, wanted, atol=3 * error)
    assert abs(wanted) > 3 * error  # or the test would pass without any shift


def test_a_run_of_checkpoints_is_left_out_with_all_of_them():
    curves = simulated_curves()
    fit = pinned_curves(curves)
    expected = bs.extrapolate(fit, "10x")["expected_loss"]
    moved = influence(fit, answer=expected)
    assert moved["run"].values.tolist() == bs.runs.final_runs(curves)["run"].values.tolist()
    draws, density = expected.values.ravel(), fit["log_likelihood"]["log_loss"]
    order = np.argsort(draws)
    # By the weights that all checkpoints of a run have together.
    for name in moved["run"].values:
        weights = np.exp(-(density.sel(run=name) - density.sel(run=name).mean()).values.ravel())[order]
        median = draws[order][np.searchsorted(np.cumsum(weights), weights.sum() / 2)]
        shift = 100 * (median / np.median(draws) - 1)
        assert moved["shift"].sel(run=name).item() == pytest.approx(shift, abs=2 * moved["mc_error"].max().item())
    assert float(abs(moved["shift"]).max()) > 4 * float(moved["mc_error"].max())
