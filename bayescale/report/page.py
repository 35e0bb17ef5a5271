"""The page: words, figures and tables into one self-contained HTML file."""

import base64
from collections.abc import Iterator
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bayescale.numbers import human_number, scientific
from bayescale.report.card_text import card_text
from bayescale.report.numbers import PARTS, Numbers
from bayescale.report.panels import Plate
from bayescale.report.tables_stack import losses, sensitivity_table, stack_tables, table
from bayescale.report.words import Answer, series

TEMPLATE = "page.html.j2"


def render_page(numbers: Numbers, answers: list[Answer], plates: list[Plate]) -> str:
    """Return the page as HTML that needs nothing else.

    Parameters
    ----------
    numbers : dict
        From `collect_numbers`.
    answers : list of Answer
        From `three_answers`.
    plates : list of Plate
        From `draw_figures`.

    Returns
    -------
    str
    """
    environment = Environment(
        loader=PackageLoader("bayescale.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda png: base64.b64encode(png).decode()
    return environment.get_template(TEMPLATE).render(
        n=numbers,
        held=_held(numbers),
        answers=answers,
        plates=plates,
        tables=list(_tables(numbers)),
        facts=list(_facts(numbers)),
        cards={name: card_text(card) for name, card in numbers["provenance"]["cards"].items()},
    )


def _held(n: Numbers) -> str:
    if n["not_quoted"]:
        return f"{series([name.capitalize() for name in n['not_quoted']])} may not be quoted"
    return f"{n['question']['model'].capitalize()} held against {n['question']['against'].capitalize()}"


def _tables(n: Numbers) -> Iterator[dict[str, Any]]:
    """Yield the tables: a title, the head, rows."""
    q, unit = n["question"], n["units"]["loss"]
    target = f"{scientific(q['compute_flop'])} FLOP"
    yield from stack_tables(n)
    far = [(model, family, f) for model, by in n["extrapolation"].items() for family, f in by.items()]
    parts = {part: title for part, title in PARTS.items() if any(part in f["shares"] for _, _, f in far)}
    yield table(
        f"By the plain forms, each as if it were right: loss at {q['times_largest_run']:.3g}x the largest run, "
        f"{target}",
        f"form|family|grade|N (parameters)|D (tokens)|loss ({unit})|50%|80%|95%|{'|'.join(parts.values())}"
        "|decades beyond",
        [
            [
                *(model, family, f["grade"]["letter"]),
                *(human_number(f["params"]), human_number(f["tokens"]), *losses(f["loss"])),
                *(f"{100 * f['shares'].get(part, 0):.0f}%" for part in parts),
                f"{q['family_decades_beyond'][family]:.1f}",
            ]
            for model, family, f in far
        ],
    )
    yield table(
        f"Compute-optimal split at {target}: median and 95% band",
        "form|family|grade|N (parameters)|D (tokens)|tokens per parameter|N grows as C to the|D grows as C to the",
        [
            [
                *(model, family, f["optimal_grade"]["letter"]),
                *(_human(f["optimal"][k]) for k in ("params", "tokens", "tokens_per_param")),
                *(_plain(f["optimal"][k]) for k in ("exponent_params", "exponent_tokens")),
            ]
            for model, family, f in far
        ],
    )
    yield table(
        f"Irreducible loss ({unit})",
        "form|family|grade|median|50%|80%|95%|prior 95%|lowest loss seen|prior's spread removed|known",
        [
            [
                *(model, family, f["grade"]["letter"] if "grade" in f else "", *losses(f)),
                _range(f["prior"]["bands"]["95"]) if "prior" in f else "",
                f"{f['lowest_seen']:.4f}",
                "" if f["learned"] is None else f"{100 * max(f['learned'], 0):.0f}%",
                f"{f['truth']:.5g}" if "truth" in f else "",
            ]
            for model, found in n["irreducible_loss"].items()
            if found["a_parameter"]
            for family, f in found["families"].items()
        ],
    )
    yield table(
        "Leaving out one run (log density of log loss, higher is better)",
        "form|elpd|its error|against the best|its error|effective parameters|stacking weight|high Pareto k|refitted",
        [
            [
                r["model"],
                *(_one_digit(r[k]) for k in ("elpd_loo", "se", "elpd_diff", "dse", "p_loo")),
                f"{r['weight']:.2f}",
                *(f"{r[k]:.0f}" for k in ("bad_k", "refitted")),
            ]
            for r in (n["forms"]["loo"] or {"table": []})["table"]
        ],
    )
    yield table(
        "Leaving out the largest runs (90% bands; misses in % of the loss)",
        "form|cut|family|fitted|left out|inside|about that far out|band width|interval score|CRPS|median miss|mean bias"
        "|elpd",
        list(_backtest_rows(n)),
    )
    yield sensitivity_table(n)
    yield table(
        "Convergence",
        "form|check|worst|limit|where|passed",
        [
            [model, c["check"], _short(c["value"]), f"{c['limit']:g}", c["worst"], "yes" if c["passed"] else "NO"]
            for model, found in n["convergence"].items()
            for c in found["checks"]
        ],
    )


def _one_digit(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _short(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.4g}"


def _range(limits: list[float]) -> str:
    return f"{limits[0]:.3g} to {limits[1]:.3g}"


def _human(found: Numbers) -> str:
    return f"{human_number(found['median'])} ({' to '.join(map(human_number, found['bands']['95']))})"


def _plain(found: Numbers) -> str:
    low, high = found["bands"]["95"]
    return f"{found['median']:.2f} ({low:.2f} to {high:.2f})"


def _backtest_rows(n: Numbers) -> Iterator[list[str]]:
    for model, found in n["backtest"].items():
        for family, scores in {"all": found["by_factor"], **found.get("by_family", {})}.items():
            for factor, s in scores.items():
                distant = s["at_distance"]
                yield [
                    *(model, f"{factor}x", family),
                    "" if s["fitted_runs"] is None else str(s["fitted_runs"]),
                    str(s["held_out_runs"]),
                    f"{s['inside']} ({100 * s['coverage']:.0f}%)",
                    f"{distant['inside']} of {distant['held_out_runs']}",
                    *(f"{s[k]:.1f}%" for k in ("median_width_percent", "mean_interval_score_percent")),
                    f"{s['mean_crps_percent']:.2f}%",
                    f"{s['median_error_percent']:.1f}%",
                    f"{s['mean_bias_percent']:+.1f}%",
                    _one_digit(s["elpd"]),
                ]


def _facts(n: Numbers) -> Iterator[tuple[str, str]]:
    """Yield what the page says under How it was made."""
    p, q, units = n["provenance"], n["question"], n["units"]
    yield (
        "Runs",
        f"{n['runs']} from {p['source']}, {scientific(q['smallest_run_flop'])} to {scientific(q['largest_run_flop'])} "
        "FLOP",
    )
    if p["licence"]:
        yield "Licence of the runs", p["licence"]
    yield "SHA-256 of the runs", p["sha256"]
    yield "Conventions", f"loss in {units['loss']}; N {units['params_convention']}; compute C = {units['cost']}"
    for model, equation in p["laws"].items():
        reference = p["reference_run"][model]
        where = f"N = {human_number(reference['params'])}, D = {human_number(reference['tokens'])}"
        yield f"Form, {model}", f"{equation}; sampled at the reference run {where}"
    yield "Seed", str(p["seed"])
    for model, settings in p["settings"].items():
        yield f"Sampler, {model}", "NUTS (nutpie), " + ", ".join(f"{k} {v}" for k, v in settings.items() if k != "seed")
    yield "Versions", ", ".join(f"{name} {version}" for name, version in p["versions"].items())
