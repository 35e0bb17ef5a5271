"""The command ``bayescale report``: the main job, with a page of figures at its end."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.console import steps
from bayescale.cli.options import AGAINST, MODEL, SEED, WORK, Models, Runs, Seed, Work
from bayescale.cli.reading import CURVE_READING, CurveReading, read_ended_runs
from bayescale.cli.schema import Document
from bayescale.cli.show import say, say_file


def report(
    runs: Runs,
    /,
    *,
    reading: CurveReading = CURVE_READING,
    forms: Annotated[Models, Parameter(help="The cards that the first answer stacks.")] = None,
    model: Annotated[str, Parameter(help="The plain card of answers 2 and 3.")] = MODEL,
    against: Annotated[str, Parameter(help="The plain card that it is held against.")] = AGAINST,
    at: Annotated[str, Parameter(help="Where to: a multiple of the largest run, or FLOP.")] = "100x",
    out: Annotated[Path, Parameter(help="Folder for the report.")] = Path("report"),
    work: Work = WORK,
    seed: Seed = SEED,
) -> Document:
    """Answer the three questions with a page of figures, and save the posteriors."""
    from bayescale.report import check_writable, terminal_summary

    check_writable(out)
    log = read_ended_runs(runs, reading)
    with work.start(), steps() as progress:
        study = bs.study(log, at, model=model, against=against, forms=forms, seed=seed, progress=progress)
        progress("drawing the figures and writing the page")
        page = study.save(out)
    document = Document(model=study.model)
    say(document, terminal_summary(study))
    say_file(document, "Report", out / page.name)
    return document
