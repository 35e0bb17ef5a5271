import numpy as np
import pytest
import xarray as xr

from bayescale.errors import QuestionError
from bayescale.forms import Skipped, pack_skipped
from bayescale.trust import grade


def far(beyond=0.8, share=0.1, verdict="converged", skipped=(), families=None, forms=("a", "b")):
    """A forecast of one point, as far as a grade looks at it."""
    out = xr.Dataset(
        {"expected_loss": ("point", [2.0])}, coords={"decades_beyond": ("point", [beyond])}, attrs={"verdict": verdict}
    )
    if share is not None:
        out = (
            out.assign(disagreement=("point", [share]))
            .assign_coords(form=list(forms))
            .assign_attrs(pack_skipped(skipped))
        )
    return out.expand_dims(family=families) if families else out


def backtested(inside, runs, factor=10.0):
    """A backtest at one cut-off whose bands held that many of that many runs, all as far out as the cut-off says."""
    loss = np.where(np.arange(runs) < inside, 2.0, 3.0)
    flat = {"loss": loss, "median": np.full(runs, 2.0), "elpd": np.zeros(runs), "crps": np.full(runs, 0.01)}
    band = {"lower": np.full((1, runs), 1.9), "upper": np.full((1, runs), 2.1)}
    coords = {
        "prob": [0.9],
        "factor": ("held_out", np.full(runs, factor)),
        "decades_beyond": ("held_out", np.full(runs, np.log10(factor))),
    }
    values = {name: ("held_out", v) for name, v in flat.items()} | {
        n: (("prob", "held_out"), v) for n, v in band.items()
    }
    return xr.Dataset(values, coords=coords, attrs={"response": "loss"})


def leaning(leans, diagnosis="", family=""):
    """What prior_sensitivity says of the expected loss."""
    rows = {"leans": [leans], "leans_on": ["E"], "diagnosis": [diagnosis]}
    coords = {"quantity": ("answer", ["expected_loss"]), "family": ("answer", [family])}
    return xr.Dataset({name: ("answer", value) for name, value in rows.items()}, coords=coords)


def levels(found):
    return {part.name: part.level for part in found.parts}


def test_an_answer_against_which_nothing_speaks_is_an_a():
    found = grade(far(), backtested(18, 20), leaning(False))
    assert found.letter == "A"
    assert set(levels(found).values()) == {"good"}
    assert list(levels(found)) == ["convergence", "distance", "backtest", "agreement", "priors"]
    assert found.sentence == "A: nothing speaks against it"


def test_what_was_not_asked_is_fair_and_never_good():
    found = grade(far())
    assert levels(found) == {
        "convergence": "good", "distance": "good", "backtest": "fair", "agreement": "good", "priors": "fair"
    }  # fmt: skip
    assert found.letter == "B"


@pytest.mark.parametrize(
    ("beyond", "level"), [(-1.0, "good"), (1.0, "good"), (1.5, "fair"), (2.0, "fair"), (3.0, "poor")]
)
def test_distance_costs(beyond, level):
    assert levels(grade(far(beyond=beyond)))["distance"] == level


@pytest.mark.parametrize(
    ("beyond", "letter"),
    [
        (0.5, "A"),
        (1.0, "A"),
        (2.0, "B"),
        (2.05, "B"),
        (2.5, "C"),
        (3.0, "C"),
        (3.1, "D"),
        (4.0, "D"),
        (4.1, "none"),
        (17, "none"),
    ],
)
def test_a_grade_falls_with_distance_and_ends(beyond, letter):
    # Bands that held as far out as is asked, and nothing else against it.
    found = grade(far(beyond=beyond), backtested(20, 20, 10.0**beyond), leaning(False))
    assert found.letter == letter


@pytest.mark.parametrize(("below", "letter"), [(-0.5, "B"), (3.5, "D"), (4.5, "none")])
def test_a_grade_falls_below_the_runs_as_it_does_beyond_them(below, letter):
    # The runs span two decades.
    given = grade(far(beyond=-2.0 - below).assign_attrs(span_decades=2.0))
    assert given.letter == letter
    assert ("below the smallest run" in given.parts[1].sentence) == (below > 0)


def test_a_number_beyond_any_record_has_no_letter_and_says_why():
    found = grade(far(beyond=17.0), backtested(20, 20), leaning(False))
    said = "none: it lies 17.0 decades of compute beyond the largest run, farther than any public record"
    assert found.sentence.startswith(said)
    assert levels(found)["distance"] == "poor"
    worst = grade(far(beyond=1.0), backtested(0, 20))
    assert max([worst, found], key=lambda one: one.letter) is found


@pytest.mark.parametrize(("inside", "level"), [(16, "good"), (15, "fair"), (12, "fair"), (11, "poor")])
def test_the_record_of_the_bands_counts(inside, level):
    assert levels(grade(far(), backtested(inside, 20)))["backtest"] == level


def test_bands_that_failed_on_these_runs_are_a_d_whatever_else_holds():
    found = grade(far(), backtested(5, 20), leaning(False))
    assert found.letter == "D"
    assert "90% bands held 5 of 20" in found.sentence


@pytest.mark.parametrize(("inside", "runs"), [(0, 1), (1, 2), (2, 4), (4, 4)])
def test_from_few_runs_nothing_follows(inside, runs):
    found = grade(far(), backtested(inside, runs), leaning(False))
    assert levels(found)["backtest"] == "fair"
    assert found.letter == "B"
    assert found.sentence == f"B: about 10x out on these runs 90% bands held {inside} of {runs}: too few to say"


def test_a_question_farther_out_than_any_test_is_not_proven():
    found = grade(far(beyond=2.0), backtested(20, 20, factor=10.0))
    assert levels(found)["backtest"] == "fair"
    assert "farther out is untested" in found.sentence


@pytest.mark.parametrize(("share", "level"), [(0.2, "good"), (0.3, "fair"), (0.6, "poor")])
def test_forms_that_disagree_cost(share, level):
    assert levels(grade(far(share=share)))["agreement"] == level


def test_one_form_alone_cannot_agree():
    assert levels(grade(far(share=None)))["agreement"] == "fair"


def test_leaning_on_a_prior_costs_and_names_it():
    assert levels(grade(far(), sensitivity=leaning(True)))["priors"] == "fair"
    weak = grade(far(), sensitivity=leaning(True, "the prior outweighs the runs"))
    assert levels(weak)["priors"] == "poor"
    assert "the prior of E" in weak.sentence


def test_a_form_left_out_is_said_and_a_rehearsal_left_out_is_not_a_form():
    without = grade(far(skipped=[Skipped("farseer", None, "Not converged.")]))
    assert levels(without)["convergence"] == "fair"
    assert levels(grade(far(skipped=[Skipped("mix", None, "could not be fitted.")])))["convergence"] == "fair"
    assert (
        levels(grade(far(skipped=[Skipped("mix, 2x, other", None, "could not be fitted.")])))["convergence"] == "fair"
    )
    cuts = [Skipped(None, 100.0, "3 runs are that small; it takes 8."), Skipped("farseer", 30.0, "Not converged.")]
    rehearsal = grade(far(skipped=cuts))
    assert levels(rehearsal)["convergence"] == "good"


def test_chains_that_did_not_agree_are_a_d():
    found = grade(far(verdict="NOT CONVERGED"), backtested(20, 20), leaning(False))
    assert found.letter == "D"


def test_forms_of_which_one_has_all_the_weight_do_not_agree():
    weights = xr.DataArray([0.97, 0.03], {"form": ["coupled", "kaplan"]}, name="weight")
    forms = ("coupled", "kaplan")
    found = grade(far(share=0.01, forms=forms).assign(weight=weights))
    assert levels(found)["agreement"] == "fair"
    assert found.parts[3].sentence == "coupled has 97% of the weight: that others agree counts for little"
    assert (
        levels(grade(far(share=0.01, forms=forms).assign(weight=weights.copy(data=[0.6, 0.4]))))["agreement"] == "good"
    )
    assert grade(far(share=0.0, forms=["coupled"])).parts[3].sentence.startswith("one form remains")


def test_a_family_is_graded_by_its_own_sensitivity_and_must_be_named():
    answer = far(families=["x", "y"])
    with pytest.raises(QuestionError, match="say which family: x, y"):
        grade(answer)
    assert levels(grade(answer, sensitivity=leaning(True, family="y"), family="x"))["priors"] == "fair"
    assert levels(grade(answer, sensitivity=leaning(False, family="x"), family="x"))["priors"] == "good"


def test_a_family_is_graded_by_how_far_its_own_runs_end():
    own = xr.DataArray([[2.0, 4.0]], dims=("point", "family"), coords={"family": ["x", "y"]})
    answer = far(beyond=2.0, families=["x", "y"]).assign_coords(family_decades_beyond=own)
    near, long = (grade(answer, family=name).parts[1] for name in ("x", "y"))
    assert near[1:] == ("fair", "it lies 2.0 decades of compute beyond the largest run")
    assert long[1:] == ("poor", "it lies 4.0 decades of compute beyond the largest run of its family")
    # Each is judged by every cut-off, and told first of the one that reached as far.
    held = xr.concat([backtested(20, 20, 100.0), backtested(2, 20, 1e4)], "held_out", data_vars="minimal")
    tests = [grade(answer, held, family=name).parts[2] for name in ("x", "y")]
    assert [part.level for part in tests] == ["poor", "poor"]
    assert tests[0].sentence == "about 100x out on these runs 90% bands held 20 of 20, about 1e+04x out 2 of 20"
    assert tests[1].sentence == "about 1e+04x out on these runs 90% bands held 2 of 20, about 100x out 20 of 20"


@pytest.mark.parametrize(("family", "level"), [("x", "good"), ("y", "poor"), ("z", "fair"), (None, "poor")])
def test_families_are_judged_each_by_its_own_and_the_worst_decides(family, level):
    # x held 10 of 10, y 2 of 8; z has two runs, too few of its own: all together held 13 of 20.
    held = xr.concat([backtested(10, 10), backtested(2, 8), backtested(1, 2)], "held_out", data_vars="minimal")
    held = held.assign_coords(family=("held_out", np.repeat(["x", "y", "z"], [10, 8, 2])))
    found = grade(far(families=["x", "y", "z"]) if family else far(), held, family=family)
    assert levels(found)["backtest"] == level
    assert ("held 2 of 8 (y)" in found.sentence) == (level == "poor")
    assert "(z)" not in found.sentence


def test_a_split_is_graded_by_what_its_best_size_leans_on():
    split = far(share=None).rename(expected_loss="params").assign(tokens_per_param=("point", [20.0]))
    assert levels(grade(split, sensitivity=leaning(True)))["priors"] == "fair"
    assert grade(split, sensitivity=leaning(True)).parts[-1].sentence == "how far it leans on the priors was not asked"
    mine = leaning(True).assign_coords(quantity=("answer", ["params"]))
    assert grade(split, sensitivity=mine).parts[-1].sentence == "it leans on the prior of E"


def test_only_an_extrapolated_number_has_a_grade():
    with pytest.raises(QuestionError, match="extrapolated number"):
        grade(far().drop_vars("expected_loss"))
    with pytest.raises(QuestionError, match="forecast, extrapolate, optimal_split or irreducible_loss"):
        grade(xr.Dataset({"loss": ("point", [1.0])}))


def floor(identified=True, families=None, spread=0.1):
    """An irreducible loss as far as a grade looks at it: draws, and whether the runs identify it."""
    draws = 1.8 + spread * np.linspace(-1, 1, 20).reshape(2, 10)
    out = xr.Dataset({"irreducible_loss": (("chain", "draw"), draws), "identified": identified})
    out.attrs = {"verdict": "converged", "warning": "zero by assumption, whatever the runs say."}
    return out.expand_dims(family=families) if families else out


def test_a_floor_lies_beyond_any_compute_and_is_judged_by_every_test_the_farthest_first():
    held = xr.concat([backtested(20, 20), backtested(19, 20, factor=100.0)], "held_out", data_vars="minimal")
    of_floor = leaning(False).assign_coords(quantity=("answer", ["irreducible_loss"]))
    found = grade(floor(), held, of_floor)
    assert levels(found) == {
        "convergence": "good", "distance": "poor", "backtest": "fair", "agreement": "fair", "priors": "good"
    }  # fmt: skip
    assert found.letter == "C"
    assert "no compute reaches it" in found.sentence
    assert "19 of 20, about 10x out 20 of 20; farther out is untested" in found.sentence
    assert grade(floor(), backtested(2, 20), of_floor).letter == "D"
    one = xr.concat([backtested(2, 20), backtested(19, 20, factor=100.0)], "held_out", data_vars="minimal")
    assert grade(floor(), one, of_floor).letter == "D"


def test_a_floor_that_is_mostly_the_priors_is_a_d():
    found = grade(floor(identified=False))
    assert levels(found)["priors"] == "poor"
    assert found.letter == "D"


def test_a_floor_of_a_family_is_asked_by_its_name():
    with pytest.raises(QuestionError, match="say which family: a, b"):
        grade(floor(families=["a", "b"]))
    assert grade(floor(families=["a", "b"]), family="b").letter == "C"


def test_a_floor_that_was_put_in_has_no_grade():
    with pytest.raises(QuestionError, match="was not learned, so it has no grade: zero by assumption"):
        grade(floor(spread=0.0))
