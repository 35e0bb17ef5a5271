"""A prior as a card writes it: a distribution by name, its arguments, and what it is a multiple of."""

import math
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from bayescale.errors import did_you_mean
from bayescale.priors.distributions import DISTRIBUTIONS


class Prior(BaseModel):
    """One prior: a distribution by name, its arguments, and what it is a multiple of."""

    model_config = ConfigDict(extra="allow", frozen=True)
    dist: str
    of: Literal["min(loss)", "median(loss)"] | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _check_arguments(self) -> Self:
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
                    f"It takes: {', '.join(wanted.arguments)}; and any prior takes: of, source."
                )
        for name in wanted.arguments:
            value = given.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{self.dist} needs a finite number for {name!r}, got {value!r}.")
            if name in wanted.must_be_positive and not value > 0:
                raise ValueError(f"{self.dist} needs {name} > 0, got {value!r}.")
        if self.dist == "Uniform" and not given["lower"] < given["upper"]:
            raise ValueError(f"Uniform needs lower < upper, got {given['lower']!r} and {given['upper']!r}.")
        return self

    @property
    def arguments(self) -> dict[str, float]:
        """The distribution's own arguments."""
        return {name: float(value) for name, value in (self.model_extra or {}).items()}

    @property
    def support(self) -> tuple[float, float]:
        """The lowest and the highest value that the distribution allows, before it is a multiple of anything."""
        return DISTRIBUTIONS[self.dist].support(**self.arguments)

    @cached_property
    def scipy(self) -> Any:
        """The same distribution in SciPy."""
        from scipy import stats

        return DISTRIBUTIONS[self.dist].scipy(stats, **self.arguments)

    @property
    def median(self) -> float:
        """The median of the distribution."""
        return float(self.quantile(0.5))

    def quantile(self, probability: Any) -> Any:
        """Return the quantile at each probability, before it is a multiple of anything."""
        from scipy import special

        return DISTRIBUTIONS[self.dist].quantile(special, np.asarray(probability, dtype=float), **self.arguments)

    def in_pymc(self, name: str, dims: str | None = None) -> Any:
        """Create the random variable of that name in the PyMC model at hand; a held parameter is its value."""
        import pymc as pm

        if self.dist == "Fixed":
            return self.arguments["value"]
        return getattr(pm, self.dist)(name, dims=dims, **DISTRIBUTIONS[self.dist].pymc(**self.arguments))

    def __str__(self) -> str:
        inside = ", ".join(f"{k} {v:g}" for k, v in self.arguments.items())
        return f"{self.dist}({inside})" + (f" x {self.of}" if self.of else "")
