"""What papers derive from their laws in closed form: the package solves the same questions in other ways.

Kaplan et al. 2020 (arXiv 2001.08361), Appendix B, for the law in N and steps; McCandlish et al. 2018 on the critical
batch; Clark et al. 2022 on routed models. The functions of Kaplan's law take the paper's coefficients ``N_c, S_c,
B_star, alpha_N, alpha_S, alpha_B`` by name. Compute is the least that does (a batch far below the critical one), in
FLOP: 6 a parameter and token.
"""

from typing import NamedTuple

from bayescale.laws.base import DECADE
from bayescale.laws.critical_batch import b_crit
from bayescale.laws.kaplan_steps import tokens_to_reach
from bayescale.laws.routed import mean as routed_loss

FLOP_PER_PARAM_TOKEN = 6


class Ratios(NamedTuple):
    """How one way to reach a loss compares with another: parameters, steps and compute of the one over the other's."""

    params: float
    step: float
    compute: float


def compute_exponent(paper):
    """Return the exponent of the best loss in compute, ``1 / (1/alpha_S + 1/alpha_B + 1/alpha_N)``.

    Over `alpha_N`, `alpha_B` or `alpha_S` it is the exponent of the optimal parameters, batch or steps in compute.

    Examples
    --------
    >>> from laws.oracles import compute_exponent
    >>> round(compute_exponent({"alpha_N": 0.076, "alpha_S": 0.76, "alpha_B": 0.21}), 5)
    0.05199
    """
    return 1 / (1 / paper["alpha_S"] + 1 / paper["alpha_B"] + 1 / paper["alpha_N"])


def excess_at_optimum(paper):
    """Return how far above its converged loss the optimal model stops, as a share of that loss: alpha_N / alpha_S."""
    return paper["alpha_N"] / paper["alpha_S"]


def compute_at_loss_one(paper):
    """Return C_c, the compute at which the best loss is 1."""
    a, s = paper["alpha_N"], paper["alpha_S"]
    scale = FLOP_PER_PARAM_TOKEN * paper["N_c"] * paper["B_star"] * paper["S_c"]
    return scale * (1 + a / s) ** (1 / s + 1 / a) * (s / a) ** (1 / s)


def optimal_loss(paper, compute):
    """Return the best loss that this compute can give."""
    return (compute_at_loss_one(paper) / compute) ** compute_exponent(paper)


def optimal_params(paper, compute):
    """Return the number of parameters that gives the best loss."""
    a = paper["alpha_N"]
    return paper["N_c"] * optimal_loss(paper, compute) ** (-1 / a) * (1 + excess_at_optimum(paper)) ** (1 / a)


def optimal_batch(paper, compute):
    """Return the critical batch at the best loss, in tokens."""
    return b_crit(optimal_loss(paper, compute), paper["B_star"], paper["alpha_B"])


def optimal_steps(paper, compute):
    """Return the fewest steps in which the optimal model reaches the best loss."""
    per_step = FLOP_PER_PARAM_TOKEN * optimal_params(paper, compute) * optimal_batch(paper, compute)
    return compute / per_step


def off_optimal_size(paper, size):
    """Return what the same loss takes with `size` times the optimal number of parameters.

    Examples
    --------
    >>> from laws.oracles import off_optimal_size
    >>> larger = off_optimal_size({"alpha_N": 0.077, "alpha_S": 0.76}, 2.2)
    >>> round(larger.compute, 3), round(larger.step, 3)
    (1.204, 0.547)
    """
    a, s = paper["alpha_N"], paper["alpha_S"]
    steps = (1 + s / a * (1 - size**-a)) ** (-1 / s)
    return Ratios(size, steps, size * steps)


def stopping_at(paper, excess, than):
    """Return what a loss takes if training stops at `excess` above the converged loss, rather than at `than`."""
    params = ((1 + excess) / (1 + than)) ** (1 / paper["alpha_N"])
    steps = ((1 + 1 / excess) / (1 + 1 / than)) ** (1 / paper["alpha_S"])
    return Ratios(params, steps, params * steps)


def first_stop(paper, loss, unlimited):
    """Return the fewest steps before overfitting can stop a run (eq. 5.7).

    `loss` is what the tokens at hand allow a model of this size, `unlimited` what unlimited tokens would.
    """
    return paper["S_c"] * (loss - unlimited) ** (-1 / paper["alpha_S"])


def compute_to_reach(paper, params, loss):
    """Return the compute in which a model of this size reaches this loss, which lies above its converged one."""
    return FLOP_PER_PARAM_TOKEN * params * tokens_to_reach(paper, params, loss)


def c_min(compute, batch, critical):
    """Return the least compute that reaches what `compute` reaches at this batch (Kaplan eq. 5.5)."""
    return compute / (1 + batch / critical)


def dense_equivalent(xp, x, theta):
    """Return the effective parameter count: the dense model of the same loss, relative to the reference run."""
    return (routed_loss(xp, x, theta) / theta["dense_loss"]) ** (-1 / theta["alpha_dense"])


def size_beyond_help(xp, paper):
    """Return the size of the dense model from which on more experts no longer lower the loss, ``10**(-b/c)``."""
    return xp.exp(-DECADE * paper["b"] / paper["c"])
