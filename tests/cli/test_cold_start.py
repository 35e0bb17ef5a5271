"""What a command may not load, in a fresh interpreter for each: sampling and drawing are for those who ask for them."""

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from cli.test_main import good_rows, write

import bayescale as bs
from bayescale.inference.power_scaling import POWER_SCALING, power_scaling
from bayescale.modeling import prepare
from bayescale.posterior import Posterior

ROOT = Path(__file__).parents[2]
SAMPLING = {"pymc", "pytensor", "numba", "nutpie"}
DRAWING = {"matplotlib", "arviz_plots"}
NUMBERS = {"numpy", "pandas", "xarray", "pydantic", "scipy"}
# Libraries of statistics. Of SciPy, `check` needs the special functions; most questions of a posterior need nothing.
STATISTICS = {"arviz", "arviz_base", "arviz_stats", "xarray_einstats", "scipy.stats", "scipy.optimize", "scipy.signal"}
# Where Dask is installed, xarray loads it with the first array that it opens. That is not for bayescale to change.
WITHOUT_DASK = "import sys; sys.modules['dask'] = None\n"
LOADED = f"""{WITHOUT_DASK}
import json
from bayescale.cli.main import main
status = main(sys.argv[1:])
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""
QUESTIONS = {
    "extrapolate": ["{two}", "--compute", "10x"],
    "split": ["{two}"],
    "irreducible": ["{two}"],
    "differences": ["{two}"],
    "outliers": ["{one}"],
    "ask": ["bigger-or-longer", "{one}", "--params", "1B", "--tokens", "20B"],
    "ask of a root": ["off-optimal", "{one}", "--compute", "10x"],
    "check": ["{log}"],
    "models": [],
    "data": [],
    "cache": [],
}


# How much CPU beyond 0.3 s a command may take, and how many modules beyond its own it may load, relative to importing
# pandas and xarray. What is promised is 1.3 times the CPU; what is tested leaves room for a busy machine.
CPU, MODULES = 2.0, 400
# The one question here that has to solve for what it is asked.
SOLVES = "ask of a root"


@pytest.fixture(scope="module")
def kept(saved, tmp_path_factory):
    """Return files of posteriors that keep what a grade asks for, as those of `fit` do."""
    folder, files = tmp_path_factory.mktemp("kept"), {}
    for name in ("one", "two"):
        fit = bs.load_fit(saved[name])
        view = Posterior(fit)
        weights = power_scaling(prepare(view.card, view.runs), view.draws, fit["log_likelihood"].to_dataset())
        files[name] = bs.save_fit(fit.assign({POWER_SCALING: xr.DataTree(weights)}), folder / f"{name}.nc")
    return files


def words_of(command, kept, folder):
    """Return the words of a question, with the files that it is asked of."""
    log = write(folder / "runs.csv", good_rows())
    return [command.split()[0], *(word.format(**kept, log=log) for word in QUESTIONS[command])]


def loaded_by(*words):
    """Return the modules that a command loads."""
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


@pytest.mark.parametrize(
    "command", [*sorted({name.split()[0] for name in QUESTIONS}), "fit", "forecast", "report", "finish"]
)
def test_the_help_of_a_command_loads_no_numbers(command):
    assert loaded_by(command, "--help") & (SAMPLING | DRAWING | NUMBERS - {"pydantic"}) == set()


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_question_loads_neither_a_sampler_nor_a_picture_nor_a_library_of_statistics(command, kept, tmp_path):
    loaded = loaded_by(*words_of(command, kept, tmp_path))
    assert loaded & (SAMPLING | DRAWING | STATISTICS) == ({"scipy.optimize"} if command == SOLVES else set())
    assert "scipy" not in loaded or command in ("check", SOLVES)


def test_a_posterior_of_an_earlier_version_is_graded_as_one_that_keeps_the_weights(saved, kept):
    said = [
        subprocess.run(
            [sys.executable, "-m", "bayescale", "extrapolate", str(file), "--compute", "10x"],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
        ).stdout
        for file in (saved["two"], kept["two"])
    ]
    assert said[0] == said[1]


# The special functions of SciPy, which the other two ask for, load half of NumPy's own modules.
@pytest.mark.parametrize("command", [command for command in QUESTIONS if command not in ("check", SOLVES)])
def test_a_question_loads_few_modules_beyond_pandas_and_xarray(command, kept, tmp_path):
    code = "import sys, pandas, xarray; print(*sys.modules)"
    floor = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert len(loaded_by(*words_of(command, kept, tmp_path)) - set(floor)) < MODULES


@pytest.mark.slow
@pytest.mark.parametrize("command", QUESTIONS)
def test_a_question_takes_little_longer_than_importing_pandas_and_xarray(command, kept, tmp_path):
    def cpu_seconds(*arguments):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    words = words_of(command, kept, tmp_path)
    command_line = f"{WITHOUT_DASK}from bayescale.cli.main import main; sys.exit(main())"
    pairs = [(cpu_seconds("-c", "import pandas, xarray"), cpu_seconds("-c", command_line, *words)) for _ in range(3)]
    floor, took = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert took < CPU * floor + 0.3


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


def test_nothing_is_imported_before_ctrl_c_is_answered():
    code = "import sys; before = {*sys.modules}; import bayescale.cli.main; print(*({*sys.modules} - before))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert set(done.stdout.split()) == {"bayescale", "bayescale.cli", "bayescale.cli.main"}
