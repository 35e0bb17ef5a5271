"""The tables of results: one row a score, added as soon as it is known, so that a run that was stopped goes on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parent
RESULTS, CURVES = FOLDER / "results.csv", FOLDER / "curves.csv"
SETS_KEY, CURVES_KEY = ("method", "set", "factor"), ("method", "domain", "curve")


def known(path: Path, key: Iterable[str]) -> set[tuple[Any, ...]]:
    """Return the keys of the rows that are there."""
    return set(pd.read_csv(path)[list(key)].itertuples(index=False, name=None)) if path.exists() else set()


def add(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row; the file's first row says what its columns are."""
    pd.DataFrame([row]).round(6).to_csv(path, mode="a", header=not path.exists(), index=False)


def forget(path: Path, methods: Iterable[str]) -> None:
    """Drop the rows of these methods, so that they are scored again."""
    if path.exists():
        rows = pd.read_csv(path)
        rows[~rows["method"].isin(list(methods))].to_csv(path, index=False)
