"""bayescale: from the logs of training runs to decisions with honest uncertainty.

>>> import bayescale as bs
>>> runs = bs.load_shipped("tinylm")                 # or bs.read_runs("runs.csv")
>>> fit = bs.fit(runs, model="chinchilla", seed=1)   # a plain ArviZ DataTree
>>> far = bs.extrapolate(fit, compute="100x")        # a Dataset with draws; .pipe(bs.summary)
>>> split = bs.optimal_split(fit, compute=["10x", "100x"])
>>> floor = bs.irreducible_loss(fit)
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayescale.answers import (
        annealed,
        best_epochs,
        better,
        bigger_or_longer,
        compute_to_within,
        convergence_gap,
        cost_of_deadline,
        critical_batch,
        crossing,
        data_dimension,
        differences,
        extrapolate,
        fastest_and_cheapest,
        finish,
        irreducible_loss,
        kaplan_crossing,
        known_models,
        known_models_table,
        loss_of_compute,
        loss_of_tokens,
        non_embedding_frontier,
        off_optimal,
        optimal_split,
        outlier_runs,
        reducible_loss,
        summary,
        time_and_compute,
        to_non_embedding,
        to_total,
        undertuned_runs,
        value_of_epochs,
    )
    from bayescale.approaches import approaches, approaches_table, isoflop_fit, ladder
    from bayescale.cards import Card, list_cards, load_card, make_card
    from bayescale.design import identifiability, prior_predictive, unidentified
    from bayescale.errors import BayescaleError
    from bayescale.forms import backtest, compare, forecast, score, shrinkage
    from bayescale.inference import (
        Verdict,
        fit,
        load_fit,
        new_family,
        prior_from,
        prior_to_posterior,
        runs_of,
        save_fit,
        verdict,
    )
    from bayescale.laws import LAWS, Law, Parameter, get_law, law
    from bayescale.modeling import build_model, laws_for
    from bayescale.papers import irreducible_by_domain
    from bayescale.papers.tables import published_law, published_table
    from bayescale.runs import (
        Filters,
        describe_curves,
        describe_runs,
        filter_curves,
        final_runs,
        findings,
        isoflop_profiles,
        left_out,
        load_shipped,
        load_shipped_curves,
        read_curves,
        read_runs,
        run_segments,
        shipped_logs,
    )
    from bayescale.trust import calibrate, check_predictive, dependence, grade, influence, prior_sensitivity

# Where each name is, imported when it is first asked for.
_PLACES = {
    "answers": (
        "annealed best_epochs better bigger_or_longer compute_to_within convergence_gap cost_of_deadline "
        "critical_batch crossing data_dimension differences extrapolate fastest_and_cheapest finish "
        "irreducible_loss kaplan_crossing known_models known_models_table loss_of_compute loss_of_tokens "
        "non_embedding_frontier off_optimal optimal_split outlier_runs reducible_loss summary "
        "time_and_compute to_non_embedding to_total undertuned_runs value_of_epochs"
    ),
    "approaches": "approaches approaches_table isoflop_fit ladder",
    "cards": "Card list_cards load_card make_card",
    "design": "identifiability prior_predictive unidentified",
    "errors": "BayescaleError",
    "forms": "backtest compare forecast score shrinkage",
    "inference": "Verdict fit load_fit new_family prior_from prior_to_posterior runs_of save_fit verdict",
    "laws": "LAWS Law Parameter get_law law",
    "modeling": "build_model laws_for",
    "papers": "irreducible_by_domain",
    "papers.tables": "published_law published_table",
    "runs": (
        "Filters describe_curves describe_runs filter_curves final_runs findings isoflop_profiles left_out "
        "load_shipped load_shipped_curves read_curves read_runs run_segments shipped_logs"
    ),
    "trust": "calibrate check_predictive dependence grade influence prior_sensitivity",
}
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names.split()}
_ROOMS = {module.partition(".")[0] for module in _PLACES} | {"plots", "report", "studies"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("bayescale")
    if name in _MODULE_OF:
        found = getattr(import_module(f"bayescale.{_MODULE_OF[name]}"), name)
    elif name in _ROOMS:
        found = import_module(f"bayescale.{name}")
    else:
        raise AttributeError(f"module 'bayescale' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "LAWS",
    "BayescaleError",
    "Card",
    "Filters",
    "Law",
    "Parameter",
    "Verdict",
    "annealed",
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
    "dependence",
    "describe_curves",
    "describe_runs",
    "differences",
    "extrapolate",
    "fastest_and_cheapest",
    "filter_curves",
    "final_runs",
    "findings",
    "finish",
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
    "left_out",
    "list_cards",
    "load_card",
    "load_fit",
    "load_shipped",
    "load_shipped_curves",
    "loss_of_compute",
    "loss_of_tokens",
    "make_card",
    "new_family",
    "non_embedding_frontier",
    "off_optimal",
    "optimal_split",
    "outlier_runs",
    "prior_from",
    "prior_predictive",
    "prior_sensitivity",
    "prior_to_posterior",
    "published_law",
    "published_table",
    "read_curves",
    "read_runs",
    "reducible_loss",
    "run_segments",
    "runs_of",
    "save_fit",
    "score",
    "shipped_logs",
    "shrinkage",
    "summary",
    "time_and_compute",
    "to_non_embedding",
    "to_total",
    "undertuned_runs",
    "unidentified",
    "value_of_epochs",
    "verdict",
]
