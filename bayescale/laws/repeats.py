"""Muennighoff et al. 2023 (arXiv 2305.16264): data-constrained training, where tokens are repeated.

Hoffmann's law at *effective* scales. Repeats of U unique tokens are worth less and less, up to ``1 + R_D`` times the
unique ones in all: ``D' = U + U R_D (1 - exp(-(D/U - 1) / R_D))``. Parameters beyond U_N, as many as U tokens can use
at the optimum of Hoffmann's law, likewise: ``N' = U_N + U_N R_N (1 - exp(-(N/U_N - 1) / R_N))``. With no repeats and
no more than U_N parameters the law is Hoffmann's.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws import chinchilla
from bayescale.laws.base import Law, Parameter, Quantity, Reference, Theta


def effective(xp: Any, total: Quantity, unique: Quantity, worth: Quantity) -> Quantity:
    """Return what the total is worth when all but `unique` of it is repeated, up to ``1 + worth`` times `unique`."""
    return unique * (1 + worth * (1 - xp.exp(-(total / unique - 1) / worth)))


def params_for(tokens: Quantity, theta: Theta) -> Quantity:
    """Return the parameters that Hoffmann's law pairs with those tokens at the optimum, relative as they are."""
    terms = chinchilla.power_terms(theta)
    ratio = terms.alpha * terms.A / (terms.beta * terms.B)
    return (ratio * tokens**terms.beta) ** (1 / terms.alpha)


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return Hoffmann's law at the effective parameters and tokens."""
    # U counts in units of D's reference run; tokens that are never read are no use.
    unique = x["d"] * xp.minimum(x["U"] / x["D"], 1.0)
    usable = xp.minimum(x["n"], params_for(unique, theta))
    scales = {
        "n": effective(xp, x["n"], usable, theta["R_N"]),
        "d": effective(xp, x["d"], unique, theta["R_D"]),
    }
    return chinchilla.mean(xp, scales, theta)


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's E, A, B, alpha, beta, R_D and R_N."""
    return chinchilla.from_paper(xp, paper, x0) | {name: paper[name] for name in ("R_D", "R_N")}


REPEATS = Law(
    name="repeats",
    title="Repeats: Chinchilla at the effective scales of repeated tokens",
    equation="L = E + A N'^-alpha + B D'^-beta, D' = U (1 + R_D (1 - exp(-(D/U - 1)/R_D))), N' likewise over U_N",
    source="Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv 2305.16264",
    inputs=("params", "tokens", "unique_tokens"),
    parameters=(
        *chinchilla.CHINCHILLA.parameters,
        Parameter("R_D", "the most that all repeats together are worth, in epochs of fresh tokens", "1",
                  typical=(1.0, 30.0)),
        Parameter("R_N", "the most that all parameters beyond the usable ones are worth, as a multiple of them", "1",
                  typical=(1.0, 30.0)),
    ),
    paper_parameters=chinchilla.CHINCHILLA.paper_parameters,
    mean=mean,
    to_paper=chinchilla.to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens", "unique_tokens"),
    may_be_constant=("unique_tokens",),
    floor=chinchilla.CHINCHILLA.floor,
    has_floor=True,
)  # fmt: skip
