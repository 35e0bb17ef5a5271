"""Runs of one quantity, without N and D: the forms that are asked, how they are rehearsed, and one forecast."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import pinned_fit, simulated_runs

import bayescale as bs
from bayescale.cards import load_card
from bayescale.errors import DesignError
from bayescale.forms import forms_for, mix_forms, shipped_forms

PAIR = ["power:compute", "power-floor:compute"]


@pytest.fixture(scope="module")
def runs():
    return simulated_runs(sizes=4, ratios=4)


def test_the_forms_are_along_the_first_quantity_that_the_runs_differ_by(runs):
    curve = runs.drop_vars(["params", "tokens"])
    assert forms_for(curve)[1] == pytest.approx(shipped_forms("compute"))
    alone = curve.drop_vars("compute").assign(examples=runs["tokens"], width=("run", np.ones(runs.sizes["run"])))
    assert forms_for(alone)[1] == pytest.approx(shipped_forms("examples"))
    with pytest.raises(DesignError, match="in one quantity that the runs differ by; these runs have neither"):
        forms_for(alone.drop_vars("examples"))


def test_the_shipped_forms_in_one_variable_are_cards_along_the_column_asked():
    weights = shipped_forms("examples")
    assert sum(weights.values()) == pytest.approx(1)
    cards = [load_card(name) for name in weights]
    assert [card.name for card in cards] == list(weights)
    assert all(card.get_law().inputs == ("examples",) for card in cards)
    # One that may be wrong beyond the runs, whatever the others say.
    assert any(card.discrepancy is not None for card in cards)


def rehearsal(runs, factor, densities):
    """What the forms said of the two largest runs from those so many times smaller: their log densities."""
    top = runs.sortby("compute").isel(run=[-2, -1])
    values = {"log_density": (("form", "held_out"), np.repeat(np.array(densities)[:, None], 2, axis=1))}
    coords = {"form": PAIR, "factor": ("held_out", [factor] * 2), "compute": ("held_out", top["compute"].values)}
    about = {"measure": "compute", "largest": float(runs["compute"].max())}
    return xr.Dataset(values, coords).assign_attrs(about)


def test_only_rehearsals_no_longer_than_the_question_count(runs):
    papers = {
        "power:compute": {"x_c": 1e10, "alpha": 0.05},
        "power-floor:compute": {"E": 1.5, "x_c": 1e10, "alpha": 0.1},
    }
    fits = {n: pinned_fit(n, paper, runs=runs, spread=0.002, chains=4, draws=500) for n, paper in papers.items()}
    parts = [rehearsal(runs, 2.0, [np.log(3), 0.0]), rehearsal(runs, 10.0, [0.0, 5.0])]
    both = xr.concat(parts, dim="held_out", combine_attrs="override")

    def weights(compute):
        return mix_forms(runs, compute, models=PAIR, fits=fits, rehearsed=both)["weight"].values

    assert weights("2x") == pytest.approx([0.75, 0.25])
    # The shortest counts for what lies nearer; the long one does where the question is as far.
    assert weights("1.5x") == pytest.approx([0.75, 0.25])
    assert weights("10x")[0] < 0.1


@pytest.mark.sampling
def test_a_curve_in_one_quantity_is_forecast_along_it():
    # A floor of 0.5 under a power law, with scatter of 0.5%, as of models fine-tuned on ever more examples.
    examples = np.geomspace(300, 6000, 14)
    scatter = 0.005 * np.random.default_rng(3).standard_normal(14)
    loss = (0.5 + (examples / 50) ** -0.4) * np.exp(scatter)
    runs = bs.read_runs(pd.DataFrame({"examples": examples, "loss": loss}), suspicious="keep")
    far = mix_forms(runs, at={"examples": ["2x", "20000"]})
    assert set(far["form"].values) <= set(shipped_forms("examples"))
    np.testing.assert_allclose(far["examples"], [12000, 20000])
    np.testing.assert_allclose(far["decades_beyond"], np.log10([2, 10 / 3]))
    # No rehearsal is farther than the question.
    np.testing.assert_allclose(far["reach"], np.log10([2, 3]))
    truth = 0.5 + (far["examples"].values / 50) ** -0.4
    low, high = far["loss"].quantile([0.025, 0.975], ("chain", "draw")).values
    assert ((low < truth) & (truth < high)).all()
