"""Worker processes of this machine: started when there is work, ended at once, and started again where one is lost."""

import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Self

from bayescale.errors import LostError
from bayescale.parallel.outcome import LESS_MEMORY, ONE_THREAD, Outcome, pack, run_packed, unpack

# Work whose process ended is done again once beside other work and once alone, where no other can be to blame.
TRIES = 3
# So many ends in a row without a result in between mean that no process can work here.
MOST_ENDS = 4
Take = Callable[[int, Outcome[Any]], None]


class Workers:
    """Processes that do work; none is started before there is any.

    They are spawned, not forked: the libraries of a fit have threads, and a fork of those may hang.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    @property
    def started(self) -> int:
        """How many processes there are."""
        return self.count if self._pool is not None else 0

    def widen(self, count: int) -> None:
        """Use so many processes from now on, where there are fewer."""
        if count > self.started:
            self.end()
            self.count = count

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        chunks: Sequence[Sequence[int]],
        starting: Callable[[int], None],
        take: Take,
    ) -> None:
        """Do the tasks with these numbers, a chunk of them at a time in each process, and hand on what comes of each.

        Parameters
        ----------
        function, tasks
            What is done, and to what.
        chunks : sequence of sequence of int
            The numbers of the tasks, as they are sent.
        starting, take : callable
            Called with the number of a task when it is sent; with its number and its outcome when it is done.

        Raises
        ------
        LostError
            If no process can work here.
        """
        waiting, suspects = deque(map(list, chunks)), deque[list[int]]()
        running: dict[Future[list[bytes]], list[int]] = {}
        ends, in_a_row = Counter[int](), 0
        try:
            while waiting or suspects or running:
                while waiting and len(running) < self.count:
                    self._send(function, tasks, waiting.popleft(), starting, running)
                if suspects and not waiting and not running:
                    self._send(function, tasks, suspects.popleft(), starting, running)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                lost: list[int] = []
                for future in done:
                    chunk = running.pop(future)
                    if isinstance(error := future.exception(), BrokenProcessPool):
                        lost += chunk
                        continue
                    in_a_row = 0
                    for k, number in enumerate(chunk):
                        take(number, Outcome(error=error) if error else unpack(future.result()[k]))  # type: ignore[arg-type]
                if not lost:
                    continue
                # All that was running is lost with the one process that ended.
                lost += [number for chunk in running.values() for number in chunk]
                running.clear()
                self.end()
                in_a_row += 1
                ends.update(lost)
                if in_a_row >= MOST_ENDS and any(ends[number] < TRIES for number in lost):
                    raise LostError(
                        f"worker processes ended {in_a_row} times in a row before they had done anything (killed, most "
                        f"likely for want of memory). {LESS_MEMORY}"
                    )
                for number in sorted(lost):
                    if ends[number] >= TRIES:
                        take(number, Outcome(error=_lost_error(TRIES)))
                    elif ends[number] == TRIES - 1:
                        suspects.append([number])
                    else:
                        waiting.appendleft([number])
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End the processes at once, whatever they do."""
        pool, self._pool = self._pool, None
        if pool is not None:
            # `ProcessPoolExecutor.kill_workers` does this from Python 3.14 on.
            processes = list((pool._processes or {}).values())
            for process in processes:
                process.kill()
            pool.shutdown(wait=True, cancel_futures=True)

    def _send(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        chunk: list[int],
        starting: Callable[[int], None],
        running: dict[Future[list[bytes]], list[int]],
    ) -> None:
        for number in chunk:
            starting(number)
        work = pack(function, [tasks[number] for number in chunk])
        try:
            # Processes are started here, one with each piece of work until all are there.
            with _interrupts_wait(), _one_thread_each(), _without_script():
                future = self._make_pool().submit(run_packed, work)
        except BrokenProcessPool as error:
            # A process ended between two pieces of work. It is found out with what is running, or here.
            future = Future()
            future.set_exception(error)
        running[future] = chunk

    def _make_pool(self) -> ProcessPoolExecutor:
        import multiprocessing

        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_prepare_worker)
        return self._pool


def _prepare_worker() -> None:
    """Leave Ctrl-C to the first process, and end with it however it ends."""
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent := multiprocessing.parent_process():

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Keep Ctrl-C from half-started processes, which inherit this: it comes when all are there and can be ended."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let the processes that start now use one thread each: there is one of them for each core."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update({name: value for name, value in ONE_THREAD.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextmanager
def _without_script() -> Iterator[None]:
    """Start processes without the user's script, which each would run again from its first line."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _lost_error(times: int) -> LostError:
    return LostError(
        f"the process that worked on it ended {times} times (killed, most likely for want of memory). {LESS_MEMORY}"
    )
