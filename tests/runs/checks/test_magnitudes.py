"""Sizes, tokens and compute that no training has are refused with the likely unit, one message a column."""

import json

import numpy as np
import pandas as pd
import pytest

from bayescale.cli.main import main
from bayescale.errors import RunsError
from bayescale.runs import findings, read_curves, read_runs

N = np.repeat([21e6, 70e6, 160e6, 430e6], 5)
D = N * np.tile([5, 10, 20, 40, 80], 4)
LOSS = 1.7 + 400 * N**-0.34 + 410 * D**-0.28


def log(**columns):
    return pd.DataFrame({"params": N, "tokens": D, "loss": LOSS} | columns).dropna(axis=1)


def refusal(table, **options):
    with pytest.raises(RunsError) as caught:
        read_runs(table, **options)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("cannot be used as it stands (rows are counted from 0, as in .iloc):")
    return lines[1:]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            log(params=N / 1e6),
            "column 'params' is below 1,000 parameters in 20 of 20 rows (row 0: 21), which no training has. Is it in "
            "millions? Then row 0 has 21M parameters: multiply the column by 1e6.",
        ),
        (
            log(params=N / 1e9),
            "(row 0: 0.021), which no training has. Is it in billions? Then row 0 has 21M parameters",
        ),
        (
            log(tokens=D / 1e6),
            "is below 10,000 tokens in 17 of 20 rows (row 0: 105), which no training has. Is it in m",
        ),
        (log(tokens=D / 1e9), "Is it in billions? Then row 0 has 105M tokens: multiply the column by 1e9."),
        (log(tokens=np.nan, compute=6 * N * D / 8.64e19), "is below 1e9 FLOP in 20 of 20 rows (row 0: 1.53e-4), which"),
        (log(tokens=np.nan, compute=6 * N * D / 8.64e19), "Is it in PF-days? Then row 0 has 1.32e16 FLOP: multiply"),
        (log(tokens=np.nan, compute=6 * N * D / 1e9 / 1e3), "Is it in TFLOP? Then row 0 has 1.32e16 FLOP"),
        (
            log(compute=6.3 * N * D / 1e9),
            "column 'compute' is 1.05e-09 times what 6ND gives, in all 20 rows. Is it in G",
        ),
        (
            log(compute=6 * N * D / 8.64e19),
            "column 'compute' is 1.16e-20 times what 6ND gives, in all 20 rows. Is it in",
        ),
        (log(compute=6 * N * D * 1e4), "times what 6ND gives, in all 20 rows. Is one of params, tokens and compute in"),
        (
            log(params=np.where(np.isclose(N, 70e6), 21, N)),
            "below 1,000 parameters in 5 of 20 rows (row 5: 21), which no training",
        ),
    ],
)
def test_one_message_a_column_names_rows_value_and_likely_unit(table, said):
    (line,) = refusal(table)
    assert said in line
    assert "pass suspicious='keep' (on the command line: --keep-suspicious)" in line
    told = [found for found in findings(read_runs(table, suspicious="keep")) if found.level == "warning"]
    assert any(said in found.message for found in told)
    assert {found.code for found in told} & {"impossible-magnitude", "compute-in-another-unit"}


def test_two_columns_in_other_units_are_two_messages_whatever_follows_from_them():
    first, second = refusal(log(params=N / 1e6, tokens=D / 1e9))
    assert "'params'" in first
    assert "Is it in millions? Then row 0 has 21M parameters" in first
    assert "'tokens'" in second
    assert "Is it in billions? Then row 0 has 105M tokens" in second
    with_compute = refusal(log(params=N / 1e6, tokens=D / 1e9, compute=6 * N * D))
    assert with_compute == [first, second]


def test_what_follows_from_two_columns_is_told_where_neither_is_wrong_by_itself():
    (line,) = refusal(log(params=N * 1e3, tokens=np.nan, compute=N * 6e3))
    assert "  - tokens (by 6ND) is below 10,000 tokens in 20 of 20 rows (row 0: 1), which no training has" in line


def test_other_quantities_may_be_small():
    table = pd.DataFrame({"words": [10, 100, 1000], "batch": [1, 2, 3], "step": [1, 2, 3], "loss": [3.0, 2.5, 2.0]})
    runs = read_runs(table[["words", "loss"]])
    assert not [found for found in findings(runs) if found.code == "impossible-magnitude"]


def test_the_command_line_refuses_and_keeps(tmp_path, capsys):
    log(params=N / 1e6).to_csv(tmp_path / "runs.csv", index=False)
    assert main(["check", str(tmp_path / "runs.csv")]) == 2
    assert "runs.csv cannot be used as it stands" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "runs.csv"), "--keep-suspicious"]) == 0
    assert "Is it in millions?" in capsys.readouterr().out


def curves(**columns):
    steps = np.tile([1, 10, 100, 1000], 2)
    table = {
        "run": np.repeat(["a", "b"], 4),
        "step": steps,
        "loss": 3 + 1 / steps,
        "params": 7e7,
        "tokens": steps * 1e3,
    }
    return pd.DataFrame(table | columns)


def test_learning_curves_are_judged_where_they_end():
    assert not [found for found in findings(read_curves(curves())) if found.code == "impossible-magnitude"]
    begun = curves(tokens=curves()["step"] * np.repeat([1e3, 1], 4))  # the second run has just begun
    assert not [found for found in findings(read_curves(begun)) if found.code == "impossible-magnitude"]
    for wrong in ({"params": 70}, {"tokens": curves()["step"] / 1e3}):
        with pytest.raises(RunsError, match="of 2 runs") as caught:
            read_curves(curves(**wrong))
        assert f"column {next(iter(wrong))!r} is below" in str(caught.value)
        kept = read_curves(curves(**wrong), suspicious="keep")
        assert "impossible-magnitude" in {found.code for found in findings(kept)}


def test_findings_keep_their_codes():
    runs = read_runs(log(params=N / 1e6), suspicious="keep")
    (item,) = (each for each in json.loads(runs.attrs["findings"]) if each["code"] == "impossible-magnitude")
    assert item["column"] == "params"
    assert len(item["rows"]) == 20
