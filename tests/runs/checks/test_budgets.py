import json

import numpy as np
import pandas as pd
import pytest
from pinned import BESIROGLU as TRUTH

import bayescale as bs
from bayescale.errors import DesignError
from bayescale.runs.checks.budgets import isoflop_profiles
from bayescale.runs.curves.envelope import curves_of_runs
from bayescale.runs.curves.profiles import profiles_of_curves

BUDGETS = np.array([1e18, 3e18, 1e19, 3e19])


def profile_runs(jitter=0.0, sizes=7, budgets=BUDGETS, strays=0, seed=1):
    """Runs on profiles whose compute scatters by `jitter` decades, and strays evenly over the same range."""
    rng = np.random.default_rng(seed)
    n, c = (x.ravel() for x in np.meshgrid(np.geomspace(3e7, 3e9, sizes), budgets))
    c = c * 10 ** (jitter * rng.uniform(-1, 1, c.size))
    n = np.concatenate([n, rng.uniform(5e7, 2e9, strays)])
    c = np.concatenate([c, 10 ** rng.uniform(np.log10(budgets[0]) - 0.3, np.log10(budgets[-1]) + 0.3, strays)])
    loss = bs.laws.get_law("chinchilla").paper(np, TRUTH, params=n, tokens=c / (6 * n))
    return bs.read_runs(pd.DataFrame({"params": n, "compute": c, "loss": loss}), suspicious="keep")


def test_budgets_are_found_through_jitter_and_the_strays_are_counted():
    runs = profile_runs(jitter=0.04, strays=20)
    profiles = isoflop_profiles(runs)
    assert np.abs(np.log10(profiles["budget"].values / BUDGETS)).max() < 0.04
    counts = json.loads(profiles.attrs["profiles"])
    assert counts["runs"] == 48
    assert counts["on_profiles"] == profiles.sizes["run"] >= 28
    assert counts["left_out"] == 48 - profiles.sizes["run"] > 0
    distance = np.log10(profiles["compute"].values / profiles["budget"].values[profiles["budget_index"].values])
    assert np.abs(distance).max() < 0.1


def test_a_greedy_start_at_the_smallest_compute_does_not_shift_the_budgets():
    # Anchored at each group's smallest compute, clusters run off their budgets; here the windows are about the median.
    one = isoflop_profiles(profile_runs(jitter=0.03, strays=12, seed=4))
    assert one.sizes["budget"] == 4
    assert np.bincount(one["budget_index"].values).min() >= 7


def test_runs_without_profiles_are_refused_with_the_count():
    spread = profile_runs(strays=60).isel(run=slice(28, None))
    with pytest.raises(DesignError, match=r"0 IsoFLOP profiles among 60 runs .* it takes 3, each of 4 sizes"):
        isoflop_profiles(spread)


def test_learning_curves_have_no_profiles_of_finished_runs():
    with pytest.raises(DesignError, match=r"learning curves.*final_runs"):
        isoflop_profiles(bs.runs.load_shipped_curves("tinylm"))


def test_named_budgets_take_the_runs_within_the_tolerance():
    runs = profile_runs(jitter=0.04, strays=20)
    profiles = isoflop_profiles(runs, budgets=BUDGETS[:3], tolerance=0.041)
    assert profiles.sizes["budget"] == 3
    assert set(profiles["budget_index"].values.tolist()) == {0, 1, 2}
    with pytest.raises(DesignError, match="Name the budgets"):
        isoflop_profiles(runs, budgets=[1e10, 1e11, 1e12])


def test_the_shift_brings_jittered_losses_back_to_the_budget():
    assert np.abs(isoflop_profiles(profile_runs())["shift"].values).max() < 1e-12
    moved = isoflop_profiles(profile_runs(jitter=0.04))
    budget = moved["budget"].values[moved["budget_index"].values]
    # As far from the optimum of the budget as the run was from that of its own compute, a = beta / (alpha + beta).
    there = moved["params"].values * (budget / moved["compute"].values) ** (0.3658 / 0.7136)
    exact = bs.laws.get_law("chinchilla").paper(np, TRUTH, params=there, tokens=budget / (6 * there))
    off, raw = (np.abs(np.log(moved["loss"].values / exact) + shift).max() for shift in (moved["shift"].values, 0.0))
    assert off < 0.5 * raw


def test_hoffmann_runs_lie_on_the_nine_budgets_of_the_paper(hoffmann_runs):
    profiles = isoflop_profiles(hoffmann_runs)
    # Hoffmann et al. 2022, section 3.2; their figure, as digitised, lies 0.018 decades lower, within 0.045.
    paper = np.array([6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21])
    assert np.abs(np.log10(profiles["budget"].values / paper) + 0.018).max() < 0.03
    assert json.loads(profiles.attrs["profiles"])["left_out"] == 240 - profiles.sizes["run"]
    assert 120 < profiles.sizes["run"] < 150  # 132 by hand, within 0.045 of the shifted budgets


def test_profiles_are_read_off_the_curves_of_sizes():
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(3e7, 3e9, 7), np.geomspace(1e9, 1e11, 9)))
    law = bs.laws.get_law("chinchilla")
    runs = bs.read_runs(pd.DataFrame({"params": n, "tokens": d, "loss": law.paper(np, TRUTH, params=n, tokens=d)}))
    profiles = profiles_of_curves(curves_of_runs(runs))
    assert profiles.sizes["budget"] >= 3
    exact = law.paper(np, TRUTH, params=profiles["params"].values, tokens=profiles["tokens"].values)
    # A straight line in logarithms between lengths a factor 1.8 apart is above a convex curve, by little.
    off = np.log(profiles["loss"].values / exact)
    assert off.min() > -1e-6
    assert off.max() < 0.004
    assert "read_off_curves" in json.loads(profiles.attrs["profiles"])


def test_curves_that_do_not_overlap_give_no_profiles():
    runs = profile_runs(sizes=4, budgets=BUDGETS[:1])
    with pytest.raises(DesignError, match="can be read off"):
        profiles_of_curves(curves_of_runs(runs))
