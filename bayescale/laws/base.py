"""What a scaling law is: one function of scale, and what its parameters mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# A scale, a parameter or a loss: a float, a NumPy array, an xarray.DataArray or a PyTensor variable.
Quantity = Any
Theta = Mapping[str, Quantity]


class PowerTerms(NamedTuple):
    """The two reducible terms ``A * n**-alpha + B * d**-beta`` in which the loss is monotone."""

    A: Quantity
    alpha: Quantity
    B: Quantity
    beta: Quantity


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law: its name, what it means, its unit and the values it may take."""

    name: str
    meaning: str
    unit: str
    support: str = "positive"


@dataclass(frozen=True)
class Law:
    """A scaling law in the parameters at which it is sampled, with the way to and from the paper's own.

    The law is written at a reference run: ``n = N / N0`` and ``d = D / D0`` are scales relative to it, and an
    amplitude is what the term contributes there. With ``N0 = D0 = 1`` the amplitudes are the paper's.

    Attributes
    ----------
    name, title, equation, source : str
        How the law is found, what it says, and where it is published.
    parameters : tuple of Parameter
        The sampled parameters: the keys of ``theta`` everywhere in the package.
    paper_parameters : tuple of Parameter
        The coefficients that the paper prints and that are not sampled, from `to_paper`.
    mean : callable
        ``mean(xp, n, d, theta)``, the expected loss; arithmetic only, with functions from the namespace ``xp``.
    to_paper, from_paper : callable
        ``to_paper(xp, theta, params0, tokens0)`` and its inverse.
    power_terms : callable, optional
        ``power_terms(theta)`` where the loss is an increasing function of two power terms: the closed-form frontier.
    floor : callable
        ``floor(theta)``, the loss with unlimited parameters and tokens.
    has_floor : bool
        Whether the floor is a parameter that the runs can move, or zero by the law's own assumption.
    """

    name: str
    title: str
    equation: str
    source: str
    parameters: tuple[Parameter, ...]
    paper_parameters: tuple[Parameter, ...]
    mean: Callable[[Any, Quantity, Quantity, Theta], Quantity]
    to_paper: Callable[[Any, Theta, float, float], dict[str, Quantity]]
    from_paper: Callable[[Any, Theta, float, float], dict[str, Quantity]]
    floor: Callable[[Theta], Quantity]
    has_floor: bool
    power_terms: Callable[[Theta], PowerTerms] | None = None

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the sampled parameters, in the order of the equation."""
        return tuple(p.name for p in self.parameters)

    def loss(self, xp: Any, params: Quantity, tokens: Quantity, paper: Theta) -> Quantity:
        """Return the loss at N `params` and D `tokens` from the paper's own parameters.

        Examples
        --------
        >>> import numpy as np
        >>> from bayescale.laws import get_law
        >>> hoffmann = dict(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
        >>> round(float(get_law("chinchilla").loss(np, 70e9, 1.4e12, hoffmann)), 5)
        1.93665
        """
        return self.mean(xp, params, tokens, self.from_paper(xp, paper, 1.0, 1.0))


def power_sum(n: Quantity, d: Quantity, terms: PowerTerms) -> Quantity:
    """Return ``A * n**-alpha + B * d**-beta``."""
    return terms.A * n**-terms.alpha + terms.B * d**-terms.beta
