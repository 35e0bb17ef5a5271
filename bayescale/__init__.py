"""bayescale: from the logs of training runs to decisions with honest uncertainty.

>>> import bayescale as bs
>>> runs = bs.load_shipped("tinylm")                 # or bs.read_runs("runs.csv")
>>> fit = bs.fit(runs, model="chinchilla", seed=1)   # a plain ArviZ DataTree
>>> far = bs.extrapolate(fit, compute="100x")        # a Dataset with draws; .pipe(bs.summary)
>>> split = bs.optimal_split(fit, compute=["10x", "100x"])
>>> floor = bs.irreducible_loss(fit)
"""

from importlib.metadata import version as _version

from bayescale.answers import (
    approaches,
    approaches_table,
    best_epochs,
    better,
    bigger_or_longer,
    compute_to_within,
    convergence_gap,
    cost_of_deadline,
    critical_batch,
    crossing,
    data_dimension,
    extrapolate,
    fastest_and_cheapest,
    irreducible_by_domain,
    irreducible_loss,
    isoflop_fit,
    kaplan_crossing,
    known_models,
    known_models_table,
    ladder,
    loss_of_compute,
    loss_of_tokens,
    non_embedding_frontier,
    off_optimal,
    optimal_split,
    reducible_loss,
    summary,
    time_and_compute,
    to_non_embedding,
    to_total,
    value_of_epochs,
)
from bayescale.compare import backtest, compare, forecast, score
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
from bayescale.modeling import (
    Card,
    build_model,
    identifiability,
    laws_for,
    list_cards,
    load_card,
    make_card,
    prior_predictive,
    unidentified,
)
from bayescale.runs import describe_runs, findings, isoflop_profiles, load_shipped, read_curves, read_runs, shipped_logs
from bayescale.tables import published_law, published_table
from bayescale.trust import calibrate, check_predictive, grade, influence, prior_sensitivity

__version__ = _version("bayescale")


__all__ = [
    "LAWS",
    "BayescaleError",
    "Card",
    "Law",
    "Parameter",
    "Verdict",
    "approaches",
    "approaches_table",
    "backtest",
    "best_epochs",
    "better",
    "bigger_or_longer",
    "build_model",
    "calibrate",
    "check_predictive",
    "compare",
    "compute_to_within",
    "convergence_gap",
    "cost_of_deadline",
    "critical_batch",
    "crossing",
    "data_dimension",
    "describe_runs",
    "extrapolate",
    "fastest_and_cheapest",
    "findings",
    "fit",
    "forecast",
    "get_law",
    "grade",
    "identifiability",
    "influence",
    "irreducible_by_domain",
    "irreducible_loss",
    "isoflop_fit",
    "isoflop_profiles",
    "kaplan_crossing",
    "known_models",
    "known_models_table",
    "ladder",
    "law",
    "laws_for",
    "list_cards",
    "load_card",
    "load_fit",
    "load_shipped",
    "loss_of_compute",
    "loss_of_tokens",
    "make_card",
    "non_embedding_frontier",
    "off_optimal",
    "optimal_split",
    "prior_predictive",
    "prior_sensitivity",
    "prior_to_posterior",
    "published_law",
    "published_table",
    "read_curves",
    "read_runs",
    "reducible_loss",
    "runs_of",
    "save_fit",
    "score",
    "shipped_logs",
    "summary",
    "time_and_compute",
    "to_non_embedding",
    "to_total",
    "unidentified",
    "value_of_epochs",
    "verdict",
]
