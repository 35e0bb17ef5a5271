# ruff: noqa: TID252  (lazy_loader reads relative imports only)
# The names of the package. `__init__.py` reads this file when it is imported; type checkers and editors read it too.
from . import (
    answers,
    approaches,
    cards,
    costs,
    design,
    forms,
    inference,
    laws,
    modeling,
    papers,
    plots,
    report,
    runs,
    studies,
    trust,
)
from .answers import extrapolate, irreducible_loss, optimal_split, summary
from .cards import list_cards, load_card
from .errors import BayescaleError
from .forms import backtest, compare
from .inference import fit, load_fit, save_fit, verdict
from .laws import law
from .runs import load_shipped, read_curves, read_runs
from .studies import forecast, study
from .trust import grade

__version__: str
__all__ = [
    "BayescaleError",
    "answers",
    "approaches",
    "backtest",
    "cards",
    "compare",
    "costs",
    "design",
    "extrapolate",
    "fit",
    "forecast",
    "forms",
    "grade",
    "inference",
    "irreducible_loss",
    "law",
    "laws",
    "list_cards",
    "load_card",
    "load_fit",
    "load_shipped",
    "modeling",
    "optimal_split",
    "papers",
    "plots",
    "read_curves",
    "read_runs",
    "report",
    "runs",
    "save_fit",
    "studies",
    "study",
    "summary",
    "trust",
    "verdict",
]
