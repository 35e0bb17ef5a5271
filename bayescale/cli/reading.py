"""Reading a run log or learning curves for a command: the options, the reading, and what is said of the runs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.console import err, warn
from bayescale.cli.options import COLUMNS, FORECAST, Flag, Output, Words, read_pairs
from bayescale.errors import DesignError, QuestionError

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.cards import Card

# A run is at its end from this share of what was planned on, and annealed within this share of the peak learning rate.
ENDED, ANNEALED = 0.99, 0.05
SHOWN = 3


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reading(Output):
    """How a run log is read."""

    columns: Annotated[Words, Parameter(metavar="NAME=COLUMN...")] = None
    """Which column is what, for example params=size."""
    family: str | None = None
    """The column that names each run's family, or several: corpus,schedule."""
    labels: str | None = None
    """Further columns that say what runs share, for a card's [errors]: cluster,node."""
    loss_unit: str | None = None
    """nats/token (default), bits/token, nats/byte or bits/byte."""
    params_convention: str | None = None
    """total, non-embedding or unknown."""
    keep_suspicious: Flag = False
    """Keep rows that look like typing errors."""

    def keywords(self) -> dict[str, Any]:
        """Return what `read_runs` and `read_curves` are both given."""
        return {
            "columns": {name: column or None for name, column in read_pairs(self.columns, COLUMNS)} or None,
            "family": self.family.split(",") if self.family and "," in self.family else self.family,
            "labels": self.labels.split(",") if self.labels else None,
            "loss_unit": self.loss_unit,
            "params_convention": self.params_convention,
        }


READING = Reading()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CurveReading(Reading):
    """How a run log or a table of learning curves is read."""

    named_by: Annotated[Words, Parameter(name="--run", metavar="COLUMN...")] = None
    """Of curves: the columns that name a run together."""
    about: Annotated[str | None, Parameter(metavar="TABLE")] = None
    """Of curves: a table with a row for each run (params, family, ...)."""
    batch: str | None = None
    """Of curves: tokens a step, where the log has steps only."""
    tracker: str | None = None
    """Of curves: whose files, where a folder has those of several."""


CURVE_READING = CurveReading()


def read_log(file: Path, reading: Reading) -> "xr.Dataset":
    """Return the run log in a file."""
    return bs.read_runs(file, suspicious="keep" if reading.keep_suspicious else "error", **reading.keywords())


def read_curve_log(file: Path, reading: CurveReading, card: "Card | None") -> "xr.Dataset":
    """Return the learning curves in a file, filtered as the card says."""
    return bs.read_curves(
        file,
        run=reading.named_by,
        runs=reading.about,
        batch=reading.batch,  # type: ignore[arg-type]  # text such as 4M is read there
        tracker=reading.tracker,
        filters=card.curve.filters if card and card.curve else {},
        **reading.keywords(),
    )


def holds_curves(file: Path, reading: CurveReading) -> bool:
    """Say whether a file holds learning curves; it does where --run names the columns of a run."""
    from bayescale.runs.read_checkpoints import are_curves

    return bool(reading.named_by) or are_curves(file, reading.keywords()["columns"] or {})


def read_curves_and_warn(file: Path, reading: CurveReading, card: "Card | None" = None) -> "xr.Dataset":
    """Return learning curves; print by which rule checkpoints were left out and what else is wrong."""
    from bayescale.runs.curves.describe import left_out_lines

    curves = read_curve_log(file, reading, card)
    for line in left_out_lines(curves):
        err.print(line, markup=False)
    _print_findings(curves, but="left-out")
    return curves


def read_ended_runs(file: Path, reading: CurveReading) -> "xr.Dataset":
    """Return a run log, or of learning curves the last checkpoint of each run; print what is wrong with it."""
    from bayescale.runs import final_runs
    from bayescale.runs.curves.bins import last_checkpoints

    if holds_curves(file, reading):
        curves = read_curves_and_warn(file, reading)
        ends = last_checkpoints(curves)
        err.print(f"Of these training curves the last checkpoint of each of {ends.sizes['run']} runs.", markup=False)
        for sentence in unfinished_runs(ends):
            warn(sentence)
        return final_runs(curves)
    runs = read_log(file, reading)
    _print_findings(runs)
    return runs


def _print_findings(runs: "xr.Dataset", but: str = "") -> None:
    from bayescale.runs import findings

    for finding in findings(runs):
        if finding.level != "info" and finding.code != but:
            err.print(f"{finding.level}: {finding.message}", markup=False)


def read_for_cards(file: Path, reading: CurveReading, models: Sequence[str]) -> "xr.Dataset":
    """Return the runs that these cards are fitted to: learning curves for cards with a curve, else finished runs."""
    cards = [bs.load_card(name) for name in models if name != FORECAST]
    with_curve = [card for card in cards if card.curve is not None]
    if not with_curve:
        return read_ended_runs(file, reading)
    if len(with_curve) < len(models):
        raise QuestionError(
            f"{with_curve[0].name} is of learning curves, others of finished runs: ask about one kind at a time."
        )
    return read_curves_and_warn(file, reading, with_curve[0])


def unfinished_runs(ends: "xr.Dataset") -> Iterator[str]:
    """Yield why the last checkpoints of runs are not the losses that the runs would end at."""
    import numpy as np

    from bayescale.layers.curve import HEAT

    names, count = ends["run"].values, ends.sizes["run"]
    plans = {"total_tokens": "tokens", "total_steps": "step"}
    if planned := next((name for name in plans if name in ends), None):
        share = ends[plans[planned]].values / ends[planned].values
        if early := [f"{name} ({part:.0%})" for name, part in zip(names, share, strict=True) if part < ENDED]:
            yield (
                f"{len(early)} of {count} runs are not at their planned end, taken as if they were: "
                f"{_list_names(early)}."
            )
    heat = ends[HEAT].values if HEAT in ends else np.zeros(count)
    if np.ptp(heat) > ANNEALED and (hot := names[heat > heat.min() + ANNEALED].tolist()):
        yield (
            f"{len(hot)} of {count} runs end at a higher learning rate than others, which holds their loss up: "
            f"{_list_names(hot)}. A card with a curve (fit --model NAME+curve) maps them to what annealing gives."
        )


def _list_names(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)


def warn_of_sharing(runs: "xr.Dataset", cards: "Iterable[Card]") -> None:
    """Print what runs share that one of the cards takes as independent; `fit` and `report` test it by their fits."""
    from bayescale.runs.checks.sharing import sharing_findings

    if "run" not in runs.dims:  # a card of learning curves knows that the checkpoints of a run err together
        return
    known = set.intersection(*(set(card.errors) for card in cards))
    for finding in sharing_findings(runs, known):
        warn(finding.message)


def warn_of_design(runs: "xr.Dataset", cards: "Iterable[Card]") -> None:
    """Print what these runs cannot tell of each card, before anything is sampled."""
    from bayescale.design import identifiability, unidentified

    for card in cards:
        with suppress(DesignError):  # the fit refuses runs that cannot be fitted at all
            for sentence in unidentified(identifiability(runs, card)):
                warn(f"{card.name}: {sentence}")
