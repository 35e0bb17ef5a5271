import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conjugate import conjugate
from curved import ERRORS, pinned_curves, simulated_curves, upto
from pinned import BESIROGLU, FAILED, ROUNDED, pinned_fit, simulated_runs
from scipy import stats

import bayescale as bs
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.inference.sampling import log_likelihood
from bayescale.layers.drift import CELL, SIDE, STEP, with_steps_beyond
from bayescale.modeling import prepare
from bayescale.posterior import Posterior
from bayescale.trust.checks import FEWEST, check_predictive, replicate

SIGMA = 0.02


def even(count):
    """Residuals of a calibrated model: normal quantiles, in random order."""
    return SIGMA * np.random.default_rng(8).permutation(stats.norm.ppf((np.arange(count) + 0.5) / count))


def group(checked, name="all runs"):
    return checked.sel(group=name)


def test_loo_pit_and_bands_are_those_of_the_exact_prediction():
    known = conjugate(even(20), sigma=SIGMA)
    checked = check_predictive(known.fit)
    # Closed form; the standard error of a share of 4000 draws is at most 0.008.
    np.testing.assert_allclose(checked["loo_pit"], known.loo_pit(), atol=0.025)
    each = np.array([known.posterior(without=i) for i in range(20)])
    spread = np.hypot(SIGMA, each[:, 1])
    centre = np.log(checked["loss"].values) - known.y + each[:, 0]
    for prob, z in ((0.5, 0.6745), (0.9, 1.6449), (0.95, 1.96)):
        for side, sign in (("lower", -1), ("upper", 1)):
            found = np.log(checked[side].sel(prob=prob).values)
            np.testing.assert_allclose((found - centre) / spread, sign * z, atol=0.15)
    np.testing.assert_allclose((np.log(checked["median"].values) - centre) / spread, 0, atol=0.1)
    # With the run itself in the fit its place is nearer to the middle.
    mean, width = known.posterior()
    np.testing.assert_allclose(checked["pit"], stats.norm.cdf((known.y - mean) / np.hypot(SIGMA, width)), atol=0.025)


def test_a_band_counts_the_runs_that_are_inside_of_it():
    checked = check_predictive(conjugate(even(40), sigma=SIGMA).fit)
    for prob in checked["prob"].values:
        inside = (checked["loss"] >= checked["lower"].sel(prob=prob)) & (
            checked["loss"] <= checked["upper"].sel(prob=prob)
        )
        assert float(group(checked)["coverage"].sel(prob=prob)) == pytest.approx(float(inside.mean()), abs=1 / 40)
    # Of 40 quantiles of a normal 36 lie within its 90% band; those of 40 runs about their own mean at least as many.
    assert "36 of 40 runs lie within their 90% bands" in group(checked)["sentence"].item()
    low, high = (float(group(checked)[f"coverage_{end}"].sel(prob=0.9)) for end in ("lower", "upper"))
    # R: qbeta(c(.025, .975), 36.5, 4.5)
    assert (low, high) == pytest.approx((0.779, 0.9649), abs=0.002)


@pytest.mark.parametrize(
    ("residuals", "found", "said"),
    [
        (even(60), "fine", "and they fall evenly over the predictions"),
        (2.5 * even(60), "too narrow", "and the bands are too narrow"),
        (0.3 * even(60), "too wide", "and the bands are too wide"),
    ],
)
def test_what_is_wrong_is_named(residuals, found, said):
    row = group(check_predictive(conjugate(residuals, sigma=SIGMA).fit))
    assert row["found"].item() == found
    assert row["sentence"].item().endswith(f"{said}.")
    outside = (row["ecdf"] < row["ecdf_lower"]) | (row["ecdf"] > row["ecdf_upper"])
    assert bool(outside.any()) == (found != "fine")


def test_largest_runs_that_come_out_low_are_said_to_by_themselves():
    residuals = even(60)
    residuals[-20:] -= 0.03  # the last decade of three
    checked = check_predictive(conjugate(residuals, sigma=SIGMA).fit)
    row = group(checked, "the largest runs")
    assert int(row["runs"]) == 20
    assert "too high" in row["found"].item()
    assert float(row["shift"]) < -2
    share = float((checked["loo_pit"].values[-20:] > 0.5).mean())
    assert row["sentence"].item().endswith(f"{share:.0%} of the runs came out above the middle.")


def test_largest_runs_are_at_least_so_many_and_not_all():
    checked = check_predictive(conjugate(even(20), sigma=SIGMA).fit)
    assert int(group(checked, "the largest runs")["runs"]) == FEWEST  # the last decade of three has but seven
    assert check_predictive(conjugate(even(8), sigma=SIGMA).fit)["group"].values.tolist() == ["all runs"]


def test_families_are_judged_each_by_itself():
    fit = families_fit()
    checked = check_predictive(fit)
    assert checked["group"].values.tolist() == ["all runs", "new", "old", "the largest runs"]
    assert int(group(checked, "old")["runs"]) == 16
    places = checked["loo_pit"].values[checked["run_family"].values == "old"]
    np.testing.assert_allclose(group(checked, "old")["coverage"].sel(prob=0.5), (abs(2 * places - 1) <= 0.5).mean())


def families_fit(sigma=0.005):
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, sigma=sigma, spread=0.001, draws=500)
    return with_density(fit)


def with_density(fit):
    """The fit with the log density that its draws have, where the pinned one makes it up."""
    card, runs = bs.load_card(fit.attrs["model"]), bs.inference.runs_of(fit)
    data = dataclasses.replace(prepare(card, runs), reference=json.loads(fit.attrs["reference"]))
    fit["log_likelihood"] = log_likelihood(data, fit["posterior"].to_dataset())
    return fit


def test_replicated_runs_are_their_familys_with_the_known_error_of_each():
    runs = simulated_runs(noise=0.0)
    runs = runs.assign(loss_se=("run", np.where(np.arange(36) == 3, 0.05, 0.0) * runs["loss"].values))
    fit = pinned_fit(runs=runs, reference={"params": 1e9, "tokens": 2e10}, sigma=0.01, draws=2000)
    made = np.log(replicate(fit)) - np.log(Posterior(fit).expect({n: runs[n] for n in ("params", "tokens")}))
    width = made.std(("chain", "draw")).values
    np.testing.assert_allclose(width[3], np.hypot(0.01, 0.05), rtol=0.05)
    np.testing.assert_allclose(np.delete(width, 3), 0.01, rtol=0.08)
    two = families_fit()
    made = replicate(two)
    assert made["run"].values.tolist() == bs.inference.runs_of(two)["run"].values.tolist()
    # The pinned runs lie on their own family's law.
    np.testing.assert_allclose(made.median(("chain", "draw")), bs.inference.runs_of(two)["loss"], rtol=0.003)


def test_replicated_runs_of_a_card_with_a_drift_scatter_as_it_says():
    fit = pinned_fit(sigma=0.01, draws=1500)
    card, runs = bs.load_card("chinchilla+drift"), bs.inference.runs_of(fit)
    posterior, spans = fit["posterior"].to_dataset(), prepare(card, runs).spans
    held = {"tau": 0.01, "tau_growth": 0.0, "sigma_growth": 0.5}
    posterior = posterior.assign({name: xr.full_like(posterior["E"], value) for name, value in held.items()})
    steps = xr.zeros_like(posterior["E"]).expand_dims({CELL: 2 * SIDE}, axis=-1)
    fit["posterior"] = with_steps_beyond(posterior.assign({STEP: steps}), spans, seed=1)
    fit.attrs |= {"card": json.dumps(card.model_dump(mode="json")), "spans": json.dumps(spans)}
    made = np.log(replicate(fit)).std(("chain", "draw"))
    # Half as much again on the log for each decade of compute below the largest run.
    below = np.log10(runs["compute"].max() / runs["compute"])
    np.testing.assert_allclose(made, 0.01 * np.exp(0.5 * below), rtol=0.1)


def test_shares_are_compared_as_counts_and_ties_broken_evenly():
    card = bs.cards.make_card({"extends": "accuracy", "noise": {"family": "Binomial"}}, "accuracy-counts")
    rng, count = np.random.default_rng(2), 30
    right = rng.binomial(3, 0.6, count)
    frame = pd.DataFrame({"compute": np.geomspace(1e18, 1e21, count), "accuracy": right / 3, "questions": 3})
    runs = bs.read_runs(frame, suspicious="keep")
    reference = prepare(card, runs).reference
    # A midpoint far below the runs: three questions, each answered right with probability 0.25 + 0.75 * 0.5.
    theta = {"chance": 0.25, "reach": 0.5, "slope": 2.0, "midpoint": 1e-30}
    paper = theta | card.get_law().to_paper(np, theta, reference)
    fit = pinned_fit(card, paper, runs=runs, reference=reference, spread=0.01, draws=2000)
    fit["log_likelihood"] = log_likelihood(prepare(card, runs), fit["posterior"].to_dataset())
    places = check_predictive(fit)["pit"].values
    below, upto = stats.binom.cdf(right - 1, 3, 0.625), stats.binom.cdf(right, 3, 0.625)
    assert ((places > below - 0.03) & (places < upto + 0.03)).all()
    assert np.std((places - below) / (upto - below)) == pytest.approx(12**-0.5, abs=0.08)


def test_the_same_seed_gives_the_same_runs():
    fit = pinned_fit(draws=10)
    np.testing.assert_array_equal(replicate(fit, 3), replicate(fit, 3))
    assert not np.array_equal(replicate(fit, 3), replicate(fit, 4))


def test_too_few_runs_are_refused_and_small_families_left_unjudged():
    with pytest.raises(QuestionError, match=f"takes at least {FEWEST} runs; got 5"):
        check_predictive(conjugate(even(5), draws=50).fit)
    small = families_fit()
    runs = bs.inference.runs_of(small)
    old = np.flatnonzero(runs["family"].values == "old")
    row = group(check_predictive(small.isel(run=np.delete(np.arange(32), old[4:]))), "old")
    assert (int(row["runs"]), row["found"].item()) == (4, "too few runs")
    assert row["sentence"].item().endswith("too few to say more.")


def test_a_run_that_cannot_be_left_out_is_marked():
    known = conjugate(even(12), sigma=SIGMA)
    fit = known.fit.copy(deep=True)
    density = fit["log_likelihood"][fit.attrs["response"]].values
    density[..., 4] = 40 * np.log(np.linspace(1e-4, 1, density[..., 4].size)).reshape(density.shape[:2])
    checked = check_predictive(fit)
    assert checked["reliable"].values.tolist() == [i != 4 for i in range(12)]
    assert checked.attrs["warning"].startswith("1 run has a Pareto k above 0.70")
    assert check_predictive(known.fit).attrs["warning"] == ""


def test_an_unconverged_posterior_is_refused_or_marked():
    bad = conjugate(even(10), draws=100, verdict=FAILED).fit
    with pytest.raises(UnconvergedError):
        check_predictive(bad)
    assert check_predictive(bad, allow_unconverged=True).attrs["verdict"] == "NOT CONVERGED"


# Learning curves


def test_a_run_of_checkpoints_is_checked_once_where_it_ended_and_not_as_if_annealed():
    curves = upto(simulated_curves(hot=0.2), 0.5)
    checked = check_predictive(pinned_curves(curves, hot=0.2))
    assert checked["run"].values.tolist() == bs.runs.final_runs(curves)["run"].values.tolist()
    assert float(abs(np.log(checked["median"] / checked["loss"])).max()) < 0.04  # annealed, all would be 0.1 off
    assert bool(checked["reliable"].all())
    np.testing.assert_allclose(checked["tokens"], 0.5 * 20e9, rtol=0.15)  # the last bin
    logs = np.log(checked["replicated"])
    found, expected = float(logs.std(("chain", "draw")).mean()), np.hypot(ERRORS["offset_sd"], ERRORS["wander_sd"])
    assert expected < found < 1.5 * expected  # a checkpoint's own noise alone would be 0.2%
