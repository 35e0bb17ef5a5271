"""--workers and --scheduler: what commands that refit do with them."""

import importlib

import pytest

from bayescale.cli.main import main
from bayescale.parallel.use_workers import current_setting

BACKTEST = importlib.import_module("bayescale.forms.backtest")


class Asked(Exception):
    """Ends a command where it would begin to fit."""


@pytest.mark.parametrize(("words", "count"), [(["--workers", "3"], 3), ([], None)])
def test_a_command_uses_as_many_processes_as_it_is_told(words, count, monkeypatch):
    found = []

    def stop(*args, **options):
        found.append(current_setting().count)
        raise Asked

    monkeypatch.setattr(BACKTEST, "rehearse", stop)
    with pytest.raises(Asked):
        main(["backtest", "data/tinylm/runs.csv", *words])
    assert found == [count]
    assert current_setting().count is None


@pytest.mark.parametrize("command", ["report", "forecast", "backtest", "compare", "families"])
def test_commands_that_refit_take_workers_and_a_scheduler(command, capsys):
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "--workers" in said
    assert "--scheduler" in said


def test_a_number_that_is_none_and_both_at_once_are_refused(capsys):
    assert main(["backtest", "data/tinylm/runs.csv", "--workers", "0"]) == 2
    assert "1 or more" in capsys.readouterr().err
    assert main(["backtest", "data/tinylm/runs.csv", "--workers", "2", "--scheduler", "tcp://h:1"]) == 2
    assert "not both" in capsys.readouterr().err
