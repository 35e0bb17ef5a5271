"""Frantar et al. 2023 (arXiv 2309.08520): sparse weights, where N counts the weights that are not zero."""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import E_floor, Law, Parameter, Quantity, Reference, Theta
from bayescale.laws.chinchilla import CHINCHILLA
from bayescale.laws.removable import loss_with, parts_of_A, removable_parameters


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + (a_S * (1-S)**gamma + c_S) * N**-alpha + (a_D/D)**beta``, from what each is at the reference."""
    return loss_with(x, theta, 1 - x["Q"])


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return a_S, c_S and a_D."""
    a_S, c_S = parts_of_A(theta, x0)
    return {"a_S": a_S, "c_S": c_S, "a_D": x0["tokens"] * theta["from_tokens"] ** (1 / theta["beta"])}


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from a_S, c_S, a_D, E and the exponents; the paper's b_N, b_D, b_S and c."""
    whole = paper["a_S"] + paper["c_S"]
    as_chinchilla = dict(paper) | {"A": whole, "B": paper["a_D"] ** paper["beta"]}
    sampled = CHINCHILLA.from_paper(xp, as_chinchilla, x0)
    return sampled | {"removable": paper["a_S"] / whole, "gamma": paper["gamma"]}


SPARSE = Law(
    name="sparse",
    title="Sparse weights",
    equation="L = E + (a_S (1-S)^gamma + c_S) N^-alpha + (a_D/D)^beta",
    source="Frantar et al. 2023, Scaling Laws for Sparsely-Connected Foundation Models, arXiv 2309.08520",
    kind="architecture",
    inputs=("params", "tokens", "sparsity"),
    parameters=removable_parameters(
        "share of a dense model's loss owed to finite N that ever more zeros beside its weights take off",
        "how fast that share falls as fewer weights are not zero",
    ),
    paper_parameters=(
        Parameter("a_S", "loss that more zeros can take off, carried back to N = 1", "loss"),
        Parameter("c_S", "loss owed to finite N that they cannot, carried back to N = 1", "loss"),
        Parameter("a_D", "number of tokens at which the D term alone gives a loss of 1", "tokens"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens", "sparsity"),
    floor=E_floor,
    has_floor=True,
)
