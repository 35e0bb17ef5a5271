"""Kaplan et al. 2020 (arXiv 2001.08361), eq. 1.5, and Hoffmann et al. 2022 (arXiv 2203.15556), eq. 10, in one law.

``L = E + [(A N**-alpha)**(1/kappa) + (B D**-beta)**(1/kappa)]**kappa``: two power laws, each what the loss owes to N
or to D while the other is unlimited, joined by kappa. Written with inner exponents ``a = alpha / kappa`` and ``b =
beta / kappa`` it is ``E + (A' N**-a + B' D**-b)**kappa``. With kappa = 1 the two owe their losses independently, which
is Hoffmann's law; with E = 0 and kappa = beta it is Kaplan's, where alpha is alpha_N, beta is alpha_D, and A, B are
``N_c**alpha_N``, ``D_c**alpha_D``. As kappa goes to zero only the larger of the two counts.
"""

from collections.abc import Mapping
from typing import Any

from bayescale.laws.base import (
    ALPHA,
    BETA,
    FROM_PARAMS,
    FROM_TOKENS,
    IRREDUCIBLE,
    PAPER_A,
    PAPER_B,
    E_floor,
    Law,
    Parameter,
    PowerTerms,
    Quantity,
    Reference,
    Theta,
    power_sum,
)
from bayescale.laws.chinchilla import from_paper as additive_from_paper
from bayescale.laws.chinchilla import to_paper


def power_terms(theta: Theta) -> PowerTerms:
    """Return the two terms inside the bracket."""
    kappa = theta["kappa"]
    return PowerTerms(
        theta["from_params"] ** (1 / kappa),
        theta["alpha"] / kappa,
        theta["from_tokens"] ** (1 / kappa),
        theta["beta"] / kappa,
    )


def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
    """Return ``E + [(from_params * n**-alpha)**(1/kappa) + (from_tokens * d**-beta)**(1/kappa)]**kappa``."""
    return theta["E"] + power_sum(x["n"], x["d"], power_terms(theta)) ** theta["kappa"]


def from_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the sampled parameters from E, A, B, alpha, beta and kappa."""
    return additive_from_paper(xp, paper, x0) | {"kappa": paper["kappa"]}


COUPLED = Law(
    name="coupled",
    title="Coupled: Chinchilla and Kaplan are special cases",
    equation="L = E + [(A N^-alpha)^(1/kappa) + (B D^-beta)^(1/kappa)]^kappa",
    source="Kaplan et al. 2020, arXiv 2001.08361, eq. 1.5, and Hoffmann et al. 2022, arXiv 2203.15556, eq. 10, in one",
    parameters=(
        IRREDUCIBLE,
        FROM_PARAMS,
        FROM_TOKENS,
        ALPHA,
        BETA,
        Parameter("kappa", "how the two losses join: 1 adds them, near 0 only the larger counts", "1", "positive",
                  (0.1, 1.5)),
    ),
    paper_parameters=(PAPER_A, PAPER_B),
    mean=mean,
    to_paper=to_paper,
    from_paper=from_paper,
    falls_with=("params", "tokens"),
    floor=E_floor,
    has_floor=True,
    power_terms=power_terms,
)  # fmt: skip
