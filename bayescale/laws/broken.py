"""Caballero et al. 2022 (arXiv 2210.14891), eq. 1: a smoothly broken power law with n breaks.

``L = E + b x**-c0 prod_i (1 + (x / d_i)**(1 / f_i))**(-c_i f_i)``: on log axes the reducible loss is made of straight
pieces of slope -c0, -(c0 + c1), ..., joined at d_i over a width f_i; E is the paper's a. A negative c bends the curve
upward, so that a loss that falls, rises and falls again (double descent) has a law. Where the curve falls after its
last break, E is what remains with unlimited x; where it does not, E is no more than a bound below the loss.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import (
    DECADE,
    IRREDUCIBLE,
    E_floor,
    Law,
    Parameter,
    Quantity,
    Reference,
    Theta,
    softplus,
)
from bayescale.laws.power import FROM_X

ORDINALS = ("first", "second", "third")
SLOPE = Parameter("c0", "how fast the reducible loss falls before the first break", "1", "real", (-0.2, 0.6))


def broken(n: int) -> Law:
    """Return the smoothly broken power law with n breaks, from one to three.

    Examples
    --------
    >>> from bayescale.laws.broken import broken
    >>> broken(2).parameter_names
    ('E', 'from_x', 'c0', 'break_1', 'c1', 'f1', 'decades_2', 'c2', 'f2')
    """

    def log_bends(xp: Any, log_x: Quantity, theta: Theta) -> Quantity:
        """Return the log of the product of all breaks at ``x = exp(log_x)``, relative to the reference run."""
        return sum(
            -theta[f"c{i}"] * theta[f"f{i}"] * softplus(xp, (log_x - log_break) / theta[f"f{i}"])
            for i, log_break in enumerate(_locate_breaks(xp, theta, n), 1)
        )

    def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
        log_x = xp.log(x["x_rel"])
        bends = log_bends(xp, log_x, theta) - log_bends(xp, 0.0, theta)
        return theta["E"] + theta["from_x"] * xp.exp(bends - theta["c0"] * log_x)

    def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
        breaks = [x0["x"] * xp.exp(log_break) for log_break in _locate_breaks(xp, theta, n)]
        b = theta["from_x"] * x0["x"] ** theta["c0"] * xp.exp(-log_bends(xp, 0.0, theta))
        return {"b": b} | {f"d{i}": at for i, at in enumerate(breaks, 1)}

    def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
        log_d = [xp.log(paper[f"d{i}"] / x0["x"]) for i in range(1, n + 1)]
        theta = {name: paper[name] for name in ("E", "c0", *(f"{k}{i}" for i in range(1, n + 1) for k in "cf"))}
        theta["break_1"] = xp.exp(log_d[0])
        theta |= {f"decades_{i + 1}": (log_d[i] - log_d[i - 1]) / DECADE for i in range(1, n)}
        return theta | {"from_x": paper["b"] * x0["x"] ** -paper["c0"] * xp.exp(log_bends(xp, 0.0, theta))}

    return Law(
        name=f"broken-{n}",
        title=f"Smoothly broken power law in one variable, {n} break{'s' * (n > 1)}",
        equation="L = E + b x^-c0 " + " ".join(f"(1 + (x/d{i})^(1/f{i}))^(-c{i} f{i})" for i in range(1, n + 1)),
        source="Caballero et al. 2022, Broken Neural Scaling Laws, arXiv 2210.14891, eq. 1",
        kind="one variable",
        inputs=("x",),
        parameters=(IRREDUCIBLE, FROM_X, SLOPE, *(p for i in range(1, n + 1) for p in _describe_break(i))),
        paper_parameters=(
            Parameter("b", "reducible loss at x = 1, were there no breaks", "loss"),
            *(Parameter(f"d{i}", f"x at the {ORDINALS[i - 1]} break", "of x") for i in range(1, n + 1)),
        ),
        mean=mean,
        to_paper=to_paper,
        from_paper=from_paper,
        floor=E_floor,
        has_floor=True,
    )


def _locate_breaks(xp: Any, theta: Theta, n: int) -> list[Quantity]:
    """Return where the breaks lie, on the log of x relative to the reference run: in order, by construction."""
    log_breaks = [xp.log(theta["break_1"])]
    for i in range(2, n + 1):
        log_breaks.append(log_breaks[-1] + DECADE * theta[f"decades_{i}"])
    return log_breaks


def _describe_break(i: int) -> tuple[Parameter, ...]:
    place = (
        Parameter("break_1", "where the first break lies, relative to the reference run", "1", typical=(0.03, 3.0))
        if i == 1
        else Parameter(f"decades_{i}", f"decades of x between break {i - 1} and break {i}", "1", typical=(0.2, 2.0))
    )
    return (
        place,
        Parameter(f"c{i}", f"by how much the {ORDINALS[i - 1]} break steepens the fall", "1", "real", (-0.5, 1.0)),
        Parameter(f"f{i}", f"width of the {ORDINALS[i - 1]} break: small is abrupt", "1", typical=(0.05, 1.0)),
    )


BROKEN_1, BROKEN_2, BROKEN_3 = (broken(n) for n in (1, 2, 3))
