"""Gadre et al. 2024 (arXiv 2403.08540): downstream error from loss, ``Err = eps - k * exp(-gamma * L)``.

Below a loss of ``log(k/eps)/gamma`` the paper's formula gives an error below zero; here it is held above.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import Law, Parameter, Quantity, Reference, Theta

# How the error is rounded off above zero: where the paper's formula has none left there is half a percent of that at
# chance, where it has half of it left that is moved by 2e-5.
ROUNDING = 0.01


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``eps * (1 - learned * exp(-steepness * (l - 1)))``, held above zero."""
    # The gain over chance is exp(-t) of all that there is to gain.
    t = theta["steepness"] * (x["l"] - 1) - xp.log(theta["learned"])
    above_zero = (t + xp.sqrt(t**2 + ROUNDING**2)) / 2
    return theta["eps"] * (1 - xp.exp(-above_zero))


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return k and gamma."""
    k = theta["eps"] * theta["learned"] * xp.exp(theta["steepness"])
    return {"k": k, "gamma": theta["steepness"] / x0["loss"]}


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's eps, k and gamma."""
    steepness = paper["gamma"] * x0["loss"]
    return {"eps": paper["eps"], "learned": paper["k"] / paper["eps"] * xp.exp(-steepness), "steepness": steepness}


LOSS_TO_ERROR = Law(
    name="loss-to-error",
    title="Downstream error from loss",
    equation="Err = eps - k exp(-gamma L)",
    source="Gadre et al. 2024, Language models scale reliably with over-training and on downstream tasks, "
    "arXiv 2403.08540",
    kind="downstream",
    inputs=("loss",),
    parameters=(
        Parameter("eps", "error at chance, of a model that has learned nothing", "share", "share", typical=(0.3, 0.95)),
        Parameter(
            "learned", "share of the error at chance that is gone at the reference run's loss", "share", "share",
            typical=(0.05, 0.7),
        ),
        Parameter(
            "steepness", "by which power of e that share falls if the reference run's loss doubles", "1",
            typical=(0.5, 5.0),
        ),
    ),
    paper_parameters=(
        Parameter("k", "fall of the error from chance, carried on to a loss of 0", "share"),
        Parameter("gamma", "how fast the error nears chance as the loss grows", "1/loss"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    response="error",
    rises_with=("loss",),
)  # fmt: skip
