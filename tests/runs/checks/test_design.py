import re

import numpy as np
import pandas as pd
import pytest

from bayescale.numbers import parse_number
from bayescale.runs import findings, read_runs

SIZES, RATIOS = np.geomspace(1e7, 1e9, 9), np.geomspace(5, 200, 5)
SHUFFLED = [3, 1, 7, 0, 8, 2, 4, 6, 5]


def warnings_of(**columns):
    table = pd.DataFrame(columns)
    if "loss" not in table:
        n, d = (table[name].to_numpy(float) if name in table else np.full(len(table), 1e8) for name in "ND")
        table["loss"] = 1.69 + 406 * n**-0.34 + 411 * d**-0.28
    return [found.message for found in findings(read_runs(table)) if found.level == "warning"]


def grid(sizes=SIZES, ratios=RATIOS):
    n, ratio = (each.ravel() for each in np.meshgrid(sizes, ratios))
    return {"N": n, "D": n * ratio}


@pytest.mark.parametrize(
    ("columns", "told", "cure"),
    [
        (
            {"N": SIZES, "D": 20 * SIZES},
            "tokens per parameter: the effects of N and D cannot be",
            "such as 4 (N = 220M, D = 890M) and 100 (",
        ),
        (
            {"N": SIZES, "D": SIZES * np.tile([15, 20, 25], 3)},
            "15 to 25 tokens per parameter: so near one ratio, the effects of N and D are hard to tell apart",
            "such as 3.9 (N = 220M, D = 880M) and 98 (N = 45M, D = 4.4B)",
        ),
        ({"N": SIZES, "D": 1e5 * SIZES**0.5}, "on one line (D goes as N^0.50)", "such as 2 (N = 220M, D = 450M)"),
        ({"N": SIZES, "D": 1e18 / SIZES}, "at one budget (6e18 FLOP)", "6e17 FLOP (about N = 32M, D = 3.2B) and 6e19"),
        ({"N": [1e8] * 9, "D": 20 * SIZES}, "at one N (100M)", "N = 20M and 500M, with D as in these (200M to 20B)"),
        ({"N": SIZES, "D": [1e9] * 9}, "at one D (1B)", "D = 200M and 5B, with N as in these (10M to 1B)"),
        (grid([1e8, 1e9]), "at two N (100M and 1B): how fast the effect of N falls", "such as 20M and 5B"),
        (
            {"N": np.repeat(SIZES, 2), "D": np.tile([1e9, 1e10], 9)},
            "at two D (1B and 10B): how fast the effect of D falls",
            "such as 200M and 50B",
        ),
        (
            {"N": 3e8 * np.geomspace(1, 2, 9), "D": np.geomspace(1e9, 4e9, 9)[SHUFFLED]},
            "compute spans only",
            "Add runs from C = ",
        ),
        ({"C": [1e18] * 7, "loss": [3.0] * 7}, "at one budget (1e18 FLOP)", "Add runs at 1e17 FLOP and 1e19 FLOP."),
        ({"words": [1e9] * 7, "loss": [3.0] * 7}, "one value of words (1B)", "Add runs at words = 200M and 5B."),
        (
            {"sparsity": [0.5] * 7, "loss": [3.0] * 7},
            "one value of sparsity (0.5)",
            "Add runs at other values of sparsity.",
        ),
    ],
)
def test_what_cannot_be_told_is_told_with_the_runs_that_would(columns, told, cure):
    if "N" not in columns and "loss" in columns:
        columns = columns | {"seed": range(7)}
    (message,) = [message for message in warnings_of(**columns) if told in message]
    assert cure in message
    assert message.endswith(".")


def test_a_good_design_is_not_remarked_on():
    assert warnings_of(**grid()) == []


@pytest.mark.parametrize("columns", [{"N": [1e8], "D": [2e9]}, {"N": SIZES[:3], "D": [1e10, 1e9, 4e9]}])
def test_too_few_runs_are_told_how_many_to_add(columns):
    message = warnings_of(**columns)[0]
    assert f"Add at least {8 - len(columns['N'])}, down to N = " in message


@pytest.mark.parametrize("off", [1.0, 1.04])
def test_two_sizes_are_two_although_counted_a_little_differently(off):
    sizes = np.tile([1e8, 1e8 * off, 1e9, 1e9 * off], 5)
    messages = warnings_of(N=sizes, D=np.repeat(np.geomspace(1e9, 1e11, 5), 4) * np.tile([1, 1.01, 1, 1.01], 5))
    assert any("at two N" in message for message in messages)


def test_three_sizes_are_enough():
    assert warnings_of(**grid([1e8, 3e8, 1e9])) == []


def test_the_proposed_runs_mend_the_design():
    """One ratio; the two places that the message names are added, each three times, and nothing is left to say."""
    (message,) = warnings_of(N=SIZES, D=20 * SIZES)
    places = [[parse_number(text) for text in pair] for pair in re.findall(r"N = ([\d.]+M), D = ([\d.]+[MB])", message)]
    assert len(places) == 2
    sizes, tokens = zip(*places, strict=True)
    assert warnings_of(N=np.append(SIZES, sizes), D=np.append(20 * SIZES, tokens)) == []


def test_a_family_is_told_what_it_lacks_by_itself():
    whole, part = grid(), {"N": np.full(5, 1e8), "D": 1e8 * RATIOS * 1.01}
    columns = {name: np.append(whole[name], part[name]) for name in "ND"}
    (message,) = warnings_of(**columns, family=["a"] * 45 + ["b"] * 5)
    assert message.startswith("family 'b': at one N (100M)")
    assert "(unless shared across families). Add runs at N = 20M and 500M" in message


def test_a_family_of_a_run_is_told_how_many_it_wants():
    whole = grid()
    columns = {name: np.append(whole[name], 3e8) for name in "ND"}
    (message,) = warnings_of(**columns, family=["a"] * 45 + ["b"])
    assert message == "family 'b': 1 run only (unless shared across families). Add at least 4 of this family."
