"""Files before or after options: what is given back, and what is left alone."""

import pytest

from bayescale.cli.main import COMMANDS, build_app
from bayescale.cli.positionals import give_back


def arranged(text):
    command, *words = text.split()
    arguments = build_app()[command].assemble_argument_collection()
    return " ".join(give_back(words, arguments, COMMANDS[command].takes))


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("split --compute 1e24 fit.nc", "fit.nc --compute 1e24"),
        ("split --compute 1e24 fit.nc 1e25", "fit.nc --compute 1e24 1e25"),
        ("split --compute 1e24 fit.nc --family wsd", "fit.nc --compute 1e24 --family wsd"),
        ("split --compute=1e24 fit.nc", "fit.nc --compute=1e24"),  # cyclopts takes further values after = too
        ("forecast --compute 100x RUNS.csv", "RUNS.csv --compute 100x"),
        ("forecast --compute 100x runs.JSONL --only wsd", "runs.JSONL --compute 100x --only wsd"),
        (
            "forecast --compute 100x --models mine.toml kaplan runs.csv",
            "runs.csv --compute 100x --models mine.toml kaplan",
        ),
        ("check --columns params=size runs.parquet", "runs.parquet --columns params=size"),
        ("ask --params 1B off-optimal fit.nc", "off-optimal fit.nc --params 1B"),
        ("ask off-optimal --compute 10x fit.nc --factors 2", "off-optimal fit.nc --compute 10x --factors 2"),
        ("ask crossing --beside d.nc n.nc c.nc", "crossing c.nc --beside d.nc n.nc"),
        ("finish --at batch=2 fit.nc curves.csv", "fit.nc curves.csv --at batch=2"),
        ("finish fit.nc --at batch=2 curves.csv", "fit.nc curves.csv --at batch=2"),
        ("compare --run model runs.csv chinchilla kaplan", "runs.csv chinchilla kaplan --run model"),
        ("backtest --factor 3 10 runs.csv", "runs.csv --factor 3 10"),
    ],
)
def test_a_file_that_an_option_swallowed_is_given_back(typed, understood):
    assert arranged(typed) == understood


@pytest.mark.parametrize(
    "typed",
    [
        "split fit.nc --compute 1e24",
        "split --family fit.nc --compute 1e24",  # the value of an option with one value, and a file that is missing
        "split fit.nc --compute 1e24 other.nc",  # nothing is missing: the option's own affair
        "split --compute 1e24 1e25",
        "split --compute 1e24 -- fit.nc",
        "forecast runs.csv --models mine.csv",
        "fit runs.csv --about models.csv -o fit.nc",
        "ask off-optimal fit.nc --compute 10x",
        "report runs.csv --forms kaplan chinchilla",
    ],
)
def test_what_is_complete_or_cannot_be_told_is_left_alone(typed):
    assert arranged(typed) == " ".join(typed.split()[1:])


def test_a_file_of_any_name_is_known_where_it_exists_but_no_number_and_no_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert arranged("forecast --compute 100x mlruns") == "--compute 100x mlruns"
    for name in ("mlruns", "1e24", "kaplan"):
        (tmp_path / name).mkdir()
    assert arranged("forecast --compute 100x mlruns") == "mlruns --compute 100x"
    assert arranged("split --compute 1e24") == "--compute 1e24"
    assert arranged("backtest --model kaplan") == "--model kaplan"
