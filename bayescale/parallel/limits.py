"""How many processes this machine bears: its cores, its memory, and what a container was given of both."""

import os
from pathlib import Path

from bayescale.errors import QuestionError

VARIABLE = "BAYESCALE_WORKERS"
CGROUP, MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/meminfo")
# What a worker takes at most, measured: 0.3 GB of libraries, and 0.4 GB more while it compiles a model.
WORKER_BYTES = 1_000_000_000
_is_worker = False


def become_worker() -> None:
    """Let this process do everything by itself from now on, on one core: others work beside it."""
    global _is_worker
    _is_worker = True


def worker_limit() -> int:
    """Return how many worker processes to use at most: ``BAYESCALE_WORKERS``, or what cores and memory allow.

    Raises
    ------
    QuestionError
        If the variable is no whole number of 1 or more.

    Examples
    --------
    >>> from bayescale.parallel import worker_limit
    >>> worker_limit() >= 1
    True
    """
    if _is_worker:
        return 1
    if chosen := os.environ.get(VARIABLE, "").strip():
        if not chosen.isdecimal() or int(chosen) < 1:
            raise QuestionError(f"{VARIABLE}={chosen!r}: accepted is a whole number of workers, 1 or more.")
        return int(chosen)
    memory = _find_free_memory()
    by_memory = usable_cores() if memory is None else memory // WORKER_BYTES
    return max(1, min(usable_cores(), by_memory))


def usable_cores() -> int:
    """Return how many cores this process may use: those that it may run on, and no more than its container's share.

    Examples
    --------
    >>> from bayescale.parallel import usable_cores
    >>> usable_cores() >= 1
    True
    """
    if _is_worker:
        return 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = [*_read_words(CGROUP / "cpu.max"), "max", "100000"][:2]
    if not quota.isdecimal():  # the older kind of container keeps the two in two files; -1 is no limit
        quota = (_read_words(CGROUP / "cpu" / "cpu.cfs_quota_us") or ["max"])[0]
        period = (_read_words(CGROUP / "cpu" / "cpu.cfs_period_us") or ["100000"])[0]
    share = int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else allowed
    return max(1, min(allowed, int(share)))


def _find_free_memory() -> int | None:
    """Return the bytes that may still be taken, of the machine and of the container; None where neither says."""
    free = [1024 * int(words[1]) for words in map(str.split, _read_lines(MEMINFO)) if words[:1] == ["MemAvailable:"]]
    for folder, most, now in (
        (CGROUP, "memory.max", "memory.current"),
        (CGROUP / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit, used = _read_words(folder / most), _read_words(folder / now)
        if limit and used and limit[0].isdecimal():
            # Files that were read count as used, and are given up where memory is wanted.
            kept = dict(map(str.split, _read_lines(folder / "memory.stat"))).get("inactive_file", "0")
            free.append(max(0, int(limit[0]) - int(used[0]) + int(kept)))
    return min(free, default=None)


def _read_words(path: Path) -> list[str]:
    return " ".join(_read_lines(path)).split()


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
