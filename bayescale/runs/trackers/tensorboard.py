"""TensorBoard event files, read with TensorBoard's own loader."""

import struct
from pathlib import Path
from typing import Any

from bayescale.runs.reading.findings import Finding
from bayescale.runs.trackers.log import Log, Point, RunLog, damaged, gather, name_under, need, quiet, rows_of_series

PATTERN = "*tfevents*"


def read_tensorboard(path: Path) -> Log:
    """Read an event file, or every run below a log folder: as in TensorBoard, each folder with event files is a run.

    Parameters
    ----------
    path : Path
        An event file or a folder.

    Returns
    -------
    Log
        A column for each scalar tag, beside run, step and time.
    """
    loader = need("tensorboard.backend.event_processing.event_file_loader", "tensorboard", "TensorBoard event files")
    arrays = need("tensorboard.util.tensor_util", "tensorboard", "TensorBoard event files")
    root = path if path.is_dir() else path.parent
    folders: dict[Path, list[Path]] = {}
    for file in sorted(path.rglob(PATTERN)) if path.is_dir() else [path]:
        folders.setdefault(file.parent, []).append(file)
    runs, found = [], []
    for folder, files in folders.items():
        series: dict[str, list[Point]] = {}
        for file in files:  # in the order in which they were opened, which their names begin with
            with quiet():
                found += _add_scalars(file, root, loader, arrays, series)
        rows = rows_of_series(series)
        if rows:
            runs.append(RunLog(name_under(root, folder), rows, {}))
        else:
            text = f"run {name_under(root, folder)!r} is left out: it has no scalars"
            found.append(Finding("run-without-metric", "warning", text))
    return gather(runs, path.name, found)


def _add_scalars(file: Path, root: Path, loader: Any, arrays: Any, series: dict[str, list[Point]]) -> list[Finding]:
    """Add a file's scalars to the series."""
    records, whole = count_records(file)  # the loader stops at a damaged record without an error
    events = 0
    kinds: dict[str, str] = {}
    # The loader converts the old form of a scalar to the new one.
    for event in loader.EventFileLoader(str(file)).Load():
        events += 1
        for value in event.summary.value:
            kind = kinds.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
            if kind == "scalars" and value.HasField("tensor"):
                number = float(arrays.make_ndarray(value.tensor).ravel()[0])
                series.setdefault(value.tag, []).append(Point(int(event.step), float(event.wall_time), number))
    if not records:
        return [damaged(file, root, "left out: it holds no whole record")]
    if events < records or not whole:
        return [damaged(file, root, f"is cut off or damaged: only what its first {events} records hold was read")]
    return []


def count_records(file: Path) -> tuple[int, bool]:
    """Return how many whole records a file holds, and whether it ends with one.

    Notes
    -----
    A record is its length (8 bytes), a checksum (4), the data, and another checksum (4).
    """
    records, data = 0, file.read_bytes()
    at = 0
    while at + 12 <= len(data):
        end = at + 16 + struct.unpack_from("<Q", data, at)[0]
        if end > len(data):
            break
        at, records = end, records + 1
    return records, at == len(data)
