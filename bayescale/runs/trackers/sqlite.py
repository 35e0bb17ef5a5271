"""Read SQLite databases of other programs without changing them or the files beside them."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayescale.errors import RunsError

BEGINNING = b"SQLite format 3\x00"
WRITE_AHEAD = 2  # the 19th byte of a database in WAL mode
TRIES = 3


@contextmanager
def open_unchanged(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading, with all that another program has committed to it so far.

    Parameters
    ----------
    path : Path
        The database.

    Yields
    ------
    sqlite3.Connection

    Raises
    ------
    RunsError
        If the file does not begin as an SQLite database does.

    Notes
    -----
    SQLite changes the -wal and -shm files beside a database even when it only reads. A database with such a file, or
    with the journal of an unfinished change, is read from a copy. Any other is opened read-only.

    Examples
    --------
    >>> import sqlite3, tempfile
    >>> from pathlib import Path
    >>> from bayescale.runs.trackers.sqlite import open_unchanged, table_names
    >>> path = Path(tempfile.mkdtemp()) / "studies.db"
    >>> writer = sqlite3.connect(path)
    >>> _ = writer.execute("CREATE TABLE trials (number INTEGER)")
    >>> writer.close()
    >>> with open_unchanged(path) as database:
    ...     print(table_names(database))
    ['trials']
    """
    with path.open("rb") as file:
        head = file.read(20)
    if not head.startswith(BEGINNING):
        raise RunsError(f"{path.name} cannot be read as an MLflow store: it does not begin as an SQLite database does")
    with tempfile.TemporaryDirectory(prefix="bayescale-") as folder:
        if any(_size_and_time(Path(f"{path}{end}"))[0] for end in ("-wal", "-journal")):
            address = _copy_database(path, Path(folder)).as_uri()
        else:
            mode = "immutable=1" if WRITE_AHEAD in head[18:19] else "mode=ro"
            address = f"{path.resolve().as_uri()}?{mode}"
        database = sqlite3.connect(address, uri=True)
        try:
            yield database
        finally:
            database.close()


def table_names(database: sqlite3.Connection) -> list[str]:
    """Return the names of a database's tables."""
    return [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


def _copy_database(path: Path, folder: Path) -> Path:
    """Copy a database with its unfinished changes. Copy again if it was written to meanwhile."""
    parts = [path, Path(f"{path}-wal"), Path(f"{path}-journal")]
    for _ in range(TRIES):
        before = [_size_and_time(part) for part in parts]
        for part in parts:
            if part.exists():
                shutil.copy(part, folder / part.name)
        if before == [_size_and_time(part) for part in parts]:
            break
    return folder / path.name


def _size_and_time(path: Path) -> tuple[int, int]:
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else (0, 0)
