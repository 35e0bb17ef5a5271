"""Bad input in real processes: one clear line on the error screen, and the exit status that belongs to it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "bayescale"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def run(*words, **options):
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=ENVIRONMENT, check=False, **options)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "say which command"),
        ("splt fit.nc", "there is no command 'splt'. Did you mean 'split'?"),
        ("--verson", "there is no option '--verson' before the command. Did you mean '--version'?"),
        ("split fit.nc --comput 1e24", "split has no option --comput. Did you mean --compute?"),
        ("split fit.nc --compute", "--compute needs a value"),
        ("split fit.nc --family", "--family needs a value"),
        ("split", "split needs FIT.nc"),
        ("fit runs.csv", "fit needs --output"),
        ("compare runs.csv", "compare needs MODEL"),
        ("split fit.nc other.nc", "split does not take 'other.nc'"),
        ("extrapolate fit.nc --seed one", "Invalid value for --seed: accepted is a whole number; got 'one'"),
        ("extrapolate fit.nc --seed 1.5", "Invalid value for --seed: accepted is a whole number; got '1.5'"),
        ("fit runs.csv -o fit.nc --draws 0", "accepted is a whole number, 1 or more; got '0'"),
        ("prior fit.nc -o card.toml --widen much", "Invalid value for --widen: accepted is a number; got 'much'"),
        ("models shw chinchilla", 'Did you mean "show"?'),
        ("check missing.csv --json", "missing.csv"),
    ],
)
def test_what_is_not_understood_is_one_line_and_status_2(words, said, tmp_path):
    done = run(*words.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [("models",), ("models", "--json"), ("data", "--json"), ("--help",), ("split", "--help")]
)
def test_a_closed_pipe_is_no_error(words):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(
            [*COMMAND, *words], stdout=pipe, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_and_the_help_go_to_the_output():
    assert run("--version").stdout.startswith("bayescale ")
    assert "irreducible" in run("--help").stdout
    assert "--compute" in run("split", "--help").stdout


def heed_ctrl_c():
    """Undo that a shell lets what it starts in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("slow", ["cyclopts", "numpy"])
def test_ctrl_c_while_python_imports_is_one_line_and_status_130(slow, tmp_path):
    (tmp_path / f"{slow}.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    environment = ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with subprocess.Popen(
        [*COMMAND, "models"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=heed_ctrl_c,
    ) as process:
        try:
            assert process.stdout.readline() == "importing\n"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said == "stopped: nothing was written.\n"
    assert process.returncode == 130


def test_the_completion_of_the_shell_is_written_where_it_is_asked_for(tmp_path):
    words = ["--install-completion", "--shell", "bash", "--output", str(tmp_path / "bayescale.sh")]
    home = ENVIRONMENT | {"HOME": str(tmp_path)}
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=home, check=False)
    assert done.returncode == 0, done.stderr
    script = (tmp_path / "bayescale.sh").read_text()
    assert "extrapolate" in script
    assert "--compute" in script


def test_json_goes_to_the_output_and_warnings_to_the_error_screen(tmp_path):
    rows = "".join(f"{n:g},{20 * n:g},{1.7 + 80 / n**0.3:.4f}\n" for n in (1e6, 2e6, 4e6, 8e6, 16e6, 32e6))
    (tmp_path / "runs.csv").write_text(f"N,D,loss\n{rows}")
    done = run("check", "runs.csv", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["command"] == "check"
