"""Figures as the page takes them: a panel is one PNG, a plate one heading with its panels."""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bayescale.report.words.captions import CAPTIONS

MOST_FAMILIES = 6


@dataclass(frozen=True)
class Panel:
    """One PNG: its file name, its title, what a reader who cannot see it is told, and the bytes."""

    file: str
    title: str
    alt: str
    png: bytes


@dataclass(frozen=True)
class Plate:
    """One figure of the page: a heading, what to look at, and its panels."""

    key: str
    heading: str
    caption: str
    panels: tuple[Panel, ...]
    left_out: str = ""


def draw_panel(
    file: str,
    title: str,
    alt: str,
    plot: Callable[..., object],
    *args: Any,
    height: float | None = None,
    pad: float | None = None,
    **options: Any,
) -> Panel:
    """Draw one panel by ``plot(*args, **options, ax=ax)``; `pad` lifts its title above the axes, in points."""
    from matplotlib.figure import Figure

    from bayescale import plots
    from bayescale.plots.style import SIZE

    with plots.style():
        figure = Figure(figsize=(SIZE[0], height or SIZE[1]), layout="constrained")
        ax = figure.subplots()
        plot(*args, **options, ax=ax)
        if title:
            ax.set_title(title, pad=pad)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return Panel(f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', file)}.png", title, alt, buffer.getvalue())


class Drawer:
    """Draws panels and plates, a panel for each family: the first few where there are many.

    Parameters
    ----------
    families : list of str
        The families of the study.
    **fields
        What is filled into headings and captions.
    """

    def __init__(self, families: list[str], **fields: str) -> None:
        self.families = [(f, None if len(families) == 1 else f) for f in families[:MOST_FAMILIES]]
        more = len(families) - len(self.families)
        self.left_out = f"{more} more families are not drawn; their numbers are in the table." if more > 0 else ""
        self.fields = fields

    def plate(
        self, key: str, panels: Iterable[Panel], left_out: str = "", *, caption: str = "", **fields: str
    ) -> Plate:
        """Return a plate with the heading and the caption of that name, by default of its key."""
        words, fields = CAPTIONS[caption or key], self.fields | fields
        return Plate(key, words.heading.format(**fields), words.look.format(**fields), tuple(panels), left_out)

    def alt(self, key: str, **fields: Any) -> str:
        """Return what a reader is told of a panel who cannot see it."""
        return CAPTIONS[key].alt.format(**self.fields, **fields)

    def each(self, file: str, alt: str, plot: Callable[..., object], *args: Any, **options: Any) -> tuple[Panel, ...]:
        """Return a panel for each family by ``plot(*args, family=family)``; the family is None where there is one."""
        return tuple(
            draw_panel(
                file if named is None else f"{file}-{i}-{name}",
                named or "",
                alt if named is None else f"{name}: {alt}",
                plot,
                *args,
                family=named,
                **options,
            )
            for i, (name, named) in enumerate(self.families, 1)
        )

    def by_family(self, key: str, file: str, plot: Callable[..., object], *args: Any, **options: Any) -> Plate:
        """Return the plate of that name with a panel for each family."""
        return self.plate(key, self.each(file, self.alt(key), plot, *args, **options), self.left_out)

    def panel_of(self, file: str, name: str, family: tuple[str, str | None], alt: str, *plot: Any) -> Panel:
        """Return the panel of one model and one of ``families``, by a plot and what it takes before the family."""
        label, named = family
        title = name if named is None else f"{name}, {label}"
        return draw_panel(f"{file}-{name}-{label}", title, alt, *plot, family=named)
