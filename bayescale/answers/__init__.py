"""From a posterior to answers: each an xarray.Dataset with its draws."""

from bayescale.answers.extrapolate import extrapolate
from bayescale.answers.frontier import frontier_exponent, optimal_params
from bayescale.answers.irreducible import irreducible_loss
from bayescale.answers.posterior import (
    card_of,
    compute_points,
    cost_of,
    expected_loss,
    families_of,
    law_of,
    loss_unit,
    parse_compute,
    theta_of,
)
from bayescale.answers.split import optimal_split
from bayescale.answers.summary import BANDS, bands, summary

__all__ = [
    "BANDS",
    "bands",
    "card_of",
    "compute_points",
    "cost_of",
    "expected_loss",
    "extrapolate",
    "families_of",
    "frontier_exponent",
    "irreducible_loss",
    "law_of",
    "loss_unit",
    "optimal_params",
    "optimal_split",
    "parse_compute",
    "summary",
    "theta_of",
]
