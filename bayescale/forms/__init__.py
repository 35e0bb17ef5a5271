"""Several forms on the same runs: leave-one-out, leave-the-largest-out, and one answer from all of them."""

from bayescale.forms.backtest import FACTORS, FORECAST, HEADLINE, backtest, crps, held_out, score
from bayescale.forms.compare import compare
from bayescale.forms.forecast import check_question, forecast, forecast_fits
from bayescale.forms.forms_for import forms_for, shipped_forms
from bayescale.forms.rehearse import LADDER, rehearse, rungs
from bayescale.forms.shrinkage import shrinkage

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
