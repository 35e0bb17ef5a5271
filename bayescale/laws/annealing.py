"""Tissue et al. 2024 (arXiv 2408.11029): a whole loss curve from its learning-rate schedule.

``L = L0 + A * S1**-alpha - C * S2``: S1 is the sum of the learning rate so far, S2 the annealing area, to which each
fall of the learning rate adds for as long as an average with some decay remembers it. `learning_rate_areas` gives both.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter

from bayescale.errors import QuestionError
from bayescale.laws.base import Law, Parameter, Quantity, Reference, Theta


def learning_rate_areas(lr: ArrayLike, decay: float = 0.999) -> dict[str, np.ndarray]:
    """Return S1 and S2 after each step of a learning-rate schedule.

    Parameters
    ----------
    lr : array-like
        The learning rate of every step from the first, along the last axis.
    decay : float
        How much of a fall of the learning rate is still felt a step later.

    Returns
    -------
    dict
        ``lr_area``, the sum of the learning rate, and ``annealing``: ``sum over i <= s and k <= i`` of
        ``(lr[k-1] - lr[k]) * decay**(i-k)``. A warm-up counts against it for good; give the schedule from its end on
        to leave it out.

    Raises
    ------
    QuestionError
        If a learning rate is negative or not a number, or `decay` is not a share below 1.

    Examples
    --------
    >>> from bayescale.laws.annealing import learning_rate_areas
    >>> areas = learning_rate_areas([1.0, 1.0, 0.5, 0.5], decay=0.9)
    >>> areas["lr_area"].tolist(), areas["annealing"].tolist()
    ([1.0, 2.0, 2.5, 3.0], [0.0, 0.0, 0.5, 0.95])
    """
    rates = np.asarray(lr, dtype=float)
    if not (rates >= 0).all():
        step = int(np.argmin(rates.ravel() >= 0))
        raise QuestionError(f"a learning rate must be a number, 0 or more; found {rates.ravel()[step]} at step {step}.")
    if not 0 <= decay < 1:
        raise QuestionError(f"decay must be a share from 0 to below 1, got {decay}.")
    falls = -np.diff(rates, axis=-1, prepend=rates[..., :1])
    remembered = lfilter([1.0], [1.0, -decay], falls, axis=-1)
    return {"lr_area": np.cumsum(rates, axis=-1), "annealing": np.cumsum(remembered, axis=-1)}


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
