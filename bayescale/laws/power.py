"""Kaplan et al. 2020 (arXiv 2001.08361), eq. 1.1-1.3 and 3.3; Henighan et al. 2020 (arXiv 2010.14701), eq. 1.1.

A power law in one variable, whichever the card names: parameters, tokens, compute, examples, steps. Kaplan et al. let
it fall to zero, ``L = (x_c / x)**alpha``; Henighan et al. to a floor, ``L = E + (x_c / x)**alpha``.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import IRREDUCIBLE, E_floor, Law, Parameter, Quantity, Reference, Theta, zero_floor

LOSS_X = Parameter("loss_x", "loss at the reference run", "loss", typical=(0.5, 3.0))
FROM_X = Parameter("from_x", "loss owed to finite x at the reference run", "loss", typical=(0.05, 3.0))
ALPHA_X = Parameter("alpha", "how fast the loss owed to finite x falls as x grows", "1")


def pure(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``loss_x * x**-alpha``."""
    return theta["loss_x"] * x["x_rel"] ** -theta["alpha"]


def over_a_floor(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + from_x * x**-alpha``."""
    return theta["E"] + pure(xp, x, {"loss_x": theta["from_x"], "alpha": theta["alpha"]})


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return x_c, where the power term alone is 1."""
    at_reference = theta["from_x"] if "from_x" in theta else theta["loss_x"]
    return {"x_c": x0["x"] * at_reference ** (1 / theta["alpha"])}


def pure_from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's x_c and alpha."""
    return {"loss_x": (paper["x_c"] / x0["x"]) ** paper["alpha"], "alpha": paper["alpha"]}


def floored_from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's E, x_c and alpha."""
    pure = pure_from_paper(xp, paper, x0)
    return {"E": paper["E"], "from_x": pure["loss_x"], "alpha": pure["alpha"]}


X_C = Parameter("x_c", "x at which the power term alone is 1", "of x")

POWER = Law(
    name="power",
    title="Power law in one variable, no floor",
    equation="L = (x_c / x)^alpha",
    source="Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv 2001.08361, eq. 1.1-1.3 and 3.3",
    kind="one variable",
    inputs=("x",),
    parameters=(LOSS_X, ALPHA_X),
    paper_parameters=(X_C,),
    mean=pure,
    to_paper=to_paper,
    from_paper=pure_from_paper,
    falls_with=("x",),
    floor=zero_floor,
    has_floor=False,
)

POWER_FLOOR = Law(
    name="power-floor",
    title="Power law in one variable, over a floor",
    equation="L = E + (x_c / x)^alpha",
    source="Henighan et al. 2020, Scaling Laws for Autoregressive Generative Modeling, arXiv 2010.14701, eq. 1.1",
    kind="one variable",
    inputs=("x",),
    parameters=(IRREDUCIBLE, FROM_X, ALPHA_X),
    paper_parameters=(X_C,),
    mean=over_a_floor,
    to_paper=to_paper,
    from_paper=floored_from_paper,
    falls_with=("x",),
    floor=E_floor,
    has_floor=True,
)
