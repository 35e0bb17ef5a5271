"""The pieces that the three answers are put together from."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

from bayescale.cards.card import DRIFTING
from bayescale.forms import Skipped
from bayescale.numbers import human_number, loss_text, scientific
from bayescale.report.numbers import Numbers

# Decades of compute: nearer than the first is within the data; longer than the tests by the second is untested.
WITHIN, LONGER = 0.05, 0.3


# How the parts of the width are called in words.
SHARES = {
    "form": "the forms' disagreement",
    "parameters": "not knowing the parameters",
    "drift": "that a form may drift from the truth",
    "errors": "errors that runs share",
    "noise": "run noise",
}


class Remark(NamedTuple):
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
    points : tuple of Remark
        What it is made of.
    sureness : tuple of Remark
        Convergence, distance from the data, and how such bands held on these runs.
    """

    key: str
    question: str
    headline: tuple[str, ...]
    warnings: tuple[str, ...]
    points: tuple[Remark, ...]
    sureness: tuple[Remark, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain lists and strings; points as ``about: text``."""
        out: dict[str, object] = {**asdict(self), "headline": list(self.headline), "warnings": list(self.warnings)}
        return out | {name: [f"{p.about}: {p.text}" for p in getattr(self, name)] for name in ("points", "sureness")}


def headline_of(n: Numbers, families: dict[str, Numbers]) -> tuple[str, ...]:
    """Return the loss at the question with its grade, a sentence for each family."""
    times = f"{n['question']['times_largest_run']:.3g}x"
    return tuple(
        f"{named(n, name)}{'At' if len(families) == 1 else 'at'} {times}, a run with N = {human_number(f['params'])} "
        f"and D = {human_number(f['tokens'])} should reach {between_text(f['loss'], n['units']['loss'])}. Grade "
        f"{f['grade']['letter']}."
        for name, f in families.items()
    )


def narrower_point(n: Numbers, families: dict[str, Numbers]) -> Remark:
    """Return the 50 and the 80% bands of the loss."""
    return Remark("Narrower bands", listed(n, {name: _narrower_text(f["loss"]) for name, f in families.items()}) + ".")


def width_point(n: Numbers, families: dict[str, Numbers], after: str = "") -> Remark:
    """Return what the width of the band is made of: ``30% not knowing the parameters, 70% run noise``."""
    shares = {
        name: ", ".join(f"{100 * share:.0f}% {SHARES[part]}" for part, share in f["shares"].items())
        for name, f in families.items()
    }
    return Remark("What makes the width", listed(n, shares, after) + ".")


def _narrower_text(loss: Numbers) -> str:
    low, high = loss["bands"]["95"]
    each = (" to ".join(loss_text(*loss["bands"][p], width=high - low)) + f" ({p}%)" for p in ("50", "80"))
    return ", ".join(each)


def warn_of_tests(n: Numbers, model: str, fault: str, bands: str, untested: str = "") -> list[str]:
    """Warn of bands that were not tested, did not hold, or were tested at less than the question's distance.

    Parameters
    ----------
    n : dict
        From `collect_numbers`.
    model : str
        Whose bands.
    fault : str
        How bands that failed are called, up to the words that name the largest runs.
    bands : str
        What the bands are called.
    untested : str
        What is added where there was no test.
    """
    decided, judged = deciding_test(n, model), judgement(n, model)
    if decided is None:
        return [f"This band is untested. {coverage_text(n, model)}{untested}"]
    out, (factor, score) = [], decided
    if judged == "failed":
        shown = score["at_distance"] if score["at_distance"]["held_out_runs"] else score
        side = "high" if shown["mean_bias_percent"] > 0 else "low"
        out.append(
            f"Do not take this band at its word: {fault} were predicted from runs {factor}x smaller, {bands} held "
            f"{held_text(factor, score)}, not 9 in 10. That far out the predictions missed by "
            f"{shown['median_error_percent']:.1f}% of the loss (median) and were too {side} on average."
        )
    elif judged == "few":
        out.append(f"Too few runs could test such bands to say that they hold: {held_text(factor, score)}.")
    longest = max(n["backtest"][model]["by_factor"], key=float)
    if n["question"]["decades_beyond"] > math.log10(float(longest)) + LONGER:
        out.append(
            f"The longest test on your runs reaches {longest}x; the question is "
            f"{n['question']['times_largest_run']:.3g}x. Nothing in these runs tests so long a step."
        )
    return out


def band_text(numbers: Numbers, unit: str = "") -> str:
    """Write a median and its 95% band: ``1.52 nats/token (95%: 1.49 to 1.56)``."""
    low, high = numbers["bands"]["95"]
    middle, low_text, high_text = loss_text(numbers["median"], low, high, width=high - low)
    return f"{middle}{' ' * bool(unit)}{unit} (95%: {low_text} to {high_text})"


def between_text(numbers: Numbers, unit: str) -> str:
    """Write a median and its 95% band as words: ``1.52 nats/token, between 1.49 and ...``."""
    low, high = numbers["bands"]["95"]
    middle, low_text, high_text = loss_text(numbers["median"], low, high, width=high - low)
    return f"{middle} {unit}, between {low_text} and {high_text} with 95% credibility"


def place_text(n: Numbers) -> str:
    """Say where the question lies: ``100x the largest run's compute (1.4e15 FLOP)``."""
    q = n["question"]
    return f"{q['times_largest_run']:.3g}x the largest run's compute ({scientific(q['compute_flop'])} FLOP)"


def verdict_on_form(n: Numbers) -> str:
    """Say in one sentence which form the two tests support."""
    if n["not_quoted"]:
        whose = series([f"{name.capitalize()}'s" for name in n["not_quoted"]])
        return f"Not answered: what these runs say of {whose} form may not be quoted."
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


def not_quoted_text(n: Numbers) -> list[str]:
    """Say of each plain form that may not be quoted why, and what of the design may be the reason."""
    out = []
    for name, sentence in n["not_quoted"].items():
        design = n["identifiability"].get(name)
        cause = "" if design is None or design["identified"] else f" {' '.join(design['sentences'])}"
        out.append(f"{name.capitalize()} is left out: what its chains say may not be quoted. {sentence}{cause}")
    return out


def farthest_test(n: Numbers) -> tuple[str, Numbers] | None:
    """Return the factor and result of the farthest backtest that both forms took."""
    tests = [(f, t) for f, t in n["forms"]["largest_left_out"].items() if t]
    return max(tests, key=lambda item: float(item[0])) if tests else None


def lead_text(test: Numbers) -> str:
    """Write by how much one form is ahead, with its standard error: ``20.0 ± 1.0``."""
    error = test["standard_error"]
    return f"{test['elpd_difference']:.1f}" + ("" if error is None else f" ± {error:.1f}")


def deciding_test(n: Numbers, model: str) -> tuple[str, Numbers] | None:
    """Return the factor and score of the cut-off that decided the verdict; with its family, where it is of one."""
    tested = n["backtest"][model]
    factor, family = tested["record"]["factor"], tested["record"]["family"]
    if factor is None:
        return None
    scores = tested["by_family"][family] if family else tested["by_factor"]
    return factor, scores[factor] | {"family": family}


def judgement(n: Numbers, model: str) -> str:
    """Return ``held``, ``failed``, ``few`` or ``untested`` for the model's 90% bands on these runs."""
    return str(n["backtest"][model]["record"]["verdict"])


def held_text(factor: str, score: Numbers) -> str:
    """Say how often the bands of one backtest held: ``4 of 10 times about 100x out (48 of 56 in all)``."""
    all_runs, distant = score, score["at_distance"]
    whose = f" for {score['family']}" if score.get("family") else ""
    if not distant["held_out_runs"]:
        return f"{all_runs['inside']} of {all_runs['held_out_runs']} times on the way to {factor}x out{whose}"
    text = f"{distant['inside']} of {distant['held_out_runs']} times about {factor}x out{whose}"
    if all_runs["held_out_runs"] > distant["held_out_runs"]:
        text += f" ({all_runs['inside']} of {all_runs['held_out_runs']} in all)"
    return text


def coverage_text(n: Numbers, model: str) -> str:
    """Say how often the 90% bands held when the largest runs were predicted from the smaller ones."""
    scores = n["backtest"][model]["by_factor"]
    if not scores:
        return (
            f"No such test was possible on your runs, so whether bands like this hold is not known ({why(n, model)})."
        )
    parts = [held_text(f, s) for f, s in sorted(scores.items(), key=lambda item: -float(item[0]))]
    text = f"On your runs, 90% bands held {series(parts)}."
    missing = [f"{f}x" for f in n["backtest"][model]["asked"] if f not in scores]
    return text + (f" Not tested: {series(missing)} out ({why(n, model)})." if missing else "")


def series(texts: list[str]) -> str:
    """Join as in a sentence: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def why(n: Numbers, model: str) -> str:
    """Say why a backtest could not be scored."""
    return skipped_text(n["backtest"][model]["skipped"]) or "the runs do not span enough compute"


def skipped_text(records: Iterable[Numbers | str]) -> str:
    """Join what could not be done, records of `Skipped` and sentences: ``10x, kaplan: too few runs; 30x: no run``."""
    lines = (str(Skipped(**record)) if isinstance(record, dict) else record for record in records)
    return "; ".join(line.rstrip(".") for line in lines)


def listed(n: Numbers, texts: dict[str, str], after: str = "") -> str:
    """Join what is said of each family, with `after` after its name; nameless where there is one."""
    if len(n["families"]) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}{after} {text}" for name, text in texts.items())


def named(n: Numbers, family: str) -> str:
    """Return the family as an opening, ``english: ``; nothing where there is one family."""
    return "" if len(n["families"]) == 1 else f"{family}: "


def sureness_of(n: Numbers, *models: str) -> tuple[Remark, ...]:
    """Return how sure an answer is: convergence, distance from the data, and the record of such bands."""
    if not models:
        return (Remark("Distance", distance_text(n)),)
    several = len(models) > 1
    converged = " ".join(f"{m.capitalize() + ': ' if several else ''}{n['convergence'][m]['sentence']}" for m in models)
    record = " ".join(f"{m.capitalize() + ': ' if several else ''}{coverage_text(n, m)}" for m in models)
    return (Remark("Sampler", converged), Remark("Distance", distance_text(n)), Remark("Record", record))


def distance_text(n: Numbers) -> str:
    """Say how far the question lies from the runs, and from those of its own family."""
    decades = n["question"]["decades_beyond"]
    away = (
        "The question lies within the compute of the runs."
        if decades <= WITHIN
        else f"{decades:.1f} decades of compute beyond the largest run."
    )
    own = {f: d for f, d in n["question"]["family_decades_beyond"].items() if d > decades + LONGER}
    if own:
        away += f" From the largest run of its own family: {listed(n, {f: f'{d:.1f}' for f, d in own.items()})}."
    return away


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the forms' names without what all of them end in: that each may drift is said once."""
    given = list(names)
    drift = all(name.endswith(DRIFTING) for name in given)
    return {name: name.removesuffix(DRIFTING) if drift else name for name in given}


def by_weight(n: Numbers) -> list[str]:
    """Return the stacked forms, the one that weighs most first."""
    forms = n["forecast"]["forms"]
    return sorted(forms, key=lambda name: -forms[name]["weight"])


def leaning(rows: list[Numbers], *quantities: str) -> list[Remark]:
    """Return a point for each of these quantities that leans on a prior."""
    return [Remark("Priors", row["sentence"]) for row in rows if row["leans"] and row["quantity"] in quantities]
