"""The commands ``bayescale check`` and ``bayescale data``: what a run log holds, and which ones are shipped."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.console import out
from bayescale.cli.options import MODEL, OUTPUT, Output, Runs
from bayescale.cli.reading import CURVE_READING, CurveReading, holds_curves, read_curve_log, read_log
from bayescale.cli.schema import Document, FindingRow, LogRow
from bayescale.cli.show import say
from bayescale.errors import DesignError

if TYPE_CHECKING:
    import xarray as xr


def check(
    runs: Runs,
    /,
    *,
    reading: CurveReading = CURVE_READING,
    model: Annotated[str | None, Parameter(help="The card that the runs are to identify (default chinchilla).")] = None,
) -> Document:
    """Print what the reader understood of a run log, what is wrong with it, and what it can tell."""
    from bayescale.design import identifiability, identified, unidentified
    from bayescale.runs import describe_curves, describe_runs

    if holds_curves(runs, reading):
        curves = read_curve_log(runs, reading, bs.load_card(model) if model else None)
        out.print(describe_curves(curves), markup=False)
        return _describe_log(curves, "checkpoint")
    card = bs.load_card(model or MODEL)
    log = read_log(runs, reading)
    out.print(describe_runs(log), markup=False)
    document = _describe_log(log, "run")
    document.model = card.name
    try:
        design = identifiability(log, card)
        sentences = unidentified(design) or [identified(design)]
    except DesignError as error:
        if model:
            raise
        sentences = [str(error)]
    other = "" if model else " (--model asks about another)"
    out.print(f"What the design can tell of {card.name}{other}:", markup=False)
    say(document, *(f"  - {sentence}" for sentence in sentences))
    document.sentences = sentences
    return document


def _describe_log(log: "xr.Dataset", what: str) -> Document:
    """Return the document of a log that was read: where it is from, and what was found in it."""
    from bayescale.runs import findings

    names = ("source", "title", "loss_unit", "params_convention")
    about = {name: str(log.attrs[name]) for name in names if name in log.attrs}
    return Document(
        runs=about | {f"{what}s": log.sizes[what]},
        findings=[
            FindingRow(code=f.code, level=f.level, message=f.message, rows=list(map(int, f.rows)), column=f.column)
            for f in findings(log)
        ],
    )


def data(*, printing: Output = OUTPUT) -> Document:
    """List the run logs that come with the package."""
    from bayescale.runs.shipped import shipped_logs

    logs = [LogRow(name=x.name, title=x.title, licence=x.licence, path=str(x.path)) for x in shipped_logs()]
    for log in logs:
        out.print(f"{log.name}: {log.title}\n  licence: {log.licence}\n  {log.path}", markup=False)
    return Document(logs=logs)
