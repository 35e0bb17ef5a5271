"""What the numbers are measured in: declared by the caller, by a card beside the file, or by a column's own name."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from bayescale.errors import RunsError, did_you_mean
from bayescale.runs.reading.aliases import squash
from bayescale.runs.reading.derive import derivable
from bayescale.runs.reading.findings import Finding, rows_text
from bayescale.runs.reading.table import Table

LOSS_UNITS = ("nats/token", "bits/token", "nats/byte", "bits/byte")
CONVENTIONS = ("total", "non-embedding", "unknown")
CEILINGS = {
    "token": (12.7, "a vocabulary of 300,000 tokens"),
    "byte": (1.05 * math.log(256), "the 256 bytes"),
}


@dataclass(frozen=True)
class LogCard:
    """What a ``card.toml`` beside a run log says of it."""

    title: str = ""
    source: str = ""
    licence: str = ""
    loss_unit: str | None = None
    params_convention: str | None = None
    truth: Mapping[str, float] = field(default_factory=dict)


def read_card(path: Path) -> LogCard:
    """Read the ``card.toml`` beside a run log; without one, the card is blank.

    Parameters
    ----------
    path : Path
        The run log.

    Returns
    -------
    LogCard

    Examples
    --------
    >>> from pathlib import Path
    >>> from bayescale.runs.reading.units import read_card
    >>> read_card(Path("nowhere/runs.csv")).title
    ''
    """
    beside = path.parent / "card.toml"
    if not beside.is_file():
        return LogCard()
    try:
        said = tomllib.loads(beside.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunsError(f"{beside.name} beside {path.name} is not TOML: {error}") from error
    units = said.get("units", {})
    where = f"card.toml beside {path.name}, [units]"
    loss, params = units.get("loss"), units.get("params")
    truth = said.get("truth", {})
    if not all(isinstance(value, int | float) for value in truth.values()):
        raise RunsError(
            f"card.toml beside {path.name}, [truth]: accepted: family = loss in the card's unit; got {truth}"
        )
    return LogCard(
        title=str(said.get("title", "")),
        source=str(said.get("source", "")),
        licence=str(said.get("licence", "")),
        loss_unit=None if loss is None else _accept(loss, LOSS_UNITS, f"{where} loss"),
        params_convention=None if params is None else _accept(params, CONVENTIONS, f"{where} params"),
        truth={str(family): float(value) for family, value in truth.items()},
    )


def _accept(value: object, accepted: tuple[str, ...], where: str) -> str:
    """Return a unit or convention under its canonical name. ``where`` begins the message if it is not accepted."""
    spellings = {squash(name): name for name in accepted}
    if squash(str(value)) not in spellings:
        raise RunsError(f"{where}: got {value!r}; accepted: {', '.join(accepted)}.{did_you_mean(str(value), accepted)}")
    return spellings[squash(str(value))]


@dataclass(frozen=True)
class Units:
    """The unit of the loss, the convention of N, and findings about what was assumed."""

    loss: str | None
    params: str | None
    findings: tuple[Finding, ...]


def settle_units(
    table: Table, columns: Mapping[str, str], card: LogCard, loss_unit: str | None, params_convention: str | None
) -> Units:
    """Settle the loss unit and the convention of N: the argument wins, then the file, the card, and a default."""
    loss, about_loss = _settle_loss(table, columns.get("loss"), card, loss_unit)
    params, about_params = _settle_params(table, columns, card, params_convention)
    return Units(loss, params, (*about_loss, *about_params))


def _settle_loss(
    table: Table, name: str | None, card: LogCard, loss_unit: str | None
) -> tuple[str | None, list[Finding]]:
    told = _accept(loss_unit, LOSS_UNITS, "loss_unit") if loss_unit is not None else None
    if name is None:
        if told:
            raise RunsError(f"{table.source} has no loss, but loss_unit={told!r} was passed: leave it out")
        return None, []
    own = _find_unit(name, table.source)
    column = _read_declaration(table, ("loss_unit",), "loss units", LOSS_UNITS)
    declared = told or column or card.loss_unit
    if declared and own and own.split("/")[0] != declared.split("/")[0]:
        raise RunsError(
            f"{table.source}, column {name!r}: its name says {own.split('/')[0]}, but {declared} is declared.\n"
            f"  Pass loss_unit={own!r} if the name is right (bits are converted to nats), or rename the column."
        )
    if told and column and told != column:
        raise RunsError(
            f"{table.source}, column 'loss_unit' says {column}, but loss_unit={told!r} was passed: drop one"
        )
    if declared:
        return declared, []
    declared = own or "nats/token"
    why = f"from the name of column {name!r}" if own else "as nothing says otherwise"
    text = f"the loss is taken to be in {declared}, {why}; loss_unit= says it"
    return declared, [Finding("loss-unit-assumed", "info", text, column=name)]


def _settle_params(
    table: Table, columns: Mapping[str, str], card: LogCard, params_convention: str | None
) -> tuple[str | None, list[Finding]]:
    convention = _accept(params_convention, CONVENTIONS, "params_convention") if params_convention is not None else None
    if "params" not in {*columns, *derivable(columns)}:
        if convention:
            raise RunsError(f"{table.source} has no N, but params_convention={convention!r} was passed: leave it out")
        return None, []
    in_file = _read_declaration(table, ("params_convention", "convention"), "conventions for N", CONVENTIONS)
    by_name = _find_convention(columns.get("params", ""))
    for said, where in ((in_file, "a column"), (by_name, f"the name of column {columns.get('params')!r}")):
        if said and convention and said != convention:
            raise RunsError(
                f"{table.source}: {where} says that N is {said}, but params_convention={convention!r} was passed.\n"
                "  The two differ by the embeddings: pass the one that is true, or leave the argument out."
            )
    settled = convention or in_file or by_name or card.params_convention
    if settled:
        return settled, []
    note = "nothing says whether N counts the embeddings; params_convention='total' or 'non-embedding' says it"
    return "unknown", [Finding("params-convention-unknown", "info", note, column=columns.get("params"))]


def _find_unit(name: str, source: str) -> str | None:
    plain = squash(name)
    if "ppl" in plain or "perplexity" in plain:
        raise RunsError(
            f"{source}, column {name!r}: a perplexity is not a loss; give its natural log in a column 'loss'"
        )
    per = "byte" if re.search(r"bpb|byte", plain) else "token"
    if re.search(r"bits|bpb|bpt$", plain):
        return f"bits/{per}"
    return f"nats/{per}" if "nats" in plain else None


def _find_convention(name: str) -> str | None:
    plain = squash(name)
    if re.search(r"nonemb|noemb|withoutemb", plain):
        return "non-embedding"
    return "total" if "total" in plain else None


def _read_declaration(table: Table, names: tuple[str, ...], what: str, accepted: tuple[str, ...]) -> str | None:
    """Return the one value of a column that declares a unit or convention. A mixture of values is refused."""
    for name in table.frame.columns:
        if squash(name) not in map(squash, names):
            continue
        rows: dict[str, list[int]] = {}
        for row, value in table.frame[name].items():
            if pd.isna(value):
                continue
            where = f"{table.source}, row {row}, column {name!r}"
            rows.setdefault(_accept(value, accepted, where), []).append(int(str(row)))
        if len(rows) > 1:
            mixture = "; ".join(f"{value}: {rows_text(which)}" for value, which in rows.items())
            raise RunsError(
                f"{table.source}, column {name!r} mixes {what} (rows are counted {table.counting}): {mixture}.\n"
                "  One fit needs one: convert the rows, or split the file and fit each part."
            )
        if rows:
            return next(iter(rows))
    return None


def refuse_impossible_loss(frame: pd.DataFrame, unit: str, table: Table, column: str) -> None:
    """Refuse a loss in nats that uniform guessing would beat."""
    ceiling, what = CEILINGS[unit.split("/")[1]]
    high = frame.index[frame["loss"] > ceiling]
    if not len(high):
        return
    row = int(high[0])
    value = frame["loss"].loc[row]
    if len(high) > len(frame) / 2:
        advice = "Most rows do: is it in bits (pass loss_unit='bits/token'), or a perplexity (give its natural log)?"
    else:
        advice = "The others do not: is it a typo, or are some rows in bits or perplexity?"
    raise RunsError(
        f"{table.source}, {rows_text([int(r) for r in high])} (rows are counted {table.counting}), column {column!r}: "
        f"the loss is {value:.4g} {unit} in row {row}, but uniform guessing over {what} gives {ceiling:.3g}; "
        f"accepted: a loss below that.\n  {advice}"
    )


def convert_to_nats(frame: pd.DataFrame, units: Units) -> Units:
    """Convert a loss in bits, in place, and return its new unit."""
    if units.loss is None or units.loss.startswith("nats"):
        return units
    now = units.loss.replace("bits", "nats")
    for name in ("loss", "loss_se"):
        if name in frame:
            frame[name] *= math.log(2)
    note = Finding("loss-converted", "info", f"the loss was converted from {units.loss} to {now} (times ln 2)")
    return replace(units, loss=now, findings=(*units.findings, note))


def describe_source(table: Table, card: LogCard, units: Units) -> dict[str, str]:
    """Return the attributes of the whole file. What is not known is left out."""
    said = {
        "title": card.title or (table.source if table.source == "DataFrame" else Path(table.source).stem),
        "source": table.source,
        "loss_unit": units.loss,
        "params_convention": units.params,
        "rows_counted": table.counting,
        "licence": card.licence,
        # The exact irreducible loss of each family, which is known where the language was made up.
        "truth": json.dumps(dict(card.truth)) if card.truth else None,
    }
    return {key: value for key, value in said.items() if value}
