"""From a posterior to answers: each an xarray.Dataset with its draws."""

from bayescale.answers.bands_on_grid import bands_on_grid
from bayescale.answers.best_epochs import best_epochs, value_of_epochs
from bayescale.answers.bigger_or_longer import bigger_or_longer
from bayescale.answers.compute_to_within import compute_to_within
from bayescale.answers.critical_batch import cost_of_deadline, critical_batch, fastest_and_cheapest, time_and_compute
from bayescale.answers.crossing import crossing, kaplan_crossing
from bayescale.answers.data_dimension import data_dimension
from bayescale.answers.differences import differences
from bayescale.answers.extrapolate import extrapolate
from bayescale.answers.finish import annealed, finish
from bayescale.answers.irreducible_loss import irreducible_loss, reducible_loss
from bayescale.answers.known_models import better, known_models, known_models_table
from bayescale.answers.loss_of_compute import loss_of_compute, loss_of_tokens
from bayescale.answers.non_embedding_frontier import non_embedding_frontier, to_non_embedding, to_total
from bayescale.answers.off_optimal import convergence_gap, off_optimal
from bayescale.answers.optimal_split import frontier_exponent, optimal_params, optimal_split
from bayescale.answers.outlier_runs import KNOWS_OUTLIERS, outlier_runs, undertuned_runs
from bayescale.answers.summary import BANDS, bands, probability, response_names, summary

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
