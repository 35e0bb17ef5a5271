"""The command ``bayescale models``: which there are, what one of them believes, and which suit the runs at hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.markup import escape

import bayescale as bs
from bayescale.cli.console import out
from bayescale.cli.options import Picture
from bayescale.cli.reading import READING, Reading, read_log
from bayescale.cli.schema import Document, ModelRow, ParameterRow
from bayescale.cli.show import check_picture_file, print_table, say_file
from bayescale.errors import DesignError, QuestionError

if TYPE_CHECKING:
    import xarray as xr

    from bayescale.cards import Card
    from bayescale.laws import Law

INFORMED = "-informed"
ONE_VARIABLE = "one variable"
WIDTH = 100


def models(
    action: Annotated[Literal["show"] | None, Parameter(metavar="show", help="Print one model in full.")] = None,
    name: Annotated[str, Parameter(metavar="NAME", help="A shipped name, NAME:COLUMN, or a path.")] = "chinchilla",
    /,
    *,
    runs: Annotated[
        Path | None, Parameter(name="--for", metavar="RUNS", help="Which suit these runs; with show: about them.")
    ] = None,
    picture: Picture = None,
    reading: Reading = READING,
) -> Document:
    """List the models by family; `models show NAME` prints and pictures one."""
    log = read_log(runs, reading) if runs else None
    if action == "show":
        return show_model(name, log, picture)
    if picture:
        raise QuestionError("--picture is of one model: bayescale models show NAME --picture FILE.png.")
    return list_models(log)


def list_models(runs: "xr.Dataset | None" = None) -> Document:
    """Print the cards by family, a line each; with runs, those that they support and what the others lack."""
    cards = {name: bs.load_card(name) for name in bs.list_cards()}
    # An informed variant stands beside the card that it extends.
    names = [name for name in cards if not (name.endswith(INFORMED) and name.removesuffix(INFORMED) in cards)]
    names.sort(key=lambda name: _order_of(cards[name]))
    rows = [_describe_card(cards[name], name + INFORMED in cards) for name in names]
    if runs is not None:
        for row in rows:
            row.fitted_to = _columns_for(cards[row.name], runs)
            row.lack = None if row.fitted_to else _lack_of(cards[row.name], runs)
        _print_suited(rows, cards, runs)
        return Document(models=rows)
    # The widths are those of the widest name, and of the titles as far as the equations leave room.
    room, width = _line_width() - 6, max(len(row.name) for row in rows)
    titles = {row.name: _title_of(row) + " (+informed)" * row.informed for row in rows}
    title_width = min(max(map(len, titles.values())), round(0.58 * (room - width)))
    for kind in dict.fromkeys(row.kind for row in rows):
        out.print(f"[bold]{kind}[/bold]")
        for row in (row for row in rows if row.kind == kind):
            ending = " (+informed)" * row.informed
            title = _cut_text(_title_of(row), title_width - len(ending), at=" ") + ending
            equation = _cut_text(row.equation, max(room - width - title_width, 20))
            out.print(f"  {row.name:{width}}  {title:{title_width}}  {equation}", markup=False)
    out.print(
        "\n`bayescale models show NAME` prints what a card believes, with a picture. (+informed): NAME-informed has"
        "\npriors from published fits. NAME:tokens makes a law in one variable one of tokens. Copy a card, edit it and"
        "\npass its path with --model. `bayescale models --for RUNS.csv` says which suit your runs.",
        markup=False,
    )
    return Document(models=rows)


def _order_of(card: "Card") -> tuple[int, str]:
    from bayescale.laws import LAWS

    names = list(LAWS)
    return (names.index(card.law) if card.law in names else len(names), card.name)


def _describe_card(card: "Card", informed: bool = False) -> ModelRow:
    law = card.get_law()
    return ModelRow(name=card.name, title=card.title, kind=law.kind, equation=law.equation, informed=informed)


def _title_of(row: ModelRow) -> str:
    """Return the title without what the heading says."""
    return row.title.replace(f" in {ONE_VARIABLE}", "") if row.kind == ONE_VARIABLE else row.title


def _cut_text(text: str, width: int, at: str = "") -> str:
    """Return the text where it fits, else its beginning, as far as the last `at` where one is given."""
    if len(text) <= width:
        return text
    start = text[: width - 1]
    return (start.rpartition(at)[0] if at and at in start else start).rstrip(" ,:;") + "…"


# ----------------------------------------------------------------------------------------------------- for these runs


def _print_suited(rows: list[ModelRow], cards: "dict[str, Card]", runs: "xr.Dataset") -> None:
    good = [
        (row.name, "one of " * _one_variable(cards[row.name]) + ", ".join(row.fitted_to))
        for row in rows
        if row.fitted_to
    ]
    bad = [(row.name, row.lack or "") for row in rows if not row.fitted_to]
    where = runs.attrs.get("source", "these runs")
    print_table(f"models that the {runs.sizes['run']} runs of {where} support", ["model", "fitted to"], good)
    print_table("models that they do not", ["model", "why"], bad)
    out.print("A law in one variable is fitted to a column as NAME:COLUMN, for example power:tokens.", markup=False)


def _one_variable(card: "Card") -> bool:
    from bayescale.laws import law_by_name
    from bayescale.laws.scales import ANY

    return isinstance(card.law, str) and ANY.name in law_by_name(card.law).inputs


def _columns_for(card: "Card", runs: "xr.Dataset") -> list[str]:
    """Return what the card's law can be fitted to: its columns, or each column that can be the one variable."""
    from bayescale.laws import SCALES, scale_of

    if not _one_variable(card):
        return [] if _lack_of(card, runs) else list(card.get_law().inputs)
    found = [name for name in SCALES if name in runs and scale_of(name).relative and name != "loss"]
    return [name for name in found if not _lack_of(card.on(name), runs)]


def _lack_of(card: "Card", runs: "xr.Dataset") -> str:
    """Say what keeps these runs from the card's law; nothing where they support it."""
    from bayescale.laws import SCALES, scale_of
    from bayescale.layers.noise import NOISES
    from bayescale.modeling import prepare

    law = card.get_law()
    wanted = (law.response, *law.inputs, *(name for name in NOISES[card.noise.family].known if name == "questions"))
    missing = [name for name in wanted if name not in runs]
    if missing:
        return "no " + ", ".join(f"{name} ({scale_of(name).meaning})" if name in SCALES else name for name in missing)
    try:
        prepare(card, runs)
    except DesignError as error:
        where = runs.attrs.get("source", "the runs")
        return str(error).removeprefix(f"{where}: ").removeprefix(f"{where}, ")
    return ""


# ----------------------------------------------------------------------------------------------------------- one card


def show_model(name: str, runs: "xr.Dataset | None" = None, file: Path | None = None) -> Document:
    """Print what a card believes, with a picture of what it expects; about those runs where they are given."""
    from bayescale.design.prior_predictive import prior_predictive

    card = bs.load_card(name)
    check_picture_file(file)
    prior = prior_predictive(card, runs, draws=2000)
    law = card.get_law()
    out.print(f"[bold]{escape(card.name)}[/bold]: ", end="")
    out.print(f"{card.title}\n{law.equation}\n{law.source}\n", markup=False)
    _print_inputs(card, law)
    document = Document(models=[_describe_card(card)], parameters=_show_priors(card, law))
    _print_picture(prior)
    if file is not None:
        from bayescale.plots.file import save_picture
        from bayescale.plots.prior_predictive import plot_prior_predictive

        save_picture(lambda: plot_prior_predictive(prior, runs)[0], file)
        say_file(document, "Picture", file)
    return document


def _print_picture(prior: "xr.Dataset") -> None:
    out.print(f"\n[bold]prior predictive[/bold]: the {prior.attrs['response']} expected before any run is seen")
    out.print(f"about {prior.attrs['about']}", markup=False)
    if prior.attrs["unusable"]:
        out.print(f"no {prior.attrs['response']} at all: {prior.attrs['unusable']:.2g} of the draws", markup=False)
    if not screen_encoding().startswith("utf"):
        out.print(f"no picture: this output takes {screen_encoding()} only; --picture FILE.png saves one", markup=False)
        return
    from bayescale.plots.text import KEY, picture

    out.print(f"{KEY}; what is not on an axis is held at the reference run", markup=False)
    out.print(picture(prior, min(_line_width(), WIDTH)), markup=False)


def screen_encoding() -> str:
    """Return the encoding of the screen."""
    return out.encoding


def _line_width() -> int:
    """Return the columns there are; output that goes to a file has no width to keep, and 100 are read everywhere."""
    return out.width if out.is_terminal else max(out.width, WIDTH)


def _print_inputs(card: "Card", law: "Law") -> None:
    from bayescale.laws import scale_of
    from bayescale.layers.noise import NOISES

    rows = []
    for name in law.inputs:
        scale = scale_of(name)
        note = "may be the same in every run" if name in law.may_be_constant else ""
        rows.append((name, scale.symbol, scale.meaning, scale.unit, note))
    wanted = [name for name in NOISES[card.noise.family].known if name == "questions"]
    rows += [(name, "", "how many questions the share was measured on", "1", "") for name in wanted]
    columns = ["column", "symbol", "meaning", "unit"]
    if any(row[-1] for row in rows):
        columns.append("note")
    print_table(f"predicts {law.response} from", columns, [row[: len(columns)] for row in rows])
    if _one_variable(card):
        out.print(f"{card.name.partition(':')[0]}:COLUMN makes it a law of another column.", markup=False)


def _show_priors(card: "Card", law: "Law") -> list[ParameterRow]:
    """Print the prior of each parameter, what it means and how it is pooled."""
    units = {p.name: p.unit for p in law.parameters}
    rows, documented = [], []
    for name, prior in card.all_priors.items():
        ends = [float(q) for q in prior.quantile([0.025, 0.5, 0.975])]
        low, middle, high = (f"{q:.3g}" for q in ends)
        interval = middle if prior.dist == "Fixed" else f"{middle} [{low}, {high}]"
        rows.append((name, units.get(name, "1"), str(prior), interval))
        documented.append(ParameterRow(name=name, prior=str(prior), prior_lower=ends[0], prior_upper=ends[2]))
    out.print()
    print_table("priors at the reference run (median and 95% band)", ["parameter", "unit", "prior", "says"], rows)
    meanings = card.meanings
    for name, prior in card.all_priors.items():
        out.print(f"{name}: {meanings[name]}" + f" (from {prior.source})" * bool(prior.source), markup=False)
    out.print(f"noise: {card.noise.family} on {'the share' if law.response != 'loss' else 'log loss'}", markup=False)
    _print_pooling(card)
    return documented


POOLING_MEANINGS = {
    "complete": "the same for all runs",
    "none": "each group its own",
    "partial": "groups differ by a spread that is learned",
    "effect": "a difference of its own for each level of a covariate",
    "slope": "along the numbers of a covariate, or their logarithm",
}


def _print_pooling(card: "Card") -> None:
    """Print one line for each way in which parameters are pooled over groups of runs."""
    ways: dict[str, list[str]] = {}
    for name in card.all_priors:
        if name not in card.fixed:
            ways.setdefault(" + ".join(map(str, card.terms(name))) or "complete", []).append(name)
    for way, names in ways.items():
        meanings = [said for kind, said in POOLING_MEANINGS.items() if kind in way]
        out.print(f"{way}: {', '.join(names)} ({'; '.join(meanings)})", markup=False)
    if any("partial" in way for way in ways):
        together = "; the parameters' differences may go together" * card.correlated
        out.print(f"spread between groups, on the log scale: {card.spread}{together}", markup=False)
    if any("effect" in way or "slope" in way for way in ways):
        ends = "; the ends of a slope differ as two levels do" * any("slope" in way for way in ways)
        out.print(f"an effect, on the log scale: {card.effect}{ends}", markup=False)
    if card.fixed:
        out.print(f"held at a value: {', '.join(card.fixed)}", markup=False)
