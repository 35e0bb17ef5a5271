"""What a file lacks. A file that no law can use is refused. Other files get a note of what cannot be asked."""

import math
from collections.abc import Collection, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import pandas as pd

from bayescale.errors import RunsError
from bayescale.numbers import parse_number
from bayescale.runs.reading.aliases import squash
from bayescale.runs.reading.columns import COLUMNS, QUANTITIES, RESPONSES, SIZES
from bayescale.runs.reading.findings import Finding
from bayescale.runs.reading.table import Table

BATCH_OF_WHAT = ("batch_size", "global_batch_size", "train_batch_size", "global_bs", "bs")


def has_inputs(names: Collection[str]) -> bool:
    """Say whether a law has an input among these names. A loss is an input where there is an accuracy or error."""
    inputs = {*QUANTITIES, "loss"} if {"accuracy", "error"} & set(names) else set(QUANTITIES)
    return bool(inputs & set(names))


def require_quantities(found: Mapping[str, str], present: list[str], source: str) -> None:
    """Refuse a file without a response (loss, accuracy or error), or without a quantity that a law can take.

    Examples
    --------
    >>> from bayescale.runs.reading.missing import require_quantities
    >>> require_quantities({"words": "words", "accuracy": "acc"}, ["words", "acc"], "runs.csv")
    """
    said: list[str] = []
    missing = "loss"
    if not set(RESPONSES) & found.keys():
        said.append("It has no column for the loss, nor for an accuracy or error: a law predicts one of them.")
        said += [
            f"The loss is the natural log of {name!r}: add that as a column 'loss'."
            for name in present
            if _is_perplexity(name)
        ]
    elif not has_inputs(found):
        missing = "params"
    if not has_inputs(found):
        others = ", ".join(name for name in QUANTITIES if name not in SIZES)
        said.append(
            f"It has no column for {_words_of(SIZES, 'or')}; two of them are usual, as they give the third.\n"
            f"  Nor for anything else that a law can take: {others}."
        )
    if not said:
        return
    spare = [name for name in present if name not in found.values()]
    example = repr(likeliest(spare, [missing])[1]) if spare else "'my column'"
    raise RunsError(
        f"{source} cannot be read as runs:\n  "
        + "\n  ".join(said)
        + f"\n  Its columns: {', '.join(present)}"
        + f"\n  Found by their names: {', '.join(COLUMNS[missing].names[:6])}, ...; for any other, pass "
        + f"columns={{{missing!r}: {example}}} (on the command line: --columns {missing}=...)"
    )


def missing_sizes(
    table: Table, found: Mapping[str, str], there: Collection[str], given: Mapping[str, str | None]
) -> list[Finding]:
    """Say which of N, D and C the runs lack, what cannot be asked then, and where in the file they may be.

    Parameters
    ----------
    table : Table
        The file.
    found : mapping of str to str
        Canonical name to column, as the file was read.
    there : collection of str
        What the runs have, with all that follows from it.
    given : mapping of str to str or None
        The caller's own pairing: None says that there is no such column.

    Returns
    -------
    list of Finding
        A note, and a warning where an unused column may hold what is missing. The reader cannot know: a log of D and
        loss alone is a good one, and a log with N under an odd name is not. To refuse both would shut out the first;
        to say nothing would fit a law to the second as if size did not matter.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayescale.runs.reading.missing import missing_sizes
    >>> from bayescale.runs.reading.table import load_table
    >>> table = load_table(pd.DataFrame({"D": [1e9, 2e9], "weights": [1e7, 1e8], "loss": [3.0, 2.7]}))
    >>> [finding.level for finding in missing_sizes(table, {"tokens": "D", "loss": "loss"}, ["tokens", "loss"], {})]
    ['info', 'warning']
    """
    missing = [name for name in SIZES if name not in there]
    if not missing:
        return []
    unanswered = "the best split of a budget" + (" and the loss at 100x the compute" if "compute" in missing else "")
    text = (
        f"no column for {_words_of(missing, 'or')}, and it takes two of N, D and C to give the third: {unanswered} "
        "cannot be asked of these runs"
    )
    notes = [Finding("sizes-missing", "info", text)]
    candidates = [str(name) for name in table.frame.columns if name not in found.values() and _may_be_size(table, name)]
    if candidates and any(given.get(name, "") is not None for name in missing):
        quantity, column = likeliest(candidates, missing)
        shown = ", ".join(map(repr, candidates[:6])) + (", ..." if len(candidates) > 6 else "")
        message = (
            f"no column was recognised as {_words_of(missing, 'or')}, and not used: {shown}. If one of these is what "
            "the result depends on, a law fitted without it takes its effect for scatter: pass "
            f"columns={{{quantity!r}: {column!r}}} (on the command line: --columns {quantity}=...). "
            f"If none is, columns={dict.fromkeys(missing)} says so."
        )
        notes.append(Finding("size-not-recognised", "warning", message, column=column))
    return notes


def unclear_batch(table: Table, found: Mapping[str, str], given: Mapping[str, str | None]) -> list[Finding]:
    """Say that a batch size is not used, as its name does not tell its unit."""
    if "batch" in found or "batch" in given:
        return []
    names = [str(name) for name in table.frame.columns if squash(name) in map(squash, BATCH_OF_WHAT)]
    text = (
        "column {0!r} may count sequences, so it is not used: pass columns={{'batch': {0!r}}} if it is in tokens a step"
    )
    unused = [name for name in names if name not in found.values()]
    return [Finding("batch-unit-unclear", "info", text.format(name), column=name) for name in unused]


def likeliest(candidates: Sequence[str], missing: Sequence[str]) -> tuple[str, str]:
    """Return the missing quantity and the column whose names are most alike."""

    def alike(pair: tuple[str, str]) -> tuple[int, float]:
        quantity, column = pair
        matchers = [
            SequenceMatcher(None, squash(column), squash(name)) for name in (quantity, *COLUMNS[quantity].names)
        ]
        return max((each.find_longest_match().size, each.ratio()) for each in matchers)

    return max(((quantity, column) for quantity in missing for column in candidates), key=alike)


def _words_of(names: Sequence[str], last: str) -> str:
    words = [COLUMNS[name].words for name in names]
    return " ".join([*([", ".join(words[:-1]), last] if words[1:] else []), words[-1]])


def _may_be_size(table: Table, name: str) -> bool:
    """Say whether a column holds different numbers, all above 0 and some 1 or more."""
    values = {_read_size(value) for value in table.frame[name] if not pd.isna(value)}
    # A learning rate stays below 1; a size does not, even in billions.
    return len(values) > 1 and min(values) > 0 and max(values) >= 1


def _read_size(value: Any) -> float:
    try:
        number = parse_number(value)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _is_perplexity(name: str) -> bool:
    return "perplexity" in squash(name) or "ppl" in squash(name)
