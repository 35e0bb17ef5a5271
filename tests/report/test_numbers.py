import dataclasses
import json

import numpy as np
import pytest
from report.pinned_study import study_that_held, study_that_missed

import bayescale as bs
from bayescale.report import collect_numbers
from bayescale.report.figures import draw_identified
from bayescale.report.panels import Drawer


@pytest.fixture(scope="session")
def study():
    return study_that_held()


@pytest.fixture(scope="session")
def family_study():
    return study_that_missed()


@pytest.mark.parametrize("name", ["study", "family_study"])
def test_the_numbers_are_strict_json(name, request):
    found = collect_numbers(request.getfixturevalue(name))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_bands_are_those_of_the_answers(study):
    found = collect_numbers(study)["extrapolation"]["chinchilla"]["all"]["loss"]
    table = bs.summary(study.far["chinchilla"]).loc[("loss", 0)]
    assert found["median"] == pytest.approx(table["median"])
    assert found["bands"]["95"] == pytest.approx([table["lower_95"], table["upper_95"]])
    assert set(found["bands"]) == {"50", "80", "95"}


def test_the_split_is_that_at_the_question(study):
    found = collect_numbers(study)["extrapolation"]["kaplan"]["all"]["optimal"]
    params = study.split["kaplan"]["params"].isel(point=-1).median().item()
    assert found["params"]["median"] == pytest.approx(params)
    assert found["exponent_params"]["median"] + found["exponent_tokens"]["median"] == pytest.approx(1, abs=1e-6)


def test_the_backtest_is_counted_by_factor_by_family_and_at_that_distance(family_study):
    found = collect_numbers(family_study)["backtest"]["chinchilla"]
    assert found["by_factor"]["100"]["held_out_runs"] == 20
    assert found["by_factor"]["100"]["inside"] == 12
    assert found["by_factor"]["100"]["at_distance"]["held_out_runs"] == 20
    by_family = found["by_family"]
    assert sum(by_family[name]["10"]["held_out_runs"] for name in ("english", "source")) == 20


def test_runs_just_beyond_the_cut_do_not_count_as_that_far_out(study):
    near = study.held["chinchilla"].copy()
    which = np.arange(near.sizes["held_out"]) % 2 == 0
    near["decades_beyond"] = ("held_out", np.where(which, 0.2, near["decades_beyond"].values))
    changed = type(study)(**{**vars(study), "held": {**study.held, "chinchilla": near}})
    found = collect_numbers(changed)["backtest"]["chinchilla"]["by_factor"]["100"]
    assert found["held_out_runs"] == 20
    assert found["at_distance"]["held_out_runs"] == 10


def test_where_it_came_from_is_kept(study):
    found = collect_numbers(study)["provenance"]
    assert len(found["sha256"]) == 64
    assert found["seed"] == 0
    assert found["cards"]["chinchilla"]["law"] == "chinchilla"
    assert "pymc" in found["versions"]


def test_what_is_not_a_number_is_nothing(study):
    loo = study.loo.copy(deep=True)
    loo["dse"][1] = np.nan
    changed = type(study)(**{**vars(study), "loo": loo})
    assert collect_numbers(changed)["forms"]["loo"]["table"][1]["dse"] is None


def test_the_stacked_numbers_are_those_of_the_forecast(family_study):
    found = collect_numbers(family_study)["forecast"]
    far = family_study.stack.far
    for family in ("english", "source"):
        one = found["families"][family]
        assert one["loss"]["median"] == pytest.approx(far["loss"].sel(family=family).median().item())
        assert sum(one["shares"].values()) == pytest.approx(1)
        assert one["grade"]["letter"] in "ABCD"
        assert len(one["grade"]["parts"]) == 5
    assert found["leading"] == "chinchilla+drift"
    assert found["rehearsals"] == pytest.approx([10])
    alone = found["forms"]["kaplan+drift"]["loss"]["source"]["bands"]["95"]
    draws = far["form_loss"].sel(form="kaplan+drift", family="source")
    assert alone == pytest.approx([draws.quantile(q).item() for q in (0.025, 0.975)])


def test_the_headline_and_the_end_of_the_picture_are_one_answer(study):
    at_the_end = study.stack.path["expected_loss"].isel(point=-1)
    np.testing.assert_allclose(study.stack.far["expected_loss"].isel(point=0), at_the_end)
    assert study.stack.far["compute"].item() == pytest.approx(study.far["chinchilla"]["compute"].item())


def test_the_forecast_is_tested_at_its_own_factors_and_convergence_is_of_all_fits(study):
    found = collect_numbers(study)
    assert found["backtest"]["forecast"]["asked"] == ["3", "10", "30", "100"]
    assert found["backtest"]["kaplan"]["asked"] == ["10", "100"]
    assert [*found["convergence"]] == ["chinchilla", "kaplan", "chinchilla+drift", "kaplan+drift"]


def test_what_could_not_be_checked_is_said(study):
    stack = dataclasses.replace(study.stack, sensitivity=None, moved=None, checked=None, not_checked=("priors: no",))
    found = collect_numbers(dataclasses.replace(study, stack=stack))["forecast"]
    assert found["prior_sensitivity"] == []
    assert found["single_runs"] == {"sentence": "", "most": []}
    assert found["predicted_without"] == []
    assert found["not_checked"] == ["priors: no"]


def test_a_design_of_which_nothing_can_be_said_is_reported_as_such(study):
    unknown = study.design["kaplan"].drop_attrs().where(False).assign_attrs(cannot_say="no point fit succeeded (nan)")
    doubtful = dataclasses.replace(study, design=study.design | {"kaplan": unknown})
    found = collect_numbers(doubtful)
    design = found["identifiability"]["kaplan"]
    assert not design["identified"]
    assert design["ridge"] == {}
    assert design["least_learned"] == {"all": None}
    assert design["sentences"] == [
        "What these runs can tell of its parameters could not be worked out: no point fit succeeded (nan)."
    ]
    plate = draw_identified(doubtful, found, Drawer(doubtful.families))
    assert "could not be worked out" in plate.caption
    assert plate.panels == ()
