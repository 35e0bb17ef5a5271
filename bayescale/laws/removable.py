"""The common part of the laws `moe` and `sparse`: a share of the loss owed to finite N can be removed."""

from collections.abc import Mapping

from bayescale.laws.base import Parameter, Quantity, Reference, Theta, paper_amplitudes, power_sum
from bayescale.laws.chinchilla import CHINCHILLA, power_terms


def removable_parameters(share: str, exponent: str) -> tuple[Parameter, ...]:
    """Return the parameters of Chinchilla's law with the removable share and its exponent, which mean what is given."""
    return (
        *CHINCHILLA.parameters,
        Parameter("removable", share, "share", "share"),
        Parameter("gamma", exponent, "1", typical=(0.1, 1.5)),
    )


def loss_with(x: Mapping[str, Quantity], theta: Theta, left: Quantity) -> Quantity:
    """Return the loss of Chinchilla's law with the share `removable` of its N term multiplied by ``left**gamma``."""
    kept = 1 - theta["removable"] + theta["removable"] * left ** theta["gamma"]
    terms = power_terms(theta)._replace(A=theta["from_params"] * kept)
    return theta["E"] + power_sum(x["n"], x["d"], terms)


def parts_of_A(theta: Theta, x0: Reference) -> tuple[Quantity, Quantity]:
    """Return the raw coefficients of the part that can be removed and of the part that stays."""
    whole = paper_amplitudes(theta, x0)["A"]
    return theta["removable"] * whole, (1 - theta["removable"]) * whole
