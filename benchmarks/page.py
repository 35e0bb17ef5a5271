"""Write docs/benchmark.md from the tables of results."""

from pathlib import Path

import pandas as pd

from benchmarks import ours
from benchmarks.curves import LAWS
from benchmarks.methods import PEERS as PEERS_OF_SETS
from benchmarks.results import CURVES, RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
COLUMNS = {
    "coverage": "coverage",
    "coverage_top": "top third",
    "winkler": "Winkler",
    "width": "width",
    "error": "error",
    "bias": "bias",
    "crps": "CRPS",
}
ONE_DECIMAL = ("winkler", "width")
HEAD = """# Benchmark: did the bands hold?

Written by `make benchmark-trust`; not edited by hand. The numbers are in
[benchmarks/results.csv](../benchmarks/results.csv) and [benchmarks/curves.csv](../benchmarks/curves.csv), the code
beside them. The runs are public, but their licences keep them out of this repository: the command needs the folder
`shared` beside it and says so where it is absent.

## Runs of language models, from 10 to 100 times the compute

Each method sees the runs with C <= Cmax / factor of a set and predicts all larger ones: default settings, the same for
every set. **coverage**: share of the runs inside the nominal 90% band; **top third**: the same among the top third of
log compute; **Winkler**: mean interval score of that band, its width plus 20 times the overshoot; **width**: its median
width; **error**: median absolute error of the predicted median; **bias**: its mean error, positive where runs came out
better than predicted; **CRPS**: mean continuous ranked probability score. All but the coverages in % of the loss; lower
is better. The means are over the sets, each counted once; *(8 of 10 sets)*: on the others the form's chains did not
agree, and it was not quoted, so that such a mean does not compare with the rest.

The priors of `coupled-public` and of the drift, the forms' weights before and how far they are drawn together are one
setting for all sets, chosen on these ten (`make learn-priors`): so these are not sets that our rows have never seen.
How much the forms' rehearsals count is tested whole at 10x and, but for one set, at 30x; below the cut of 100x they are
shorter than the question, and count half ([ADR 16](adr/0016-many-forms-one-answer.md)).
"""
PEERS = """
*Huber bootstrap* is what people do: the form fitted by summed Huber loss (delta 0.001) of log loss from a grid of
starts, 100 refits to runs drawn with replacement, and residuals of the fit drawn with replacement. Its median is that
of those draws; the point fit itself errs by {errors} in the median.
"""
CURVES_HEAD = """
## The 92 learning curves of Alabdulmohsin et al. 2022

The smaller part of each curve is fitted, the larger (up to twice the examples) predicted, as the benchmark has it; its
copies of points are left out. **RMSLE**: root mean square of the log residuals, lower is better. **log score**: mean
log density of the log losses, higher is better. Both are means over the curves of a domain. M1-M4 (power, power-floor,
shifted, plateau) and BNSL (broken-1) are least squares in log loss from many starts; their predictions are taken as
normal, with the variance of the residuals plus that over 50 refits to points drawn with replacement. *Best of M1-M4*
is the best of the four in each column.

*Stacked forecast* is what `bs.forecast` says of a curve: broken, power-floor and shifted, the first also with a drift,
weighted by how each predicted the upper half of the fitted examples from the lower; its median is scored. Unlike the
settings above, the priors and the prior weights of these forms were chosen on these curves, by one rule for all four
domains: the table says that one rule suits them all, not how it does elsewhere.
"""
PEERS_OF_CURVES, BEST = ("M1", "M2", "M3", "M4"), "best of M1-M4"
ORDER = (*LAWS, *ours.methods(), *PEERS_OF_SETS)
DOMAINS = {"IC": "images (72)", "NMT": "translation (5)", "LM": "language (5)", "BB": "BIG-bench (10)"}


def write_page() -> Path:
    """Write the page and return its path."""
    results, curves = (_sort_methods(pd.read_csv(path)) if path.exists() else None for path in (RESULTS, CURVES))
    PAGE.write_text(page(results, curves), encoding="utf-8")
    return PAGE


def _sort_methods(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the methods in one order, whichever was scored first."""
    place = {method: i for i, method in enumerate(ORDER)}
    return rows.sort_values("method", key=lambda names: names.map(place), kind="stable")


def page(results: pd.DataFrame | None, curves: pd.DataFrame | None) -> str:
    """Return the text of the page; a table that is not there has no section."""
    parts = [HEAD]
    if results is not None:
        factors = sorted(results["factor"].unique(), reverse=True)
        parts += [_write_means(results[results["factor"] == factor], factor) for factor in factors]
        parts += [_write_peers(results[results["factor"] == factors[0]]), _write_forecast(results, factors)]
        parts += [_write_sets(results[results["factor"] == factors[0]])]
    if curves is not None:
        parts += [CURVES_HEAD, _write_domains(curves)]
    return "\n".join(parts) + "\n"


def _write_means(rows: pd.DataFrame, factor: float) -> str:
    sets = rows["set"].nunique()
    means = rows.groupby("method", sort=False)[list(COLUMNS)].mean()
    counts = rows.groupby("method", sort=False).size()
    # A mean over fewer sets is of other sets: the page's head says why.
    names = {m: str(m) if n == sets else f"{m} ({n} of {sets} sets)" for m, n in counts.items()}
    body = [[names[method], *_format_numbers(row)] for method, row in means.iterrows()]
    return f"### {factor:g}x: means over {sets} sets\n\n" + table(["method", *COLUMNS.values()], body)


def _write_forecast(results: pd.DataFrame, factors: list[float]) -> str:
    """Return the table of the forecast's coverage on every set and at every cut-off, the low ones included."""
    ours_alone = results[results["method"] == ours.FORECAST].set_index(["set", "factor"])
    head = ["set", *(f"{column}, {factor:g}x" for factor in factors for column in ("runs", "coverage", "top third"))]
    body = []
    for name in dict.fromkeys(name for name, _ in ours_alone.index):
        cells = [name]
        for factor in factors:
            row = ours_alone.loc[(name, factor)]
            cells += [f"{row['runs']:.0f}", f"{row['coverage']:.2f}", f"{row['coverage_top']:.2f}"]
        body.append(cells)
    return f"### The {ours.FORECAST} on each set\n\n" + table(head, body)


def _write_sets(rows: pd.DataFrame) -> str:
    parts = []
    for name, of_set in rows.groupby("set", sort=False):
        body = [[str(row["method"]), *_format_numbers(row)] for _, row in of_set.iterrows()]
        parts.append(f"#### {name}: {of_set['runs'].iloc[0]} runs\n\n" + table(["method", *COLUMNS.values()], body))
    return f"### Each set at {rows['factor'].iloc[0]:g}x\n\n" + "\n".join(parts)


def _write_peers(rows: pd.DataFrame) -> str:
    errors = rows.groupby("method", sort=False)["error_point"].mean().dropna()
    if errors.empty:
        return ""
    return PEERS.format(errors=", ".join(f"{value:.2f}% ({method})" for method, value in errors.items()))


def _format_numbers(row: pd.Series) -> list[str]:
    return [f"{row[name]:.{1 if name in ONE_DECIMAL else 2}f}" for name in COLUMNS]


def _write_domains(curves: pd.DataFrame) -> str:
    domains = [name for name in DOMAINS if name in set(curves.domain)]
    grouped = curves.groupby(["method", "domain"], sort=False)[["rmsle", "log_score"]]
    means, counts = grouped.mean(), grouped.size()
    body = [
        [method, *_format_cells(means.loc[method], counts[method], counts, domains)]
        for method in dict.fromkeys(curves.method)
    ]
    peers = means[means.index.isin(PEERS_OF_CURVES, level="method")].groupby("domain")
    if len(peers):
        best = pd.DataFrame({"rmsle": peers["rmsle"].min(), "log_score": peers["log_score"].max()})
        body.append([BEST, *_format_cells(best, counts.groupby("domain").max(), counts, domains)])
    head = ["method", *(f"RMSLE, {DOMAINS[d]}" for d in domains), *(f"log score, {DOMAINS[d]}" for d in domains)]
    return table(head, body)


def _format_cells(means: pd.DataFrame, mine: pd.Series, counts: pd.Series, domains: list[str]) -> list[str]:
    """Return the scores of one method; a mean over fewer curves of a domain than others had says so."""
    cells = []
    for name, digits in (("rmsle", 5), ("log_score", 2)):
        for domain in domains:
            every = counts.xs(domain, level="domain").max()
            if domain not in means.index:
                cells.append("")
                continue
            few = "" if mine[domain] == every else f" ({mine[domain]} of {every})"
            cells.append(f"{float(means[name][domain]):.{digits}f}{few}")
    return cells


def table(head: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table, its first column of words and the others of numbers."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *body)) + "\n"
