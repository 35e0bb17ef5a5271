"""The tables of a model card: priors, noise, discrepancy, curve, an expression; each checked where it stands."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bayescale.errors import RunsError, did_you_mean
from bayescale.layers.noise import NOISE_MEANINGS, NOISES
from bayescale.priors import Prior
from bayescale.runs.curves.filters import as_filters


class NoiseCard(BaseModel):
    """The noise of a card: its family and the priors of its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    family: str = "StudentT"
    sigma: Prior | None = None
    nu: Prior | None = None
    undertuned: Prior | None = None
    excess: Prior | None = None
    precision: Prior | None = None
    sigma_growth: Prior | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.family not in NOISES:
            raise ValueError(
                f"there is no noise {self.family!r}.{did_you_mean(self.family, NOISES)} Accepted: {', '.join(NOISES)}."
            )
        wanted = NOISES[self.family].parameters
        given = {name for name in NOISE_MEANINGS if getattr(self, name) is not None}
        if given != set(wanted):
            raise ValueError(f"{self.family} noise needs priors for exactly: {', '.join(wanted)}.")
        if self.sigma_growth is not None and "sigma" not in wanted:
            raise ValueError(f"sigma_growth: {self.family} noise has no sigma that could grow.")
        return self

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the noise by parameter."""
        return {name: getattr(self, name) for name in NOISES[self.family].parameters}

    @property
    def growth(self) -> dict[str, Prior]:
        """Prior of how the scatter grows for smaller runs, by its name; empty where it is the same for all."""
        return {} if self.sigma_growth is None else {"sigma_growth": self.sigma_growth}


class Drift(BaseModel):
    """How the law may be wrong: `bayescale.layers.drift`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["drift"] = "drift"
    along: tuple[str, ...] | None = None
    tau: Prior
    tau_growth: Prior
    sigma_growth: Prior | None = None

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the drift's parameters by name."""
        return {name: getattr(self, name) for name in DRIFT_MEANINGS if getattr(self, name) is not None}


# Every parameter of the drift, with what it means.
DRIFT_MEANINGS = {
    "tau": "how fast the slope of log loss in log10 compute wanders about the law's, per decade, at the largest run",
    "tau_growth": "how much faster it wanders for each decade below the largest run, on the log",
    "sigma_growth": "how much larger the run-to-run scatter is for each decade below the largest run, on the log",
}


class Curve(BaseModel):
    """How the checkpoints of a run err together: `bayescale.layers.curve`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    offset_sd: Prior
    tilt_sd: Prior
    wander_sd: Prior
    length: float = Field(gt=0, lt=10, allow_inf_nan=False)
    hot: Prior | None = None
    hot_sd: Prior | None = None
    hot_params: Prior | None = None
    hot_tokens: Prior | None = None
    # What differs from the reader's own rules; false turns one off.
    filters: dict[str, float | bool] = Field(default_factory=dict)

    @field_validator("filters", mode="after")
    @classmethod
    def _known(cls, filters: dict[str, float | bool]) -> dict[str, float | bool]:
        try:
            as_filters(filters)
        except RunsError as error:
            raise ValueError(str(error).removeprefix("filters: ")) from None
        return filters

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name, prior in self.priors.items():
            if name not in ("hot_params", "hot_tokens") and prior.scipy.support()[0] < 0:
                raise ValueError(f"{name}: {prior} allows negative values; it must be positive.")
        if (self.hot is None) != (self.hot_sd is None) or (self.hot is None and (self.hot_params or self.hot_tokens)):
            raise ValueError("hot and hot_sd come together, and hot_params and hot_tokens only with them.")
        return self

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the curve's parameters by name."""
        return {name: getattr(self, name) for name in CURVE_MEANINGS if getattr(self, name) is not None}


# Every parameter of a curve, with what it means.
CURVE_MEANINGS = {
    "offset_sd": "how far whole runs lie from the law in log loss: 0.01 is 1%",
    "tilt_sd": "how much faster or slower runs fall than the law, in log loss a decade of tokens",
    "wander_sd": "how far a run wanders about its own level as it trains, in log loss",
    "hot": "log loss at the peak learning rate above what annealing would give, at the reference run",
    "hot_sd": "by what share of it runs differ in that",
    "hot_params": "how fast it grows with N: the power of N",
    "hot_tokens": "how fast it grows with tokens: the power of D",
}


class Expression(BaseModel):
    """A law of the user's own, written as an expression."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    expression: str
    floor: str | None = None
    response: str = "loss"
