"""The first answer in words: by all forms together or, where none could be stacked, by one plain form."""

from bayescale.forms import FORECAST
from bayescale.inference import COUNTED, QUOTED
from bayescale.numbers import loss_text
from bayescale.report.numbers import Numbers
from bayescale.report.words.phrases import (
    Answer,
    Remark,
    band_text,
    by_weight,
    coverage_text,
    deciding_test,
    distance_text,
    farthest_test,
    headline_of,
    held_text,
    leaning,
    listed,
    narrower_point,
    place_text,
    series,
    short_names,
    skipped_text,
    sureness_of,
    warn_of_tests,
    width_point,
)
from bayescale.trust.grade import COLLAPSED, NO_LETTER, NO_RECORD

# What the parts of a grade are called on the page.
CONVERGENCE, DISTANCE, BACKTEST, AGREEMENT, PRIORS = "convergence", "distance", "backtest", "agreement", "priors"


def stacked_answer(n: Numbers) -> Answer:
    """Return the loss at larger compute by all forms together, with what must be read beside it."""
    headline = headline_of(n, n["forecast"]["families"])
    return Answer(
        "extrapolation", question_text(n), headline, tuple(_list_warnings(n)), tuple(_list_points(n)), _list_sureness(n)
    )


def _list_points(n: Numbers) -> list[Remark]:
    stacked, forms = n["forecast"], n["forecast"]["forms"]
    families = stacked["families"]
    points = [
        Remark(
            "What it is",
            f"the loss of one new run at {place_text(n)}: the median and the 95% credible band of "
            f"{_count_forms(forms)}, each allowed to be wrong and weighted by how well it predicted your larger runs "
            "from the smaller ones. N and D are the middle of the splits that they recommend.",
        ),
        narrower_point(n, families),
        Remark("What each form says alone", listed(n, {name: alone_text(n, name) for name in families}, ":") + "."),
        Remark("How the forms are weighted", _weights_text(n)),
        width_point(n, families, ":"),
        Remark("One form as if it were right", _plain_forms_text(n)),
    ]
    if stacked["single_runs"]["sentence"]:
        points.append(Remark("Single runs", stacked["single_runs"]["sentence"]))
    points += leaning(stacked["prior_sensitivity"], "expected_loss")
    if missing := [*stacked["skipped"], *stacked["not_checked"]]:
        points.append(Remark("What could not be done", f"{skipped_text(missing)}."))
    return points


def _count_forms(forms: Numbers) -> str:
    return "one form" if len(forms) == 1 else f"{len(forms)} forms together"


def alone_text(n: Numbers, family: str, most: int | None = None) -> str:
    """Say what each form says alone, with its weight: ``coupled 1.02 (72%), chinchilla 1.25 (10%)``."""
    forms, short = n["forecast"]["forms"], short_names(n["forecast"]["forms"])
    low, high = n["forecast"]["families"][family]["loss"]["bands"]["95"]
    each = [
        f"{short[name]} {loss_text(forms[name]['loss'][family]['median'], width=high - low)[0]} "
        f"({100 * forms[name]['weight']:.0f}%)"
        for name in by_weight(n)
    ]
    more = len(each) - most if most else 0
    return ", ".join(each[:most] + ([f"{more} more"] if more > 0 else []))


def _weights_text(n: Numbers) -> str:
    forms, short = n["forecast"]["forms"], short_names(n["forecast"]["forms"])
    each = "; ".join(
        f"{short[name]} {100 * forms[name]['prior_weight']:.0f}% before, {100 * forms[name]['weight']:.0f}% now"
        for name in by_weight(n)
    )
    tests = series([f"{factor:.3g}x" for factor in n["forecast"]["rehearsals"]])
    if not tests:
        return f"{each}. Your runs allowed no test of them, so the weights are those of the public runs."
    counts = n["forecast"]["evidence"]
    partly = "" if counts > 0.995 else f" As that is short of the question, the scores count {100 * counts:.0f}%."
    heaviest = max(forms, key=lambda name: forms[name]["weight"])
    alone = len(forms) > 1 and forms[heaviest]["weight"] > COLLAPSED
    warning = f" {short[heaviest]} all but speaks alone: the band hardly knows that the form is in doubt." * alone
    return f"{each}. By how well they predicted your larger runs from those {tests} smaller.{partly}{warning}"


def _plain_forms_text(n: Numbers) -> str:
    texts = []
    for model, families in n["extrapolation"].items():
        bands = listed(n, {name: "{1} to {2}".format(*_write_limits(f["loss"])) for name, f in families.items()})
        test = deciding_test(n, model)
        record = f"; such bands held {held_text(*test)}" if test else "; untested"
        texts.append(f"{model}, without a drift and at its own split, would say {bands} (95%){record}")
    texts += [f"{name} may not be quoted: answer 2" for name in n["not_quoted"]]
    return ". ".join(text[0].upper() + text[1:] for text in texts) + "."


def _write_limits(loss: Numbers) -> list[str]:
    low, high = loss["bands"]["95"]
    return loss_text(loss["median"], low, high, width=high - low)


def _list_warnings(n: Numbers) -> list[str]:
    fault = "on your runs, such bands were too narrow. When the largest of them"
    out = warn_of_tests(n, FORECAST, fault, "90% bands")
    if left := left_out(n):
        out.append(f"Not among the forms: {', '.join(left)}. See below why.")
    return out


def left_out(n: Numbers) -> list[str]:
    """Return the forms that were asked and could not be quoted."""
    return [name for name in n["forecast"]["asked"] if name not in n["forecast"]["forms"]]


def _list_sureness(n: Numbers) -> tuple[Remark, ...]:
    grades = {name: f["grade"]["letter"] for name, f in n["forecast"]["families"].items()}
    letters = next(iter(grades.values())) if len(set(grades.values())) == 1 else listed(n, grades)
    ended = f" No public record covers more than {NO_RECORD:.0f} decades." * (NO_LETTER in grades.values())
    return (
        Remark("Grade", f"{letters}, of A to D; made of the five below.{ended}"),
        Remark(
            "Sampler",
            f"{_part_text(n, CONVERGENCE)} R-hat is {COUNTED.rhat} at most for a form's parameters, and {QUOTED.rhat} "
            "for what it predicts.",
        ),
        Remark("Distance", f"{_level_text(n, DISTANCE)}. {distance_text(n)}"),
        Remark("Record", f"{_level_text(n, BACKTEST)}. {coverage_text(n, FORECAST)}"),
        Remark("Agreement", _part_text(n, AGREEMENT)),
        Remark("Priors", _part_text(n, PRIORS)),
    )


def _parts_of(n: Numbers, name: str) -> dict[str, Numbers]:
    """Return one part of the grade by family."""
    return {
        family: next(part for part in f["grade"]["parts"] if part["name"] == name)
        for family, f in n["forecast"]["families"].items()
    }


def _level_text(n: Numbers, name: str) -> str:
    levels = {family: part["level"] for family, part in _parts_of(n, name).items()}
    return (next(iter(levels.values())) if len(set(levels.values())) == 1 else listed(n, levels)).capitalize()


def _part_text(n: Numbers, name: str) -> str:
    """Return one part of the grade in words, once where it is the same for all families."""
    texts = {family: f"{part['level']}, {part['sentence']}" for family, part in _parts_of(n, name).items()}
    if len(set(texts.values())) > 1:
        return listed(n, texts, ":") + "."
    text = next(iter(texts.values()))
    return f"{text[0].upper()}{text[1:]}."


def grade_text(n: Numbers) -> str:
    """Say what holds the grades back: ``backtest (poor), distance and priors (fair)``; nothing where all is good."""
    held_back: dict[str, list[str]] = {"poor": [], "fair": []}
    for level, names in held_back.items():
        for f in n["forecast"]["families"].values():
            names += [part["name"] for part in f["grade"]["parts"] if part["level"] == level]
    held_back["fair"] = [name for name in held_back["fair"] if name not in held_back["poor"]]
    return ", ".join(f"{series(list(dict.fromkeys(names)))} ({level})" for level, names in held_back.items() if names)


def record_text(n: Numbers, model: str) -> str:
    """Say how often the bands held at each cut-off, by the runs that far out: ``9 of 10 at 3x, 5 of 6 at 10x``."""
    tested = n["backtest"][model]
    family = tested["record"]["family"]
    scores = tested["by_family"][family] if family else tested["by_factor"]
    tried = {f: s["at_distance"] for f, s in scores.items() if s["at_distance"]["held_out_runs"]}
    return ", ".join(f"{s['inside']} of {s['held_out_runs']} at {f}x" for f, s in tried.items()) + (
        f" for {family}" * bool(family and tried)
    )


def plain_answer(n: Numbers) -> Answer:
    """Return the loss at larger compute, with what must be read beside it."""
    model, against = n["question"]["model"], n["question"]["against"]
    families, other = n["extrapolation"][model], n["extrapolation"].get(against, {})
    points = (
        Remark("Grade", listed(n, {name: f["grade"]["sentence"] for name, f in families.items()}) + "."),
        Remark(
            "What it is",
            f"the loss of one new run at {place_text(n)}, at the split of N and D that {model}'s form recommends: the "
            "median and the 95% credible band.",
        ),
        narrower_point(n, families),
        width_point(n, families),
        Remark(
            "What is not in it",
            f"that the form may be wrong. {against.capitalize()}'s form"
            + (
                " may not be quoted: answer 2."
                if not other
                else ", at its own split, says something else: see above."
                if _list_apart(n, model, against)
                else ", at its own split, says "
                f"{listed(n, {name: band_text(f['loss']) for name, f in other.items()})}, which agrees."
            ),
        ),
    )
    return Answer(
        "extrapolation",
        question_text(n),
        headline_of(n, families),
        tuple(_list_plain_warnings(n, model, against)),
        points,
        sureness_of(n, model),
    )


def question_text(n: Numbers) -> str:
    """Return the first question as the user asked it."""
    at = str(n["question"]["at"])
    how_far = f"{'an' if at.startswith('8') else 'a'} {at}{'-compute' if at[-1:] in 'xX×' else ' FLOP'}"
    return f"How uncertain is {how_far} extrapolation?"


def _list_plain_warnings(n: Numbers, model: str, against: str) -> list[str]:
    out = []
    if why_not := n["forecast"]["why_not"]:
        out.append(
            f"Several forms that may be wrong could not be stacked ({why_not.rstrip('.')}). This is {model}'s form "
            "alone, as if it were known to be right."
        )
    fault = "the band of this one fixed form is too narrow. When the largest of your runs"
    untested = f" It rests on {model}'s form being right this far out."
    out += warn_of_tests(n, model, fault, f"{model}'s 90% bands", untested)
    if apart := _list_apart(n, model, against):
        where = "" if len(n["families"]) == len(apart) else f" for {' and '.join(apart)}"
        out.append(
            f"The two forms disagree by more than their bands{where}: "
            + listed(
                n,
                {
                    f: f"{band_text(n['extrapolation'][model][f]['loss'])} by {model}, "
                    f"{band_text(n['extrapolation'][against][f]['loss'])} by {against}"
                    for f in apart
                },
            )
            + ". Which form is right matters more here than either band says."
        )
    test = farthest_test(n)
    if test and test[1]["clear"] and test[1]["better"] == against:
        out.append(
            f"{against.capitalize()}'s form predicted the largest of your runs better than {model}'s (answer 2), so "
            "for this question its number has the better claim."
        )
    return out


def _list_apart(n: Numbers, model: str, against: str) -> list[str]:
    """Return the families for which the two forms' 95% bands do not overlap."""
    if against not in n["extrapolation"]:
        return []
    apart = []
    for name in n["families"]:
        low, high = n["extrapolation"][model][name]["loss"]["bands"]["95"]
        other_low, other_high = n["extrapolation"][against][name]["loss"]["bands"]["95"]
        if other_low > high or other_high < low:
            apart.append(name)
    return apart
