"""What the laws of mixtures of experts and of sparse weights share: part of the loss owed to N can be taken off."""

from collections.abc import Mapping

from bayescale.laws.base import Quantity, Reference, Theta, paper_amplitudes, power_sum
from bayescale.laws.chinchilla import power_terms


def loss_with(x: Mapping[str, Quantity], theta: Theta, left: Quantity) -> Quantity:
    """Return Chinchilla's loss, of whose term in N a share `removable` is multiplied by ``left**gamma``."""
    kept = 1 - theta["removable"] + theta["removable"] * left ** theta["gamma"]
    terms = power_terms(theta)._replace(A=theta["from_params"] * kept)
    return theta["E"] + power_sum(x["n"], x["d"], terms)


def parts_of_A(theta: Theta, x0: Reference) -> tuple[Quantity, Quantity]:
    """Return the raw coefficients of the part that can be taken off and of the part that stays."""
    whole = paper_amplitudes(theta, x0)["A"]
    return theta["removable"] * whole, (1 - theta["removable"]) * whole
