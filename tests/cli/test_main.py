"""The command line: what an impatient user types, and what comes back."""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli.test_bad_input import heed_ctrl_c

from bayescale.cli.main import main
from bayescale.errors import QuestionError

GOOD = [(n, d) for n in (1e6, 4e6, 16e6) for d in (1e8, 4e8, 16e8)]


def write(path: Path, rows, header="N,D,loss") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def good_rows():
    return [(n, d, round(1.7 + 40 / n**0.3 + 60 / d**0.3, 4)) for n, d in GOOD]


def refused(capsys, *words) -> str:
    """Run a command that must be refused: status 2, a message of one screen, nothing on stdout."""
    assert main(list(map(str, words))) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) <= 24
    assert "Traceback" not in said.err
    return said.err


BAD_LOGS = {
    "empty": (lambda p: p.write_text(""), ["empty"]),
    "no loss": (lambda p: write(p, [(1e6, 2e7)], "N,D"), ["runs.csv", "loss"]),
    "text in a number": (lambda p: write(p, [*good_rows(), ("abc", 1e8, 3.0)]), ["row 11", "N", "abc"]),
    "negative N": (lambda p: write(p, [*good_rows(), (-1e6, 1e8, 3.0)]), ["row 11", "N", "-1"]),
    "zero N": (lambda p: write(p, [*good_rows(), (0, 1e8, 3.0)]), ["row 11", "N"]),
    "NaN loss": (lambda p: write(p, [*good_rows(), (2e6, 1e8, "nan")]), ["row 11", "loss"]),
    "duplicated rows": (lambda p: write(p, [*good_rows(), good_rows()[0]]), ["rows 2 and 11", "seed"]),
    "perplexity": (lambda p: write(p, [*good_rows(), (2e6, 1e8, 31.5)]), ["row 11", "31.5"]),
    "mixed conventions": (
        lambda p: write(
            p,
            [(*row, "total" if i else "non-embedding") for i, row in enumerate(good_rows())],
            "N,D,loss,params_convention",
        ),
        ["convention", "total", "non-embedding"],
    ),
    "two columns for N": (
        lambda p: write(p, [(n, n, d, y) for n, d, y in good_rows()], "params_total,params_non_embedding,D,loss"),
        ["params_total", "params_non_embedding", "columns"],
    ),
    "100x typo": (
        lambda p: write(
            p,
            [(n, d * (100 if i == 4 else 1), 6 * n * d, y) for i, (n, d, y) in enumerate(good_rows())],
            "N,D,C,loss",
        ),
        ["row 6", "D"],
    ),
}


@pytest.mark.parametrize("case", BAD_LOGS)
def test_a_bad_log_is_refused_with_what_and_where(case, tmp_path, capsys):
    make, substance = BAD_LOGS[case]
    make(tmp_path / "runs.csv")
    said = refused(capsys, "check", tmp_path / "runs.csv")
    for word in substance:
        assert word in said, said


def test_bits_declared_as_nats_are_refused(tmp_path, capsys):
    log = write(tmp_path / "runs.csv", good_rows(), "N,D,loss_bits")
    assert "bits" in refused(capsys, "check", log, "--loss-unit", "nats/token")


@pytest.mark.parametrize(
    ("rows", "substance"),
    [
        (lambda: good_rows()[:1], "1 run "),
        (lambda: good_rows()[:3], "3 runs"),
        (lambda: [(1e6, d, 2.5 + 9e7 / d) for d in (1e8, 2e8, 3e8, 4e8, 5e8, 6e8, 7e8)], "all 7 runs have N = 1e+06"),
        (lambda: [(n, 1e8, 2.5 + 9e5 / n) for n in (1e6, 2e6, 3e6, 4e6, 5e6, 6e6, 7e6)], "all 7 runs have D = 1e+08"),
    ],
    ids=["one run", "three runs", "one N", "one D"],
)
def test_runs_that_cannot_identify_the_law_are_refused_before_sampling(rows, substance, tmp_path, capsys):
    log = write(tmp_path / "runs.csv", rows())
    assert main(["fit", str(log), "-o", str(tmp_path / "fit.nc")]) == 2
    said = capsys.readouterr().err
    assert substance in said
    assert "runs.csv" in said
    assert sorted(os.listdir(tmp_path)) == ["runs.csv"]


def test_an_unknown_model_is_named_with_a_suggestion(tmp_path, capsys):
    log = write(tmp_path / "runs.csv", good_rows())
    for words in (["fit", log, "--model", "chinchila", "-o", tmp_path / "fit.nc"], ["models", "show", "chinchila"]):
        assert main(list(map(str, words))) == 2
        assert "Did you mean 'chinchilla'?" in capsys.readouterr().err


def test_outputs_that_cannot_be_written_are_refused_before_the_work(tmp_path, capsys):
    log = write(tmp_path / "runs.csv", good_rows())
    refused(capsys, "fit", log, "-o", tmp_path / "missing" / "fit.nc")
    before = log.read_bytes()
    assert "ends in .nc" in refused(capsys, "fit", log, "-o", log)
    assert log.read_bytes() == before
    (tmp_path / "file").write_text("not a folder")
    refused(capsys, "report", log, "--out", tmp_path / "file" / "report")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    refused(capsys, "report", log, "--out", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"


def test_a_place_that_is_not_understood_is_refused_before_the_work(tmp_path, capsys):
    log = write(tmp_path / "runs.csv", good_rows())
    assert main(["report", str(log), "--at", "100y", "--out", str(tmp_path / "report")]) == 2
    said = capsys.readouterr().err
    assert "'100y' is not understood" in said
    assert "compiling" not in said
    assert sorted(os.listdir(tmp_path)) == ["runs.csv"]


def test_a_posterior_that_is_not_there_or_not_ours_is_refused(tmp_path, capsys):
    assert "no file" in refused(capsys, "irreducible", tmp_path / "fit.nc")
    (tmp_path / "fit.nc").write_text("not NetCDF")
    assert "not a posterior" in refused(capsys, "split", tmp_path / "fit.nc")


def test_check_says_what_was_understood(tmp_path, capsys):
    log = write(tmp_path / "runs.csv", good_rows())
    assert main(["check", str(log)]) == 0
    said = capsys.readouterr().out
    assert "1M to 16M" in said
    assert "nats/token" in said


def one_ratio(path):
    return write(path, [(n, 20 * n, round(1.7 + 80 / n**0.3, 4)) for n in (1e6, 2e6, 4e6, 8e6, 16e6, 32e6, 64e6)])


def test_check_says_what_the_design_can_tell_and_what_would_help(tmp_path, capsys):
    log = write(tmp_path / "runs.csv", good_rows())
    for words, model, how in (
        ([], "chinchilla (--model asks about another)", "tell its parameters apart: "),
        # The rows are of a law with a floor, and Kaplan's has none: the scatter that leaves hides its parameters.
        (["--model", "kaplan"], "kaplan", "cannot tell alpha_D and "),
    ):
        assert main(["check", str(log), *words]) == 0
        said = capsys.readouterr().out.splitlines()[-2:]
        assert said[0] == f"What the design can tell of {model}:"
        assert said[1].startswith(f"  - These runs {how}")
    assert main(["check", str(one_ratio(log))]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    # Either order: at one ratio the two are exchangeable.
    assert "cannot tell beta and alpha apart" in last or "cannot tell alpha and beta apart" in last
    assert "What would help: 3 runs " in last


def test_check_of_runs_of_which_some_are_far_too_high_says_what_the_design_can_tell(tmp_path, capsys):
    rng = np.random.default_rng(1)
    rows = [
        (n, d, (1.7 + 400 / n**0.34 + 410 / d**0.28) * (1 + rng.uniform(0.1, 0.6) * (rng.random() < 0.3)))
        for n in np.geomspace(1e7, 1e9, 5)
        for d in np.geomspace(1e9, 1e11, 4)
    ]
    assert main(["check", str(write(tmp_path / "runs.csv", rows))]) == 0
    assert "  - These runs " in capsys.readouterr().out


def test_check_of_runs_that_cannot_be_fitted_says_why(tmp_path, capsys):
    log = write(tmp_path / "runs.csv", [(1e6, d, 2.5 + 9e7 / d) for d in (1e8, 2e8, 3e8, 4e8, 5e8, 6e8, 7e8)])
    assert main(["check", str(log)]) == 0
    assert "all 7 runs have N = 1e+06" in capsys.readouterr().out.splitlines()[-1]
    assert main(["check", str(log), "--model", "kaplan"]) == 2
    said = capsys.readouterr()
    assert "column 'N'" in said.out
    assert said.err.startswith("error: ")
    assert "Add runs at another model size" in said.err


def test_what_a_design_cannot_tell_is_warned_of_before_sampling(tmp_path, capsys, monkeypatch):
    log = one_ratio(tmp_path / "runs.csv")

    def stop(*args, **options):
        raise QuestionError("sampled here")

    monkeypatch.setattr("bayescale.fit", stop)
    monkeypatch.setattr(importlib.import_module("bayescale.studies.study"), "fit", stop)
    for words in (
        ["fit", str(log), "-o", str(tmp_path / "fit.nc")],
        ["report", str(log), "--out", str(tmp_path / "r")],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err
        warned, sampled = said.index("warning: chinchilla: These runs cannot tell"), said.index("error: sampled here")
        assert warned < sampled
    assert sorted(os.listdir(tmp_path)) == ["runs.csv"]


def test_models_and_data_list_what_is_shipped(capsys):
    assert main(["models"]) == 0
    assert "kaplan" in capsys.readouterr().out
    assert main(["models", "show", "kaplan"]) == 0
    assert "loss_params" in capsys.readouterr().out
    assert main(["data"]) == 0
    assert "published" in capsys.readouterr().out


def test_the_module_runs_as_the_command():
    done = subprocess.run([sys.executable, "-m", "bayescale", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("bayescale ")


@pytest.mark.sampling
def test_fit_then_every_question_from_the_file(tmp_path, capsys):
    fit = str(tmp_path / "fit.nc")
    log = write(tmp_path / "runs.csv", good_rows())
    assert main(["fit", str(log), "-o", fit, "--draws", "500"]) == 0
    assert "Converged" in capsys.readouterr().out
    for words, substance in (
        (["extrapolate", fit, "--compute", "100x", "1e20"], "95% band"),
        (["extrapolate", fit, "--params", "1B", "--tokens", "20B"], "20B"),
        (["split", fit, "--compute", "1e18", "1e19"], "N_opt ~ C^"),
        (["irreducible", fit], "lowest loss seen"),
        (["irreducible", fit], "no compute reaches it"),
    ):
        assert main(words) == 0
        assert substance in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path)) == ["fit.nc", "runs.csv"]


@pytest.mark.sampling
def test_ctrl_c_while_sampling_writes_nothing(tmp_path):
    log = write(tmp_path / "runs.csv", good_rows())
    words = [sys.executable, "-m", "bayescale", "fit", str(log), "-o", str(tmp_path / "fit.nc"), "--draws", "5000000"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c)
    said = ""
    try:
        time.sleep(30)
        assert process.poll() is None
        for _ in range(6):  # a compiler at work may swallow one, as it may on a slow machine after all this time
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, said = process.communicate(timeout=20)
                break
    finally:
        process.kill()
    assert process.returncode == 130
    assert "nothing was written" in said
    assert "Traceback" not in said
    assert sorted(os.listdir(tmp_path)) == ["runs.csv"]
