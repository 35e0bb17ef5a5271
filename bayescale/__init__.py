"""bayescale: from the logs of training runs to decisions with honest uncertainty.

>>> import bayescale as bs
>>> runs = bs.load_shipped("tinylm")                 # or bs.read_runs("runs.csv")
>>> fit = bs.fit(runs, model="chinchilla", seed=1)   # a plain ArviZ DataTree
>>> far = bs.extrapolate(fit, compute="100x")        # a Dataset with draws; .pipe(bs.summary)
>>> split = bs.optimal_split(fit, compute=["10x", "100x"])
>>> floor = bs.irreducible_loss(fit)
"""

from importlib.metadata import version as _version

from bayescale.answers import extrapolate, irreducible_loss, optimal_split, summary
from bayescale.compare import backtest, compare, score
from bayescale.errors import BayescaleError
from bayescale.inference import (
    Verdict,
    fit,
    load_fit,
    prior_to_posterior,
    runs_of,
    save_fit,
    verdict,
)
from bayescale.laws import LAWS, Law, Parameter, get_law, law
from bayescale.modeling import Card, build_model, laws_for, list_cards, load_card, make_card
from bayescale.runs import describe_runs, findings, load_shipped, read_runs, shipped_logs

__version__ = _version("bayescale")

__all__ = [
    "LAWS",
    "BayescaleError",
    "Card",
    "Law",
    "Parameter",
    "Verdict",
    "backtest",
    "build_model",
    "compare",
    "describe_runs",
    "extrapolate",
    "findings",
    "fit",
    "get_law",
    "irreducible_loss",
    "law",
    "laws_for",
    "list_cards",
    "load_card",
    "load_fit",
    "load_shipped",
    "make_card",
    "optimal_split",
    "prior_to_posterior",
    "read_runs",
    "runs_of",
    "save_fit",
    "score",
    "shipped_logs",
    "summary",
    "verdict",
]
