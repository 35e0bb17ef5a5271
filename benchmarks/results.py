"""The tables of results, a row for each score, and the columns that name a row."""

from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS, CURVES = FOLDER / "results.csv", FOLDER / "curves.csv"
SETS_KEY, CURVES_KEY = ("method", "set", "factor"), ("method", "domain", "curve")
