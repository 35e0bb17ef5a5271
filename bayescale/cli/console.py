"""What the commands show: tables, progress, and the words that end an answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import xarray as xr
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

out = Console(highlight=False, soft_wrap=True)
WARNING = "warning: "
err = Console(stderr=True, highlight=False, soft_wrap=True)


def by_family(answer: xr.Dataset, one: str = "") -> Iterator[tuple[str, xr.Dataset]]:
    """Yield an answer family by family; under the name of the only ``one`` where it has no such dimension."""
    if "family" not in answer.dims:
        yield one, answer
        return
    for family in answer["family"].values:
        yield str(family), answer.sel(family=family)


def band(draws: xr.DataArray, mass: float = 0.95) -> tuple[float, float, float]:
    """Return the band of that mass and the median: lower, median, upper."""
    ends = [0.5 - mass / 2, 0.5, 0.5 + mass / 2]
    low, middle, high = draws.quantile(ends, dim=("chain", "draw")).values.ravel()[:3]
    return float(low), float(middle), float(high)


def print_table(title: str, columns: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table; a column named family is left out where no row has one."""
    keep = [i for i, column in enumerate(columns) if column != "family" or any(row[i] for row in rows)]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for i in keep:
        table.add_column(columns[i], overflow="fold", justify="left")
    for row in rows:
        table.add_row(*(escape(row[i]) for i in keep))
    out.print(table)


def print_answer(
    title: str, columns: list[str], rows: Sequence[tuple[str, ...]], answer: xr.Dataset, last: str
) -> None:
    """Print an answer's table, its verdict where that is bad, and its last line."""
    print_table(title, columns, rows)
    if answer.attrs["verdict"] != "converged":
        out.print("NOT CONVERGED: these numbers may not be quoted.")
    out.print(last, markup=False)


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Show the step at hand: a spinner on a terminal, a line each elsewhere; warnings stay."""
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
