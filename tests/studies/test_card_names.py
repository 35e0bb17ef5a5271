"""Cards may be called anything: grades, forms and words are the same as with plain names."""

import dataclasses

import pytest
from pinned import BESIROGLU, FAILED, KAPLAN, pinned_fit, simulated_runs
from report.pinned_study import pinned_study

from bayescale.forms import forms_for, mix_forms, rehearse, unpack_skipped
from bayescale.report import collect_numbers, terminal_summary, three_answers
from bayescale.trust import grade

ODD = ("2x", "lab, v2", "a\nb")
# As long as the odd ones, so that a line is cut at the same place.
PLAIN = ("qz", "labqqv2", "aqb")


def cards_named(names, folder):
    """Three card files, the first two of Chinchilla's form and the last of Kaplan's."""
    folder.mkdir()
    for name, base in zip(names, ("chinchilla", "chinchilla", "kaplan"), strict=True):
        (folder / f"{name}.toml").write_text(f'extends = "{base}"\n')
    return [folder / f"{name}.toml" for name in names]


def forecast_of(names, folder, failed=()):
    """A forecast by pinned posteriors of those cards, of which some may not be quoted."""
    runs, paths = simulated_runs(sizes=4, ratios=4), cards_named(names, folder)
    papers = (BESIROGLU, BESIROGLU | {"E": 1.79}, KAPLAN)
    options = {"runs": runs, "spread": 0.002, "chains": 4, "draws": 500}
    cards, _ = forms_for(runs, paths)
    fits = {
        name: pinned_fit(str(path), paper, seed=k, **options, **({"verdict": FAILED} if k in failed else {}))
        for k, (name, path, paper) in enumerate(zip(cards, paths, papers, strict=True))
    }
    return mix_forms(runs, "10x", models=paths, fits=fits, rehearsed=rehearse(runs, ["chinchilla"], [1e9]))


@pytest.mark.parametrize(("failed", "level", "left"), [((), "good", 3), ([0], "fair", 2), ([0, 2], "fair", 1)])
def test_a_grade_is_the_same_whatever_the_cards_are_called(failed, level, left, tmp_path):
    odd, plain = (forecast_of(names, tmp_path / kind, failed) for names, kind in ((ODD, "odd"), (PLAIN, "plain")))
    assert odd["form"].values.tolist() == [name for k, name in enumerate(ODD) if k not in failed]
    assert [record.form for record in unpack_skipped(odd) if record.factor is None] == [ODD[k] for k in failed]
    grades = [grade(answer) for answer in (odd, plain)]
    assert [part.level for part in grades[0].parts] == [part.level for part in grades[1].parts]
    assert grades[0].letter == grades[1].letter
    convergence, agreement = grades[0].parts[0], grades[0].parts[3]
    assert convergence.level == level
    assert str(left) in convergence.sentence
    assert agreement.sentence.startswith("one form remains") == (left == 1)


def named_study(names):
    """A pinned study whose stacked forms have those names, a third of which was left out."""
    study = pinned_study(families=True, left_out=names[2:])
    given = dict(zip(study.stack.far["form"].values.tolist(), names, strict=False))

    def rename(answer):
        return answer.assign_coords(form=[given[name] for name in answer["form"].values.tolist()])

    stack = dataclasses.replace(
        study.stack,
        asked=names,
        fits={given[name]: fit for name, fit in study.stack.fits.items()},
        far=rename(study.stack.far),
        path=rename(study.stack.path),
    )
    return dataclasses.replace(study, stack=stack)


def test_the_words_are_the_same_whatever_the_cards_are_called():
    def renamed(text):
        for plain, odd in zip(PLAIN, ODD, strict=True):
            text = text.replace(plain, odd)
        return text

    odd, plain = named_study(ODD), named_study(PLAIN)
    assert terminal_summary(odd) == renamed(terminal_summary(plain))
    for ours, theirs in zip(three_answers(odd), three_answers(plain), strict=True):
        for name in ("headline", "warnings", "points", "sureness"):
            assert ours.to_dict()[name] == [renamed(line) for line in theirs.to_dict()[name]]
    left_out = collect_numbers(odd)["forecast"]["skipped"]
    assert left_out == [{"form": "a\nb", "factor": None, "reason": "too slow."}]
