# ruff: noqa: TID252  (lazy_loader reads relative imports only)
from .bands_on_grid import bands_on_grid
from .best_epochs import best_epochs, value_of_epochs
from .bigger_or_longer import bigger_or_longer
from .compute_to_within import compute_to_within
from .critical_batch import cost_of_deadline, critical_batch, fastest_and_cheapest, time_and_compute
from .crossing import crossing, kaplan_crossing
from .data_dimension import data_dimension
from .differences import differences
from .extrapolate import extrapolate
from .finish import annealed, finish
from .irreducible_loss import irreducible_loss, reducible_loss
from .known_models import better, known_models, known_models_table
from .loss_of_compute import loss_of_compute, loss_of_tokens
from .non_embedding_frontier import non_embedding_frontier, to_non_embedding, to_total
from .off_optimal import convergence_gap, off_optimal
from .optimal_split import frontier_exponent, optimal_params, optimal_split
from .outlier_runs import KNOWS_OUTLIERS, outlier_runs, undertuned_runs
from .summary import BANDS, bands, probability, response_names, summary

__all__ = [
    "BANDS",
    "KNOWS_OUTLIERS",
    "annealed",
    "bands",
    "bands_on_grid",
    "best_epochs",
    "better",
    "bigger_or_longer",
    "compute_to_within",
    "convergence_gap",
    "cost_of_deadline",
    "critical_batch",
    "crossing",
    "data_dimension",
    "differences",
    "extrapolate",
    "fastest_and_cheapest",
    "finish",
    "frontier_exponent",
    "irreducible_loss",
    "kaplan_crossing",
    "known_models",
    "known_models_table",
    "loss_of_compute",
    "loss_of_tokens",
    "non_embedding_frontier",
    "off_optimal",
    "optimal_params",
    "optimal_split",
    "outlier_runs",
    "probability",
    "reducible_loss",
    "response_names",
    "summary",
    "time_and_compute",
    "to_non_embedding",
    "to_total",
    "undertuned_runs",
    "value_of_epochs",
]
