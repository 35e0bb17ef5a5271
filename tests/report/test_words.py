import dataclasses

import pytest
import xarray as xr
from pinned import with_errors
from report.pinned_study import pinned_held, pinned_study, study_that_held, study_that_missed

import bayescale as bs
from bayescale.forms import FORECAST, Skipped
from bayescale.report import collect_numbers, terminal_summary, three_answers
from bayescale.report.tables import list_tables
from bayescale.report.words.extrapolation import record_text
from bayescale.trust import grade


@pytest.fixture(scope="session")
def study():
    return study_that_held()


@pytest.fixture(scope="session")
def family_study():
    return study_that_missed()


def words(study):
    return {answer.key: answer for answer in three_answers(study)}


def text(answer):
    return " ".join([*answer.headline, *answer.warnings, *(p.text for p in answer.points + answer.sureness)])


def test_there_are_three_answers_in_the_order_of_the_questions(study):
    answers = three_answers(study)
    assert [answer.key for answer in answers] == ["extrapolation", "form", "irreducible_loss"]
    assert [answer.question[:10] for answer in answers] == ["How uncert", "Kaplan or ", "How low ca"]


def test_the_first_answer_says_the_loss_the_size_and_the_tokens(study):
    found = collect_numbers(study)["forecast"]["families"]["all"]
    (headline,) = words(study)["extrapolation"].headline
    assert f"{found['loss']['median']:.2f}" in headline
    assert "nats/token" in headline
    assert "N = " in headline
    assert "D = " in headline
    assert "95%" in headline
    assert f"Grade {found['grade']['letter']}." in headline


@pytest.mark.parametrize("key", ["extrapolation", "form", "irreducible_loss"])
def test_every_answer_carries_its_verdict_its_distance_and_its_record(study, key):
    sureness = dict(words(study)[key].sureness)
    assert "onverged" in sureness["Sampler"]
    assert sureness["Distance"]
    assert "held 19 of 20 times about 100x out" in sureness["Record"]


def test_bands_that_held_are_not_warned_of(study):
    assert not [w for w in words(study)["extrapolation"].warnings if "too narrow" in w]


def test_bands_that_did_not_hold_are_called_too_narrow_at_the_first_answer(family_study):
    first = words(family_study)["extrapolation"].warnings[0]
    assert "too narrow" in first
    assert "held 12 of 20 times about 100x out" in first
    assert "TOO NARROW" in terminal_summary(family_study)


def test_bands_that_failed_at_the_shortest_test_are_told_of_everywhere(study):
    parts = [pinned_held("forecast", study.runs, inside=i, of=15, factors=f) for i, f in ((1, [3.0]), (15, [10.0]))]
    held = xr.concat(parts, "held_out", data_vars="minimal")
    stack = dataclasses.replace(study.stack, held=held, grades={"all": grade(study.stack.far, held)})
    failed = dataclasses.replace(study, stack=stack, held=study.held | {"forecast": held})
    assert "TOO NARROW: on your runs 90% bands held 1 of 15 at 3x, 15 of 15 at 10x." in terminal_summary(failed)
    answer = words(failed)["extrapolation"]
    assert answer.headline[0].endswith("Grade D.")
    assert "predicted from runs 3x smaller, 90% bands held 1 of 15 times about 3x out" in answer.warnings[0]
    assert "The longest test on your runs reaches 10x" in answer.warnings[1]
    assert "15 of 15 times about 10x out and 1 of 15 times about 3x out" in dict(answer.sureness)["Record"]


def test_a_backtest_that_was_skipped_is_said():
    study = pinned_study(factors=(), skipped=[Skipped(None, 100.0, "only 3 runs are left")])
    answer = words(study)["extrapolation"]
    assert "untested" in answer.warnings[0]
    assert "only 3 runs are left" in answer.warnings[0]
    assert "could not be tested" in words(study)["form"].headline[0]
    assert "UNTESTED" in terminal_summary(study)


def test_one_factor_that_was_skipped_is_said_beside_the_other():
    study = pinned_study(factors=(3.0, 10.0, 30.0), skipped=[Skipped(None, 100.0, "only 3 runs are left")])
    record = dict(words(study)["extrapolation"].sureness)["Record"]
    times = "19 of 20 times about"
    assert f"90% bands held {times} 30x out, {times} 10x out and {times} 3x out." in record
    assert "Not tested: 100x out (100x: only 3 runs are left)" in record
    assert any("Nothing in these runs tests so long a step" in w for w in words(study)["extrapolation"].warnings)


def test_too_few_left_out_runs_are_not_called_a_test():
    answer = words(pinned_study(inside=2, of=3))["extrapolation"]
    assert "Too few runs" in answer.warnings[0]


@pytest.mark.parametrize(
    ("kaplan_by", "kaplan_ahead", "said"),
    [
        (-20.0, -1.0, "Chinchilla: it describes"),
        (20.0, 1.0, "Kaplan: it describes"),
        (20.0, -1.0, "The tests disagree: Kaplan describes these runs better, Chinchilla predicts larger runs better"),
        (1.0, 0.0, "do not tell the two forms apart"),
        (20.0, 0.0, "neither form is clearly ahead"),
    ],
)
def test_the_verdict_on_the_form_follows_the_two_tests(kaplan_by, kaplan_ahead, said):
    study = pinned_study(kaplan_by=kaplan_by, kaplan_ahead=kaplan_ahead)
    assert said in words(study)["form"].headline[0]


def test_tests_that_disagree_say_which_question_each_answers():
    answer = words(pinned_study(kaplan_by=20.0, kaplan_ahead=-1.0))["form"]
    said = dict(answer.points)["Which test answers what"]
    assert "LOO says which form describes runs like these" in said
    assert "to predict larger runs, chinchilla has the better claim" in said


@pytest.fixture(scope="module")
def plain():
    """No form could be stacked: one plain form answers, and another is ahead on the largest runs."""
    return pinned_study(stacked=False, not_stacked="no form gave a posterior", kaplan_ahead=1.0)


def test_without_any_form_to_stack_the_plain_one_answers_and_says_so(plain):
    answer = words(plain)["extrapolation"]
    found = collect_numbers(plain)
    assert f"{found['extrapolation']['chinchilla']['all']['loss']['median']:.2f}" in answer.headline[0]
    assert "could not be stacked (no form gave a posterior)" in answer.warnings[0]
    assert found["forecast"] == {"possible": False, "why_not": "no form gave a posterior"}
    said = terminal_summary(plain)
    assert "NOT STACKED" in said
    grade = found["extrapolation"]["chinchilla"]["all"]["grade"]
    assert f"; grade {grade['letter']}" in said
    assert grade["sentence"] in answer.points[0].text
    assert len(said.splitlines()) <= 16


def test_what_makes_the_width_of_a_plain_form_is_told_in_full(plain):
    fit = with_errors(plain.fits["chinchilla"], budget=0.02)
    shared = dataclasses.replace(plain, far=plain.far | {"chinchilla": bs.extrapolate(fit, plain.at)})
    n = collect_numbers(shared)
    shares = n["extrapolation"]["chinchilla"]["all"]["shares"]
    assert list(shares) == ["parameters", "errors", "noise"]
    assert (
        f"{100 * shares['errors']:.0f}% errors that runs share"
        in dict(words(shared)["extrapolation"].points)["What makes the width"]
    )
    found = next(one for one in list_tables(n) if one["title"].startswith("By the plain forms"))
    place = found["head"].index("shared errors")
    assert [row[place] for row in found["rows"]] == [f"{100 * shares['errors']:.0f}%", "0%"]
    assert "shared errors" not in next(iter(list_tables(collect_numbers(plain))))["head"]


def test_a_plain_form_that_predicts_larger_runs_better_is_named_at_the_first_answer(plain):
    warnings = words(plain)["extrapolation"].warnings
    assert any("Kaplan's form predicted the largest of your runs better" in w for w in warnings)


def test_plain_forms_that_disagree_by_more_than_their_bands_are_warned_of(plain):
    # The pinned Kaplan law is of other runs, and far below.
    assert any("disagree by more than their bands" in w for w in words(plain)["extrapolation"].warnings)


def test_the_first_answer_says_what_each_form_says_alone_the_heaviest_first(study):
    # Worth the same before, and ahead by 2 log 2 a run at half the question's distance: 2 to 1.
    points = dict(words(study)["extrapolation"].points)
    forms = collect_numbers(study)["forecast"]["forms"]
    alone = [f"{forms[name]['loss']['all']['median']:.2f}" for name in ("chinchilla+drift", "kaplan+drift")]
    assert points["What each form says alone"] == f"chinchilla {alone[0]} (67%), kaplan {alone[1]} (33%)."
    weighted = points["How the forms are weighted"]
    assert weighted.startswith("chinchilla 50% before, 67% now; kaplan 50% before, 33% now.")
    assert "predicted your larger runs from those 10x smaller" in weighted
    assert "the scores count 50%" in weighted
    assert f"By form: chinchilla {alone[0]} (67%), kaplan {alone[1]} (33%)" in terminal_summary(study)


def test_the_first_answer_says_what_makes_its_width_and_what_one_form_would_have_said(study):
    points = dict(words(study)["extrapolation"].points)
    shares = collect_numbers(study)["forecast"]["families"]["all"]["shares"]
    assert f"{100 * shares['form']:.0f}% the forms' disagreement" in points["What makes the width"]
    plain = points["One form as if it were right"]
    assert plain.startswith("Chinchilla, without a drift and at its own split, would say")
    assert "held 19 of 20 times about 100x out" in plain


def test_the_grade_stands_beside_the_number_with_all_that_it_is_made_of(study, family_study):
    sureness = dict(words(study)["extrapolation"].sureness)
    assert [*sureness] == ["Grade", "Sampler", "Distance", "Record", "Agreement", "Priors"]
    assert sureness["Distance"].startswith("Fair. 2.0 decades")
    assert sureness["Record"].startswith("Good. On your runs, 90% bands held")
    # Of the 20 runs about 100x out, the 12 that held are all of one family, and none of the other's.
    # About 10x out the other has too few of its own, and of all together 12 of 20 held.
    said = dict(words(family_study)["extrapolation"].sureness)["Record"]
    assert said.startswith("English poor; source fair. On your runs")
    # The forms are 0.4 nats apart, and the pinned posteriors are of no prior.
    assert "The grade is held back by agreement and priors (poor), distance (fair)." in terminal_summary(study)


def test_each_answer_says_which_of_its_numbers_leans_on_which_prior(study):
    # Pinned draws follow no posterior, so all of them lean: each answer names those of its own numbers.
    for key, about, number in (
        ("extrapolation", "Priors", "expected loss at 100x"),
        ("form", "Priors, kaplan", "compute-optimal N at 100x"),
        ("irreducible_loss", "Priors", "irreducible loss"),
    ):
        said = [point.text for point in words(study)[key].points if point.about == about]
        assert any(text.startswith(f"The {number} leans on") for text in said)
        assert not any("irreducible" in text for text in said) or key == "irreducible_loss"


def test_a_run_that_moves_the_answer_most_is_named(study):
    assert "the run that moves it most" in dict(words(study)["extrapolation"].points)["Single runs"]


def test_a_form_that_could_not_be_fitted_is_named_with_the_reason():
    study = pinned_study(left_out=("farseer+drift",))
    answer = words(study)["extrapolation"]
    assert any("Not among the forms: farseer+drift" in w for w in answer.warnings)
    assert dict(answer.points)["What could not be done"] == "farseer+drift: too slow."
    assert dict(answer.sureness)["Sampler"].startswith("Fair, some forms could not be fitted")
    assert terminal_summary(study).endswith("left out: farseer+drift.")


def test_the_record_on_the_terminal_goes_by_distance(study):
    assert "On your runs 90% bands held 19 of 20 at 10x, 19 of 20 at 100x." in terminal_summary(study)


def test_a_known_floor_inside_the_band_is_said(study):
    assert "The 95% band contains it" in text(words(study)["irreducible_loss"])


def test_a_known_floor_outside_the_band_comes_with_a_reason(family_study):
    points = dict(words(family_study)["irreducible_loss"].points)
    assert "The 95% band lies above it" in points["The truth, source"]
    assert "entropy rate" in points["The truth, source"]
    above = pinned_study(truth={"all": 2.5})
    assert "where no loss can be" in text(words(above)["irreducible_loss"])


def test_a_floor_that_the_runs_do_not_identify_is_warned_of():
    answer = words(pinned_study(prior_spread=0.02, spread=0.02))["irreducible_loss"]
    assert "do not identify" in answer.warnings[0]
    assert "mostly the prior says so" in answer.headline[0]


def test_a_floor_carries_its_letter_and_what_it_is_made_of(family_study):
    study = pinned_study()
    answer = words(study)["irreducible_loss"]
    assert answer.headline[0].endswith("with 95% credibility. Grade C.")
    assert "no compute reaches it" in dict(answer.points)["Grade"]
    record = "about 100x out on these runs 90% bands held 19 of 20, about 10x out 19 of 20; farther out is untested"
    assert record in dict(answer.points)["Grade"]
    failed = words(family_study)["irreducible_loss"]
    assert all(line.endswith("Grade D.") for line in failed.headline)
    assert any("its bands did not hold" in warning for warning in failed.warnings)
    assert "; grade D" in terminal_summary(family_study).split("3. Irreducible")[1]
    (table,) = [one for one in list_tables(collect_numbers(study)) if one["title"].startswith("Irreducible loss")]
    assert dict(zip(table["head"], table["rows"][0], strict=True))["grade"] == "C"


def test_a_forecast_below_the_floor_is_warned_of(study):
    n = collect_numbers(study)
    assert "goes below this floor" not in text(words(study)["irreducible_loss"])
    low, high = n["irreducible_loss"]["chinchilla"]["families"]["all"]["bands"]["95"]
    n["forecast"]["families"]["all"]["expected_loss"] = {"median": low - 0.2, "bands": {"95": [low - 0.3, low - 0.1]}}
    answer = {one.key: one for one in three_answers(study, n)}["irreducible_loss"]
    assert answer.warnings[0].startswith("The first answer goes below this floor: its forms together expect")
    assert f"{low - 0.1:.2f}" in answer.warnings[0]
    assert high > low


def test_a_form_without_a_floor_is_said_to_assume_it(study):
    assert "by assumption" in dict(words(study)["irreducible_loss"].points)["The other form"]


@pytest.mark.parametrize("name", ["study", "family_study"])
def test_the_terminal_shows_a_dozen_short_lines(name, request):
    lines = terminal_summary(request.getfixturevalue(name)).splitlines()
    assert 10 <= len(lines) <= 16
    assert max(map(len, lines)) <= 100
    assert not any("..." in line for line in lines)
    assert [line[0] for line in lines if line[0] != " "] == ["1", "2", "3"]


def test_a_compute_in_flop_is_asked_and_answered_as_such():
    study = pinned_study(at="1e24")
    answer = words(study)["extrapolation"]
    assert answer.question == "How uncertain is a 1e24 FLOP extrapolation?"
    assert "1e24 FLOP" in text(answer)


def test_a_question_beyond_any_record_has_no_grade():
    study = pinned_study(at="1e40")
    answer = words(study)["extrapolation"]
    assert answer.headline[0].endswith("Grade none.")
    said = "none, of A to D; made of the five below. No public record covers more than 4 decades."
    assert dict(answer.sureness)["Grade"] == said
    assert "; grade none" in terminal_summary(study)


def test_a_question_within_the_data_says_so():
    sureness = dict(words(pinned_study(at="0.5x"))["extrapolation"].sureness)
    assert sureness["Distance"] == "Good. The question lies within the compute of the runs."


def test_the_last_line_says_which_limits_were_kept_to(study, plain):
    # The pinned verdict: an R-hat of at most 1.01, of the stacked forms at most 1.05.
    said = terminal_summary(study).splitlines()[-2:]
    assert said[0].startswith("   Converged: 2 plain fits (R-hat 1.0")
    assert "limit 1.01); 2 stacked forms (R-hat 1.0" in said[0]
    assert said[1] == "   whose predictions are held to the first limit."
    assert "stacked" not in terminal_summary(plain).splitlines()[-1]


def test_the_terminal_tells_every_cut_off_that_was_tested_however_long_the_line():
    missed = study_that_missed()
    numbers = collect_numbers(missed)
    record = record_text(numbers, FORECAST)
    assert record
    assert record in " ".join(terminal_summary(missed).split())
