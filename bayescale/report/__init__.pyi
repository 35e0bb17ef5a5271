# ruff: noqa: TID252 - lazy_loader reads relative imports only
from .numbers import collect_numbers as collect_numbers
from .terminal import terminal_summary as terminal_summary
from .words.phrases import Answer as Answer
from .words.three_answers import three_answers as three_answers
from .write import check_writable as check_writable
from .write import write_report as write_report
