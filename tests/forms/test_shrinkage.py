import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import BESIROGLU, simulated_frame, simulated_runs

import bayescale as bs
from bayescale.cards.files import pooled_as
from bayescale.errors import DesignError
from bayescale.plots import plot_shrinkage


def test_one_family_has_none_to_lean_on():
    with pytest.raises(DesignError, match=r"these 16 runs are of no family\. Say which columns tell families apart"):
        bs.forms.shrinkage(simulated_runs(sizes=4, ratios=4))
    with pytest.raises(DesignError, match="these 16 runs are all of 'c4'"):
        bs.forms.shrinkage(simulated_runs(sizes=4, ratios=4, family="c4"))


@pytest.mark.parametrize("pooling", ["none", "partial", "complete"])
def test_a_card_is_pooled_as_asked_and_keeps_all_else(pooling):
    card = bs.load_card("chinchilla-informed")
    other = pooled_as(card, pooling)
    assert other.name == f"chinchilla-informed, {pooling} pooling"
    assert (other.priors, other.noise) == (card.priors, card.noise)
    kinds = {pooling} - {"complete"}
    assert {term.kind for name in other.priors for term in other.terms(name)} == kinds


@pytest.fixture(scope="module")
def found():
    """Three families whose floors differ by 10%, one of which has few runs."""
    frames = [
        simulated_frame(paper=BESIROGLU | {"E": 1.8 * factor}, sizes=k, ratios=k, noise=0.01, seed=k, family=name)
        for name, factor, k in (("a", 0.9, 6), ("b", 1.0, 6), ("c", 1.1, 3))
    ]
    return bs.forms.shrinkage(bs.read_runs(pd.concat(frames), suspicious="keep"))


@pytest.mark.sampling
def test_partial_pooling_lies_between_and_helps_the_family_of_few_runs_most(found):
    assert found["runs"].values.tolist() == [36, 36, 9]
    assert found.attrs["verdicts"].count("Converged") == 3
    assert found["converged"].all()
    width = found["E"].quantile([0.05, 0.95], ("chain", "draw")).diff("quantile").squeeze("quantile", drop=True)
    saved = 1 - width.sel(pooling="partial") / width.sel(pooling="none")
    assert float(saved.sel(family="c")) > 0.1
    assert float(saved.sel(family="c")) > float(saved.sel(family="a"))
    middle = found["E"].median(("chain", "draw"))
    assert np.ptp(middle.sel(pooling="complete").values) == 0
    # The floors themselves are within what the runs of a and b tell of them.
    for name, truth in (("a", 1.62), ("b", 1.8)):
        low, high = found["E"].sel(pooling="partial", family=name).quantile([0.005, 0.995]).values
        assert low < truth < high


def test_the_picture_has_room_for_many_families_with_long_names():
    families = [f"dolma-v1.{k} / warmup-stable-decay" for k in range(12)]
    draws = np.random.default_rng(1).normal(0.35, 0.03, (3, 12, 2, 50))
    many = xr.Dataset(
        {"alpha": (("pooling", "family", "chain", "draw"), draws), "runs": ("family", [3] * 12)},
        {"pooling": ["none", "partial", "complete"], "family": families},
    )
    ax = plot_shrinkage(many)
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    legend, rows = ax.get_legend().get_window_extent(), [label.get_window_extent() for label in ax.get_yticklabels()]
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    assert all(abs(one.y0 - other.y0) > 2 * one.height for one, other in itertools.pairwise(rows))


@pytest.mark.sampling
def test_the_picture_has_a_row_for_each_family(found):
    ax = plot_shrinkage(found, "E")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a (36 runs)", "b (36 runs)", "c (9 runs)"]
    assert ax.get_xlabel() == "E, median and 90% band"
    assert len(ax.containers) == 3
