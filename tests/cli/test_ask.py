import pytest

from bayescale.cli.main import main
from bayescale.cli.question_table import QUESTIONS

# Question: the posterior, the options, and what the answer says.
ASKED = {
    "bigger-or-longer": ("one", "--params 1B --tokens 20B", "probability"),
    "off-optimal": ("one", "--compute 10x --factors 0.6 2.2", "0.6 times that size takes"),
    "convergence": ("one", "--compute 10x 100x", "gap"),
    "loss-of-tokens": ("one", "--tokens 1T", "loss"),
    "loss-of-compute": ("one", "--compute 1e24", "loss"),
    "reducible": ("one", "--compute 10x", "reducible"),
    "within": ("one", "--eps 0.1", "compute"),
    "dimension": ("one", "", "4/alpha"),
    "known-models": ("one", "", "Chinchilla"),
    "better": ("one", "--models Gopher Chinchilla", "difference"),
    "critical-batch": ("steps", "--loss 3 2.5 2.2", "fall_to_double"),
    "time-and-compute": ("steps", "--loss 2.6 --params 2B --seconds-per-step 2 --batches 1M 4M", "shortest_time"),
    "fastest-and-cheapest": ("steps", "--loss 2.6 --params 2B", "extra_compute"),
    "deadline": ("steps", "--loss 2.6 --params 2B --seconds-per-step 2 --deadline 1d 6h", "needed_batch"),
    "epochs": ("repeats", "--compute 1e22 --unique-tokens 25B", "last_worthwhile"),
    "value-of-epochs": ("repeats", "--unique-tokens 25B --params 7B --epochs 1 4 16 --share 0.25", "fresh_epochs"),
    "crossing": ("of_compute", "--beside {of_tokens} {one}", "L(C)"),
    "kaplan-crossing": (None, "", "1.67 nats/token"),
    "non-embedding": ("one", "--params 1B 10B", "a_fitted"),
    "agreement": ("tiny", "", "Approaches 2 and 3"),
    "left-out-runs": ("one", "", "within their 90% bands"),
    "influence": ("one", "", "No single run carries the loss at 100x"),
    "prior-sensitivity": ("one", "", "leans on the prior of"),
    "domains": (None, "", "Image 8x8"),
    "loss-by-domain": (None, "--params 1B", "2.316"),
}
SAMPLED = {"approaches": "exponent a of N_opt", "profiles": "best N"}
LONG = {"domains"}


def words_of(question, saved):
    fit, options, _ = ASKED[question]
    named = {name: saved[name] for name in ("of_tokens", "one") if f"{{{name}}}" in options}
    return ["ask", question, *([saved[fit]] if fit else []), *options.format(**named).split()]


@pytest.mark.parametrize("question", ASKED)
def test_a_question_is_answered_on_a_screen_and_the_sentence_comes_last(saved, capsys, question):
    assert main(words_of(question, saved)) == 0
    printed = capsys.readouterr().out
    assert ASKED[question][2] in printed
    assert len(printed.splitlines()) <= (32 if question in LONG else 24)
    assert not printed.splitlines()[-1].startswith(" ")


@pytest.mark.parametrize("question", [n for n in ASKED if QUESTIONS[n].plot and n != "crossing"])
def test_a_question_with_a_picture_saves_it(saved, capsys, tmp_path, question):
    picture = tmp_path / "answer.png"
    assert main([*words_of(question, saved), "--picture", str(picture)]) == 0
    assert f"Picture: {picture}" in capsys.readouterr().out.replace("\n", "")
    assert picture.stat().st_size > 5000


@pytest.mark.sampling
@pytest.mark.parametrize("question", ["profiles", pytest.param("approaches", marks=pytest.mark.slow)])
def test_the_runs_of_a_posterior_are_fitted_again_and_drawn(saved, capsys, tmp_path, question):
    picture = tmp_path / "answer.png"
    assert main(["ask", question, saved["tiny"], "--picture", str(picture)]) == 0
    assert SAMPLED[question] in capsys.readouterr().out
    assert picture.stat().st_size > 5000


def test_answers_of_several_families_have_a_panel_each(saved, tmp_path):
    from matplotlib.image import imread

    sizes = {}
    for fit in ("one", "two"):
        picture = tmp_path / f"{fit}.png"
        words = ["ask", "bigger-or-longer", saved[fit], "--params", "1B", "--tokens", "20B"]
        assert main([*words, "--picture", str(picture)]) == 0
        sizes[fit] = imread(picture).shape[0]
    assert sizes["two"] > 1.5 * sizes["one"]


def test_two_posteriors_are_asked_about_known_models_side_by_side(saved, capsys):
    assert main(["ask", "known-models", saved["one"], "--beside", saved["rounded"]]) == 0
    printed = capsys.readouterr().out
    assert "rounded" in printed
    assert printed.count("Gopher") == 2


@pytest.mark.parametrize(
    ("fit", "words", "said"),
    [
        ("one", "bigger-or-longer --params 1B", "bigger-or-longer needs --tokens"),
        ("one", "dimension --compute 1e24", "dimension does not take --compute"),
        ("one", "within --eps little", "--eps: ['little']; accepted: numbers"),
        ("one", "critical-batch --loss 2", "kaplan-steps"),
        ("one", "epochs --compute 1e22 --unique-tokens 25B", "repeats"),
        ("one", "reducible --compute 10x --at tokens", "--at 'tokens': write it as name=value"),
        ("one", "within --eps 0.1 --picture a.png", "within has no picture"),
        ("one", "off-optimal --compute 10x --picture a.jpg", "accepted are files that end in .png"),
        ("one", "domains", "domains asks published constants alone"),
        (None, "loss-by-domain", "give params or compute, one of the two; got neither"),
        (None, "loss-by-domain --params big", "'big' is not a number"),
        (None, "off-optimal --compute 10x", "off-optimal is asked of a posterior: bayescale ask off-optimal FIT.nc"),
        ("steps", "time-and-compute --loss 2 3 --params 2B", "takes one value of --loss; got 2"),
        ("two", "prior-sensitivity --family wsd", "prior-sensitivity does not take --family"),
        ("one", "better --models Gopher", "--models takes two known models; got 1"),
        ("of_compute", "crossing --beside a.nc", "--beside takes two posteriors here"),
        ("one", "off-optimum --compute 10x", 'Did you mean "off-optimal"?'),
        ("one", "profiles", "IsoFLOP profiles"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(saved, capsys, tmp_path, monkeypatch, fit, words, said):
    monkeypatch.chdir(tmp_path)
    question, *options = words.split()
    assert main(["ask", question, *([saved[fit]] if fit else []), *options]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_every_question_is_asked_here():
    assert set(QUESTIONS) == {*ASKED, *SAMPLED}


def test_every_plot_that_a_question_names_exists_and_the_eleven_that_nothing_drew_are_among_them():
    import bayescale.plots

    drawn = {question.plot for question in QUESTIONS.values()} - {""}
    assert all(callable(getattr(bayescale.plots, name)) for name in drawn)
    once_unused = "agreement bigger_or_longer convergence_gap critical_batch domains epochs known_models left_out_runs "
    assert {f"plot_{name}" for name in f"{once_unused} off_optimal pareto profiles".split()} <= drawn
