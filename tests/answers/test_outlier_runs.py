"""Runs that lie off the law."""

import numpy as np
import pytest
import xarray as xr
from conjugate import conjugate
from pinned import pinned_fit, simulated_runs
from scipy import integrate, stats

import bayescale as bs
from bayescale.errors import QuestionError
from bayescale.plots import plot_outliers
from bayescale.report.words.answers import say_answer


def test_a_weight_is_the_mean_precision_of_a_run_relative_to_one_on_the_law():
    # A t with nu degrees of freedom: a normal whose precision w is Gamma(nu / 2, nu / 2).
    nu, z = 3.0, 2.5

    def mean_precision(at):
        def density(w):
            return stats.norm.pdf(at, scale=w**-0.5) * stats.gamma.pdf(w, nu / 2, scale=2 / nu)

        return integrate.quad(lambda w: w * density(w), 0, np.inf)[0] / integrate.quad(density, 0, np.inf)[0]

    assert nu / (nu + z**2) == pytest.approx(mean_precision(z) / mean_precision(0.0), rel=1e-6)


@pytest.fixture(scope="module")
def pinned():
    runs = simulated_runs()
    loss = runs["loss"].values.copy()
    loss[[4, 20]] *= np.exp([0.03, -0.08])
    runs = runs.assign(loss=("run", loss))
    fit = pinned_fit("chinchilla", runs=runs, spread=0.0)
    posterior = fit["posterior"].to_dataset()
    fit["posterior"] = posterior.assign(nu=xr.full_like(posterior["nu"], 3.0), sigma=0.01 + 0 * posterior["sigma"])
    return fit


def test_the_farthest_run_comes_first_and_those_that_count_little_are_named(pinned):
    found = bs.answers.outlier_runs(pinned)
    runs = bs.inference.runs_of(pinned)["run"].values
    assert found["run"].values[:2].tolist() == [runs[20], runs[4]]
    assert (np.diff(found["weight"].values) >= 0).all()
    theta = pinned["posterior"].to_dataset()
    expected = (theta["nu"] / (theta["nu"] + (0.08 / theta["sigma"]) ** 2)).mean().item()
    assert expected == pytest.approx(3 / (3 + 8**2))
    assert found["weight"].values[0] == pytest.approx(expected, rel=0.1)
    assert found["residual"].values[0] == pytest.approx(-0.08, abs=0.003)
    assert say_answer(found).startswith("2 of 36 runs count less than half")


def test_noise_without_outliers_is_refused():
    with pytest.raises(QuestionError, match=r"Normal noise knows no outliers.*StudentT"):
        bs.answers.outlier_runs(conjugate(np.zeros(20)).fit)


def found(name, values):
    runs = [f"r{k}" for k in range(len(values))]
    return xr.Dataset(
        {name: ("run", values), "residual": ("run", np.linspace(-0.01, 0.05, len(values)))}, {"run": runs}
    )


@pytest.mark.parametrize(
    ("name", "values", "out"),
    [("probability", [0.9, 0.6, 0.2, 0.0], ["r0", "r1"]), ("weight", [0.1, 0.7, 0.9, 1.0], ["r0"])],
)
def test_the_picture_names_the_outliers(name, values, out):
    ax = plot_outliers(found(name, values))
    assert [text.get_text() for text in ax.texts] == out
    points = np.concatenate([line.get_xydata() for line in ax.lines[2:]])
    assert sorted(points[:, 1]) == sorted(values)
    assert ("probability" in ax.get_ylabel()) == (name == "probability")
    assert len(plot_outliers(found(name, values), named=0).texts) == 0


def test_names_in_the_picture_do_not_lie_on_one_another():
    ax = plot_outliers(found("weight", [0.1, 0.11, 0.12, 0.2, 1.0]))
    assert [text.get_text() for text in ax.texts] == ["r0", "r3"]


@pytest.mark.sampling
def test_undertuned_runs_are_found_by_the_shipped_card():
    runs = simulated_runs(noise=0.003, seed=5)
    loss, bad = runs["loss"].values.copy(), [3, 11, 25]
    loss[bad] *= np.exp([0.04, 0.06, 0.05])
    fit = bs.fit(runs.assign(loss=("run", loss)), "chinchilla-undertuned", seed=1, draws=500)
    answer = bs.answers.outlier_runs(fit)
    assert set(answer["run"].values[:3]) == set(runs["run"].values[bad])
    assert (answer["probability"].values[:3] > 0.9).all()
    assert answer["probability"].values[3] < 0.5
