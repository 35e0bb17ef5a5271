"""Kumar et al. 2024 (arXiv 2411.04330): in few bits fewer parameters count, and rounding after training costs loss.

``precision``: Chinchilla in ``N_eff = N * prod(1 - exp(-P/gamma))`` over the bits of weights, activations and key-value
cache in training. ``precision-post`` adds what rounding the trained weights to P_post bits costs, which grows with the
tokens they have seen: ``C_T * D**gamma_D * N**-gamma_N * exp(-P_post/gamma_post)``, whatever the bits in training.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import E_floor, Law, Parameter, Quantity, Reference, Theta, power_sum
from bayescale.laws.chinchilla import CHINCHILLA, power_terms

# Bits a weight at which the cost of rounding after training is sampled: a width that a person has seen in use.
POST_BITS = 4


def share_that_counts(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return N_eff / N: the share of the parameters that count at these bits."""
    weights = 1 - xp.exp(-x["PW"] / theta["gamma_w"])
    activations = 1 - xp.exp(-x["PA"] / theta["gamma_a"])
    return weights * activations * (1 - xp.exp(-x["PKV"] / theta["gamma_kv"]))


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + A * N_eff**-alpha + B * D**-beta``, relative to the reference run in unlimited bits."""
    return theta["E"] + power_sum(x["n"] * share_that_counts(xp, x, theta), x["d"], power_terms(theta))


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's E, A, B, alpha, beta and gammas."""
    gammas = {name: paper[name] for name in ("gamma_w", "gamma_a", "gamma_kv")}
    return CHINCHILLA.from_paper(xp, paper, x0) | gammas


def mean_after_rounding(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return the loss in training, with what rounding to P_post bits adds."""
    at_reference = theta["from_post"] * xp.exp((POST_BITS - x["PP"]) / theta["gamma_post"])
    return mean(xp, x, theta) + at_reference * x["d"] ** theta["gamma_D"] * x["n"] ** -theta["gamma_N"]


def rounding_to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return A, B and C_T."""
    scale = x0["params"] ** theta["gamma_N"] * x0["tokens"] ** -theta["gamma_D"]
    return CHINCHILLA.to_paper(xp, theta, x0) | {
        "C_T": theta["from_post"] * xp.exp(POST_BITS / theta["gamma_post"]) * scale
    }


def rounding_from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from those of `from_paper` and C_T, gamma_D, gamma_N, gamma_post."""
    gammas = {name: paper[name] for name in ("gamma_D", "gamma_N", "gamma_post")}
    scale = x0["params"] ** -paper["gamma_N"] * x0["tokens"] ** paper["gamma_D"]
    from_post = paper["C_T"] * xp.exp(-POST_BITS / paper["gamma_post"]) * scale
    return from_paper(xp, paper, x0) | gammas | {"from_post": from_post}


PRECISION = Law(
    name="precision",
    title="Training precision: bits of weights, activations and key-value cache",
    equation="L = E + A N_eff^-alpha + B D^-beta,  N_eff = N prod_x (1 - exp(-P_x/gamma_x)),  x = w, a, kv",
    source="Kumar et al. 2024, Scaling Laws for Precision, arXiv 2411.04330",
    kind="architecture",
    inputs=("params", "tokens", "bits_weights", "bits_activations", "bits_kv"),
    parameters=(
        *CHINCHILLA.parameters,
        Parameter("gamma_w", "bits a weight at which 63% of the parameters count", "bits", typical=(0.5, 5.0)),
        Parameter("gamma_a", "bits an activation at which 63% of them count", "bits", typical=(0.5, 5.0)),
        Parameter("gamma_kv", "bits of the key-value cache at which 63% of them count", "bits", typical=(0.5, 5.0)),
    ),
    paper_parameters=CHINCHILLA.paper_parameters,
    mean=mean,
    to_paper=CHINCHILLA.to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens", "bits_weights", "bits_activations", "bits_kv"),
    floor=E_floor,
    has_floor=True,
)

PRECISION_POST = Law(
    name="precision-post",
    title="Training precision, and rounding after training",
    equation=f"{PRECISION.equation};  + C_T D^gamma_D N^-gamma_N exp(-P_post/gamma_post)",
    source=PRECISION.source,
    kind="architecture",
    inputs=(*PRECISION.inputs, "bits_post"),
    parameters=(
        *PRECISION.parameters,
        Parameter(
            "from_post", f"loss that rounding the reference run's weights to {POST_BITS} bits adds", "loss",
            typical=(0.001, 0.3),
        ),
        Parameter("gamma_D", "how fast that loss grows as D grows", "1"),
        Parameter("gamma_N", "how fast it falls as N grows", "1"),
        Parameter("gamma_post", "bits more that divide it by 2.7", "bits", typical=(0.3, 3.0)),
    ),
    paper_parameters=(
        *PRECISION.paper_parameters,
        Parameter("C_T", "loss that rounding to no bits adds, carried back to N = D = 1", "loss"),
    ),
    mean=mean_after_rounding,
    to_paper=rounding_to_paper,
    from_paper=rounding_from_paper,
    # Not with tokens: the more a model has seen, the more rounding costs it.
    falls_with=("params", "bits_weights", "bits_activations", "bits_kv", "bits_post"),
    floor=E_floor,
    has_floor=True,
)  # fmt: skip
