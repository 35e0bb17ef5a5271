"""Losses on a grid."""

import numpy as np
import pytest
from pinned import simulated_frame

import bayescale as bs
from bayescale.layers.noise import known_of
from bayescale.runs.checks.rounding import rounding_se, rounding_step


def rounded(decimals, noise=0.002, **options):
    frame = simulated_frame(noise=noise)
    return bs.read_runs(frame.assign(loss=frame["loss"].round(decimals)), suspicious="keep", **options)


def said(runs):
    return [finding.message for finding in bs.runs.findings(runs) if "multiples of" in finding.message]


def test_the_error_of_rounding_is_that_of_a_uniform_step():
    drawn = np.random.default_rng(1).uniform(2, 3, 200_000)
    assert np.std(drawn - drawn.round(2)) == pytest.approx(rounding_se(0.01), rel=0.01)


def test_a_grid_is_found_and_an_accident_is_none():
    values = np.random.default_rng(1).uniform(2, 4, 50)
    assert [rounding_step(values.round(d)) for d in (1, 2, 3)] == [0.1, 0.01, 0.001]
    assert rounding_step(values) == 0
    assert rounding_step(values.round(2)[:5]) == 0, "five losses may end on two decimals by chance"


def test_coarse_rounding_is_said_and_known_of_each_run():
    runs = rounded(2)
    (message,) = said(runs)
    assert "all 36 losses are multiples of 0.01" in message
    assert runs.attrs["loss_step"] == 0.01
    known = known_of("StudentT", runs, "loss")["relative_se"]
    np.testing.assert_allclose(known, 0.01 / np.sqrt(12) / runs["loss"])
    assert said(runs.isel(run=slice(20))) == said(runs), "a selection keeps what is known of its losses"


def test_rounding_adds_to_a_measured_error_in_quadrature():
    frame = simulated_frame(noise=0.002)
    runs = bs.read_runs(frame.assign(loss=frame["loss"].round(2), loss_se=0.004), suspicious="keep")
    known = known_of("StudentT", runs, "loss")["relative_se"]
    np.testing.assert_allclose(known, np.hypot(0.004, 0.01 / np.sqrt(12)) / runs["loss"])


def test_rounding_that_is_fine_against_the_scatter_is_no_news():
    runs = rounded(3, noise=0.02)
    assert not said(runs)
    assert "loss_step" not in runs.attrs
    assert not known_of("StudentT", runs, "loss")["relative_se"].any()


def test_the_grid_is_that_of_the_file_and_the_error_in_the_runs_unit():
    runs = rounded(2, loss_unit="bits/token")
    assert "multiples of 0.01" in said(runs)[0]
    assert runs.attrs["loss_step"] == pytest.approx(0.01 * np.log(2))


@pytest.mark.sampling
def test_a_posterior_keeps_the_step_of_its_runs():
    fit = bs.fit(rounded(2), seed=1, draws=200, prior_draws=0)
    assert bs.inference.runs_of(fit).attrs["loss_step"] == 0.01
