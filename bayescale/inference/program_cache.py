"""Compiled models on disk, so that a model of a known shape is not compiled again in another process.

A file of the cache holds machine code, so only files that belong to this user and that nobody else can write are read.
Whatever goes wrong with the cache, the model is compiled and the fit goes on; the log ``bayescale`` says what it was.
"""

import hashlib
import json
import logging
import os
import platform
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayescale.inference.native.machine import describe_machine
from bayescale.inference.program import Program, load_program

if TYPE_CHECKING:
    import pymc as pm

VARIABLE = "BAYESCALE_CACHE"
MAGIC = b"bayescale compiled model\n"
SUFFIX, LOCK = ".program", ".lock"
MAX_FILES, MAX_BYTES = 300, 300_000_000
LOCK_SECONDS, POLL_SECONDS, STALE_SECONDS = 120.0, 0.05, 3600.0
_PACKAGES = ("pymc", "pytensor", "llvmlite", "numpy", "scipy")
# Rooms whose source decides what a model computes.
_ROOMS = ("costs", "laws", "runs", "priors", "layers", "cards", "modeling", "approaches")
_FLAGS = ("PYTENSOR_FLAGS",)
_log = logging.getLogger("bayescale")


@dataclass(frozen=True)
class CacheEntry:
    """One compiled model on disk.

    Attributes
    ----------
    name : str
        The model card, or the estimator; empty where the file does not say.
    path : Path
        The file.
    size : int
        Bytes.
    created, used : float
        Seconds since 1970: when the file was written, and when it was last read.
    state : {"usable", "outdated", "damaged"}
        Whether this installation can use the file. One that was written by another version or for another processor
        is outdated.
    """

    name: str
    path: Path
    size: int
    created: float
    used: float
    state: Literal["usable", "outdated", "damaged"]


def cache_folder() -> Path | None:
    """Return the folder of compiled models; None where the cache is turned off.

    ``BAYESCALE_CACHE`` names the folder; empty or ``off`` turns the cache off. By default it is the user's own cache
    folder: ``$XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows.

    Examples
    --------
    >>> from bayescale.inference.program_cache import cache_folder
    >>> folder = cache_folder()
    """
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return None if chosen.strip().lower() in ("", "off") else Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with suppress(RuntimeError):  # a user without a home
        return Path(base).expanduser() / "bayescale" / "programs"
    return None


def cache_entries() -> list[CacheEntry]:
    """Return the compiled models on disk, the last used first.

    Examples
    --------
    >>> from bayescale.inference.program_cache import cache_entries
    >>> [entry.name for entry in cache_entries() if entry.size == 0]
    []
    """
    folder = cache_folder()
    entries = [_describe(path) for path in folder.glob("*" + SUFFIX)] if folder else []
    return sorted((entry for entry in entries if entry), key=lambda entry: -entry.used)


def clear_cache() -> int:
    """Delete all compiled models from disk and return how many there were.

    Models that a running process has already read stay in its memory.

    Examples
    --------
    >>> from bayescale.inference.program_cache import cache_entries, clear_cache
    >>> count = clear_cache()
    >>> cache_entries()
    []
    """
    folder, count = cache_folder(), 0
    for path in _files(folder) if folder else ():
        with suppress(OSError):
            path.unlink()
            count += path.suffix == SUFFIX
    return count


def kept_program(key: Hashable, name: str, build: "Callable[[], pm.Model]") -> Program:
    """Return the compiled model of a key: from disk, or compiled and written there.

    What goes wrong with the cache does not stop a fit.

    Parameters
    ----------
    key : hashable
        Names the shape of the model. A key of text, numbers and tuples is kept on disk; a key with anything else, such
        as a function, belongs to this process.
    name : str
        What `cache_entries` calls the model.
    build : callable
        Makes the model; called only where the model is not on disk.

    Returns
    -------
    Program
        Read back from what is written, so that draws do not depend on whether the model was on disk.
    """
    folder = cache_folder() if _is_plain(key) else None
    if folder is None:
        return _compile(name, build)[0]
    try:
        _make_private(folder)
    except OSError as error:
        _log.warning(
            "compiled models cannot be kept in %s: %s. %s names another folder, or is `off`.", folder, error, VARIABLE
        )
        return _compile(name, build)[0]
    path = folder / (_digest(repr((_installation(), key)).encode()) + SUFFIX)
    program = _read(path)
    if program is not None:
        return program
    with _locked(path.with_suffix(LOCK)):
        # Another process may have written the model while this one waited.
        program = _read(path)
        if program is not None:
            return program
        program, content = _compile(name, build)
        if content:
            _write(path, name, content)
    return program


def _compile(name: str, build: "Callable[[], pm.Model]") -> tuple[Program, bytes]:
    """Compile a model and return the program as it is read back, with the bytes; none where it cannot be kept."""
    from bayescale.inference.compile_program import compile_model, compile_with_nutpie
    from bayescale.inference.native.unsupported import UnsupportedError

    model = build()
    try:
        return compile_model(model)
    except UnsupportedError as error:
        _log.warning("%s: %s. nutpie compiles it, which takes longer and is not kept.", name, error)
        return compile_with_nutpie(model), b""


def _read(path: Path) -> Program | None:
    """Return the program of a file; None where there is no such file or it is not whole, and then delete it."""
    try:
        with path.open("rb") as file:
            _check_private(os.fstat(file.fileno()), path)
            head, body = _read_head(file), file.read()
        _check_head(head, body)
        program = load_program(body)
    except FileNotFoundError:
        return None
    except Exception as error:
        # Whatever is wrong with a file, compiling anew puts it right.
        _log.warning("%s cannot be used: %s. The model is compiled anew.", path, error)
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):
        os.utime(path)
    return program


def _write(path: Path, name: str, content: bytes) -> None:
    """Write a file so that another process sees all of it or nothing, and delete the oldest ones."""
    head = {"name": name, "created": time.time(), "made_by": _installation(), "digest": _digest(content)}
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix="new-", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + json.dumps(head).encode() + b"\n" + content)
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        _log.warning("the compiled model %s cannot be written to %s: %s.", name, path.parent, error)
    finally:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
    _delete_oldest(path.parent)


def _describe(path: Path) -> CacheEntry | None:
    """Return what `cache_entries` says of a file; None where it has just gone."""
    name, created, state = "", 0.0, "damaged"
    try:
        about = path.stat()
        with path.open("rb") as file:
            head, body = _read_head(file), file.read()
        name, created = str(head["name"]), float(head["created"])
        state = "outdated" if head["made_by"] != _installation() else state
        _check_head(head, body)
        state = "usable"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        pass
    return CacheEntry(name, path, about.st_size, created, about.st_mtime, state)  # type: ignore[arg-type]


def _check_head(head: dict[str, Any], body: bytes) -> None:
    if head["made_by"] != _installation():
        raise ValueError("another version wrote it, or it is for another processor")
    if _digest(body) != head["digest"]:
        raise ValueError("the file is damaged")


def _read_head(file: Any) -> dict[str, Any]:
    if file.readline(len(MAGIC)) != MAGIC:
        raise ValueError("it is not a compiled model")
    with suppress(ValueError):
        head = json.loads(file.readline(10_000))
        if isinstance(head, dict) and {"name", "created", "made_by", "digest"} <= set(head):
            return head
    raise ValueError("the file is damaged")


def _delete_oldest(folder: Path) -> None:
    """Keep the folder within its bounds; what a process that was killed has left goes too."""
    now, used = time.time(), []
    for path in _files(folder):
        with suppress(OSError):
            about = path.stat()
            if path.suffix == SUFFIX:
                used.append((about.st_mtime, about.st_size, path))
            elif now - about.st_mtime > STALE_SECONDS:
                path.unlink()
    total = 0
    for count, (_, size, path) in enumerate(sorted(used, reverse=True), start=1):
        total += size
        if count > MAX_FILES or total > MAX_BYTES:
            with suppress(OSError):
                path.unlink()


def _files(folder: Path) -> list[Path]:
    """Return the files that this module has written to a folder, which may hold others."""
    ours = ("*" + SUFFIX, "*" + LOCK, "new-*.tmp")
    return [path for pattern in ours for path in folder.glob(pattern)]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; go on without it where there is none to be had, or after waiting for long.

    The system frees the lock of a process that ends, however it ends. Two processes that both go on write the same.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _try_lock(handle) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    """Lock an open file if no other process has; say that it is locked where the file system knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _make_private(folder: Path) -> None:
    """Create the folder for this user alone.

    Raises
    ------
    OSError
        If the folder cannot be made, or belongs to or is open to others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(folder.stat(), folder)


def _check_private(about: os.stat_result, path: Path) -> None:
    if sys.platform == "win32":
        return
    if about.st_uid != os.getuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{path} belongs to another user or can be written by others (chmod go-w)")


def _is_plain(key: Any) -> bool:
    """Say whether a key means the same in every process."""
    if isinstance(key, tuple):
        return all(_is_plain(part) for part in key)
    return key is None or type(key) in (str, int, float, bool)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _installation() -> str:
    """Return a digest of all that machine code depends on besides the model: versions, own source, processor, flags."""
    room = Path(__file__).parent
    sources = sorted(path for name in _ROOMS for path in (room.parent / name).rglob("*.py"))
    sources += [room / "program.py", room / "compile_program.py", *sorted((room / "native").glob("*.py"))]
    source = hashlib.sha256()
    for path in sources:
        source.update(path.read_bytes())
    parts = [
        [version(name) for name in ("bayescale", *_PACKAGES)],
        platform.python_implementation(),
        sys.version,
        describe_machine(),
        [os.environ.get(name, "") for name in _FLAGS],
        source.hexdigest(),
    ]
    return _digest(repr(parts).encode())
