"""The commands that ask several forms: forecast, backtest, compare."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

import bayescale as bs
from bayescale.answers import response_names
from bayescale.cli.console import band, by_family, out, print_table, steps
from bayescale.cli.curves import read_ends, read_for
from bayescale.cli.runs import given_at, warn_of_design, warn_of_sharing
from bayescale.errors import QuestionError
from bayescale.forms import FACTORS, FORECAST, check_question, forms_for, unpack_skipped
from bayescale.modeling import prepare
from bayescale.numbers import human_number, loss_text
from bayescale.plots.file import check_picture, panels, save_picture
from bayescale.report.numbers import PARTS, scores_by_factor, shares_of
from bayescale.studies.stack import Stack, farthest, stack_forms
from bayescale.trust import Grade

MASS = 0.9
TITLES = {"compute": "C (FLOP)", "params": "N", "tokens": "D"}
SCORES = {
    "mean_interval_score_percent": "Winkler",
    "mean_crps_percent": "CRPS",
    "median_width_percent": "width",
    "median_error_percent": "error",
}


def add_forecast(p: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bayescale forecast``."""
    p.add_argument("--compute", nargs="+", help="multiples of the largest run (100x) or FLOP (1e26)")
    p.add_argument("--params", nargs="+", help="N: 70e9 or 70B")
    p.add_argument("--tokens", nargs="+", help="D: 1.4e12 or 1.4T")
    p.add_argument("--only", metavar="FAMILY", help="one family only")
    p.add_argument("--models", nargs="+", metavar="MODEL", help="the forms, worth the same at first; or those shipped")
    p.add_argument("--picture", type=Path, metavar="FILE.png", help="save what each form says, and all together")


def add_backtest(p: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bayescale backtest``."""
    p.add_argument(
        "--model",
        nargs="+",
        default=[FORECAST],
        metavar="MODEL",
        help="`forecast` (default), one card, or several that are weighted as a forecast weighs them",
    )
    p.add_argument(
        "--factor",
        nargs="+",
        type=float,
        default=list(FACTORS),
        help="how far the largest run lies beyond the fitted ones (default 3 10 30 100)",
    )
    p.add_argument("--picture", type=Path, metavar="FILE.png", help="save each left-out run against its band")


def forecast(a: argparse.Namespace) -> None:
    """Print the loss by all forms together, what each says alone, and how far that can be believed."""
    given = {name: getattr(a, name) for name in ("compute", "params", "tokens") if getattr(a, name)}
    if not given and not a.at:
        raise QuestionError("say where: --compute, or two of --params, --tokens and --compute.")
    if a.picture:
        check_picture(a.picture)
    runs = read_ends(a)
    asked: dict[str, Any] = {**given, "at": given_at(a) or None, "family": a.only}
    cards, _ = forms_for(runs, a.models)
    check_question(runs, cards.values(), **asked)
    warn_of_design(runs, cards.values())
    warn_of_sharing(runs, cards.values())
    with steps() as say:
        stack = stack_forms(runs, asked, forms=a.models, seed=a.seed, say=say)
    places = [name for name in dict.fromkeys((*TITLES, *given_at(a))) if name in stack.far.coords]
    titles = [TITLES.get(name, name) for name in places]
    unit = stack.far.attrs["loss_unit"]
    print_table(
        f"{_response(stack.far)} of one new run ({unit}) by {_count(stack.far)} together",
        ["family", *titles, "median", "90% band", "beyond", "grade"],
        [
            (
                *_where(family, at, places),
                *_band(at[_response(at)]),
                f"{float(at['decades_beyond']):+.1f}",
                grade.letter,
            )
            for family, at, grade in _points(stack, a.only)
        ],
    )
    where = places[:1] if stack.far.sizes["point"] > 1 else []
    print_table(
        "what each form says alone (weight before -> after it predicted the larger runs)",
        ["family", *titles[: len(where)], "form", "weight", "median", "90% band"],
        [
            (
                *(*_where(family, at, where), str(name)),
                "{:.0%} -> {:.0%}".format(*(float(at[w].sel(form=name)) for w in ("prior_weight", "weight"))),
                *_band(at[f"form_{_response(at)}"].sel(form=name)),
            )
            for family, at, _ in _points(stack, a.only)
            for name in at["form"].values
        ],
    )
    print_table(
        "what the variance is made of",
        ["family", *titles[: len(where)], *(PARTS[p] for p in PARTS if f"share_{p}" in stack.far)],
        [
            (*_where(family, at, where), *(f"{share:.0%}" for share in shares_of(at).values()))
            for family, at, _ in _points(stack, a.only)
        ],
    )
    _print_not_done("not done", [*unpack_skipped(stack.far), *stack.not_checked])
    if where:
        far = _place(stack.far.isel(point=farthest(stack.far)), where)
        out.print(f"What leans on the priors, and what single runs move, is of the farthest: {far}.", markup=False)
    if stack.moved is not None:
        out.print(stack.moved.attrs["sentence"], markup=False)
    if a.picture:
        from bayescale.plots import plot_forecast

        families = [str(name) for name in stack.far["family"].values] if "family" in stack.far.dims else [a.only]
        save_picture(lambda: panels(families, plot_forecast, stack.far), a.picture)
        out.print(f"Picture: {a.picture}", markup=False)
    out.print(_record(stack.held), markup=False)
    for family, at, grade in _points(stack, a.only):
        place = _place(at, places)
        median, limits = _band(at[_response(at)])
        whose = f"{family}, " if family else ""
        out.print(f"{whose}{place}: {median} {unit}, 90% {limits}. Grade {grade.sentence}.", markup=False)


def _points(stack: Stack, only: str | None) -> Iterator[tuple[str, xr.Dataset, Grade]]:
    """Yield each number of the answer, family by family, with its grade."""
    for family, one in by_family(stack.far):
        for i in range(one.sizes["point"]):
            yield (
                family,
                one.isel(point=i),
                bs.grade(one, stack.held, stack.sensitivity, point=i, family=family or only),
            )


def _count(far: xr.Dataset) -> str:
    return f"{far.sizes['form']} form{'s' * (far.sizes['form'] > 1)}"


def _response(answer: xr.Dataset) -> str:
    return response_names(answer)[1]


def _where(family: str, at: xr.Dataset, places: list[str]) -> tuple[str, ...]:
    numbers = (float(at[name]) for name in places)
    return (family, *(f"{x:.3g}" if n == "compute" else human_number(x) for n, x in zip(places, numbers, strict=True)))


def _place(at: xr.Dataset, places: list[str]) -> str:
    """Say where a point is, by the first of its coordinates: ``C = 1e+21``."""
    return f"{TITLES.get(places[0], places[0]).split()[0]} = {_where('', at, places[:1])[1]}"


def _band(draws: xr.DataArray) -> tuple[str, str]:
    low, middle, high = band(draws, MASS)
    middle_text, low_text, high_text = loss_text(middle, low, high, width=high - low)
    return middle_text, f"{low_text} to {high_text}"


def backtest(a: argparse.Namespace) -> None:
    """Print how predictions of the largest runs from the smaller ones came out."""
    if len(a.model) > 1 and FORECAST in a.model:
        raise QuestionError(f"--model: {FORECAST} is the shipped forms together and stands alone; or name cards.")
    model = a.model[0] if len(a.model) == 1 else a.model
    if a.picture:
        check_picture(a.picture)
    runs = read_for(a, a.model)
    warn_of_sharing(runs, forms_for(runs, None if model == FORECAST else a.model)[0].values())
    with steps() as say:
        held = bs.backtest(runs, model, a.factor, seed=a.seed, progress=say)
    print_table(
        f"the largest runs, predicted from the smaller ones by {held.attrs['model']} (90% bands, % of the loss)",
        ["cut", "fitted", "held out", "inside", "about that far", *SCORES.values(), "bias", "log score"],
        [
            (
                *(f"{factor}x", str(s["fitted_runs"]), str(s["held_out_runs"]), f"{s['inside']}"),
                "{inside}/{held_out_runs}".format(**s["at_distance"]),
                *(f"{s[name]:.3g}" for name in SCORES),
                f"{s['mean_bias_percent']:+.3g}",
                f"{s['elpd']:.1f}",
            )
            for factor, s in scores_by_factor(held).items()
        ],
    )
    _print_not_done("not scored", unpack_skipped(held))
    if a.picture:
        from bayescale.plots import plot_backtest

        families = sorted(set(held["family"].values.tolist())) if "family" in held.coords else [None]
        save_picture(lambda: panels(families, plot_backtest, held), a.picture)
        out.print(f"Picture: {a.picture}", markup=False)
    out.print(_record(held), markup=False)


def _record(held: xr.Dataset) -> str:
    """Say how often the bands held on these runs: of those about as far out as each factor says."""
    scores = {factor: s["at_distance"] for factor, s in scores_by_factor(held).items()}
    each = [
        f"at {f}x held {s['inside']} of {s['held_out_runs']} times" for f, s in scores.items() if s["held_out_runs"]
    ]
    if not each:
        return "On your runs, 90% bands could not be tested."
    return f"On your runs, 90% bands {', '.join(each)}."


def _print_not_done(what: str, lines: Sequence[object]) -> None:
    for line in lines:
        out.print(f"{what}, {line}", markup=False)


def compare(a: argparse.Namespace) -> None:
    """Print which form describes the runs, and which predicts the larger ones."""
    names = list(dict.fromkeys(a.models))
    if len(names) < 2:
        raise QuestionError(f"a comparison takes two different models. Shipped: {', '.join(bs.list_cards())}.")
    cards = {bs.load_card(name).name: bs.load_card(name) for name in names}
    runs = read_for(a, names)
    for card in cards.values():
        prepare(card, runs)
    warn_of_design(runs, cards.values())
    warn_of_sharing(runs, cards.values())
    with steps() as say:
        fits = {}
        for name, card in cards.items():
            say(f"{name}: compiling and sampling")
            fits[name] = bs.fit(runs, card, seed=a.seed)
        say("leaving one run out at a time")
        table = bs.compare(fits, seed=a.seed, progress=say)
        held = {name: bs.backtest(runs, card, seed=a.seed, progress=say) for name, card in cards.items()}
    print_table(
        "leave one run out (which form describes runs like these; higher is better)",
        ["model", "elpd_loo", "se", "difference", "its se", "weight", "bad Pareto k", "refitted"],
        [
            (
                str(m),
                *(f"{float(table[v].sel(model=m)):.1f}" for v in ("elpd_loo", "se", "elpd_diff", "dse")),
                f"{float(table['weight'].sel(model=m)):.2f}",
                str(int(table["bad_k"].sel(model=m))),
                str(int(table["refitted"].sel(model=m))),
            )
            for m in table["model"].values
        ],
    )
    rows: list[tuple[str, ...]] = []
    best: dict[str, dict[str, float]] = {}
    for name, one in held.items():
        for factor, s in bs.score(one).iterrows() if one.sizes["held_out"] else ():
            rows.append(
                (
                    name,
                    f"{factor:g}x",
                    f"{s['inside']:.0f} of {s['runs']:.0f}",
                    f"{s['elpd']:.1f}",
                    f"{s['error']:.2f}%",
                    f"{s['bias']:+.2f}%",
                )
            )
            best.setdefault(f"{factor:g}x", {})[name] = s["elpd"]
    print_table(
        "leave the largest out (which form predicts larger runs)",
        ["model", "beyond", "inside 90% band", "elpd", "error", "bias"],
        rows,
    )
    for name, one in held.items():
        _print_not_done(f"not scored, {name}", unpack_skipped(one))
    winners = {where: max(by, key=lambda m: by[m]) for where, by in best.items() if len(by) == len(cards)}
    far = ", ".join(f"{where}: {name}" for where, name in winners.items()) or "too few runs to say"
    out.print(f"Runs like these: {table['model'].values[0]}. Larger runs ({far}).", markup=False)
