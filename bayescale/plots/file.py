"""A picture in a file, whole or not at all."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from bayescale.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES = (".png", ".pdf", ".svg")


def check_picture(file: Path) -> None:
    """Refuse a file that cannot become a picture, before anything is computed for it.

    Raises
    ------
    OutputError
        If the name does not end as a picture's does, or the file cannot be written.
    """
    from bayescale.inference import check_can_save

    if file.suffix not in PICTURES:
        raise OutputError(f"cannot write {file}: accepted are files that end in {', '.join(PICTURES)}.")
    check_can_save(file)


def panels(families: Sequence[str | None], draw: "Callable[..., Axes]", answer: xr.Dataset) -> "Axes":
    """Draw an answer family by family, a panel for each, and return the first panel."""
    import matplotlib.pyplot as plt

    height = 3.6 * len(families)
    _, each = plt.subplots(len(families), squeeze=False, figsize=(6.8, height), layout="constrained")
    for family, ax in zip(families, each.flat, strict=True):
        draw(answer, family=family, ax=ax)
        ax.set_title(family or "")
    return each.flat[0]


def save_picture(draw: Callable[[], Any], file: Path) -> None:
    """Save the figure that ``draw`` draws; it returns one of the axes.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    import matplotlib.pyplot as plt

    from bayescale.plots import style

    image = io.BytesIO()
    with style():
        figure = draw().get_figure(root=True)
        figure.savefig(image, format=file.suffix[1:])
    plt.close(figure)
    try:
        file.write_bytes(image.getvalue())
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}.") from None
