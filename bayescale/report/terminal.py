"""The three answers in a dozen lines, for a terminal."""

from textwrap import fill

from bayescale.forms import FORECAST
from bayescale.inference.diagnostics import PARETO_K
from bayescale.numbers import human_number
from bayescale.report.numbers import Numbers, collect_numbers
from bayescale.report.words.extrapolation import alone_text, grade_text, left_out, record_text
from bayescale.report.words.floor import forecast_below
from bayescale.report.words.phrases import (
    band_text,
    deciding_test,
    farthest_test,
    held_text,
    judgement,
    lead_text,
    place_text,
    verdict_on_form,
)
from bayescale.studies.study import Study

WIDTH = 100
# Families that are listed: in the first and the last answer, and where each takes a line more.
LISTED, LISTED_SPLITS = 3, 2


def terminal_summary(study: Study) -> str:
    """Return the three answers in some sixteen lines of at most a hundred characters.

    Parameters
    ----------
    study : Study
        From `bayescale.study`.

    Returns
    -------
    str
    """
    n = collect_numbers(study)
    first = _stacked_lines(n) if n["forecast"]["possible"] else _plain_lines(n)
    lines = [*first, *_form_lines(n), *_floor_lines(n), *_converged_lines(n)]
    return "\n".join(line if len(line) <= WIDTH else fill(line, WIDTH, subsequent_indent="     ") for line in lines)


def _list_families(n: Numbers, listed: int = LISTED) -> list[tuple[str, str]]:
    """Return the families that are listed, each with what its line begins with."""
    names = n["families"]
    return [(name, "" if len(names) == 1 else f"{name[:24]}: ") for name in names[:listed]]


def _count_more(n: Numbers, listed: int = LISTED) -> str:
    left = len(n["families"]) - listed
    return f" (and {left} more on the page)" if left > 0 else ""


def _loss_lines(n: Numbers, families: dict[str, Numbers]) -> list[str]:
    """Return the loss at the question with its grade, a line for each family that is listed."""
    lines = [f"1. Loss at {place_text(n)}, {n['units']['loss']}{_count_more(n)}:"]
    for family, start in _list_families(n):
        f = families[family]
        size = f"N = {human_number(f['params'])}, D = {human_number(f['tokens'])}"
        lines.append(f"   {start}{band_text(f['loss'])} at {size}; grade {f['grade']['letter']}")
    return lines


def _stacked_lines(n: Numbers) -> list[str]:
    lines = _loss_lines(n, n["forecast"]["families"])
    if len(n["families"]) <= LISTED_SPLITS:
        for family, start in _list_families(n):
            whose = f"{start.removesuffix(': ')} by form" if start else "By form"
            lines.append(f"   {whose}: {alone_text(n, family, LISTED)}")
    lines.append(_held_line(n, FORECAST))
    if held_back := grade_text(n):
        lines.append(f"   The grade is held back by {held_back}.")
    return lines


def _plain_lines(n: Numbers) -> list[str]:
    model, against = n["question"]["model"], n["question"]["against"]
    lines = _loss_lines(n, n["extrapolation"][model])
    if len(n["families"]) <= LISTED_SPLITS and against in n["extrapolation"]:
        other = ", ".join(
            f"{start}{band_text(n['extrapolation'][against][family]['loss'])}".replace("95%: ", "")
            for family, start in _list_families(n)
        )
        lines.append(f"   The other form, {against}, says {other}")
    if n["forecast"]["why_not"]:
        lines.append(f"   NOT STACKED: no other form could be had; this is {model}'s alone, as if it were right.")
    return [*lines, _held_line(n, model)]


def _held_line(n: Numbers, model: str) -> str:
    decided, judged = deciding_test(n, model), judgement(n, model)
    if decided is None:
        return "   UNTESTED: the runs do not allow a test of such bands."
    record = record_text(n, model) or held_text(*decided)
    text = f"n your runs 90% bands held {record}"
    if judged == "failed":
        return f"   TOO NARROW: o{text}."
    return f"   O{text}{': too few to say' if judged == 'few' else ''}."


def _form_lines(n: Numbers) -> list[str]:
    q, loo, ahead = n["question"], n["forms"]["loo"], farthest_test(n)
    lines = [f"2. {verdict_on_form(n)}"]
    if loo:
        tests = f"   LOO: {loo['better']} by {lead_text(loo)}"
        if ahead:
            tests += f"; largest runs left out ({ahead[0]}x): {ahead[1]['better']} by {lead_text(ahead[1])}"
        lines.append(tests)
    for family, start in _list_families(n, LISTED_SPLITS) if n["extrapolation"] else ():
        each = []
        for model, by in n["extrapolation"].items():
            answer = by[family]
            best, letter = answer["optimal"], answer["optimal_grade"]["letter"]
            size, slope = best["params"]["median"], best["exponent_params"]["median"]
            each.append(f"{human_number(size, 2)} by {model} (C^{slope:.2f}; grade {letter})")
        lines.append(f"   {start}best N at {q['at']} {', '.join(each)}")
    return lines


def _floor_lines(n: Numbers) -> list[str]:
    shown = next((m for m, floor in n["irreducible_loss"].items() if floor["a_parameter"]), None)
    if shown is None:
        why = "no form that has one may be quoted" if n["not_quoted"] else "both forms put it at zero by assumption"
        return [f"3. Irreducible loss: {why}."]
    lines = [f"3. Irreducible loss by {shown}, {n['units']['loss']}{_count_more(n)}:"]
    for family, start in _list_families(n):
        f = n["irreducible_loss"][shown]["families"][family]
        letter = f"; grade {f['grade']['letter']}" if "grade" in f else ""
        doubt = ", NOT identified: mostly the prior" if f["identified"] is False else ""
        known = f"; known: {f['truth']:.4g}, {'inside' if f['truth_inside_95'] else 'OUTSIDE'}" if "truth" in f else ""
        below = ", ABOVE the forecast of 1: the forms disagree" if family in forecast_below(n, shown) else ""
        lines.append(f"   {start}{band_text(f)}{letter}{doubt}{below}{known}")
    return lines


def _converged_lines(n: Numbers) -> list[str]:
    """Say which limits the fits kept to: wider ones where only predictions are quoted, and those to the narrower."""
    checked = n["convergence"]
    bad = [name for name, fit in checked.items() if not fit["passed"]]
    if bad:
        return [f"   NOT CONVERGED: {', '.join(bad)}."]
    plain = list(n["extrapolation"])
    forms = [name for name in checked if name not in plain]
    fits = f"{len(plain)} plain fit{'s' * (len(plain) > 1)} ({_rhat_text(n, plain)})" if plain else "no plain fit"
    quoted = f"   Converged: {fits}"
    if n["not_quoted"]:
        quoted += f". NOT CONVERGED, and not quoted: {', '.join(n['not_quoted'])}"
    if not forms:
        return [f"{quoted}."]
    left = left_out(n)
    without = f"; left out: {', '.join(left)}" if left else ""
    stacked = f"{len(forms)} stacked form{'s' * (len(forms) > 1)} ({_rhat_text(n, forms)})"
    held = f"whose predictions are held to the first limit{without}."
    if n["not_quoted"]:
        return [f"{quoted}.", f"   Converged: {stacked},", f"   {held}"]
    return [f"{quoted}; {stacked},", f"   {held}"]


def _rhat_text(n: Numbers, names: list[str]) -> str:
    checks = [c for name in names for c in n["convergence"][name]["checks"]]
    found = []
    for check, digits in (("R-hat", 3), (PARETO_K, 2)):
        values = [(c["value"], c["limit"]) for c in checks if c["check"] == check]
        if values:
            value, limit = map(max, zip(*values, strict=True))
            found.append(f"{check} {value:.{digits}f}, limit {limit:.3g}")
    return "; ".join(found)
