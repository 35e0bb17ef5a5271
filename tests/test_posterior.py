import json

import numpy as np
import pytest
import xarray as xr
from pinned import BESIROGLU, FAILED, ROUNDED, pinned_fit

import bayescale as bs
from bayescale.answers import response_names
from bayescale.cards import Card
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.inference.diagnostics import parameter_of
from bayescale.laws import get_law
from bayescale.laws.inputs import without_labels
from bayescale.posterior import CONSTANTS, Posterior
from bayescale.report.words.answers import say_answer

ASKED = {
    "extrapolate": lambda fit: bs.extrapolate(fit, "10x"),
    "optimal_split": lambda fit: bs.optimal_split(fit, "10x"),
    "irreducible_loss": bs.irreducible_loss,
    "reducible_loss": lambda fit: bs.answers.reducible_loss(fit, "10x"),
    "compute_to_within": lambda fit: bs.answers.compute_to_within(fit, 0.1),
    "convergence_gap": lambda fit: bs.answers.convergence_gap(fit, "10x"),
    "bigger_or_longer": lambda fit: bs.answers.bigger_or_longer(fit, "1B", "20B"),
    "known_models": bs.answers.known_models,
    "outlier_runs": bs.answers.outlier_runs,
}


@pytest.fixture(scope="module")
def fit():
    return pinned_fit(spread=0.02, draws=20)


def test_the_card_is_parsed_once_however_many_questions_are_asked(fit, monkeypatch):
    new, parsed = fit.copy(), []
    new.attrs["card"] = json.dumps(json.loads(fit.attrs["card"]) | {"title": "a card that nobody parsed before"})

    def parse(text):
        parsed.append(text)
        return Card.model_validate(json.loads(text))

    monkeypatch.setattr(Card, "model_validate_json", parse)
    for ask in ASKED.values():
        ask(new)
    assert parsed == [new.attrs["card"]]


@pytest.mark.parametrize("name", ASKED)
def test_an_answer_says_what_was_asked_and_names_its_response(fit, name):
    answer = ASKED[name](fit)
    assert answer.attrs["asked"] == name
    assert answer.attrs["response"] == "loss"
    assert {"answer", "sentence"}.isdisjoint(answer.attrs)


def test_an_answer_of_a_view_is_that_of_its_posterior():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, spread=0.02, draws=20)
    view = Posterior.quoted(fit, "old")
    xr.testing.assert_identical(bs.optimal_split(view, "10x"), bs.optimal_split(fit, "10x", family="old"))
    xr.testing.assert_identical(bs.irreducible_loss(view), bs.irreducible_loss(fit, family="old"))


def test_a_posterior_that_failed_is_not_opened_to_be_quoted():
    failed = pinned_fit(verdict=FAILED, draws=2)
    with pytest.raises(UnconvergedError):
        Posterior.quoted(failed)
    assert Posterior.quoted(failed, None, True).verdict == "NOT CONVERGED"
    assert Posterior(failed).law.name == "chinchilla"


def test_a_family_that_is_not_there_is_named_when_its_draws_are_asked_for(fit):
    with pytest.raises(QuestionError, match="there is no family 'text' in these runs"):
        Posterior(fit, "text").theta  # noqa: B018


def test_constants_are_asked_as_a_posterior_is():
    view = Posterior.of_constants(get_law("chinchilla"), ROUNDED)
    loss = view.by_law({"params": 70e9, "tokens": 1.4e12})
    # Hoffmann et al. 2022, eq. 10 at Chinchilla.
    assert float(loss.squeeze()) == pytest.approx(1.93665, abs=1e-5)
    assert (view.verdict, view.seen, view.attrs("a", "b")["model"]) == (CONSTANTS, {}, CONSTANTS)
    with pytest.raises(QuestionError, match="tokens: a multiple needs runs that have it"):
        view.points("10x", "tokens")


def test_a_law_gives_the_same_with_and_without_labels():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, spread=0.02, draws=20)
    view = Posterior(fit)
    inputs = {"params": xr.DataArray([1e9, 1e10], dims="point"), "tokens": xr.DataArray([2e10, 2e11], dims="point")}
    labelled = view.law.at(np, inputs, view.law_theta, view.reference)
    xr.testing.assert_identical(view.by_law(inputs), labelled.drop_attrs())


def test_labels_that_differ_are_still_matched():
    first = xr.DataArray([1.0, 2.0], {"family": ["a", "b"]}, "family")
    second = first.isel(family=[1, 0])
    found = without_labels(lambda one, other: one["x"] - other["x"], {"x": first}, {"x": second})
    assert found.sel(family=["a", "b"]).values.tolist() == [0.0, 0.0]


def test_names_are_taken_apart_in_one_place():
    assert parameter_of("E[a[1]]") == ("E", "a[1]")
    assert parameter_of("sigma") == ("sigma", "")
    assert response_names(xr.Dataset(attrs={"response": "error"})) == ("expected_error", "error")


def test_an_answer_that_is_all_numbers_has_no_sentence(fit):
    assert say_answer(bs.optimal_split(fit, "10x")) == ""


def test_a_path_in_place_of_a_posterior_is_refused_with_what_to_do():
    with pytest.raises(QuestionError, match=r"bs\.load_fit\('fit\.nc'\) returns; got 'runs\.nc'"):
        bs.extrapolate("runs.nc", "10x")
