"""The whole job: from a run log to three answers."""

from bayescale.studies.study import Study, run_study

__all__ = [
    "Study",
    "run_study",
]
