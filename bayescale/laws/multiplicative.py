"""Zhang et al. 2024 (arXiv 2402.17193): one power law in N and D together, over a floor.

``L = E + K N**-alpha D**-beta``: more of either lowers all of the reducible loss, so that either alone takes it to the
floor. With C = 6ND the loss falls for ever in one direction along a budget, N to infinity or to zero: there is no
compute-optimal split.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import ALPHA, BETA, IRREDUCIBLE, E_floor, Law, Parameter, Quantity, Reference, Theta


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + reducible * n**-alpha * d**-beta``."""
    return theta["E"] + theta["reducible"] * x["n"] ** -theta["alpha"] * x["d"] ** -theta["beta"]


def _scale_reference(theta: Theta, x0: Reference) -> Quantity:
    return x0["params"] ** theta["alpha"] * x0["tokens"] ** theta["beta"]


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return K."""
    return {"K": theta["reducible"] * _scale_reference(theta, x0)}


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from E, K, alpha and beta."""
    kept = {name: paper[name] for name in ("E", "alpha", "beta")}
    return kept | {"reducible": paper["K"] / _scale_reference(paper, x0)}


MULTIPLICATIVE = Law(
    name="multiplicative",
    title="Multiplicative: one term in N and D, with a floor",
    equation="L = E + K N^-alpha D^-beta",
    source="Zhang et al. 2024, When Scaling Meets LLM Finetuning, arXiv 2402.17193",
    parameters=(
        IRREDUCIBLE,
        Parameter("reducible", "loss owed to finite N and D at the reference run", "loss", typical=(0.05, 3.0)),
        ALPHA,
        BETA,
    ),
    paper_parameters=(Parameter("K", "the reducible loss, carried back to N = 1 and D = 1", "loss"),),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens"),
    floor=E_floor,
    has_floor=True,
)
