"""Alabdulmohsin et al. 2022 (arXiv 2209.06640), law M4: from a plateau to a floor.

``(L - E) / (start - L)**shape = beta x**-alpha``: the loss leaves the plateau ``start`` that an untrained model has,
falls as ``x**-alpha`` (alpha is the paper's -c, shape its alpha) and settles at the floor E. L stands on both sides.
With ``L = E + (start - E) / (1 + exp(-u))`` the logarithm of the law is ``u + (shape - 1) softplus(u) = level``, which
two steps of Householder's method solve to rounding: plain arithmetic, smooth in every parameter. More steps of a lower
order (Newton's) do as well, but PyTensor's time to simplify the gradient doubles and doubles again with each step.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import IRREDUCIBLE, E_floor, Law, Parameter, Quantity, Reference, Theta, softplus
from bayescale.laws.power import ALPHA_X, FROM_X

STEPS = 2  # error below 1e-11 in u for shapes from 0.05 to 20: tests/laws/test_plateau.py


def solve(xp: Any, level: Quantity, shape: Quantity) -> Quantity:
    """Return the u at which ``u + (shape - 1) * softplus(u)`` is that level."""
    # A start with the slopes of the solution at either end, 1 and 1 / shape, that bends about where it does.
    bend = 1 / xp.sqrt(shape)
    u = level - (1 - 1 / shape) * softplus(xp, bend * level) / bend
    for _ in range(STEPS):
        share = 1 / (1 + xp.exp(-u))
        slope = 1 + (shape - 1) * share
        newton = (u + (shape - 1) * softplus(xp, u) - level) / slope
        curvature = newton * (shape - 1) * share * (1 - share) / slope
        third = newton * curvature * (1 - 2 * share)
        u = u - newton * (1 - curvature / 2) / (1 - curvature + third / 6)
    return u


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return the loss, between E and the plateau ``E + from_x + gained``."""
    total, shape = theta["from_x"] + theta["gained"], theta["shape"]
    at_reference = xp.log(theta["from_x"] / total) - shape * xp.log(theta["gained"] / total)
    u = solve(xp, at_reference - theta["alpha"] * xp.log(x["x_rel"]), shape)
    return theta["E"] + total / (1 + xp.exp(-u))


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the plateau and beta."""
    return {
        "start": theta["E"] + theta["from_x"] + theta["gained"],
        "beta": theta["from_x"] / theta["gained"] ** theta["shape"] * x0["x"] ** theta["alpha"],
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's E, start, beta, shape and the rate alpha."""
    total, shape = paper["start"] - paper["E"], paper["shape"]
    level = xp.log(paper["beta"]) + (shape - 1) * xp.log(total) - paper["alpha"] * xp.log(x0["x"])
    u = solve(xp, level, shape)
    return {
        "E": paper["E"],
        "from_x": total / (1 + xp.exp(-u)),
        "gained": total / (1 + xp.exp(u)),
        "alpha": paper["alpha"],
        "shape": shape,
    }


PLATEAU = Law(
    name="plateau",
    title="From a plateau to a floor in one variable (M4)",
    equation="(L - E) / (start - L)^shape = beta x^-alpha",
    source="Alabdulmohsin et al. 2022, Revisiting Neural Scaling Laws in Language and Vision, arXiv 2209.06640, M4",
    kind="one variable",
    inputs=("x",),
    parameters=(
        IRREDUCIBLE,
        FROM_X,
        Parameter(
            "gained", "how far the loss at the reference run lies below the plateau", "loss", typical=(0.05, 3.0)
        ),
        ALPHA_X,
        Parameter("shape", "how slowly the plateau is left, against how the floor is reached", "1", typical=(0.3, 3.0)),
    ),
    paper_parameters=(
        Parameter("start", "the plateau: loss before x has taught anything", "loss"),
        Parameter("beta", "the right-hand side at x = 1", "1"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("x",),
    floor=E_floor,
    has_floor=True,
)
