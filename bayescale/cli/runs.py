"""What the commands that read a run log share: its options, and the reading."""

import argparse
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import xarray as xr

import bayescale as bs
from bayescale.cli.console import WARNING, err
from bayescale.errors import DesignError, QuestionError
from bayescale.runs import findings
from bayescale.runs.checks.sharing import sharing_findings


def runs_options(p: argparse.ArgumentParser) -> None:
    """Add the run log, and how it is to be read."""
    p.add_argument("runs", type=Path, metavar="RUNS", help="run log: csv, tsv, parquet or jsonl")
    reading_options(p)


def reading_options(p: argparse.ArgumentParser) -> None:
    """Add how a run log is to be read."""
    p.add_argument("--columns", nargs="+", metavar="NAME=COLUMN", help="which column is what, for example params=size")
    p.add_argument("--family", help="the column that names each run's family, or several: corpus,schedule")
    p.add_argument("--labels", help="further columns that say what runs share, for a card's [errors]: cluster,node")
    p.add_argument("--loss-unit", help="nats/token (default), bits/token, nats/byte or bits/byte")
    p.add_argument("--params-convention", help="total, non-embedding or unknown")
    p.add_argument("--keep-suspicious", action="store_true", help="keep rows that look like typing errors")


def columns_of(a: argparse.Namespace) -> dict[str, str | None]:
    """Return the pairs of --columns."""
    columns: dict[str, str | None] = {}
    for pair in a.columns or []:
        name, equals, column = pair.partition("=")
        if not equals:
            raise QuestionError(
                f"--columns {pair!r}: write it as name=column, for example --columns params='model size'."
            )
        columns[name] = column or None
    return columns


def families_of(a: argparse.Namespace) -> str | list[str] | None:
    """Return the column of --family, or the columns."""
    return a.family.split(",") if a.family and "," in a.family else a.family


def labels_of(a: argparse.Namespace) -> list[str] | None:
    """Return the columns of --labels."""
    return a.labels.split(",") if a.labels else None


def read(a: argparse.Namespace) -> xr.Dataset:
    """Return the run log that was named."""
    return bs.read_runs(
        a.runs,
        columns=columns_of(a) or None,
        loss_unit=a.loss_unit,
        params_convention=a.params_convention,
        family=families_of(a),
        labels=labels_of(a),
        suspicious="keep" if a.keep_suspicious else "error",
    )


def read_and_warn(a: argparse.Namespace) -> xr.Dataset:
    """Return the run log that was named, and print what is wrong with it."""
    runs = read(a)
    for finding in findings(runs):
        if finding.level != "info":
            err.print(f"{finding.level}: {finding.message}", markup=False)
    return runs


def warn_of_sharing(runs: xr.Dataset, cards: Iterable[bs.Card]) -> None:
    """Print what runs share that one of the cards takes as independent; `fit` and `report` test it by their fits."""
    if "run" not in runs.dims:  # of learning curves a run's checkpoints are known to err together
        return
    known = set.intersection(*(set(card.errors) for card in cards))
    for finding in sharing_findings(runs, known):
        err.print(f"{WARNING}{finding.message}", markup=False)


def positive(text: str) -> int:
    """Read a count from the command line: 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"accepted is a whole number, 1 or more; got {text!r}")
    return int(text)


def given_at(a: argparse.Namespace) -> dict[str, list[str]]:
    """Return what ``--at name=value`` gave, by name."""
    found: dict[str, list[str]] = {}
    for pair in a.at or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise QuestionError(f"--at {pair!r}: write it as name=value, for example --at unique_tokens=25B.")
        found.setdefault(name, []).append(value)
    return found


def warn_of_design(runs: xr.Dataset, cards: Iterable[bs.Card]) -> None:
    """Print what these runs cannot tell of each card, before anything is sampled."""
    for card in cards:
        with suppress(DesignError):  # runs that cannot be fitted at all are refused by the fit
            for sentence in bs.unidentified(bs.identifiability(runs, card)):
                err.print(f"{WARNING}{card.name}: {sentence}", markup=False)
