"""Model cards: a law, a prior for each of its parameters, what is pooled over which group, and the noise."""

import math
from functools import cached_property, lru_cache
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError, create_model, model_validator

from bayescale.errors import BayescaleError, CardError, did_you_mean
from bayescale.laws import SCALES, Law, expression_law, law_by_name
from bayescale.laws.scales import ANY
from bayescale.layers import ADDITIONS, LAYERS, layers_of
from bayescale.layers.groups import Term, parse_pooling
from bayescale.layers.noise import NOISES
from bayescale.priors import Prior

DRIFTING = "+drift"  # ends the name of a card whose law may be wrong
_SUPPORTS = {"positive": (0.0, math.inf), "real": (-math.inf, math.inf), "share": (0.0, 1.0)}


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a card's name without what it ends with, and that: ``power:tokens`` and ``+drift``, ``+budget``."""
    added: list[str] = []
    while end := next((end for end in ADDITIONS if name.endswith(end)), ""):
        name = name.removesuffix(end)
        added.insert(0, end)
    return name, tuple(added)


class Expression(BaseModel):
    """A law of the user's own, written as an expression."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    expression: str
    floor: str | None = None
    response: str = "loss"


# The tables of a card, a field for each layer.
_Tables: Any = create_model("_Tables", **cast(Any, {layer.table: layer.field for layer in LAYERS}))


class Card(_Tables):
    """A model card, checked: every name in it exists.

    Attributes
    ----------
    name : str
        The card's file name without its suffix.
    law : str or Expression
        Name of the law; or ``file.py:function``, a law of your own; or an expression.
    x : str, optional
        The column of a law in one variable.
    title : str
        One line for people.
    priors : dict of str to Prior
        One for each sampled parameter of the law, at the reference run.
    pooling : dict
        By parameter ``complete``, or how it differs between groups of runs: ``none(column)``, ``partial(column)`` and
        ``effect(column)`` of labels, ``slope(column)`` and ``slope(log column)`` of numbers, joined by +; ``default``,
        for the parameters of the law that are not named; ``spread``, the prior of how much groups differ on the log
        scale; ``effect``, that of an effect: a slope's ends differ as two of its levels do; ``correlated``, whether the
        parameters' group effects may go together.
    noise : NoiseCard
        Scatter of a run about the law.
    reference : dict of str to float, optional
        The run at which the priors are stated, by column; by default the geometric mean of the runs.
    discrepancy : Drift, optional
        How the law may be wrong; None for a card that takes its law as exact.
    errors : dict of str to Prior
        The standard deviation of log loss between groups of runs, by what the runs of a group share: ``budget``,
        ``lean`` (of a budget's profile, a decade of N), ``design`` or a column that labels the runs
        (``read_runs(..., labels="cluster")``).
    curve : Curve, optional
        How the checkpoints of a run err together; None for a card of finished runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    law: str | Expression
    x: str | None = None
    title: str
    priors: dict[str, Prior]
    reference: dict[str, float] | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        law = self.law_
        names = law.parameter_names
        for name in self.priors:
            if name not in names:
                raise ValueError(
                    f"priors.{name}: the law {law.name!r} has no such parameter.{did_you_mean(name, names)} "
                    f"It has: {', '.join(names)}."
                )
        if missing := [name for name in names if name not in self.priors]:
            raise ValueError(f"priors: no prior for {', '.join(missing)}.")
        for parameter in law.parameters:
            prior = self.priors[parameter.name]
            low, high = _SUPPORTS[parameter.support]
            given = prior.support
            if not (given[0] >= low and given[1] <= high) and not (prior.of and given[0] >= low):
                raise ValueError(
                    f"priors.{parameter.name}: {prior} allows values from {given[0]:g} to {given[1]:g}; the parameter "
                    f"lies between {low:g} and {high:g} ({parameter.meaning})."
                )
        for column, value in (self.reference or {}).items():
            if column not in law.inputs or not SCALES[column].relative:
                accepted = [name for name in law.inputs if SCALES[name].relative]
                raise ValueError(
                    f"reference.{column}: no scale that the law takes.{did_you_mean(column, accepted)} "
                    f"Accepted: {', '.join(accepted)}."
                )
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"reference.{column}: accepted is a number above 0; got {value!r}.")
        for layer in reversed(layers_of(self)):  # the most particular one has the clearest words
            layer.check(self, law)
        return self

    def get_law(self) -> Law:
        """Return the law that the card names, of the card's own column where it is one in one variable."""
        return self.law_

    @cached_property
    def law_(self) -> Law:
        """The law of the card, found once."""
        if isinstance(self.law, Expression):
            supports: dict[str, Any] = {
                name: "positive" if prior.support[0] >= 0 else "real" for name, prior in self.priors.items()
            }
            return expression_law(self.name, self.law.expression, supports, self.law.floor, self.law.response)
        law = law_by_name(self.law)
        if ANY.name not in law.inputs:
            if self.x is not None:
                takes = ", ".join(law.inputs)
                raise ValueError(f"x: the law {law.name!r} takes {takes}; only a law in one variable has x.")
            return law
        if self.x is None:
            raise ValueError(f"x: the law {law.name!r} is in one variable; say which column, such as x = 'compute'.")
        if self.x not in SCALES:
            meant = did_you_mean(self.x, SCALES)
            raise ValueError(f"x: there is no column {self.x!r}.{meant} Accepted: {', '.join(SCALES)}.")
        return law.on(self.x)

    def on(self, column: str) -> "Card":
        """Return the same card for another column, where its law is in one variable."""
        base, added = split_name(self.name)
        name = "".join((base.partition(":")[0], ":", column, *added))
        return parse_card(self.model_dump(mode="json", exclude={"name"}) | {"x": column}, name, name)

    def terms(self, parameter: str) -> tuple[Term, ...]:
        """Return how a parameter differs between groups of runs; nothing where it is pooled completely."""
        of_law = parameter in self.priors
        if (self.priors if of_law else self.all_priors)[parameter].dist == "Fixed":
            return ()
        default = self.pooling.get("default", "complete") if of_law else "complete"
        return parse_pooling(str(self.pooling.get(parameter, default)))

    @property
    def spread(self) -> Prior:
        """Prior of the standard deviation between groups, on the log scale."""
        return cast(Prior, self.pooling["spread"])

    @property
    def effect(self) -> Prior:
        """Prior of the difference that a covariate makes, on the log scale."""
        return cast(Prior, self.pooling["effect"])

    @property
    def correlated(self) -> bool:
        """Whether the parameters' group effects may go together."""
        return bool(self.pooling.get("correlated", False))

    @property
    def all_priors(self) -> dict[str, Prior]:
        """Priors of the law's parameters and of those of all layers, in the order in which they are sampled."""
        priors = {name: self.priors[name] for name in self.law_.parameter_names}
        for layer in layers_of(self):
            priors |= layer.priors(self)
        return priors

    @property
    def meanings(self) -> dict[str, str]:
        """What each parameter that the card may have means."""
        meanings = {parameter.name: parameter.meaning for parameter in self.law_.parameters}
        for layer in LAYERS:
            meanings |= layer.meanings(self)
        return meanings

    @property
    def fixed(self) -> dict[str, float]:
        """Parameters that the card holds at a value."""
        return {name: p.arguments["value"] for name, p in self.all_priors.items() if p.dist == "Fixed"}

    def __reduce__(self) -> Any:
        # A law is made of functions, which cannot be pickled: a card is pickled as what it states.
        return type(self).model_validate, (self.model_dump(mode="json"),)


def parse_card(content: dict[str, Any], name: str, where: str) -> Card:
    """Check a card's content; errors say where in the card."""
    known = set(Card.model_fields) - {"name"}
    for key in content:
        if key not in known:
            raise CardError(
                f"model card {where}: unknown key {key!r}.{did_you_mean(key, known)} "
                f"Accepted: {', '.join(sorted(known))}."
            )
    try:
        return Card.model_validate({"name": name, **content})
    except BayescaleError as error:
        raise CardError(f"model card {where}: law: {error}") from None
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"] if part != "Prior")
            text = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                text = "unknown key" + did_you_mean(str(problem["loc"][-1]), ("family", *NOISES["StudentT"].parameters))
            lines.append(f"{place}: {text}" if place else text)
        raise CardError(f"model card {where}:\n  " + "\n  ".join(lines)) from None


@lru_cache(maxsize=128)
def card_from_json(text: str) -> Card:
    """Return the card that a posterior carries; the same text gives the same card, which is frozen."""
    return Card.model_validate_json(text)
