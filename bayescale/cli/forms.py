"""The commands that ask several forms: forecast, backtest, compare."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.console import steps
from bayescale.cli.options import (
    FACTORS,
    FORECAST,
    SEED,
    WHERE,
    WORK,
    Models,
    Picture,
    Runs,
    Seed,
    Where,
    Work,
    read_at,
)
from bayescale.cli.reading import (
    CURVE_READING,
    CurveReading,
    read_ended_runs,
    read_for_cards,
    warn_of_design,
    warn_of_sharing,
)
from bayescale.cli.schema import Document, LooRow, Row, Score, SkippedRow
from bayescale.cli.show import (
    TITLES,
    check_picture_file,
    coordinate_columns,
    draw_picture,
    number_text,
    print_rows,
    print_table,
    rows_of,
    say,
)
from bayescale.errors import QuestionError

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.studies.stack import Stack
    from bayescale.trust import Grade

MASS = 0.9
SEVERAL = Parameter(consume_multiple=(1, None), show_default=lambda values: " ".join(f"{v}" for v in values))
SCORES = {
    "mean_interval_score_percent": "Winkler",
    "mean_crps_percent": "CRPS",
    "median_width_percent": "width",
    "median_error_percent": "error",
}


def forecast(
    runs: Runs,
    /,
    *,
    where: Where = WHERE,
    only: Annotated[str | None, Parameter(metavar="FAMILY", help="One family only.")] = None,
    models: Annotated[Models, Parameter(help="The forms, worth the same at first; or those shipped.")] = None,
    picture: Picture = None,
    reading: CurveReading = CURVE_READING,
    work: Work = WORK,
    seed: Seed = SEED,
) -> Document:
    """Print the loss by all forms together, what each says alone, and how far that can be believed."""
    from bayescale.forms import check_question, forms_for
    from bayescale.studies import stack as stacks

    given, at = where.given("compute", "params", "tokens"), read_at(where.at)
    if not (given or at):
        raise QuestionError("say where: --compute, or two of --params, --tokens and --compute.")
    check_picture_file(picture)
    log = read_ended_runs(runs, reading)
    asked: dict[str, Any] = {**given, "at": at or None, "family": only}
    cards, _ = forms_for(log, models)
    check_question(log, cards.values(), **asked)
    warn_of_design(log, cards.values())
    warn_of_sharing(log, cards.values())
    with work.start(), steps() as progress:
        stack = stacks.stack_forms(log, asked, forms=models, seed=seed, say=progress)
    far, response = stack.far, _response_of(stack.far)
    document = Document(
        question=f"{response} of one new run", model=", ".join(map(str, far["form"].values)), rows=rows_of(far, MASS)
    )
    points = _grade_points_of(stack, only, [row for row in document.rows if row.variable == response])
    places = [name for name in dict.fromkeys((*TITLES, *at)) if name in far.coords]
    _print_forecast(far, document.rows, places)
    _say_not_done(document, "not done", far, stack.not_checked)
    if far.sizes["point"] > 1:
        farthest = _place_text(far.isel(point=stacks.farthest(far)), places[0])
        say(document, f"What leans on the priors, and what single runs move, is of the farthest: {farthest}.")
    if stack.moved is not None:
        say(document, stack.moved.attrs["sentence"])
    draw_picture(document, picture, "plot_forecast", far, None if "family" in far.dims else [only])
    say(document, _record_text(stack.held))
    for row, grade in points:
        middle, low, high = _loss_texts(row)
        place = f"{row.labels['family']}, " if "family" in row.labels else ""
        place += _place_text(far.isel(point=_point_of(row)), places[0])
        say(document, f"{place}: {middle} {far.attrs['loss_unit']}, 90% {low} to {high}. Grade {grade.sentence}.")
    return document


def _print_forecast(far: "xr.Dataset", rows: list[Row], places: list[str]) -> None:
    """Print three tables: the answer, what each form says alone, and what the variance is made of."""
    from bayescale.report.numbers import PARTS

    response, forms = _response_of(far), far.sizes["form"]
    print_rows(
        f"{response} of one new run ({far.attrs['loss_unit']}) by {forms} form{'s' * (forms > 1)} together",
        rows,
        {response: "median"},
        {"decades_beyond": "beyond"},
        coordinate_columns(places),
        graded=True,
        write=_loss_texts,
    )
    where = coordinate_columns(places[:1] if far.sizes["point"] > 1 else [])

    def weight_text(row: Row) -> str:
        at = far.sel({name: row.labels[name] for name in ("form", "family") if name in far.dims})
        at = at.isel(point=_point_of(row))
        return "{:.0%} -> {:.0%}".format(*(float(at[name]) for name in ("prior_weight", "weight")))

    print_rows(
        "what each form says alone (weight before -> after it predicted the larger runs)",
        rows,
        {f"form_{response}": "median"},
        before=where | {"weight": weight_text},
        write=_loss_texts,
    )
    parts = {f"share_{part}": title for part, title in PARTS.items() if f"share_{part}" in far}
    first = next(iter(parts))
    print_rows("what the variance is made of", rows, {first: parts.pop(first)}, parts, where)


def _grade_points_of(stack: "Stack", only: str | None, rows: Sequence[Row]) -> "list[tuple[Row, Grade]]":
    """Grade the rows of the answer, and return each with its grade."""
    graded = []
    for row in rows:
        family = str(row.labels["family"]) if "family" in stack.far.dims else None
        far = stack.far.sel(family=family) if family else stack.far
        grade = bs.grade(far, stack.held, stack.sensitivity, point=_point_of(row), family=family or only)
        row.grade = grade.letter
        graded.append((row, grade))
    return graded


def _point_of(row: Row) -> int:
    return int(str(row.labels["point"]))


def _response_of(answer: "xr.Dataset") -> str:
    """Return the name of what the answer predicts: loss, accuracy or error."""
    from bayescale.answers import response_names

    return response_names(answer)[1]


def _place_text(at: "xr.Dataset", name: str) -> str:
    """Say where a point is: ``C = 1e+21``."""
    return f"{TITLES.get(name, name).split()[0]} = {number_text(name, float(at[name]))}"


def _loss_texts(row: Row, digits: int = 3) -> list[str]:
    """Return the median and the ends of a band as text, to as many digits as the band is worth."""
    from bayescale.numbers import loss_text

    middle, low, high = row.median or 0.0, row.lower or 0.0, row.upper or 0.0
    return loss_text(middle, low, high, width=high - low)


def backtest(
    runs: Runs,
    /,
    *,
    model: Annotated[
        tuple[str, ...],
        SEVERAL,
        Parameter(
            metavar="MODEL...", help="`forecast`, one card, or several that are weighted as a forecast weighs them."
        ),
    ] = (FORECAST,),
    factor: Annotated[
        tuple[float, ...], SEVERAL, Parameter(help="How far the largest run lies beyond the fitted ones.")
    ] = FACTORS,
    picture: Picture = None,
    reading: CurveReading = CURVE_READING,
    work: Work = WORK,
    seed: Seed = SEED,
) -> Document:
    """Print how predictions of the largest runs from the smaller ones came out."""
    from bayescale.forms import forms_for
    from bayescale.report.numbers import scores_by_factor

    if len(model) > 1 and FORECAST in model:
        raise QuestionError(f"--model: {FORECAST} is the shipped forms together and stands alone; or name cards.")
    check_picture_file(picture)
    log = read_for_cards(runs, reading, model)
    one = model[0] if len(model) == 1 else list(model)
    warn_of_sharing(log, forms_for(log, None if one == FORECAST else list(model))[0].values())
    with work.start(), steps() as progress:
        held = bs.backtest(log, one, list(factor), seed=seed, progress=progress)
    by_factor = scores_by_factor(held)
    document = Document(model=str(held.attrs["model"]), scores=[])
    for name, s in by_factor.items():
        counts = {key: int(s[key]) for key in ("fitted_runs", "held_out_runs", "inside")}
        numbers: dict[str, float | None] = {key: float(s[key]) for key in (*SCORES, "mean_bias_percent", "elpd")}
        document.scores.append(Score(model=str(held.attrs["model"]), factor=float(name), **counts, scores=numbers))
    print_table(
        f"the largest runs, predicted from the smaller ones by {held.attrs['model']} (90% bands, % of the loss)",
        ["cut", "fitted", "held out", "inside", "about that far", *SCORES.values(), "bias", "log score"],
        [
            (
                *(f"{name}x", str(row.fitted_runs), str(row.held_out_runs), str(row.inside)),
                "{inside}/{held_out_runs}".format(**s["at_distance"]),
                *(f"{row.scores[key]:.3g}" for key in SCORES),
                f"{row.scores['mean_bias_percent']:+.3g}",
                f"{row.scores['elpd']:.1f}",
            )
            for (name, s), row in zip(by_factor.items(), document.scores, strict=True)
        ],
    )
    _say_not_done(document, "not scored", held)
    families = sorted(set(held["family"].values.tolist())) if "family" in held.coords else [None]
    draw_picture(document, picture, "plot_backtest", held, families)
    say(document, _record_text(held))
    return document


def _record_text(held: "xr.Dataset") -> str:
    """Say how often the bands held on these runs: of those about as far out as each factor says."""
    from bayescale.report.numbers import scores_by_factor

    scores = {factor: s["at_distance"] for factor, s in scores_by_factor(held).items()}
    tested = {factor: s for factor, s in scores.items() if s["held_out_runs"]}
    held_texts = [f"at {factor}x held {s['inside']} of {s['held_out_runs']} times" for factor, s in tested.items()]
    return f"On your runs, 90% bands {', '.join(held_texts) or 'could not be tested'}."


def _say_not_done(document: Document, what: str, answer: "xr.Dataset", not_checked: Sequence[str] = ()) -> None:
    """Print what could not be had, and keep it in the document."""
    from bayescale.forms import unpack_skipped

    skipped = unpack_skipped(answer)
    say(document, *(f"{what}, {line}" for line in (*skipped, *not_checked)))
    document.skipped = [
        *document.skipped,
        *(SkippedRow(form=each.form, factor=each.factor, reason=each.reason) for each in skipped),
        *(SkippedRow(reason=line) for line in not_checked),
    ]


def compare(
    runs: Runs,
    models: Annotated[list[str], Parameter(metavar="MODEL", help="Two or more model cards.")],
    /,
    *,
    reading: CurveReading = CURVE_READING,
    work: Work = WORK,
    seed: Seed = SEED,
) -> Document:
    """Print which form describes the runs, and which predicts the larger ones."""
    from bayescale.modeling import prepare

    names = list(dict.fromkeys(models))
    if str(runs) in bs.list_cards() and not runs.exists():
        raise QuestionError("say the run log first, then the models: bayescale compare RUNS.csv chinchilla kaplan.")
    if len(names) < 2:
        raise QuestionError(f"a comparison takes two different models. Shipped: {', '.join(bs.list_cards())}.")
    cards = {bs.load_card(name).name: bs.load_card(name) for name in names}
    log = read_for_cards(runs, reading, names)
    for card in cards.values():
        prepare(card, log)
    warn_of_design(log, cards.values())
    warn_of_sharing(log, cards.values())
    with work.start(), steps() as progress:
        fits = {}
        for name, card in cards.items():
            progress(f"{name}: compiling and sampling")
            fits[name] = bs.fit(log, card, seed=seed)
        progress("leaving one run out at a time")
        table = bs.compare(fits, seed=seed, progress=progress)
        held = {name: bs.backtest(log, card, seed=seed, progress=progress) for name, card in cards.items()}
    document = Document(loo=_show_loo(table), scores=[])
    winners = _show_held_out(document, held)
    far = ", ".join(f"{where}: {name}" for where, name in winners.items()) or "too few runs to say"
    say(document, f"Runs like these: {table['model'].values[0]}. Larger runs ({far}).")
    return document


def _show_loo(table: "xr.Dataset") -> list[LooRow]:
    """Print the comparison by leaving one run out."""
    numbers = ("elpd_loo", "se", "elpd_diff", "dse", "weight")
    rows = [
        LooRow(
            model=str(name),
            **{key: float(table[key].sel(model=name)) for key in numbers},
            bad_k=int(table["bad_k"].sel(model=name)),
            refitted=int(table["refitted"].sel(model=name)),
        )
        for name in table["model"].values
    ]
    print_table(
        "leave one run out (which form describes runs like these; higher is better)",
        ["model", "elpd_loo", "se", "difference", "its se", "weight", "bad Pareto k", "refitted"],
        [
            (
                r.model,
                *(f"{getattr(r, key):.1f}" for key in numbers[:-1]),
                f"{r.weight:.2f}",
                f"{r.bad_k}",
                f"{r.refitted}",
            )
            for r in rows
        ],
    )
    return rows


def _show_held_out(document: Document, held: "dict[str, xr.Dataset]") -> dict[str, str]:
    """Print how each model predicted the largest runs, and return the best model at each cut-off that all reached."""
    from bayescale.forms import score

    best: dict[str, dict[str, float]] = {}
    for name, one in held.items():
        for factor, s in score(one).iterrows() if one.sizes["held_out"] else ():
            counts = {"held_out_runs": int(s["runs"]), "inside": int(s["inside"])}
            numbers: dict[str, float | None] = {key: float(s[key]) for key in ("elpd", "error", "bias")}
            document.scores.append(Score(model=name, factor=float(str(factor)), **counts, scores=numbers))
            best.setdefault(f"{factor:g}x", {})[name] = s["elpd"]
    print_table(
        "leave the largest out (which form predicts larger runs)",
        ["model", "beyond", "inside 90% band", "elpd", "error", "bias"],
        [
            (
                *(row.model, f"{row.factor:g}x", f"{row.inside} of {row.held_out_runs}"),
                *(f"{row.scores['elpd']:.1f}", f"{row.scores['error']:.2f}%", f"{row.scores['bias']:+.2f}%"),
            )
            for row in document.scores
        ],
    )
    for name, one in held.items():
        _say_not_done(document, f"not scored, {name}", one)
    return {where: max(by, key=lambda m: by[m]) for where, by in best.items() if len(by) == len(held)}
