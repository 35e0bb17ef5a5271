"""Compiled models on disk: files that are whole and private, and a fit that goes on whatever becomes of them."""

import ast
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bayescale.errors import DesignError
from bayescale.inference import compile_program, program_cache
from bayescale.inference.native.unsupported import UnsupportedError
from bayescale.inference.program_cache import cache_entries, cache_folder, clear_cache, kept_program

posix = pytest.mark.skipif(sys.platform == "win32", reason="ownership and modes of POSIX")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BAYESCALE_CACHE", str(tmp_path / "programs"))
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


def test_a_model_is_compiled_once_for_each_key(compilations, folder, caplog):
    for _ in range(2):
        assert kept_program(("a", 1), "card", lambda: "one") == "one"
        assert kept_program(("a", 2), "card", lambda: "two") == "two"
    assert compilations == ["one", "two"]
    assert caplog.messages == []
    assert [entry.name for entry in cache_entries()] == ["card", "card"]
    assert all(entry.state == "usable" and entry.size > 0 for entry in cache_entries())
    assert all(abs(entry.created - time.time()) < 60 for entry in cache_entries())


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
    "truncated": (lambda content: content[:-3], "damaged"),
    "empty": (lambda content: b"", "damaged"),
    "head alone": (lambda content: b"\n".join(content.split(b"\n")[:2]) + b"\n", "damaged"),
    "half a head": (lambda content: content[:60], "damaged"),
    "another byte": (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "damaged"),
    "another file": (lambda content: b"PK\x03\x04" + content, "damaged"),
    "not JSON": (lambda content: program_cache.MAGIC + b"{\n", "damaged"),
    "a list": (lambda content: program_cache.MAGIC + b"[]\n", "damaged"),
    "another version": (lambda content: content.replace(program_cache._installation().encode(), b"0" * 64), "outdated"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_whole_is_compiled_anew(compilations, folder, caplog, damage):
    kept_program("key", "card", lambda: "one")
    path, (change, state) = the_file(folder), DAMAGE[damage]
    path.write_bytes(change(path.read_bytes()))
    assert [entry.state for entry in cache_entries()] == [state]
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2
    assert f"{path} cannot be used: " in caplog.text
    assert "The model is compiled anew." in caplog.text
    assert [entry.state for entry in cache_entries()] == ["usable"]
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2


def test_a_file_that_cannot_be_loaded_is_compiled_anew(compilations, folder, caplog, monkeypatch):
    kept_program("key", "card", lambda: "one")

    def load(content):
        raise ValueError("this machine has no psi")

    monkeypatch.setattr(program_cache, "load_program", load)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert "cannot be used: this machine has no psi. The model is compiled anew." in caplog.text


def test_another_version_of_the_package_compiles_its_own(compilations, folder, monkeypatch):
    kept_program("key", "card", lambda: "one")
    monkeypatch.setattr(program_cache, "_installation", lambda: "another")
    assert [entry.state for entry in cache_entries()] == ["outdated"]
    kept_program("key", "card", lambda: "one")
    assert len(compilations) == 2
    assert sorted(entry.state for entry in cache_entries()) == ["outdated", "usable"]


def test_what_makes_machine_code_different_makes_another_version(monkeypatch):
    def installation():
        program_cache._installation.cache_clear()
        return program_cache._installation()

    first = installation()
    assert installation() == first
    with monkeypatch.context() as patch:
        patch.setattr(program_cache, "version", lambda name: "9.9" if name == "pytensor" else "1")
        assert installation() != first
    with monkeypatch.context() as patch:
        patch.setattr(program_cache, "describe_machine", lambda: ("another processor",))
        assert installation() != first
    with monkeypatch.context() as patch:
        patch.setenv("PYTENSOR_FLAGS", "floatX=float64")
        assert installation() != first
    assert installation() == first


def test_every_room_that_a_model_is_made_of_counts_as_its_source():
    """What is imported, at once or later, by the files that build models."""
    package = Path(program_cache.__file__).parents[1]
    todo = [*(package / "modeling").glob("*.py"), *(package / "approaches").glob("*_model.py")]
    seen = set(todo)
    while todo:
        for node in ast.walk(ast.parse(todo.pop().read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bayescale."):
                path = package.joinpath(*node.module.split(".")[1:])
                files = [path.with_suffix(".py"), path / "__init__.py", *(path / f"{n.name}.py" for n in node.names)]
                new = {file for file in files if file.is_file()} - seen
                seen |= new
                todo += new
    rooms = {file.relative_to(package).parts[0] for file in seen}
    assert rooms - set(program_cache._ROOMS) <= {"errors.py", "numbers.py", "shipped_files.py"}


@posix
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_others_can_write_is_not_read(compilations, folder, caplog, what):
    kept_program("key", "card", lambda: "one")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert the_file(folder).stat().st_mode & 0o777 == 0o600
    (the_file(folder) if what == "file" else folder).chmod(0o777)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2
    assert "can be written by others (chmod go-w)" in caplog.text


@posix
def test_what_belongs_to_another_user_is_not_read(compilations, folder, caplog, monkeypatch):
    kept_program("key", "card", lambda: "one")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert len(compilations) == 2
    assert f"compiled models cannot be kept in {folder}: {folder} belongs to another user" in caplog.text
    assert "BAYESCALE_CACHE names another folder, or is `off`." in caplog.text


def test_a_folder_that_cannot_be_made_is_done_without(compilations, folder, caplog):
    folder.write_text("a file stands where the folder should be")
    assert kept_program("key", "card", lambda: "one") == "one"
    assert f"compiled models cannot be kept in {folder}: " in caplog.text
    assert cache_entries() == []


def test_a_folder_that_may_only_be_read_serves_what_it_has(compilations, folder, caplog, monkeypatch):
    kept_program("key", "card", lambda: "one")

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    for module, name in ((program_cache.tempfile, "mkstemp"), (os, "utime"), (os, "open")):
        monkeypatch.setattr(module, name, refuse)
    assert kept_program("key", "card", lambda: "one") == "one"
    assert (compilations, caplog.messages) == (["one"], [])
    assert kept_program("other", "card", lambda: "two") == "two"
    assert "the compiled model card cannot be written to" in caplog.text
    assert "Permission denied" in caplog.text


def test_a_full_disk_is_done_without_and_nothing_is_left(compilations, folder, caplog, monkeypatch):
    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", lambda handle, mode: os.close(handle) or Full())
    assert kept_program("key", "card", lambda: "one") == "one"
    assert "No space left on device" in caplog.text
    assert {path.suffix for path in folder.iterdir()} == {".lock"}


def test_a_write_that_is_interrupted_leaves_nothing(compilations, folder, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fdopen", lambda handle, mode: os.close(handle) or interrupt())
    with pytest.raises(KeyboardInterrupt):
        kept_program("key", "card", lambda: "one")
    assert {path.suffix for path in folder.iterdir()} == {".lock"}


def test_a_model_that_is_refused_is_no_problem_of_the_cache(compilations, folder, caplog):
    def refuse():
        raise DesignError("too few runs")

    with pytest.raises(DesignError):
        kept_program("key", "card", refuse)
    assert caplog.messages == []


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


def test_a_model_that_cannot_be_kept_is_used_as_nutpie_compiles_it(folder, caplog, monkeypatch):
    def refuse(model):
        raise UnsupportedError("the operation cumsum")

    monkeypatch.setattr(compile_program, "compile_model", refuse)
    monkeypatch.setattr(compile_program, "compile_with_nutpie", lambda model: f"nutpie's {model}")
    assert kept_program("key", "card", lambda: "one") == "nutpie's one"
    assert "card: the operation cumsum. nutpie compiles it" in caplog.text
    assert cache_entries() == []


WAITING = """
import sys, time
from pathlib import Path
from bayescale.inference import program_cache
made = Path(sys.argv[1])
def compile_slowly(name, build):
    made.open("a").write("compiled\\n")
    time.sleep(float(sys.argv[2]))
    return "one", b"one"
program_cache._compile = compile_slowly
program_cache.load_program = bytes.decode
print(program_cache.kept_program("key", "card", lambda: "one"))
"""


def start_compiling(tmp_path, seconds):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", WAITING, str(tmp_path / "made"), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)


def wait_for_file(path):
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_of_two_processes_one_compiles_and_the_other_reads(folder, tmp_path):
    processes = [start_compiling(tmp_path, 1.0) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["one\n", "one\n"]
    assert (tmp_path / "made").read_text() == "compiled\n"


@posix
def test_a_process_that_is_killed_while_it_compiles_holds_up_nobody(compilations, folder, tmp_path):
    process = start_compiling(tmp_path, 60)
    wait_for_file(tmp_path / "made")
    process.kill()
    process.communicate(timeout=60)
    start = time.monotonic()
    assert kept_program("key", "card", lambda: "one") == "one"
    assert time.monotonic() - start < 10
    assert [entry.state for entry in cache_entries()] == ["usable"]
