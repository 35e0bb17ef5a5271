"""Kirstain et al. 2021 (arXiv 2110.04374): how many labelled examples are worth as much as a larger model.

The paper weighs the logarithms of parameters and examples by a regression, whose exact form is not known to us: here
the log-odds of the accuracy are linear in both.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayescale.laws.base import Law, Parameter, Quantity, Reference, Theta

LN_2 = float(np.log(2))


def _sum_gains(xp: Any, theta: Theta, params: Quantity, examples: Quantity) -> Quantity:
    doublings = theta["gain_params"] * xp.log(params) + theta["gain_examples"] * xp.log(examples)
    return doublings / LN_2


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``1 / (1 + exp(-(level + gain_params * log2(n) + gain_examples * log2(k))))``."""
    return 1 / (1 + xp.exp(-theta["level"] - _sum_gains(xp, theta, x["n"], x["k"])))


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the log-odds at one parameter and one example, and the exchange rate."""
    return {
        "intercept": theta["level"] - _sum_gains(xp, theta, x0["params"], x0["examples"]),
        "exchange": theta["gain_params"] / theta["gain_examples"],
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the intercept and the two gains."""
    kept = {name: paper[name] for name in ("gain_params", "gain_examples")}
    return {"level": paper["intercept"] + _sum_gains(xp, paper, x0["params"], x0["examples"])} | kept


EXAMPLES_PARAMS = Law(
    name="examples-params",
    title="Labelled examples against parameters",
    equation="log(acc / (1 - acc)) = level + gain_params log2(N/N0) + gain_examples log2(K/K0)",
    source="after Kirstain et al. 2021, A Few More Examples May Be Worth Billions of Parameters, arXiv 2110.04374",
    kind="downstream",
    inputs=("params", "examples"),
    parameters=(
        Parameter("level", "log-odds of the accuracy at the reference run", "1", "real", typical=(-2.0, 2.0)),
        Parameter("gain_params", "what a doubling of N adds to the log-odds", "1", typical=(0.02, 0.5)),
        Parameter("gain_examples", "what a doubling of the examples adds to the log-odds", "1", typical=(0.02, 0.5)),
    ),
    paper_parameters=(
        Parameter("intercept", "log-odds carried back to one parameter and one example", "1", "real"),
        Parameter("exchange", "doublings of the examples that one doubling of N is worth", "doublings"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    response="accuracy",
    rises_with=("params", "examples"),
)
