"""Gadre et al. 2024 (arXiv 2403.08540): loss by compute C = 6ND and tokens per parameter M = D/N.

``L = E + (a M**eta + b M**-eta) C**-eta``. Since C/M = 6 N**2 and C M = 6 D**2 this is Hoffmann's law with both
exponents tied at ``2 eta``, ``A = a 6**-eta`` and ``B = b 6**-eta``: over-training moves a run off the optimum at one
exponent in compute, whatever M.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws import chinchilla
from bayescale.laws.base import (
    FROM_PARAMS,
    FROM_TOKENS,
    IRREDUCIBLE,
    E_floor,
    Law,
    Parameter,
    PowerTerms,
    Quantity,
    Reference,
    Theta,
    reference_amplitudes,
)


def untied(theta: Theta) -> dict[str, Quantity]:
    """Return the same parameters as those of Hoffmann's law."""
    return {**theta, "alpha": 2 * theta["eta"], "beta": 2 * theta["eta"]}


def power_terms(theta: Theta) -> PowerTerms:
    """Return the two reducible terms."""
    return chinchilla.power_terms(untied(theta))


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + from_params * n**(-2 eta) + from_tokens * d**(-2 eta)``."""
    return chinchilla.mean(xp, x, untied(theta))


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return a and b."""
    raw = chinchilla.to_paper(xp, untied(theta), x0)
    return {"a": raw["A"] * 6 ** theta["eta"], "b": raw["B"] * 6 ** theta["eta"]}


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's E, a, b and eta."""
    raw = {"A": paper["a"] * 6 ** -paper["eta"], "B": paper["b"] * 6 ** -paper["eta"]}
    return {"E": paper["E"], "eta": paper["eta"]} | reference_amplitudes(untied(paper) | raw, x0)


OVERTRAINING = Law(
    name="overtraining",
    title="Over-training: by compute and tokens per parameter, one exponent",
    equation="L = E + (a M^eta + b M^-eta) C^-eta, M = D/N, C = 6 N D",
    source="Gadre et al. 2024, Language Models Scale Reliably with Over-Training, arXiv 2403.08540",
    parameters=(
        IRREDUCIBLE,
        FROM_PARAMS,
        FROM_TOKENS,
        Parameter("eta", "how fast the reducible loss falls with compute at fixed tokens per parameter", "1",
                  typical=(0.05, 0.4)),
    ),
    paper_parameters=(
        Parameter("a", "weight of the loss owed to finite N, at M = 1 and C = 1", "loss"),
        Parameter("b", "weight of the loss owed to finite D, at M = 1 and C = 1", "loss"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens"),
    floor=E_floor,
    has_floor=True,
    power_terms=power_terms,
)  # fmt: skip
