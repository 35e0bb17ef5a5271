"""How a parameter may differ between groups of runs: what a card says of it, and which group each family is of."""

import functools
import json
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from bayescale.errors import DesignError, did_you_mean
from bayescale.numbers import parse_number

Kind = Literal["none", "partial", "effect", "slope"]
FAMILY = "family"
ACCEPTED = (
    "complete; none(GROUP), partial(GROUP), effect(GROUP), slope(COLUMN) and slope(log COLUMN), joined by +; GROUP is "
    "a column or columns a/b/c, COLUMN one of numbers"
)
# From so few runs a level on, numbers are not labels: each level would be little but its own runs' scatter.
LEAST_EACH = 2
_TERM = re.compile(
    r"(none|partial|effect)(?:\(\s*(\w+(?:\s*/\s*\w+)*)\s*\))?|(slope)\(\s*(log\s+)?(?!family\b)(\w+)\s*\)"
)


class Term(NamedTuple):
    """One way in which a parameter differs, between the levels of one column or of several together."""

    kind: Kind
    columns: tuple[str, ...]
    log: bool = False

    def __str__(self) -> str:
        return f"{self.kind}({'log ' * self.log}{'/'.join(self.columns)})"

    @property
    def group(self) -> str:
        """Name of the grouping: its columns."""
        return "_".join(self.columns)


class Group(NamedTuple):
    """A grouping of the runs: its levels, and which of them each family is of."""

    levels: tuple[str, ...]
    of_family: np.ndarray


@functools.cache
def parse_pooling(text: str) -> tuple[Term, ...]:
    """Return the terms of what a card says of one parameter; none for complete pooling.

    ``partial(a/b)`` is b within a: the levels of a differ, and those of b within each of them.

    Raises
    ------
    ValueError
        If it is not understood; the message says what is accepted.

    Examples
    --------
    >>> from bayescale.layers.groups import parse_pooling
    >>> [(term.kind, term.group) for term in parse_pooling("partial(corpus/size) + effect(schedule)")]
    [('partial', 'corpus'), ('partial', 'corpus_size'), ('effect', 'schedule')]
    """
    if text.strip() == "complete":
        return ()
    terms: list[Term] = []
    for part in text.split("+"):
        match = _TERM.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"accepted are {ACCEPTED}; got {text!r}.")
        kind, columns = match[1] or match[3], tuple(re.split(r"\s*/\s*", match[2] or match[5] or FAMILY))
        nested = range(1 if kind == "partial" else len(columns), len(columns) + 1)
        terms += [Term(kind, columns[:depth], bool(match[4])) for depth in nested]  # type: ignore[arg-type]
    if len({term.group for term in terms}) < len(terms):
        raise ValueError(f"names a group twice: {text!r}.")
    if sum(term.kind == "none" for term in terms) > 1:
        raise ValueError(f"has more than one none(...): {text!r}; name their columns together, none(a/b).")
    return tuple(terms)


def groups_of(terms: "set[Term]", runs: xr.Dataset, families: tuple[str, ...]) -> dict[str, Group]:
    """Return the groupings that a card's terms name, of the families of these runs.

    Raises
    ------
    DesignError
        If the runs have no such column, it differs within a family, or its numbers are taken for labels.
    """
    groups = {FAMILY: Group(families, np.arange(len(families)))}
    for term in sorted(terms):
        if term.group not in groups:
            groups[term.group] = _read_group(term, runs, families)
    return groups


def _read_group(term: Term, runs: xr.Dataset, families: tuple[str, ...]) -> Group:
    columns = [_read_labels(column, term, runs) for column in term.columns]
    labels = np.array([" / ".join(parts) for parts in zip(*columns, strict=True)])
    of = []
    for family in families:
        labels_there = sorted(set(labels[runs[FAMILY].values == family].tolist()))
        if len(labels_there) > 1:
            raise DesignError(
                f"{term}: the family {family!r} has runs of {', '.join(labels_there)}; a family must be of "
                f"one {term.group}. Read the runs with family=[..., {', '.join(map(repr, term.columns))}]."
            )
        of += labels_there
    numbers = {label: _parse_or_nan(label) for label in of}
    plain = np.isfinite([*numbers.values()]).all()
    levels = tuple(sorted(numbers, key=numbers.get if plain else None))  # type: ignore[arg-type]
    if plain and term.kind in ("none", "effect") and len(levels) > max(2, len(labels) / LEAST_EACH):
        raise DesignError(
            f"{term}: {term.group} has {len(levels)} different numbers in {len(labels)} runs, such as {levels[0]}: too "
            f"few runs of each. slope({term.group}) and slope(log {term.group}) take them as numbers; or bin them to "
            f"labels."
        )
    return Group(levels, np.array([levels.index(label) for label in of]))


def _parse_or_nan(label: str) -> float:
    try:
        return parse_number(label)
    except ValueError:
        return np.nan


def along_slope(term: Term, levels: Sequence[str], asked: Sequence[str] | None = None) -> np.ndarray:
    """Return where levels lie along a slope, or others that are asked of: the lowest at -1/2, the highest at 1/2.

    Raises
    ------
    DesignError
        If one is no number, or none that has a logarithm where the slope is along it.

    Examples
    --------
    >>> from bayescale.layers.groups import along_slope, parse_pooling
    >>> along_slope(*parse_pooling("slope(log lr)"), ["0.001", "0.01", "0.1"]).round(3).tolist()
    [-0.5, 0.0, 0.5]
    """
    numbers = np.array([_parse_or_nan(label) for label in (*levels, *(asked or ()))])
    usable = np.isfinite(numbers) & (numbers > 0 if term.log else True)
    if not usable.all():
        wrong = (*levels, *(asked or ()))[int(np.argmin(usable))]
        cure = f"slope({term.group}) takes 0 and less" if term.log else f"effect({term.group}) takes labels"
        raise DesignError(f"{term}: got {wrong!r}; accepted: a number{' above 0' * term.log}. {cure}.")
    scale = np.log(numbers) if term.log else numbers
    low, high = scale[: len(levels)].min(), scale[: len(levels)].max()
    if low == high:
        raise DesignError(f"{term}: {term.group} is {levels[0]} in all runs, so what it does cannot be told.")
    return (scale[len(levels) if asked else 0 :] - low) / (high - low) - 0.5


def _read_labels(column: str, term: Term, runs: xr.Dataset) -> list[str]:
    if column in runs.coords and column not in ("run", "row"):
        return [str(label) for label in runs[column].values]
    if json.loads(runs.attrs.get("columns", "{}")).get(FAMILY) == column:
        return [str(label) for label in runs[FAMILY].values]
    known = group_columns(runs)
    raise DesignError(
        f"{term}: these runs have no group {column!r}.{did_you_mean(column, known)} "
        f"They have: {', '.join(known) or 'none'}. Read them with family=[{column!r}, ...] (on the command line: "
        f"--family {column},...)."
    )


def group_columns(runs: xr.Dataset) -> tuple[str, ...]:
    """Return the columns by which the runs may be grouped.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.layers.groups import group_columns
    >>> group_columns(bs.load_shipped("tinylm"))
    ('family',)
    """
    labels = [str(name) for name in runs.coords if runs[name].dims == ("run",) and name not in ("run", "row")]
    return tuple(sorted(labels, key=lambda name: (name != FAMILY, name)))
