"""The commands about families: what they lend one another, how they differ, and what they say of one not seen."""

import argparse
from pathlib import Path
from typing import Any

import xarray as xr

import bayescale as bs
from bayescale.cards import load_card
from bayescale.cli.console import band, out, print_answer, print_table, steps
from bayescale.cli.curves import read_for
from bayescale.cli.runs import warn_of_sharing
from bayescale.errors import OutputError, QuestionError
from bayescale.inference import check_can_save
from bayescale.inference.new_family import check_known
from bayescale.plots.file import check_picture, save_picture
from bayescale.posterior import Posterior
from bayescale.report.card_text import card_text
from bayescale.report.words.answers import say_answer

NEW, SHOWN = "new", 20


def family_options(p: argparse.ArgumentParser) -> None:
    """Add which family is meant: one by its name, or one that was not seen."""
    p.add_argument("--family", help=f"one family only; `{NEW}` for one that was not seen")
    p.add_argument("--known", nargs="+", metavar="GROUP=LABEL", help=f"what is known of the {NEW} family: corpus=c4")


def fit_of(a: argparse.Namespace) -> xr.DataTree:
    """Return the posterior that was named: of a family that was not seen where that is asked for."""
    fit = bs.load_fit(a.fit)
    a.asked_of = a.family or ""
    if a.family != NEW:
        if a.known:
            raise QuestionError(f"--known says what is known of a family that was not seen: add --family {NEW}.")
        return fit
    new = bs.new_family(fit, allow_unconverged=a.allow_unconverged, **_known(a, fit))
    a.family, (a.asked_of,) = None, Posterior(new).families
    return new


def _known(a: argparse.Namespace, fit: xr.DataTree) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in a.known or []:
        name, equals, label = pair.partition("=")
        if not equals:
            raise QuestionError(f"--known {pair!r}: write it as group=label, for example --known corpus=c4.")
        if found.setdefault(name, label) != label:
            raise QuestionError(f"--known: {name} is said to be {found[name]} and {label}; a family is of one {name}.")
    if found:
        check_known(fit, found)
    return found


def add_differences(p: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bayescale differences``."""
    p.add_argument("fit", type=Path, metavar="FIT.nc", help="a posterior that `bayescale fit` wrote")
    p.add_argument("--group", default="family", help="families (default), or a group that the card names")
    p.add_argument("--baseline", help="the level that the others are compared with (default: the first)")
    p.add_argument("--allow-unconverged", action="store_true", help="answer from a failed posterior, marked")


def differences(a: argparse.Namespace) -> None:
    """Print by how much the parameters of groups differ."""
    found = bs.differences(bs.load_fit(a.fit), a.group, baseline=a.baseline, allow_unconverged=a.allow_unconverged)
    chance = found["probability_higher"].stack(which=("parameter", a.group))
    surest = sorted(range(chance.size), key=lambda k: -abs(float(chance[k]) - 0.5))[:SHOWN]
    rows = []
    for name, level in (chance["which"].values[k] for k in sorted(surest)):
        low, middle, high = band(found[name].sel({a.group: level}))
        higher = float(found["probability_higher"].sel({"parameter": name, a.group: level}))
        rows.append((str(name), str(level), f"{middle:.3f}", f"{low:.3f} to {high:.3f}", f"{higher:.3f}"))
    some = f": the {SHOWN} surest of {chance.size}" * (chance.size > SHOWN)
    print_answer(
        f"{found.attrs['question']}{some}\n(how many times as large; of what may be negative, the difference)",
        ["parameter", a.group, "median", "95% band", "P(higher)"],
        rows,
        found,
        say_answer(found),
    )


def add_families(p: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bayescale families``, but for the runs."""
    p.add_argument("--model", default="chinchilla", help="model card: a shipped name or a path (default chinchilla)")
    p.add_argument("--parameter", default="E", help="a parameter of its law (default E)")
    p.add_argument("--picture", type=Path, metavar="FILE.png", help="save the picture")


def families(a: argparse.Namespace) -> None:
    """Print a parameter of every family alone, partially pooled and as one with all others."""
    names = load_card(a.model).get_law().parameter_names
    if a.parameter not in names:
        raise QuestionError(f"--parameter {a.parameter!r}: the law of {a.model} has {', '.join(names)}.")
    if a.picture:
        check_picture(a.picture)
    runs = read_for(a, [a.model])
    warn_of_sharing(runs, [load_card(a.model)])
    with steps() as say:
        found = bs.shrinkage(runs, a.model, seed=a.seed, progress=say)
    rows = []
    for family in found["family"].values:
        cells = []
        for pooling in found["pooling"].values:
            low, middle, high = band(found[a.parameter].sel(family=family, pooling=pooling))
            cells.append(f"{middle:.4g} ({low:.4g} to {high:.4g})")
        rows.append((str(family), f"{int(found['runs'].sel(family=family))}", *cells))
    title = f"{a.parameter} of {a.model} by family: median and 95% band"
    print_table(title, ["family", "runs", "each alone", "partially pooled", "all as one"], rows)
    for line in found.attrs["verdicts"].splitlines():
        if "Not converged" in line:
            out.print(line, markup=False)
    if a.picture:
        from bayescale.plots import plot_shrinkage

        save_picture(lambda: plot_shrinkage(found, a.parameter, prob=0.95), a.picture)
        out.print(f"written: {a.picture}", markup=False)
    alone, pooled = (_width(found[a.parameter].sel(pooling=p)) for p in ("none", "partial"))
    saved = 1 - (pooled / alone).values
    most = int(saved.argmax())
    said = "Partial pooling narrows no family's band."
    if saved[most] > 0:
        said = f"Partial pooling narrows the band of {found['family'].values[most]} most, by {saved[most]:.0%}; "
        said += f"{int((saved > 0).sum())} of {saved.size} bands are narrower."
    out.print(said, markup=False)


def _width(draws: xr.DataArray) -> xr.DataArray:
    return draws.quantile([0.025, 0.975], ("chain", "draw")).diff("quantile").squeeze("quantile", drop=True)


def add_prior(p: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bayescale prior``."""
    p.add_argument("fit", type=Path, metavar="FIT.nc", help="a posterior that `bayescale fit` wrote")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="CARD.toml", help="file for the card")
    p.add_argument("--family", help=f"the family that the next runs are of (default: `{NEW}`, one that was not seen)")
    p.add_argument("--known", nargs="+", metavar="GROUP=LABEL", help="what is known of that family: corpus=c4")
    p.add_argument("--widen", type=float, default=1.0, help="how many times wider each prior is (default 1)")


def prior(a: argparse.Namespace) -> None:
    """Write a card whose priors are a posterior."""
    if a.output.suffix != ".toml":
        raise QuestionError(f"-o {a.output}: a card's file ends in .toml.")
    check_can_save(a.output)
    fit = bs.load_fit(a.fit)
    family = None if a.family == NEW else a.family
    card = bs.prior_from(fit, family=family, name=a.output.stem, widen=a.widen, **_known(a, fit))
    try:
        a.output.write_text(card_text(card.model_dump(mode="json")) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {a.output}: {error.strerror or error}.") from None
    print_table("priors, at the study's reference run", ["parameter", "prior"],
                [(name, str(one)) for name, one in card.all_priors.items()])  # fmt: skip
    out.print(f"written: {a.output}. Use it: bayescale fit RUNS --model {a.output} -o NEXT.nc", markup=False)
