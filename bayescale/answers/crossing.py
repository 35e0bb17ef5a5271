"""Where L(C) and L(D) cross: the compute at which two separately fitted laws contradict each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayescale.answers.optimal_split import optimal_split
from bayescale.answers.summary import band_width, probability
from bayescale.costs import SIX_ND
from bayescale.errors import QuestionError, did_you_mean
from bayescale.laws import Law
from bayescale.laws.inputs import DRAW_DIMS, POINT
from bayescale.papers.power_of import FARTHEST, NEAREST, PowerOf, crossing_of_powers
from bayescale.papers.tables import PF_DAY, published_law
from bayescale.posterior import CONSTANTS, SEED, Posterior

QUESTION = "where L(C) and L(D) cross"
SAMPLE, AT_COMPUTE, QUANTITY = "sample", "at_compute", "quantity"
PER_DECADE, HALVINGS, POINTS = 4, 50, 60
WIDTH = 0.9  # the mass of the band whose width is told in decades
# Kaplan et al. 2020, Table 6: D_opt = D_1 C**b and N_opt = N_1 C**a, C in PF-days.
TABLE_6 = {"D_1": 2e10, "b": 0.27, "N_1": 1.3e9, "a": 0.73}
EXPONENTS = ("alpha_C", "alpha_D", "a", "b")

Power = xr.DataTree | PowerOf
Draws = Mapping[str, xr.DataArray]


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
    of_compute: Power,
    of_tokens: Power | None = None,
    tokens_of_compute: Power | xr.Dataset | None = None,
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
        the frontier; or a published power law, with its standard errors where `power_with_errors` made it.
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
        for every ``sample``, to be drawn.

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
    >>> from bayescale.answers import crossing
    >>> from bayescale.papers.power_of import PowerOf
    >>> from bayescale.papers.tables import PF_DAY
    >>> of_compute, of_tokens = PowerOf(3.1e8 * PF_DAY, 1.0, -0.050), PowerOf(5.4e13, 1.0, -0.095)
    >>> found = crossing(of_compute, of_tokens, PowerOf(PF_DAY, 2e10, 0.27))
    >>> round(float(found["loss"].squeeze()), 2)
    1.67
    """
    _refuse_one_law_for_both(of_compute, of_tokens, tokens_of_compute)
    sources = (of_compute, of_tokens, tokens_of_compute)
    if family is not None and not any(map(_has_families, sources)):
        raise QuestionError(f"there is no family {family!r}: the runs are not told apart.")
    views = [
        Posterior.quoted(source, family if _has_families(source) else None, allow_unconverged)
        if isinstance(source, xr.DataTree)
        else source
        for source in sources
    ]
    fits = [view for view in views if isinstance(view, Posterior)]
    curves: list[Curve] = [_read_curve(views[0], "compute"), _read_curve(views[1], "tokens")]
    curves += [_read_tokens(views[2], family), params_of_compute or PowerOf(1.0, 1.0, 0.0)]
    loss_c, loss_d, tokens, params = _pair_curves(curves, np.random.default_rng([seed, 22]))
    cost = fits[0].cost if fits else SIX_ND

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
    ranges = [view.seen["compute"] for view in fits if "compute" in view.seen]
    unit = str(fits[0].fit.attrs["loss_unit"]) if fits else "nats/token"
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
    out["decades"] = _measure_widths(out)
    at = _choose_grid(compute, ranges)
    for name, curve in (("loss_of_compute", loss_c), ("loss_of_tokens", loss_of_tokens)):
        out[name] = _stack_draws(curve(at), compute).assign_attrs(units=unit)
    out = out.assign_coords({AT_COMPUTE: at}).transpose(*DRAW_DIMS, ...)
    attrs = {"asked": "crossing", "question": QUESTION, "verdict": CONSTANTS, "loss_unit": unit, "cost": SIX_ND.name}
    attrs |= fits[0].attrs("crossing", QUESTION) if fits else {"response": "loss", "model": CONSTANTS}
    for name in ("model", "verdict") if fits else ():
        attrs[name] = ", ".join(dict.fromkeys(view.attrs("", "")[name] for view in fits))
    return out.assign_attrs(attrs, mass=WIDTH)


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
    >>> from bayescale.answers import kaplan_crossing
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


def _refuse_one_law_for_both(of_compute: Any, of_tokens: Any, tokens_of_compute: Any) -> None:
    """Refuse a law in both N and D, where there is nothing to cross, and say what is missing."""
    laws = [Posterior(source).law for source in (of_compute, of_tokens) if isinstance(source, xr.DataTree)]
    if joint := [law for law in laws if law.has_split]:
        raise QuestionError(
            f"the law {joint[0].name!r} gives both L(C) and L(D), and they never cross: its loss at the best "
            "split is L(N, D), which is at least L(N without limit, D). The contradiction comes from two separately "
            "fitted laws: pass a fit in compute alone (power:compute, of runs on the frontier), one in tokens alone "
            "(power:tokens, of runs limited by their data), and D(C)."
        )
    if of_tokens is None or tokens_of_compute is None:
        missing = "L(D), of_tokens=" if of_tokens is None else "D(C), tokens_of_compute="
        raise QuestionError(f"a crossing takes L(C), L(D) and D(C); missing: {missing}.")


def _read_curve(source: Any, column: str) -> Curve:
    """Return the loss as a function of one column."""
    if isinstance(source, PowerOf):
        return source
    law, theta, reference = source.law, source.law_theta, source.reference
    if law.inputs != (column,):
        raise QuestionError(
            f"L({'C' if column == 'compute' else 'D'}) needs a law in {column} alone, such as power:{column}; the law "
            f"{law.name!r} of this posterior takes {', '.join(law.inputs)}."
        )
    if law.name == "power":
        return PowerOf(reference[column], theta["loss_x"], -theta["alpha"])
    return Fitted(law, theta, reference)


def _read_tokens(source: Any, family: str | None) -> PowerOf:
    """Return the tokens of the optimum as a power of compute."""
    if isinstance(source, PowerOf):
        return source
    split = optimal_split(source, "1x") if isinstance(source, Posterior) else source
    if family is not None and "family" in split.dims:
        split = split.sel(family=family, drop=True)
    if split.sizes[POINT] != 1:
        raise QuestionError(f"D(C) is taken from an optimal split at one budget; this one has {split.sizes[POINT]}.")
    one = split.isel({POINT: 0}).reset_coords(drop=True)
    return PowerOf(float(split["compute"].squeeze()), one["tokens"], one["b"])


def _has_families(source: Any) -> bool:
    if isinstance(source, xr.DataTree):
        return "family" in source["constant_data"].to_dataset()
    return isinstance(source, xr.Dataset) and "family" in source.dims


def _pair_curves(curves: list[Curve], rng: np.random.Generator) -> list[Any]:
    values = [curve._asdict() if isinstance(curve, PowerOf) else curve.theta for curve in curves]
    together = pair_draws([{name: xr.DataArray(value) for name, value in each.items()} for each in values], rng)
    return [
        PowerOf(**new) if isinstance(old, PowerOf) else old._replace(theta=new)
        for old, new in zip(curves, together, strict=True)
    ]


def _measure_widths(out: xr.Dataset) -> xr.DataArray:
    """Return how many decades wide the band of each quantity is, among the draws that cross."""
    names = ["compute", "params", "tokens"]
    found = [_width_of_crossing(xr.ufuncs.log10(out[name])) for name in names]
    return xr.concat(found, xr.DataArray(names, dims=QUANTITY, name=QUANTITY)).assign_attrs(units="decades")


def _width_of_crossing(values: xr.DataArray) -> xr.DataArray:
    # Where no draw crosses there is no width; zeros keep the quantiles from an empty set.
    none = values.isnull().all(DRAW_DIMS)
    return band_width(values.where(~none, 0.0), WIDTH).where(~none)


def _choose_grid(compute: xr.DataArray, ranges: list[tuple[float, float]]) -> xr.DataArray:
    """Return compute from the smallest run, or well below the crossing, to well beyond it."""
    crossed = compute.values[np.isfinite(compute.values)]
    first = ranges[0] if ranges else tuple(np.median(crossed) * np.array([1e-8, 1.0])) if crossed.size else (1e18, 1e24)
    far = np.quantile(crossed, (1 + WIDTH) / 2) if crossed.size else first[1]
    return xr.DataArray(np.geomspace(first[0], 10 * max(far, first[1]), POINTS), dims=POINT, attrs={"units": "FLOP"})


def _stack_draws(curve: xr.DataArray, compute: xr.DataArray) -> xr.DataArray:
    """Return a curve with its draws on a dimension of its own: `summary` lists only what has chains and draws."""
    draws = xr.DataArray(np.zeros([compute.sizes[dim] for dim in DRAW_DIMS]), dims=DRAW_DIMS)
    return (curve + draws).stack({SAMPLE: DRAW_DIMS}).reset_index(SAMPLE, drop=True)


def pair_draws(posteriors: Sequence[Draws], rng: np.random.Generator) -> list[dict[str, xr.DataArray]]:
    """Return the draws of independent posteriors, paired at random and equally many of each.

    Parameters
    ----------
    posteriors : sequence of mapping of str to xarray.DataArray
        The parameters of each by name; a parameter without the dims ``chain`` and ``draw`` is a constant.
    rng : numpy.random.Generator
        Shuffles the draws of every posterior but the first that has draws. Unshuffled, the draws of equal models at
        equal seeds would look correlated.

    Returns
    -------
    list of dict
        The parameters of each posterior, all with the chains and draws of the first posterior that has draws.

    Raises
    ------
    QuestionError
        If they differ in their families.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from bayescale.answers.crossing import pair_draws
    >>> first, second = ({"a": xr.DataArray(np.zeros((2, n)), dims=("chain", "draw"))} for n in (3, 8))
    >>> pair_draws([first, second], np.random.default_rng(1))[1]["a"].shape
    (2, 3)
    """
    plain = [{name: value.drop_vars(DRAW_DIMS, errors="ignore") for name, value in each.items()} for each in posteriors]
    kept = next((i for i, each in enumerate(plain) if _with_draws(each)), None)
    if kept is not None:
        like = _with_draws(plain[kept])[0]
        plain = [each if i == kept else _reorder_draws(each, like, rng) for i, each in enumerate(plain)]
    try:
        xr.align(*(value for each in plain for value in each.values()), join="exact")
    except ValueError:
        raise QuestionError(
            "the posteriors differ in their families; say which family, one that all of them have."
        ) from None
    return plain


def _with_draws(values: Draws) -> list[xr.DataArray]:
    return [value for value in values.values() if set(DRAW_DIMS) <= set(value.dims)]


def _reorder_draws(values: Draws, like: xr.DataArray, rng: np.random.Generator) -> dict[str, xr.DataArray]:
    drawn = _with_draws(values)
    if not drawn:
        return dict(values)
    shape = tuple(like.sizes[dim] for dim in DRAW_DIMS)
    count, wanted = drawn[0].sizes["chain"] * drawn[0].sizes["draw"], shape[0] * shape[1]
    order = np.concatenate([rng.permutation(count) for _ in range(-(-wanted // count))])[:wanted].reshape(shape)
    chain, draw = (xr.DataArray(index, dims=DRAW_DIMS) for index in np.divmod(order, drawn[0].sizes["draw"]))
    return {
        name: value.isel(chain=chain, draw=draw) if set(DRAW_DIMS) <= set(value.dims) else value
        for name, value in values.items()
    }
