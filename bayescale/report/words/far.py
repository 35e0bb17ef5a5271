"""The first answer in words where no form could be stacked: the extrapolation by one plain form."""

import math

from bayescale.numbers import human_number
from bayescale.plots.style import loss_text
from bayescale.report.numbers import Numbers
from bayescale.report.words.phrases import (
    LONGER,
    Answer,
    Point,
    band_text,
    between_text,
    coverage_text,
    deciding_test,
    farthest_test,
    held_text,
    judgement,
    listed,
    named,
    place_text,
    shares_text,
    sureness_of,
)


def far_answer(n: Numbers) -> Answer:
    """Return the loss at larger compute, with what must be read beside it."""
    q, unit = n["question"], n["units"]["loss"]
    model, against = q["model"], q["against"]
    found, other = n["extrapolation"][model], n["extrapolation"].get(against, {})
    times = f"{q['times_largest_run']:.3g}x"
    headline = tuple(
        f"{named(n, name)}{'At' if len(found) == 1 else 'at'} {times}, a run with N = {human_number(f['params'])} and "
        f"D = {human_number(f['tokens'])} should reach {between_text(f['loss'], unit)}. Grade {f['grade']['letter']}."
        for name, f in found.items()
    )
    points = (
        Point("Grade", listed(n, {name: f["grade"]["sentence"] for name, f in found.items()}) + "."),
        Point(
            "What it is",
            f"the loss of one new run at {place_text(n)}, at the split of N and D that {model}'s form recommends: the "
            "median and the 95% credible band.",
        ),
        Point("Narrower bands", listed(n, {name: narrower(f["loss"]) for name, f in found.items()}) + "."),
        Point("What makes the width", listed(n, {name: shares_text(f["shares"]) for name, f in found.items()}) + "."),
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
        headline,
        tuple(_far_warnings(n, model, against)),
        points,
        sureness_of(n, model),
    )


def far_question(n: Numbers) -> str:
    """Return the first question as the user asked it."""
    at = str(n["question"]["at"])
    how_far = f"{'an' if at.startswith('8') else 'a'} {at}{'-compute' if at[-1:] in 'xX×' else ' FLOP'}"
    return f"How uncertain is {how_far} extrapolation?"


def narrower(loss: Numbers) -> str:
    """Write the 50 and the 80% band."""
    low, high = loss["bands"]["95"]
    each = (" to ".join(loss_text(*loss["bands"][p], width=high - low)) + f" ({p}%)" for p in ("50", "80"))
    return ", ".join(each)


def _far_warnings(n: Numbers, model: str, against: str) -> list[str]:
    out = []
    if why_not := n["forecast"]["why_not"]:
        out.append(
            f"Several forms that may be wrong could not be stacked ({why_not.rstrip('.')}). This is {model}'s form "
            "alone, as if it were known to be right."
        )
    found, say = deciding_test(n, model), judgement(n, model)
    if found is None:
        out.append(
            f"This band is untested. {coverage_text(n, model)} It rests on {model}'s form being right this far out."
        )
    else:
        factor, score = found
        if say == "failed":
            shown = score["at_distance"] if score["at_distance"]["held_out_runs"] else score
            side = "high" if shown["mean_bias_percent"] > 0 else "low"
            out.append(
                "Do not take this band at its word: the band of this one fixed form is too narrow. When the largest "
                f"of your runs were predicted from runs {factor}x smaller, {model}'s 90% bands held "
                f"{held_text(factor, score)}, not 9 in 10. That far out the predictions missed by "
                f"{shown['median_error_percent']:.1f}% of the loss (median) and were too {side} on average."
            )
        elif say == "few":
            out.append(f"Too few runs could test such bands to say that they hold: {held_text(factor, score)}.")
        longest = max(n["backtest"][model]["by_factor"], key=float)
        if n["question"]["decades_beyond"] > math.log10(float(longest)) + LONGER:
            out.append(
                f"The longest test on your runs reaches {longest}x; the question is "
                f"{n['question']['times_largest_run']:.3g}x. Nothing in these runs tests so long a step."
            )
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
