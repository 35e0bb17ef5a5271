"""Kaplan et al. 2020 (arXiv 2001.08361), equation 1.5: two power laws joined, with no floor."""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import Law, Parameter, PowerTerms, Quantity, Reference, Theta, power_sum, zero_floor


def power_terms(theta: Theta) -> PowerTerms:
    """Return the two terms inside the bracket, relative to the reference run."""
    outer = theta["alpha_D"]
    return PowerTerms(
        theta["loss_params"] ** (1 / outer), theta["alpha_N"] / outer, theta["loss_tokens"] ** (1 / outer), 1.0
    )


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``[(N_c / N)**(alpha_N / alpha_D) + D_c / D]**alpha_D``."""
    return power_sum(x["n"], x["d"], power_terms(theta)) ** theta["alpha_D"]


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return N_c and D_c, the scales at which each term alone would give a loss of 1."""
    return {
        "N_c": x0["params"] * theta["loss_params"] ** (1 / theta["alpha_N"]),
        "D_c": x0["tokens"] * theta["loss_tokens"] ** (1 / theta["alpha_D"]),
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the losses at the reference run from the paper's N_c, D_c, alpha_N, alpha_D."""
    return {
        "loss_params": (paper["N_c"] / x0["params"]) ** paper["alpha_N"],
        "loss_tokens": (paper["D_c"] / x0["tokens"]) ** paper["alpha_D"],
        "alpha_N": paper["alpha_N"],
        "alpha_D": paper["alpha_D"],
    }


KAPLAN = Law(
    name="kaplan",
    title="Kaplan: two power laws joined, no floor",
    equation="L = [(N_c/N)^(alpha_N/alpha_D) + D_c/D]^alpha_D",
    source="Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv 2001.08361, eq. 1.5",
    parameters=(
        Parameter("loss_params", "loss of the reference-size model with unlimited tokens", "loss", typical=(0.5, 3.0)),
        Parameter(
            "loss_tokens", "loss of an unlimited model with the reference run's tokens", "loss", typical=(0.5, 3.0)
        ),
        Parameter("alpha_N", "exponent of the loss in N where tokens are plentiful", "1"),
        Parameter("alpha_D", "exponent of the loss in D where the model is large", "1"),
    ),
    paper_parameters=(
        Parameter("N_c", "number of parameters at which the N term alone gives a loss of 1", "parameters"),
        Parameter("D_c", "number of tokens at which the D term alone gives a loss of 1", "tokens"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens"),
    floor=zero_floor,
    has_floor=False,
    power_terms=power_terms,
)
