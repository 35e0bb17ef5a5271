"""The page: words, figures and tables into one self-contained HTML file."""

import base64
from collections.abc import Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined

from bayescale.numbers import human_number, scientific
from bayescale.report.card_text import card_text
from bayescale.report.numbers import Numbers
from bayescale.report.panels import Plate
from bayescale.report.tables import list_tables
from bayescale.report.words.phrases import Answer, series

TEMPLATE = "page.html.j2"


def render_page(numbers: Numbers, answers: list[Answer], plates: list[Plate]) -> str:
    """Return the page as HTML that needs nothing else.

    Parameters
    ----------
    numbers : dict
        From `collect_numbers`.
    answers : list of Answer
        From `three_answers`.
    plates : list of Plate
        From `draw_figures`.

    Returns
    -------
    str
    """
    environment = Environment(
        loader=PackageLoader("bayescale.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda png: base64.b64encode(png).decode()
    return environment.get_template(TEMPLATE).render(
        n=numbers,
        held=_name_forms(numbers),
        answers=answers,
        plates=plates,
        tables=list(list_tables(numbers)),
        facts=list(_list_facts(numbers)),
        cards={name: card_text(card) for name, card in numbers["provenance"]["cards"].items()},
    )


def _name_forms(n: Numbers) -> str:
    """Say which two plain forms the page holds against each other."""
    if n["not_quoted"]:
        return f"{series([name.capitalize() for name in n['not_quoted']])} may not be quoted"
    return f"{n['question']['model'].capitalize()} held against {n['question']['against'].capitalize()}"


def _list_facts(n: Numbers) -> Iterator[tuple[str, str]]:
    """Yield what the page says under How it was made."""
    p, q, units = n["provenance"], n["question"], n["units"]
    yield (
        "Runs",
        f"{n['runs']} from {p['source']}, {scientific(q['smallest_run_flop'])} to {scientific(q['largest_run_flop'])} "
        "FLOP",
    )
    if p["licence"]:
        yield "Licence of the runs", p["licence"]
    yield "SHA-256 of the runs", p["sha256"]
    yield "Conventions", f"loss in {units['loss']}; N {units['params_convention']}; compute C = {units['cost']}"
    for model, equation in p["laws"].items():
        reference = p["reference_run"][model]
        where = f"N = {human_number(reference['params'])}, D = {human_number(reference['tokens'])}"
        yield f"Form, {model}", f"{equation}; sampled at the reference run {where}"
    yield "Seed", str(p["seed"])
    for model, settings in p["settings"].items():
        yield f"Sampler, {model}", "NUTS (nutpie), " + ", ".join(f"{k} {v}" for k, v in settings.items() if k != "seed")
    yield "Versions", ", ".join(f"{name} {version}" for name, version in p["versions"].items())
