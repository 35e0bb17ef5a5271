"""Model cards: a law, a prior for each of its parameters, what is pooled over which group, and the noise."""

import math
from functools import lru_cache
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayescale.cards.tables import Curve, Drift, Expression, NoiseCard
from bayescale.errors import BayescaleError, CardError, did_you_mean
from bayescale.laws import SCALES, Law, expression_law, law_by_name
from bayescale.laws.scales import ANY
from bayescale.layers.groups import Term, parse_pooling
from bayescale.layers.noise import NOISES
from bayescale.priors import Prior

EFFECT = "{dist = 'Normal', mu = 0, sigma = 0.3}"
DRIFTING = "+drift"  # ends the name of a card whose law may be wrong
# What [pooling] may say beside how each parameter is pooled.
_POOLING = ("default", "spread", "effect", "correlated")
# What the name of a card may end with, each with where in the defaults stands what it adds: NAME+drift+budget.
ADDITIONS: dict[str, tuple[str, ...]] = {
    DRIFTING: ("discrepancy",),
    "+curve": ("curve",),
    "+budget": ("errors", "budget", "lean"),
    "+design": ("errors", "design"),
}


def sd_name(key: str) -> str:
    """Return the name of the standard deviation between groups of runs that share something: ``budget_sd``."""
    return f"{key}_sd"


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a card's name without what it ends with, and that: ``power:tokens`` and ``+drift``, ``+budget``."""
    added: list[str] = []
    while end := next((one for one in ADDITIONS if name.endswith(one)), ""):
        name = name.removesuffix(end)
        added.insert(0, end)
    return name, tuple(added)


class Card(BaseModel):
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
    noise: NoiseCard
    pooling: dict[str, bool | str | Prior] = Field(default_factory=dict)
    reference: dict[str, float] | None = None
    discrepancy: Drift | None = None
    errors: dict[str, Prior] = Field(default_factory=dict)
    curve: Curve | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        law = self.get_law()
        names = law.parameter_names
        for name in self.priors:
            if name not in names:
                raise ValueError(
                    f"priors.{name}: the law {law.name!r} has no such parameter.{did_you_mean(name, names)} "
                    f"It has: {', '.join(names)}."
                )
        if missing := [name for name in names if name not in self.priors]:
            raise ValueError(f"priors: no prior for {', '.join(missing)}.")
        self._supports_fit(law)
        self._pooling_is_understood(names)
        for column, value in (self.reference or {}).items():
            if column not in law.inputs or not SCALES[column].relative:
                accepted = [name for name in law.inputs if SCALES[name].relative]
                raise ValueError(
                    f"reference.{column}: no scale that the law takes.{did_you_mean(column, accepted)} "
                    f"Accepted: {', '.join(accepted)}."
                )
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"reference.{column}: accepted is a number above 0; got {value!r}.")
        self._drift_fits(law)
        self._errors_fit(law)
        self._curve_fits(law)
        if NOISES[self.noise.family].of_shares != (law.response != "loss"):
            fitting = [name for name, noise in NOISES.items() if noise.of_shares == (law.response != "loss")]
            raise ValueError(
                f"noise.family: {self.noise.family} does not suit the response {law.response!r}. "
                f"Accepted: {', '.join(fitting)}."
            )
        return self

    def _supports_fit(self, law: Law) -> None:
        limits = {"positive": (0.0, math.inf), "real": (-math.inf, math.inf), "share": (0.0, 1.0)}
        for parameter in law.parameters:
            prior = self.priors[parameter.name]
            low, high = limits[parameter.support]
            given = prior.scipy.support()
            if not (given[0] >= low and given[1] <= high) and not (prior.of and given[0] >= low):
                raise ValueError(
                    f"priors.{parameter.name}: {prior} allows values from {given[0]:g} to {given[1]:g}; the parameter "
                    f"lies between {low:g} and {high:g} ({parameter.meaning})."
                )
        for name, prior in self.noise.priors.items():
            if prior.scipy.support()[0] < 0:
                raise ValueError(f"noise.{name}: {prior} allows negative values; it must be positive.")
            if name == "undertuned" and prior.scipy.support()[1] > 1:
                raise ValueError(f"noise.undertuned: {prior} allows values above 1; it is a share of the runs.")

    def _drift_fits(self, law: Law) -> None:
        if self.discrepancy is None:
            return
        if NOISES[self.noise.family].of_shares:
            raise ValueError(f"discrepancy: a drift is of log loss; this law predicts {law.response}.")
        along, accepted = self.discrepancy.along, dict.fromkeys(("compute", *law.inputs))
        for column in () if along is None else along:
            if column not in accepted or not SCALES[column].relative:
                raise ValueError(
                    f"discrepancy.along: {column!r} is no scale that the law takes.{did_you_mean(column, accepted)} "
                    f"Accepted: {', '.join(name for name in accepted if SCALES[name].relative)}."
                )
        if along == ():
            raise ValueError("discrepancy.along: name at least one scale, such as compute.")
        if self.discrepancy.sigma_growth is None and self.curve is None:
            raise ValueError("discrepancy.sigma_growth: only a card with a curve does without.")

    def _errors_fit(self, law: Law) -> None:
        for key, prior in self.errors.items():
            if NOISES[self.noise.family].of_shares:
                raise ValueError(f"errors.{key}: errors are of log loss; this law predicts {law.response}.")
            if prior.scipy.support()[0] < 0 or prior.of:
                raise ValueError(f"errors.{key}: {prior} is no prior of a standard deviation, which is positive.")
            if sd_name(key) in law.parameter_names:
                raise ValueError(f"errors.{key}: the law has a parameter {sd_name(key)!r} of its own.")
        if self.noise.growth and self.discrepancy:
            raise ValueError("noise.sigma_growth: a card with a discrepancy has it there; give it in one place.")

    def _curve_fits(self, law: Law) -> None:
        if self.curve is None:
            return
        if law.response != "loss":
            raise ValueError(f"curve: checkpoints are of loss; this law predicts {law.response}.")
        if self.noise.family != "Normal":
            raise ValueError(f"noise.family: the noise of a checkpoint is Normal, got {self.noise.family}.")
        if self.noise.growth or (self.discrepancy and self.discrepancy.sigma_growth):
            raise ValueError("sigma_growth: the noise of a checkpoint is the same at all sizes; leave it out.")
        if self.pooling.get("sigma", "complete") != "complete":
            raise ValueError("pooling.sigma: the noise of a checkpoint is the same in all groups; accepted: complete.")
        if self.errors:
            raise ValueError(
                f"errors.{next(iter(self.errors))}: a card with a curve takes runs to err each by itself. Fit the "
                "finished runs, bs.final_runs(curves), with the same card and no curve."
            )
        taken = [name for name in self.curve.priors if name in law.parameter_names]
        if taken:
            raise ValueError(f"curve.{taken[0]}: the law has a parameter {taken[0]!r} of its own.")

    def _pooling_is_understood(self, names: tuple[str, ...]) -> None:
        poolable = (*names, *self.noise.priors)
        for name, how in self.pooling.items():
            if name in ("spread", "effect"):
                if not isinstance(how, Prior):
                    example = "{dist = 'HalfNormal', sigma = 0.3}" if name == "spread" else EFFECT
                    raise ValueError(f"pooling.{name}: must be a prior, for example {example}.")
                if name == "effect" and (how.dist != "Normal" or how.arguments["mu"] != 0):
                    raise ValueError(f"pooling.effect: must be normal about 0, for example {EFFECT}; got {how}.")
            elif name == "correlated":
                if not isinstance(how, bool):
                    raise ValueError(f"pooling.correlated: accepted are true, false; got {how!r}.")
            elif name not in (*poolable, "default"):
                raise ValueError(
                    f"pooling.{name}: there is no such parameter.{did_you_mean(name, (*poolable, *_POOLING))} "
                    f"Parameters: {', '.join(poolable)}; and {', '.join(_POOLING)}."
                )
            else:
                try:
                    parse_pooling(how if isinstance(how, str) else repr(how))
                except ValueError as error:
                    raise ValueError(f"pooling.{name}: {error}") from None

    def get_law(self) -> Law:
        """Return the law that the card names, of the card's own column where it is one in one variable."""
        if isinstance(self.law, Expression):
            supports: dict[str, Any] = {
                name: "positive" if prior.scipy.support()[0] >= 0 else "real" for name, prior in self.priors.items()
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
        if self.all_priors[parameter].dist == "Fixed":
            return ()
        shared = parameter not in self.priors
        default = "complete" if shared else self.pooling.get("default", "complete")
        return parse_pooling(str(self.pooling.get(parameter, default)))

    @property
    def spread(self) -> Prior:
        """Prior of the standard deviation between groups, on the log scale."""
        prior = self.pooling["spread"]
        assert isinstance(prior, Prior)
        return prior

    @property
    def effect(self) -> Prior:
        """Prior of the difference that a covariate makes, on the log scale."""
        prior = self.pooling["effect"]
        assert isinstance(prior, Prior)
        return prior

    @property
    def correlated(self) -> bool:
        """Whether the parameters' group effects may go together."""
        return bool(self.pooling.get("correlated", False))

    @property
    def all_priors(self) -> dict[str, Prior]:
        """Priors of the law's, the noise's, the drift's, the shared errors' and the curve's parameters, in order."""
        of_law = {name: self.priors[name] for name in self.get_law().parameter_names}
        of_noise = self.noise.priors | self.noise.growth
        of_errors = {sd_name(key): prior for key, prior in self.errors.items()}
        of_drift, of_curve = (table.priors if table else {} for table in (self.discrepancy, self.curve))
        return of_law | of_noise | of_drift | of_errors | of_curve

    @property
    def fixed(self) -> dict[str, float]:
        """Parameters that the card holds at a value."""
        return {name: p.arguments["value"] for name, p in self.all_priors.items() if p.dist == "Fixed"}


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
