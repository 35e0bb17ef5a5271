"""The three answers in a dozen lines, for a terminal."""

import textwrap

from bayescale.report.numbers import Numbers, collect_numbers
from bayescale.report.study import Study
from bayescale.report.words import band_text, judgement, nearest_test, place_text, verdict_on_form
from bayescale.runs import human_number

WIDTH, FAMILIES_LISTED = 100, 3


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
    model = n["question"]["model"]
    rows = [
        f"1. Loss at {place_text(n)}, {n['units']['loss']}, 95% band, by {model}:",
        *_by_family(n, _far_line),
        _held_line(n, model),
        "2. " + verdict_on_form(n),
        *_by_family(n, _split_line, prefix="N_opt "),
        *_floor_lines(n),
        _converged_line(n),
    ]
    return "\n".join(textwrap.shorten(row, WIDTH - 3, placeholder=" ...") if row[:3].strip() else _indent(row) for row in rows)


def _indent(row: str) -> str:
    return "   " + textwrap.shorten(row.strip(), WIDTH - 3, placeholder=" ...")


def _by_family(n: Numbers, line: "object", prefix: str = "") -> list[str]:
    names = n["families"]
    shown = names[:FAMILIES_LISTED] if len(names) > FAMILIES_LISTED else names
    rows = [f"   {prefix if len(names) == 1 else name + ': ' + prefix}{line(n, name)}" for name in shown]  # type: ignore[operator]
    if len(names) > len(shown):
        rows[-1] += f"; {len(names) - len(shown)} more families on the page"
    return rows


def _far_line(n: Numbers, family: str) -> str:
    f = n["extrapolation"][n["question"]["model"]][family]
    return (
        f"{band_text(f['loss'])} at N = {human_number(f['params'])}, D = {human_number(f['tokens'])}; "
        f"{100 * f['share_parameters']:.0f}% of the width from parameters"
    )


def _held_line(n: Numbers, model: str) -> str:
    found, say = nearest_test(n, model), judgement(n, model)
    if found is None:
        return "   UNTESTED: the runs do not allow a test of such bands."
    factor, s = found
    text = f"On your runs, 90% bands {factor}x out held {s['inside']} of {s['held_out_runs']} times"
    return {
        "failed": f"   TOO NARROW: {text}.",
        "few": f"   {text}: too few to say.",
    }.get(say, f"   {text}.")


def _split_line(n: Numbers, family: str) -> str:
    q = n["question"]
    each = []
    for model in (q["model"], q["against"]):
        best = n["extrapolation"][model][family]["optimal"]
        each.append(
            f"{human_number(best['params']['median'], 2)} by {model} (C^{best['exponent_params']['median']:.2f})"
        )
    return ", ".join(each)


def _floor_lines(n: Numbers) -> list[str]:
    q = n["question"]
    shown = next((m for m in (q["model"], q["against"]) if n["irreducible_loss"][m]["a_parameter"]), None)
    if shown is None:
        return ["3. Irreducible loss: both forms put it at zero by assumption."]
    rows = []
    for name, f in list(n["irreducible_loss"][shown]["families"].items())[:FAMILIES_LISTED]:
        text = band_text(f)
        if f["identified"] is False:
            text += ", NOT identified: mostly the prior"
        if "truth" in f:
            text += f"; known {f['truth']:.4g}, {'inside' if f['truth_inside_95'] else 'OUTSIDE'}"
        rows.append(text if len(n["families"]) == 1 else f"{name}: {text}")
    head = f"3. Irreducible loss, {n['units']['loss']}, 95% band, by {shown}: "
    return [head + rows[0]] if len(rows) == 1 else [head.rstrip(), *("   " + row for row in rows)]


def _converged_line(n: Numbers) -> str:
    bad = [name for name, c in n["convergence"].items() if not c["passed"]]
    checks = [c["checks"] for c in n["convergence"].values()]
    if bad:
        return f"   NOT CONVERGED: {', '.join(bad)}."
    rhat = max(item["value"] for each in checks for item in each if item["check"] == "R-hat")
    return f"   Both fits converged (R-hat {rhat:.3f} at worst)."
