"""What became of one piece of work, and how it travels to another process and back."""

import importlib
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bayescale.errors import LostError
from bayescale.parallel.limits import VARIABLE, become_worker

# What users may have added to in this process, by module: it goes along, so that a worker knows it too.
REGISTRIES = {"bayescale.laws.own": "OWN"}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
LESS_MEMORY = f"Use fewer workers at a time (--workers 1, or {VARIABLE}=1), or a machine with more memory."
# Fits of one process share compiled models, which bear one at a time.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Outcome[Result]:
    """The result of one piece of work, or the error that it ended with.

    Examples
    --------
    >>> from bayescale.parallel import Outcome
    >>> Outcome(4).get()
    4
    """

    value: Result | None = None
    error: Exception | None = None

    def get(self) -> Result:
        """Return the result.

        Raises
        ------
        Exception
            The error, where the work ended with one.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None is a result too


def attempt[Task, Result](function: Callable[[Task], Result], task: Task) -> Outcome[Result]:
    """Return the outcome of one piece of work in this process."""
    try:
        return Outcome(function(task))
    except MemoryError:
        return Outcome(error=LostError("a part of the work ran out of memory. " + LESS_MEMORY))
    except Exception as error:
        return Outcome(error=error)


def pack(function: Callable[[Any], Any], tasks: Sequence[Any]) -> bytes:
    """Return work as bytes for another process; functions of the user's own script go along whole."""
    import cloudpickle

    added = {}
    for module, name in REGISTRIES.items():
        if entries := getattr(sys.modules.get(module), name, None):
            added[module] = dict(entries)
    return cloudpickle.dumps((added, function, list(tasks)))


def run_packed(work: bytes) -> list[bytes]:
    """Do work that another process has packed; return the outcome of each task, each packed by itself."""
    import cloudpickle

    with _one_at_a_time:
        become_worker()
        try:
            added, function, tasks = cloudpickle.loads(work)
        except Exception as error:
            error.add_note(traceback.format_exc())
            raise
        for module, entries in added.items():
            getattr(importlib.import_module(module), REGISTRIES[module]).update(entries)
        return [_pack_outcome(attempt(function, task)) for task in tasks]


def unpack(packed: bytes) -> Outcome[Any]:
    """Return an outcome that another process has packed."""
    import cloudpickle

    try:
        outcome: Outcome[Any] = cloudpickle.loads(packed)
    except Exception as error:  # an error of a library that pickles and does not unpickle
        return Outcome(error=error)
    return outcome


def _pack_outcome(outcome: Outcome[Any]) -> bytes:
    import cloudpickle

    if outcome.error is not None:
        # A traceback does not travel. Its text does.
        outcome.error.add_note("".join(traceback.format_exception(outcome.error)))
    try:
        return cloudpickle.dumps(outcome)
    except Exception:
        told = outcome.error if outcome.error is not None else outcome.value
        return cloudpickle.dumps(Outcome(error=RuntimeError(f"a worker's result cannot be sent back: {told!r}")))
