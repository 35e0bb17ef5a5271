import pytest
from pinned import pinned_fit

import bayescale as bs
from bayescale.cli.ask import QUESTIONS
from bayescale.cli.main import main


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("fits") / "fit.nc"
    bs.save_fit(pinned_fit(spread=0.02), path)
    return str(path)


ASKED = {
    "bigger-or-longer": (["--params", "1B", "--tokens", "20B"], "probability"),
    "off-optimal": (["--compute", "10x", "--factors", "0.6", "2.2"], "0.6 times that size takes"),
    "convergence": (["--compute", "10x"], "gap"),
    "loss-of-tokens": (["--tokens", "1T"], "loss"),
    "loss-of-compute": (["--compute", "1e24"], "loss"),
    "reducible": (["--compute", "10x"], "reducible"),
    "within": (["--eps", "0.1"], "compute"),
    "dimension": ([], "4/alpha"),
    "known-models": ([], "Chinchilla"),
}


@pytest.mark.parametrize("question", ASKED)
def test_a_question_is_answered_on_a_screen_and_the_sentence_comes_last(saved, capsys, question):
    options, said = ASKED[question]
    assert main(["ask", question, saved, *options]) == 0
    printed = capsys.readouterr().out
    assert said in printed
    assert "median" in printed
    assert len(printed.splitlines()) <= 24
    assert not printed.splitlines()[-1].startswith(" ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bigger-or-longer", "--params", "1B"], "bigger-or-longer needs --tokens"),
        (["dimension", "--compute", "1e24"], "dimension does not take --compute"),
        (["within", "--eps", "little"], "--eps: ['little']; accepted: numbers"),
        (["critical-batch", "--loss", "2"], "kaplan-steps"),
        (["epochs", "--compute", "1e22", "--unique-tokens", "25B"], "repeats"),
        (["reducible", "--compute", "10x", "--at", "tokens"], "--at 'tokens': write it as name=value"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(saved, capsys, words, said):
    assert main(["ask", words[0], saved, *words[1:]]) == 2
    assert said in capsys.readouterr().err


def test_every_question_is_asked_here_or_refused_here():
    assert set(QUESTIONS) == {*ASKED, "critical-batch", "epochs"}
