"""Hoffmann et al. 2022 (arXiv 2203.15556), equation 10: additive terms over a floor."""

from typing import Any

from bayescale.laws.base import Law, Parameter, PowerTerms, Quantity, Theta, power_sum


def power_terms(theta: Theta) -> PowerTerms:
    """Return the two reducible terms."""
    return PowerTerms(theta["from_params"], theta["alpha"], theta["from_tokens"], theta["beta"])


def mean(xp: Any, n: Quantity, d: Quantity, theta: Theta) -> Quantity:
    """Return ``E + from_params * n**-alpha + from_tokens * d**-beta``."""
    return theta["E"] + power_sum(n, d, power_terms(theta))


def to_paper(xp: Any, theta: Theta, params0: float, tokens0: float) -> dict[str, Quantity]:
    """Return the raw coefficients A and B, the contributions carried back to one parameter and one token."""
    return {
        "A": theta["from_params"] * params0 ** theta["alpha"],
        "B": theta["from_tokens"] * tokens0 ** theta["beta"],
    }


def from_paper(xp: Any, paper: Theta, params0: float, tokens0: float) -> dict[str, Quantity]:
    """Return the contributions at the reference run from the paper's E, A, B, alpha, beta."""
    return {
        "E": paper["E"],
        "from_params": paper["A"] * params0 ** -paper["alpha"],
        "from_tokens": paper["B"] * tokens0 ** -paper["beta"],
        "alpha": paper["alpha"],
        "beta": paper["beta"],
    }


CHINCHILLA = Law(
    name="chinchilla",
    title="Chinchilla: additive, with a floor",
    equation="L = E + A N^-alpha + B D^-beta",
    source="Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, arXiv 2203.15556, eq. 10",
    parameters=(
        Parameter("E", "irreducible loss: what is left with unlimited parameters and tokens", "loss"),
        Parameter("from_params", "loss owed to finite N at the reference run", "loss"),
        Parameter("from_tokens", "loss owed to finite D at the reference run", "loss"),
        Parameter("alpha", "how fast the loss owed to finite N falls as N grows", "1"),
        Parameter("beta", "how fast the loss owed to finite D falls as D grows", "1"),
    ),
    paper_parameters=(
        Parameter("A", "loss owed to finite N, carried back to N = 1", "loss"),
        Parameter("B", "loss owed to finite D, carried back to D = 1", "loss"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    floor=lambda theta: theta["E"],
    has_floor=True,
    power_terms=power_terms,
)
