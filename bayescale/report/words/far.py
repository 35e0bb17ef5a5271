"""The first answer in words where no form could be stacked: the extrapolation by one plain form."""

from bayescale.report.numbers import Numbers
from bayescale.report.words.phrases import (
    Answer,
    Point,
    band_text,
    farthest_test,
    headline_of,
    listed,
    narrower_point,
    place_text,
    sureness_of,
    warn_of_tests,
    width_point,
)


def far_answer(n: Numbers) -> Answer:
    """Return the loss at larger compute, with what must be read beside it."""
    model, against = n["question"]["model"], n["question"]["against"]
    found, other = n["extrapolation"][model], n["extrapolation"].get(against, {})
    points = (
        Point("Grade", listed(n, {name: f["grade"]["sentence"] for name, f in found.items()}) + "."),
        Point(
            "What it is",
            f"the loss of one new run at {place_text(n)}, at the split of N and D that {model}'s form recommends: the "
            "median and the 95% credible band.",
        ),
        narrower_point(n, found),
        width_point(n, found),
        Point(
            "What is not in it",
            f"that the form may be wrong. {against.capitalize()}'s form"
            + (
                " may not be quoted: answer 2."
                if not other
                else ", at its own split, says something else: see above."
                if _apart(n, model, against)
                else ", at its own split, says "
                f"{listed(n, {name: band_text(f['loss']) for name, f in other.items()})}, which agrees."
            ),
        ),
    )
    return Answer(
        "extrapolation",
        far_question(n),
        headline_of(n, found),
        tuple(_far_warnings(n, model, against)),
        points,
        sureness_of(n, model),
    )


def far_question(n: Numbers) -> str:
    """Return the first question as the user asked it."""
    at = str(n["question"]["at"])
    how_far = f"{'an' if at.startswith('8') else 'a'} {at}{'-compute' if at[-1:] in 'xX×' else ' FLOP'}"
    return f"How uncertain is {how_far} extrapolation?"


def _far_warnings(n: Numbers, model: str, against: str) -> list[str]:
    out = []
    if why_not := n["forecast"]["why_not"]:
        out.append(
            f"Several forms that may be wrong could not be stacked ({why_not.rstrip('.')}). This is {model}'s form "
            "alone, as if it were known to be right."
        )
    fault = "the band of this one fixed form is too narrow. When the largest of your runs"
    untested = f" It rests on {model}'s form being right this far out."
    out += warn_of_tests(n, model, fault, f"{model}'s 90% bands", untested)
    if apart := _apart(n, model, against):
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


def _apart(n: Numbers, model: str, against: str) -> list[str]:
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
