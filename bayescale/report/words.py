"""The three answers in plain sentences, made from the numbers once and shown everywhere."""

import math
from dataclasses import asdict, dataclass

from bayescale.report.numbers import FAILED_BELOW, TOO_FEW, WHOLE_DECADE, Numbers, collect_numbers
from bayescale.report.study import Study
from bayescale.runs import human_number
from bayescale.runs.numbers import scientific

# A factor in N below which the two splits count as the same.
AT_LEAST_WRONG = 1.25


@dataclass(frozen=True)
class Answer:
    """One of the three answers.

    Attributes
    ----------
    key, question : str
        Its name in answers.json, and the question.
    headline : tuple of str
        The answer: a sentence, or one for each family.
    sentences : tuple of str
        What it is made of.
    warnings : tuple of str
        What must be read with it; shown at the answer.
    sureness : str
        Convergence, distance from the data, and how such bands held on these runs.
    """

    key: str
    question: str
    headline: tuple[str, ...]
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    sureness: str

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain lists and strings."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


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


def loss_text(*values: float, width: float) -> list[str]:
    """Write losses with the digits that a band of that width supports."""
    digits = min(max(1 - math.floor(math.log10(max(width, 1e-9))), 2), 4)
    return [f"{value:.{digits}f}" for value in values]


def band_text(found: Numbers, prob: str = "95") -> str:
    """Write a median and a band: ``1.52 (1.49 to 1.56)``."""
    low, high = found["bands"][prob]
    middle, low_text, high_text = loss_text(found["median"], low, high, width=high - low)
    return f"{middle} ({low_text} to {high_text})"


def _human_band(found: Numbers) -> str:
    return f"{human_number(found['median'])} (95%: {' to '.join(map(human_number, found['bands']['95']))})"


def _named(n: Numbers, family: str) -> str:
    return "" if len(n["families"]) == 1 else f"{family}: "


def place_text(n: Numbers) -> str:
    """Say where the question lies: ``100x the largest run's compute (1.4e15 FLOP)``."""
    q = n["question"]
    times = q["times_largest_run"]
    return f"{times:.3g}x the largest run's compute ({scientific(q['compute_flop'])} FLOP)"


def distance_text(n: Numbers) -> str:
    """Say how far the question lies from the data, in decades of compute."""
    d = n["question"]["decades_beyond"]
    if d <= WHOLE_DECADE:
        return "the question lies within the compute of the runs"
    return f"the question lies {d:.1f} decades of compute beyond the largest run"


def nearest_test(n: Numbers, model: str) -> tuple[str, Numbers] | None:
    """Return the factor and score of the backtest whose distance is nearest to the question's."""
    scores = n["backtest"][model]["by_factor"]
    if not scores:
        return None
    wanted = n["question"]["decades_beyond"]
    factor = min(scores, key=lambda f: abs(math.log10(float(f)) - wanted))
    return factor, scores[factor]


def coverage_text(n: Numbers, model: str) -> str:
    """Say how often the 90% bands held when the largest runs were predicted from the smaller ones."""
    scores = n["backtest"][model]["by_factor"]
    if not scores:
        return f"No test on your own runs was possible, so it is not known whether such bands hold ({_why_skipped(n, model)})"
    parts = [f"{s['inside']} of {s['held_out_runs']} times {f}x out" for f, s in reversed(list(scores.items()))]
    text = f"On your runs, 90% bands held {' and '.join(parts)}"
    missing = [f for f in n["backtest"][model]["asked"] if f not in scores]
    if missing:
        text += f"; {' and '.join(f + 'x out' for f in missing)} could not be tested ({_why_skipped(n, model)})"
    return text


def _why_skipped(n: Numbers, model: str) -> str:
    lines = [line for line in n["backtest"][model]["skipped"].split("\n") if line]
    return " ".join(line.rstrip(".") for line in lines) or "the runs do not span enough compute"


def judgement(n: Numbers, model: str) -> str:
    """Return ``held``, ``failed``, ``few`` or ``untested`` for the model's bands."""
    found = nearest_test(n, model)
    if found is None:
        return "untested"
    score = found[1]
    if score["held_out_runs"] < TOO_FEW:
        return "few"
    return "failed" if score["coverage"] < FAILED_BELOW else "held"


def _band_warnings(n: Numbers, model: str) -> list[str]:
    found, say = nearest_test(n, model), judgement(n, model)
    if say == "untested" or found is None:
        return [
            f"This band is untested. {coverage_text(n, model)}. It assumes that the form of {model} is right this far out."
        ]
    factor, score = found
    held = f"{score['inside']} of {score['held_out_runs']}"
    out = []
    if say == "failed":
        way = score["mean_bias_percent"]
        off = "too high" if way > 0 else "too low"
        out.append(
            f"Do not take this band at its word. When the largest of your runs were predicted from runs {factor}x "
            f"smaller, the 90% bands of {model} held {held} times, not 9 in 10: the band of this one fixed form is too "
            f"narrow. The predictions were off by {score['median_error_percent']:.1f}% of the loss (median), on average "
            f"{off}."
        )
    elif say == "few":
        out.append(f"Only {score['held_out_runs']} runs could test such bands ({held} held): too few to say that they hold.")
    if n["question"]["decades_beyond"] > math.log10(float(factor)) + 0.3:
        out.append(
            f"The test on your runs reaches {factor}x; the question is {n['question']['times_largest_run']:.3g}x. "
            "Nothing in these runs tests so long a step."
        )
    return out


# ---------------------------------------------------------------------------------------------------- the three answers


def _far(n: Numbers) -> Answer:
    q, unit = n["question"], n["units"]["loss"]
    model, against = q["model"], q["against"]
    found = n["extrapolation"][model]
    headline = tuple(
        f"{_named(n, name)}{band_text(f['loss'])} {unit} at N = {human_number(f['params'])}, "
        f"D = {human_number(f['tokens'])}"
        for name, f in found.items()
    )
    sentences = [
        f"That is the loss of one new run at {place_text(n)}, with the median and the 95% credible band of the form of "
        f"{model}, at the split of N and D that it recommends."
    ]
    for name, f in found.items():
        narrow = " and ".join(
            f"{p}%: {' to '.join(loss_text(*f['loss']['bands'][p], width=f['loss']['bands']['95'][1] - f['loss']['bands']['95'][0]))}"
            for p in ("50", "80")
        )
        sentences.append(
            f"{_named(n, name)}narrower bands are {narrow}. {_share(f['share_parameters'])} of the width comes from not "
            f"knowing the parameters, {_share(f['share_noise'])} from run-to-run noise."
        )
    sentences.append(_other_form(n, found, n["extrapolation"][against], against))
    own = {f: d for f, d in q["family_decades_beyond"].items() if d > q["decades_beyond"] + 0.3}
    for name, d in own.items():
        sentences.append(f"{name}: its own largest run is smaller; for it the question lies {d:.1f} decades out.")
    warnings = _band_warnings(n, model)
    better = n["forms"]["largest_left_out_better"]
    test = _clearest_ahead(n)
    if better == against and test and test[1]["clear"]:
        warnings.append(
            f"{against.capitalize()}'s form predicted the largest of your runs better than {model}'s (answer 2). For "
            f"this question its number counts at least as much: "
            + "; ".join(f"{_named(n, name)}{band_text(f['loss'])}" for name, f in n["extrapolation"][against].items())
            + f" {unit}."
        )
    return Answer(
        "extrapolation",
        f"How uncertain is a {_at(n)} extrapolation?",
        headline,
        tuple(sentences),
        tuple(warnings),
        _sureness(n, model),
    )


def _at(n: Numbers) -> str:
    at = str(n["question"]["at"])
    return f"{at}-compute" if at[-1:] in ("x", "X", "×") else f"{at}-FLOP"


def _share(value: float) -> str:
    return f"{100 * value:.0f}%"


def _sureness(n: Numbers, model: str) -> str:
    distance = distance_text(n)
    return f"{n['convergence'][model]['sentence']} {distance[0].upper()}{distance[1:]}. {coverage_text(n, model)}."


def _other_form(n: Numbers, mine: Numbers, other: Numbers, against: str) -> str:
    apart = []
    for name, f in other.items():
        (low, high), (other_low, other_high) = mine[name]["loss"]["bands"]["95"], f["loss"]["bands"]["95"]
        if other_low > high or other_high < low:
            apart.append(name)
    text = f"At the split that it recommends, {against}'s form says " + "; ".join(
        f"{_named(n, name)}{band_text(f['loss'])}" for name, f in other.items()
    )
    if not apart:
        return text + ". The two 95% bands overlap."
    where = "" if len(other) == 1 else f" for {_listed(apart)}"
    return text + f". The two 95% bands do not overlap{where}: the choice of form matters more than either band says."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _clearest_ahead(n: Numbers) -> tuple[str, Numbers] | None:
    """Return the farthest test that both forms took."""
    tests = [(f, t) for f, t in n["forms"]["largest_left_out"].items() if t]
    return max(tests, key=lambda item: float(item[0])) if tests else None


def _forms(n: Numbers) -> Answer:
    q, forms = n["question"], n["forms"]
    model, against = q["model"], q["against"]
    loo, ahead = forms["loo"], _clearest_ahead(n)
    return Answer(
        "form",
        f"{against.capitalize()} or {model.capitalize()}: which form do the runs support?",
        (verdict_on_form(n),),
        (
            _loo_sentence(n),
            *_ahead_sentences(n),
            _which_question(loo, ahead),
            *_split_sentences(n),
        ),
        tuple(_form_warnings(n)),
        " ".join(f"{name.capitalize()}: {n['convergence'][name]['sentence']} {coverage_text(n, name)}." for name in (model, against)),
    )


def verdict_on_form(n: Numbers) -> str:
    """Say in one sentence which form the two tests support."""
    loo, ahead = n["forms"]["loo"], _clearest_ahead(n)
    inside = loo["better"].capitalize() if loo["clear"] else None
    if ahead is None:
        if inside:
            return f"{inside} describes these runs better; which form predicts larger runs could not be tested."
        return "These runs do not tell the two forms apart, and which predicts larger runs could not be tested."
    factor, test = ahead
    beyond = test["better"].capitalize() if test["clear"] else None
    if inside and inside == beyond:
        return f"{inside}: it describes these runs better, and it predicts the largest from runs {factor}x smaller better."
    if inside and beyond:
        return f"The tests disagree: {inside} describes these runs better, {beyond} predicts larger runs better."
    if inside:
        return f"{inside} describes these runs better; on the runs {factor}x out neither form is clearly ahead."
    if beyond:
        return f"{beyond} predicts runs {factor}x out better; among runs like these neither form is clearly ahead."
    return "These runs do not tell the two forms apart."


def _loo_sentence(n: Numbers) -> str:
    loo = n["forms"]["loo"]
    row = {item["model"]: item for item in loo["table"]}[loo["better"]]
    size = f"by {loo['elpd_difference']:.1f} ± {loo['standard_error']:.1f} in log density over {n['runs']} runs"
    lead = "is ahead" if loo["clear"] else "is ahead, but not clearly,"
    text = f"Leaving out one run at a time (LOO): {loo['better']} {lead} {size}; its stacking weight is {row['weight']:.2f}."
    refitted = {item["model"]: int(item["refitted"]) for item in loo["table"] if item["refitted"]}
    bad = {item["model"]: int(item["bad_k"]) for item in loo["table"] if item["bad_k"]}
    if refitted:
        text += f" Where the shortcut (PSIS) was unreliable, runs were refitted: {_counts(refitted)}."
    elif bad:
        text += f" The shortcut (PSIS) is unreliable for some runs ({_counts(bad)}), and they were not refitted."
    return text


def _counts(by_model: dict[str, int]) -> str:
    return ", ".join(f"{count} for {name}" for name, count in by_model.items())


def _ahead_sentences(n: Numbers) -> list[str]:
    out = []
    for factor, test in reversed(n["forms"]["largest_left_out"].items()):
        if test is None:
            out.append(f"Leaving out the runs beyond a {factor}x smaller cut: not tested for both forms.")
            continue
        scores = {name: n["backtest"][name]["by_factor"][factor] for name in n["backtest"]}
        each = ", ".join(
            f"{name}'s predictions were off by {s['median_error_percent']:.1f}% and its 90% bands held {s['inside']} of "
            f"{s['held_out_runs']} times"
            for name, s in scores.items()
        )
        lead = "is ahead" if test["clear"] else "is ahead, but not clearly,"
        error = "" if test["standard_error"] is None else f" ± {test['standard_error']:.1f}"
        out.append(
            f"Predicting the {test['runs']} largest runs from runs at least {factor}x smaller than the largest: "
            f"{test['better']} {lead} by {test['elpd_difference']:.1f}{error} in log density; {each}."
        )
    return out


def _which_question(loo: Numbers, ahead: tuple[str, Numbers] | None) -> str:
    text = (
        "The two tests answer different questions. LOO: which form describes runs like these. Leaving out the largest: "
        "which form predicts larger runs, which is what the first answer needs."
    )
    if ahead and ahead[1]["better"] != loo["better"]:
        text += f" They point apart here; for the first answer, {ahead[1]['better']} has the better claim."
    return text


def _split_sentences(n: Numbers) -> list[str]:
    q = n["question"]
    out = []
    for name in n["families"]:
        each = []
        for model in (q["model"], q["against"]):
            best = n["extrapolation"][model][name]["optimal"]
            a = best["exponent_params"]
            low, high = a["bands"]["95"]
            each.append(
                f"{model} says N grows as C^{a['median']:.2f} (95%: {low:.2f} to {high:.2f}), so at {_short(n)} "
                f"N = {_human_band(best['params'])} and {human_number(best['tokens_per_param']['median'])} tokens per parameter"
            )
        out.append(f"{_named(n, name)}what it does to the split: {each[0]}; {each[1]}. {_times(n, name)}")
    return out


def _short(n: Numbers) -> str:
    return f"{n['question']['times_largest_run']:.3g}x"


def _times(n: Numbers, family: str) -> str:
    q = n["question"]
    first, second = (n["extrapolation"][m][family]["optimal"]["params"]["median"] for m in (q["model"], q["against"]))
    ratio = max(first / second, second / first)
    if ratio < AT_LEAST_WRONG:
        return "The two forms recommend nearly the same size."
    larger = q["model"] if first > second else q["against"]
    return f"{larger.capitalize()} asks for a model {ratio:.2g} times as large."


def _form_warnings(n: Numbers) -> list[str]:
    failed = [name for name in n["backtest"] if judgement(n, name) == "failed"]
    if len(failed) == len(n["backtest"]):
        return ["Neither form's bands held when the largest runs were left out: the better one is not thereby good."]
    return []


def _floor(n: Numbers) -> Answer:
    q, unit = n["question"], n["units"]["loss"]
    model, against = q["model"], q["against"]
    shown = next((m for m in (model, against) if n["irreducible_loss"][m]["a_parameter"]), model)
    found = n["irreducible_loss"][shown]
    headline, sentences = [], []
    for name, f in found["families"].items():
        if not found["a_parameter"]:
            headline.append(f"{_named(n, name)}not answered: {shown}'s form puts it at zero by assumption")
            continue
        doubt = "" if f["identified"] in (True, None) else ", mostly from the prior"
        headline.append(f"{_named(n, name)}{band_text(f)} {unit}{doubt}")
        learned = f["learned"]
        said = "" if learned is None else f" The runs removed {max(learned, 0) * 100:.0f}% of the prior's spread."
        middle, low = loss_text(f["median"], f["lowest_seen"], width=f["bands"]["95"][1] - f["bands"]["95"][0])
        sentences.append(
            f"{_named(n, name)}the lowest loss seen is {low}, so the floor lies {f['lowest_seen'] - f['median']:.3g} "
            f"{unit} below anything that was trained.{said}"
        )
        if "truth" in f:
            sentences.append(_named(n, name) + _truth_sentence(n, f, shown))
    if found["a_parameter"]:
        sentences.insert(0, f"That is the loss with unlimited parameters and tokens by {shown}'s form: median and 95% band.")
    if "population" in found:
        sentences.append(f"For a family like these that was not seen, {shown} expects {band_text(found['population'])} {unit}.")
    for other in (model, against):
        if other != shown and not n["irreducible_loss"][other]["a_parameter"]:
            sentences.append(f"{other.capitalize()}'s form has no floor: its loss falls to zero by assumption, not by the data.")
    warnings = [found["warning"]] if found["warning"] else []
    if judgement(n, shown) == "failed" and found["a_parameter"]:
        warnings.append(
            f"This band rests on {shown}'s form holding all the way down. Its bands did not hold on the largest runs "
            "(answer 1), so the true floor may well lie outside."
        )
    return Answer(
        "irreducible_loss",
        "How low can it go?",
        tuple(headline),
        tuple(sentences),
        tuple(warnings),
        f"{n['convergence'][shown]['sentence']} The floor lies beyond any compute: no run can test this band directly. "
        f"{coverage_text(n, shown)}.",
    )


def _truth_sentence(n: Numbers, f: Numbers, model: str) -> str:
    unit = n["units"]["loss"]
    low, high = f["bands"]["95"]
    text = f"the run log's card states the true floor, the entropy rate of the data: {f['truth']:.5g} {unit}. "
    if f["truth_inside_95"]:
        return text + "The 95% band contains it."
    if f["truth"] < low:
        return (
            text + f"The 95% band does not contain it: it lies {low - f['truth']:.2g} above. These models may level off "
            "above the entropy rate (their context, size range and tuning set a floor of their own), or the loss bends "
            f"down later than {model}'s form allows."
        )
    return (
        text + f"The 95% band does not contain it: it lies {f['truth'] - high:.2g} below, where no loss can be. The form of "
        f"{model} falls too long: the floor is read from how the curve bends, and the nearest run is still "
        f"{f['lowest_seen'] - f['truth']:.2g} above the truth."
    )
