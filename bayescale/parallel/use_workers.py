"""Where independent pieces of work are done: a setting that holds within a ``with``."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bayescale.errors import QuestionError
from bayescale.parallel.limits import worker_limit
from bayescale.parallel.processes import Workers

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Setting:
    """Where work is done: how many processes at most, a Dask client, and the processes that are kept."""

    count: int | None = None
    client: "Client | None" = None
    kept: Workers | None = None

    @property
    def limit(self) -> int:
        """How many processes to use at most."""
        return self.count or worker_limit()


_setting: ContextVar[Setting] = ContextVar("setting", default=Setting())  # noqa: B039  (it is frozen)


def current_setting() -> Setting:
    """Return the setting that holds here."""
    return _setting.get()


@contextmanager
def use_workers(count: int | None = None, *, scheduler: "str | Client | None" = None) -> Iterator[None]:
    """Do the independent pieces of what is asked within, such as refits, in so many processes or on a Dask cluster.

    Without it, as many processes are used as there are cores and memory for, once there is work enough to pay for
    their start. On one machine the results are the same for any number of processes.

    Parameters
    ----------
    count : int, optional
        Processes at most; 1 for this one alone. By default ``BAYESCALE_WORKERS``, or what cores and memory allow.
    scheduler : str or dask.distributed.Client, optional
        The address of a Dask scheduler, ``"tcp://host:8786"``, or a client. It takes ``pip install 'bayescale[dask]'``
        here and bayescale of the same version on the workers, each with one thread.

    Raises
    ------
    QuestionError
        If the number is less than 1, both are given, or Dask is not installed.
    LostError
        If there is no scheduler at that address.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.parallel import use_workers
    >>> with use_workers(2):                                                  # doctest: +SKIP
    ...     held = bs.backtest(bs.load_shipped("tinylm"))
    >>> with use_workers(scheduler="tcp://10.0.0.1:8786"):                    # doctest: +SKIP
    ...     held = bs.backtest(bs.load_shipped("tinylm"))
    """
    if count is not None and count < 1:
        raise QuestionError(f"workers: got {count!r}; accepted: a whole number, 1 or more.")
    if count is not None and scheduler is not None:
        raise QuestionError("workers: say how many processes, or the scheduler of a Dask cluster, and not both.")
    with ExitStack() as stack:
        client = None
        if scheduler is not None:
            from bayescale.parallel.cluster import connected

            client = stack.enter_context(connected(scheduler))
        if count is None and client is None:
            yield
            return
        token = _setting.set(Setting(count, client))
        try:
            yield
        finally:
            _setting.reset(token)


@contextmanager
def kept_workers() -> Iterator[None]:
    """Keep the processes that are started within until its end, for several rounds of work; also a decorator."""
    setting = _setting.get()
    if setting.kept is not None:
        yield
        return
    with Workers(1) as workers:
        token = _setting.set(replace(setting, kept=workers))
        try:
            yield
        finally:
            _setting.reset(token)
