"""Kaplan et al. 2020 (arXiv 2001.08361), equation 1.6 with 1.4 and 5.4: the loss of N parameters after S steps.

``L = (N_c/N)**alpha_N + (S_c/S_min)**alpha_S``, where ``S_min = S / (1 + B_crit(L)/B)`` are the steps that an unlimited
batch would take and ``B_crit(L) = B_star / L**(1/alpha_B)``. The loss stands on both sides: it is solved for here.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import FROM_PARAMS, Law, Parameter, Quantity, Reference, Theta, zero_floor
from bayescale.laws.critical_batch import b_crit, s_min

NEWTON_STEPS = 6


def solve_loss(
    xp: Any, from_params: Quantity, hurried: Quantity, star: Quantity, alpha_S: Quantity, alpha_B: Quantity
) -> Quantity:
    """Return L of ``L = from_params + hurried * (1 + star * L**(-1/alpha_B))**alpha_S``.

    `hurried` is what would be owed to the steps at an unlimited batch, `star` the critical batch at a loss of 1, as a
    multiple of the batch.

    The logarithm of the right-hand side is convex and falling in ``u = log L``, so ``u`` minus it is concave and rises
    with a slope of at least 1: there is one root, and Newton's method from an unlimited batch, which lies below it,
    climbs to it and cannot pass it. Six steps reach rounding error over all scales met in practice and far beyond.
    """
    u = xp.log(from_params + hurried)
    for _ in range(NEWTON_STEPS):
        ratio = b_crit(xp.exp(u), star, alpha_B)
        from_steps = hurried * (1 + ratio) ** alpha_S
        total = from_params + from_steps
        slope = 1 + alpha_S / alpha_B * from_steps / total * ratio / (1 + ratio)
        u = u - (u - xp.log(total)) / slope
    return xp.exp(u)


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return the loss, from what is owed to N and to the steps at the reference run and the critical batch there."""
    at_reference = theta["from_params"] + theta["from_steps"]
    from_params = theta["from_params"] * x["n"] ** -theta["alpha_N"]
    hurried = theta["from_steps"] * (x["s"] * (1 + theta["critical"])) ** -theta["alpha_S"]
    # In units of the reference run's loss, where the critical batch is known.
    share, rest = from_params / at_reference, hurried / at_reference
    return at_reference * solve_loss(xp, share, rest, theta["critical"] / x["b"], theta["alpha_S"], theta["alpha_B"])


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return N_c, S_c and B_star."""
    at_reference = theta["from_params"] + theta["from_steps"]
    critical = theta["critical"] * x0["batch"]
    return {
        "N_c": x0["params"] * theta["from_params"] ** (1 / theta["alpha_N"]),
        "S_c": s_min(x0["step"], x0["batch"], critical) * theta["from_steps"] ** (1 / theta["alpha_S"]),
        "B_star": critical * at_reference ** (1 / theta["alpha_B"]),
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return what is owed to N and to the steps at the reference run, and the critical batch there."""
    kept = {name: paper[name] for name in ("alpha_N", "alpha_S", "alpha_B")}
    from_params = (paper["N_c"] / x0["params"]) ** paper["alpha_N"]
    hurried = (paper["S_c"] / x0["step"]) ** paper["alpha_S"]
    star = paper["B_star"] / x0["batch"]
    loss = solve_loss(xp, from_params, hurried, star, paper["alpha_S"], paper["alpha_B"])
    critical = b_crit(loss, star, paper["alpha_B"])
    from_steps = hurried * (1 + critical) ** paper["alpha_S"]
    return {"from_params": from_params, "from_steps": from_steps, "critical": critical} | kept


def tokens_to_reach(paper: Theta, params: Quantity, loss: Quantity) -> Quantity:
    """Return the tokens that take a model of this size to this loss, which lies above its loss at convergence.

    These are the fewest tokens: those at a batch far below the critical one. They are what compute goes with.
    """
    from_steps = loss - (paper["N_c"] / params) ** paper["alpha_N"]
    fewest_steps = paper["S_c"] * from_steps ** (-1 / paper["alpha_S"])
    return b_crit(loss, paper["B_star"], paper["alpha_B"]) * fewest_steps


KAPLAN_STEPS = Law(
    name="kaplan-steps",
    title="Kaplan: parameters, steps and batch, no floor",
    equation="L = (N_c/N)^alpha_N + (S_c/S_min)^alpha_S,  S_min = S/(1 + B_crit/B),  B_crit = B_star/L^(1/alpha_B)",
    source="Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv 2001.08361, eq. 1.6, 1.4 and 5.4",
    kind="steps and batch",
    inputs=("params", "step", "batch"),
    parameters=(
        FROM_PARAMS,
        Parameter("from_steps", "loss owed to finite steps at the reference run", "loss", typical=(0.05, 3.0)),
        Parameter(
            "critical", "critical batch at the reference run, as a multiple of its batch", "1", typical=(0.05, 5.0)
        ),
        Parameter("alpha_N", "how fast the loss owed to finite N falls as N grows", "1"),
        Parameter("alpha_S", "how fast the loss owed to finite steps falls as they grow", "1"),
        Parameter("alpha_B", "the critical batch grows as loss^(-1/alpha_B)", "1"),
    ),
    paper_parameters=(
        Parameter("N_c", "number of parameters at which the N term alone gives a loss of 1", "parameters"),
        Parameter("S_c", "steps at an unlimited batch at which their term alone gives a loss of 1", "steps"),
        Parameter("B_star", "critical batch at a loss of 1", "tokens"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "step", "batch"),
    floor=zero_floor,
    may_be_constant=("batch",),
)
