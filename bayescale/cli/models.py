"""The command ``bayescale models``: which there are, what one of them believes, and which suit the runs at hand."""

from pathlib import Path

import xarray as xr
from rich.markup import escape

import bayescale as bs
from bayescale.cards import Card
from bayescale.cli.console import out, print_table
from bayescale.design.prior_predictive import prior_predictive
from bayescale.errors import DesignError
from bayescale.laws import LAWS, SCALES, Law, law_by_name, scale_of
from bayescale.laws.scales import ANY
from bayescale.layers.noise import NOISES
from bayescale.modeling import prepare
from bayescale.plots.file import check_picture, save_picture

INFORMED = "-informed"
ONE_VARIABLE = "one variable"
WIDTH = 100


def list_models(runs: xr.Dataset | None = None) -> None:
    """Print the cards by family, a line each; with runs, those that they support and what the others lack."""
    cards = {name: bs.load_card(name) for name in bs.list_cards()}
    # An informed variant stands beside the card that it extends.
    shown = [name for name in cards if not (name.endswith(INFORMED) and name.removesuffix(INFORMED) in cards)]
    shown.sort(key=lambda name: _order(cards[name]))
    if runs is not None:
        _print_suited({name: cards[name] for name in shown}, runs)
        return
    lines = {name: _says(name, cards) for name in shown}
    widths = _widths(list(lines.values()))
    for kind in dict.fromkeys(cards[name].get_law().kind for name in shown):
        out.print(f"[bold]{kind}[/bold]")
        for name in (name for name in shown if cards[name].get_law().kind == kind):
            out.print("  " + _line_of(lines[name], widths), markup=False)
    out.print(
        "\n`bayescale models show NAME` prints what a card believes, with a picture. (+informed): NAME-informed has"
        "\npriors from published fits. NAME:tokens makes a law in one variable one of tokens. Copy a card, edit it and"
        "\npass its path with --model. `bayescale models --for RUNS.csv` says which suit your runs.",
        markup=False,
    )


def _order(card: Card) -> tuple[int, str]:
    names = list(LAWS)
    return (names.index(card.law) if card.law in names else len(names), card.name)


def _says(name: str, cards: dict[str, Card]) -> tuple[str, str, str, str]:
    """Return the name, what it says, whether there is an informed variant, and the equation."""
    law, title = cards[name].get_law(), cards[name].title
    if law.kind == ONE_VARIABLE:
        title = title.replace(f" in {ONE_VARIABLE}", "")  # the heading says so
    return name, title, " (+informed)" * (name + INFORMED in cards), law.equation


def _widths(lines: list[tuple[str, str, str, str]]) -> tuple[int, int, int]:
    """Return the widths of name, title and equation that fit the terminal."""
    room = _line() - 6
    name = max(len(line[0]) for line in lines)
    title = min(max(len(line[1] + line[2]) for line in lines), round(0.58 * (room - name)))
    return name, title, max(room - name - title, 20)


def _line_of(line: tuple[str, str, str, str], widths: tuple[int, int, int]) -> str:
    name, title, informed, equation = line
    said = _cut(title, widths[1] - len(informed), at=" ") + informed
    return f"{name:{widths[0]}}  {said:{widths[1]}}  {_cut(equation, widths[2])}"


def _cut(text: str, width: int, at: str = "") -> str:
    """Return the text where it fits, else its beginning, as far as the last `at` where one is given."""
    if len(text) <= width:
        return text
    start = text[: width - 1]
    return (start.rpartition(at)[0] if at and at in start else start).rstrip(" ,:;") + "…"


# ----------------------------------------------------------------------------------------------------- for these runs


def _print_suited(cards: dict[str, Card], runs: xr.Dataset) -> None:
    good, bad = [], []
    for name, card in cards.items():
        columns = _columns_for(card, runs)
        if columns:
            good.append((name, "one of " * _one_variable(card) + ", ".join(columns)))
        else:
            bad.append((name, _lack(card, runs)))
    where = runs.attrs.get("source", "these runs")
    print_table(f"models that the {runs.sizes['run']} runs of {where} support", ["model", "fitted to"], good)
    print_table("models that they do not", ["model", "why"], bad)
    out.print("A law in one variable is fitted to a column as NAME:COLUMN, for example power:tokens.", markup=False)


def _one_variable(card: Card) -> bool:
    return isinstance(card.law, str) and ANY.name in law_by_name(card.law).inputs


def _columns_for(card: Card, runs: xr.Dataset) -> list[str]:
    """Return what the card's law can be fitted to: its columns, or each column that can be the one variable."""
    if not _one_variable(card):
        return [] if _lack(card, runs) else list(card.get_law().inputs)
    found = [name for name in SCALES if name in runs and scale_of(name).relative and name != "loss"]
    return [name for name in found if not _lack(card.on(name), runs)]


def _lack(card: Card, runs: xr.Dataset) -> str:
    """Say what keeps these runs from the card's law; nothing where they support it."""
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


def show_model(name: str, runs: xr.Dataset | None = None, file: Path | None = None) -> None:
    """Print what a card believes, with a picture of what it expects; about those runs where they are given."""
    card = bs.load_card(name)
    if file is not None:
        check_picture(file)
    prior = prior_predictive(card, runs, draws=2000)
    law = card.get_law()
    out.print(f"[bold]{escape(card.name)}[/bold]: ", end="")
    out.print(f"{card.title}\n{law.equation}\n{law.source}\n", markup=False)
    _print_inputs(card, law)
    _print_parameters(card, law)
    _print_picture(prior)
    if file is not None:
        from bayescale.plots import plot_prior_predictive

        save_picture(lambda: plot_prior_predictive(prior, runs)[0], file)
        out.print(f"Picture: {file}", markup=False)


def _print_picture(prior: xr.Dataset) -> None:
    out.print(f"\n[bold]prior predictive[/bold]: the {prior.attrs['response']} expected before any run is seen")
    out.print(f"about {prior.attrs['about']}", markup=False)
    if prior.attrs["unusable"]:
        out.print(f"no {prior.attrs['response']} at all: {prior.attrs['unusable']:.2g} of the draws", markup=False)
    if not _encoding().startswith("utf"):
        out.print(f"no picture: this output takes {_encoding()} only; --picture FILE.png saves one", markup=False)
        return
    from bayescale.plots.text import KEY, picture

    out.print(f"{KEY}; what is not on an axis is held at the reference run", markup=False)
    out.print(picture(prior, min(_line(), WIDTH)), markup=False)


def _encoding() -> str:
    return out.encoding


def _line() -> int:
    """Return the columns there are; output that goes to a file has no width to keep, and 100 are read everywhere."""
    return out.width if out.is_terminal else max(out.width, WIDTH)


def _print_inputs(card: Card, law: Law) -> None:
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


def _print_parameters(card: Card, law: Law) -> None:
    units = {p.name: p.unit for p in law.parameters}
    rows = []
    for name, prior in card.all_priors.items():
        low, middle, high = (f"{q:.3g}" for q in prior.scipy.ppf([0.025, 0.5, 0.975]))
        says = middle if prior.dist == "Fixed" else f"{middle} [{low}, {high}]"
        rows.append((name, units.get(name, "1"), str(prior), says))
    out.print()
    print_table("priors at the reference run (median and 95% band)", ["parameter", "unit", "prior", "says"], rows)
    meanings = card.meanings
    for name, prior in card.all_priors.items():
        out.print(f"{name}: {meanings[name]}" + f" (from {prior.source})" * bool(prior.source), markup=False)
    out.print(f"noise: {card.noise.family} on {'the share' if law.response != 'loss' else 'log loss'}", markup=False)
    _print_pooling(card)


POOLING_MEANINGS = {
    "complete": "the same for all runs",
    "none": "each group its own",
    "partial": "groups differ by a spread that is learned",
    "effect": "a difference of its own for each level of a covariate",
    "slope": "along the numbers of a covariate, or their logarithm",
}


def _print_pooling(card: Card) -> None:
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
