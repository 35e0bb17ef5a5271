"""The noise of a card: how a run scatters about its law, and how the scatter grows for smaller runs."""

from collections.abc import Callable, Mapping
from typing import Any, Self, override

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, model_validator

from bayescale.errors import did_you_mean
from bayescale.laws import Law
from bayescale.layers.layer import Context, Known, Layer, Linear, ModelCard, Theta, Where
from bayescale.layers.noises import NOISE_MEANINGS, NOISES, Measured, total_scale, undertuned_densities
from bayescale.layers.spans import decades_below, measure
from bayescale.priors import Prior
from bayescale.runs.checks.rounding import LOSS_STEP, rounding_se

__all__ = ["NOISES", "NOISE_MEANINGS", "total_scale"]  # of the noises, for those who ask about the scatter of runs

Draws = Mapping[str, xr.DataArray]
GROWTH = "sigma_growth"
GROWTH_MEANING = "how much larger the run-to-run scatter is for each decade below the largest run, on the log"


class NoiseCard(BaseModel):
    """The table ``[noise]`` of a card: a noise and the priors of its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    family: str = "StudentT"
    sigma: Prior | None = None
    nu: Prior | None = None
    undertuned: Prior | None = None
    excess: Prior | None = None
    precision: Prior | None = None
    sigma_growth: Prior | None = None

    @model_validator(mode="after")
    def _check_priors(self) -> Self:
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
        """Prior of how the scatter grows for smaller runs, by its name; empty where the scatter is the same for all."""
        return {} if self.sigma_growth is None else {GROWTH: self.sigma_growth}


class NoiseLayer(Layer):
    """The noise of a card, with the growth of its scatter along the first of the scales."""

    table = "noise"
    field: tuple[Any, Any] = (NoiseCard, ...)

    @override
    def complete_table(self, content: Mapping[str, Any], defaults: dict[str, Any], response: str) -> dict[str, Any]:
        return {} if "noise" in content else {"noise": defaults["noise"]["loss" if response == "loss" else "share"]}

    @override
    def reconcile_tables(self, content: dict[str, Any], defaults: Mapping[str, Any], added: str) -> None:
        # The growth of the scatter stands in one place: with a drift, in its table; with a curve, nowhere.
        drift = content["discrepancy"]
        if drift and content["curve"]:
            content["discrepancy"] = drift | {GROWTH: None}
        elif drift and content["noise"].get(GROWTH):
            content["discrepancy"] = drift | {GROWTH: content["noise"].pop(GROWTH)}

    @override
    def check(self, card: ModelCard, law: Law) -> None:
        if NOISES[card.noise.family].of_shares != (law.response != "loss"):
            fitting = [name for name, noise in NOISES.items() if noise.of_shares == (law.response != "loss")]
            raise ValueError(
                f"noise.family: {card.noise.family} does not suit the response {law.response!r}. "
                f"Accepted: {', '.join(fitting)}."
            )
        for name, prior in card.noise.priors.items():
            if prior.support[0] < 0:
                raise ValueError(f"noise.{name}: {prior} allows negative values; it must be positive.")
            if name == "undertuned" and prior.support[1] > 1:
                raise ValueError(f"noise.undertuned: {prior} allows values above 1; it is a share of the runs.")
        if card.noise.growth and card.discrepancy:
            raise ValueError("noise.sigma_growth: a card with a discrepancy has it there; give it in one place.")

    @override
    def priors(self, card: ModelCard) -> dict[str, Prior]:
        return card.noise.priors | card.noise.growth

    @override
    def meanings(self, card: ModelCard) -> dict[str, str]:
        return NOISE_MEANINGS | {GROWTH: GROWTH_MEANING}

    @override
    def scales(self, card: ModelCard) -> tuple[str, ...]:
        # In a card with a drift the scatter grows along the first scale of the drift.
        return (measure(card.get_law()),) if card.noise.growth else ()

    @override
    def know(self, card: ModelCard, runs: xr.Dataset, context: Context) -> Known:
        response = card.get_law().response
        known = known_of(card.noise.family, runs, response)
        arrays = {"observed": NOISES[card.noise.family].observe(runs[response], known).values}
        arrays |= {name: value.values for name, value in known.items()}
        for scale in list(context.spans)[:1]:
            arrays["run_below"] = decades_below(runs[scale].values.astype(float), context.spans[scale])
        return Known(arrays)

    @override
    def in_model(self, card: ModelCard, mean: Any, theta: Theta, data: Mapping[str, Any]) -> tuple[Any, Theta]:
        import pymc as pm

        return mean, _grow_scatter(pm.math, theta, data.get("run_below"))

    @override
    def respond(self, card: ModelCard, mean: Any, theta: Theta, where: Where) -> tuple[Any, Theta]:
        below = [decades_below(where.inputs[name], span) for name, span in list(where.spans.items())[:1]]
        return mean, _grow_scatter(np, theta, *below)

    @override
    def linear(self, card: ModelCard, known: Known, where: Where) -> Linear:
        form = super().linear(card, known, where)
        growth = {name: prior.median for name, prior in card.all_priors.items() if name == GROWTH}
        return form._replace(scale=self.respond(card, None, {"sigma": form.scale} | growth, where)[1]["sigma"])

    @override
    def add_likelihood(self, card: ModelCard, name: str, mean: Any, theta: Theta, data: Mapping[str, Any]) -> bool:
        import pymc as pm

        noise = NOISES[card.noise.family]
        known = {name: data[name] for name in noise.known}
        noise.likelihood(pm, name, mean, theta, known, observed=data["observed"])
        return True


NOISE = NoiseLayer()


def _grow_scatter(xp: Any, theta: Theta, below: Any = None) -> Theta:
    """Return the parameters with the scatter of runs that lie so many decades below the largest one."""
    if GROWTH not in theta or below is None:
        return theta
    return theta | {"sigma": theta["sigma"] * xp.exp(theta[GROWTH] * below)}


def known_of(family: str, runs: xr.Dataset, response: str) -> dict[str, xr.DataArray]:
    """Return what a noise knows of each run: its measurement error, or how many questions its share rests on."""
    known = NOISES[family].known
    if "relative_se" not in known:
        return {name: runs[name].astype("int64") for name in known}
    absent = xr.zeros_like(runs[response])
    measured = runs["loss_se"].fillna(0.0) / runs[response] if "loss_se" in runs else absent
    rounded = rounding_se(runs.attrs.get(LOSS_STEP, 0.0))
    return {"relative_se": xr.ufuncs.hypot(measured, rounded / runs[response]) if rounded else measured}


def observed_name(family: str, response: str) -> str:
    """Return the name under which the noise sees the response: ``log_loss``, ``accuracy``."""
    return response if NOISES[family].of_shares else f"log_{response}"


def log_density(family: str, values: xr.DataArray, mean: xr.DataArray, known: Measured, theta: Draws) -> xr.DataArray:
    """Return the log density of observed responses under each draw, dims (chain, draw, run)."""
    return _apply_to_runs(NOISES[family].logpdf, family, values, mean, known, theta)


def undertuned_log_odds(values: xr.DataArray, mean: xr.DataArray, known: Measured, theta: Draws) -> xr.DataArray:
    """Return the log odds that each run is undertuned under each draw of a posterior with that noise."""

    def odds(*given: Any) -> Any:
        tuned, worse = undertuned_densities(*given)
        return worse - tuned

    return _apply_to_runs(odds, "Undertuned", values, mean, known, theta)


def _apply_to_runs(
    function: Callable[..., Any], family: str, values: xr.DataArray, mean: xr.DataArray, known: Measured, theta: Draws
) -> xr.DataArray:
    """Return ``function(observed, mean, theta, known)`` for every run and draw."""
    noise = NOISES[family]
    given = {name: theta[name] for name in noise.parameters} | dict(known)

    def apply_to_arrays(observed: Any, expected: Any, *arrays: Any) -> Any:
        named = dict(zip(given, arrays, strict=True))
        return function(observed, expected, named, named)

    return xr.apply_ufunc(apply_to_arrays, noise.observe(values, known), mean, *given.values())


def draw_response(
    family: str, mean: xr.DataArray, theta: Draws, rng: np.random.Generator, known: Measured
) -> xr.DataArray:
    """Return the response of one new run for each element of ``mean``: the law's, with scatter and known error."""
    noise = NOISES[family]

    def full(value: Any) -> np.ndarray:
        variable = value.variable if isinstance(value, xr.DataArray) else xr.Variable((), value)
        return np.asarray(variable.set_dims(mean.sizes).transpose(*mean.dims).values)

    shape = {name: full(theta[name]) for name in noise.parameters}
    return mean.copy(data=noise.draw(rng, mean.values, shape, {name: full(value) for name, value in known.items()}))


def no_error(family: str) -> dict[str, float]:
    """Return what is known of a run not yet made: no measurement error; many questions."""
    return {name: 0.0 if name == "relative_se" else 10_000 for name in NOISES[family].known}
