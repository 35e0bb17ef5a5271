"""The three answers in plain sentences, made from the numbers once and shown everywhere."""

from dataclasses import replace

from bayescale.report.numbers import Numbers, collect_numbers
from bayescale.report.words.extrapolation import plain_answer, stacked_answer
from bayescale.report.words.floor import floor_answer
from bayescale.report.words.form import form_answer
from bayescale.report.words.phrases import Answer
from bayescale.studies.study import Study


def three_answers(study: Study, numbers: Numbers | None = None) -> list[Answer]:
    """Return the three answers in words.

    Parameters
    ----------
    study : Study
        From `bayescale.study`.
    numbers : dict, optional
        `collect_numbers` of it, where it is at hand.

    Returns
    -------
    list of Answer
    """
    n = numbers or collect_numbers(study)
    first = stacked_answer(n) if n["forecast"]["possible"] else plain_answer(n)
    alike = tuple(f"{line[0].upper()}{line[1:]}" for name in n["dependence"] for line in n["dependence"][name])
    return [
        first,
        *(replace(answer, warnings=(*answer.warnings, *alike)) for answer in (form_answer(n), floor_answer(n))),
    ]
