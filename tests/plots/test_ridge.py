import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pinned import BESIROGLU, FAILED, pinned_fit

import bayescale as bs
from bayescale import plots
from bayescale.errors import QuestionError
from bayescale.plots import plot_ridge
from bayescale.plots.style import FIRST, MUTED


@pytest.fixture
def ax():
    with plots.style():
        yield Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def ridge():
    """E about 1.82 by 2%, and alpha that rises by ten times as much: draws of a rank correlation known beforehand."""
    fit = pinned_fit(spread=0.02, prior_spread=0.5, draws=1000)
    floor = fit["posterior"]["E"]
    noise = np.random.default_rng(1).standard_normal(floor.shape)
    fit["posterior"]["alpha"] = 0.35 * (floor / floor.mean()) ** 10 * np.exp(0.1 * noise)
    return fit


def legend(ax):
    ax.figure.canvas.draw()
    return ax.get_legend().get_title().get_text(), [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_correlation_is_stated(ridge, ax):
    # log alpha = 10 log E + noise, sds 0.2 and 0.1: Pearson's r is 2 / sqrt(5) = 0.894, of ranks 0.885
    # (6 / pi * asin(r / 2), Pearson 1907).
    assert plot_ridge(ridge, ax=ax) is ax
    title, labels = legend(ax)
    assert float(title.removeprefix("rank correlation ")) == pytest.approx(0.885, abs=0.015)
    assert labels == ["after the runs", "before the runs"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("E (nats/token)", "alpha")


def test_a_tradeoff_has_a_minus(ridge, ax):
    fit = ridge.copy(deep=True)
    fit["posterior"]["alpha"] = 1 / fit["posterior"]["alpha"]
    assert legend(plot_ridge(fit, ax=ax))[0] == "rank correlation -0.88"


def test_the_contours_hold_half_and_nearly_all_of_the_draws(ridge, ax):
    plot_ridge(ridge, ax=ax)
    ours = next(c for c in ax.collections if hasattr(c, "levels") and to_hex(c.get_edgecolor()[0]) == FIRST)
    points = np.stack([ridge["posterior"][name].values.ravel() for name in ("E", "alpha")], axis=1)
    inside = [np.mean(path.contains_points(points)) for path in ours.get_paths()]
    assert inside == pytest.approx([0.95, 0.5], abs=0.05)


def test_the_posterior_fills_the_figure_although_the_prior_is_wide(ridge, ax):
    plot_ridge(ridge, ax=ax)
    draws = ridge["posterior"]["E"].values
    low, high = ax.get_xlim()
    assert low < np.quantile(draws, 0.01)
    assert np.quantile(draws, 0.99) < high
    assert np.ptp(draws) / (high - low) > 0.4


def test_marginals_stand_on_their_axes_with_areas_that_compare(ridge, ax):
    plot_ridge(ridge, ax=ax)
    curves = [line for line in ax.lines if line.get_transform() == ax.get_xaxis_transform()]
    after, before = (next(c for c in curves if to_hex(c.get_color()) == colour) for colour in (FIRST, MUTED))
    assert after.get_ydata().max() == pytest.approx(0.15)
    # Densities of E at their centres are as the inverse of their spreads: 0.02 of 1.82 against 0.5.
    assert before.get_ydata().max() / after.get_ydata().max() == pytest.approx(0.02 / 0.5, rel=0.15)


def test_any_two_parameters_and_no_prior(ridge, ax):
    bare = ridge.copy(deep=True)
    del bare["prior"]
    plot_ridge(bare, "beta", "sigma", ax=ax)
    assert legend(ax)[1] == ["after the runs"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("beta", "sigma")


def test_families_are_drawn_one_at_a_time(ax):
    other = BESIROGLU | {"E": 1.2}
    fit = pinned_fit(families={"code": other, "web": BESIROGLU}, spread=0.02)
    with pytest.raises(QuestionError, match="say which family, one of: code, web"):
        plot_ridge(fit, ax=ax)
    plot_ridge(fit, family="code", ax=ax)
    low, high = ax.get_xlim()
    assert low < 1.2 < high < 1.8


def test_what_is_no_ridge_is_refused(ridge, ax):
    with pytest.raises(QuestionError, match=r"no parameter 'alhpa'\. Did you mean 'alpha'\? It has: E, from_params"):
        plot_ridge(ridge, "E", "alhpa", ax=ax)
    with pytest.raises(QuestionError, match="got 'E' twice"):
        plot_ridge(ridge, "E", "E", ax=ax)


def test_a_parameter_that_does_not_move_has_no_ridge(ax):
    plot_ridge(pinned_fit(), ax=ax)
    assert [text.get_text() for text in ax.texts] == ["E is held at 1.817"]


def test_a_posterior_that_failed_is_marked(ax):
    plot_ridge(pinned_fit(spread=0.02, verdict=FAILED), ax=ax)
    assert legend(ax)[0].endswith("(NOT CONVERGED)")


@pytest.mark.sampling
def test_the_ridge_of_a_sampled_posterior(known_fit, ax):
    title, _ = legend(plot_ridge(known_fit, "from_params", "alpha", ax=ax))
    drawn = float(title.removeprefix("rank correlation "))
    predicted = bs.design.identifiability(bs.inference.runs_of(known_fit))["correlation"]
    assert drawn == pytest.approx(float(predicted.sel(parameter="from_params", other="alpha")), abs=0.1)
