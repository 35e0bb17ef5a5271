"""`make pooling`: does a family gain from the others? Its larger runs are left out and predicted from all that is left.

Each family's runs above a hundredth of its largest compute are left out in turn; the same card is fitted with no
pooling, partial and complete pooling over families, and the log density of the runs left out is compared.
Writes data/calibration/pooling.csv and docs/pooling.md.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.cards.files import pooled_as
from bayescale.forms.shrinkage import POOLINGS
from bayescale.inference import log_likelihood
from bayescale.modeling import prepare
from benchmarks.page import table
from benchmarks.sets import open_sets, read_set

ROOT = Path(__file__).parents[1]
TABLE, PAGE = ROOT / "data" / "calibration" / "pooling.csv", ROOT / "docs" / "pooling.md"
FACTOR, SEED, CARD, FEW = 100.0, 1, "chinchilla", 4
CORPORA = {"gadre c4_original": "c4", "gadre rpj": "rpj", "gadre rw_original": "rw"}
HEAD = f"""# Does pooling pay?

Written by `make pooling`; not edited by hand.

Of one family in turn the runs above a hundredth of its largest compute are left out, and predicted from all other runs
of all families. `{CARD}`, every parameter of the law pooled as the column says, all else alike. Score: mean log density
of the log losses left out, in nats a run; higher is better. **all**: the family keeps every run below the cut;
**{FEW}**: only so many, spread over their compute, as a new family has.

"""


def logs() -> dict[str, xr.Dataset]:
    """Return the logs with families: three public corpora, and the two of our own."""
    sets = open_sets()
    frame = pd.concat([sets[name].assign(family=family) for name, family in CORPORA.items()])
    return {"gadre": read_set(frame), "tinylm": bs.load_shipped("tinylm")}


def parts(runs: xr.Dataset, family: str, few: bool) -> tuple[xr.Dataset, xr.Dataset]:
    """Return what is fitted, and the family's runs that are left out."""
    mine, compute = runs["family"].values == family, runs["compute"].values
    out = mine & (compute > compute[mine].max() / FACTOR)
    kept = np.flatnonzero(mine & ~out)
    if few:
        ranked = kept[np.argsort(compute[kept])]
        kept = ranked[np.linspace(0, len(ranked) - 1, FEW).round().astype(int)]
    fitted = np.sort(np.concatenate([kept, np.flatnonzero(~mine)]))
    return runs.isel(run=fitted), runs.isel(run=np.flatnonzero(out))


def scores() -> pd.DataFrame:
    """Return the log score of every family left out, under each pooling."""
    rows = []
    for log, runs in logs().items():
        for family in sorted(set(runs["family"].values.tolist())):
            for few in (False, True):
                fitted, out = parts(runs, family, few)
                for pooling in POOLINGS:
                    card = pooled_as(bs.load_card(CARD), pooling)
                    fit = bs.fit(fitted, card, seed=SEED, prior_draws=0)
                    problem = prepare(card, fitted)
                    density = log_likelihood(problem, fit["posterior"].to_dataset(), out)[problem.response]
                    score = float(np.log(np.exp(density).mean(("chain", "draw"))).mean())
                    told = {"log": log, "family": family, "its smaller runs": FEW if few else "all"}
                    about = {"pooling": pooling, "converged": bs.verdict(fit).passed, "log_score": round(score, 3)}
                    rows.append(told | {"left out": out.sizes["run"]} | about)
                    print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def page(found: pd.DataFrame) -> str:
    """Return the text of the page."""
    body = []
    keys = ["log", "family", "its smaller runs", "left out"]
    for key, group in found.groupby(keys, sort=False):
        by = group.set_index("pooling")["log_score"]
        body.append([*map(str, key), *(f"{by[pooling]:.2f}" for pooling in POOLINGS)])
    for name, some in [*found.groupby("log", sort=False), ("", found)]:
        means = some.groupby(["its smaller runs", "pooling"], sort=False)["log_score"].mean()
        body += [
            [str(name), "**mean**", str(kept), "", *(f"**{means[kept, pooling]:.2f}**" for pooling in POOLINGS)]
            for kept in dict.fromkeys(found["its smaller runs"])
        ]
    failed = int((~found["converged"]).sum())
    note = f"\n{failed} of {len(found)} fits did not pass every check of convergence.\n" if failed else ""
    each = found.pivot_table(index=keys, columns="pooling", values="log_score", sort=False)
    better = {other: int((each["partial"] > each[other]).sum()) for other in ("complete", "none")}
    worst = [f"{row.Index[1]} ({row.Index[2]})" for row in each.itertuples() if row.none > row.partial]
    said = (
        f"\nOf {len(each)} cases partial pooling has a better score than complete pooling in {better['complete']}, and "
        f"than none in {better['none']}; none does better for {', '.join(worst)}.\n"
    )
    return HEAD + table([*keys, *(f"{pooling} pooling" for pooling in POOLINGS)], body) + said + note


def main() -> None:
    """Fit, score and write the page."""
    found = scores()
    found.to_csv(TABLE, index=False)
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"written: {PAGE.name}")


if __name__ == "__main__":
    main()
