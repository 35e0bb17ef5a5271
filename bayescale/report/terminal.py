"""The three answers in a dozen lines, for a terminal."""

from bayescale.report.numbers import Numbers, collect_numbers
from bayescale.report.study import Study
from bayescale.report.words import (
    band_text,
    farthest_test,
    held_text,
    judgement,
    nearest_test,
    place_text,
    verdict_on_form,
)
from bayescale.runs import human_number

WIDTH = 100
# Families that are listed: in the first and the last answer, and in the second.
LISTED, LISTED_SPLITS = 3, 2


def terminal_summary(study: Study) -> str:
    """Return the three answers in at most fourteen lines of a hundred characters.

    Parameters
    ----------
    study : Study
        From `run_study`.

    Returns
    -------
    str
    """
    n = collect_numbers(study)
    lines = [*_far_lines(n), *_form_lines(n), *_floor_lines(n), _converged_line(n)]
    return "\n".join(line if len(line) <= WIDTH else f"{line[: WIDTH - 4].rsplit(' ', 1)[0]} ..." for line in lines)


def _families(n: Numbers, listed: int = LISTED) -> list[tuple[str, str]]:
    """Return the families that are listed, each with what its line begins with."""
    names = n["families"]
    return [(name, "" if len(names) == 1 else f"{name[:24]}: ") for name in names[:listed]]


def _more(n: Numbers, listed: int = LISTED) -> str:
    left = len(n["families"]) - listed
    return f" (and {left} more on the page)" if left > 0 else ""


def _far_lines(n: Numbers) -> list[str]:
    q = n["question"]
    model, against = q["model"], q["against"]
    lines = [f"1. Loss at {place_text(n)}, {n['units']['loss']}{_more(n)}:"]
    for family, start in _families(n):
        f = n["extrapolation"][model][family]
        size = f"N = {human_number(f['params'])}, D = {human_number(f['tokens'])}"
        lines.append(
            f"   {start}{band_text(f['loss'])} at {size}; {100 * f['share_parameters']:.0f}% of the width is parameters"
        )
    if len(n["families"]) <= LISTED_SPLITS:
        other = ", ".join(
            f"{start}{band_text(n['extrapolation'][against][family]['loss'])}".replace("95%: ", "")
            for family, start in _families(n)
        )
        lines.append(f"   The other form, {against}, says {other}")
    return [*lines, _held_line(n, model)]


def _held_line(n: Numbers, model: str) -> str:
    found, say = nearest_test(n, model), judgement(n, model)
    if found is None:
        return "   UNTESTED: the runs do not allow a test of such bands."
    text = f"n your runs 90% bands held {held_text(*found)}"
    if say == "failed":
        return f"   TOO NARROW: o{text}."
    return f"   O{text}{': too few to say' if say == 'few' else ''}."


def _form_lines(n: Numbers) -> list[str]:
    q, loo, ahead = n["question"], n["forms"]["loo"], farthest_test(n)
    tests = f"   LOO: {loo['better']} by {_with_error(loo)}"
    if ahead:
        tests += f"; largest runs left out ({ahead[0]}x): {ahead[1]['better']} by {_with_error(ahead[1])}"
    lines = [f"2. {verdict_on_form(n)}", tests]
    for family, start in _families(n, LISTED_SPLITS):
        each = []
        for model in (q["model"], q["against"]):
            best = n["extrapolation"][model][family]["optimal"]
            size, slope = best["params"]["median"], best["exponent_params"]["median"]
            each.append(f"{human_number(size, 2)} by {model} (grows as C^{slope:.2f})")
        lines.append(f"   {start}best N {', '.join(each)}")
    return lines


def _with_error(test: Numbers) -> str:
    error = test["standard_error"]
    return f"{test['elpd_difference']:.1f}" + ("" if error is None else f" ± {error:.1f}")


def _floor_lines(n: Numbers) -> list[str]:
    q = n["question"]
    shown = next((m for m in (q["model"], q["against"]) if n["irreducible_loss"][m]["a_parameter"]), None)
    if shown is None:
        return ["3. Irreducible loss: both forms put it at zero by assumption."]
    lines = [f"3. Irreducible loss by {shown}, {n['units']['loss']}{_more(n)}:"]
    for family, start in _families(n):
        f = n["irreducible_loss"][shown]["families"][family]
        doubt = ", NOT identified: mostly the prior" if f["identified"] is False else ""
        known = f"; known: {f['truth']:.4g}, {'inside' if f['truth_inside_95'] else 'OUTSIDE'}" if "truth" in f else ""
        lines.append(f"   {start}{band_text(f)}{doubt}{known}")
    return lines


def _converged_line(n: Numbers) -> str:
    bad = [name for name, found in n["convergence"].items() if not found["passed"]]
    if bad:
        return f"   NOT CONVERGED: {', '.join(bad)}."
    checks = [check for found in n["convergence"].values() for check in found["checks"]]
    rhat = max(check["value"] for check in checks if check["check"] == "R-hat")
    return f"   Both fits converged (R-hat {rhat:.3f} at worst)."
