"""The whole report on so few runs that nothing can be rehearsed, and what becomes of forms that fail."""

import sys

import numpy as np
import pytest
from pinned import simulated_frame

import bayescale as bs
from bayescale.errors import BayescaleError, DesignError, QuestionError
from bayescale.report import collect_numbers, terminal_summary, three_answers
from bayescale.studies import stack as stack_module


@pytest.fixture(scope="module")
def runs():
    """Nine runs within a decade and a half of compute: fewer than eight lie below any cut."""
    return bs.read_runs(simulated_frame(sizes=3, ratios=3, noise=0.005, seed=3))


@pytest.fixture(scope="module")
def study(runs):
    return bs.study(runs, forms=["chinchilla+drift"])


@pytest.mark.sampling
def test_runs_too_few_to_rehearse_are_answered_and_said_to_be_untested(study):
    found = collect_numbers(study)["forecast"]
    assert found["possible"]
    assert found["forms"]["chinchilla+drift"]["weight"] == 1
    assert found["rehearsals"] == []
    assert any(record["factor"] == 10 and record["form"] is None for record in found["skipped"])
    first = three_answers(study)[0]
    assert "This band is untested." in first.warnings[0]
    assert "allowed no test" in dict(first.points)["How the forms are weighted"]
    assert "UNTESTED" in terminal_summary(study)


@pytest.mark.sampling
def test_a_band_that_knows_it_may_be_wrong_is_wider_than_the_plain_ones(study):
    wide = study.stack.far["expected_loss"].quantile([0.05, 0.95]).values
    plain = study.far["chinchilla"]["expected_loss"].quantile([0.05, 0.95]).values
    assert np.ptp(wide) > np.ptp(plain)


@pytest.mark.parametrize(
    ("form", "refusal", "said"),
    [
        ("accuracy", DesignError, "the model 'accuracy' needs columns that the runs lack: accuracy"),
        ("power:tokens", QuestionError, "'power' takes tokens"),
        ("of-accuracy", QuestionError, "the first answer of a report is a loss; the form 'of-accuracy' is of accuracy"),
    ],
)
def test_forms_that_cannot_answer_are_refused_before_the_work(runs, form, refusal, said, monkeypatch):
    if form == "of-accuracy":
        runs = runs.assign(accuracy=("run", np.linspace(0.3, 0.6, runs.sizes["run"])))
        form = bs.cards.make_card({"extends": "accuracy", "x": "compute"}, form)
    for work in ("identifiability", "fit"):
        monkeypatch.setattr(sys.modules["bayescale.studies.study"], work, lambda *args, **options: pytest.fail("late"))
    with pytest.raises(refusal, match=said):
        bs.study(runs, forms=[form])


@pytest.fixture
def ask(runs):
    """Stack two forms at the smallest effort that goes wrong."""
    asked = {"compute": ["100x"]}
    return lambda: stack_module.stack_forms(
        runs, asked, forms=["chinchilla+drift", "kaplan+drift"], seed=1, say=lambda line: None
    )


def test_forms_that_all_fail_are_all_named(ask, monkeypatch):
    def refuse(runs, card, **options):
        raise BayescaleError(f"{card.name} does not start.")

    # The package's name for the function hides the module of that name.
    monkeypatch.setattr(sys.modules["bayescale.forms.mix_forms"], "fit_card", refuse)
    with pytest.raises(BayescaleError, match=r"(?s)no form gave.*chinchilla\+drift does not.*kaplan\+drift does not"):
        ask()
