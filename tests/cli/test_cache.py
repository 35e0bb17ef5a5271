"""`bayescale cache`: which compiled models are kept, whether they can be used, and a way to be rid of them."""

import json
import os
import time

import pytest

from bayescale.cli.main import main
from bayescale.inference import program_cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BAYESCALE_CACHE", str(tmp_path / "programs"))
    monkeypatch.setattr(program_cache, "_compile", lambda name, build: (name, b"x" * 2000))
    monkeypatch.setattr(program_cache, "load_program", bytes.decode)
    return tmp_path / "programs"


def said(capsys, *words):
    assert main(["cache", *words]) == 0
    return capsys.readouterr().out


def keep(name, seconds_ago):
    before = set(program_cache.cache_folder().glob("*.program"))
    program_cache.kept_program(name, name, lambda: None)
    (path,) = set(program_cache.cache_folder().glob("*.program")) - before
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def test_an_empty_cache_says_where_it_would_be(folder, capsys):
    assert said(capsys) == f"0 compiled models, 0.0 MB, in {folder}.\n"


def test_each_model_has_a_line_with_what_is_wrong_with_it(folder, capsys):
    keep("chinchilla", 300)
    outdated, damaged = keep("kaplan+drift", 200), keep("power", 100)
    outdated.write_bytes(outdated.read_bytes().replace(program_cache._installation().encode(), b"0" * 64))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    for path, age in ((outdated, 200), (damaged, 100)):
        os.utime(path, (time.time() - age,) * 2)
    lines = said(capsys).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["power", "kaplan+drift", "chinchilla"]
    assert [line.partition("no: ")[2].strip() for line in lines[2:5]] == [
        "damaged", "of another version or processor", "",
    ]  # fmt: skip
    assert lines[4].split()[1:3] == ["2", "kB"]
    assert time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() - 300)) in lines[4]
    assert lines[5].startswith("3 compiled models, 0.0 MB, in ")


def test_json_has_all_of_it(folder, capsys):
    path = keep("chinchilla", 50)
    (row,) = json.loads(said(capsys, "--json"))["cache"]
    assert (row["name"], row["state"], row["file"], row["bytes"]) == (
        "chinchilla", "usable", str(path), path.stat().st_size,
    )  # fmt: skip
    assert row["used"] == pytest.approx(time.time() - 50, abs=20)


def test_clearing_deletes_all_models_and_nothing_else(folder, capsys):
    keep("chinchilla", 0)
    keep("kaplan", 0)
    (folder / "notes.md").write_text("mine")
    assert said(capsys, "--clear") == f"2 compiled models deleted from {folder}.\n"
    assert [path.name for path in folder.iterdir()] == ["notes.md"]
    assert said(capsys, "--clear") == f"0 compiled models deleted from {folder}.\n"


def test_a_cache_that_is_turned_off_says_so(monkeypatch, capsys):
    monkeypatch.setenv("BAYESCALE_CACHE", "off")
    assert said(capsys) == "Compiled models are not kept: BAYESCALE_CACHE turns that off.\n"


def test_what_goes_wrong_with_the_cache_is_told_once_on_the_error_screen(folder, capsys):
    folder.write_text("a file stands where the folder should be")
    assert main(["cache"]) == 0  # any command prints what is logged from then on
    capsys.readouterr()
    program_cache.kept_program("key", "chinchilla", lambda: None)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"warning: compiled models cannot be kept in {folder}: ")
