import numpy as np
import pytest
from conjugate import conjugate
from matplotlib.figure import Figure
from pinned import BESIROGLU, ROUNDED, pinned_fit
from scipy import stats

from bayescale.errors import QuestionError
from bayescale.plots import (
    plot_coverage,
    plot_influence,
    plot_left_out_runs,
    plot_loo_pit,
    plot_moved_by_priors,
    plot_pareto_k,
    plot_prior_sensitivity,
    style,
)
from bayescale.trust.checks import check_predictive
from bayescale.trust.influence import influence
from bayescale.trust.sensitivity import prior_sensitivity

SIGMA = 0.02
RESIDUALS = SIGMA * np.random.default_rng(8).permutation(stats.norm.ppf((np.arange(24) + 0.5) / 24))


@pytest.fixture
def ax():
    with style():
        yield Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def fit():
    return conjugate(RESIDUALS, sigma=SIGMA, width=0.02).fit


@pytest.fixture(scope="module")
def wide():
    return check_predictive(conjugate(3 * RESIDUALS, sigma=SIGMA).fit)


@pytest.fixture(scope="module")
def two():
    return pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, spread=0.01, draws=300)


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# Checks


def test_the_ecdf_is_drawn_against_its_band_and_marks_what_leaves_it(wide, ax):
    assert plot_loo_pit(wide, ax=ax) is ax
    row = wide.sel(group="all runs")
    curve = ax.lines[1]
    np.testing.assert_allclose(curve.get_xdata(), row["ecdf_at"])
    np.testing.assert_allclose(curve.get_ydata(), 100 * (row["ecdf"] - row["ecdf_at"]))
    outside = (row["ecdf"] < row["ecdf_lower"]) | (row["ecdf"] > row["ecdf_upper"])
    assert len(ax.lines[2].get_xdata()) == int(outside.sum()) > 0
    assert texts(ax) == ["by chance, 95%", "all runs, 24", "outside"]


def test_a_group_has_its_own_ecdf_and_an_unknown_one_is_refused(wide, ax):
    plot_loo_pit(wide, group="the largest runs", ax=ax)
    assert ax.lines[1].get_label() == "the largest runs, 8"
    assert len(ax.lines[1].get_xdata()) == 9  # 0, 1/8 ... 1: not the steps of the larger group
    with pytest.raises(QuestionError, match=r"there is no group 'largest'.*Groups: all runs, the largest runs"):
        plot_loo_pit(wide, group="largest", ax=ax)


def test_coverage_has_a_mark_and_an_interval_for_each_group_and_band(wide, ax):
    assert plot_coverage(wide, ax=ax) is ax
    ax.figure.canvas.draw()
    assert texts(ax) == ["all runs, 24", "the largest runs, 8"]
    marks = [line for line in ax.lines if line.get_label() in texts(ax)]
    np.testing.assert_allclose(marks[1].get_ydata(), 100 * wide["coverage"].sel(group="the largest runs"))
    ends = np.array([segment[:, 1] for segment in ax.collections[0].get_segments()])
    np.testing.assert_allclose(ends[:, 0], 100 * wide["coverage_lower"].sel(group="all runs"))
    np.testing.assert_allclose(ends[:, 1], 100 * wide["coverage_upper"].sel(group="all runs"))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["50%", "80%", "90%", "95%"]


def test_left_out_runs_are_marked_inside_and_outside_of_their_bands(wide, ax):
    plot_left_out_runs(wide, prob=0.8, ax=ax)
    inside = int(((wide["loss"] >= wide["lower"].sel(prob=0.8)) & (wide["loss"] <= wide["upper"].sel(prob=0.8))).sum())
    assert texts(ax) == ["80% band without it", f"inside: {inside} of 24", f"outside: {24 - inside}"]
    assert len(ax.lines[2].get_xdata()) == 24 - inside
    assert ax.get_xscale() == "log"
    with pytest.raises(QuestionError, match=r"no band of mass 0.7; accepted: 0.5, 0.8, 0.9, 0.95"):
        plot_left_out_runs(wide, prob=0.7, ax=ax)


def test_left_out_runs_of_one_family(two, ax):
    checked = check_predictive(two)
    plot_left_out_runs(checked, family="old", ax=ax)
    assert len(ax.lines[1].get_xdata()) + len(ax.lines[2].get_xdata()) == 16
    with pytest.raises(QuestionError, match=r"there is no family 'odl'. Did you mean 'old'"):
        plot_left_out_runs(checked, family="odl", ax=ax)


# Influence


def test_influence_draws_each_run_and_names_the_largest(fit, ax):
    moved = influence(fit, "100x")
    assert plot_influence(moved, named=2, ax=ax) is ax
    np.testing.assert_allclose(ax.lines[1].get_ydata(), moved["shift"])
    np.testing.assert_allclose(ax.lines[1].get_xdata(), moved["compute"])
    order = np.argsort(-np.abs(moved["shift"].values))
    said = ax.texts[-1].get_text().split("\n")
    assert said[0].startswith(f"1  {moved['run'].values[order[0]]}: ")
    assert len(said) == 3
    half = 50 * float((moved["upper"] - moved["lower"]) / moved["median"])
    assert said[2] == f"half the 90% band: {half:.2g}%"
    assert ax.get_ylabel().startswith("shift of the loss at 100x")


def test_runs_that_cannot_be_told_are_drawn_apart(fit, ax):
    moved = influence(fit, "100x")
    moved["reliable"][5] = False
    plot_influence(moved, ax=ax)
    assert texts(ax) == ["a run", "needs a fit without it"]
    assert ax.lines[2].get_xdata() == [moved["compute"].values[5]]
    other = Figure().subplots()
    plot_pareto_k(moved, ax=other)
    assert texts(other) == ["can be told: 23 runs", "needs a fit: 1"]
    np.testing.assert_allclose(other.lines[1].get_ydata(), np.delete(moved["pareto_k"].values, 5))
    assert other.lines[0].get_ydata()[0] == moved.attrs["good_k"]


def test_influence_on_several_families_asks_which(two, ax):
    moved = influence(two, "100x")
    with pytest.raises(QuestionError, match="one of: new, old"):
        plot_influence(moved, ax=ax)
    plot_influence(moved, family="old", ax=ax)
    assert {"old run", "new run"} >= set(texts(ax)) - {"needs a fit without it"}


# Sensitivity


def test_sensitivity_has_a_row_for_each_prior_and_for_all_together(fit, ax):
    found = prior_sensitivity(fit)
    assert plot_prior_sensitivity(found, ax=ax) is ax
    name = found["prior"].values[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [name, "all priors", "all runs"]
    row = found.isel(answer=0)
    wanted = [row["sensitivity"].item(), row["prior_sensitivity"].item(), row["likelihood_sensitivity"].item()]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), wanted)
    assert ax.lines[1].get_xdata()[0] == found.attrs["threshold"]
    assert texts(ax) == ["expected loss at 100x"]


def test_sensitivity_of_several_families_asks_which(two, ax):
    found = prior_sensitivity(two)
    with pytest.raises(QuestionError, match="one of: new, old"):
        plot_prior_sensitivity(found, ax=ax)
    with pytest.raises(QuestionError, match=r"no answers of a family 'odl'. Did you mean 'old'"):
        plot_prior_sensitivity(found, family="odl", ax=ax)
    plot_prior_sensitivity(found, family="old", ax=ax)
    assert texts(ax)[0] == "expected loss at 100x"


def test_an_answer_is_drawn_as_it_is_and_as_priors_move_it(fit, ax):
    found = prior_sensitivity(fit)
    assert plot_moved_by_priors(found, "expected loss at 100x", ax=ax) is ax
    row = found.isel(answer=0)
    assert ax.lines[0].get_xdata()[0] == pytest.approx(float(row["median"]))
    assert ax.lines[1].get_xdata()[0] == pytest.approx(float(row["moved_median"].sel(counted=0.5).item()))
    segment = ax.collections[1].get_segments()[0][:, 0]
    np.testing.assert_allclose(segment, [row[f"moved_{e}"].sel(counted=2.0).item() for e in ("lower", "upper")])
    assert texts(ax) == ["as it is, 90%", "prior 1.4 times wider", "narrower"]
    found["reliable"][:] = False
    other = Figure().subplots()
    plot_moved_by_priors(found, "expected loss at 100x", ax=other)
    assert [text.get_text() for text in other.texts] == ["needs a fit", "needs a fit"]
    with pytest.raises(QuestionError, match="there is no answer 'loss'"):
        plot_moved_by_priors(found, "loss", ax=ax)


def test_a_size_is_drawn_on_a_log_axis(two, ax):
    plot_moved_by_priors(prior_sensitivity(two), "compute-optimal N at 100x (old)", ax=ax)
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "compute-optimal N at 100x (old), parameters"
