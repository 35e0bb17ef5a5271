import numpy as np
import pandas as pd
import pytest

from benchmarks import page as page_module
from benchmarks import sets, trust
from benchmarks.page import page
from benchmarks.results import SETS_KEY
from benchmarks.resume import add_row, drop_methods, known_rows
from benchmarks.sets import AbsentError, open_sets

SCORES = dict(runs=7, coverage=0.8, coverage_top=0.5, winkler=10.0, width=8.0, error=1.5, bias=-0.5, crps=1.0)


def row(method, name, factor=100, error_point=np.nan, **change):
    return {"method": method, "set": name, "factor": factor} | SCORES | {"error_point": error_point} | change


def test_a_row_is_known_from_when_it_is_added_until_it_is_forgotten(tmp_path):
    path = tmp_path / "results.csv"
    assert known_rows(path, SETS_KEY) == set()
    add_row(path, row("a", "llama3"))
    add_row(path, row("b", "llama3", factor=10))
    assert known_rows(path, SETS_KEY) == {("a", "llama3", 100), ("b", "llama3", 10)}
    drop_methods(path, ["a"])
    assert known_rows(path, SETS_KEY) == {("b", "llama3", 10)}


def test_a_second_run_computes_what_is_missing(tmp_path, monkeypatch):
    calls = []

    def predict(runs, factor):
        calls.append(factor)
        n = len(runs)
        return pd.DataFrame({"C": runs.C, "loss": runs.loss, "low": np.zeros(n), "median": runs.loss, "high": 9.0,
                             "crps": 0.1})  # fmt: skip

    class Reader:
        score = staticmethod(
            lambda low, high, centre, y, C: dict.fromkeys(
                "n_test cover cover_top winkler_pct width_pct err_pct bias_pct".split(), 1.0
            )
        )

    monkeypatch.setattr(trust, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(trust, "METHODS", ["a"])
    monkeypatch.setattr(trust, "predict", lambda method, name, runs, factor: predict(runs, factor))
    monkeypatch.setattr(trust, "reader", Reader)
    runs = pd.DataFrame({"N": [1.0], "D": [1.0], "C": [6.0], "loss": [2.0]})
    monkeypatch.setattr(trust, "open_sets", lambda: {"one": runs})
    trust.score_sets()
    assert calls == [10, 30, 100]
    trust.score_sets()
    assert calls == [10, 30, 100]
    monkeypatch.setattr(trust, "METHODS", ["a", "b"])
    trust.score_sets()
    assert calls == [10, 30, 100] * 2


def test_the_page_shows_means_over_sets_and_each_set():
    rows = [row("a", "llama3"), row("a", "oellm", coverage=0.4, winkler=30.0), row("b", "llama3", error_point=1.2)]
    curves = pd.DataFrame(
        [
            dict(method="M1", domain="NMT", curve="x", rmsle=0.2, log_score=1.0),
            dict(method="M1", domain="NMT", curve="y", rmsle=0.1, log_score=2.0),
            dict(method="M2", domain="NMT", curve="x", rmsle=0.3, log_score=1.6),
            dict(method="M2", domain="NMT", curve="y", rmsle=0.3, log_score=1.8),
            dict(method="ours", domain="NMT", curve="x", rmsle=0.00083, log_score=3.0),
        ]
    )
    text = page(pd.DataFrame(rows), curves)
    assert "| a | 0.60 | 0.50 | 20.0 | 8.0 | 1.50 | -0.50 | 1.00 |" in text
    assert "| b (1 of 2 sets) | 0.80 |" in text
    assert "#### oellm: 7 runs" in text
    assert "1.20% (b)" in text
    assert "| M1 | 0.15000 | 1.50 |" in text
    assert "| ours | 0.00083 (1 of 2) | 3.00 (1 of 2) |" in text
    # Each column's best, of different methods.
    assert "| best of M1-M4 | 0.15000 | 1.70 |" in text
    assert "make benchmark-trust" in text


def test_a_table_that_is_not_there_has_no_section():
    assert "### " not in page(None, None)
    assert "92 learning curves" not in page(pd.DataFrame([row("a", "llama3")]), None)


def test_absent_runs_are_said_to_be_absent_and_the_page_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sets, "SHARED", tmp_path / "nowhere")
    with pytest.raises(AbsentError, match=r"\.\./shared/data/?.* absent|\.\./shared/tools"):
        open_sets()
    monkeypatch.setattr(trust, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(trust, "CURVES", tmp_path / "curves.csv")
    monkeypatch.setattr(page_module, "PAGE", tmp_path / "benchmark.md")
    monkeypatch.setattr("sys.argv", ["trust"])
    trust.main()
    assert "absent" in capsys.readouterr().out
    assert (tmp_path / "benchmark.md").exists()
