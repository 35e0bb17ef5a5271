"""The options that commands share, and the kinds of value that an option takes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from bayescale.errors import QuestionError

# As in bayescale.inference.sampling and bayescale.forms, whose import a help page does not wait for.
SEED, DRAWS, TUNE, CHAINS = 1, 1000, 400, 4
FACTORS = (3.0, 10.0, 30.0, 100.0)
MODEL, AGAINST, FORECAST = "chinchilla", "kaplan", "forecast"
COLUMNS = "--columns {}: write it as name=column, for example --columns params='model size'."
AT = "--at {}: write it as name=value, for example --at unique_tokens=25B."
KNOWN = "--known {}: write it as group=label, for example --known corpus=c4."


def read_whole_number(kind: type, tokens: Sequence[Token]) -> int:
    """Read a whole number, which cyclopts would round where it is none."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"accepted is a whole number; got {tokens[0].value!r}") from None


def read_count(kind: type, tokens: Sequence[Token]) -> int:
    """Read a count: 1 or more."""
    text = tokens[0].value
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"accepted is a whole number, 1 or more; got {text!r}")
    return int(text)


def read_numbers(option: str, words: Sequence[str]) -> list[float]:
    """Read the numbers that follow an option."""
    try:
        return [float(word) for word in words]
    except ValueError:
        raise QuestionError(f"{option}: {list(words)!r}; accepted: numbers.") from None


def read_pairs(words: Sequence[str] | None, wrong: str) -> list[tuple[str, str]]:
    """Split words such as ``name=value`` at their first equals sign; ``wrong`` says how to write them."""
    pairs = [word.partition("=") for word in words or ()]
    for word, (_, equals, _) in zip(words or (), pairs, strict=True):
        if not equals:
            raise QuestionError(wrong.format(repr(word)))
    return [(name, value) for name, _, value in pairs]


def read_at(words: Sequence[str] | None) -> dict[str, list[str]]:
    """Return the values of ``--at name=value`` by name."""
    given: dict[str, list[str]] = {}
    for name, value in read_pairs(words, AT):
        given.setdefault(name, []).append(value)
    return given


Words = Annotated[list[str] | None, Parameter(consume_multiple=(1, None))]
Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
Unconverged = Annotated[Flag, Parameter(help="Answer from a failed posterior; the answer is marked.")]
Count = Annotated[int, Parameter(converter=read_count)]
Seed = Annotated[int, Parameter(converter=read_whole_number, help="Seed of everything that draws.")]
Model = Annotated[str, Parameter(help="Model card: a shipped name or a path.")]
Runs = Annotated[Path, Parameter(metavar="RUNS", help="Run log: csv, tsv, parquet or jsonl; or learning curves.")]
Fit = Annotated[Path, Parameter(metavar="FIT.nc", help="A posterior that `bayescale fit` wrote.")]
Picture = Annotated[Path | None, Parameter(metavar="FILE.png", help="Save the picture.")]
Known = Annotated[Words, Parameter(metavar="GROUP=LABEL...")]
Models = Annotated[Words, Parameter(metavar="MODEL...")]
At = Annotated[Words, Parameter(metavar="NAME=VALUE...", help="What else the law takes, such as unique_tokens=25B.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command prints what it found."""

    json: Flag = False
    """Print one JSON document instead of tables; its schema is docs/json-schema/answers-1.json."""

    def given(self, *names: str) -> dict[str, Any]:
        """Return those options that were given a value."""
        return {name: value for name in names if (value := getattr(self, name)) is not None}


OUTPUT = Output()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Work:
    """Where many fits are done."""

    workers: Count | None = None
    """Processes at most; by default what cores and memory allow."""
    scheduler: str | None = None
    """Address of a Dask scheduler, tcp://host:8786, whose workers fit."""

    def start(self) -> AbstractContextManager[None]:
        """Use these processes or this cluster within a ``with``."""
        from bayescale.parallel import use_workers

        return use_workers(self.workers, scheduler=self.scheduler)


WORK = Work()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OfPosterior(Output):
    """How a question is asked of a saved posterior."""

    family: str | None = None
    """One family only; `new` for one that was not seen."""
    known: Known = None
    """What is known of the new family: corpus=c4."""
    allow_unconverged: Unconverged = False


OF_POSTERIOR = OfPosterior()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Where(Output):
    """Where a law is asked."""

    compute: Words = None
    """Multiples of the largest run (100x) or FLOP (1e26)."""
    params: Words = None
    """N: 70e9 or 70B."""
    tokens: Words = None
    """D: 1.4e12 or 1.4T."""
    at: At = None


WHERE = Where()
