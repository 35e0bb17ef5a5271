# ruff: noqa: TID252  (lazy_loader reads relative imports only)
from .checks import check_predictive
from .dependence import dependence, dependence_warnings
from .grade import Grade, grade, grade_alone
from .influence import influence, most_influential
from .ranks import calibration_table, rank_ecdf
from .sbc import calibrate
from .sensitivity import prior_sensitivity

__all__ = [
    "Grade",
    "calibrate",
    "calibration_table",
    "check_predictive",
    "dependence",
    "dependence_warnings",
    "grade",
    "grade_alone",
    "influence",
    "most_influential",
    "prior_sensitivity",
    "rank_ecdf",
]
