"""How far a way to fit can be believed: calibration, checks of the model, what an answer hangs on, and a grade."""

from bayescale.trust.checks import check_predictive
from bayescale.trust.dependence import dependence, dependence_warnings
from bayescale.trust.grade import Grade, grade, grade_alone
from bayescale.trust.influence import influence, most_influential
from bayescale.trust.ranks import calibration_table, rank_ecdf
from bayescale.trust.sbc import calibrate
from bayescale.trust.sensitivity import prior_sensitivity

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
