"""Write docs/calibration.md, its picture and data/calibration/sbc.csv: is every shipped card's posterior calibrated?

Each card is fitted to 200 data sets simulated from its own beliefs: hours in all. What is done lies in
build/calibration, in blocks of 50; a call that was interrupted goes on from there. Delete that folder to start again.
"""

import argparse
import importlib.metadata
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.cards import Card
from bayescale.forms.forms_for import shipped_forms
from bayescale.plots import plot_calibration
from bayescale.plots.style import SIZE, style
from bayescale.trust.ranks import MASSES, calibration_table, rank_ecdf
from bayescale.trust.sbc import RUNS, SIMULATIONS, calibrate, written
from benchmarks.resume import BUILD, keep, read

ROOT = Path(__file__).resolve().parents[1]
BLOCKS, TABLE = BUILD / "calibration", ROOT / "data" / "calibration" / "sbc.csv"
PAGE, PICTURE = ROOT / "docs" / "calibration.md", ROOT / "docs" / "images" / "calibration.png"
BLOCK, DOTS = 50, 110
# One sound parameter in a hundred is outside by chance: a card that has one is looked at again, with new data.
FIRST_LOOK, SECOND_LOOK = (1, SIMULATIONS), (2, 2 * SIMULATIONS)
# Beside the shipped cards: the forms of a forecast, and errors that runs share. What takes longest comes last.
ALSO = (*shipped_forms(), "chinchilla+budget", "chinchilla+design")
COSTLY = ("coupled", "coupled-informed", "kaplan-steps", "kaplan-steps-informed", "broken-1", "broken-2", "broken-3")
SHOWN = "chinchilla"
HEAD = f"""# Is the machinery calibrated?

Written by `make calibration` from the model cards; not edited by hand.

If a model card's beliefs are true, a 90% band must hold the truth nine times in ten. Simulation-based calibration
(Talts et al. 2018, [arXiv 1804.06788](https://arxiv.org/abs/1804.06788)) checks that of prior, likelihood and sampler
together: draw all parameters from the card's priors, simulate a run log of {RUNS} runs from the model that is fitted,
fit it, and rank the true value of each parameter among independent posterior draws. Over {SIMULATIONS} simulations a
sound posterior gives uniform ranks. Their ECDF is held against the band that {{prob:g}}% of samples of uniform ranks
stay within from end to end (Säilynoja et al. 2022, [arXiv 2103.10522](https://arxiv.org/abs/2103.10522)).

It says that the posterior is that of the card. Whether the card is right about real runs is another question, which
held-out runs answer (`bs.backtest`).
"""
READ = """
## How to read the table

`quantities` are all that is sampled, noise included, and `log_likelihood`, how well the truth fits its data, which
tells a posterior from its prior (Modrák et al. 2023, [arXiv 2211.02383](https://arxiv.org/abs/2211.02383)). `outside`:
how many of them leave the band; of a hundred sound ones, one does. `farthest`: the largest difference between their
ECDF and the uniform one. `50%` to `95%`: how often the central band of that mass held the truth, over the quantities;
`least` and `most` at 90% are those of single quantities. Of the fits: `again` were done again with more care, because
chains disagreed (R-hat above 1.05), diverged or moved slowly; `diverged` and `disagree` still did after the last try;
`failed` never started. None of them is left out, but for those that failed, which have no ranks. `rejected`: draws
whose data no run log could hold (a loss that is not finite and above 0, a share of just 0 or 1); others took their
place.

Every quantity has its row in [data/calibration/sbc.csv](../data/calibration/sbc.csv).

What this cannot see: a prior that is a multiple of the runs' loss (`of = "min(loss)"`) is a multiple of the same number
in simulation and fit here; in a real fit that number comes from the data. And the runs have one family.

```sh
make calibration                        # goes on where it was interrupted; hours from nothing
make calibration ARGS="--cards kaplan"  # one card
```
"""


def blocks_of(name: str, seed: int, simulations: int) -> list[Path]:
    """Return the files that hold a card's simulations."""
    return [BLOCKS / f"{name}-{seed}-{start}.nc" for start in range(0, simulations, BLOCK)]


def rank(card: Card, seed: int, simulations: int) -> None:
    """Fit the simulations that are not done yet."""
    for k, path in enumerate(blocks_of(card.name, seed, simulations)):

        def simulate(start: int = k * BLOCK, name: str = path.stem) -> xr.Dataset:
            done = calibrate(card, BLOCK, seed=seed, start=start)
            print(f"{name}: {done['seconds'].mean().item():.2f} s a fit", flush=True)
            return done

        keep(path, simulate, lambda done: is_of(card, done))


def is_of(card: Card, done: xr.Dataset) -> bool:
    """Return whether simulations are of a card as it is now."""
    return bool(done.attrs["card"] == written(card))


def ranks_of(card: Card, seed: int, simulations: int) -> xr.Dataset | None:
    """Return the ranks of the simulations that are done; None where there are none."""
    done = [read(path) for path in blocks_of(card.name, seed, simulations) if path.exists()]
    parts = [part for part in done if is_of(card, part)]
    if not parts:
        return None
    out = xr.concat(parts, dim="simulation", combine_attrs="override")
    return out.assign_attrs(rejected=sum(part.attrs["rejected"] for part in parts))


def table_of(cards: list[Card]) -> pd.DataFrame:
    """Return a row for each quantity of every card and look."""
    found = []
    for card in cards:
        for seed, simulations in (FIRST_LOOK, SECOND_LOOK):
            if (ranks := ranks_of(card, seed, simulations)) is not None:
                found.append(calibration_table(ranks).assign(seed=seed))
    return pd.concat(found, ignore_index=True)


def row(card: pd.DataFrame) -> str:
    """Return one card's line of the table."""
    fits, counted = card.iloc[0], [f"covered_{100 * mass:g}" for mass in MASSES]
    outside = card.loc[card["outside"], "parameter"]
    cells = [
        f"[{fits['card']}](../models/{fits['card'].partition('+')[0]}.toml)",
        f"{fits['simulations']}",
        f"{len(card)}",
        f"{len(outside)}{': ' if len(outside) else ''}{', '.join(f'`{name}`' for name in outside)}",
        f"{card['distance'].max():.3f}",
        *(f"{100 * card[column].mean():.1f}" for column in counted),
        f"{100 * card['covered_90'].min():.1f}",
        f"{100 * card['covered_90'].max():.1f}",
        *(f"{fits[name]}" for name in ("retried", "diverged", "disagree", "failed", "rejected")),
    ]
    return f"| {' | '.join(cells)} |"


COLUMNS = (
    "card, fits, quantities, outside, farthest, 50%, 80%, 90%, 95%, least at 90%, most at 90%, again, diverged, "
    "disagree, failed, rejected"
).split(", ")


def lines_of(table: pd.DataFrame) -> list[str]:
    """Return a table with a line for each card."""
    head = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    return head + [row(card) for _, card in table.groupby("card", sort=False)]


def page(table: pd.DataFrame) -> str:
    """Return the text of docs/calibration.md."""
    first, second = table[table["seed"] == FIRST_LOOK[0]], table[table["seed"] == SECOND_LOOK[0]]
    outside = first[first["outside"]]
    names = ", ".join(f"{r.card}: `{r.parameter}` ({r.distance:.3f})" for r in outside.itertuples())
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pymc", "nutpie", "arviz", "numpy"))
    parts = [
        HEAD.format(prob=100 * 0.99),
        f"**{len(first)} quantities of {first['card'].nunique()} cards: {len(outside)} outside the band"
        f"{', where chance alone puts about ' + format(len(first) / 100, '.0f') if len(first) >= 100 else ''}.**"
        f"{' These are ' + names + '.' if len(outside) else ''}",
        f"\n![ECDF of the ranks against the band of chance](images/{PICTURE.name})\n",
        *lines_of(first),
    ]
    if len(second):
        parts += [
            f"\n## A second look\n\nA card with a quantity outside is simulated again, {SECOND_LOOK[1]} times with "
            "another seed: what chance put outside comes back in, what is wrong is farther out. The rule was set "
            "before the first look.\n",
            *lines_of(second),
        ]
    return "\n".join([*parts, READ, f"Made with {versions}."]) + "\n"


def picture(cards: list[Card]) -> None:
    """Draw one card's ranks, and those of all cards."""
    done = {card.name: ranks for card in cards if (ranks := ranks_of(card, *FIRST_LOOK)) is not None}
    found = {name: rank_ecdf(ranks) for name, ranks in done.items()}
    whole = [one for one in found.values() if int(one["simulations"]) == FIRST_LOOK[1]]
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(2 * SIZE[0], SIZE[1]), layout="constrained")
        plot_calibration(found[SHOWN], ax=left).set_title(f"{SHOWN}: {found[SHOWN].sizes['parameter']} quantities")
        alike = dict(data_vars="minimal", coords="minimal", compat="override", combine_attrs="override")
        every = xr.concat(whole, dim="parameter", **alike)
        plot_calibration(every, ax=right).set_title(f"all {len(whole)} cards: {every.sizes['parameter']} quantities")
        right.set_ylabel("")
        PICTURE.parent.mkdir(exist_ok=True)
        figure.savefig(PICTURE, dpi=DOTS, metadata={"Software": None})
    plt.close(figure)


def write(cards: list[Card]) -> None:
    """Write the table, the page and the picture from what is done."""
    table = table_of(cards)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(TABLE, index=False)
    PAGE.write_text(page(table), encoding="utf-8")
    picture(cards)


def main() -> int:
    """Fit what is not done, then write all; return the exit status."""
    mpl.use("agg")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cards", nargs="*", help="only these; by default all")
    parser.add_argument("--write-only", action="store_true", help="fit nothing: write what is done")
    args = parser.parse_args()
    names = sorted([*bs.list_cards(), *ALSO], key=lambda name: (name in COSTLY, name))
    every = [bs.load_card(name) for name in names]
    for card in every if not args.write_only else []:
        if args.cards and card.name not in args.cards:
            continue
        rank(card, *FIRST_LOOK)
        if calibration_table(ranks_of(card, *FIRST_LOOK))["outside"].any():
            rank(card, *SECOND_LOOK)
    write(every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
