import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import bayescale as bs
from bayescale.design.prior_predictive import prior_predictive
from bayescale.errors import QuestionError
from bayescale.plots.prior_predictive import SINGLE_DRAWS, plot_prior_predictive


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def chinchilla():
    return prior_predictive("chinchilla")


def legend(panels):
    return [text.get_text() for text in panels[0].figure.legends[0].get_texts()]


def test_a_panel_for_each_input_with_its_bands_and_a_few_draws(chinchilla):
    panels = plot_prior_predictive(chinchilla)
    panels[0].figure.canvas.draw()
    assert [ax.get_xlabel() for ax in panels] == ["model size N (parameters)", "training tokens D"]
    assert [ax.get_xscale() for ax in panels] == ["log", "log"]
    assert panels[0].get_ylabel() == "loss (nats/token)"
    assert legend(panels) == ["median, 50, 80, 95%", "single draws", "reference run"]
    expected = chinchilla["expected_loss"].sel(input="params")
    ax = panels[0]
    assert len(ax.collections) == 3
    median, *single, reference = ax.lines
    assert median.get_ydata() == pytest.approx(expected.median("draw").values)
    assert len(single) == SINGLE_DRAWS
    assert single[2].get_ydata() == pytest.approx(expected.isel(draw=2).values)
    assert list(reference.get_xdata()) == [1e9, 1e9]
    widest = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert widest.min() == pytest.approx(float(expected.quantile(0.025, "draw").min()))
    assert widest.max() == pytest.approx(float(expected.quantile(0.975, "draw").max()))


def test_a_wide_loss_is_on_a_log_axis_that_all_panels_share(chinchilla):
    panels = plot_prior_predictive(chinchilla)
    assert {ax.get_yscale() for ax in panels} == {"log"}
    assert len({ax.get_ylim() for ax in panels}) == 1
    narrow = chinchilla.copy(deep=True)
    narrow["expected_loss"] = 2 + 0.1 * chinchilla["expected_loss"] / chinchilla["expected_loss"].max()
    assert {ax.get_yscale() for ax in plot_prior_predictive(narrow)} == {"linear"}


@pytest.mark.parametrize(
    ("card", "rows"), [("zhang", 1), ("routed", 1), ("moe", 1), ("width-depth", 2), ("precision", 2)]
)
def test_at_most_three_panels_abreast(card, rows):
    prior = prior_predictive(card, draws=20)
    panels = plot_prior_predictive(prior)
    assert len(panels) == prior.sizes["input"] == len(panels[0].figure.axes)
    assert 1 + max(ax.get_subplotspec().rowspan.start for ax in panels) == rows
    assert max(ax.get_subplotspec().colspan.start for ax in panels) <= 2


def test_shares_run_from_0_to_1_and_plain_inputs_are_not_on_log_axes():
    panels = plot_prior_predictive(prior_predictive("loss-to-error", draws=50))
    assert panels[0].get_ylim() == (0, 1)
    assert panels[0].get_ylabel() == "error"
    assert panels[0].get_xscale() == "linear"


def test_the_runs_are_laid_over_the_prior():
    runs = bs.load_shipped("tinylm")
    panels = plot_prior_predictive(prior_predictive("chinchilla", runs, draws=20), runs)
    for ax, name in zip(panels, ("params", "tokens"), strict=True):
        dots = ax.collections[-1].get_offsets()
        np.testing.assert_allclose(dots, np.column_stack([runs[name], runs["loss"]]))
    assert legend(panels)[-1] == "runs"
    assert panels[0].get_ylabel() == "loss (nats/byte)"


def test_axes_of_ones_own_are_drawn_on_one_for_each_input(chinchilla):
    mine = Figure().subplots(2, 1)
    assert plot_prior_predictive(chinchilla, axes=mine) == list(mine)
    assert [ax.get_ylabel() for ax in mine] == ["loss (nats/token)"] * 2
    with pytest.raises(QuestionError, match="params, tokens; got 1"):
        plot_prior_predictive(chinchilla, axes=mine[:1])
