"""Where L(C) and L(D) cross: the compute at which two separately fitted laws contradict each other."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.answers.pairing import paired
from bayescale.answers.posterior import DRAW_DIMS, POINT, answer_attrs, cost_of, law_of, law_theta, reference_of, seen
from bayescale.answers.probability import probability
from bayescale.answers.split import optimal_split
from bayescale.answers.summary import bands
from bayescale.costs import SIX_ND
from bayescale.errors import QuestionError, did_you_mean
from bayescale.inference import require_quotable
from bayescale.inference.sampling import SEED
from bayescale.laws import Law
from bayescale.numbers import human_number
from bayescale.papers.power_of import FARTHEST, NEAREST, PowerOf, crossing_of_powers
from bayescale.papers.tables import PF_DAY, published_law

QUESTION = "where L(C) and L(D) cross"
SAMPLE, AT_COMPUTE, QUANTITY = "sample", "at_compute", "quantity"
GIVEN = "given constants"
PER_DECADE, HALVINGS, POINTS = 4, 50, 60
WIDTH = 0.9  # the mass of the band whose width is told in decades
# Kaplan et al. 2020, Table 6: D_opt = D_1 C**b and N_opt = N_1 C**a, C in PF-days.
TABLE_6 = {"D_1": 2e10, "b": 0.27, "N_1": 1.3e9, "a": 0.73}
EXPONENTS = ("alpha_C", "alpha_D", "a", "b")

Source = xr.DataTree | PowerOf


class Fitted(NamedTuple):
    """A law in one variable at the draws of its posterior."""

    law: Law
    theta: Mapping[str, xr.DataArray]
    reference: Mapping[str, float]

    def __call__(self, x: xr.DataArray) -> Any:
        """Return the loss at x."""
        return self.law.at(np, {self.law.inputs[0]: x}, self.theta, self.reference)


Curve = PowerOf | Fitted


def crossing(
    of_compute: Source,
    of_tokens: Source | None = None,
    tokens_of_compute: Source | xr.Dataset | None = None,
    *,
    params_of_compute: PowerOf | None = None,
    family: str | None = None,
    seed: int = SEED,
    allow_unconverged: bool = False,
) -> xr.Dataset:
    """Return the compute C* at which L(C) falls below L(D(C)), what no training can do, with the draws.

    The best loss that compute C can give, L(C), lies above the best that the tokens of that optimum can give, L(D(C)),
    for no model learns more from D tokens than one of unlimited size. Two power laws that are fitted separately cross
    all the same; at C* at the latest one of them has broken down.

    Parameters
    ----------
    of_compute : xarray.DataTree or PowerOf
        L(C): a posterior of a law in compute alone (``"power:compute"``, ``"power-floor:compute"``), fitted to runs on
        the frontier; or a published power law.
    of_tokens : xarray.DataTree or PowerOf
        L(D): likewise in tokens alone, fitted to runs that are limited by their data.
    tokens_of_compute : xarray.DataTree, xarray.Dataset or PowerOf
        D(C): a posterior of a law in N and D, whose split is taken at its largest run; an `optimal_split` at one
        budget, with its exponent from there on; or a power law.
    params_of_compute : PowerOf, optional
        N(C); by default what the cost model leaves, N = C / (6 D).
    family : str, optional
        One family, of the posteriors whose runs have any; by default all of them, on the dimension ``family``.
    seed : int
        The posteriors are independent of each other: their draws are paired at random.
    allow_unconverged : bool
        Answer although a posterior failed its diagnostics; the answer is marked.

    Returns
    -------
    xarray.Dataset
        On the dims ``(chain, draw[, family])``: ``compute`` C* in FLOP and ``compute_pf_days``; ``params`` N*,
        ``tokens`` D*, ``loss`` L*; ``decades_beyond`` the largest run, where there is one; all not a number in draws
        that never cross. Without the draws: ``probability`` of a crossing and its ``mc_error``; ``decades``, the widths
        of the 90% bands by ``quantity``; ``loss_of_compute`` and ``loss_of_tokens``, L(C) and L(D(C)) at ``at_compute``
        for every ``sample``, to be drawn. ``attrs["answer"]`` says it in words.

    Raises
    ------
    UnconvergedError, QuestionError
        If a posterior may not be quoted, is not of the law that is wanted, or is of one law in both N and D: the
        loss that such a law gives at the optimum never lies below the one that its tokens allow.

    Notes
    -----
    Kaplan et al. 2020 (sec. 6.3). In closed form for power laws without a floor; otherwise the first crossing between 1
    and 1e100 FLOP is looked for on a grid and halved to rounding error, on all draws at once.

    Examples
    --------
    >>> from bayescale.answers.crossing import crossing
    >>> from bayescale.papers.power_of import PowerOf
    >>> from bayescale.papers.tables import PF_DAY
    >>> of_compute, of_tokens = PowerOf(3.1e8 * PF_DAY, 1.0, -0.050), PowerOf(5.4e13, 1.0, -0.095)
    >>> found = crossing(of_compute, of_tokens, PowerOf(PF_DAY, 2e10, 0.27))
    >>> round(float(found["loss"].squeeze()), 2)
    1.67
    """
    _separate(of_compute, of_tokens, tokens_of_compute)
    fits = [source for source in (of_compute, of_tokens, tokens_of_compute) if isinstance(source, xr.DataTree)]
    if family is not None and not any(map(_has_families, (of_compute, of_tokens, tokens_of_compute))):
        raise QuestionError(f"there is no family {family!r}: the runs are not told apart.")
    quotable = [require_quotable(fit, allow_unconverged) for fit in fits]
    curves: list[Curve] = [_curve(of_compute, "compute", family), _curve(of_tokens, "tokens", family)]
    curves += [_tokens(tokens_of_compute, family, allow_unconverged), params_of_compute or PowerOf(1.0, 1.0, 0.0)]
    loss_c, loss_d, tokens, params = _side_by_side(curves, np.random.default_rng([seed, 22]))
    cost = cost_of(fits[0]) if fits else SIX_ND

    def loss_of_tokens(compute: xr.DataArray) -> Any:
        return loss_d(tokens(compute))

    if isinstance(loss_c, PowerOf) and isinstance(loss_d, PowerOf) and isinstance(tokens, PowerOf):
        compute = crossing_of_powers(loss_c, loss_d, tokens)
    else:
        compute = first_crossing(loss_c, loss_of_tokens)
    known = bool(set(DRAW_DIMS) & set(compute.dims))
    compute = compute.expand_dims([dim for dim in DRAW_DIMS if dim not in compute.dims])
    used = tokens(compute)
    size = params(compute) if params_of_compute is not None else cost.params(used, compute)
    ranges = [seen(fit)["compute"] for fit in fits if "compute" in seen(fit)]
    unit = str(fits[0].attrs["loss_unit"]) if fits else "nats/token"
    out = xr.Dataset(
        {
            "compute": compute.assign_attrs(units="FLOP", long_name="compute of the crossing"),
            "compute_pf_days": (compute / PF_DAY).assign_attrs(units="PF-days", long_name="compute of the crossing"),
            "params": size.assign_attrs(units="parameters", long_name="N there"),
            "tokens": used.assign_attrs(units="tokens", long_name="D there"),
            "loss": loss_c(compute).where(compute.notnull()).assign_attrs(units=unit, long_name="loss there"),
        }
    )
    if ranges:
        out["decades_beyond"] = np.log10(compute / ranges[0][1])
    found = probability(compute.notnull())
    out["probability"], out["mc_error"] = found["probability"], found["mc_error"] * known
    out["decades"] = _decades(out)
    at = _grid(compute, ranges)
    for name, curve in (("loss_of_compute", loss_c), ("loss_of_tokens", loss_of_tokens)):
        out[name] = _samples(curve(at), compute).assign_attrs(units=unit)
    out = out.assign_coords({AT_COMPUTE: at}).transpose(*DRAW_DIMS, ...)
    about = answer_attrs(fits[0], QUESTION, "; ".join(dict.fromkeys(quotable))) if fits else _about_constants(unit)
    about["model"] = ", ".join(dict.fromkeys(fit.attrs["model"] for fit in fits)) or GIVEN
    return out.assign_attrs(about, answer=" ".join(_sentences(out, unit)))


def kaplan_crossing(
    errors: Mapping[str, float] | None = None, *, draws: int = 4000, seed: int = SEED, **constants: float
) -> xr.Dataset:
    """Return the crossing of Kaplan et al. 2020, from its published constants or others, with their errors.

    Parameters
    ----------
    errors : mapping of str to float, optional
        Standard errors by constant: of an exponent as it is, of the others as a share of the constant. Without any the
        answer is one number each.
    draws : int
        How many draws carry the errors.
    seed : int
        Of the draws.
    **constants : float
        Other values: ``C_c`` (PF-days) and ``alpha_C`` of L(C) = (C_c / C)**alpha_C; ``D_c`` and ``alpha_D`` of L(D);
        ``D_1`` and ``b`` of D = D_1 C**b, C in PF-days; ``N_1`` and ``a`` of N = N_1 C**a.

    Returns
    -------
    xarray.Dataset
        As `crossing`.

    Raises
    ------
    QuestionError
        If there is no such constant.

    Notes
    -----
    The paper's Table 6 and its eq. 6.7 (``D_1=4e10, b=0.26``) disagree on the tokens, which moves C* by a factor of
    ten. Constants of one power law are strongly correlated; errors given here are taken as independent.

    Examples
    --------
    >>> from bayescale.answers.crossing import kaplan_crossing
    >>> [f"{float(kaplan_crossing(**k)['compute_pf_days'].squeeze()):.2g}" for k in ({}, {"D_1": 4e10, "b": 0.26})]
    ['1.1e+04', '1.1e+05']
    """
    of_compute, of_tokens = (published_law("power", f"kaplan-2020-{name}").paper for name in ("min-compute", "tokens"))
    known = {"C_c": of_compute["x_c"], "alpha_C": of_compute["alpha"]}
    known |= {"D_c": of_tokens["x_c"], "alpha_D": of_tokens["alpha"]} | TABLE_6
    errors = errors or {}
    for name in (*constants, *errors):
        if name not in known:
            raise QuestionError(
                f"there is no constant {name!r}.{did_you_mean(name, known)} Constants: {', '.join(known)}."
            )
    rng, k = np.random.default_rng([seed, 23]), dict[str, Any](known | constants)
    for name, error in errors.items():
        scatter = xr.DataArray(error * rng.standard_normal((1, draws)), dims=DRAW_DIMS)
        k[name] = k[name] + scatter if name in EXPONENTS else k[name] * np.exp(scatter)
    out = crossing(
        PowerOf(k["C_c"] * PF_DAY, 1.0, -k["alpha_C"]),
        PowerOf(k["D_c"], 1.0, -k["alpha_D"]),
        PowerOf(PF_DAY, k["D_1"], k["b"]),
        params_of_compute=PowerOf(PF_DAY, k["N_1"], k["a"]),
        seed=seed,
    )
    return out.assign_attrs(model="Kaplan et al. 2020")


def first_crossing(upper: Callable[[Any], Any], lower: Callable[[Any], Any]) -> xr.DataArray:
    """Return the compute at which the first curve falls below the second, for every draw; not a number if it never is.

    It is looked for between 1 and 1e100 FLOP at four points a decade, then halved to rounding error.
    """

    def above(log_c: xr.DataArray) -> xr.DataArray:
        compute = np.exp(log_c)
        return upper(compute) > lower(compute)

    steps = round(np.log10(FARTHEST / NEAREST) * PER_DECADE)
    grid = xr.DataArray(np.linspace(np.log(NEAREST), np.log(FARTHEST), steps + 1), dims="grid")
    is_above = above(grid)
    falls = is_above.isel(grid=slice(None, -1)) & ~is_above.isel(grid=slice(1, None))
    first = falls.argmax("grid")
    left, right = grid[first], grid[first + 1]
    for _ in range(HALVINGS):
        middle = (left + right) / 2
        still = above(middle)
        left, right = xr.where(still, middle, left), xr.where(still, right, middle)
    return xr.ufuncs.exp((left + right) / 2).where(falls.any("grid"))


def _separate(of_compute: Any, of_tokens: Any, tokens_of_compute: Any) -> None:
    """Refuse a law in both N and D, where there is nothing to cross, and say what is missing."""
    joint = [fit for fit in (of_compute, of_tokens) if isinstance(fit, xr.DataTree) and law_of(fit).has_split]
    if joint:
        raise QuestionError(
            f"the law {law_of(joint[0]).name!r} gives both L(C) and L(D), and they never cross: its loss at the best "
            "split is L(N, D), which is at least L(N without limit, D). The contradiction comes from two separately "
            "fitted laws: pass a fit in compute alone (power:compute, of runs on the frontier), one in tokens alone "
            "(power:tokens, of runs limited by their data), and D(C)."
        )
    if of_tokens is None or tokens_of_compute is None:
        missing = "L(D), of_tokens=" if of_tokens is None else "D(C), tokens_of_compute="
        raise QuestionError(f"a crossing takes L(C), L(D) and D(C); missing: {missing}.")


def _curve(source: Any, column: str, family: str | None) -> Curve:
    if isinstance(source, PowerOf):
        return source
    law = law_of(source)
    if law.inputs != (column,):
        raise QuestionError(
            f"L({'C' if column == 'compute' else 'D'}) needs a law in {column} alone, such as power:{column}; the law "
            f"{law.name!r} of this posterior takes {', '.join(law.inputs)}."
        )
    theta, reference = law_theta(source, _family_of(source, family)), reference_of(source)
    if law.name == "power":
        return PowerOf(reference[column], theta["loss_x"], -theta["alpha"])
    return Fitted(law, theta, reference)


def _tokens(source: Any, family: str | None, allow_unconverged: bool) -> PowerOf:
    if isinstance(source, PowerOf):
        return source
    split = source
    if isinstance(source, xr.DataTree):
        mine = _family_of(source, family)
        split = optimal_split(source, "1x", family=mine, allow_unconverged=allow_unconverged)
    elif family is not None and "family" in split.dims:
        split = split.sel(family=family, drop=True)
    if split.sizes[POINT] != 1:
        raise QuestionError(f"D(C) is taken from an optimal split at one budget; this one has {split.sizes[POINT]}.")
    one = split.isel({POINT: 0}).reset_coords(drop=True)
    return PowerOf(float(split["compute"].squeeze()), one["tokens"], one["b"])


def _family_of(fit: xr.DataTree, family: str | None) -> str | None:
    """Return the family to ask a posterior for: none where its runs are not told apart."""
    return family if _has_families(fit) else None


def _has_families(source: Any) -> bool:
    if isinstance(source, xr.DataTree):
        return "family" in source["constant_data"].to_dataset()
    return isinstance(source, xr.Dataset) and "family" in source.dims


def _side_by_side(curves: list[Curve], rng: np.random.Generator) -> list[Any]:
    values = [curve._asdict() if isinstance(curve, PowerOf) else curve.theta for curve in curves]
    together = paired([{name: xr.DataArray(value) for name, value in each.items()} for each in values], rng)
    return [
        PowerOf(**new) if isinstance(old, PowerOf) else old._replace(theta=new)
        for old, new in zip(curves, together, strict=True)
    ]


def _decades(out: xr.Dataset) -> xr.DataArray:
    """Return how many decades wide the band of each quantity is, among the draws that cross."""
    names = ["compute", "params", "tokens"]
    found = [_width(xr.ufuncs.log10(out[name])) for name in names]
    return xr.concat(found, xr.DataArray(names, dims=QUANTITY, name=QUANTITY)).assign_attrs(units="decades")


def _width(values: xr.DataArray) -> xr.DataArray:
    # Where no draw crosses there is no width; a stand-in keeps the quantiles from an empty set.
    none = values.isnull().all(DRAW_DIMS)
    filled = values.where(~none, 0.0)
    low, high = (filled.quantile(q, dim=DRAW_DIMS).drop_vars("quantile") for q in ((1 - WIDTH) / 2, (1 + WIDTH) / 2))
    return (high - low).where(~none)


def _grid(compute: xr.DataArray, ranges: list[tuple[float, float]]) -> xr.DataArray:
    """Return compute from the smallest run, or well below the crossing, to well beyond it."""
    crossed = compute.values[np.isfinite(compute.values)]
    first = ranges[0] if ranges else tuple(np.median(crossed) * np.array([1e-8, 1.0])) if crossed.size else (1e18, 1e24)
    far = np.quantile(crossed, (1 + WIDTH) / 2) if crossed.size else first[1]
    return xr.DataArray(np.geomspace(first[0], 10 * max(far, first[1]), POINTS), dims=POINT, attrs={"units": "FLOP"})


def _samples(curve: xr.DataArray, compute: xr.DataArray) -> xr.DataArray:
    """Return a curve on its own dimension of draws, as many as the crossing has, so that no summary lists it."""
    draws = xr.DataArray(np.zeros([compute.sizes[dim] for dim in DRAW_DIMS]), dims=DRAW_DIMS)
    return (curve + draws).stack({SAMPLE: DRAW_DIMS}).reset_index(SAMPLE, drop=True)


def _about_constants(unit: str) -> dict[str, Any]:
    return {"question": QUESTION, "verdict": GIVEN, "loss_unit": unit, "cost": SIX_ND.name}


def _sentences(out: xr.Dataset, unit: str) -> list[str]:
    families = out["family"].values if "family" in out.dims else [None]
    return [_sentence(out if name is None else out.sel(family=name), name, unit) for name in families]


def _sentence(one: xr.Dataset, family: Any, unit: str) -> str:
    share = float(one["probability"])
    start = f"{family}: " if family is not None else ""
    if share == 0:
        return f"{start}L(C) never falls below L(D(C)): these laws do not contradict each other."
    names = ("compute", "compute_pf_days", "params", "tokens", "loss")
    flop, days, size, tokens, loss = (float(one[name].median()) for name in names)
    found = bands(one["compute_pf_days"], [WIDTH]).squeeze("prob")
    low, high, decades = float(found["lower"]), float(found["upper"]), float(one["decades"].sel(quantity="compute"))
    width = "" if decades == 0 else f" ({100 * WIDTH:g}%: {low:.2g} to {high:.2g} PF-days, {decades:.1f} decades)"
    others = "" if share == 1 else f" In {100 * (1 - share):.2g}% of draws they never cross."
    return (
        f"{start}L(C) falls below L(D(C)) at {flop:.2g} FLOP, {days:.2g} PF-days{width}, with "
        f"N = {human_number(size, 2)}, D = {human_number(tokens, 2)} and a loss of {loss:.3g} {unit}.{others}"
    )
