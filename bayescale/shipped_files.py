"""Where the files that come with the package lie: model cards and run logs."""

from pathlib import Path


def shipped_path(folder: str) -> Path:
    """Return the folder of shipped files: inside an installed wheel, or at the top of a checkout.

    Parameters
    ----------
    folder : {"models", "data"}
        Which files.

    Returns
    -------
    Path

    Examples
    --------
    >>> from bayescale.shipped_files import shipped_path
    >>> shipped_path("data").name
    'data'
    """
    package = Path(__file__).parent
    for place in (package / "shipped" / folder, package.parent / folder):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the shipped folder {folder!r} is missing beside {package.name}: reinstall the package")
