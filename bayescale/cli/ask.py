"""The command ``bayescale ask``: one question to a saved posterior, its answer as a table and a sentence."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.cli.console import print_answer
from bayescale.cli.families import fit_of
from bayescale.cli.runs import given_at
from bayescale.errors import QuestionError
from bayescale.numbers import human_number
from bayescale.report.words.answers import say_answer

MASS = 0.95


@dataclass(frozen=True)
class Question:
    """One question: what it answers, the options it needs and those it may take besides, and the call."""

    answers: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    call: Callable[..., xr.Dataset]


def _of(name: str) -> Callable[..., xr.Dataset]:
    """Return the public function of that name, looked up when it is asked."""
    return lambda fit, **options: getattr(bs, name)(fit, **options)


QUESTIONS = {
    "bigger-or-longer": Question(
        "which buys more at (N, D), a bigger model or a longer run", ("params", "tokens"), ("at",),
        _of("bigger_or_longer"),
    ),
    "off-optimal": Question(
        "what it costs to be off the best size", ("compute",), ("factors", "at"), _of("off_optimal")
    ),
    "convergence": Question(
        "how far above its converged loss the best run stops", ("compute",), ("at",), _of("convergence_gap")
    ),
    "loss-of-tokens": Question(
        "the best loss that so many tokens can give", ("tokens",), ("at",), _of("loss_of_tokens")
    ),
    "loss-of-compute": Question(
        "the best loss that so much compute can give", ("compute",), ("at",), _of("loss_of_compute")
    ),
    "reducible": Question(
        "the loss above the floor, as KL divergence", (), ("compute", "params", "tokens", "at"), _of("reducible_loss")
    ),
    "within": Question("the compute that comes within eps of the floor", ("eps",), ("at",), _of("compute_to_within")),
    "dimension": Question("the data manifold's dimension, 4/alpha", (), ("at",), _of("data_dimension")),
    "critical-batch": Question("the critical batch at a loss", ("loss",), (), _of("critical_batch")),
    "epochs": Question(
        "the most useful number of epochs for so many unique tokens", ("compute", "unique_tokens"), (),
        _of("best_epochs"),
    ),
    "known-models": Question("GPT-3, Gopher, Chinchilla and others by this fit", (), ("at",), _of("known_models")),
}  # fmt: skip
OPTIONS = {
    "compute": "multiples of the largest run (100x) or FLOP (1e26)",
    "params": "N: 70e9 or 70B",
    "tokens": "D: 1.4e12 or 1.4T",
    "unique_tokens": "tokens that there are, of which D are repeats: 25B",
    "loss": "losses",
    "eps": "distances from the floor, in the unit of the loss",
    "factors": "sizes as multiples of the best one",
}
NUMBERS = ("loss", "eps", "factors")


def ask(a: argparse.Namespace) -> None:
    """Ask a saved posterior one question and print what it says."""
    question = QUESTIONS[a.question]
    given = {name: getattr(a, name) for name in OPTIONS if getattr(a, name) is not None}
    given |= {"at": given_at(a)} if a.at else {}
    if missing := [name for name in question.needs if name not in given]:
        raise QuestionError(f"{a.question} needs {' and '.join(_option(name) for name in missing)}.")
    if idle := [name for name in given if name not in (*question.needs, *question.takes)]:
        raise QuestionError(f"{a.question} does not take {', '.join(_option(name) for name in idle)}.")
    options: dict[str, Any] = {name: _numbers(name, v) if name in NUMBERS else v for name, v in given.items()}
    fit = fit_of(a)
    answer = question.call(fit, **options, family=a.family, allow_unconverged=a.allow_unconverged)
    table = bs.summary(answer, (MASS,)).reset_index()
    of = f", {a.asked_of}" * bool(a.asked_of)
    said = [say_answer(answer), answer.attrs.get("warning", "")]
    print_answer(
        f"{answer.attrs['question']}, model {answer.attrs['model']}{of} (median and 95% band)",
        [*(c for c in table.columns if c not in _BAND), "median", "95% band"],
        [_row(row) for _, row in table.iterrows()],
        answer,
        "\n".join(filter(None, said)) or "Beyond the runs these are bands of one form alone.",
    )


_BAND = ("median", f"lower_{100 * MASS:g}", f"upper_{100 * MASS:g}")


def _row(row: pd.Series) -> tuple[str, ...]:
    middle, low, high = (human_number(float(row[name]), 3) if row[name] > 0 else f"{row[name]:.3g}" for name in _BAND)
    labels = [_label(value) for name, value in row.items() if name not in _BAND]
    return (*labels, middle, f"{low} to {high}")


def _label(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"
    return str(value)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _numbers(name: str, values: list[str]) -> list[float]:
    try:
        return [float(value) for value in values]
    except ValueError:
        raise QuestionError(f"{_option(name)}: {values!r}; accepted: numbers.") from None


def add_ask(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bayescale ask``."""
    width = max(map(len, QUESTIONS))
    listed = "\n".join(f"  {name:{width}}  {q.answers}" for name, q in QUESTIONS.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"questions:\n{listed}"
    parser.add_argument("question", choices=QUESTIONS, metavar="QUESTION", help="one of those below")
    parser.add_argument("fit", type=Path, metavar="FIT.nc", help="a posterior that `bayescale fit` wrote")
    for name, text in OPTIONS.items():
        parser.add_argument(_option(name), nargs="+", help=text)
