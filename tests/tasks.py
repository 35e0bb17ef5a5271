"""Pieces of work for the tests of `bayescale.parallel`, where a worker process can import them."""

import os
import signal
import time
from pathlib import Path


def where(task):
    """Return the task and the process that it was done in."""
    time.sleep(0.02)
    return task, os.getpid()


def fail_at_three(task):
    if task == 3:
        raise ValueError("three is wrong")
    return task


def die_first(task):
    """End this process as a lack of memory does, the first times that each of the tasks with a folder is tried."""
    number, folder, times = task
    if times:
        tries = Path(folder) / str(number)
        done = len(tries.read_text()) if tries.exists() else 0
        tries.write_text("x" * (done + 1))
        if done < times:
            os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


def exhaust(task):
    raise MemoryError


def environment(task):
    from bayescale.parallel import usable_cores, worker_limit

    return worker_limit(), usable_cores(), os.environ.get("OMP_NUM_THREADS")


def rest(task):
    time.sleep(3)
    return task
