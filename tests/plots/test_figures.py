import matplotlib as mpl
import numpy as np
import pytest
from curved import pinned_curves, simulated_curves
from matplotlib.figure import Figure
from report.pinned_study import pinned_study, study_that_held, study_that_missed

import bayescale as bs
from bayescale import plots
from bayescale.errors import QuestionError


@pytest.fixture(scope="session")
def study():
    return study_that_held()


@pytest.fixture(scope="session")
def family_study():
    return study_that_missed()


@pytest.fixture
def ax():
    with plots.style():
        yield Figure(layout="constrained").subplots()


def labels(ax):
    legend = ax.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def drawn(ax):
    ax.figure.canvas.draw()
    return ax


def test_loss_against_compute_has_bands_runs_rings_and_the_floor(study, ax):
    model = study.model
    got = plots.plot_loss_against_compute(
        study.path[model], study.runs, held=study.held[model], floor=study.floor[model], truth=1.8, ax=ax
    )
    assert drawn(got) is ax
    assert ax.get_xscale() == "log"
    assert ax.get_ylabel() == "loss (nats/token)"
    said = " ".join(labels(ax))
    assert all(word in said for word in ("predicted", "left out", "irreducible", "known floor 1.8"))
    runs = ax.collections[[c.get_array() is not None for c in ax.collections].index(True)]
    assert len(runs.get_offsets()) == study.runs.sizes["run"]


def test_loss_against_compute_ends_at_the_median_of_the_answer(study, ax):
    plots.plot_loss_against_compute(study.path[study.model], ax=ax)
    line = next(line for line in ax.lines if line.get_label().startswith("predicted"))
    expected = study.path[study.model]["loss"].isel(point=-1).median().item()
    assert line.get_ydata()[-1] == pytest.approx(expected)


def test_a_law_without_a_floor_draws_none(study, ax):
    plots.plot_loss_against_compute(study.path["kaplan"], floor=study.floor["kaplan"], ax=ax)
    assert not any("irreducible" in label for label in labels(ax))


def test_a_figure_of_several_families_asks_which(family_study, ax):
    with pytest.raises(QuestionError, match="one of: english, source"):
        plots.plot_loss_against_compute(family_study.path["chinchilla"], ax=ax)
    with pytest.raises(QuestionError, match="Did you mean 'english'"):
        plots.plot_loss_against_compute(family_study.path["chinchilla"], family="englsh", ax=ax)


def test_one_family_shows_its_own_runs(family_study, ax):
    plots.plot_forms(family_study.path, family_study.runs, family="source", ax=ax)
    assert labels(drawn(ax)) == ["runs", "chinchilla", "kaplan"]
    assert len(ax.collections[0].get_offsets()) == 16


def test_backtest_counts_inside_and_outside(family_study, ax):
    plots.plot_backtest(family_study.held["chinchilla"], factor=100, ax=drawn(ax))
    each = ["english: 0 of 8 inside", "source: 12 of 12 inside"]
    assert labels(ax) == ["predicted 90% band", *each, "hollow: outside (8)"]


def test_backtest_of_one_family_counts_inside_and_outside(family_study, ax):
    plots.plot_backtest(family_study.held["chinchilla"], factor=100, family="english", ax=drawn(ax))
    assert labels(ax) == ["predicted 90% band", "inside: 0 of 8", "outside: 8"]


def test_backtest_takes_the_largest_factor_unless_told(family_study, ax):
    plots.plot_backtest(family_study.held["chinchilla"], ax=ax)
    assert any("about 100x out" in text.get_text() for text in ax.texts)


def test_backtest_says_where_nothing_was_held_out(ax):
    held = pinned_study(factors=()).held["chinchilla"]
    plots.plot_backtest(held, ax=ax)
    assert [text.get_text() for text in drawn(ax).texts] == ["no run could be held out"]


def test_backtest_of_a_share_is_drawn_against_what_was_predicted_of_it(study, ax):
    held = study.held["chinchilla"].rename(loss="accuracy").assign_attrs(response="accuracy")
    plots.plot_backtest(held, ax=ax)
    assert ax.get_ylabel() == "accuracy against the prediction (%)"
    assert labels(ax)[1:] == ["inside: 19 of 20", "outside: 1"]


def test_isoflop_marks_the_optimum_of_each_budget(study, ax):
    curves = study.isoflop["chinchilla"]
    plots.plot_isoflop(curves, study.runs, ax=ax)
    diamonds = [line for line in drawn(ax).lines if line.get_marker() == "D"]
    assert len(diamonds) == curves.sizes["budget"] == len(labels(ax))
    assert labels(ax)[-1].endswith("(no runs here)")
    best = np.sort(curves["best_params"].median(("chain", "draw")).values)
    assert np.sort([line.get_xdata()[0] for line in diamonds]) == pytest.approx(best)


@pytest.mark.parametrize("quantity", ["params", "tokens", "tokens_per_param"])
def test_frontier_draws_both_forms(study, ax, quantity):
    plots.plot_frontier(study.split, study.runs, quantity=quantity, ax=ax)
    assert drawn(ax).get_yscale() == "log"
    assert [label.split(":")[0] for label in labels(ax)] == ["chinchilla", "kaplan", "runs"]


def test_frontier_takes_one_answer(study, ax):
    plots.plot_frontier(study.split["kaplan"], ax=ax)
    assert labels(drawn(ax))[0].startswith("kaplan: grows as C^")


def test_big_numbers_are_written_as_people_write_them(study, ax):
    plots.plot_frontier(study.split, ax=ax)
    ticks = [t.get_text() for t in drawn(ax).get_yticklabels()]
    assert any(t.endswith(("M", "B")) for t in ticks)


def test_irreducible_shows_prior_posterior_lowest_and_truth(study, ax):
    plots.plot_irreducible(study.floor["chinchilla"], truth=1.8, ax=ax)
    assert [label.split(",")[0].split(":")[0] for label in labels(drawn(ax))] == [
        "before the runs",
        "after the runs",
        "95%",
        "lowest loss seen",
        "known floor",
    ]


def test_irreducible_of_a_law_without_a_floor_says_so(study, ax):
    plots.plot_irreducible(study.floor["kaplan"], ax=ax)
    assert ax.texts[0].get_text() == "kaplan: zero by assumption"


def test_loo_by_run_counts_who_was_better(study, ax):
    plots.plot_loo_by_run(study.loo, study.runs, models=("chinchilla", "kaplan"), ax=ax)
    assert labels(drawn(ax)) == ["chinchilla better: 16 runs, 20.0 in all", "kaplan better: 0 runs, 0.0 in all"]


@pytest.mark.parametrize("against", ["compute", "fitted"])
def test_residuals_have_a_point_for_each_run(family_study, ax, against):
    plots.plot_residuals(family_study.fits["chinchilla"], against=against, family="english", ax=ax)
    points = next(c for c in drawn(ax).collections if c.get_array() is not None)
    assert len(points.get_offsets()) == 16
    assert np.abs(points.get_offsets()[:, 1]).max() < 3


def test_residuals_of_checkpoints_are_about_what_was_expected_before_annealing(ax):
    plots.plot_residuals(pinned_curves(simulated_curves(hot=0.2), hot=0.2), ax=ax)
    points = next(c for c in drawn(ax).collections if c.get_array() is not None)
    assert np.abs(points.get_offsets()[:, 1]).max() < 6  # in %; the first bins lie 20% above annealed loss
    assert "±2." in labels(drawn(ax))[0]  # a run's offset and tilt, not a checkpoint's 0.2%


def test_diagnostics_have_a_row_for_each_check(study, ax):
    plots.plot_diagnostics(study.fits["chinchilla"], ax=ax)
    checks = bs.verdict(study.fits["chinchilla"]).checks
    assert [t.get_text() for t in drawn(ax).get_yticklabels()] == [check.name for check in checks]


def test_ranks_have_a_step_for_each_chain(family_study, ax):
    plots.plot_ranks(family_study.fits["chinchilla"], "alpha[source]", ax=ax)
    assert labels(drawn(ax)) == ["by chance", "chain 1", "chain 2"]
    assert "alpha[source]" in ax.get_xlabel()


def test_prior_and_posterior_of_one_family(family_study, ax):
    learned = bs.inference.prior_to_posterior(family_study.fits["chinchilla"])
    plots.plot_prior_posterior(learned, family="source", ax=ax)
    names = [t.get_text() for t in drawn(ax).get_yticklabels()]
    assert {"E", "alpha", "beta", "from_params", "from_tokens", "alpha_spread", "alpha_level"} <= set(names)
    assert all("learned" in text.get_text() for text in ax.texts)


def test_the_style_stays_within_its_context(study):
    before = dict(mpl.rcParams)
    with plots.style():
        plots.plot_forms(study.path, ax=Figure().subplots())
    assert dict(mpl.rcParams) == before


def test_without_an_axes_a_new_figure_is_made(study):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    ax = plots.plot_forms(study.path)
    assert ax.figure.number in plt.get_fignums()
    plt.close(ax.figure)


def test_a_notebook_that_became_interactive_at_its_first_figure_stays_so():
    before = mpl.is_interactive()
    try:
        with plots.style():
            mpl.interactive(True)  # what a notebook's backend does at the first figure
        assert mpl.is_interactive()
    finally:
        mpl.interactive(before)
