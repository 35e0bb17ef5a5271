"""All tables of the page: a title, the heads of the columns, and the rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bayescale.numbers import human_number, loss_text, scientific
from bayescale.report.numbers import PARTS, Numbers
from bayescale.report.words.phrases import by_weight

BANDS = "50%|80%|95%"


def list_tables(n: Numbers) -> Iterator[dict[str, Any]]:
    """Yield the tables of the page in order.

    Parameters
    ----------
    n : dict
        From `collect_numbers`.

    Yields
    ------
    dict
        ``title``, ``head`` (a list of texts) and ``rows`` (lists of texts), as the template takes them.
    """
    if n["forecast"]["possible"]:
        yield from _list_stack_tables(n)
    q, unit = n["question"], n["units"]["loss"]
    target = f"{scientific(q['compute_flop'])} FLOP"
    plain = [(model, family, f) for model, by in n["extrapolation"].items() for family, f in by.items()]
    parts = [part for part in PARTS if any(part in f["shares"] for _, _, f in plain)]
    yield _make_table(
        f"By the plain forms, each as if it were right: loss at {q['times_largest_run']:.3g}x the largest run, "
        f"{target}",
        f"form|family|grade|N (parameters)|D (tokens)|loss ({unit})|{BANDS}|{_head_parts(parts)}|decades beyond",
        [
            [
                *(model, family, f["grade"]["letter"]),
                *_write_loss(f, parts),
                f"{q['family_decades_beyond'][family]:.1f}",
            ]
            for model, family, f in plain
        ],
    )
    yield _make_table(
        f"Compute-optimal split at {target}: median and 95% band",
        "form|family|grade|N (parameters)|D (tokens)|tokens per parameter|N grows as C to the|D grows as C to the",
        [
            [
                *(model, family, f["optimal_grade"]["letter"]),
                *(_write_band(f["optimal"][k], human_number) for k in ("params", "tokens", "tokens_per_param")),
                *(_write_band(f["optimal"][k], "{:.2f}".format) for k in ("exponent_params", "exponent_tokens")),
            ]
            for model, family, f in plain
        ],
    )
    yield _make_table(
        f"Irreducible loss ({unit})",
        f"form|family|grade|median|{BANDS}|prior 95%|lowest loss seen|prior's spread removed|known",
        [
            [
                *(model, family, f["grade"]["letter"] if "grade" in f else "", *write_bands(f)),
                "{:.3g} to {:.3g}".format(*f["prior"]["bands"]["95"]) if "prior" in f else "",
                f"{f['lowest_seen']:.4f}",
                "" if f["learned"] is None else f"{100 * max(f['learned'], 0):.0f}%",
                f"{f['truth']:.5g}" if "truth" in f else "",
            ]
            for model, floor in n["irreducible_loss"].items()
            if floor["a_parameter"]
            for family, f in floor["families"].items()
        ],
    )
    yield _make_table(
        "Leaving out one run (log density of log loss, higher is better)",
        "form|elpd|its error|against the best|its error|effective parameters|stacking weight|high Pareto k|refitted",
        [
            [
                r["model"],
                *(_write_number(r[k], "{:.1f}") for k in ("elpd_loo", "se", "elpd_diff", "dse", "p_loo")),
                f"{r['weight']:.2f}",
                *(f"{r[k]:.0f}" for k in ("bad_k", "refitted")),
            ]
            for r in (n["forms"]["loo"] or {"table": []})["table"]
        ],
    )
    yield _make_table(
        "Leaving out the largest runs (90% bands; misses in % of the loss)",
        "form|cut|family|fitted|left out|inside|about that far out|band width|interval score|CRPS|median miss|mean bias"
        "|elpd",
        _list_backtest_rows(n),
    )
    stacked = {n["forecast"]["leading"]: n["forecast"]["prior_sensitivity"]} if n["forecast"]["possible"] else {}
    yield _make_table(
        "How far the answers lean on priors (a sensitivity of 0.05 is worth a look)",
        "form|number|all priors|all runs|leans most on the prior of|and",
        [
            [
                *(form, row["answer"]),
                *(_write_number(row[k], "{:.2g}") for k in ("prior_sensitivity", "likelihood_sensitivity")),
                *(row["leans_on"], row["diagnosis"]),
            ]
            for form, rows in {**stacked, **n["prior_sensitivity"]}.items()
            for row in rows
        ],
    )
    yield _make_table(
        "Convergence",
        "form|check|worst|limit|where|passed",
        [
            [
                *(model, c["check"], _write_number(c["value"], "{:.4g}") or "not a number"),
                *(f"{c['limit']:g}", c["worst"], "yes" if c["passed"] else "NO"),
            ]
            for model, checked in n["convergence"].items()
            for c in checked["checks"]
        ],
    )


def _list_stack_tables(n: Numbers) -> Iterator[dict[str, Any]]:
    """Yield the tables of the stacked forms."""
    stacked, q, unit = n["forecast"], n["question"], n["units"]["loss"]
    where = f"{q['times_largest_run']:.3g}x the largest run"
    parts = list(next(iter(stacked["families"].values()))["shares"])
    yield _make_table(
        f"All forms together: loss at {where}",
        f"family|grade|N (parameters)|D (tokens)|loss ({unit})|{BANDS}|{_head_parts(parts)}|decades beyond",
        [
            [family, f["grade"]["letter"], *_write_loss(f, parts), f"{q['family_decades_beyond'][family]:.1f}"]
            for family, f in stacked["families"].items()
        ],
    )
    tests = "".join(f"|score, {factor:.3g}x" for factor in stacked["rehearsals"])
    yield _make_table(
        f"Each form alone: loss at {where} (score: mean log density of a larger run that it predicted)",
        f"form|family|weight before|weight now{tests}|loss ({unit})|{BANDS}",
        [
            [
                *(name, family, *(f"{100 * stacked['forms'][name][k]:.1f}%" for k in ("prior_weight", "weight"))),
                *(_write_number(score, "{:.2f}") for score in stacked["forms"][name]["scores"]),
                *write_bands(loss),
            ]
            for name in by_weight(n)
            for family, loss in stacked["forms"][name]["loss"].items()
        ],
    )
    yield _make_table(
        "What the grade is made of",
        "family|part|level|why",
        [
            [family, part["name"], part["level"], part["sentence"]]
            for family, f in stacked["families"].items()
            for part in f["grade"]["parts"]
        ],
    )
    yield _make_table(
        f"The runs that the loss by {stacked['leading']} hangs on most",
        "run|moves the loss by|of half the 90% band|Pareto k",
        [
            [
                str(row["run"]) + (f" (on {row['answer_family']})" if "answer_family" in row else ""),
                f"{row['shift']:+.2f}%",
                f"{100 * row['of_band']:+.0f}%",
                f"{row['pareto_k']:.2f}" + ("" if row["reliable"] else ": needs a fit without it"),
            ]
            for row in stacked["single_runs"]["most"]
        ],
    )


def _list_backtest_rows(n: Numbers) -> Iterator[list[str]]:
    for model, held in n["backtest"].items():
        for family, scores in {"all": held["by_factor"], **held.get("by_family", {})}.items():
            for factor, s in scores.items():
                distant = s["at_distance"]
                yield [
                    *(model, f"{factor}x", family),
                    _write_number(s["fitted_runs"], "{}"),
                    str(s["held_out_runs"]),
                    f"{s['inside']} ({100 * s['coverage']:.0f}%)",
                    f"{distant['inside']} of {distant['held_out_runs']}",
                    *(f"{s[k]:.1f}%" for k in ("median_width_percent", "mean_interval_score_percent")),
                    f"{s['mean_crps_percent']:.2f}%",
                    f"{s['median_error_percent']:.1f}%",
                    f"{s['mean_bias_percent']:+.1f}%",
                    _write_number(s["elpd"], "{:.1f}"),
                ]


def _make_table(title: str, head: str, rows: Iterable[list[str]]) -> dict[str, Any]:
    """Return a table as the template takes it; the heads of its columns stand between bars."""
    return {"title": title, "head": head.split("|"), "rows": list(rows)}


def _head_parts(parts: list[str]) -> str:
    return "|".join(PARTS[part] for part in parts)


def _write_loss(f: Numbers, parts: list[str]) -> list[str]:
    """Return N, D, the loss with its bands, and what the width is made of."""
    shares = (f"{100 * f['shares'].get(part, 0):.0f}%" for part in parts)
    return [human_number(f["params"]), human_number(f["tokens"]), *write_bands(f["loss"]), *shares]


def write_bands(numbers: Numbers) -> list[str]:
    """Return the median and the 50, 80 and 95% bands, with the digits that they support."""
    low, high = numbers["bands"]["95"]
    width = high - low
    return [
        loss_text(numbers["median"], width=width)[0],
        *(" to ".join(loss_text(*numbers["bands"][p], width=width)) for p in ("50", "80", "95")),
    ]


def _write_band(numbers: Numbers, write: Callable[[float], str]) -> str:
    return f"{write(numbers['median'])} ({' to '.join(map(write, numbers['bands']['95']))})"


def _write_number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
