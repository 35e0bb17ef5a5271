"""The report on disk: a page, its figures, the posteriors and answers.json, all of it or nothing."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayescale.errors import OutputError
from bayescale.inference import save_fit
from bayescale.report.numbers import Numbers, collect_numbers
from bayescale.report.page import render_page
from bayescale.report.words.three_answers import three_answers
from bayescale.studies.study import Study

PAGE, ANSWERS, FIGURES = "index.html", "answers.json", "figures"


def write_report(study: Study, out: str | Path = "report") -> Path:
    """Write the report into a folder; the folder appears whole or stays as it was.

    Parameters
    ----------
    study : Study
        From `bayescale.study`.
    out : str or Path
        The folder. An earlier report there is replaced; anything else is left alone and refused.

    Returns
    -------
    Path
        ``index.html``. Beside it lie ``figures/*.png``, ``<model>.nc`` and ``answers.json``.

    Raises
    ------
    OutputError
        If the folder holds other things, or cannot be written.
    """
    from bayescale.report.figures import draw_figures  # matplotlib is loaded when a page is drawn

    out = Path(out).resolve()
    check_writable(out)
    numbers = collect_numbers(study)
    answers = three_answers(study, numbers)
    plates = draw_figures(study, numbers)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}.") from None
    try:
        (made / FIGURES).mkdir()
        for panel in (panel for plate in plates for panel in plate.panels):
            (made / FIGURES / panel.file).write_bytes(panel.png)
        for name, fit in study.every_fit.items():
            save_fit(fit, made / f"{name}.nc")
        text = json.dumps(answers_dict(numbers, answers), indent=2, allow_nan=False, ensure_ascii=False)
        (made / ANSWERS).write_text(text + "\n", encoding="utf-8")
        (made / PAGE).write_text(render_page(numbers, answers, plates), encoding="utf-8")
        made.chmod(0o755)
        _swap_folders(made, out)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return out / PAGE


def answers_dict(numbers: Numbers, answers: "list[Any]") -> Mapping[str, Any]:
    """Return what answers.json holds: the answers in words, then every number."""
    return {"answers": {answer.key: answer.to_dict() for answer in answers}, **numbers}


def _swap_folders(made: Path, out: Path) -> None:
    """Put the finished folder in its place; what was there comes back if that fails."""
    if not out.exists():
        made.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    try:
        os.replace(out, old)
        try:
            os.replace(made, out)
        except OSError:
            os.replace(old, out)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def check_writable(out: str | Path) -> None:
    """Refuse a folder that a report could not be written to, before anything is computed.

    Raises
    ------
    OutputError
        If it is a file, holds things that are not a report, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from bayescale.report import check_writable
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_writable(folder)
    """
    out = Path(out).resolve()
    try:
        if out.exists():
            if not out.is_dir():
                raise OutputError(f"cannot write the report to {out}: it is a file. Give the name of a folder.")
            if any(out.iterdir()) and not (out / ANSWERS).is_file():
                raise OutputError(
                    f"{out} holds other things and no earlier report ({ANSWERS}); nothing in it is touched. Give "
                    "another folder, a new one for example."
                )
        folder = out.parent
        while not folder.exists():
            folder = folder.parent
        os.rmdir(tempfile.mkdtemp(prefix=f".{out.name}.", dir=folder))
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the report to {out}: {error.strerror or error}.") from None
