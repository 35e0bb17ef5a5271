"""Alabdulmohsin et al. 2022 (arXiv 2209.06640), law M3: a power law of the shifted inverse, ``beta (1/x + gamma)^c``.

It falls as ``x**-alpha`` (alpha is the paper's c) where x is small and reaches its floor ``beta gamma**c`` as ``1 /
x``: far sooner than a power law over a floor with the same exponent. The floor and what the loss stands above it at
the reference run take the place of beta and gamma.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import IRREDUCIBLE, E_floor, Law, Parameter, Quantity, Reference, Theta
from bayescale.laws.power import ALPHA_X, FROM_X


def _measure_excess(xp: Any, theta: Theta) -> Quantity:
    """Return ``log(1 + 1 / (gamma x))`` at the reference run: how far the inverse still outweighs the shift."""
    return xp.log1p(theta["from_x"] / theta["E"]) / theta["alpha"]


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``(E + from_x) * (inverse / x + shift)**alpha``, where inverse and shift are shares of one."""
    excess = _measure_excess(xp, theta)
    inverse, shift = -xp.expm1(-excess), xp.exp(-excess)
    return (theta["E"] + theta["from_x"]) * (inverse / x["x_rel"] + shift) ** theta["alpha"]


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return beta and gamma."""
    excess = _measure_excess(xp, theta)
    inverse = -xp.expm1(-excess) * x0["x"]
    return {
        "beta": (theta["E"] + theta["from_x"]) * inverse ** theta["alpha"],
        "gamma": xp.exp(-excess) / inverse,
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's beta, gamma and its exponent, here alpha."""
    floor = paper["beta"] * paper["gamma"] ** paper["alpha"]
    above = xp.expm1(paper["alpha"] * xp.log1p(1 / (paper["gamma"] * x0["x"])))
    return {"E": floor, "from_x": floor * above, "alpha": paper["alpha"]}


SHIFTED = Law(
    name="shifted",
    title="Shifted power law in one variable (M3)",
    equation="L = beta (1/x + gamma)^alpha",
    source="Alabdulmohsin et al. 2022, Revisiting Neural Scaling Laws in Language and Vision, arXiv 2209.06640, M3",
    kind="one variable",
    inputs=("x",),
    parameters=(IRREDUCIBLE, FROM_X, ALPHA_X),
    paper_parameters=(
        Parameter("beta", "loss at x = 1, were there no floor", "loss"),
        Parameter("gamma", "inverse of the x at which the fall levels off", "1 / x"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("x",),
    floor=E_floor,
    has_floor=True,
)
