"""What follows in closed form from Kaplan's law in N and steps: Kaplan et al. 2020 (arXiv 2001.08361), Appendix B.

Every function takes the paper's coefficients ``N_c, S_c, B_star, alpha_N, alpha_S, alpha_B`` by name, as numbers or as
posterior draws. Compute is the least that does (a batch far below the critical one), in FLOP: 6 a parameter and token.
"""

from typing import NamedTuple

from bayescale.laws.base import Quantity, Theta
from bayescale.laws.critical_batch import b_crit

FLOP_PER_PARAM_TOKEN = 6


class Ratios(NamedTuple):
    """How one way to reach a loss compares with another: parameters, steps and compute of the one over the other's."""

    params: Quantity
    step: Quantity
    compute: Quantity


def compute_exponent(paper: Theta) -> Quantity:
    """Return the exponent of the best loss in compute, ``1 / (1/alpha_S + 1/alpha_B + 1/alpha_N)``.

    Over `alpha_N`, `alpha_B` or `alpha_S` it is the exponent of the optimal parameters, batch or steps in compute.

    Examples
    --------
    >>> from bayescale.laws.kaplan_theory import compute_exponent
    >>> round(compute_exponent({"alpha_N": 0.076, "alpha_S": 0.76, "alpha_B": 0.21}), 5)
    0.05199
    """
    return 1 / (1 / paper["alpha_S"] + 1 / paper["alpha_B"] + 1 / paper["alpha_N"])


def excess_at_optimum(paper: Theta) -> Quantity:
    """Return how far above its converged loss the optimal model stops, as a share of that loss: alpha_N / alpha_S."""
    return paper["alpha_N"] / paper["alpha_S"]


def compute_at_loss_one(paper: Theta) -> Quantity:
    """Return C_c, the compute at which the best loss is 1."""
    a, s = paper["alpha_N"], paper["alpha_S"]
    scale = FLOP_PER_PARAM_TOKEN * paper["N_c"] * paper["B_star"] * paper["S_c"]
    return scale * (1 + a / s) ** (1 / s + 1 / a) * (s / a) ** (1 / s)


def optimal_loss(paper: Theta, compute: Quantity) -> Quantity:
    """Return the best loss that this compute can give."""
    return (compute_at_loss_one(paper) / compute) ** compute_exponent(paper)


def optimal_params(paper: Theta, compute: Quantity) -> Quantity:
    """Return the number of parameters that gives the best loss."""
    a = paper["alpha_N"]
    return paper["N_c"] * optimal_loss(paper, compute) ** (-1 / a) * (1 + excess_at_optimum(paper)) ** (1 / a)


def optimal_batch(paper: Theta, compute: Quantity) -> Quantity:
    """Return the critical batch at the best loss, in tokens."""
    return b_crit(optimal_loss(paper, compute), paper["B_star"], paper["alpha_B"])


def optimal_steps(paper: Theta, compute: Quantity) -> Quantity:
    """Return the fewest steps in which the optimal model reaches the best loss."""
    per_step = FLOP_PER_PARAM_TOKEN * optimal_params(paper, compute) * optimal_batch(paper, compute)
    return compute / per_step


def compute_to_reach(paper: Theta, params: Quantity, loss: Quantity) -> Quantity:
    """Return the compute in which a model of this size reaches this loss, which lies above its converged one."""
    from_steps = loss - (paper["N_c"] / params) ** paper["alpha_N"]
    steps = paper["S_c"] * from_steps ** (-1 / paper["alpha_S"])
    return FLOP_PER_PARAM_TOKEN * params * b_crit(loss, paper["B_star"], paper["alpha_B"]) * steps


def off_optimal_size(paper: Theta, size: Quantity) -> Ratios:
    """Return what the same loss takes with `size` times the optimal number of parameters.

    Examples
    --------
    >>> from bayescale.laws.kaplan_theory import off_optimal_size
    >>> larger = off_optimal_size({"alpha_N": 0.077, "alpha_S": 0.76}, 2.2)
    >>> round(larger.compute, 3), round(larger.step, 3)
    (1.204, 0.547)
    """
    a, s = paper["alpha_N"], paper["alpha_S"]
    steps = (1 + s / a * (1 - size**-a)) ** (-1 / s)
    return Ratios(size, steps, size * steps)


def stopping_at(paper: Theta, excess: Quantity, than: Quantity) -> Ratios:
    """Return what a loss takes if training stops at `excess` above the converged loss, rather than at `than`."""
    params = ((1 + excess) / (1 + than)) ** (1 / paper["alpha_N"])
    steps = ((1 + 1 / excess) / (1 + 1 / than)) ** (1 / paper["alpha_S"])
    return Ratios(params, steps, params * steps)


def first_stop(paper: Theta, loss: Quantity, unlimited: Quantity) -> Quantity:
    """Return the fewest steps before overfitting can stop a run (eq. 5.7).

    `loss` is what the tokens at hand allow a model of this size, `unlimited` what unlimited tokens would.
    """
    return paper["S_c"] * (loss - unlimited) ** (-1 / paper["alpha_S"])
