"""Hoffmann et al. 2022 (arXiv 2203.15556), equation 10: additive terms over a floor."""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import (
    ALPHA,
    BETA,
    FROM_PARAMS,
    FROM_TOKENS,
    IRREDUCIBLE,
    PAPER_A,
    PAPER_B,
    E_floor,
    Law,
    PowerTerms,
    Quantity,
    Reference,
    Theta,
    paper_amplitudes,
    power_sum,
    reference_amplitudes,
)


def power_terms(theta: Theta) -> PowerTerms:
    """Return the two reducible terms."""
    return PowerTerms(theta["from_params"], theta["alpha"], theta["from_tokens"], theta["beta"])


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + from_params * n**-alpha + from_tokens * d**-beta``."""
    return theta["E"] + power_sum(x["n"], x["d"], power_terms(theta))


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return A and B."""
    return paper_amplitudes(theta, x0)


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's E, A, B, alpha, beta."""
    kept = {name: paper[name] for name in ("E", "alpha", "beta")}
    return kept | reference_amplitudes(paper, x0)


CHINCHILLA = Law(
    name="chinchilla",
    title="Chinchilla: additive, with a floor",
    equation="L = E + A N^-alpha + B D^-beta",
    source="Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, arXiv 2203.15556, eq. 10",
    parameters=(IRREDUCIBLE, FROM_PARAMS, FROM_TOKENS, ALPHA, BETA),
    paper_parameters=(PAPER_A, PAPER_B),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens"),
    floor=E_floor,
    has_floor=True,
    power_terms=power_terms,
)
