"""Write docs/worked-examples.md: public logs whose runs differ by corpus, schedule, evaluation or seed, fitted as such.

Needs the public run logs beside the repository, which are not part of it. From the root of the repository:
``make worked-examples``; minutes.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.posterior import Posterior
from bayescale.report.card_text import toml_value
from bayescale.runs.checks.sharing import sharing_findings
from bayescale.trust import dependence_warnings
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
    # All rows counted in one way have losses of one kind, so that an effect of one is an effect of both.
    frame["counted"] += frame.pop("val").map({"train": " (training loss)", "val": " (held-out loss)"})
    groups = ["dataset", "decay", "warmup", "counted"]
    # The sixteen sizes of each experiment are the same models, whatever N each is counted to have.
    rank = frame.groupby(groups)["N"].rank("dense").astype(int).astype(str)
    frame["size"] = frame[groups[:3]].assign(rank=rank).agg(" / ".join, axis=1)
    runs = bs.read_runs(
        frame[[*groups, "size", "N", "D", "compute", "loss"]], family=groups, labels="size", suspicious="keep"
    )
    content: dict[str, Any] = {
        "extends": "chinchilla",
        "pooling": {"default": "partial(dataset) + effect(decay) + effect(warmup) + effect(counted)"},
    }
    card = bs.cards.make_card(content, "recipes")
    fit = bs.fit(runs, card, seed=SEED, prior_draws=0)
    rows = []
    for group, baseline in (("decay", "kaplan"), ("warmup", "long"), ("counted", "standard (held-out loss)")):
        found = bs.answers.differences(fit, group, baseline)
        for level in found[group].values:
            cells = [_format_band(found[name].sel({group: level})) for name in card.get_law().parameter_names]
            rows.append([f"{group}: {level} against {baseline}", *cells])
    told = table(["what changes", *card.get_law().parameter_names], rows)
    return _write_section(
        "Does the recipe change the law? Porian et al. 2024",
        "IsoFLOP points of two corpora, with Kaplan's or Hoffmann's learning-rate schedule, long or short warm-up, and "
        "N counted in three ways; the experiments at a constant rate are left out, whose points are of one run each. "
        "How many times as large is each constant (median and 90% band), as far as the rows can tell?",
        runs, content, fit, told,
        "**What these rows cannot tell.** All rows that count N in the standard way have held-out losses, and all "
        "others training losses: the last two lines are of the counting and of the kind of loss together. D follows "
        "from N as it was counted, too.\n\n"
        "**Rows that are not runs.** The same trainings seem to stand under each way of counting: at one size, recipe "
        f"and D their losses differ by {_compare_losses(frame, 'counted'):.2f}% (median), those of two schedules by "
        f"{_compare_losses(frame, 'decay'):.1f}%. Under Kaplan's schedule the rows of one size lie at D that doubles, "
        f"from {frame.loc[frame['decay'] == 'kaplan', 'D'].min() / 1e6:.0f}M tokens and a loss of "
        f"{frame['loss'].max():.0f} on: checkpoints of one training, by the look of them. The card takes every row as "
        "a run of its own, so that its bands are too narrow, by as much as the last lines say; with `[errors] size` "
        "chains did not agree after two attempts.",
    )  # fmt: skip


def _compare_losses(frame: pd.DataFrame, by: str) -> float:
    """Return by how much losses at one size and D differ between two levels, all else the same: the median, in %."""
    same = [name for name in ("dataset", "decay", "warmup", "counted") if name != by]
    size = frame["size"].str.rpartition(" / ")[2]
    found: list[float] = []
    for _, alike in frame.groupby([*same, size]):
        levels = [np.log(rows[["D", "loss"]].sort_values("D").to_numpy().T) for _, rows in alike.groupby(by)]
        for (d, loss), (other, theirs) in itertools.combinations(levels, 2):
            within = (d >= other[0]) & (d <= other[-1])
            found += np.abs(loss - np.interp(d, other, theirs))[within].tolist()
    return 100 * float(np.median(found))


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
            ["between seeds (`sigma`)", _format_band(posterior["sigma"], 4)],
            ["of a design about the law (`design_sd`)", _format_band(posterior["design_sd"], 4)],
            ["both in one, by the plain card (`sigma`)", _format_band(bare["posterior"]["sigma"], 4)],
        ],
    )
    return _write_section(
        "Seeds apart from lack of fit: Muennighoff et al. 2023",
        "Runs of one epoch, some of them repeated with other seeds. The plain card knows one scatter; `+design` knows "
        "that replicates share their law's error and differ by their seed.",
        runs, None, fit, told,
        "The seeds' own scatter is a fraction of a percent; most of what a plain fit calls noise is the law's error.",
    )  # fmt: skip


def gadre() -> str:
    """Write of three training corpora and eight evaluation sets, crossed."""
    wide = pd.read_csv(sets.shared("data", "gadre", "derived_gadre_104.csv"))
    names = [c.removeprefix("loss_") for c in wide if c.startswith("loss_") and c[5:8] not in ("lo9", "hi9")]
    parts = [
        pd.DataFrame({
            "corpus": wide["train_set"], "evaluation": name, "model": wide["name"],
            "N": wide["N"], "D": wide["D"], "loss": wide[f"loss_{name}"],
            "loss_se": (wide[f"loss_hi95_{name}"] - wide[f"loss_lo95_{name}"]) / (2 * 1.96),
        })
        for name in names
    ]  # fmt: skip
    rows_of_models = pd.concat(parts, ignore_index=True)
    runs = bs.read_runs(rows_of_models, family=["corpus", "evaluation"], labels="model", suspicious="keep")
    content: dict[str, Any] = {
        "extends": "chinchilla",
        "pooling": {
            "default": "partial(family)",
            "E": "partial(corpus) + partial(evaluation) + partial(family)",
            "sigma": "partial(evaluation)",
        },
    }
    fit = bs.fit(runs, bs.cards.make_card(content, "crossed"), seed=SEED, prior_draws=0)
    posterior = fit["posterior"]
    rows = [
        [f"spread of E between {what}", _format_band(posterior[name])]
        for what, name in (
            ("corpora", "E_corpus_spread"),
            ("evaluation sets", "E_evaluation_spread"),
            ("their combinations", "E_spread"),
        )
    ]
    for known in ({}, {"corpus": "rpj"}, {"corpus": "rpj", "evaluation": "c4_val"}):
        new = bs.irreducible_loss(bs.inference.new_family(fit, **known))["irreducible_loss"]
        label = ", ".join(known.values()) or "nothing known"
        rows.append([f"E of a combination not seen ({label})", _format_band(new)])
    seen = posterior["E"].sel(family="rpj / c4_val")
    rows.append(["E of rpj / c4_val, which was seen", _format_band(seen)])
    return _write_section(
        "Corpora and evaluation sets, crossed: Gadre et al. 2024",
        "104 models of three corpora, each evaluated on eight sets, with the standard error of each loss known.",
        runs, content, fit, table(["quantity", "median and 90% band"], rows),
        "A combination of which only the labels are known is answered by its groups; one that was run, by its runs.\n\n"
        "The eight losses of a model are not eight runs: off a cubic surface of log loss in log N and log D, of each "
        "corpus and set by itself, a model's residuals on two sets correlate by "
        f"{_correlate_residuals(wide, names):.2f} (mean over pairs). The card takes every row as a run of its "
        "own, so that these bands are too narrow. A card with "
        "`[errors] model` says what they share; a fit of it was not done after a quarter of an hour, and was stopped.",
    )  # fmt: skip


def _correlate_residuals(wide: pd.DataFrame, names: list[str]) -> float:
    """Return how a model's residuals about a cubic surface correlate between evaluation sets: the mean over pairs."""
    off = np.zeros((len(wide), len(names)))
    for _, rows in wide.groupby("train_set"):
        n, d = ((np.log(rows[name]) - np.log(rows[name]).mean()).to_numpy() for name in "ND")
        surface = np.stack([n**i * d**j for i in range(4) for j in range(4 - i)], axis=1)
        loss = np.log(rows[[f"loss_{name}" for name in names]]).to_numpy()
        off[rows.index] = loss - surface @ np.linalg.lstsq(surface, loss, rcond=None)[0]
    return float(np.corrcoef(off.T)[np.triu_indices(len(names), 1)].mean())


def _write_section(
    title: str, about: str, runs: xr.Dataset, content: dict[str, Any] | None, fit: xr.DataTree, told: str, last: str
) -> str:
    card = Posterior(fit).card
    families = len(set(runs["family"].values)) if "family" in runs.coords else 1
    counted = "one family" if families == 1 else f"{families} families"
    used = f"Card `{card.name}`, {runs.sizes['run']} rows, {counted}"
    used = f"{used}:\n\n```toml\n{_write_toml(content)}\n```" if content else f"{used}."
    lines = [f"## {title}", about, used, f"*{bs.verdict(fit).sentence}*", told, last]
    odd = [found.message for found in bs.runs.findings(runs) if found.level != "info"]
    shared = [found.message for found in sharing_findings(runs, card.errors)]
    if said := [*odd, *shared, *dependence_warnings(bs.trust.dependence(fit))]:
        lines.append("What `check` and `fit` say of the rows, all of which were kept:")
        lines.append("\n".join(f"- {line}" for line in said))
    print(f"{title}: {bs.verdict(fit).sentence}", flush=True)
    return "\n\n".join(lines)


def _write_toml(content: dict[str, Any]) -> str:
    pooling = [f"{name} = {toml_value(how)}" for name, how in content.get("pooling", {}).items()]
    return "\n".join([f"extends = {toml_value(content['extends'])}", *(["", "[pooling]", *pooling] if pooling else [])])


def _format_band(draws: xr.DataArray, digits: int = 2) -> str:
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
