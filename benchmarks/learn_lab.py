"""`make learn-lab`: the card for a lab with three runs: its prior is the hierarchy over the public families of runs.

One Chinchilla law is fitted to all public sets at once, each a family of its own, and the family that was not seen is
written as models/new-lab.toml. It is done again without each set in turn, and three small runs of that set are given:
how well are its larger runs predicted with the others' hierarchy as prior, and with the cards that know less?
Writes benchmarks/new_lab.csv.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.cards import Card
from bayescale.inference import COUNTED, log_likelihood
from bayescale.modeling import prepare
from bayescale.report.card_text import card_text
from benchmarks.resume import BUILD, keep
from benchmarks.sets import open_sets, read_set

TABLE = Path(__file__).parent / "new_lab.csv"
CARD = Path(__file__).parents[1] / "models" / "new-lab.toml"
# Enough of a set for its constants; the largest sets would else decide what families are like.
MOST, FACTOR, FEW, SEED = 60, 100.0, 3, 1
HEAD = "# Written by `make learn-lab`, not by hand: what ten public families of language models have in common.\n"
HIERARCHY = bs.cards.make_card(
    {
        "extends": "chinchilla",
        "title": "Chinchilla, of many families",
        "pooling": {"default": "partial(family)", "sigma": "partial(family)"},
    },
    "many-families",
)


def public_runs(without: str = "") -> xr.Dataset:
    """Return the public sets as families of one log, at most MOST runs of each, spread over its compute."""
    frames = []
    for name, frame in open_sets().items():
        if name != without:
            ranked = frame.sort_values("C")
            place = np.unique(np.linspace(0, len(ranked) - 1, min(MOST, len(ranked))).round().astype(int))
            frames.append(ranked.iloc[place].assign(family=name))
    return read_set(pd.concat(frames, ignore_index=True))


def hierarchy(without: str = "") -> xr.DataTree:
    """Return the posterior over all public families, or all but one; kept, as it takes minutes."""

    def fit_sets() -> xr.DataTree:
        fit = bs.fit(public_runs(without), HIERARCHY, seed=SEED, prior_draws=0)
        fit.attrs["title"] = "ten public sets" if not without else f"public sets without {without}"
        print(f"without {without or 'none'}: {bs.verdict(fit).sentence}", flush=True)
        return fit

    return keep(BUILD / "learn-lab" / f"without-{without.replace(' ', '_') or 'none'}.nc", fit_sets)


def lab_card(fit: xr.DataTree) -> Card:
    """Return the card of a family that was not seen, for a log of one family or more."""
    card = bs.inference.prior_from(fit, name="new-lab")
    # The sets scatter differently; of one lab's families a few runs could not tell that.
    return card.model_copy(update={"pooling": {name: how for name, how in card.pooling.items() if name != "sigma"}})


def few_runs(name: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Return three of the smaller runs of a set, spread over their compute, and all of its larger ones."""
    frame = open_sets()[name].sort_values("C").dropna()
    below = frame["C"] <= frame["C"].max() / FACTOR
    three = frame[below].iloc[np.linspace(0, below.sum() - 1, FEW).round().astype(int)]
    return read_set(three), read_set(frame[~below])


def try_cards(name: str, cards: dict[str, Card]) -> list[dict[str, object]]:
    """Return how each card predicts the larger runs of a set from three of its smaller ones."""
    few, rest = few_runs(name)
    rows = []
    for label, card in cards.items():
        fit = bs.fit(few, card, seed=SEED, prior_draws=0, limits=COUNTED)
        problem = prepare(card, few)
        density = log_likelihood(problem, fit["posterior"].to_dataset(), rest)[problem.response]
        far = bs.extrapolate(
            fit, params=rest["params"].values.tolist(), tokens=rest["tokens"].values.tolist(), allow_unconverged=True
        )
        low, middle, high = far["loss"].quantile([0.05, 0.5, 0.95], ("chain", "draw")).values
        loss = rest["loss"].values
        rows.append(
            {
                "set": name,
                "card": label,
                "runs": len(loss),
                "log_score": float((np.log(np.exp(density).mean(("chain", "draw")))).mean()),
                "coverage": float(np.mean((low <= loss) & (loss <= high))),
                "width": float(100 * np.median((high - low) / loss)),
                "error": float(100 * np.median(abs(middle - loss) / loss)),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Write the card, and the table of how it does for a lab that it has not seen."""
    CARD.write_text(HEAD + card_text(lab_card(hierarchy()).model_dump(mode="json")) + "\n")
    print(f"written: {CARD.name}", flush=True)
    rows = []
    for name in open_sets():
        cards, few = {"new-lab": lab_card(hierarchy(name))}, few_runs(name)[0]
        # Cards that know less refuse three runs; stated at those runs' own reference, they are asked all the same.
        for other in ("chinchilla", "chinchilla-informed"):
            card = bs.load_card(other)
            at = card.get_law().reference({column: few[column].values for column in ("params", "tokens")})
            cards[other] = card.model_copy(update={"reference": at})
        rows += try_cards(name, cards)
    table = pd.DataFrame(rows).round(3)
    table.to_csv(TABLE, index=False)
    print(table.groupby("card", sort=False)[["log_score", "coverage", "width", "error"]].mean().round(3).to_string())


if __name__ == "__main__":
    main()
