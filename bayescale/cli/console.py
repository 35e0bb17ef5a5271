"""The two screens of a command: what it answers goes to one, progress and warnings go to the other."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

WARNING = "warning: "


class Screen(Console):
    """A console whose reader may go away: a closed pipe is the caller's to handle."""

    def on_broken_pipe(self) -> None:
        """Raise, where Rich would end the process with status 1."""
        raise BrokenPipeError


out = Screen(highlight=False, soft_wrap=True)
err = Screen(stderr=True, highlight=False, soft_wrap=True)


def warn(sentence: str) -> None:
    """Print a warning on the error screen."""
    err.print(f"{WARNING}{sentence}", markup=False)


class _Warnings(logging.Handler):
    """Prints what the package logs as warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        warn(record.getMessage())


@cache
def show_log() -> None:
    """Print what the package logs, such as a cache that cannot be used, on the error screen."""
    logging.getLogger("bayescale").addHandler(_Warnings())


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Show the current step: a spinner on a terminal, a line for each step elsewhere; warnings stay."""
    if not err.is_terminal:
        yield lambda line: err.print(line, markup=False)
        return
    with err.status("starting") as status:
        yield lambda line: err.print(line, markup=False) if line.startswith(WARNING) else status.update(escape(line))


@contextmanager
def sampling_bar(model: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of draws; yields what `fit` takes as ``progress``."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"{model}: compiling, then sampling", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total, description=f"{model}: sampling")
