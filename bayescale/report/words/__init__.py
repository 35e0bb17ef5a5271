"""The three answers in plain sentences, made from the numbers once and shown everywhere."""

from dataclasses import replace

from bayescale.report.numbers import Numbers, collect_numbers
from bayescale.report.words.far import far_answer
from bayescale.report.words.floor import floor_answer, forecast_below
from bayescale.report.words.form import form_answer
from bayescale.report.words.phrases import (
    Answer,
    Point,
    band_text,
    between_text,
    by_weight,
    coverage_text,
    deciding_test,
    farthest_test,
    held_text,
    judgement,
    place_text,
    series,
    short_names,
    verdict_on_form,
)
from bayescale.report.words.stacked import alone_text, grade_text, left_out, record_text, stacked_answer
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
    first = stacked_answer(n) if n["forecast"]["possible"] else far_answer(n)
    alike = tuple(f"{line[0].upper()}{line[1:]}" for name in n["dependence"] for line in n["dependence"][name])
    return [first, *(replace(one, warnings=(*one.warnings, *alike)) for one in (form_answer(n), floor_answer(n)))]


__all__ = [
    "Answer",
    "Point",
    "alone_text",
    "band_text",
    "between_text",
    "by_weight",
    "coverage_text",
    "deciding_test",
    "farthest_test",
    "forecast_below",
    "grade_text",
    "held_text",
    "judgement",
    "left_out",
    "place_text",
    "record_text",
    "series",
    "short_names",
    "stacked_answer",
    "three_answers",
    "verdict_on_form",
]
