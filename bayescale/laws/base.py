"""A scaling law: a function of scale, and the meaning of its parameters."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from bayescale.laws.scales import ANY, reference_run, scale_of, symbols

# A scale, a parameter or a loss: a float, a NumPy array, an xarray.DataArray or a PyTensor variable.
Quantity = Any
Theta = Mapping[str, Quantity]
Reference = Mapping[str, float]
Support = Literal["positive", "real", "share"]
DECADE = math.log(10)  # a factor of ten on the natural log
Kind = Literal["one variable", "parameters and tokens", "steps and batch", "architecture", "downstream", "your own"]


class PowerTerms(NamedTuple):
    """The two reducible terms ``A * n**-alpha + B * d**-beta`` in which the loss is monotone."""

    A: Quantity
    alpha: Quantity
    B: Quantity
    beta: Quantity


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law: its name, its meaning, its unit, the values it may take and the values met in practice.

    Attributes
    ----------
    name : str
        The key of ``theta``, and the name under which a card gives its prior.
    meaning : str
        What the parameter stands for, in a few words.
    unit : str
        The unit; ``"1"`` for a pure number.
    support : {"positive", "real", "share"}
        The values it may take: above 0, any, or between 0 and 1.
    typical : tuple of float
        The lowest and highest value met in practice.

    Examples
    --------
    >>> from bayescale.laws import get_law
    >>> alpha = next(p for p in get_law("chinchilla").parameters if p.name == "alpha")
    >>> alpha.support
    'positive'
    """

    name: str
    meaning: str
    unit: str
    support: Support = "positive"
    typical: tuple[float, float] = (0.05, 0.8)


def _add_nothing(xp: Any, theta: Theta, x0: Reference) -> dict[str, Quantity]:
    return {}


def _keep_paper(xp: Any, paper: Theta, x0: Reference) -> dict[str, Quantity]:
    return dict(paper)


@dataclass(frozen=True)
class Law:
    """A scaling law in its sampled parameters, with the conversion to and from the parameters of the paper.

    The law is written at a reference run. The scales ``n = N / N0`` and ``d = D / D0`` are relative to the reference
    run, and an amplitude is the contribution of its term there. With a reference run of ones, the amplitudes are those
    of the paper.

    Attributes
    ----------
    name, title, equation, source : str
        The name by which the law is found, what the law says, and where it is published.
    kind : str
        The heading under which the law is listed.
    inputs : tuple of str
        The columns that the law takes; ``x`` stands for the column that a card names.
    parameters : tuple of Parameter
        The sampled parameters: the keys of ``theta`` everywhere in the package.
    paper_parameters : tuple of Parameter
        The coefficients that the paper prints and that are not sampled, from `to_paper`.
    mean : callable
        ``mean(xp, x, theta)``, the expected response; arithmetic only, with functions from the namespace ``xp``.
        ``x["N"]`` is a quantity in its own unit, ``x["n"]`` the same relative to the reference run.
    to_paper, from_paper : callable
        ``to_paper(xp, theta, x0)`` gives the paper's coefficients that are not sampled; ``from_paper(xp, paper, x0)``
        the sampled ones from the paper's. ``x0`` is the reference run by column.
    response : str
        The column that the law predicts: ``loss``, or a share such as ``accuracy`` or ``error``.
    falls_with : tuple of str
        Inputs with which the response never rises; ``rises_with``, with which it never falls.
    power_terms : callable, optional
        ``power_terms(theta)`` where the loss is an increasing function of two power terms: the closed-form frontier.
    floor : callable, optional
        ``floor(theta)``, the loss with unlimited resources; None where the law has no limit.
    has_floor : bool
        Whether the floor is a parameter that the runs can move, or zero by the law's own assumption.
    fixed_units : tuple of str
        Inputs whose unit the law itself fixes: in another unit it is another law.
    may_be_constant : tuple of str
        Inputs that a fit can do without varying, such as a batch size kept throughout.
    size_is_free : bool
        Whether N can be chosen while the other inputs are held; not where width and depth already say it.
    """

    name: str
    title: str
    equation: str
    source: str
    parameters: tuple[Parameter, ...]
    mean: Callable[[Any, Mapping[str, Quantity], Theta], Quantity]
    kind: Kind = "parameters and tokens"
    inputs: tuple[str, ...] = ("params", "tokens")
    paper_parameters: tuple[Parameter, ...] = ()
    to_paper: Callable[[Any, Theta, Reference], dict[str, Quantity]] = _add_nothing
    from_paper: Callable[[Any, Theta, Reference], dict[str, Quantity]] = _keep_paper
    response: str = "loss"
    falls_with: tuple[str, ...] = ()
    rises_with: tuple[str, ...] = ()
    power_terms: Callable[[Theta], PowerTerms] | None = None
    floor: Callable[[Theta], Quantity] | None = None
    has_floor: bool = False
    fixed_units: tuple[str, ...] = ()
    may_be_constant: tuple[str, ...] = ()
    size_is_free: bool = True

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the sampled parameters, in the order of the equation."""
        return tuple(p.name for p in self.parameters)

    @property
    def has_split(self) -> bool:
        """Whether the law trades parameters against tokens, so that a budget can be split between them."""
        return (
            self.size_is_free
            and self.response != "accuracy"
            and "params" in self.inputs
            and not {"tokens", "step"}.isdisjoint(self.inputs)
        )

    def on(self, column: str) -> "Law":
        """Return the law in one variable as a law of that column."""
        scale = scale_of(column)

        def mean(xp: Any, x: Mapping[str, Quantity], theta: Theta) -> Quantity:
            relative = x[scale.relative or scale.symbol]
            return self.mean(xp, {ANY.symbol: x[scale.symbol], ANY.relative: relative}, theta)

        def convert_at(convert: Callable[..., dict[str, Quantity]]) -> Callable[..., dict[str, Quantity]]:
            return lambda xp, values, x0: convert(xp, values, {ANY.name: x0.get(column, 1.0)})

        def rename(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(column if name == ANY.name else name for name in names)

        return replace(
            self,
            inputs=rename(self.inputs),
            falls_with=rename(self.falls_with),
            rises_with=rename(self.rises_with),
            mean=mean,
            to_paper=convert_at(self.to_paper),
            from_paper=convert_at(self.from_paper),
        )

    def at(self, xp: Any, inputs: Mapping[str, Quantity], theta: Theta, reference: Reference) -> Quantity:
        """Return the expected response at `inputs` (by column, in their own units), from the sampled parameters."""
        return self.mean(xp, symbols({name: inputs[name] for name in self.inputs}, reference), theta)

    def paper(self, xp: Any, paper: Theta, **inputs: Quantity) -> Quantity:
        """Return the expected response from the paper's own parameters, at inputs by column and in their own units.

        Examples
        --------
        >>> import numpy as np
        >>> from bayescale.laws import get_law
        >>> hoffmann = dict(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
        >>> round(float(get_law("chinchilla").paper(np, hoffmann, params=70e9, tokens=1.4e12)), 5)
        1.93665
        """
        ones = {name: 1.0 for name in self.inputs if scale_of(name).relative}
        return self.at(xp, inputs, self.from_paper(xp, paper, ones), ones)

    def reference(self, runs: Mapping[str, Any]) -> dict[str, float]:
        """Return the reference run: the geometric mean of the runs in every input that is measured relative to it."""
        return reference_run(self.inputs, runs)


def power_sum(n: Quantity, d: Quantity, terms: PowerTerms) -> Quantity:
    """Return ``A * n**-alpha + B * d**-beta``."""
    return terms.A * n**-terms.alpha + terms.B * d**-terms.beta


def softplus(xp: Any, z: Quantity) -> Quantity:
    """Return ``log(1 + exp(z))``, in a form that does not overflow and is smooth at zero."""
    return (z + abs(z)) / 2 + xp.log1p(xp.exp(-abs(z)))


def zero_floor(theta: Theta) -> Quantity:
    """Return zero, in the shape of the draws: the law assumes that the loss can vanish."""
    return next(iter(theta.values())) * 0.0


def E_floor(theta: Theta) -> Quantity:
    """Return the irreducible loss where it is a parameter."""
    return theta["E"]


# Parameters that several laws share.
IRREDUCIBLE = Parameter("E", "irreducible loss: what is left with unlimited resources", "loss", typical=(0.5, 3.0))
ALPHA = Parameter("alpha", "how fast the loss owed to finite N falls as N grows", "1")
BETA = Parameter("beta", "how fast the loss owed to finite D falls as D grows", "1")
FROM_PARAMS = Parameter("from_params", "loss owed to finite N at the reference run", "loss", typical=(0.05, 3.0))
FROM_TOKENS = Parameter("from_tokens", "loss owed to finite D at the reference run", "loss", typical=(0.05, 3.0))
PAPER_A = Parameter("A", "loss owed to finite N, carried back to N = 1", "loss")
PAPER_B = Parameter("B", "loss owed to finite D, carried back to D = 1", "loss")


def paper_amplitudes(theta: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the raw coefficients A and B, the contributions carried back to one parameter and one token."""
    return {
        "A": theta["from_params"] * x0["params"] ** theta["alpha"],
        "B": theta["from_tokens"] * x0["tokens"] ** theta["beta"],
    }


def reference_amplitudes(paper: Theta, x0: Reference) -> dict[str, Quantity]:
    """Return the contributions at the reference run from the raw coefficients A and B."""
    return {
        "from_params": paper["A"] * x0["params"] ** -paper["alpha"],
        "from_tokens": paper["B"] * x0["tokens"] ** -paper["beta"],
    }
