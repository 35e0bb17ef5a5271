"""What is claimed of the bands, held against the tables that were computed: nothing is fitted here."""

import re
from pathlib import Path

import pandas as pd
import pytest

import bayescale as bs
from benchmarks import page as page_module
from benchmarks.results import CURVES, RESULTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FACTORS = (10, 30, 100)


@pytest.fixture(scope="module")
def scores():
    return pd.read_csv(RESULTS).set_index(["method", "factor"])


@pytest.fixture(scope="module")
def of_forecast(scores):
    """The scores of the forecast on each set, by factor."""
    found = scores.loc["stacked forecast"]
    assert found.groupby("factor").size().to_dict() == dict.fromkeys(FACTORS, 10)
    return found


@pytest.mark.parametrize("factor", FACTORS)
def test_the_bands_of_a_forecast_hold_as_often_as_they_say(of_forecast, factor):
    means = of_forecast.loc[factor].mean(numeric_only=True)
    assert 0.85 <= means["coverage"] <= 0.95
    assert means["winkler"] <= 9.0
    assert means["error"] <= 1.45


def test_no_set_is_left_far_below_at_100x(of_forecast):
    assert of_forecast.loc[100, "coverage"].min() >= 0.7


@pytest.mark.parametrize(
    ("line", "method", "factor"),
    [
        ("**stacked forecast**, 10x the compute", "stacked forecast", 10),
        ("30x", "stacked forecast", 30),
        ("100x", "stacked forecast", 100),
        ("plain Chinchilla, 100x", "plain chinchilla", 100),
        ("Huber fit with bootstrap, 100x", "Huber bootstrap, Chinchilla", 100),
    ],
)
def test_the_readme_has_the_tables_means(scores, line, method, factor):
    (row,) = re.findall(rf"^\| {re.escape(line)} \|(.*)\|$", README, re.MULTILINE)
    means = scores.loc[(method, factor)].mean(numeric_only=True)
    told = zip(row.split("|"), ("coverage", "coverage_top", "winkler", "error"), (2, 2, 1, 2), strict=True)
    for cell, column, digits in told:
        assert float(cell) == pytest.approx(means[column], abs=0.51 * 10**-digits), column


def test_the_readme_has_the_lowest_sets(of_forecast):
    said = re.search(
        r"lowest set has (\.\d+) at 100x \((\.\d+) among its farthest third\), (\.\d+) at 30x and (\.\d+)", README
    )
    lowest = [of_forecast.loc[factor, "coverage"].min() for factor in (100, 30, 10)]
    far = of_forecast.loc[100].set_index("set")
    found = [lowest[0], far.loc[far["coverage"].idxmin(), "coverage_top"], *lowest[1:]]
    assert [float(cell) for cell in said.groups()] == pytest.approx(found, abs=0.0051)


def test_the_page_is_what_the_tables_say():
    tables = (page_module._sort_methods(pd.read_csv(path)) for path in (RESULTS, CURVES))
    assert page_module.page(*tables) == page_module.PAGE.read_text(encoding="utf-8")


def test_every_card_has_been_calibrated():
    table = pd.read_csv(ROOT / "data" / "calibration" / "sbc.csv")
    assert [name for name in bs.list_cards() if name not in set(table["card"])] == []
