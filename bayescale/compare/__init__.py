"""Several forms on the same runs: leave-one-out, leave-the-largest-out, and one answer from all of them."""

from bayescale.compare.forecast import check_question, forecast, forecast_fits
from bayescale.compare.forms import forms_for, shipped_forms
from bayescale.compare.largest_out import FACTORS, FORECAST, HEADLINE, backtest, crps, held_out, score
from bayescale.compare.loo import compare
from bayescale.compare.rehearse import LADDER, rehearse, rungs
from bayescale.compare.shrinkage import shrinkage

__all__ = [
    "FACTORS",
    "FORECAST",
    "HEADLINE",
    "LADDER",
    "backtest",
    "check_question",
    "compare",
    "crps",
    "forecast",
    "forecast_fits",
    "forms_for",
    "held_out",
    "rehearse",
    "rungs",
    "score",
    "shipped_forms",
    "shrinkage",
]
