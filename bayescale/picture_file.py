"""A picture in a file, whole or not at all."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bayescale.errors import OutputError
from bayescale.inference import check_can_save

PICTURES = (".png", ".pdf", ".svg")


def check_picture(file: Path) -> None:
    """Refuse a place that cannot take a picture, before anything is computed for it.

    Raises
    ------
    OutputError
        If the name does not end as a picture's does, or the file cannot be written.
    """
    if file.suffix not in PICTURES:
        raise OutputError(f"cannot write {file}: accepted are files that end in {', '.join(PICTURES)}.")
    check_can_save(file)


def save_picture(draw: Callable[[], Any], file: Path) -> None:
    """Save what ``draw`` draws, given the Axes that it returns.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    import matplotlib.pyplot as plt  # takes seconds, which only a picture is worth

    from bayescale.plots.style import style

    image = io.BytesIO()
    with style():
        figure = draw().get_figure(root=True)
        figure.savefig(image, format=file.suffix[1:])
    plt.close(figure)
    try:
        file.write_bytes(image.getvalue())
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}.") from None
