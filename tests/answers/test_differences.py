import json

import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.errors import QuestionError
from bayescale.report.words.answers import say_answer

TWO = {"cosine": BESIROGLU, "wsd": ROUNDED}


def test_families_are_compared_parameter_by_parameter():
    found = bs.answers.differences(pinned_fit(families=TWO))
    assert found.attrs["baseline"] == "cosine"
    assert found["family"].values.tolist() == ["wsd"]
    # Hoffmann's rounded constants over Besiroglu's: E 1.69 / 1.8172, alpha 0.34 / 0.3478, beta 0.28 / 0.3658.
    for name, times in (("E", 1.69 / 1.8172), ("alpha", 0.34 / 0.3478), ("beta", 0.28 / 0.3658)):
        np.testing.assert_allclose(found[name], times, rtol=1e-9)
    assert found["probability_higher"].sel(parameter=["E", "alpha", "beta"]).values.ravel().tolist() == [0, 0, 0]
    assert "beta of wsd is lower than of cosine (probability 1.000)" in say_answer(found)


def test_the_other_way_round():
    found = bs.answers.differences(pinned_fit(families=TWO), baseline="wsd")
    np.testing.assert_allclose(found["E"], 1.8172 / 1.69, rtol=1e-9)
    assert found["E"].attrs["long_name"] == "E, times that of wsd"


def test_what_does_not_differ_for_sure_is_said_not_to():
    found = bs.answers.differences(pinned_fit(families=dict.fromkeys(TWO, BESIROGLU), spread=0.01, seed=4))
    assert say_answer(found).startswith("No parameter differs for sure")
    # Two independent errors of 1%.
    assert float(np.log(found["alpha"]).std()) == pytest.approx(0.01 * np.sqrt(2), rel=4 / np.sqrt(2 * 500))


def test_a_covariates_effects_are_compared_on_the_log():
    fit = pinned_fit(families=TWO)
    card = bs.cards.make_card({"extends": "chinchilla", "pooling": {"E": "effect(schedule)"}}, "schedules")
    posterior = fit["posterior"].to_dataset()
    effect = xr.DataArray([0.05, -0.05], dims="schedule", coords={"schedule": ["cosine", "wsd"]})
    fit["posterior"] = posterior.assign(E_schedule=effect * xr.ones_like(posterior["sigma"]))
    fit.attrs["card"] = json.dumps(card.model_dump(mode="json"))
    found = bs.answers.differences(fit, "schedule")
    assert list(found.data_vars) == ["E", "probability_higher"]
    np.testing.assert_allclose(found["E"], np.exp(-0.1))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"group": "famly"}, r"no parameter differs by 'famly'.*Did you mean 'family'"),
        ({"baseline": "cosin"}, r"baseline='cosin': no such family.*Did you mean 'cosine'.*cosine, wsd"),
    ],
)
def test_a_question_that_is_not_understood(asked, said):
    with pytest.raises(QuestionError, match=said):
        bs.answers.differences(pinned_fit(families=TWO), **asked)
