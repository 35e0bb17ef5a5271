"""Training compute as a function of parameters and tokens."""

import re
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bayescale.errors import QuestionError


@runtime_checkable
class CostModel(Protocol):
    """Ties N, D and C together, elementwise on floats, NumPy arrays or xarray objects."""

    @property
    def name(self) -> str:
        """The word by which users ask for this cost model."""
        ...

    def compute(self, params: Any, tokens: Any) -> Any:
        """Return C in FLOP from N and D."""
        ...

    def tokens(self, params: Any, compute: Any) -> Any:
        """Return D from N and C in FLOP."""
        ...

    def params(self, tokens: Any, compute: Any) -> Any:
        """Return N from D and C in FLOP."""
        ...


@dataclass(frozen=True)
class PowerCost:
    """C = factor * N * D: two operations forward and four backward per parameter and token make six.

    Parameters
    ----------
    factor : float
        FLOP per parameter and token.

    Examples
    --------
    >>> from bayescale.costs import SIX_ND
    >>> SIX_ND.compute(1e9, 2e10)
    1.2e+20
    >>> SIX_ND.tokens(1e9, 1.2e20)
    20000000000.0
    """

    factor: float = 6.0

    @property
    def name(self) -> str:
        """The word by which users ask for it, such as ``6ND``."""
        return f"{self.factor:.12g}ND"

    def compute(self, params: Any, tokens: Any) -> Any:
        """Return C in FLOP from N and D."""
        return self.factor * params * tokens

    def tokens(self, params: Any, compute: Any) -> Any:
        """Return D from N and C in FLOP."""
        return compute / (self.factor * params)

    def params(self, tokens: Any, compute: Any) -> Any:
        """Return N from D and C in FLOP."""
        return compute / (self.factor * tokens)


SIX_ND = PowerCost()


def cost_model(name: str | CostModel) -> CostModel:
    """Return the cost model of that name; a cost model is handed back as it is.

    Parameters
    ----------
    name : str or CostModel
        A name such as ``6ND``, or an object with the methods of ``CostModel``.

    Returns
    -------
    CostModel

    Examples
    --------
    >>> from bayescale.costs import cost_model
    >>> cost_model("6ND").factor
    6.0
    """
    if not isinstance(name, str):
        return name
    found = re.fullmatch(r"([0-9.]+)ND", name)
    try:
        factor = float(found[1]) if found else 0.0
    except ValueError:
        factor = 0.0
    if factor <= 0:
        raise QuestionError(f"there is no cost model {name!r}; accepted: 6ND, or another number of FLOP such as 8ND.")
    return PowerCost(factor)
