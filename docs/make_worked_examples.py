"""Write docs/worked-examples.md: public logs whose runs differ by corpus, schedule, evaluation or seed, fitted as such.

Needs the public run logs beside the repository, which are not part of it. From the root of the repository:
``make worked-examples``; minutes.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.modeling import Card
from benchmarks import sets
from benchmarks.page import table

PAGE = Path(__file__).resolve().parent / "worked-examples.md"
SEED = 1
HEAD = """# Worked examples: logs that are not 240 clean rows

Written by `make worked-examples`; not edited by hand. The logs are public, but their licences keep them out of
this repository.
"""


def porian() -> str:
    """Write of two corpora, schedules and warm-ups, and three ways to count N: what each does to the constants."""
    frame = pd.read_csv(sets.shared("data", "porian", "derived_isoflop_points.csv"))
    frame = frame[frame["decay"] != "const"].rename(columns={"flops": "compute", "param_count": "counted"})
    groups = ["dataset", "decay", "warmup", "counted"]
    runs = bs.read_runs(frame[[*groups, "N", "D", "compute", "loss"]], family=groups, suspicious="keep")
    card = bs.make_card(
        {
            "extends": "chinchilla",
            "pooling": {"default": "partial(dataset) + effect(decay) + effect(warmup) + effect(counted)"},
        },
        "recipes",
    )
    fit = bs.fit(runs, card, seed=SEED, prior_draws=0)
    rows = []
    for group, baseline in (("decay", "kaplan"), ("warmup", "long"), ("counted", "standard")):
        found = bs.differences(fit, group, baseline)
        for level in found[group].values:
            cells = [_band(found[name].sel({group: level})) for name in card.get_law().parameter_names]
            rows.append([f"{group}: {level} against {baseline}", *cells])
    told = table(["what changes", *card.get_law().parameter_names], rows)
    return _section(
        "Does the recipe change the law? Porian et al. 2024",
        "IsoFLOP points of two corpora, with Kaplan's or Hoffmann's learning-rate schedule, long or short warm-up, and "
        "N counted in three ways; the experiments at a constant rate are left out, whose points are of one run each. "
        "How many times as large is each constant (median and 90% band), all else alike?",
        runs, card, fit, told,
        "Counting N without the last layer, as Kaplan et al. do, is what bends the law most: the floor falls and the "
        "exponent of N with it, and with these two the compute-optimal split.",
    )  # fmt: skip


def datablations() -> str:
    """Write of runs that differ by their seed alone: the scatter of seeds apart from the law's error."""
    frame = pd.read_csv(sets.shared("data", "datablations", "derived_runs_all.csv"))
    frame = frame[(frame["epochs"].round(2) <= 1) & ~frame["dedup"]].reset_index(drop=True)
    frame["seed"] = np.arange(len(frame))
    runs = bs.read_runs(frame[["N", "D", "loss", "seed"]], suspicious="keep")
    card, plain = bs.load_card("chinchilla+design"), bs.load_card("chinchilla")
    fit, bare = (bs.fit(runs, one, seed=SEED, prior_draws=0) for one in (card, plain))
    posterior = fit["posterior"]
    told = table(
        ["scatter of log loss", "median and 90% band"],
        [
            ["between seeds (`sigma`)", _band(posterior["sigma"], 4)],
            ["of a design about the law (`design_sd`)", _band(posterior["design_sd"], 4)],
            ["both in one, by the plain card (`sigma`)", _band(bare["posterior"]["sigma"], 4)],
        ],
    )
    return _section(
        "Seeds apart from lack of fit: Muennighoff et al. 2023",
        "Runs of one epoch, some of them repeated with other seeds. The plain card knows one scatter; `+design` knows "
        "that replicates share their law's error and differ by their seed.",
        runs, card, fit, told,
        "The seeds' own scatter is a fraction of a percent; most of what a plain fit calls noise is the law's error.",
    )  # fmt: skip


def gadre() -> str:
    """Write of three training corpora and eight evaluation sets, crossed."""
    wide = pd.read_csv(sets.shared("data", "gadre", "derived_gadre_104.csv"))
    names = [c.removeprefix("loss_") for c in wide if c.startswith("loss_") and c[5:8] not in ("lo9", "hi9")]
    parts = [
        pd.DataFrame({
            "corpus": wide["train_set"], "evaluation": name,
            "N": wide["N"], "D": wide["D"], "loss": wide[f"loss_{name}"],
            "loss_se": (wide[f"loss_hi95_{name}"] - wide[f"loss_lo95_{name}"]) / (2 * 1.96),
        })
        for name in names
    ]  # fmt: skip
    runs = bs.read_runs(pd.concat(parts, ignore_index=True), family=["corpus", "evaluation"], suspicious="keep")
    card = bs.make_card(
        {
            "extends": "chinchilla",
            "pooling": {
                "default": "partial(family)",
                "E": "partial(corpus) + partial(evaluation) + partial(family)",
                "sigma": "partial(evaluation)",
            },
        },
        "crossed",
    )
    fit = bs.fit(runs, card, seed=SEED, prior_draws=0)
    posterior = fit["posterior"]
    rows = [
        [f"spread of E between {what}", _band(posterior[name])]
        for what, name in (
            ("corpora", "E_corpus_spread"),
            ("evaluation sets", "E_evaluation_spread"),
            ("their combinations", "E_spread"),
        )
    ]
    for known in ({}, {"corpus": "rpj"}, {"corpus": "rpj", "evaluation": "c4_val"}):
        new = bs.irreducible_loss(bs.new_family(fit, **known))["irreducible_loss"]
        label = ", ".join(known.values()) or "nothing known"
        rows.append([f"E of a combination not seen ({label})", _band(new)])
    seen = posterior["E"].sel(family="rpj / c4_val")
    rows.append(["E of rpj / c4_val, which was seen", _band(seen)])
    return _section(
        "Corpora and evaluation sets, crossed: Gadre et al. 2024",
        "104 models of three corpora, each evaluated on eight sets, with the standard error of each loss known.",
        runs, card, fit, table(["quantity", "median and 90% band"], rows),
        "A combination of which only the labels are known is answered by its groups; one that was run, by its runs.",
    )  # fmt: skip


def _section(title: str, about: str, runs: xr.Dataset, card: Card, fit: xr.DataTree, told: str, last: str) -> str:
    pooling = "\n".join(f'{name} = "{how}"' for name, how in card.pooling.items() if isinstance(how, str))
    families = len(set(runs["family"].values)) if "family" in runs.coords else 1
    lines = [
        f"## {title}", about, f"Card `{card.name}`, {runs.sizes['run']} rows, {families} families:",
        f"```toml\n[pooling]\n{pooling}\n```" if not card.errors else f"```\n{card.name}\n```",
        f"*{bs.verdict(fit).sentence}*", told, last,
    ]  # fmt: skip
    print(f"{title}: {bs.verdict(fit).sentence}", flush=True)
    return "\n\n".join(lines)


def _band(draws: xr.DataArray, digits: int = 2) -> str:
    low, middle, high = draws.quantile([0.05, 0.5, 0.95]).values
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


EXAMPLES: tuple[Callable[[], str], ...] = (porian, gadre, datablations)


def main() -> None:
    """Fit every example and write the page."""
    parts = [example() for example in EXAMPLES]
    closing = "Every checkpoint of the 22 Gemstones runs is the example of [learning curves](curves.md).\n"
    PAGE.write_text("\n\n".join([HEAD.rstrip(), *parts, closing]), encoding="utf-8")
    print(f"written: {PAGE.name}")


if __name__ == "__main__":
    main()
