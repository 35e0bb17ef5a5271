"""Zhang et al. 2020 (arXiv 2011.04946): a score that rises as a logistic curve in the log of x.

``y = chance + (ceiling - chance) / (1 + exp(-slope (log10 x - log10 midpoint)))``. Zhang et al. fit it to what
language models know against the words they were trained on, with no chance level; with one, it is how accuracy on a
task of several choices emerges with compute. The ceiling is sampled as the share of the way from chance to 1 that is
gone in the end, so that it lies above chance by construction.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import DECADE, Law, Parameter, Quantity, Reference, Theta


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return the expected score."""
    decades = xp.log(x["x_rel"] / theta["midpoint"]) / DECADE
    gain = (1 - theta["chance"]) * theta["reach"]
    return theta["chance"] + gain / (1 + xp.exp(-theta["slope"] * decades))


def to_paper(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the ceiling, and the x of the midpoint."""
    return {
        "ceiling": theta["chance"] + (1 - theta["chance"]) * theta["reach"],
        "x_mid": x0["x"] * theta["midpoint"],
    }


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from chance, ceiling, slope and x_mid."""
    return {
        "chance": paper["chance"],
        "reach": (paper["ceiling"] - paper["chance"]) / (1 - paper["chance"]),
        "slope": paper["slope"],
        "midpoint": paper["x_mid"] / x0["x"],
    }


LOGISTIC = Law(
    name="logistic",
    title="Score that rises as a logistic curve in log x",
    equation="y = chance + (ceiling - chance) / (1 + exp(-slope (log10 x - log10 x_mid)))",
    source="Zhang et al. 2020, When Do You Need Billions of Words of Pretraining Data?, arXiv 2011.04946",
    kind="downstream",
    inputs=("x",),
    parameters=(
        Parameter("chance", "score of a model that knows nothing", "share", "share", (0.0, 0.5)),
        Parameter("reach", "how far unlimited x goes from chance to a score of 1", "share", "share", (0.2, 1.0)),
        Parameter("slope", "steepness: a decade of x about the midpoint gains slope / 4 of the way", "1 / decade",
                  typical=(0.5, 5.0)),
        Parameter("midpoint", "x half way from chance to ceiling, relative to the reference run", "1",
                  typical=(0.03, 30.0)),
    ),
    paper_parameters=(
        Parameter("ceiling", "score with unlimited x", "share"),
        Parameter("x_mid", "x half way from chance to ceiling", "of x"),
    ),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    response="accuracy",
    rises_with=("x",),
)  # fmt: skip
