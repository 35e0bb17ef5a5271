"""The command ``bayescale finish``: where runs in progress will end, or what annealing would give now."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.options import SEED, At, Flag, Output, Picture, Seed, Unconverged, read_at
from bayescale.cli.reading import CURVE_READING, CurveReading, read_curves_and_warn
from bayescale.cli.schema import Document
from bayescale.cli.show import check_picture_file, draw_picture, sentences_of, show
from bayescale.errors import QuestionError, did_you_mean
from bayescale.numbers import human_number

if TYPE_CHECKING:
    import xarray as xr


MASS = 0.9


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Ending(Output):
    """Where the runs in progress will end, and what is asked of the ends."""

    tokens: str | None = None
    """Where they will end (20B); by default where the log says they were planned to."""
    lr_fraction: float | None = None
    """The learning rate at their end as a share of its peak (default 0)."""
    at: Annotated[At, Parameter(help="What else changes along a run, at its end.")] = None
    tolerance: float | None = None
    """Say from when on the band was narrower than this share of the loss."""
    target: float | None = None
    """Say from when on the band did not hold this loss any more."""
    picture: Picture = None
    picture_of: Annotated[str | None, Parameter(metavar="RUN")] = None
    """Which run is drawn (default: the first)."""


ENDING = Ending()


def finish(
    fit: Annotated[Path, Parameter(metavar="FIT.nc", help="A posterior of learning curves: fit --model NAME+curve.")],
    runs: Annotated[Path, Parameter(metavar="CURVES", help="The checkpoints of the runs in progress.")],
    /,
    *,
    reading: CurveReading = CURVE_READING,
    ending: Ending = ENDING,
    annealed: Annotated[Flag, Parameter(help="Instead: what each run would have if it were annealed now.")] = False,
    allow_unconverged: Unconverged = False,
    seed: Seed = SEED,
) -> Document:
    """Print where runs in progress will end, from their checkpoints so far."""
    from bayescale.answers import annealed as anneal_now
    from bayescale.answers import finish as ask_finish
    from bayescale.posterior import Posterior

    check_picture_file(ending.picture)
    if ending.picture_of and not ending.picture:
        raise QuestionError("--picture-of says which run is drawn: add --picture FILE.png.")
    tree = bs.load_fit(fit)
    curves = read_curves_and_warn(runs, reading, Posterior(tree).card)
    if annealed:
        names = [name for name in Ending.__dataclass_fields__ if name not in Output.__dataclass_fields__]
        if idle := [f"--{name.replace('_', '-')}" for name in ending.given(*names)]:
            raise QuestionError(f"--annealed asks about the runs where they stand; it does not take {', '.join(idle)}.")
        return _show_annealed(anneal_now(tree, curves, seed=seed, allow_unconverged=allow_unconverged))
    known = [str(name) for name in dict.fromkeys(sorted(curves["run"].values))]
    if ending.picture_of and ending.picture_of not in known:
        raise QuestionError(f"--picture-of {ending.picture_of!r}: no such run.{did_you_mean(ending.picture_of, known)}")
    answer = ask_finish(
        tree,
        curves,
        ending.tokens,
        lr_fraction=ending.lr_fraction or 0.0,
        at={name: values[0] for name, values in read_at(ending.at).items()},
        tolerance=ending.tolerance,
        target=ending.target,
        seed=seed,
        allow_unconverged=allow_unconverged,
    )
    document = _show_ends(answer)
    draw_picture(document, ending.picture, "plot_finish", answer, run=ending.picture_of)
    return document


def _show_ends(answer: "xr.Dataset") -> Document:
    """Print the last loss of each run, given its checkpoints so far."""
    attrs, clock = answer.attrs, "tokens" if "tokens" in answer.coords else "step"
    return show(
        answer,
        f"{attrs['question']} ({attrs['loss_unit']}), model {attrs['model']}",
        before={"done": lambda row: f"{row.at['share']:.0%} of {human_number(row.at[clock] or 0)}"},
        across={"loss": "last loss"},
        beside={"safe_from": "may be stopped from"} if "safe_from" in answer else {},
        mass=attrs["prob"],
        last="The band is that of the last loss as it will be measured, given the run's own checkpoints so far.\n"
        + sentences_of(answer),
    )


def _show_annealed(answer: "xr.Dataset") -> Document:
    """Print what the loss of each run would be if its learning rate were let fall to nothing where it stands."""
    attrs, clock = answer.attrs, "tokens" if "tokens" in answer.coords else "step"
    measured = dict(zip(map(str, answer["run"].values), answer["measured"].values, strict=True))
    return show(
        answer,
        f"{attrs['question']} ({attrs['loss_unit']}), model {attrs['model']}",
        before={
            f"{clock} so far": lambda row: human_number(row.at[clock] or 0),
            "loss now": lambda row: f"{measured[str(row.labels['run'])]:.4g}",
        },
        across={"loss": "annealed"},
        beside={"gained": "gained"},
        mass=MASS,
        last=f"Annealing now would take {float(answer['gained'].median()):.1%} off the loss of a run in the middle.",
    )
