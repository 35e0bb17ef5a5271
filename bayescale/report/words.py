"""The three answers in plain sentences, made from the numbers once and shown everywhere."""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

from bayescale.plots.style import loss_text
from bayescale.report.numbers import FAILED_BELOW, TOO_FEW, Numbers, collect_numbers
from bayescale.report.study import Study
from bayescale.runs import human_number
from bayescale.runs.numbers import scientific

# A factor in N below which the two splits count as the same.
SAME_SIZE = 1.25
# Decades of compute: nearer than the first is within the data; longer than the tests by the second is untested.
WITHIN, LONGER = 0.05, 0.3


class Point(NamedTuple):
    """One thing said under an answer: what it is about, and what."""

    about: str
    text: str


@dataclass(frozen=True)
class Answer:
    """One of the three answers.

    Attributes
    ----------
    key, question : str
        Its name in answers.json, and the question.
    headline : tuple of str
        The answer: a sentence, or one for each family.
    warnings : tuple of str
        What must be read with it; shown at the answer.
    points : tuple of Point
        What it is made of.
    sureness : tuple of Point
        Convergence, distance from the data, and how such bands held on these runs.
    """

    key: str
    question: str
    headline: tuple[str, ...]
    warnings: tuple[str, ...]
    points: tuple[Point, ...]
    sureness: tuple[Point, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain lists and strings; points as ``about: text``."""
        out: dict[str, object] = {**asdict(self), "headline": list(self.headline), "warnings": list(self.warnings)}
        return out | {name: [f"{p.about}: {p.text}" for p in getattr(self, name)] for name in ("points", "sureness")}


def three_answers(study: Study, numbers: Numbers | None = None) -> list[Answer]:
    """Return the three answers in words.

    Parameters
    ----------
    study : Study
        From `run_study`.
    numbers : dict, optional
        `collect_numbers` of it, where it is at hand.

    Returns
    -------
    list of Answer
    """
    n = numbers or collect_numbers(study)
    return [_far(n), _forms(n), _floor(n)]


# ------------------------------------------------------------------------------------------------------------- pieces


def band_text(found: Numbers, unit: str = "") -> str:
    """Write a median and its 95% band: ``1.52 nats/token (95%: 1.49 to 1.56)``."""
    low, high = found["bands"]["95"]
    middle, low_text, high_text = loss_text(found["median"], low, high, width=high - low)
    return f"{middle}{' ' * bool(unit)}{unit} (95%: {low_text} to {high_text})"


def between_text(found: Numbers, unit: str) -> str:
    """Write a median and its 95% band as words: ``1.52 nats/token, between 1.49 and 1.56 with 95% credibility``."""
    low, high = found["bands"]["95"]
    middle, low_text, high_text = loss_text(found["median"], low, high, width=high - low)
    return f"{middle} {unit}, between {low_text} and {high_text} with 95% credibility"


def place_text(n: Numbers) -> str:
    """Say where the question lies: ``100x the largest run's compute (1.4e15 FLOP)``."""
    q = n["question"]
    return f"{q['times_largest_run']:.3g}x the largest run's compute ({scientific(q['compute_flop'])} FLOP)"


def verdict_on_form(n: Numbers) -> str:
    """Say in one sentence which form the two tests support."""
    loo, ahead = n["forms"]["loo"], farthest_test(n)
    inside = loo["better"].capitalize() if loo["clear"] else None
    if ahead is None:
        if inside:
            return f"{inside} describes these runs better; which form predicts larger runs could not be tested."
        return "These runs do not tell the two forms apart, and which predicts larger runs could not be tested."
    factor, test = ahead
    beyond = test["better"].capitalize() if test["clear"] else None
    if inside and inside == beyond:
        return f"{inside}: it describes these runs better, and predicts runs {factor}x out better."
    if inside and beyond:
        return f"The tests disagree: {inside} describes these runs better, {beyond} predicts larger runs better."
    if inside:
        return f"{inside} describes these runs better; on the runs {factor}x out neither form is clearly ahead."
    if beyond:
        return f"{beyond} predicts runs {factor}x out better; among runs like these neither form is clearly ahead."
    return "These runs do not tell the two forms apart."


def farthest_test(n: Numbers) -> tuple[str, Numbers] | None:
    """Return the factor and result of the farthest backtest that both forms took."""
    tests = [(f, t) for f, t in n["forms"]["largest_left_out"].items() if t]
    return max(tests, key=lambda item: float(item[0])) if tests else None


def nearest_test(n: Numbers, model: str) -> tuple[str, Numbers] | None:
    """Return the factor and score of the backtest whose distance is nearest to the question's."""
    scores = n["backtest"][model]["by_factor"]
    if not scores:
        return None
    wanted = n["question"]["decades_beyond"]
    factor = min(scores, key=lambda f: abs(math.log10(float(f)) - wanted))
    return factor, scores[factor]


def judgement(n: Numbers, model: str) -> str:
    """Return ``held``, ``failed``, ``few`` or ``untested`` for the model's 90% bands on these runs."""
    found = nearest_test(n, model)
    if found is None:
        return "untested"
    tried = [s for s in (found[1]["at_distance"], found[1]) if s["held_out_runs"] >= TOO_FEW]
    if not tried:
        return "few"
    return "failed" if any(s["coverage"] < FAILED_BELOW for s in tried) else "held"


def held_text(factor: str, score: Numbers) -> str:
    """Say how often the bands of one backtest held: ``4 of 10 times about 100x out (48 of 56 in all)``."""
    all_runs, distant = score, score["at_distance"]
    if not distant["held_out_runs"]:
        return f"{all_runs['inside']} of {all_runs['held_out_runs']} times on the way to {factor}x out"
    text = f"{distant['inside']} of {distant['held_out_runs']} times about {factor}x out"
    if all_runs["held_out_runs"] > distant["held_out_runs"]:
        text += f" ({all_runs['inside']} of {all_runs['held_out_runs']} in all)"
    return text


def coverage_text(n: Numbers, model: str) -> str:
    """Say how often the 90% bands held when the largest runs were predicted from the smaller ones."""
    scores = n["backtest"][model]["by_factor"]
    if not scores:
        return (
            f"No such test was possible on your runs, so whether bands like this hold is not known ({_why(n, model)})."
        )
    parts = [held_text(f, s) for f, s in sorted(scores.items(), key=lambda item: -float(item[0]))]
    text = f"On your runs, 90% bands held {', and '.join(parts)}."
    missing = [f"{f}x" for f in n["backtest"][model]["asked"] if f not in scores]
    return text + (f" Not tested: {' and '.join(missing)} out ({_why(n, model)})." if missing else "")


def _why(n: Numbers, model: str) -> str:
    lines = [line.rstrip(".") for line in n["backtest"][model]["skipped"].split("\n") if line]
    return "; ".join(lines) or "the runs do not span enough compute"


def _listed(n: Numbers, texts: dict[str, str]) -> str:
    """Join what is said of each family; nameless where there is one."""
    if len(n["families"]) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name} {text}" for name, text in texts.items())


def _named(n: Numbers, family: str) -> str:
    return "" if len(n["families"]) == 1 else f"{family}: "


def _sure(n: Numbers, *models: str) -> tuple[Point, ...]:
    several = len(models) > 1
    converged = " ".join(f"{m.capitalize() + ': ' if several else ''}{n['convergence'][m]['sentence']}" for m in models)
    decades = n["question"]["decades_beyond"]
    away = (
        "The question lies within the compute of the runs."
        if decades <= WITHIN
        else f"{decades:.1f} decades of compute beyond the largest run."
    )
    own = {f: d for f, d in n["question"]["family_decades_beyond"].items() if d > decades + LONGER}
    if own:
        away += f" From the largest run of its own family: {_listed(n, {f: f'{d:.1f}' for f, d in own.items()})}."
    record = " ".join(f"{m.capitalize() + ': ' if several else ''}{coverage_text(n, m)}" for m in models)
    return (Point("Sampler", converged), Point("Distance", away), Point("Record", record))


# ------------------------------------------------------------------------------------ 1. how uncertain is 100x compute


def _far(n: Numbers) -> Answer:
    q, unit = n["question"], n["units"]["loss"]
    model, against = q["model"], q["against"]
    found, other = n["extrapolation"][model], n["extrapolation"][against]
    at = str(q["at"])
    how_far = f"{'an' if at.startswith('8') else 'a'} {at}{'-compute' if at[-1:] in 'xX×' else ' FLOP'}"
    times = f"{q['times_largest_run']:.3g}x"
    headline = tuple(
        f"{_named(n, name)}{'At' if len(found) == 1 else 'at'} {times}, a run with N = {human_number(f['params'])} and "
        f"D = {human_number(f['tokens'])} is put at {between_text(f['loss'], unit)}."
        for name, f in found.items()
    )
    shares = {
        name: f"{100 * f['share_parameters']:.0f}% not knowing the parameters, {100 * f['share_noise']:.0f}% run noise"
        for name, f in found.items()
    }
    points = (
        Point(
            "What it is",
            f"the loss of one new run at {place_text(n)}, at the split of N and D that {model}'s form recommends: the "
            "median and the 95% credible band.",
        ),
        Point("Narrower bands", _listed(n, {name: _narrower(f["loss"]) for name, f in found.items()}) + "."),
        Point("What makes the width", _listed(n, shares) + "."),
        Point(
            "What is not in it",
            f"that the form may be wrong. {against.capitalize()}'s form, at its own split, "
            + (
                "says something else: see above."
                if _apart(n, model, against)
                else f"says {_listed(n, {name: band_text(f['loss']) for name, f in other.items()})}, which agrees."
            ),
        ),
    )
    return Answer(
        "extrapolation",
        f"How uncertain is {how_far} extrapolation?",
        headline,
        tuple(_far_warnings(n, model, against)),
        points,
        _sure(n, model),
    )


def _narrower(loss: Numbers) -> str:
    low, high = loss["bands"]["95"]
    each = (" to ".join(loss_text(*loss["bands"][p], width=high - low)) + f" ({p}%)" for p in ("50", "80"))
    return ", ".join(each)


def _far_warnings(n: Numbers, model: str, against: str) -> list[str]:
    out = []
    found, say = nearest_test(n, model), judgement(n, model)
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
        if n["question"]["decades_beyond"] > math.log10(float(factor)) + LONGER:
            out.append(
                f"The longest test on your runs reaches {factor}x; the question is "
                f"{n['question']['times_largest_run']:.3g}x. Nothing in these runs tests so long a step."
            )
    if apart := _apart(n, model, against):
        where = "" if len(n["families"]) == len(apart) else f" for {' and '.join(apart)}"
        out.append(
            f"The two forms disagree by more than their bands{where}: "
            + _listed(
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
    apart = []
    for name in n["families"]:
        low, high = n["extrapolation"][model][name]["loss"]["bands"]["95"]
        other_low, other_high = n["extrapolation"][against][name]["loss"]["bands"]["95"]
        if other_low > high or other_high < low:
            apart.append(name)
    return apart


# --------------------------------------------------------------------------------------------- 2. Kaplan or Chinchilla


def _forms(n: Numbers) -> Answer:
    q = n["question"]
    model, against = q["model"], q["against"]
    failed = all(judgement(n, name) == "failed" for name in (model, against))
    return Answer(
        "form",
        f"{against.capitalize()} or {model.capitalize()}: which form do the runs support?",
        (verdict_on_form(n),),
        ("Neither form's bands held on the largest runs: the better of the two is not thereby good.",)
        if failed
        else (),
        (
            Point("Leaving out one run (LOO)", _loo_text(n)),
            Point("Leaving out the largest", _ahead_text(n)),
            Point("Which test answers what", _which_text(n)),
            *(
                Point(f"The split{'' if len(n['families']) == 1 else ', ' + f}", _split_text(n, f))
                for f in n["families"]
            ),
        ),
        _sure(n, model, against),
    )


def _lead(test: Numbers) -> str:
    error = test["standard_error"]
    size = f"{test['elpd_difference']:.1f}" + ("" if error is None else f" ± {error:.1f}")
    return f"{test['better']} is ahead by {size} in log density" + ("" if test["clear"] else ", which is not clear")


def _loo_text(n: Numbers) -> str:
    table = n["forms"]["loo"]["table"]
    weights = ", ".join(f"{row['model']} {row['weight']:.2f}" for row in table)
    text = f"over {n['runs']} runs {_lead(n['forms']['loo'])}; stacking weights: {weights}."
    refitted = [f"{row['refitted']:.0f} for {row['model']}" for row in table if row["refitted"]]
    bad = [f"{row['bad_k']:.0f} for {row['model']}" for row in table if row["bad_k"] and not row["refitted"]]
    if refitted:
        text += f" Where the shortcut (PSIS) was not reliable, runs were refitted: {', '.join(refitted)}."
    if bad:
        text += f" The shortcut (PSIS) is not reliable for some runs and they were not refitted: {', '.join(bad)}."
    return text


def _ahead_text(n: Numbers) -> str:
    out = []
    for factor, test in sorted(n["forms"]["largest_left_out"].items(), key=lambda item: -float(item[0])):
        if test is None:
            out.append(f"from runs {factor}x smaller: not tested for both forms.")
            continue
        errors = " and ".join(
            f"{found['by_factor'][factor]['median_error_percent']:.1f}% by {name}"
            for name, found in n["backtest"].items()
        )
        out.append(
            f"from runs {factor}x smaller, over the {test['runs']} larger ones, {_lead(test)} (median miss {errors})."
        )
    return " Then ".join(out)


def _which_text(n: Numbers) -> str:
    text = (
        "LOO says which form describes runs like these. Leaving out the largest says which form predicts larger "
        "runs, which is what the first answer needs."
    )
    loo, test = n["forms"]["loo"], farthest_test(n)
    if test is None or test[1]["better"] == loo["better"]:
        return text
    if loo["clear"] or test[1]["clear"]:
        return f"{text} They point apart: for the first answer, {test[1]['better']} has the better claim."
    return f"{text} They point apart, neither of them clearly."


def _split_text(n: Numbers, family: str) -> str:
    q = n["question"]
    best = {m: n["extrapolation"][m][family]["optimal"] for m in (q["model"], q["against"])}
    each = []
    for model, found in best.items():
        a, params = found["exponent_params"], found["params"]
        low, high = a["bands"]["95"]
        size = " to ".join(human_number(x) for x in params["bands"]["95"])
        each.append(
            f"By {model}, N grows as C^{a['median']:.2f} (95%: {low:.2f} to {high:.2f}): N = "
            f"{human_number(params['median'])} (95%: {size}) at {q['times_largest_run']:.3g}x, with "
            f"{human_number(found['tokens_per_param']['median'])} tokens per parameter."
        )
    first, second = (found["params"]["median"] for found in best.values())
    ratio = max(first / second, second / first)
    if ratio < SAME_SIZE:
        each.append("The two forms recommend nearly the same size.")
    else:
        larger = q["model"] if first > second else q["against"]
        each.append(f"{larger.capitalize()} asks for a model {ratio:.2g} times as large.")
    return " ".join(each)


# ------------------------------------------------------------------------------------------------ 3. how low can it go


def _floor(n: Numbers) -> Answer:
    q, unit = n["question"], n["units"]["loss"]
    forms = (q["model"], q["against"])
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
            ("Not answered: both forms put the floor at zero by assumption.",),
            (),
            (Point("Why", " ".join(none)),),
            _sure(n, *forms),
        )
    found = n["irreducible_loss"][shown]
    families = found["families"]
    headline = [
        f"{_named(n, name)}{'The' if len(families) == 1 else 'the'} loss is put no lower than {between_text(f, unit)}"
        f"{'; mostly the prior says so, not the runs' if f['identified'] is False else ''}."
        for name, f in families.items()
    ]
    points = [
        Point(
            "What it is",
            f"the loss with unlimited parameters and tokens by {shown}'s form: the median and the 95% band.",
        ),
        Point(
            "Lowest loss seen",
            _listed(
                n,
                {f: f"{x['lowest_seen']:.3f}, {x['lowest_seen'] - x['median']:.2f} above" for f, x in families.items()},
            )
            + f" ({unit}).",
        ),
    ]
    if all(x["learned"] is not None for x in families.values()):
        learned = {f: f"{100 * max(x['learned'], 0):.0f}%" for f, x in families.items()}
        points.append(
            Point("Prior's spread that the runs removed", _listed(n, learned) + ". The rest is what was put in.")
        )
    points += [
        Point(f"The truth{'' if len(families) == 1 else ', ' + f}", _truth_text(n, x, shown))
        for f, x in families.items()
        if "truth" in x
    ]
    if "population" in found:
        text = f"{band_text(found['population'], unit)} for a family of this kind that was not seen."
        points.append(Point("Another family", text))
    points += [Point("The other form", text) for text in none]
    warnings = [found["warning"]] if found["warning"] else []
    if judgement(n, shown) == "failed":
        warnings.append(
            f"This band rests on {shown}'s form holding all the way down, and its bands did not hold on the largest "
            "of your runs (answer 1). The true floor may well lie outside."
        )
    return Answer(
        "irreducible_loss",
        "How low can it go?",
        tuple(headline),
        tuple(warnings),
        tuple(points),
        (
            _sure(n, shown)[0],
            Point("Distance", "The floor lies beyond any compute: no run can test this band directly."),
            _sure(n, shown)[2],
        ),
    )


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
