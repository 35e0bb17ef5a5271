"""Write docs/laws.md, a section for each law, and docs/images/laws/*.png, what each shipped card believes.

Nothing is sampled by MCMC; the same laws and cards give the same text and, with the same Matplotlib, the same pictures.
"""

import io
import re
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from PIL import Image

import bayescale as bs
from bayescale.cards import Card
from bayescale.design.prior_predictive import TYPICAL_LOSS, prior_predictive
from bayescale.laws import Law, scale_of
from bayescale.laws.scales import ANY
from bayescale.plots import plot_prior_predictive
from bayescale.plots.style import style

HERE = Path(__file__).resolve().parent
PAGE, IMAGES = HERE / "laws.md", HERE / "images" / "laws"
INFORMED = "-informed"
DRAWS, DOTS, COLOURS, LIMIT = 2000, 140, 96, 60_000
VALUES = {"positive": "above 0", "real": "any number", "share": "0 to 1"}
HEAD = f"""# The laws

Written by `make laws` from the laws and their model cards; not edited by hand.

Each law is a function in [bayescale/laws](../bayescale/laws), sampled at a reference run: the geometric mean of the
runs. An amplitude is what its term contributes there, in the unit of the loss. The coefficients that a paper prints
follow from the sampled parameters and are reported beside them.

The picture of a law is what its shipped card believes before it has seen a run (`bayescale models show NAME`): the
expected response along each input, the others held at the reference run, without the scatter between runs. It is drawn
for a typical language model, among runs whose lowest loss is {TYPICAL_LOSS["min(loss)"]:g} and whose median loss is
{TYPICAL_LOSS["median(loss)"]:g} nats/token; with your own runs (`--for RUNS.csv`) the beliefs are about those.
"""


def page(laws: dict[str, Law], cards: dict[str, Card]) -> str:
    """Return the text of docs/laws.md."""
    kinds = dict.fromkeys(law.kind for law in laws.values())
    parts = [HEAD]
    for kind in kinds:
        names = [f"[{law.name}](#{law.name})" for law in laws.values() if law.kind == kind]
        parts.append(f"* **{kind}**: {', '.join(names)}")
    for kind in kinds:
        parts.append(f"\n## {kind.capitalize()}")
        parts += [section(law, cards) for law in laws.values() if law.kind == kind]
    return "\n".join(parts) + "\n"


def section(law: Law, cards: dict[str, Card]) -> str:
    """Return the section of one law: what it says, what it takes, its parameters, its cards and its picture."""
    rows = [f"| `{p.name}` | {p.meaning} | {_format_unit(p.unit)} | {VALUES[p.support]} |" for p in law.parameters]
    mine = cards_of(law, cards)
    lines = [
        f"\n### {law.name}\n",
        f"{law.title}.\n",
        f"```text\n{law.equation}\n```\n",
        f"{_link_source(law.source)}\n",
        f"Predicts {law.response} from {'; '.join(_describe_input(name) for name in law.inputs)}.\n",
        "| parameter | meaning | unit | values |\n|---|---|---|---|",
        "\n".join(rows) + "\n",
    ]
    if law.paper_parameters:
        said = "; ".join(f"`{p.name}`, {p.meaning}" for p in law.paper_parameters)
        lines.append(f"As the paper prints it: {said}.\n")
    named = ", ".join(f"[{card.name}](../models/{card.name}.toml){_name_column(card)}" for card in mine)
    lines.append(f"Cards: {named}.\n")
    lines.append(f"![Prior predictive of the card {mine[0].name}](images/laws/{law.name}.png)")
    return "\n".join(lines)


def cards_of(law: Law, cards: dict[str, Card]) -> list[Card]:
    """Return the cards of a law, the pictured one first: that of its own name, else one that is not informed."""
    mine = [card for card in cards.values() if card.law == law.name]
    return sorted(mine, key=lambda card: (card.name != law.name, card.name.endswith(INFORMED), card.name))


def _name_column(card: Card) -> str:
    return f" (of {card.x})" if card.x else ""


def _format_unit(unit: str) -> str:
    return "" if unit == "1" else unit


def _describe_input(name: str) -> str:
    if name == ANY.name:
        return "x, any one column that a card names"
    scale = scale_of(name)
    unit = "" if scale.unit == "1" else f" ({scale.unit})"
    return f"{scale.symbol}, {scale.meaning}{unit}: column `{name}`"


def _link_source(source: str) -> str:
    return re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", source) + "."


def picture(card: Card) -> bytes:
    """Return the PNG of what a card believes, in few colours so that it is small."""
    raw, small = io.BytesIO(), io.BytesIO()
    with style():
        figure = plot_prior_predictive(prior_predictive(card, draws=DRAWS))[0].get_figure(root=True)
        figure.savefig(raw, format="png", dpi=DOTS, metadata={"Software": None})
    plt.close(figure)
    image = Image.open(raw).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def main() -> int:
    """Write the page and its pictures; return the exit status."""
    mpl.use("agg")
    cards = {name: bs.load_card(name) for name in bs.list_cards()}
    if lacking := [law.name for law in bs.laws.LAWS.values() if not cards_of(law, cards)]:
        print(f"no card in models/ for: {', '.join(lacking)}", file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    for old in set(IMAGES.glob("*.png")) - {IMAGES / f"{name}.png" for name in bs.laws.LAWS}:
        old.unlink()
    largest = 0
    for law in bs.laws.LAWS.values():
        png = picture(cards_of(law, cards)[0])
        largest = max(largest, len(png))
        (IMAGES / f"{law.name}.png").write_bytes(png)
    PAGE.write_text(page(bs.laws.LAWS, cards), encoding="utf-8")
    print(f"{PAGE.name}: {len(bs.laws.LAWS)} laws, {len(cards)} cards; largest picture {largest / 1000:.0f} kB")
    return int(largest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
