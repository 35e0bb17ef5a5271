"""Li et al. 2025, Farseer (arXiv 2506.10972): a law in which the floor and the worth of data depend on N.

``L = exp(a3 N**gamma + b3) + exp(a2 N**beta + b2) D**-exp(a1 N**alpha + b1)``. Each of the three functions of N (the
loss with unlimited tokens, the weight of the token term, the local exponent in D) is sampled as its value at the
reference run, its slope there in log N, and the exponent that bends it: alpha, beta, gamma of the paper are here
beta_bend, tokens_bend and E_bend. As the exponent in D depends on N, the weight does too on the unit of D: D counts in
tokens.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import BETA, FROM_TOKENS, Law, Parameter, Quantity, Reference, Theta

SLOPES = {"E": "a3", "tokens": "a2", "beta": "a1"}  # of the paper, by the prefix of the sampled slope and bend


def _bend_log(xp: Any, n: Quantity, bend: Quantity) -> Quantity:
    """Return ``(n**bend - 1) / bend``: log n, bent; zero, of slope one in log n, at the reference run."""
    return xp.expm1(bend * xp.log(n)) / bend


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return the loss with unlimited tokens at that N, plus the token term."""
    e, weight, decay = (_bend_log(xp, x["n"], theta[f"{part}_bend"]) for part in SLOPES)
    local = theta["beta"] * xp.exp(theta["beta_slope"] * decay)
    log_d0 = xp.log(x["D"] / x["d"])
    weight_slope = theta["tokens_slope"] + theta["beta"] * theta["beta_slope"] * log_d0
    token_term = xp.exp(weight_slope * weight - (local - theta["beta"]) * log_d0 - local * xp.log(x["d"]))
    return theta["E"] * xp.exp(theta["E_slope"] * e) + theta["from_tokens"] * token_term


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return a1, b1, a2, b2, a3, b3."""
    log_n0, log_d0 = xp.log(x0["params"]), xp.log(x0["tokens"])
    at_reference = {
        "E": (theta["E_slope"], xp.log(theta["E"])),
        "tokens": (
            theta["tokens_slope"] + theta["beta"] * theta["beta_slope"] * log_d0,
            xp.log(theta["from_tokens"]) + theta["beta"] * log_d0,
        ),
        "beta": (theta["beta_slope"], xp.log(theta["beta"])),
    }
    paper = {}
    for part, (slope, value) in at_reference.items():
        bend, name = theta[f"{part}_bend"], SLOPES[part]
        paper[name] = slope / bend * xp.exp(-bend * log_n0)
        paper[name.replace("a", "b")] = value - slope / bend
    return paper


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from the paper's a and b, and its alpha, beta, gamma as the three bends."""
    log_n0, log_d0 = xp.log(x0["params"]), xp.log(x0["tokens"])
    theta, values = {}, {}
    for part, name in SLOPES.items():
        bend = paper[f"{part}_bend"]
        grown = paper[name] * xp.exp(bend * log_n0)
        theta[f"{part}_bend"], theta[f"{part}_slope"] = bend, bend * grown
        values[part] = grown + paper[name.replace("a", "b")]
    beta = xp.exp(values["beta"])
    theta["tokens_slope"] = theta["tokens_slope"] - beta * theta["beta_slope"] * log_d0
    return theta | {"E": xp.exp(values["E"]), "from_tokens": xp.exp(values["tokens"] - beta * log_d0), "beta": beta}


FARSEER = Law(
    name="farseer",
    title="Farseer: floor and worth of data depend on N",
    equation="L = exp(a3 N^gamma + b3) + exp(a2 N^beta + b2) D^-exp(a1 N^alpha + b1)",
    source="Li et al. 2025, Predictable Scale: Part II, Farseer, arXiv 2506.10972",
    parameters=(
        Parameter("E", "loss of the reference-size model with unlimited tokens", "loss", typical=(0.5, 3.0)),
        Parameter("E_slope", "slope of its log in log N at the reference run", "1", "real", (-0.2, -0.02)),
        Parameter("E_bend", "exponent of N that bends this slope; near 0 leaves a power law", "1", "real", (0.05, 0.2)),
        FROM_TOKENS,
        Parameter("tokens_slope", "slope of its log in log N at the reference run", "1", "real", (-0.1, 0.2)),
        Parameter("tokens_bend", "exponent of N that bends this slope", "1", "real", (-0.12, -0.03)),
        BETA,
        Parameter("beta_slope", "slope of the log of beta in log N at the reference run", "1", "real", (-0.2, -0.02)),
        Parameter("beta_bend", "exponent of N that bends this slope", "1", "real", (0.05, 0.2)),
    ),
    paper_parameters=(
        Parameter("a1", "how the log of the exponent in D changes with N^alpha", "1", "real"),
        Parameter("b1", "log of the exponent in D where N^alpha is 0", "1", "real"),
        Parameter("a2", "how the log of the weight of the token term changes with N^beta", "1", "real"),
        Parameter("b2", "log of the weight of the token term where N^beta is 0", "log loss", "real"),
        Parameter("a3", "how the log of the loss with unlimited tokens changes with N^gamma", "1", "real"),
        Parameter("b3", "log of the loss with unlimited tokens where N^gamma is 0", "log loss", "real"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("tokens",),
    fixed_units=("tokens",),
)
