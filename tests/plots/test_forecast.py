import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from plots.forecast_by_hand import FORMS, LARGEST, held_by_hand, path_by_hand, runs_by_hand
from scipy.stats import binomtest

import bayescale as bs
from bayescale import plots
from bayescale.errors import QuestionError
from bayescale.plots.style import FIRST

BY_WEIGHT = ["coupled", "kaplan-free", "overtraining", "chinchilla", "farseer"]


@pytest.fixture(scope="module")
def path():
    return path_by_hand()


@pytest.fixture
def ax():
    with plots.style():
        yield Figure(layout="constrained").subplots()


def labels(ax):
    legend = ax.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def said(ax):
    return [text.get_text() for text in ax.texts]


# A forecast


def test_every_form_has_its_row_its_band_and_its_weights(path, ax):
    assert plots.plot_forecast(path, ax=ax) is ax
    ax.figure.canvas.draw()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [*BY_WEIGHT, "together"]
    assert said(ax)[:4] == ["60%", "52%", "10%", "35%"]
    last = path.isel(point=-1)
    rows = [segment for lines in ax.collections for segment in lines.get_segments()]
    for name, row in zip(BY_WEIGHT, range(1, 6), strict=True):
        draws = last["form_loss"].sel(form=f"{name}+drift")
        outer, inner = (segment[:, 0] for segment in rows if segment[0, 1] == -row)
        np.testing.assert_allclose(outer, draws.quantile([0.05, 0.95]))
        np.testing.assert_allclose(inner, draws.quantile([0.25, 0.75]))
    together = [segment[:, 0] for segment in rows if segment[0, 1] < -5]
    np.testing.assert_allclose(together[0], last["loss"].quantile([0.05, 0.95]))
    assert ax.get_xlabel() == "loss (nats/token) of one new run at 100x the largest run\n50 and 90% bands"


def test_the_answer_is_written_under_its_band(path, ax):
    plots.plot_forecast(path, ax=ax)
    last = path["loss"].isel(point=-1)
    low, median, high = (float(last.quantile(q)) for q in (0.05, 0.5, 0.95))
    assert f"{median:.2f} (90%: {low:.2f} to {high:.2f})" in said(ax)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_answer_stays_within_the_axes_where_its_band_lies_at_the_edge(side, path, ax):
    far = path.isel(point=[-1]).copy(deep=True)
    far["form_loss"][1] += 3.0 * side
    plots.plot_forecast(far, ax=ax)
    ax.figure.canvas.draw()
    (text,) = (text for text in ax.texts if "90%: " in text.get_text())
    box, room = text.get_window_extent(), ax.get_window_extent()
    assert room.x0 < box.x0
    assert box.x1 < room.x1


def test_another_point_and_how_it_came_out(path, ax):
    inside = int(np.argmin(np.abs(path["compute"].values - LARGEST / 100)))
    plots.plot_forecast(path, point=inside, known=2.25, ax=ax)
    assert "within the runs" in ax.get_xlabel()
    assert "came out at 2.25 " in said(ax)
    assert any(np.allclose(line.get_xdata(), 2.25) for line in ax.lines)


def test_forms_of_which_not_all_drift_keep_their_names(path, ax):
    names = ["coupled", *list(FORMS)[1:]]
    plots.plot_forecast(path.assign_coords(form=names), ax=ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()][:2] == ["coupled", "kaplan-free+drift"]


def test_a_forecast_of_one_form_is_drawn_too(ax):
    one = path_by_hand(points=2, forms={"power:tokens+drift": (1.0, 1.0, 0.1, 0.01)})
    plots.plot_forecast(one, ax=ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["power:tokens", "together"]


@pytest.mark.parametrize("draw", [plots.plot_forecast, plots.plot_forecast_path])
def test_a_forecast_of_several_families_asks_which(draw, ax):
    families = path_by_hand(points=3, families=["code", "text"])
    with pytest.raises(QuestionError, match="one of: code, text"):
        draw(families, ax=ax)
    draw(families, family="code", ax=ax)


def test_the_path_has_the_band_every_form_and_the_runs(path, ax):
    runs = runs_by_hand(30)
    assert plots.plot_forecast_path(path, runs, ax=ax) is ax
    ax.figure.canvas.draw()
    forms = [f"{name}, {share}%" for name, share in zip(BY_WEIGHT, (52, 35, 8, 4, 1), strict=True)]
    assert labels(ax) == ["together, 50, 80, 95%", *forms, "runs"]
    drawn = {line.get_label(): line for line in ax.lines}
    assert to_hex(drawn["together, 50, 80, 95%"].get_color()) == FIRST
    np.testing.assert_allclose(drawn["together, 50, 80, 95%"].get_ydata(), path["loss"].median(("chain", "draw")))
    median = path["form_loss"].sel(form="kaplan-free+drift").median(("chain", "draw"))
    np.testing.assert_allclose(drawn["kaplan-free, 35%"].get_ydata(), median)
    np.testing.assert_allclose(ax.collections[-1].get_offsets(), np.transpose([runs["compute"], runs["loss"]]))
    assert ax.get_xscale() == "log"


def test_each_decade_beyond_the_runs_is_shaded_and_named(path, ax):
    plots.plot_forecast_path(path, ax=ax)
    assert [text for text in said(ax) if text.endswith("x")] == ["10x", "100x"]
    spans = sorted((patch.get_x(), patch.get_alpha()) for patch in ax.patches)
    np.testing.assert_allclose([start for start, _ in spans], [LARGEST, 10 * LARGEST])
    assert spans[0][1] < spans[1][1]


def test_a_path_within_the_runs_is_not_shaded(ax):
    plots.plot_forecast_path(path_by_hand(decades=0.0, points=5), ax=ax)
    assert not ax.patches


def test_runs_that_were_not_seen_are_told_from_those_that_were(path, ax):
    runs = runs_by_hand(families=["code", "text"])
    later = runs.assign_coords(compute=50 * runs["compute"])
    plots.plot_forecast_path(path, runs, held=later, family="code", ax=ax)
    assert labels(ax)[-2:] == ["runs", "larger runs, not seen"]
    assert [len(marks.get_offsets()) for marks in ax.collections[-2:]] == [20, 20]


# A backtest by distance


def test_coverage_by_distance_has_a_mark_and_an_interval_for_each_half_decade(ax):
    held = held_by_hand(0.5)
    assert plots.plot_backtest_coverage(held, ax=ax) is ax
    inside = ((held["loss"] >= held["lower"]) & (held["loss"] <= held["upper"])).sel(prob=0.9).values
    place = np.floor(held["decades_beyond"].values / 0.5).astype(int)
    (marks,) = (line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(marks.get_xdata(), [0.25, 0.75, 1.25, 1.75])
    for i in range(4):
        mine = inside[place == i]
        assert marks.get_ydata()[i] == pytest.approx(100 * mine.mean())
        interval = binomtest(int(mine.sum()), len(mine)).proportion_ci(method="wilson")
        np.testing.assert_allclose(ax.collections[0].get_segments()[i][:, 1], 100 * np.array(interval[:2]))
        assert f"{len(mine)} runs" in said(ax)
    assert labels(ax) == [f"forecast: {inside.sum()} of 60 inside"]
    assert 90 in ax.get_yticks()


def test_several_backtests_stand_side_by_side(ax):
    both = {"ours": held_by_hand(1.0), "plain": held_by_hand(0.3, seed=6)}
    plots.plot_backtest_coverage(both, prob=0.95, ax=ax)
    assert [label.partition(":")[0] for label in labels(ax)] == ["ours", "plain"]
    first, second = (line.get_xdata() for line in ax.lines if line.get_marker() == "o")
    assert (first < second).all()
    assert 100 not in ax.get_yticks()
    assert 95 in ax.get_yticks()


@pytest.mark.parametrize("score", ["winkler", "crps", "elpd", "width", "error", "bias"])
def test_a_score_by_distance_is_that_of_the_table(score, ax):
    held = held_by_hand(0.7, bias=0.01)
    plots.plot_backtest_scores(held, score, ax=ax)
    place = 0.25 + 0.5 * np.floor(held["decades_beyond"] / 0.5)
    table = bs.forms.score(held.assign_coords(place=place), by="place")
    assert table.equals(bs.forms.score(held, by="distance").rename_axis("place"))
    expected = table["elpd"] / table["runs"] if score == "elpd" else table[score]
    line = next(line for line in ax.lines if line.get_label() == "forecast")
    np.testing.assert_allclose(line.get_xdata(), table.index)
    np.testing.assert_allclose(line.get_ydata(), expected)
    ax.figure.canvas.draw()
    assert "{" not in ax.get_ylabel()


def test_the_bias_shows_every_run(ax):
    held = held_by_hand(0.7, bias=0.01)
    plots.plot_backtest_scores(held, "bias", ax=ax)
    (dots,) = (line for line in ax.lines if line.get_marker() == ".")
    np.testing.assert_allclose(dots.get_ydata(), 100 * (held["median"] / held["loss"] - 1))


def test_one_family_of_a_backtest(ax):
    held = held_by_hand(1.0, families=("code", "text", "text"))
    plots.plot_backtest_coverage(held, family="code", ax=ax)
    assert labels(ax)[0].endswith("of 20 inside")


def test_a_score_or_a_band_that_there_is_not_is_refused(ax):
    with pytest.raises(QuestionError, match=r"no score 'winkle'. Did you mean 'winkler'"):
        plots.plot_backtest_scores(held_by_hand(1.0), "winkle", ax=ax)
    with pytest.raises(QuestionError, match=r"no band of mass 0.7"):
        plots.plot_backtest_coverage(held_by_hand(1.0), prob=0.7, ax=ax)


@pytest.mark.parametrize("draw", [plots.plot_backtest_coverage, plots.plot_backtest_scores])
def test_a_backtest_of_nothing_says_so(draw, ax):
    draw(held_by_hand(1.0).isel(held_out=slice(0)), ax=ax)
    ax.figure.canvas.draw()
    assert said(ax) == ["no run could be held out"]
