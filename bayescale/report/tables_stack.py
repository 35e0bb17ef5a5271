"""The tables of the first answer, and what all tables of the page share."""

from collections.abc import Iterator
from typing import Any

from bayescale.numbers import human_number
from bayescale.plots.style import loss_text
from bayescale.report.numbers import PARTS, Numbers
from bayescale.report.words import by_weight


def table(title: str, head: str, rows: list[list[str]]) -> dict[str, Any]:
    """Return a table as the template takes it; the heads of its columns stand between bars."""
    return {"title": title, "head": head.split("|"), "rows": rows}


def losses(found: Numbers) -> list[str]:
    """Return the median and the 50, 80 and 95% bands, with the digits that they support."""
    low, high = found["bands"]["95"]
    width = high - low
    return [
        loss_text(found["median"], width=width)[0],
        *(" to ".join(loss_text(*found["bands"][p], width=width)) for p in ("50", "80", "95")),
    ]


def stack_tables(n: Numbers) -> Iterator[dict[str, Any]]:
    """Yield the tables of the stacked forms; none where no form could be stacked."""
    stacked, q, unit = n["forecast"], n["question"], n["units"]["loss"]
    if not stacked["possible"]:
        return
    where = f"{q['times_largest_run']:.3g}x the largest run"
    heads = "|".join(PARTS[part] for part in next(iter(stacked["families"].values()))["shares"])
    yield table(
        f"All forms together: loss at {where}",
        f"family|grade|N (parameters)|D (tokens)|loss ({unit})|50%|80%|95%|{heads}|decades beyond",
        [
            [
                *(family, f["grade"]["letter"], human_number(f["params"]), human_number(f["tokens"])),
                *losses(f["loss"]),
                *(f"{100 * share:.0f}%" for share in f["shares"].values()),
                f"{q['family_decades_beyond'][family]:.1f}",
            ]
            for family, f in stacked["families"].items()
        ],
    )
    tests = "".join(f"|score, {factor:.3g}x" for factor in stacked["rehearsals"])
    yield table(
        f"Each form alone: loss at {where} (score: mean log density of a larger run that it predicted)",
        f"form|family|weight before|weight now{tests}|loss ({unit})|50%|80%|95%",
        [
            [
                *(name, family, *(f"{100 * stacked['forms'][name][k]:.1f}%" for k in ("prior_weight", "weight"))),
                *("" if score is None else f"{score:.2f}" for score in stacked["forms"][name]["scores"]),
                *losses(found),
            ]
            for name in by_weight(n)
            for family, found in stacked["forms"][name]["loss"].items()
        ],
    )
    yield table(
        "What the grade is made of",
        "family|part|level|why",
        [
            [family, part["name"], part["level"], part["sentence"]]
            for family, f in stacked["families"].items()
            for part in f["grade"]["parts"]
        ],
    )
    yield table(
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


def sensitivity_table(n: Numbers) -> dict[str, Any]:
    """Return the table of how far the answers lean on priors: of the form that weighs most, and of the plain forms."""
    stacked = {n["forecast"]["leading"]: n["forecast"]["prior_sensitivity"]} if n["forecast"]["possible"] else {}
    return table(
        "How far the answers lean on priors (a sensitivity of 0.05 is worth a look)",
        "form|number|all priors|all runs|leans most on the prior of|and",
        [
            [
                *(form, row["answer"], _short(row["prior_sensitivity"]), _short(row["likelihood_sensitivity"])),
                *(row["leans_on"], row["diagnosis"]),
            ]
            for form, rows in {**stacked, **n["prior_sensitivity"]}.items()
            for row in rows
        ],
    )


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
