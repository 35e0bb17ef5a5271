"""Several forms on the same runs: leave-one-out, leave-the-largest-out, and one answer from all of them."""

from bayescale.forms.backtest import FACTORS, FORECAST, HEADLINE, backtest, crps, held_out, score
from bayescale.forms.compare import compare
from bayescale.forms.forms_for import forms_for, shipped_forms
from bayescale.forms.mix_forms import check_question, fit_forms, keep_quotable, mix_forms
from bayescale.forms.rehearse import LADDER, rehearse, rungs
from bayescale.forms.shrinkage import shrinkage
from bayescale.forms.skipped import Skipped, pack_skipped, unpack_skipped

__all__ = [
    "FACTORS",
    "FORECAST",
    "HEADLINE",
    "LADDER",
    "Skipped",
    "backtest",
    "check_question",
    "compare",
    "crps",
    "fit_forms",
    "forms_for",
    "held_out",
    "keep_quotable",
    "mix_forms",
    "pack_skipped",
    "rehearse",
    "rungs",
    "score",
    "shipped_forms",
    "shrinkage",
    "unpack_skipped",
]
