import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from bayescale.answers.best_epochs import value_of_epochs
from bayescale.answers.critical_batch import cost_of_deadline, critical_batch, time_and_compute
from bayescale.plots import style
from bayescale.plots.critical_batch import plot_critical_batch
from bayescale.plots.epochs import plot_epochs
from bayescale.plots.pareto import plot_pareto

# Kaplan et al. 2020, Table 3 and eq. 1.4; Muennighoff et al. 2023.
KAPLAN = {"N_c": 6.5e13, "alpha_N": 0.077, "S_c": 2.1e3, "alpha_S": 0.76, "B_star": 2e8, "alpha_B": 0.21}
REPEATS = {"E": 1.8691, "A": 520.8, "B": 1487.7, "alpha": 0.35266, "beta": 0.35266, "R_D": 15.387756, "R_N": 5.309743}


@pytest.fixture
def ax():
    with style():
        yield Figure(layout="constrained").subplots()


def spread(constants, *names):
    rng = np.random.default_rng(3)
    draws = {k: constants[k] * np.exp(0.2 * rng.standard_normal((2, 100))) for k in names}
    return constants | {k: xr.DataArray(v, dims=("chain", "draw")) for k, v in draws.items()}


def labels(ax):
    ax.figure.canvas.draw()
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, start):
    return next(one for one in ax.lines if str(one.get_label()).startswith(start))


def test_the_front_goes_through_the_medians_and_marks_the_limit(ax):
    limit = {"max_accelerators": 256, "tokens_per_accelerator": 8192}
    front = time_and_compute(spread(KAPLAN, "B_star", "S_c"), 2.6, "2B", seconds_per_step=2, **limit)
    assert plot_pareto(front, ax=ax) is ax
    allowed = front.isel(point=front["feasible"].values).median(("chain", "draw"))
    np.testing.assert_allclose(line(ax, "median").get_xydata(), np.c_[allowed["compute"], allowed["time"]])
    beyond = line(ax, "more accelerators").get_xydata()
    np.testing.assert_allclose(beyond[0], [allowed["compute"][-1], allowed["time"][-1]])
    assert len(beyond) == front.sizes["point"] - allowed.sizes["point"] + 1
    assert "all 256 accelerators: 2.1M tokens a step" in labels(ax)
    assert line(ax, "no batch is faster").get_ydata()[0] == float(front["shortest_time"].median())
    assert line(ax, "none is cheaper").get_xdata()[0] == float(front["least_compute"].median())
    assert len(ax.patches) == 3  # 50, 80 and 95%


def test_the_front_without_a_limit_and_without_the_length_of_a_step(ax):
    plot_pareto(time_and_compute(KAPLAN, 2.6, "2B"), ax=ax)
    assert ax.get_ylabel() == "steps to a loss of 2.6"
    assert not any("accelerators" in label for label in labels(ax))


def test_a_front_that_the_limit_forbids_altogether_is_dotted(ax):
    front = time_and_compute(KAPLAN, 2.6, "2B", batches=["4M", "8M"], max_accelerators=2, tokens_per_accelerator=1e6)
    plot_pareto(front, ax=ax)
    assert len(line(ax, "median").get_xdata()) == 0
    assert len(line(ax, "more accelerators").get_xdata()) == 2


def test_deadlines_that_can_be_met_are_dots(ax):
    front = time_and_compute(KAPLAN, 2.6, "2B", seconds_per_step=2)
    deadlines = cost_of_deadline(front, ["1h", "12h", "2d"])
    plot_pareto(front, deadlines=deadlines, ax=ax)
    np.testing.assert_allclose(line(ax, "in time with 90%").get_ydata(), [12 * 3600, 2 * 86400])
    assert "1 day" in [tick.get_text() for tick in ax.get_yticklabels()]


def test_the_critical_batch_grows_from_left_to_right(ax):
    answer = critical_batch(spread(KAPLAN, "B_star"), [2, 3, 4]).assign_attrs(lowest_seen=2.5)
    assert plot_critical_batch(answer, ax=ax) is ax
    assert labels(ax) == ["doubles for every 14% off the loss"]
    left, right = ax.get_xlim()
    assert left > right
    np.testing.assert_allclose(line(ax, "doubles").get_ydata(), answer["critical_batch"].median(("chain", "draw")))
    assert any("no runs" in text.get_text() for text in ax.texts)


def test_the_worth_of_epochs_shows_where_it_falls_below_the_share(ax):
    value = value_of_epochs(spread(REPEATS, "R_D"), "25B", "7B", share=0.2)
    assert plot_epochs(value, ax=ax) is ax
    last = float(value["last_worthwhile"].median())
    assert labels(ax) == ["worth of the last epoch", f"under 20% after {last:.0f} epochs"]
    assert line(ax, "under").get_xdata()[0] == last
    np.testing.assert_allclose(line(ax, "worth").get_ydata(), value["worth"].median(("chain", "draw")))
    assert ax.get_ylim()[0] == 0


def test_the_loss_of_repeats_stands_beside_that_of_fresh_tokens(ax):
    value = value_of_epochs(REPEATS, "25B", "7B", epochs=[1, 4, 40])
    plot_epochs(value, quantity="loss", ax=ax)
    assert labels(ax) == ["repeated, N = 7B", "as many fresh tokens"]
    repeated, fresh = (line(ax, start).get_ydata() for start in ("repeated", "as many"))
    assert repeated[0] == pytest.approx(fresh[0])
    assert repeated[-1] > fresh[-1]
