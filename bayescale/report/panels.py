"""Figures as the page takes them: a panel is one PNG, a plate one heading with its panels."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescale import plots
from bayescale.plots.style import SIZE

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


def panel(
    file: str, title: str, alt: str, draw: Callable[[Axes], object], height: float = SIZE[1], pad: float | None = None
) -> Panel:
    """Draw one panel; `pad` lifts its title above what stands over the axes, in points."""
    with plots.style():
        figure = Figure(figsize=(SIZE[0], height), layout="constrained")
        ax = figure.subplots()
        draw(ax)
        if title:
            ax.set_title(title, pad=pad)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return Panel(f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', file)}.png", title, alt, buffer.getvalue())


class Drawer:
    """Draws a panel for each family: the first few where there are many."""

    def __init__(self, families: list[str]) -> None:
        self.families = [(f, None if len(families) == 1 else f) for f in families[:MOST_FAMILIES]]
        more = len(families) - len(self.families)
        self.left_out = f"{more} more families are not drawn; their numbers are in the table." if more > 0 else ""

    def each(
        self,
        key: str,
        alt: str,
        draw: Callable[[Axes, str | None], object],
        height: float = SIZE[1],
        pad: float | None = None,
    ) -> tuple[Panel, ...]:
        """Return the panels of all families; `draw` takes the axes and the family, None where there is one."""
        return tuple(
            panel(
                key if named is None else f"{key}-{i}-{name}",
                "" if named is None else name,
                alt if named is None else f"{name}: {alt}",
                lambda ax, named=named: draw(ax, named),  # type: ignore[misc]
                height,
                pad,
            )
            for i, (name, named) in enumerate(self.families, 1)
        )
