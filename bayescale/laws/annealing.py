"""Tissue et al. 2024 (arXiv 2408.11029): a whole loss curve from its learning-rate schedule.

``L = L0 + A * S1**-alpha - C * S2``: S1 is the sum of the learning rate so far, S2 the annealing area, to which each
fall of the learning rate adds for as long as an average with some decay remembers it. `runs.schedule` gives both.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import Law, Parameter, Quantity, Reference, Theta


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``L0 + from_lr_area * s1**-alpha - annealed * s2``."""
    return theta["L0"] + theta["from_lr_area"] * x["s1"] ** -theta["alpha"] - theta["annealed"] * x["s2"]


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return A and C."""
    return {
        "A": theta["from_lr_area"] * x0["lr_area"] ** theta["alpha"],
        "C": theta["annealed"] / x0["annealing"],
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's L0, A, C, alpha."""
    return {
        "L0": paper["L0"],
        "from_lr_area": paper["A"] * x0["lr_area"] ** -paper["alpha"],
        "alpha": paper["alpha"],
        "annealed": paper["C"] * x0["annealing"],
    }


ANNEALING = Law(
    name="annealing",
    title="Learning-rate annealing: a loss curve from its schedule",
    equation="L = L0 + A S1^-alpha - C S2",
    source="Tissue et al. 2024, Scaling Law with Learning Rate Annealing, arXiv 2408.11029",
    kind="steps and batch",
    inputs=("lr_area", "annealing"),
    parameters=(
        Parameter("L0", "loss after unlimited training at a constant learning rate", "loss", typical=(0.5, 3.0)),
        Parameter(
            "from_lr_area", "loss owed to the finite sum of learning rates at the reference run", "loss",
            typical=(0.05, 3.0),
        ),
        Parameter("alpha", "how fast the loss owed to the sum of learning rates falls as it grows", "1"),
        Parameter("annealed", "loss that annealing has taken off at the reference run", "loss", typical=(0.01, 0.2)),
    ),
    paper_parameters=(
        Parameter("A", "loss owed to the sum of learning rates, carried back to S1 = 1", "loss"),
        Parameter("C", "loss that an annealing area of 1 takes off", "loss"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("lr_area", "annealing"),
)  # fmt: skip
