"""A posterior as the answers see it: its law, its draws by name, its cost model, and how far a question lies.

The user holds a plain DataTree. Every public function opens one read-only `Posterior` on it and hands the view on to
the functions that it calls.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import xarray as xr

from bayescale.cards import Card, card_from_json
from bayescale.costs import SIX_ND, CostModel, cost_model
from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference import by_run, require_quotable, runs_of
from bayescale.inference.sampling import SEED as SEED
from bayescale.laws import LAWS, SCALES, Law, get_law, scale_of
from bayescale.laws.inputs import DRAW_DIMS, POINT, complete_inputs, refuse_too_many, without_labels
from bayescale.layers import Span, read_inputs, respond, sampled_names
from bayescale.layers.noise import draw_response, no_error
from bayescale.layers.shared_errors import new_errors
from bayescale.numbers import is_multiple, parse_compute, parse_number

CONSTANTS = "given constants"
Source = xr.DataTree | Mapping[str, Any]
"""A posterior, or a law's constants by name."""


class Posterior:
    """A read-only view of one posterior, or of a law at given constants; everything in it is worked out once.

    Parameters
    ----------
    fit : xarray.DataTree
        A posterior from `fit`.
    family : str, optional
        The family that is asked about; by default all of them, on the dimension ``family``.
    verdict : str
        What `require_quotable` said of the posterior; empty where its numbers are not quoted.

    Examples
    --------
    >>> import bayescale as bs
    >>> from bayescale.posterior import Posterior
    >>> view = Posterior(bs.fit(bs.load_shipped("tinylm"), seed=1), family="english")
    >>> view.law.name, view.theta["E"].dims
    ('chinchilla', ('chain', 'draw'))
    """

    def __init__(self, fit: xr.DataTree, family: str | None = None, verdict: str = "") -> None:
        self.fit, self.family, self.verdict = fit, family, verdict

    @classmethod
    def quoted(
        cls, fit: "xr.DataTree | Posterior", family: str | None = None, allow_unconverged: bool | None = False
    ) -> "Posterior":
        """Return the view of a posterior whose numbers may be quoted; a view is handed back as it is.

        Raises
        ------
        UnconvergedError
            If the posterior failed a check and ``allow_unconverged`` is not set.
        """
        return fit if isinstance(fit, Posterior) else cls(fit, family, require_quotable(fit, allow_unconverged))

    @classmethod
    def with_parameters(
        cls,
        source: Source,
        law: str,
        needed: Iterable[str],
        question: str,
        family: str | None = None,
        allow_unconverged: bool = False,
    ) -> "Posterior":
        """Return the view of a posterior whose law has the parameters needed, or of constants of the law named.

        Raises
        ------
        UnconvergedError, QuestionError
            If the posterior may not be quoted, its law lacks a parameter, or a constant is missing or not positive.

        Examples
        --------
        >>> from bayescale.posterior import Posterior
        >>> constants, needed = {"B_star": 2e8, "alpha_B": 0.21}, ("B_star", "alpha_B")
        >>> kaplan = Posterior.with_parameters(constants, "kaplan-steps", needed, "critical batch")
        >>> kaplan.paper["B_star"].dims
        ('chain', 'draw')
        """
        needed = tuple(needed)
        if not isinstance(source, xr.DataTree):
            if missing := [name for name in needed if name not in source]:
                raise QuestionError(
                    f"{question}: the constants lack {', '.join(missing)}. Needed: {', '.join(needed)}."
                )
            return cls.of_constants(get_law(law), source)
        view = cls.quoted(source, family, allow_unconverged)
        if missing := [name for name in needed if name not in _names_of(view.law)]:
            able = ", ".join(name for name, other in LAWS.items() if set(needed) <= _names_of(other))
            raise QuestionError(
                f"{question}: the law {view.law.name!r} has no {', '.join(missing)}. Laws that answer this: {able}; "
                "or give constants, as a dict."
            )
        return view

    @classmethod
    def of_constants(cls, law: Law, paper: Mapping[str, Any]) -> Self:
        """Return the view of a law at the coefficients that a paper prints: numbers, or draws of them.

        Raises
        ------
        QuestionError
            If a constant is not positive.
        """
        attrs = {"seen": "{}", "families": '["all"]', "model": CONSTANTS, "cost": SIX_ND.name, "loss_unit": ""}
        view = cls(xr.DataTree(xr.Dataset(attrs=attrs)), verdict=CONSTANTS)
        # Numbers and draws may stand side by side: every constant gets the draws of all.
        together = xr.broadcast(*(_check_constant(name, value) for name, value in paper.items()))
        draws = {name: _with_draw_dims(values) for name, values in zip(paper, together, strict=True)}
        ones = {name: 1.0 for name in law.inputs if scale_of(name).relative}
        # What is set here is not looked up in a posterior.
        vars(view).update(law=law, paper=draws, reference=ones)
        return view

    @cached_property
    def card(self) -> Card:
        """The model card that the posterior was sampled from."""
        return card_from_json(self.fit.attrs["card"])

    @cached_property
    def law(self) -> Law:
        """The law that was fitted."""
        return self.card.get_law()

    @cached_property
    def cost(self) -> CostModel:
        """The cost model that ties N, D and C together in these runs."""
        return cost_model(self.fit.attrs["cost"])

    @cached_property
    def reference(self) -> dict[str, float]:
        """The reference run: the geometric mean of the fitted runs, by column."""
        return dict(json.loads(self.fit.attrs["reference"]))

    @cached_property
    def seen(self) -> dict[str, tuple[float, float]]:
        """The smallest and largest compute, and the same of everything that the law takes, in the fitted runs."""
        return {name: (low, high) for name, (low, high) in json.loads(self.fit.attrs["seen"]).items()}

    @cached_property
    def families(self) -> list[str]:
        """The families by name; one unnamed where the runs have none."""
        return list(json.loads(self.fit.attrs["families"]))

    @cached_property
    def spans(self) -> dict[str, Span]:
        """Where the fitted runs lie along each scale of the drift; empty where the card has none."""
        return {name: Span(*span) for name, span in json.loads(self.fit.attrs.get("spans", "{}")).items()}

    @cached_property
    def runs(self) -> xr.Dataset:
        """The runs that were fitted."""
        return runs_of(self.fit)

    @property
    def response(self) -> str:
        """The column that the law predicts."""
        return self.law.response

    @property
    def loss_unit(self) -> str:
        """The unit of the response; a share has none."""
        return str(self.fit.attrs["loss_unit"]) if self.response == "loss" else "1"

    @cached_property
    def draws(self) -> xr.Dataset:
        """All that was sampled, and what follows from it."""
        return self.fit["posterior"].to_dataset()

    @cached_property
    def theta(self) -> dict[str, xr.DataArray]:
        """The draws of the parameters of the law and of its layers by name, of the family that is asked about.

        Raises
        ------
        QuestionError
            If the posterior has no such family.
        """
        theta = {name: self.draws[name] for name in sampled_names(self.card)}
        if self.family is None:
            return theta
        if self.family not in self.families:
            raise QuestionError(
                f"there is no family {self.family!r} in these runs.{did_you_mean(self.family, self.families)} "
                f"Families: {', '.join(self.families)}."
            )
        return {
            name: value.sel(family=self.family, drop=True) if "family" in value.dims else value
            for name, value in theta.items()
        }

    @cached_property
    def law_theta(self) -> dict[str, xr.DataArray]:
        """The draws of the law's parameters alone."""
        if self.verdict == CONSTANTS:
            return self.law.from_paper(np, self.paper, self.reference)
        return {name: self.theta[name] for name in self.law.parameter_names}

    @cached_property
    def paper(self) -> dict[str, xr.DataArray]:
        """The draws of the law's parameters, and of the coefficients that its paper prints."""
        return self.law_theta | self.law.to_paper(np, self.law_theta, self.reference)

    def of_family(self, family: str | None) -> "Posterior":
        """Return the view of one family."""
        return Posterior(self.fit, family, self.verdict)

    def by_law(self, inputs: Mapping[str, Any]) -> xr.DataArray:
        """Return the law's value for every draw at `inputs` by column, without what surrounds the law."""
        inputs = complete_inputs(self.law, inputs, self.cost)
        return without_labels(
            lambda x, theta: self.law.at(np, x, theta, self.reference),
            {name: inputs[name] for name in self.law.inputs},
            self.law_theta,
        )

    def respond(self, inputs: Mapping[str, Any]) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
        """Return what is expected for every draw at `inputs`, and the parameters as they hold there.

        Whatever follows from the inputs given is worked out: C from N and D, steps from tokens and batch. A card with a
        discrepancy adds its drift to the law.
        """
        if not (self.spans or self.card.curve or self.card.errors):
            return self.by_law(inputs), self.theta
        inputs = complete_inputs(self.law, inputs, self.cost)
        return respond(self.card, self.theta, inputs, self.reference, self.spans)

    def expect(self, inputs: Mapping[str, Any]) -> xr.DataArray:
        """Return what is expected for every draw, without run noise, at `inputs` by column in their own units."""
        return self.respond(inputs)[0]

    def respond_at_runs(self) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
        """Return what is expected of each fitted run for every draw, and the parameters as they hold there."""
        runs = self.runs
        theta = by_run(self.theta, runs["family"] if "family" in runs.coords else None)
        return respond(self.card, theta, read_inputs(self.card, runs), self.reference, self.spans)

    def respond_with_new_errors(
        self, inputs: Mapping[str, Any], expected: xr.DataArray, rng: np.random.Generator
    ) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
        """Return what is expected where groups of runs not yet made err together, and the parameters there."""
        like = expected.isel(dict.fromkeys(DRAW_DIMS, 0), drop=True)
        errors, groups = new_errors(self.card, self.theta, inputs, like, rng)
        mean, theta = respond(self.card, self.theta | errors, {**inputs, **groups}, self.reference, self.spans)
        return mean.transpose(*expected.dims), theta

    def draw_new_run(
        self, mean: xr.DataArray, theta: Mapping[str, xr.DataArray], rng: np.random.Generator
    ) -> xr.DataArray:
        """Return the response of one new run for each element of ``mean``, with the scatter of runs."""
        noise = self.card.noise.family
        return draw_response(noise, mean, theta, rng, no_error(noise))

    def points(self, values: Any, name: str = "compute") -> xr.DataArray:
        """Return a quantity that a law takes, dims ``point``, from numbers, multiples of the largest run, or a list.

        Raises
        ------
        QuestionError
            If there is no such quantity, a value is not a number that it may take, or it is a multiple of what is not
            known of the runs.
        """
        if name not in SCALES:
            raise QuestionError(
                f"there is no {name!r} to give.{did_you_mean(name, SCALES)} Accepted: {', '.join(SCALES)}."
            )
        entries = np.atleast_1d(np.asarray(values, dtype=object)).ravel()
        if "posterior" in self.fit.children:
            families = 1 if self.family else len(self.families)
            refuse_too_many(entries.size, families, self.fit["posterior"].sizes)
        if name not in self.seen and self.verdict == CONSTANTS and any(map(is_multiple, entries)):
            raise QuestionError(
                f"{name}: a multiple needs runs that have it, got {values!r}; give {SCALES[name].meaning}."
            )
        if name == "compute":
            largest = self.seen.get("compute", (None, None))[1]
            return xr.DataArray(
                [parse_compute(entry, largest) for entry in entries], dims=POINT, attrs={"units": "FLOP"}
            )
        return xr.DataArray(np.array([self._parse_scale(entry, name) for entry in entries], dtype=float), dims=POINT)

    def _parse_scale(self, entry: Any, name: str) -> float:
        multiple, scale = is_multiple(entry), SCALES[name]
        if multiple and name not in self.seen:
            raise QuestionError(
                f"{name}: {entry!r} is a multiple of the largest run, but the law does not take {name}."
            )
        largest = self.seen[name][1] if multiple else 1.0
        try:
            number = parse_number(str(entry).strip()[:-1] if multiple else entry) * largest
        except ValueError as error:
            raise QuestionError(f"{name}: {error}.") from None
        if not (np.isfinite(number) and scale.lower < number < scale.upper):
            raise QuestionError(f"{name}: got {entry!r}; accepted: {scale.accepted}.")
        return number

    def single_point(self, value: Any, name: str) -> xr.DataArray:
        """Return a single number."""
        points = self.points(value, name)
        if points.size != 1:
            raise QuestionError(f"{name}: one value, please; got {points.size}.")
        return points.isel(point=0)

    def single_points(self, at: Mapping[str, Any] | None) -> dict[str, xr.DataArray]:
        """Return what else a law takes, by column: one number each."""
        return {name: self.points(value, name).squeeze(drop=True) for name, value in (at or {}).items()}

    def distance_in(self, inputs: Mapping[str, Any]) -> str:
        """Return the column in which a question's distance from the runs is measured."""
        return "compute" if "compute" in inputs and "compute" in self.seen else self.law.inputs[0]

    def decades_beyond(self, inputs: Mapping[str, Any]) -> xr.DataArray:
        """Return how many decades a question lies beyond the largest run; negative inside the data.

        In compute where that is known, else in the first quantity that the law takes.
        """
        measure = self.distance_in(inputs)
        return np.log10(inputs[measure] / self.seen[measure][1])

    def distances(self, inputs: Mapping[str, Any], by_family: bool = False) -> dict[str, xr.DataArray]:
        """Return how many decades a question lies beyond the largest run, and beyond the largest of its own family.

        By family of each family where the answer has several, or of the one that is asked about.
        """
        beyond = {"decades_beyond": self.decades_beyond(inputs)}
        measure, runs = self.distance_in(inputs), self.fit["constant_data"].to_dataset()
        names = [self.family] if self.family else self.families if by_family else []
        if not names or "family" not in runs or measure not in runs:
            return beyond
        values, labels = runs[measure].values, runs["family"].values
        each = [float(values[labels == name].max()) for name in names]
        largest = each[0] if self.family else xr.DataArray(each, dims="family", coords={"family": names})
        return beyond | {"family_decades_beyond": np.log10(inputs[measure] / largest)}

    def median_beyond(self, compute: xr.DataArray) -> dict[str, xr.DataArray]:
        """Return how many decades the median of compute lies beyond the largest run, where that is known."""
        if "compute" not in self.seen:
            return {}
        middle = compute.median(DRAW_DIMS) if set(DRAW_DIMS) <= set(compute.dims) else compute
        return {"decades_beyond": xr.ufuncs.log10(middle / self.seen["compute"][1])}

    def attrs(self, asked: str, question: str, **more: Any) -> dict[str, Any]:
        """Return what every answer carries.

        Parameters
        ----------
        asked : str
            The public function that answers.
        question : str
            What is answered, for people.
        **more
            What this answer carries besides.

        Returns
        -------
        dict
            The question, the response that the law predicts, the model, the verdict and where the runs came from.
        """
        largest = {"largest_run_flop": self.seen["compute"][1]} if "compute" in self.seen else {}
        return {
            "asked": asked,
            "question": question,
            "response": self.response,
            "model": self.fit.attrs["model"],
            "verdict": self.verdict,
            "runs_sha256": self.fit.attrs.get("sha256", ""),
            "loss_unit": self.loss_unit,
            "cost": self.fit.attrs["cost"],
            **largest,
            **more,
        }


def _names_of(law: Law) -> set[str]:
    return {p.name for p in (*law.parameters, *law.paper_parameters)}


def _check_constant(name: str, value: Any) -> xr.DataArray:
    array = xr.DataArray(value)
    if array.dtype.kind not in "iuf" or not bool((np.isfinite(array) & (array > 0)).all()):
        raise QuestionError(f"{name}: got {value!r}; accepted: a number above 0.")
    return array.astype(float)


def _with_draw_dims(values: xr.DataArray) -> xr.DataArray:
    return values.expand_dims([dim for dim in DRAW_DIMS if dim not in values.dims]).transpose(*DRAW_DIMS, ...)
