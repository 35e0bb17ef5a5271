"""One way to show every answer: as a table and its sentences on a screen, and as rows of the JSON document."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from bayescale.cli.console import out
from bayescale.cli.schema import Document, Row
from bayescale.numbers import human_number

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.trust import Grade

MASS = 0.95
DRAW_DIMS = {"chain", "draw"}
# Simulations to be drawn in a picture, not numbers to be read.
DRAWN_ONLY = {"sample", "replicate", "at_compute", "prior_draw", "step"}
TITLES = {"compute": "C (FLOP)", "params": "N", "tokens": "D"}
COUNTED = set("params optimal_params tokens tokens_per_param unique_tokens step examples batch width depth".split())
Line = tuple[str, ...]


def print_table(title: str, columns: Sequence[str], lines: Sequence[Line]) -> None:
    """Print a table; a column named family is left out where no line has one."""
    keep = [i for i, column in enumerate(columns) if column != "family" or any(line[i] for line in lines)]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for i in keep:
        table.add_column(columns[i], overflow="fold", justify="left")
    for line in lines:
        table.add_row(*(escape(line[i]) for i in keep))
    out.print(table)


def say(document: Document, *sentences: str) -> None:
    """Print sentences and keep them in the document."""
    for sentence in filter(None, sentences):
        out.print(sentence, markup=False)
        document.sentences = [*document.sentences, *sentence.splitlines()]


def say_file(document: Document, what: str, file: Path) -> None:
    """Print which file was written and keep its name in the document."""
    out.print(f"{what}: {file}", markup=False)
    document.files = [*document.files, str(file)]


def draw_picture(
    document: Document,
    file: Path | None,
    plot: str,
    answer: "xr.Dataset",
    families: Sequence[str | None] | None = None,
    **options: Any,
) -> None:
    """Save what a function of `bayescale.plots` draws, a panel for each family where it takes one."""
    if file is None:
        return
    import bayescale.plots
    from bayescale.plots.file import panels, save_picture

    draw = getattr(bayescale.plots, plot)
    if families is None and "family" in answer.dims and "family" in inspect.signature(draw).parameters:
        families = [str(name) for name in answer["family"].values]
    if families is None:
        save_picture(lambda: draw(answer, **options), file)
    else:
        save_picture(lambda: panels(families, draw, answer), file)
    say_file(document, "Picture", file)


def check_picture_file(file: Path | None) -> None:
    """Refuse a file that cannot take a picture, before anything is computed."""
    if file is not None:
        from bayescale.plots.file import check_picture

        check_picture(file)


def show(
    answer: "xr.Dataset",
    title: str,
    *,
    across: Mapping[str, str] | None = None,
    beside: Mapping[str, str] | None = None,
    before: Mapping[str, Callable[[Row], str]] | None = None,
    lines_of: Mapping[str, str] | None = None,
    family: str = "",
    mass: float = MASS,
    grade: "Callable[[xr.Dataset, int], Grade | None] | None" = None,
    printed: Callable[[Row], bool] | None = None,
    last: str = "",
) -> Document:
    """Print any answer as a table, its verdict where that is bad and its sentences, and return the document.

    By default every quantity with draws has a line. ``across``, ``beside``, ``before`` and ``lines_of`` are the columns
    and lines of `print_rows`. ``family`` was asked, where the answer has no such dimension. ``grade`` grades a point of
    one family's answer. ``printed`` says which rows are printed; the document holds all of them. ``last`` follows the
    table, before the sentence of the worst grade.
    """
    rows = rows_of(answer, mass)
    grades = dict(_grade_points(answer, grade, family)) if grade else {}
    for row in rows:
        row.labels = {"family": family, **row.labels} if family and "family" not in row.labels else row.labels
        if not across or row.variable in across:
            found = grades.get((row.labels.get("family", ""), row.labels.get("point", 0)))
            row.grade = found.letter if found else None
    listed = [row for row in rows if printed is None or printed(row)]
    if across:
        print_rows(
            title, listed, across, beside, before, lines_of, graded=grade is not None, by_family="family" in answer.dims
        )
    else:
        print_table(title, *_long_table(listed, list(map(str, answer.dims)), mass))
    if answer.attrs.get("verdict") == "NOT CONVERGED":
        out.print("NOT CONVERGED: these numbers may not be quoted.")
    about = {name: str(answer.attrs[name]) for name in ("question", "model", "verdict") if name in answer.attrs}
    document = Document.model_validate({**about, "rows": rows, "sentences": []})
    worst = max(grades.values(), key=lambda found: found.letter, default=None)
    say(document, last, f"Grade {worst.sentence}." if worst else "")
    return document


def coordinate_columns(names: Iterable[str]) -> dict[str, Callable[[Row], str]]:
    """Return the columns that say where a point is, as `show` takes them ``before`` the quantities."""

    def cell_of(name: str) -> Callable[[Row], str]:
        return lambda row: number_text(name, row.at.get(name))

    return {TITLES.get(name, name): cell_of(name) for name in names}


def sentences_of(answer: "xr.Dataset") -> str:
    """Return what an answer says in words, and its warning."""
    from bayescale.report.words.answers import say_answer

    told = list(map(str, answer["sentence"].values.ravel())) if "sentence" in answer else [say_answer(answer)]
    attrs = answer.attrs
    return "\n".join(filter(None, [*told, attrs.get("sentence", ""), attrs.get("warning", "")]))


def rows_of(answer: "xr.Dataset", mass: float = MASS) -> list[Row]:
    """Return every quantity of an answer as rows, a row for each combination of its labels.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.cli.show import rows_of
    >>> loss = (("chain", "draw", "point"), np.ones((1, 9, 2)))
    >>> answer = xr.Dataset({"loss": loss}, {"compute": ("point", [1e20, 1e21])})
    >>> [(row.median, row.at) for row in rows_of(answer)]
    [(1.0, {'compute': 1e+20}), (1.0, {'compute': 1e+21})]
    """
    return [row for name in answer.data_vars for row in _rows_of_variable(answer, str(name), mass)]


def _rows_of_variable(answer: "xr.Dataset", name: str, mass: float) -> Iterator[Row]:
    import numpy as np

    from bayescale.answers.summary import bands

    values = answer[name]
    if DRAWN_ONLY & set(map(str, values.dims)):
        return
    drawn, number = set(values.dims) >= DRAW_DIMS, values.dtype.kind in "fiub"
    found = bands(values, [mass]).isel(prob=0) if drawn else None
    middle = values if found is None else found["median"]
    unit = str(values.attrs.get("units", ""))
    for index in np.ndindex(*middle.shape):
        pick = dict(zip(middle.dims, index, strict=True))
        labels, at = _labels_at(answer, values, pick)
        row = Row(variable=name, labels=labels, at=at, unit=unit)
        if number:
            row.median = float(middle.isel(pick))
        else:
            row.text = str(middle.isel(pick).values[()])
        if found is not None:
            row.lower, row.upper = (float(found[side].isel(pick)) for side in ("lower", "upper"))
            row.mass = mass
        yield row


def _labels_at(answer: "xr.Dataset", values: "xr.DataArray", pick: Mapping[Any, int]) -> tuple[dict, dict]:
    """Return the labels of one combination of indices, and the coordinates there."""
    labels: dict[str, Any] = {}
    for dim in sorted(pick, key=lambda dim: dim != "family"):
        i = pick[dim]
        label = answer[dim].values[i] if dim in answer.coords else i
        labels[str(dim)] = label.item() if hasattr(label, "item") else label
    at: dict[str, float] = {}
    for name, coord in values.coords.items():
        if name in pick or not set(coord.dims) <= set(pick):
            continue
        here = coord.isel({dim: pick[dim] for dim in coord.dims}).item()
        if isinstance(here, str):
            labels[str(name)] = here
        else:
            at[str(name)] = float(here)
    return labels, at


def _grade_points(
    answer: "xr.Dataset", grade: "Callable[[xr.Dataset, int], Grade | None]", family: str
) -> "Iterator[tuple[tuple[Any, Any], Grade]]":
    for name in answer["family"].values if "family" in answer.dims else [None]:
        one = answer if name is None else answer.sel(family=name)
        for point in range(answer.sizes.get("point", 1)):
            if (found := grade(one, point)) is not None:
                yield (family if name is None else str(name), point), found


def print_rows(
    title: str,
    rows: Sequence[Row],
    across: Mapping[str, str],
    beside: Mapping[str, str] | None = None,
    before: Mapping[str, Callable[[Row], str]] | None = None,
    lines_of: Mapping[str, str] | None = None,
    *,
    graded: bool = False,
    by_family: bool = True,
    write: Callable[[Row, int], list[str]] | None = None,
) -> None:
    """Print a line for each combination of labels, the quantities side by side.

    The columns are named by their titles: those ``before`` the quantities write their cells from the row of the first
    quantity; the quantities ``across`` have their bands, those ``beside`` have none. ``lines_of`` are quantities
    without families that have a line in the table of families, with what stands for the family. ``write`` gives median,
    lower and upper end as text, from a row and the digits of a count. ``by_family`` puts the lines of a family
    together. A label that repeats the family's has no column.
    """
    beside, before, lines_of, write = beside or {}, before or {}, lines_of or {}, write or _band_texts
    main_rows = [row for row in rows if row.variable in across]
    names = [
        name
        for name in dict.fromkeys(name for row in main_rows for name in row.labels)
        if name == "family" or (name != "point" and any(_differs_from_family(row, name) for row in main_rows))
    ]
    families = list(dict.fromkeys(row.labels.get("family") for row in rows))
    first, alone = next(iter(across)), len(across) == 1
    titles = list(across.values())
    if alone and main_rows and main_rows[0].mass is not None:
        titles.append(f"{main_rows[0].mass:.0%} band")
    by_labels: dict[Any, dict[str, Row]] = {}
    for row in rows:
        if row.variable in (*across, *beside):
            by_labels.setdefault(frozenset(row.labels.items()), {})[row.variable] = row
    found_rows = [found for found in by_labels.values() if first in found]
    if by_family:
        found_rows.sort(key=lambda found: families.index(found[first].labels.get("family")))
    found_rows += [{first: row} for row in rows if row.variable in lines_of]
    lines = []
    for found in found_rows:
        main = found[first]
        cells = [lines_of.get(main.variable) or _label_text(main.labels.get(name)) for name in names]
        cells += [cell(main) for cell in before.values()]
        for name in across:
            middle, low, high = write(found[name], 3 if alone else 2)
            if not alone:
                cells.append(f"{middle} [{low}, {high}]")
            else:
                cells += [middle, f"{low} to {high}"] if main.mass is not None else [middle]
        for name in beside:
            value = found[name] if name in found else Row(variable=name, median=main.at.get(name))
            cells.append(value.text or number_text(name, value.median))
        lines.append((*cells, *[main.grade or ""] * graded))
    print_table(title, [*names, *before, *titles, *beside.values(), *["grade"] * graded], lines)


def _differs_from_family(row: Row, name: str) -> bool:
    return "family" not in row.labels or row.labels.get(name) != row.labels["family"]


def _band_texts(row: Row, digits: int) -> list[str]:
    return [number_text(row.variable, value, digits) for value in (row.median, row.lower, row.upper)]


def _long_table(rows: Sequence[Row], dims: Sequence[str], mass: float) -> tuple[list[str], list[Line]]:
    """Return a line for each quantity with draws; of an answer without draws, for each quantity."""
    shown = [row for row in rows if row.mass is not None] or list(rows)
    labels = [name for name in dict.fromkeys(name for row in shown for name in row.labels) if name in dims]
    labels.sort(key=lambda name: (name != "point", name == "family"))
    lines = []
    for row in shown:
        middle, low, high = map(_short_text, (row.median, row.lower, row.upper))
        cells = [_label_text(row.labels.get(name)) for name in labels]
        band = f"{low} to {high}" if row.mass is not None else ""
        lines.append((row.variable, *cells, row.unit, row.text or middle, band))
    return ["variable", *labels, "unit", "median", f"{mass:.0%} band"], lines


def _short_text(value: float | None) -> str:
    if value is None:
        return ""
    return human_number(value, 3) if 0 < value < float("inf") else f"{value:.3g}"


def _label_text(label: Any) -> str:
    if isinstance(label, float):
        return f"{label:g}" if label == label else ""
    return "" if label is None else str(label)


def number_text(name: str, value: float | None, digits: int = 3) -> str:
    """Write a quantity as people write that kind of quantity; a count to so many digits.

    Examples
    --------
    >>> from bayescale.cli.show import number_text
    >>> number_text("params", 7e10), number_text("compute", 1.5e24), number_text("decades_beyond", 2.0)
    ('70B', '1.5e+24', '+2.0')
    """
    if name == "safe_from":
        return "not yet" if value is None or value != value else human_number(value) if value else "the start"
    if value is None:
        return ""
    if name in COUNTED:
        return human_number(value, digits)
    kinds = {"compute": ".3g", "share": ".0%", "decades": "+.1f", "probability": ".2f"}
    kinds |= {"probability_higher": ".3f", "ratio": ".3f", "residual": "+.2%", "weight": ".2f", "gained": ".1%"}
    kinds |= {"pareto_k": ".2f", "pit": ".2f", "shift": "+.3f", "of_band": ".1%"}
    return format(value, kinds.get(name, kinds.get(name.partition("_")[0], ".4g")))
