"""How a parameter may differ between groups of runs: what a card says of it, and which group each family is of."""

import json
import re
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from bayescale.errors import DesignError, did_you_mean

Kind = Literal["none", "partial", "effect"]
FAMILY = "family"
ACCEPTED = "complete; none(GROUP), partial(GROUP) and effect(GROUP), joined by +; GROUP is a column or columns a/b/c"
_TERM = re.compile(r"(none|partial|effect)(?:\(\s*(\w+(?:\s*/\s*\w+)*)\s*\))?")


class Term(NamedTuple):
    """One way in which a parameter differs, between the levels of one column or of several together."""

    kind: Kind
    columns: tuple[str, ...]

    @property
    def group(self) -> str:
        """Name of the grouping: its columns."""
        return "_".join(self.columns)


class Group(NamedTuple):
    """A grouping of the runs: its levels, and which of them each family is of."""

    levels: tuple[str, ...]
    of_family: np.ndarray


def parse_pooling(text: str) -> tuple[Term, ...]:
    """Return the terms of what a card says of one parameter; none for complete pooling.

    ``partial(a/b)`` is b within a: the levels of a differ, and those of b within each of them.

    Raises
    ------
    ValueError
        If it is not understood; the message says what is accepted.

    Examples
    --------
    >>> from bayescale.modeling.groups import parse_pooling
    >>> [(term.kind, term.group) for term in parse_pooling("partial(corpus/size) + effect(schedule)")]
    [('partial', 'corpus'), ('partial', 'corpus_size'), ('effect', 'schedule')]
    """
    if text.strip() == "complete":
        return ()
    terms: list[Term] = []
    for part in text.split("+"):
        found = _TERM.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"accepted are {ACCEPTED}; got {text!r}.")
        kind, columns = found[1], tuple(re.split(r"\s*/\s*", found[2] or FAMILY))
        nested = range(1 if kind == "partial" else len(columns), len(columns) + 1)
        terms += [Term(kind, columns[:depth]) for depth in nested]  # type: ignore[arg-type]
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
        If the runs have no such column, or it differs within a family.
    """
    groups = {FAMILY: Group(families, np.arange(len(families)))}
    for term in sorted(terms):
        if term.group not in groups:
            groups[term.group] = _group(term, runs, families)
    return groups


def _group(term: Term, runs: xr.Dataset, families: tuple[str, ...]) -> Group:
    columns = [_labels(column, term, runs) for column in term.columns]
    labels = np.array([" / ".join(parts) for parts in zip(*columns, strict=True)])
    of = []
    for family in families:
        mine = sorted(set(labels[runs[FAMILY].values == family].tolist()))
        if len(mine) > 1:
            raise DesignError(
                f"{term.kind}({term.group}): the family {family!r} has runs of {', '.join(mine)}; a family must be of "
                f"one {term.group}. Read the runs with family=[..., {', '.join(map(repr, term.columns))}]."
            )
        of += mine
    levels = tuple(sorted(set(of)))
    return Group(levels, np.searchsorted(np.array(levels), of))


def _labels(column: str, term: Term, runs: xr.Dataset) -> list[str]:
    if column in runs.coords and column not in ("run", "row"):
        return [str(label) for label in runs[column].values]
    if json.loads(runs.attrs.get("columns", "{}")).get(FAMILY) == column:
        return [str(label) for label in runs[FAMILY].values]
    known = group_columns(runs)
    raise DesignError(
        f"{term.kind}({'/'.join(term.columns)}): these runs have no group {column!r}.{did_you_mean(column, known)} "
        f"They have: {', '.join(known) or 'none'}. Read them with family=[{column!r}, ...] (on the command line: "
        f"--family {column},...)."
    )


def group_columns(runs: xr.Dataset) -> tuple[str, ...]:
    """Return the columns by which the runs may be grouped.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.modeling.groups import group_columns
    >>> group_columns(bs.load_shipped("tinylm"))
    ('family',)
    """
    labels = [str(name) for name in runs.coords if runs[name].dims == ("run",) and name not in ("run", "row")]
    return tuple(sorted(labels, key=lambda name: (name != FAMILY, name)))
