"""Model cards: a law, a prior for each of its parameters, what is pooled over which group, and the noise."""

import math
import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayescale.errors import CardError, did_you_mean
from bayescale.laws import LAWS, Law
from bayescale.modeling.noise import NOISES
from bayescale.modeling.priors import DISTRIBUTIONS, frozen
from bayescale.shipped_files import shipped_path

Pool = Literal["complete", "none", "partial"]
OF = ("min(loss)", "median(loss)")
_POOLING = re.compile(r"(complete|none|partial)(?:\((\w+)\))?")


class Prior(BaseModel):
    """One prior: a distribution by name, its arguments, and what it is a multiple of."""

    model_config = ConfigDict(extra="allow", frozen=True)
    dist: str
    of: Literal["min(loss)", "median(loss)"] | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.dist not in DISTRIBUTIONS:
            raise ValueError(
                f"there is no distribution {self.dist!r}.{did_you_mean(self.dist, DISTRIBUTIONS)} "
                f"Accepted: {', '.join(DISTRIBUTIONS)}."
            )
        wanted = DISTRIBUTIONS[self.dist]
        given = self.model_extra or {}
        for name in given:
            if name not in wanted.arguments:
                raise ValueError(
                    f"{self.dist} takes no {name!r}.{did_you_mean(name, wanted.arguments)} "
                    f"It takes: {', '.join(wanted.arguments)}; and any prior takes: of."
                )
        for name in wanted.arguments:
            value = given.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{self.dist} needs a finite number for {name!r}, got {value!r}.")
            if name in wanted.must_be_positive and not value > 0:
                raise ValueError(f"{self.dist} needs {name} > 0, got {value!r}.")
        if self.dist == "Uniform" and not given["lower"] < given["upper"]:
            raise ValueError(f"Uniform needs lower < upper, got {given['lower']!r} and {given['upper']!r}.")
        if not self.scipy.support()[0] >= 0:
            raise ValueError(f"{self.dist}({given}) allows negative values; every parameter of a law is positive.")
        return self

    @property
    def arguments(self) -> dict[str, float]:
        """The distribution's own arguments."""
        return {name: float(value) for name, value in (self.model_extra or {}).items()}

    @cached_property
    def scipy(self) -> Any:
        """The same distribution in SciPy."""
        return frozen(self.dist, self.arguments)

    def __str__(self) -> str:
        inside = ", ".join(f"{k} {v:g}" for k, v in self.arguments.items())
        return f"{self.dist}({inside})" + (f" x {self.of}" if self.of else "")


class NoiseCard(BaseModel):
    """The noise of a card: its family and the priors of its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    family: str = "StudentT"
    sigma: Prior
    nu: Prior | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.family not in NOISES:
            raise ValueError(
                f"there is no noise {self.family!r}.{did_you_mean(self.family, NOISES)} Accepted: {', '.join(NOISES)}."
            )
        wanted = NOISES[self.family].parameters
        given = {name for name in ("sigma", "nu") if getattr(self, name) is not None}
        if given != set(wanted):
            raise ValueError(f"{self.family} noise needs priors for exactly: {', '.join(wanted)}.")
        return self

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the noise by parameter."""
        return {name: getattr(self, name) for name in NOISES[self.family].parameters}


class Card(BaseModel):
    """A model card, checked: every name in it exists.

    Attributes
    ----------
    name : str
        The card's file name without its suffix.
    law : str
        Name of the law.
    title : str
        One line for people.
    priors : dict of str to Prior
        One for each sampled parameter of the law, at the reference run.
    pooling : dict
        ``complete``, ``none(column)`` or ``partial(column)`` by parameter, and ``spread``, the prior of how much
        families differ on the log scale. A parameter that is not named is pooled completely.
    noise : NoiseCard
        Scatter of a run about the law, on log loss.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    law: str
    title: str
    priors: dict[str, Prior]
    noise: NoiseCard
    pooling: dict[str, str | Prior] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        if self.law not in LAWS:
            raise ValueError(
                f"law: there is no law {self.law!r}.{did_you_mean(self.law, LAWS)} Known laws: {', '.join(LAWS)}."
            )
        names = self.get_law().parameter_names
        for name in self.priors:
            if name not in names:
                raise ValueError(
                    f"priors.{name}: the law {self.law!r} has no such parameter.{did_you_mean(name, names)} "
                    f"It has: {', '.join(names)}."
                )
        if missing := [name for name in names if name not in self.priors]:
            raise ValueError(f"priors: no prior for {', '.join(missing)}.")
        poolable = (*names, *self.noise.priors)
        groups = set()
        for name, how in self.pooling.items():
            if name == "spread":
                if not isinstance(how, Prior):
                    raise ValueError("pooling.spread: must be a prior, for example {dist = 'HalfNormal', sigma = 0.3}.")
                continue
            if name not in poolable:
                raise ValueError(
                    f"pooling.{name}: there is no such parameter.{did_you_mean(name, (*poolable, 'spread'))} "
                    f"Parameters: {', '.join(poolable)}; and spread."
                )
            found = _POOLING.fullmatch(how) if isinstance(how, str) else None
            if found is None:
                raise ValueError(f"pooling.{name}: accepted are complete, none(family), partial(family); got {how!r}.")
            if found[1] != "complete":
                groups.add(found[2] or "family")
        if groups - {"family"}:
            raise ValueError(
                f"pooling: over {', '.join(sorted(groups - {'family'}))}; pooling is over the column family. "
                "Read the runs with that column as family."
            )
        if any(self.pool(name) == "partial" for name in poolable) and "spread" not in self.pooling:
            raise ValueError("pooling: partial pooling needs `spread`, the prior of how much families differ.")
        return self

    def get_law(self) -> Law:
        """Return the law that the card names."""
        return LAWS[self.law]

    def pool(self, parameter: str) -> Pool:
        """Return how a parameter is pooled over families."""
        found = _POOLING.fullmatch(str(self.pooling.get(parameter, "complete")))
        return found[1] if found else "complete"  # type: ignore[return-value]

    @property
    def spread(self) -> Prior:
        """Prior of the standard deviation between families, on the log scale."""
        prior = self.pooling["spread"]
        assert isinstance(prior, Prior)
        return prior

    @property
    def all_priors(self) -> dict[str, Prior]:
        """Priors of the law's and the noise's parameters, in order."""
        return {name: self.priors[name] for name in self.get_law().parameter_names} | self.noise.priors


def list_cards() -> list[str]:
    """Return the names of the shipped cards."""
    return sorted(path.stem for path in shipped_path("models").glob("*.toml"))


def load_card(model: "str | Path | Card") -> Card:
    """Return the card of that name, or the one in that TOML file.

    Raises
    ------
    CardError
        If there is no such card, or a name or value in it is not accepted.

    Examples
    --------
    >>> import bayescale as bs
    >>> bs.load_card("chinchilla").law
    'chinchilla'
    """
    if isinstance(model, Card):
        return model
    path = Path(model)
    if path.suffix != ".toml":
        if str(model) not in list_cards():
            raise CardError(
                f"there is no model {str(model)!r}.{did_you_mean(str(model), list_cards())} "
                f"Shipped models: {', '.join(list_cards())}; or give the path of a card that ends in .toml."
            )
        path = shipped_path("models") / f"{model}.toml"
    try:
        text = path.read_text()
    except OSError as error:
        raise CardError(f"model card {path}: cannot be read ({error.strerror}).") from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"model card {path}: not valid TOML: {error}.") from None
    return parse_card(content, path.stem, str(path))


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
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"] if part != "Prior")
            text = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                text = "unknown key" + did_you_mean(str(problem["loc"][-1]), ("family", *NOISES["StudentT"].parameters))
            lines.append(f"{place}: {text}" if place else text)
        raise CardError(f"model card {where}:\n  " + "\n  ".join(lines)) from None
