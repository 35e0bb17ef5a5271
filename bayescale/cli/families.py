"""The command ``bayescale families``: what families lend one another."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.console import out, steps
from bayescale.cli.options import MODEL, SEED, WORK, Model, Picture, Runs, Seed, Work
from bayescale.cli.reading import CURVE_READING, CurveReading, read_for_cards, warn_of_sharing
from bayescale.cli.schema import Document
from bayescale.cli.show import check_picture_file, draw_picture, say, show
from bayescale.errors import QuestionError

if TYPE_CHECKING:
    import xarray as xr


POOLINGS = {"none": "each alone", "partial": "partially pooled", "complete": "all as one"}


def families(
    runs: Runs,
    /,
    *,
    reading: CurveReading = CURVE_READING,
    model: Model = MODEL,
    parameter: Annotated[str, Parameter(help="A parameter of its law.")] = "E",
    picture: Picture = None,
    work: Work = WORK,
    seed: Seed = SEED,
) -> Document:
    """Print a parameter of every family alone, partially pooled and as one with all others."""
    from bayescale.forms import shrinkage

    card = bs.load_card(model)
    names = card.get_law().parameter_names
    if parameter not in names:
        raise QuestionError(f"--parameter {parameter!r}: the law of {model} has {', '.join(names)}.")
    check_picture_file(picture)
    log = read_for_cards(runs, reading, [model])
    warn_of_sharing(log, [card])
    with work.start(), steps() as progress:
        answer = shrinkage(log, model, seed=seed, progress=progress)
    by_pooling = {str(name): answer[parameter].sel(pooling=name) for name in answer["pooling"].values}
    document = show(
        answer[["runs"]].assign({name: draws.reset_coords(drop=True) for name, draws in by_pooling.items()}),
        f"{parameter} of {model} by family: median and 95% band",
        across={name: POOLINGS.get(name, name) for name in by_pooling},
        before={"runs": lambda row: str(int(answer["runs"].sel(family=row.labels["family"])))},
    )
    for converged, line in zip(answer["converged"].values, answer.attrs["verdicts"].splitlines(), strict=True):
        if not converged:
            out.print(line, markup=False)
    draw_picture(document, picture, "plot_shrinkage", answer, parameter=parameter, prob=0.95)
    say(document, _narrowing_text(answer, parameter))
    return document


def _narrowing_text(answer: "xr.Dataset", parameter: str) -> str:
    """Say by how much partial pooling narrows the bands."""
    ends = answer[parameter].quantile([0.025, 0.975], ("chain", "draw"))
    width = ends.isel(quantile=1) - ends.isel(quantile=0)
    saved = 1 - (width.sel(pooling="partial") / width.sel(pooling="none")).values
    most = int(saved.argmax())
    if saved[most] <= 0:
        return "Partial pooling narrows no family's band."
    return (
        f"Partial pooling narrows the band of {answer['family'].values[most]} most, by {saved[most]:.0%}; "
        f"{int((saved > 0).sum())} of {saved.size} bands are narrower."
    )
