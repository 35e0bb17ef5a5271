"""Clark et al. 2022 (arXiv 2202.01169): routed models, in the size of the dense model and the number of experts.

``log L = a log N + b log X_hat + c log N log X_hat + d`` to base 10, with the number of experts X saturated at both
ends: ``1/X_hat = 1/(X - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max``, so that a dense model counts as E_start.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import DECADE, Law, Parameter, Quantity, Reference, Theta


def _take_log10(xp: Any, value: Quantity) -> Quantity:
    return xp.log(value) / DECADE


def saturated(experts: Quantity, theta: Theta) -> Quantity:
    """Return X_hat over E_start: 1 for a dense model, towards E_max over E_start for ever more experts."""
    start, room = theta["E_start"], theta["E_room"]
    most = start + room
    return 1 / (start / (experts - 1 + start * most / room) + start / most)


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return the loss relative to the dense model of the reference run's size."""
    more = saturated(x["X"], theta)
    together = xp.exp(theta["interaction"] / DECADE * xp.log(x["n"]) * xp.log(more))
    return theta["dense_loss"] * x["n"] ** -theta["alpha_dense"] * more ** -theta["alpha_experts"] * together


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return a, b, c, d and E_max."""
    size, start, c = _take_log10(xp, x0["params"]), _take_log10(xp, theta["E_start"]), theta["interaction"]
    a = -theta["alpha_dense"] - c * start
    b = -theta["alpha_experts"] - c * size
    d = _take_log10(xp, theta["dense_loss"]) - a * size - b * start - c * size * start
    return {"a": a, "b": b, "c": c, "d": d, "E_max": theta["E_start"] + theta["E_room"]}


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's a, b, c, d, E_start and E_max."""
    a, b, c = paper["a"], paper["b"], paper["c"]
    size, start = _take_log10(xp, x0["params"]), _take_log10(xp, paper["E_start"])
    return {
        "dense_loss": xp.exp(DECADE * (a * size + b * start + c * size * start + paper["d"])),
        "alpha_dense": -a - c * start,
        "alpha_experts": -b - c * size,
        "interaction": c,
        "E_start": paper["E_start"],
        "E_room": paper["E_max"] - paper["E_start"],
    }


ROUTED = Law(
    name="routed",
    title="Routed models: experts and the size of the dense model",
    equation="log10 L = a log10 N + b log10 X_hat + c log10 N log10 X_hat + d",
    source="Clark et al. 2022, Unified Scaling Laws for Routed Language Models, arXiv 2202.01169",
    kind="architecture",
    inputs=("params", "experts"),
    parameters=(
        Parameter("dense_loss", "loss of the dense model of the reference size", "loss", typical=(0.5, 3.0)),
        Parameter("alpha_dense", "exponent of a dense model's loss in N", "1"),
        Parameter(
            "alpha_experts", "exponent of the loss in the number of experts, at the reference size", "1",
            typical=(0.01, 0.3),
        ),
        Parameter(
            "interaction", "how much that exponent shrinks with each tenfold of N", "1", "real", typical=(0.001, 0.02)
        ),
        Parameter("E_start", "number of experts that a dense model counts as", "experts", typical=(1.0, 5.0)),
        Parameter("E_room", "how many more experts can ever count", "experts", typical=(50.0, 1000.0)),
    ),
    paper_parameters=(
        Parameter("a", "slope of log10 loss in log10 N", "1", "real"),
        Parameter("b", "slope of log10 loss in log10 X_hat, at N = 1", "1", "real"),
        Parameter("c", "how the one slope changes with the other's variable", "1", "real"),
        Parameter("d", "log10 loss at N = X_hat = 1", "log10 loss", "real"),
        Parameter("E_max", "number of experts that ever more experts count as", "experts"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    # In neither for good: beyond some size more experts raise the loss, which is what the interaction is for.
    falls_with=(),
)  # fmt: skip
