"""What a command may not load, in a fresh interpreter for each: sampling and drawing are for those who ask for them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.test_main import good_rows, write

ROOT = Path(__file__).parents[2]
SAMPLING = {"pymc", "pytensor", "numba", "nutpie"}
DRAWING = {"matplotlib", "arviz_plots"}
NUMBERS = {"numpy", "pandas", "xarray", "pydantic", "scipy"}
LOADED = """
import json, sys
from bayescale.cli.main import main
status = main(sys.argv[1:])
print(json.dumps([status, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""
QUESTIONS = {
    "extrapolate": ["{two}", "--compute", "10x"],
    "split": ["{two}"],
    "irreducible": ["{two}"],
    "differences": ["{two}"],
    "outliers": ["{one}"],
    "ask": ["off-optimal", "{one}", "--compute", "10x"],
    "check": ["{log}"],
    "models": [],
    "data": [],
    "cache": [],
}


def loaded_by(*words):
    """Return the top-level modules that a command loads."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_version_and_help_load_no_numbers_and_no_libraries(word):
    assert loaded_by(word) & (SAMPLING | DRAWING | NUMBERS | {"cyclopts", "rich"}) == set()


@pytest.mark.parametrize("command", [*QUESTIONS, "fit", "forecast", "report", "finish"])
def test_the_help_of_a_command_loads_no_numbers(command):
    assert loaded_by(command, "--help") & (SAMPLING | DRAWING | NUMBERS - {"pydantic"}) == set()


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_question_loads_neither_a_sampler_nor_a_picture(command, saved, tmp_path):
    log = write(tmp_path / "runs.csv", good_rows())
    words = [word.format(one=saved["one"], two=saved["two"], log=log) if "{" in word else word
             for word in QUESTIONS[command]]  # fmt: skip
    assert loaded_by(command, *words) & (SAMPLING | DRAWING) == set()


def test_the_package_loads_nothing_until_it_is_asked():
    code = "import sys, bayescale; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & (SAMPLING | DRAWING | NUMBERS)


def test_defaults_that_the_options_repeat_are_those_of_the_rooms():
    from bayescale.cli import options
    from bayescale.forms import FACTORS, FORECAST
    from bayescale.inference import sampling

    assert [getattr(options, name) for name in ("SEED", "DRAWS", "TUNE", "CHAINS")] == [
        getattr(sampling, name) for name in ("SEED", "DRAWS", "TUNE", "CHAINS")
    ]
    assert (options.FACTORS, options.FORECAST) == (FACTORS, FORECAST)
