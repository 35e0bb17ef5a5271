"""From a posterior to answers: each an xarray.Dataset with its draws."""

from bayescale.answers.batch import critical_batch, time_and_compute
from bayescale.answers.crossing import crossing, kaplan_crossing
from bayescale.answers.deadline import cost_of_deadline, fastest_and_cheapest
from bayescale.answers.differences import differences
from bayescale.answers.dimension import data_dimension
from bayescale.answers.embeddings import non_embedding_frontier, to_non_embedding, to_total
from bayescale.answers.extrapolate import extrapolate
from bayescale.answers.finish import annealed, finish
from bayescale.answers.frontier import frontier_exponent, optimal_params
from bayescale.answers.irreducible import irreducible_loss
from bayescale.answers.known_models import better, known_models, known_models_table
from bayescale.answers.marginal import bigger_or_longer
from bayescale.answers.off_optimal import convergence_gap, off_optimal
from bayescale.answers.outliers import KNOWS_OUTLIERS, outlier_runs
from bayescale.answers.posterior import (
    card_of,
    complete_inputs,
    compute_points,
    cost_of,
    expected_loss,
    families_of,
    law_of,
    law_theta,
    loss_unit,
    parse_compute,
    reference_of,
    seen,
    theta_of,
)
from bayescale.answers.reducible import reducible_loss
from bayescale.answers.repeats import best_epochs, value_of_epochs
from bayescale.answers.split import optimal_split
from bayescale.answers.summary import BANDS, bands, summary
from bayescale.answers.undertuned import undertuned_runs
from bayescale.answers.unlimited import loss_of_compute, loss_of_tokens
from bayescale.answers.within import compute_to_within

__all__ = [
    "BANDS",
    "KNOWS_OUTLIERS",
    "annealed",
    "bands",
    "best_epochs",
    "better",
    "bigger_or_longer",
    "card_of",
    "complete_inputs",
    "compute_points",
    "compute_to_within",
    "convergence_gap",
    "cost_of",
    "cost_of_deadline",
    "critical_batch",
    "crossing",
    "data_dimension",
    "differences",
    "expected_loss",
    "extrapolate",
    "families_of",
    "fastest_and_cheapest",
    "finish",
    "frontier_exponent",
    "irreducible_loss",
    "kaplan_crossing",
    "known_models",
    "known_models_table",
    "law_of",
    "law_theta",
    "loss_of_compute",
    "loss_of_tokens",
    "loss_unit",
    "non_embedding_frontier",
    "off_optimal",
    "optimal_params",
    "optimal_split",
    "outlier_runs",
    "parse_compute",
    "reducible_loss",
    "reference_of",
    "seen",
    "summary",
    "theta_of",
    "time_and_compute",
    "to_non_embedding",
    "to_total",
    "undertuned_runs",
    "value_of_epochs",
]
