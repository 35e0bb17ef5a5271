"""Krajewski et al. 2024 (arXiv 2402.07871): mixtures of experts; finer experts make more of as many parameters."""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import E_floor, Law, Parameter, Quantity, Reference, Theta
from bayescale.laws.chinchilla import CHINCHILLA
from bayescale.laws.removable import loss_with, parts_of_A, removable_parameters


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + (g * G**-gamma + A) * N**-alpha + B * D**-beta``, from what is owed to each at the reference run."""
    return loss_with(x, theta, 1 / x["G"])


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return A, B and g; the paper calls the first two a and b, and E c."""
    g, A = parts_of_A(theta, x0)
    return CHINCHILLA.to_paper(xp, theta, x0) | {"A": A, "g": g}


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from E, A, B, g and the three exponents."""
    whole = paper["A"] + paper["g"]
    sampled = CHINCHILLA.from_paper(xp, dict(paper) | {"A": whole}, x0)
    return sampled | {"removable": paper["g"] / whole, "gamma": paper["gamma"]}


MOE = Law(
    name="moe",
    title="Mixture of experts with granularity",
    equation="L = E + (g G^-gamma + A) N^-alpha + B D^-beta",
    source="Krajewski et al. 2024, Scaling Laws for Fine-Grained Mixture of Experts, arXiv 2402.07871",
    kind="architecture",
    inputs=("params", "tokens", "granularity"),
    parameters=removable_parameters(
        "share of the loss owed to finite N, at granularity 1, that ever finer experts take off",
        "how fast that share falls as the granularity grows",
    ),
    paper_parameters=(
        *CHINCHILLA.paper_parameters,
        Parameter("g", "loss that finer experts can take off, carried back to N = 1", "loss"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens", "granularity"),
    floor=E_floor,
    has_floor=True,
)
