"""The whole job: from a run log to three answers, and the first of them alone."""

from bayescale.studies.forecast import forecast
from bayescale.studies.stack import Stack, stack_forms
from bayescale.studies.study import Study, study

__all__ = [
    "Stack",
    "Study",
    "forecast",
    "stack_forms",
    "study",
]
