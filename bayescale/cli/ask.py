"""The command ``bayescale ask``: one question to a saved posterior, its answer as a table, a sentence and a picture."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from bayescale.cli.options import OfPosterior, Picture, Where, Words, read_at, read_numbers
from bayescale.cli.posterior import open_posterior
from bayescale.cli.question_table import QUESTIONS, Question
from bayescale.cli.schema import Document
from bayescale.cli.show import check_picture_file, draw_picture, sentences_of, show
from bayescale.errors import QuestionError

if TYPE_CHECKING:
    import xarray as xr

RUNS_SHOWN = 15
NUMBERS = ("loss", "eps", "factors", "epochs", "share")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asking(OfPosterior, Where):
    """What a question is asked with; `bayescale ask` says which question needs what."""

    unique_tokens: Words = None
    """Tokens that there are, of which D are repeats: 25B."""
    loss: Words = None
    """Losses."""
    eps: Words = None
    """Distances from the floor, in the unit of the loss."""
    factors: Words = None
    """Sizes as multiples of the best one."""
    epochs: Words = None
    """Numbers of epochs."""
    share: Words = None
    """An epoch worth less than this share of fresh tokens is not worthwhile."""
    batches: Words = None
    """Tokens a step."""
    seconds_per_step: Words = None
    """How long a step takes."""
    max_accelerators: Words = None
    """How many accelerators can be used at once."""
    tokens_per_accelerator: Words = None
    """How many tokens each accelerator takes a step."""
    deadline: Words = None
    """90min, 12h or 7d."""
    models: Words = None
    """Two known models by name."""
    beside: Annotated[Words, Parameter(metavar="FIT.nc...")] = None
    """Further posteriors."""


ASKING = Asking()


OPTIONS = [name for name in Asking.__dataclass_fields__ if name not in OfPosterior.__dataclass_fields__]


def ask(
    question: Annotated[
        Literal[tuple(QUESTIONS)],  # type: ignore[valid-type]
        Parameter(show_choices=False, help="One of those below."),
    ],
    fit: Annotated[Path | None, Parameter(metavar="FIT.nc")] = None,
    /,
    *,
    asking: Asking = ASKING,
    picture: Picture = None,
) -> Document:
    """Ask a saved posterior one of the questions below."""
    asked = QUESTIONS[question]
    options = _read_options(question, asked, asking)
    if picture and not asked.plot:
        drawn = ", ".join(name for name, other in QUESTIONS.items() if other.plot)
        raise QuestionError(f"{question} has no picture. Questions that have one: {drawn}.")
    if asked.of_papers and fit:
        raise QuestionError(f"{question} asks published constants alone; it does not take a posterior.")
    check_picture_file(picture)
    name = ""
    if asked.of_papers:
        answer = asked.function(**options)
    elif fit is None:
        raise QuestionError(f"{question} is asked of a posterior: bayescale ask {question} FIT.nc.")
    else:
        of_family = bool({"family", "options"} & set(inspect.signature(asked.function).parameters))
        if asking.family and not of_family:
            raise QuestionError(f"{question} does not take --family.")
        tree, family, name = open_posterior(fit, asking)
        options |= {"family": family} if of_family else {}
        answer = asked.function(tree, **options, allow_unconverged=asking.allow_unconverged)
    return _show_answer(question, asked, answer, name, picture)


def _read_options(question: str, asked: Question, asking: Asking) -> dict[str, Any]:
    """Return the options that were given; refuse those that are missing, idle or too many."""
    given = asking.given(*OPTIONS)
    if missing := [name for name in asked.needs if name not in given]:
        raise QuestionError(f"{question} needs {' and '.join(_option(name) for name in missing)}.")
    if idle := [name for name in given if name not in (*asked.needs, *asked.takes)]:
        raise QuestionError(f"{question} does not take {', '.join(_option(name) for name in idle)}.")
    options = {name: read_numbers(_option(name), v) if name in NUMBERS else v for name, v in given.items()}
    for name in [name for name in options if name in asked.single]:
        if len(options[name]) > 1:
            raise QuestionError(f"{question} takes one value of {_option(name)}; got {len(options[name])}.")
        options[name] = options[name][0]
    return options | ({"at": read_at(asking.at)} if asking.at else {})


def _show_answer(question: str, asked: Question, answer: "xr.Dataset", family: str, picture: Path | None) -> Document:
    """Print an answer and save its picture; of an answer about runs, the first are printed."""
    attrs = answer.attrs
    of = "".join(f", {text}" for text in (f"model {attrs['model']}" if "model" in attrs else "", family) if text)
    title = f"{attrs.get('question', asked.answers)}{of}"
    across = {name: text for name, text in asked.across.items() if name in answer}
    of_runs = bool(across) and "run" in answer[next(iter(across))].dims
    runs = set(map(str, answer["run"].values[:RUNS_SHOWN])) if of_runs else set()
    if of_runs and len(runs) < answer.sizes["run"]:
        title += f": the first {len(runs)} of {answer.sizes['run']}"
    document = show(
        answer,
        title if across else f"{title} (median and 95% band)",
        across=across,
        beside={name: text for name, text in asked.beside.items() if name in answer} if across else {},
        printed=(lambda row: str(row.labels.get("run")) in runs) if of_runs else None,
        last=sentences_of(answer)
        or ("" if asked.of_papers or across else "Beyond the runs these are bands of one form alone."),
    )
    draw_picture(document, picture, asked.plot, answer)
    return document


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
