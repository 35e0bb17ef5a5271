"""McLeish et al. 2025 (arXiv 2502.06857), the Gemstones: Chinchilla with a term each for width and depth.

``L = E + A_w * w**-alpha_w + A_z * z**-alpha_z + A * N**-alpha + B * D**-beta``: the form that the authors' code fits.
Width and depth all but fix N, so that these three share what the loss owes to size, and no two of the contributions are
told apart well; with A = 0 it is the law in width, depth and tokens alone.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import E_floor, Law, Parameter, PowerTerms, Quantity, Reference, Theta, power_sum
from bayescale.laws.chinchilla import CHINCHILLA


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return Chinchilla's loss with what is owed to width and to depth."""
    shape = PowerTerms(theta["from_width"], theta["alpha_w"], theta["from_depth"], theta["alpha_z"])
    return CHINCHILLA.mean(xp, x, theta) + power_sum(x["h"], x["z"], shape)


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return A_w, A_z, A and B."""
    return CHINCHILLA.to_paper(xp, theta, x0) | {
        "A_w": theta["from_width"] * x0["width"] ** theta["alpha_w"],
        "A_z": theta["from_depth"] * x0["depth"] ** theta["alpha_z"],
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from E, A_w, A_z, A, B and the four exponents."""
    return CHINCHILLA.from_paper(xp, paper, x0) | {
        "from_width": paper["A_w"] * x0["width"] ** -paper["alpha_w"],
        "from_depth": paper["A_z"] * x0["depth"] ** -paper["alpha_z"],
        "alpha_w": paper["alpha_w"],
        "alpha_z": paper["alpha_z"],
    }


WIDTH_DEPTH = Law(
    name="width-depth",
    title="Width and depth",
    equation="L = E + A_w w^-alpha_w + A_z z^-alpha_z + A N^-alpha + B D^-beta",
    source="McLeish et al. 2025, Gemstones: A Model Suite for Multi-Faceted Scaling Laws, arXiv 2502.06857",
    kind="architecture",
    inputs=("params", "tokens", "width", "depth"),
    parameters=(
        *CHINCHILLA.parameters,
        Parameter("from_width", "loss owed to finite width at the reference run", "loss", typical=(0.05, 3.0)),
        Parameter("from_depth", "loss owed to finite depth at the reference run", "loss", typical=(0.05, 3.0)),
        Parameter("alpha_w", "how fast the loss owed to finite width falls as it grows", "1"),
        Parameter("alpha_z", "how fast the loss owed to finite depth falls as it grows", "1"),
    ),
    paper_parameters=(
        *CHINCHILLA.paper_parameters,
        Parameter("A_w", "loss owed to finite width, carried back to a width of 1", "loss"),
        Parameter("A_z", "loss owed to finite depth, carried back to one layer", "loss"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    size_is_free=False,
    falls_with=("params", "tokens", "width", "depth"),
    floor=E_floor,
    has_floor=True,
)
