"""Do many independent pieces of work: here, in several processes once that pays, or on a Dask cluster."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from bayescale.parallel.outcome import Outcome, attempt
from bayescale.parallel.processes import Workers
from bayescale.parallel.use_workers import current_setting

# Seconds of CPU that a process takes before it can fit, measured, and how many times that it must have to do.
START_SECONDS, PAYS = 1.5, 5
# Short tasks are sent together, so that one parcel is at least this long.
PARCEL_SECONDS, PARCELS_EACH = 0.5, 4


def map_tasks[Task, Result](
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    seconds: float | None = None,
    starting: Callable[[int], None] | None = None,
    finished: Callable[[int], None] | None = None,
) -> list[Outcome[Result]]:
    """Apply a function to every task, and return what came of each, in order.

    Work that is small is done in this process, as the start of others would take longer. Where it is done does not
    change a result: a task brings its own seed. `use_workers` says how many processes there may be, or which cluster.

    Parameters
    ----------
    function : callable
        Takes a task. It may carry what all tasks share, as a `functools.partial`; what it refers to can be pickled.
    tasks : sequence
        What can be pickled.
    seconds : float, optional
        About how long one task takes, for the first of them; then that is measured.
    starting, finished : callable, optional
        Called with the number of a task when it is begun, and with how many are done after each.

    Returns
    -------
    list of Outcome
        The result of each task, or its error. One that fails leaves the others alone. The error is `LostError` where
        the process that worked on a task was ended three times or ran out of memory.

    Raises
    ------
    LostError
        If processes end before they do anything, or the cluster is gone.
    KeyboardInterrupt
        After Ctrl-C, when all processes have ended.

    Examples
    --------
    >>> from bayescale.parallel import map_tasks
    >>> [outcome.get() for outcome in map_tasks(abs, [-1, 2])]
    [1, 2]
    """
    begin, end = starting or _ignore, finished or _ignore
    outcomes: dict[int, Outcome[Result]] = {}

    def take(number: int, outcome: Outcome[Any]) -> None:
        outcomes[number] = outcome
        end(len(outcomes))

    setting, spent = current_setting(), 0.0
    if setting.client is not None:
        from bayescale.parallel.cluster import run_on_cluster

        run_on_cluster(setting.client, function, tasks, begin, take)
        return [outcomes[number] for number in range(len(tasks))]
    limit = setting.limit
    for number, task in enumerate(tasks):
        left = len(tasks) - number
        each = spent / number if number else seconds or 0.0
        count = _count_workers(each, left, limit, setting.kept.started if setting.kept else 0)
        if count > 1:
            with nullcontext(setting.kept) if setting.kept else Workers(count) as workers:
                workers.widen(count)
                workers.run(function, tasks, _cut_parcels(range(number, len(tasks)), each, count), begin, take)
            break
        begin(number)
        start = time.perf_counter()
        outcome = attempt(function, task)
        spent += time.perf_counter() - start
        take(number, outcome)
    return [outcomes[number] for number in range(len(tasks))]


def _count_workers(each: float, left: int, limit: int, started: int) -> int:
    """Return how many processes pay for tasks that take so long each: 1 where they are better done here."""
    paid = min(limit, left, int(each * left / (PAYS * START_SECONDS)))
    return max(1, paid, started if each * left > PARCEL_SECONDS else 1)


def _cut_parcels(numbers: Sequence[int], each: float, count: int) -> list[Sequence[int]]:
    """Return the numbers in parcels: of one task where tasks are long, and of several short ones."""
    size = int(PARCEL_SECONDS / each) if each > 0 else len(numbers)
    size = max(1, min(size, len(numbers) // (PARCELS_EACH * count)))
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _ignore(count: int) -> None:
    """Tell nobody."""
