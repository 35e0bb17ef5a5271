"""The third answer in words: how low can the loss go?"""

from bayescale.report.numbers import Numbers
from bayescale.report.words.phrases import (
    Answer,
    Remark,
    band_text,
    between_text,
    leaning,
    listed,
    named,
    not_quoted_text,
    sureness_of,
)


def floor_answer(n: Numbers) -> Answer:
    """Return the irreducible loss, held against the truth where that is known."""
    unit = n["units"]["loss"]
    forms = list(n["irreducible_loss"])
    shown = next((m for m in forms if n["irreducible_loss"][m]["a_parameter"]), None)
    none = [
        f"{m.capitalize()}'s form has no floor: by assumption, not by the data, its loss falls to zero."
        for m in forms
        if not n["irreducible_loss"][m]["a_parameter"]
    ]
    if shown is None:
        return Answer(
            "irreducible_loss",
            "How low can it go?",
            (
                "Not answered: no form that has a floor may be quoted."
                if n["not_quoted"]
                else "Not answered: both forms put the floor at zero by assumption.",
            ),
            tuple(not_quoted_text(n)),
            (Remark("Why", " ".join(none)),) if none else (),
            sureness_of(n, *forms),
        )
    floor = n["irreducible_loss"][shown]
    families = floor["families"]
    headline = [
        f"{named(n, name)}{'The' if len(families) == 1 else 'the'} loss can go as low as {between_text(f, unit)}"
        f"{'; mostly the prior says so, not the runs' if f['identified'] is False else ''}."
        + (f" Grade {f['grade']['letter']}." if "grade" in f else "")
        for name, f in families.items()
    ]
    graded = {name: f["grade"]["sentence"] for name, f in families.items() if "grade" in f}
    points = [
        *([Remark("Grade", listed(n, graded, ":") + ".")] if graded else []),
        Remark(
            "What it is",
            f"the loss with unlimited parameters and tokens by {shown}'s form: the median and the 95% band.",
        ),
        Remark(
            "Lowest loss seen",
            listed(
                n,
                {f: f"{x['lowest_seen']:.3f}, {x['lowest_seen'] - x['median']:.2f} above" for f, x in families.items()},
            )
            + f" ({unit}).",
        ),
    ]
    if all(x["learned"] is not None for x in families.values()):
        learned = {f: f"{100 * max(x['learned'], 0):.0f}%" for f, x in families.items()}
        points.append(
            Remark("Prior's spread that the runs removed", listed(n, learned) + ". The rest is what was put in.")
        )
    points += [
        Remark(f"The truth{'' if len(families) == 1 else ', ' + f}", _truth_text(n, x, shown))
        for f, x in families.items()
        if "truth" in x
    ]
    if "new_family" in floor:
        text = f"{band_text(floor['new_family'], unit)} for a family of this kind that was not seen."
        points.append(Remark("Another family", text))
    points += leaning(n["prior_sensitivity"].get(shown, []), "irreducible_loss")
    points += [Remark("The other form", text) for text in none]
    warnings = [floor["warning"]] if floor["warning"] else []
    if below := forecast_below(n, shown):
        warnings.append(
            "The first answer goes below this floor: its forms together expect "
            + listed(n, {f: between_text(n["forecast"]["families"][f]["expected_loss"], unit) for f in below})
            + f". They do not agree that the loss levels off where {shown} says; do not plan with this floor alone."
        )
    if any(f.get("bands_failed") for f in families.values()):
        warnings.append(
            f"This band rests on {shown}'s form holding all the way down, and its bands did not hold on the largest "
            "of your runs. The true floor may well lie outside."
        )
    return Answer(
        "irreducible_loss",
        "How low can it go?",
        tuple(headline),
        tuple(warnings),
        tuple(points),
        (
            sureness_of(n, shown)[0],
            Remark("Distance", "The floor lies beyond any compute: no run can test this band directly."),
            sureness_of(n, shown)[2],
        ),
    )


def forecast_below(n: Numbers, model: str) -> list[str]:
    """Return the families whose forecast lies below their floor by that form: its 95% band below that of the floor."""
    if not n["forecast"]["possible"]:
        return []
    far, floor = n["forecast"]["families"], n["irreducible_loss"][model]["families"]
    return [f for f in floor if far[f]["expected_loss"]["bands"]["95"][1] < floor[f]["bands"]["95"][0]]


def _truth_text(n: Numbers, f: Numbers, model: str) -> str:
    low, high = f["bands"]["95"]
    text = f"the run log's card states {f['truth']:.6g} {n['units']['loss']}, the entropy rate of the data. "
    if f["truth_inside_95"]:
        return text + "The 95% band contains it."
    if f["truth"] < low:
        return (
            f"{text}The 95% band lies above it, by {low - f['truth']:.2g}. Either these models level off above the "
            "entropy rate (their context, sizes and tuning set a floor of their own), or the loss goes on falling in "
            f"a way that {model}'s form does not allow; the runs end {f['lowest_seen'] - f['truth']:.2g} above the "
            "truth and cannot say which."
        )
    return (
        f"{text}The 95% band lies below it, by {f['truth'] - high:.2g}, where no loss can be: {model}'s form keeps "
        f"falling where the loss levels off. The floor is read from how the curve bends, and the nearest run is still "
        f"{f['lowest_seen'] - f['truth']:.2g} above the truth."
    )
