"""The report: the three answers first, then what they rest on."""

from bayescale.report.numbers import collect_numbers
from bayescale.report.terminal import terminal_summary
from bayescale.report.words import Answer, three_answers
from bayescale.report.write import check_writable, write_report

__all__ = [
    "Answer",
    "check_writable",
    "collect_numbers",
    "terminal_summary",
    "three_answers",
    "write_report",
]
