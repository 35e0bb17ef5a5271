import json

import numpy as np
import pytest
from report.pinned_study import study_that_held, study_that_missed

import bayescale as bs
from bayescale.report import collect_numbers


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
