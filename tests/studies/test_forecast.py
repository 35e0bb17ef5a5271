"""The public forecast: all that the command computes, in one Dataset."""

import json

import numpy as np
import pytest
from pinned import BESIROGLU, KAPLAN, pinned_fit
from report.pinned_study import pinned_rehearsal

import bayescale as bs
from bayescale.errors import QuestionError
from bayescale.forms import mix_forms, unpack_skipped
from bayescale.studies import stack_forms
from bayescale.trust import grade

PAPERS = {"chinchilla": BESIROGLU, "kaplan": KAPLAN}
FAMILIES = {"english": BESIROGLU, "source": BESIROGLU | {"E": 1.5}}


def asked_of(families):
    """Two pinned forms of the same runs, with what they said of the largest."""
    fits = {
        name: pinned_fit(name, PAPERS[name], families=families and dict.fromkeys(families, PAPERS[name]), spread=0.02)
        for name in PAPERS
    }
    runs = bs.inference.runs_of(fits["chinchilla"])
    known = pinned_rehearsal(runs, by=1.0)
    places = known.sizes["held_out"]
    draws = fits["chinchilla"]["posterior"].sizes
    shape = (2, draws["chain"], draws["draw"], places)
    known["predicted"] = (("form", "chain", "draw", "held_out"), 2 + 0.1 * np.random.default_rng(1).random(shape))
    known["loss"] = ("held_out", np.full(places, 2.05))
    known = known.assign_coords(decades_beyond=("held_out", np.ones(places)))
    if families:
        known = known.assign_coords(family=("held_out", runs["family"].sel(run=known["run"].values).values))
    return runs, {"models": list(PAPERS), "fits": fits, "rehearsed": known}


@pytest.fixture(scope="module", params=[None, FAMILIES], ids=["one family", "families"])
def asked(request):
    return asked_of(request.param)


@pytest.fixture(scope="module")
def far(asked):
    runs, told = asked
    return bs.forecast(runs, ["10x", "100x"], **told)


def test_a_forecast_holds_the_mixture_as_it_is(asked, far):
    runs, told = asked
    mixed = mix_forms(runs, ["10x", "100x"], **told)
    assert set(mixed.variables) <= set(far.variables)
    assert all(far[name].equals(mixed[name]) for name in mixed.data_vars)
    assert bs.forecast(runs, ["10x", "100x"], tested=False, **told).equals(mixed)
    assert unpack_skipped(far) == unpack_skipped(mixed)


def test_a_forecast_is_graded_at_every_point_and_family(asked, far):
    runs, told = asked
    question = {"compute": ["10x", "100x"]}
    stack = stack_forms(runs, question, forms=told["models"], seed=1, say=lambda line: None, fits=told["fits"],
                        rehearsed=told["rehearsed"])  # fmt: skip
    families = stack.far["family"].values.tolist() if "family" in stack.far.dims else [None]
    assert far["grade"].dims == (("point", "family") if families[0] else ("point",))
    for point in range(2):
        for family in families:
            given = grade(stack.far, stack.held, stack.sensitivity, point=point, family=family)
            here = far.isel(point=point).sel(family=family) if family else far.isel(point=point)
            assert here["grade"].item() == given.letter
            assert here["part"].values.tolist() == [part.name for part in given.parts]
            assert here["grade_level"].values.tolist() == [part.level for part in given.parts]
            assert here["grade_reason"].values.tolist() == [part.sentence for part in given.parts]


def test_a_forecast_holds_its_backtest_and_its_checks(asked, far):
    runs, told = asked
    held = far[["held_loss", "held_lower", "held_upper"]].sel(held_prob=0.9)
    assert held.sizes["held_out"] == told["rehearsed"].sizes["held_out"]
    assert bool(((held["held_lower"] < 2.05) & (held["held_upper"] > 2.05)).all())
    assert far["held_factor"].dims == ("held_out",)
    assert json.loads(far.attrs["not_checked"]) == []
    assert far["influence_shift"].sizes["influence_run"] == runs.sizes["run"]
    assert "sensitivity_leans" in far
    assert "check_coverage" in far


def test_a_forecast_can_be_kept_in_a_file(far, tmp_path):
    far.to_netcdf(tmp_path / "forecast.nc")
    assert bs.summary(far).index.get_level_values(0)[0] in far


def test_a_question_is_refused_before_anything_is_fitted(asked):
    runs, _ = asked
    with pytest.raises(QuestionError, match="say where"):
        bs.forecast(runs)
