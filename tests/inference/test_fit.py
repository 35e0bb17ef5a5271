"""Posteriors that are sampled; each is fitted once a session (see conftest)."""

import json
import os
import time

import numpy as np
import nutpie
import pandas as pd
import pytest
import xarray as xr
from pinned import BESIROGLU, simulated_frame, simulated_runs
from scipy.special import logsumexp

import bayescale as bs
from bayescale.costs import PowerCost
from bayescale.posterior import Posterior
from bayescale.runs import content_hash

pytestmark = pytest.mark.sampling


def moments(fit, name):
    values = fit["posterior"][name] if isinstance(name, str) else name
    return float(values.mean()), float(values.std())


# The 240 points of Hoffmann et al.


def test_the_posterior_is_the_one_that_plain_nuts_found(hoffmann_fit):
    # An independent PyMC model with Student-t noise on log loss and other weak priors: E 1.807 (.015), alpha .345
    # (.009), beta .360 (.010), sigma .0041, a .5105 (.010).
    assert bs.verdict(hoffmann_fit).passed, bs.verdict(hoffmann_fit).sentence
    wanted = {"E": (1.807, 0.0151), "alpha": (0.345, 0.0091), "beta": (0.360, 0.0100)}
    for name, (mean, sd) in wanted.items():
        found, spread = moments(hoffmann_fit, name)
        assert abs(found - mean) < 2 * spread, (name, found, spread)
        assert spread == pytest.approx(sd, rel=0.35)
    a, spread = moments(hoffmann_fit, bs.optimal_split(hoffmann_fit, "1x")["a"])
    assert abs(a - 0.51) < 2 * spread
    assert moments(hoffmann_fit, "sigma")[0] == pytest.approx(0.0041, rel=0.2)


def test_the_raw_coefficients_are_those_of_the_draws(hoffmann_fit):
    posterior = hoffmann_fit["posterior"].to_dataset()
    law = bs.laws.get_law("chinchilla")
    near = law.paper(np, {k: posterior[k] for k in ("E", "A", "B", "alpha", "beta")}, params=70e9, tokens=1.4e12)
    np.testing.assert_allclose(
        near, bs.extrapolate(hoffmann_fit, params=70e9, tokens=1.4e12)["expected_loss"].squeeze()
    )
    # Besiroglu et al. 2024, 95% bootstrap intervals: A 285 to 744, B 1042 to 5810.
    assert 285 < float(posterior["A"].median()) < 744
    assert 1042 < float(posterior["B"].median()) < 5810


def test_the_stored_log_likelihood_is_scipys(hoffmann_fit, hoffmann_runs):
    from scipy import stats

    draw = {"chain": 2, "draw": 77}
    at = {k: float(v) for k, v in hoffmann_fit["posterior"].to_dataset().isel(draw).items()}
    where = {name: hoffmann_runs[name] for name in ("params", "tokens")}
    mu = np.log(bs.laws.get_law("chinchilla").paper(np, at, **where))
    wanted = stats.t.logpdf(np.log(hoffmann_runs["loss"]), at["nu"], mu, at["sigma"])
    np.testing.assert_allclose(hoffmann_fit["log_likelihood"]["log_loss"].isel(draw), wanted, rtol=1e-8)


def test_a_posterior_carries_all_that_later_questions_need(hoffmann_fit, hoffmann_runs):
    assert set(hoffmann_fit.children) == {
        "posterior", "sample_stats", "prior", "log_likelihood", "power_scaling", "observed_data", "constant_data",
    }  # fmt: skip
    assert dict(hoffmann_fit["posterior"].sizes) == {"chain": 4, "draw": 1000}
    names = set(hoffmann_fit["posterior"].data_vars)
    assert {"E", "from_params", "from_tokens", "alpha", "beta", "A", "B", "sigma", "nu"} <= names
    attrs = hoffmann_fit.attrs
    assert attrs["runs"] == 240
    assert attrs["sha256"] == content_hash(hoffmann_runs)
    assert json.loads(attrs["seen"])["compute"][1] == float(hoffmann_runs["compute"].max())
    assert json.loads(attrs["settings"])["seed"] == 1
    assert set(json.loads(attrs["versions"])) >= {"bayescale", "pymc", "nutpie", "numpy"}
    back = bs.inference.runs_of(hoffmann_fit)
    xr.testing.assert_equal(back, hoffmann_runs.transpose(*back.dims)[list(back.data_vars)])


def test_the_240_points_teach_every_parameter(hoffmann_fit):
    learned = bs.inference.prior_to_posterior(hoffmann_fit)["learned"]
    assert bool((learned.sel(parameter=["E", "alpha", "beta"]) > 0.5).all())


def test_a_real_posterior_survives_its_file(hoffmann_fit, tmp_path):
    back = bs.load_fit(bs.save_fit(hoffmann_fit, tmp_path / "fit.nc"))
    for name in hoffmann_fit.children:
        xr.testing.assert_equal(back[name].to_dataset(), hoffmann_fit[name].to_dataset())
    assert back.attrs == hoffmann_fit.attrs


def test_a_second_fit_is_the_same_and_takes_seconds(hoffmann_fit, hoffmann_runs):
    # The bound of 3 s for 4 x (1000 + 1000) draws is for two idle cores: it is asserted only where they are.
    busy = os.getloadavg()[0]
    start = time.perf_counter()
    again = bs.fit(hoffmann_runs, "chinchilla", seed=1, prior_draws=0)
    took = time.perf_counter() - start
    xr.testing.assert_equal(again["posterior"].to_dataset(), hoffmann_fit["posterior"].to_dataset())
    print(f"warm refit: {took:.2f} s at a load of {busy:.1f}")
    if os.environ.get("CI") or busy < 2:
        assert took < 3
    assert took < 60


@pytest.mark.slow
def test_twelve_families_of_forty_runs_take_seconds():
    # The bound of 15 s for 4 x (1000 + 1000) draws is for two idle cores.
    rng, parts = np.random.default_rng(3), []
    for family in range(12):
        floor, alpha, beta, a, b = np.array([1.8, 0.34, 0.28, 0.35, 0.4]) * np.exp(0.12 * rng.standard_normal(5))
        compute, ratio = 10 ** rng.uniform(18, 22, 40), 10 ** rng.uniform(0.7, 2, 40)
        params = np.sqrt(compute / 6 / ratio)
        loss = floor + a * (params / 1e8) ** -alpha + b * (ratio * params / 3e9) ** -beta
        loss *= np.exp(0.01 * rng.standard_t(5, 40))
        about = {"family": f"f{family}", "params": params, "tokens": ratio * params, "loss": loss}
        parts.append(pd.DataFrame(about))
    runs = bs.read_runs(pd.concat(parts), suspicious="keep")
    bs.fit(runs, "chinchilla", seed=1, tries=1, prior_draws=0)
    busy, start = os.getloadavg()[0], time.perf_counter()
    warm = bs.fit(runs, "chinchilla", seed=2, tries=1, prior_draws=0)
    took = time.perf_counter() - start
    print(f"warm: {took:.1f} s at a load of {busy:.1f}; {bs.verdict(warm).sentence}")
    assert int(warm["sample_stats"]["diverging"].sum()) == 0
    assert bs.verdict(warm).passed
    assert took < (15 if busy < 2 else 120)


def test_another_seed_gives_other_draws_of_the_same_posterior(hoffmann_fit, hoffmann_runs):
    other = bs.fit(hoffmann_runs, "chinchilla", seed=2, prior_draws=0)
    assert not other["posterior"]["E"].equals(hoffmann_fit["posterior"]["E"])
    mean, sd = moments(hoffmann_fit, "E")
    # Both have at least 400 effective draws: means differ by sd / 20 * sqrt(2) at one sigma.
    assert moments(other, "E")[0] == pytest.approx(mean, abs=0.25 * sd)


def never(*args, **kwargs):
    raise AssertionError("compiled a second time")


def test_other_runs_of_the_same_shape_are_not_compiled_again(hoffmann_fit, monkeypatch):
    monkeypatch.setattr(nutpie, "compile_pymc_model", never)
    fewer = bs.fit(simulated_runs(sizes=4, ratios=4, noise=0.01), seed=3, draws=200, tune=300, prior_draws=50)
    assert fewer.attrs["runs"] == 16
    assert fewer["log_likelihood"].sizes["run"] == 16
    # The prior is that of these runs, not of those that were compiled first.
    lowest = float(fewer["observed_data"]["loss"].min())
    assert float(fewer["prior"]["E"].max()) < lowest


def test_neither_are_fewer_runs_of_one_family(hoffmann_fit, monkeypatch):
    monkeypatch.setattr(nutpie, "compile_pymc_model", never)
    fewer = bs.fit(simulated_runs(sizes=4, ratios=3, noise=0.01), seed=3, draws=200, tune=300, prior_draws=0)
    assert fewer.attrs["runs"] == 12


def test_kaplans_law_is_fitted_to_the_same_points(hoffmann_kaplan_fit):
    assert bs.verdict(hoffmann_kaplan_fit).passed, bs.verdict(hoffmann_kaplan_fit).sentence
    assert {"N_c", "D_c"} <= set(hoffmann_kaplan_fit["posterior"].data_vars)
    floor = bs.irreducible_loss(hoffmann_kaplan_fit)
    assert float(floor["irreducible_loss"].max()) == 0.0


def test_the_density_of_left_out_runs_is_that_of_the_law(known_fit, known_runs):
    density = known_fit["log_likelihood"]["log_loss"]
    pointwise = logsumexp(density.values, axis=(0, 1)) - np.log(4000)
    # 36 runs with a scatter of 0.5%: a normal density of sd 0.005 has a mean log of 3.88.
    assert pointwise.mean() == pytest.approx(3.88, abs=0.4)


def test_a_selection_of_runs_is_other_runs(known_runs, known_fit):
    part = bs.fit(known_runs.isel(run=slice(0, 30)), seed=1, draws=200, tune=300, prior_draws=0)
    assert part.attrs["sha256"] != known_fit.attrs["sha256"]


def test_a_cost_model_of_ones_own_is_asked_in_the_answers():
    runs = bs.read_runs(simulated_frame(noise=0.01), cost=PowerCost(8.0))
    far = bs.extrapolate(bs.fit(runs, seed=1, draws=200, tune=300, prior_draws=0), "10x", allow_unconverged=True)
    np.testing.assert_allclose(8 * far["params"] * far["tokens"], far["compute"])


# What is known is found again


def test_known_parameters_are_inside_their_98_percent_intervals(known_fit):
    # One data set: each of five intervals must hold, and five at 98% all hold nine times in ten; at 90% that would be
    # six times in ten, and a right model would fail by design. The seed is fixed, so this cannot flake; it fails where
    # an interval is too narrow or off-centre by more than the data's own luck.
    assert bs.verdict(known_fit).passed, bs.verdict(known_fit).sentence
    posterior = known_fit["posterior"]
    for name, truth in BESIROGLU.items():
        low, high = np.quantile(posterior[name], [0.01, 0.99])
        assert low < truth < high, (name, low, truth, high)
    low, high = np.quantile(posterior["sigma"], [0.01, 0.99])
    assert low < 0.005 < high


def test_known_answers_are_inside_their_98_percent_intervals(known_fit):
    law = bs.laws.get_law("chinchilla")
    split = bs.optimal_split(known_fit, [1e22, 1e24])
    g = (0.3478 * 482.01 / (0.3658 * 2085.43)) ** (1 / 0.7136)
    truth = g * (np.array([1e22, 1e24]) / 6) ** (0.3658 / 0.7136)
    low, high = (split["params"].quantile(q, ("chain", "draw")).values for q in (0.01, 0.99))
    assert (low < truth).all()
    assert (truth < high).all()
    far = bs.extrapolate(known_fit, "100x")
    at = law.paper(np, BESIROGLU, params=far["params"].values, tokens=far["tokens"].values)
    low, high = (far["expected_loss"].quantile(q, ("chain", "draw")).values for q in (0.01, 0.99))
    assert (low < at).all()
    assert (at < high).all()
    assert float((high - low)[0]) < 0.3


def test_a_farther_question_has_a_wider_band(known_fit):
    far = bs.extrapolate(known_fit, ["1x", "10x", "100x", "1000x"])["expected_loss"]
    width = far.quantile(0.95, ("chain", "draw")).values - far.quantile(0.05, ("chain", "draw")).values
    assert (np.diff(width) > 0).all()


# Stopping


def test_ctrl_c_stops_the_chains_and_leaves_nothing(known_runs, known_fit):
    calls = []

    def stop(done, total):
        calls.append((done, total))
        raise KeyboardInterrupt

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        bs.fit(known_runs, seed=1, draws=200_000, tune=1000, progress=stop)
    assert time.perf_counter() - start < 30, "half a million draws were not waited for"
    assert calls[0][1] == 4 * 201_000
    assert len(calls) == 1
    again = bs.fit(known_runs, seed=1, prior_draws=0)
    xr.testing.assert_equal(again["posterior"].to_dataset(), known_fit["posterior"].to_dataset())


def test_progress_ends_at_the_last_draw(known_runs):
    seen = []
    bs.fit(known_runs, seed=1, draws=500, tune=500, prior_draws=0, progress=lambda *at: seen.append(at))
    done = [at for at, _ in seen]
    assert seen[-1] == (4000, 4000)
    assert all(0 <= at <= 4000 for at in done)


# Several families


def test_three_corpora_are_fitted_together(gadre_fit):
    verdict = bs.verdict(gadre_fit)
    assert verdict.passed, verdict.sentence
    assert int(gadre_fit["sample_stats"]["diverging"].sum()) == 0
    posterior = gadre_fit["posterior"]
    assert posterior["family"].values.tolist() == ["c4", "rpj", "rw"]
    assert posterior["E"].dims == ("chain", "draw", "family")
    assert posterior["E_population"].dims == ("chain", "draw")
    assert not [name for name in posterior.data_vars if name.endswith("_offset")]


def test_their_floors_are_near_those_of_separate_fits(gadre_fit):
    # Summed-Huber fits of the same form to each corpus alone: E 1.620, 1.720, 1.701 on the C4 validation loss.
    floor = bs.irreducible_loss(gadre_fit)
    for family, alone in {"c4": 1.620, "rpj": 1.720, "rw": 1.701}.items():
        draws = floor["irreducible_loss"].sel(family=family)
        assert abs(float(draws.mean()) - alone) < 3 * float(draws.std()), family
        assert float(draws.min()) > 0
        assert float(draws.max()) < float(floor["lowest_seen"].sel(family=family))
    population = floor["population"]
    assert float(population.std()) > float(floor["irreducible_loss"].mean("family").std())


def test_a_family_by_name_is_that_family(gadre_fit):
    every, one = (bs.extrapolate(gadre_fit, 1e23, family=f) for f in (None, "rw"))
    np.testing.assert_allclose(one["expected_loss"], every["expected_loss"].sel(family="rw"))
    assert set(Posterior(gadre_fit, "rw").theta) == {"E", "from_params", "from_tokens", "alpha", "beta", "sigma", "nu"}


def test_each_run_is_judged_by_its_own_family(gadre_fit, gadre_runs):
    at = gadre_fit["posterior"].to_dataset().median(("chain", "draw"))
    law = bs.laws.get_law("chinchilla")
    error = {}
    for family in ("c4", "rpj", "rw"):
        own = gadre_runs.isel(run=(gadre_runs["family"] == family).values)
        paper = {k: float(at[k].sel(family=family)) for k in ("E", "A", "B", "alpha", "beta")}
        expected = law.paper(np, paper, params=own["params"], tokens=own["tokens"])
        error[family] = np.median(np.abs(np.log(expected / own["loss"])))
    assert max(error.values()) < 0.03
