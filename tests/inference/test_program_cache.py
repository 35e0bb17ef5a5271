"""Compiled models on disk: files that are whole and private, and a fit that goes on whatever becomes of them."""

import os
import sys
import threading
import time

import pytest

from bayescale.errors import DesignError
from bayescale.inference import compile_program, program_cache
from bayescale.inference.native.unsupported import UnsupportedError
from bayescale.inference.program_cache import cache_entries, cache_folder, cache_problem, clear_cache, kept_program

posix = pytest.mark.skipif(sys.platform == "win32", reason="ownership and modes of POSIX")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BAYESCALE_CACHE", str(tmp_path / "programs"))
    monkeypatch.setattr(program_cache, "_last_problem", "")
    return tmp_path / "programs"


@pytest.fixture
def compilations(folder, monkeypatch):
    """Models that are text instead of machine code; the list says which were compiled."""
    made = []

    def compile_text(name, build):
        model = build()
        made.append(model)
        return model, model.encode()

    monkeypatch.setattr(program_cache, "_compile", compile_text)
    monkeypatch.setattr(program_cache, "load_program", bytes.decode)
    return made


def the_file(folder):
    (path,) = folder.glob("*.program")
    return path


def test_a_model_is_compiled_once_for_each_key(compilations, folder):
    for _ in range(2):
        assert kept_program(("a", 1), "card", lambda: "one") == "one"
        assert kept_program(("a", 2), "card", lambda: "two") == "two"
    assert compilations == ["one", "two"]
    assert cache_problem() == ""
    assert [entry.name for entry in cache_entries()] == ["card", "card"]
    assert all(entry.current and entry.size > 0 and entry.created <= time.time() for entry in cache_entries())


def test_the_cache_can_be_turned_off(compilations, monkeypatch):
    for off in ("", "off", "OFF"):
        monkeypatch.setenv("BAYESCALE_CACHE", off)
        assert cache_folder() is None
        assert kept_program("key", "card", lambda: "one") == "one"
        assert cache_entries() == []
        assert clear_cache() == 0
    assert len(compilations) == 3


def test_it_lies_in_the_users_own_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("BAYESCALE_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "bayescale" / "programs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "bayescale" / "programs"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "bayescale" / "programs"


DAMAGE = {
    "truncated": lambda content: content[:-3],
    "empty": lambda content: b"",
    "head alone": lambda content: content.partition(b"\n")[0] + b"\n",
    "another byte": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "another file": lambda content: b"PK\x03\x04" + content,
    "not JSON": lambda content: program_cache.MAGIC + b"{\n",
    "a list": lambda content: program_cache.MAGIC + b"[]\n",
    "another installation": lambda content: content.replace(program_cache._installation().encode(), b"0" * 64),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_whole_is_compiled_anew(compilations, folder, damage):
    kept_program("key", "card", lambda: "one")
    path = the_file(folder)
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole))
    cache_entries()
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2
    assert "the model was compiled anew" in cache_problem()
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2


def test_a_file_that_cannot_be_loaded_is_compiled_anew(compilations, folder, monkeypatch):
    kept_program("key", "card", lambda: "one")
    contents = iter([ValueError("numba has changed"), None])

    def load(content):
        if error := next(contents):
            raise error
        return content.decode()

    monkeypatch.setattr(program_cache, "load_program", load)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert "numba has changed" in cache_problem()


@posix
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_others_can_write_is_not_read(compilations, folder, what):
    kept_program("key", "card", lambda: "one")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert the_file(folder).stat().st_mode & 0o777 == 0o600
    (the_file(folder) if what == "file" else folder).chmod(0o777)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2
    assert "written by others" in cache_problem()


@posix
def test_what_belongs_to_another_user_is_not_read(compilations, folder, monkeypatch):
    kept_program("key", "card", lambda: "one")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2
    assert "belongs to another user" in cache_problem()


def test_a_folder_that_cannot_be_made_is_done_without(compilations, folder):
    folder.write_text("a file stands where the folder should be")
    assert kept_program("key", "card", lambda: "one") == "one"
    assert "cannot be used" in cache_problem()
    assert cache_entries() == []


def test_a_full_disk_is_done_without_and_nothing_is_left(compilations, folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(program_cache.json, "dumps", full)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert "No space left" in cache_problem()
    assert {path.suffix for path in folder.iterdir()} <= {".lock", ".txt"}


def test_a_write_that_is_interrupted_leaves_nothing(compilations, folder, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(program_cache.json, "dumps", interrupt)
    with pytest.raises(KeyboardInterrupt):
        kept_program("key", "card", lambda: "one")
    assert list(folder.glob("*.tmp")) == list(folder.glob("*.program")) == []


def test_a_model_that_is_refused_is_no_problem_of_the_cache(compilations, folder):
    def refuse():
        raise DesignError("too few runs")

    with pytest.raises(DesignError):
        kept_program("key", "card", refuse)
    assert cache_problem() == ""


def test_a_key_that_holds_a_function_is_not_kept(compilations, folder):
    for _ in range(2):
        kept_program(("key", len), "card", lambda: "one")
    assert len(compilations) == 2
    assert cache_entries() == []


def test_number_and_size_of_files_are_bounded(compilations, folder, monkeypatch):
    monkeypatch.setattr(program_cache, "MAX_FILES", 3)
    for k in range(5):
        kept_program(k, str(k), lambda: "one")
        os.utime(max(folder.glob("*.program"), key=lambda path: path.stat().st_mtime_ns), (k, k))
    assert sorted(entry.name for entry in cache_entries()) == ["2", "3", "4"]
    # One that is read counts as new.
    kept_program(2, "2", lambda: "one")
    kept_program(6, "6", lambda: "one")
    assert sorted(entry.name for entry in cache_entries()) == ["2", "4", "6"]
    monkeypatch.setattr(program_cache, "MAX_BYTES", 10)
    kept_program(7, "7", lambda: "one")
    assert cache_entries() == []


def test_clearing_leaves_files_of_others_alone(compilations, folder):
    kept_program("key", "card", lambda: "one")
    (folder / "notes.md").write_text("mine")
    (folder / "new-killed.tmp").write_text("half")
    assert clear_cache() == 1
    assert [path.name for path in folder.iterdir()] == ["notes.md"]


def test_who_waits_for_a_lock_does_not_compile_again(compilations, folder, monkeypatch):
    slow, found = threading.Event(), []

    def build():
        slow.wait(20)
        return "one"

    threads = [
        threading.Thread(target=lambda: found.append(kept_program("key", "card", build))),
        threading.Thread(target=lambda: found.append(kept_program("key", "card", build))),
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    slow.set()
    for thread in threads:
        thread.join(20)
    assert found == ["one", "one"]
    assert compilations == ["one"]


def test_nobody_waits_for_ever(compilations, folder, monkeypatch):
    monkeypatch.setattr(program_cache, "LOCK_SECONDS", 0.2)
    kept_program("key", "card", lambda: "one")
    path = the_file(folder)
    path.unlink()
    with program_cache._locked(path.with_suffix(".lock")):
        assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2


def test_a_model_that_cannot_be_kept_is_used_as_nutpie_compiles_it(folder, monkeypatch):
    def refuse(model):
        raise UnsupportedError("the operation cumsum")

    monkeypatch.setattr(compile_program, "compile_model", refuse)
    monkeypatch.setattr(compile_program, "compile_with_nutpie", lambda model: f"nutpie's {model}")
    assert kept_program("key", "card", lambda: "one") == "nutpie's one"
    assert "card: the operation cumsum" in cache_problem()
    assert cache_entries() == []
