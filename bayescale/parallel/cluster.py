"""Work on the machines of a Dask cluster: lost work is done again, and what stops all of it is told in one sentence."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bayescale.errors import LostError, QuestionError
from bayescale.parallel.outcome import Outcome, pack, run_packed, unpack

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 20.0
# So long without a single worker, and nobody will come.
WAIT_SECONDS, POLL_SECONDS = 120.0, 5.0
# Each thread of the cluster gets so many parcels of the work, and so many are sent ahead of it.
PARCELS_EACH, AHEAD_EACH = 16, 2
START = "`dask scheduler` starts one, and `dask worker {} --nthreads 1` on every machine its workers"


@contextmanager
def connected(scheduler: "str | Client") -> Iterator["Client"]:
    """Connect to a scheduler, or use the client given, once the workers turn out to have bayescale as it is here."""
    try:
        from distributed import Client
    except ImportError:
        raise QuestionError(
            "Dask is not installed here. Install it, here and on the workers: pip install 'bayescale[dask]'."
        ) from None
    if not isinstance(scheduler, str):
        if not isinstance(scheduler, Client):
            raise QuestionError(
                f"scheduler: got {scheduler!r}; accepted: an address such as 'tcp://host:8786', or a client of Dask."
            )
        _check_versions(scheduler)
        yield scheduler
        return
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise LostError(
            f"no Dask scheduler answers at {scheduler!r} ({why}). {START.format('tcp://host:8786')}."
        ) from None
    try:
        _check_versions(client)
        yield client
    finally:
        with suppress(Exception):  # a scheduler that is gone cannot be told good-bye
            client.close(timeout=1)


def run_on_cluster(
    client: "Client",
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    starting: Callable[[int], None],
    take: Callable[[int, Outcome[Any]], None],
) -> None:
    """Do all tasks on the workers of a cluster, and hand on what comes of each as it comes.

    Dask does the work of a lost worker again, and gives up what has lost it four workers. Such work is tried once more
    alone, as Dask blames what happened to be on the same worker too.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    function, tasks
        What is done, and to what.
    starting, take : callable
        Called with the number of a task when it is sent; with its number and its outcome when it is done.

    Raises
    ------
    LostError
        If the scheduler is lost, or all workers are.
    """
    from distributed import CancelledError, KilledWorker, wait
    from distributed.comm import CommClosedError

    size = max(1, len(tasks) // (PARCELS_EACH * max(1, _count_threads(client))))
    waiting = deque(list(range(first, min(first + size, len(tasks)))) for first in range(0, len(tasks), size))
    suspects: deque[list[int]] = deque()
    running: dict[Future, list[int]] = {}
    alone, seen = False, time.monotonic()

    def send(parcel: list[int]) -> None:
        for number in parcel:
            starting(number)
        work = pack(function, [tasks[number] for number in parcel])
        # Dask takes calls with equal arguments for one, unless it is told that they are not.
        running[client.submit(run_packed, work, pure=False)] = parcel

    try:
        while waiting or suspects or running:
            threads = _count_threads(client)
            while waiting and len(running) < AHEAD_EACH * max(1, threads):
                send(waiting.popleft())
            if suspects and not running:
                alone = True
                send(suspects.popleft())
            try:
                with client.as_current():
                    done = wait(list(running), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                done = set()
            if done or threads:
                seen = time.monotonic()
            elif time.monotonic() - seen > WAIT_SECONDS:
                raise LostError(
                    f"the Dask cluster has had no worker for {WAIT_SECONDS:.0f} s. Start workers and ask again: "
                    f"`dask worker {client.scheduler.address} --nthreads 1`."
                )
            for future in done:
                parcel = running.pop(future)
                error = future.exception()
                if isinstance(error, KilledWorker) and not alone:
                    suspects.extend([number] for number in parcel)
                    continue
                if isinstance(error, KilledWorker):
                    error = LostError(
                        "the Dask workers that worked on it ended, again and again (killed, most likely for want of "
                        "memory). Give workers more memory (dask worker --memory-limit) and one thread each "
                        "(--nthreads 1)."
                    )
                packed = [] if error else future.result()
                for k, number in enumerate(parcel):
                    take(number, Outcome(error=error) if error else unpack(packed[k]))
    except (CancelledError, CommClosedError) as error:
        raise LostError(
            f"the Dask scheduler was lost ({str(error).strip() or type(error).__name__}). "
            f"{START.format('tcp://host:8786')}; then ask again."
        ) from None
    except BaseException:
        with suppress(Exception):
            client.cancel(list(running), force=True)
        raise


def _count_threads(client: "Client") -> int:
    return sum(client.nthreads().values())


def _check_versions(client: "Client") -> None:
    """Refuse workers that lack this version of bayescale, whose results would differ or fail one by one."""
    from importlib.metadata import version

    def version_there() -> str:  # goes along whole, as it has to run where there is no bayescale
        from importlib import metadata

        try:
            return metadata.version("bayescale")
        except metadata.PackageNotFoundError:
            return "none"

    here, there = version("bayescale"), client.run(version_there)
    if wrong := {address: found for address, found in there.items() if found != here}:
        address, found = next(iter(wrong.items()))
        raise QuestionError(
            f"{len(wrong)} of {len(there)} Dask workers lack bayescale {here}, which is used here; {address} has "
            f"{found}. Install the same version there: pip install 'bayescale[dask]'."
        )
