"""Training curves on the command line: a table of checkpoints, or what an experiment tracker wrote."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import bayescale as bs
from bayescale.cli.console import WARNING, band, err, out, print_answer
from bayescale.cli.runs import columns_of, families_of, given_at, labels_of, read_and_warn, reading_options
from bayescale.errors import QuestionError, did_you_mean
from bayescale.forms import FORECAST
from bayescale.inference.sampling import SEED
from bayescale.numbers import human_number
from bayescale.plots.file import check_picture, save_picture
from bayescale.posterior import Posterior
from bayescale.report.words.answers import say_answer
from bayescale.runs import findings
from bayescale.runs.curves.bins import HEAT, last_checkpoints
from bayescale.runs.curves.describe import describe_curves, left_out_lines
from bayescale.runs.read_checkpoints import are_curves

MASS = 0.9
# A run is at its end from this share of what was planned on, and annealed within this share of the peak learning rate.
ENDED, ANNEALED = 0.99, 0.05
SHOWN = 3


def curve_options(p: argparse.ArgumentParser) -> None:
    """Add what training curves need and run logs do not."""
    p.add_argument(
        "--run", dest="named_by", nargs="+", metavar="COLUMN", help="of curves: the columns that name a run together"
    )
    p.add_argument("--about", metavar="TABLE", help="of curves: a table with a row for each run (params, family, ...)")
    p.add_argument("--batch", help="of curves: tokens a step, where the log has steps only")
    p.add_argument("--tracker", help="of curves: whose files, where a folder has those of several")


def check_curves(a: argparse.Namespace) -> bool:
    """Say what was understood of training curves; False where the file is a run log."""
    columns = columns_of(a)
    if not (a.named_by or are_curves(a.runs, columns)):
        return False
    card = bs.load_card(a.model) if a.model else None
    out.print(describe_curves(_read(a, card)), markup=False)
    return True


def read_for(a: argparse.Namespace, models: Sequence[str]) -> xr.Dataset:
    """Return the run log that was named, or for cards with a curve the curves, and print what is wrong with it.

    Of curves that cards without one are asked about, the last checkpoint of each run.
    """
    cards = [bs.load_card(name) for name in models if name != FORECAST]
    with_curve = [card for card in cards if card.curve is not None]
    if not with_curve:
        return read_ends(a)
    if len(with_curve) < len(models):
        raise QuestionError(
            f"{with_curve[0].name} is of learning curves, others of finished runs: ask about one kind at a time."
        )
    return _read_and_say(a, with_curve[0])


def read_ends(a: argparse.Namespace) -> xr.Dataset:
    """Return the run log that was named, or of curves the last checkpoint of each run, and print what is wrong."""
    if not (a.named_by or are_curves(a.runs, columns_of(a))):
        return read_and_warn(a)
    curves = _read_and_say(a, None)
    ends = last_checkpoints(curves)
    err.print(f"Of these training curves the last checkpoint of each of {ends.sizes['run']} runs.", markup=False)
    for sentence in _not_finished(ends):
        err.print(f"{WARNING}{sentence}", markup=False)
    return bs.final_runs(curves)


def _not_finished(ends: xr.Dataset) -> Iterator[str]:
    """Yield why the last checkpoints of runs are not the losses that these runs would end at."""
    names, count = ends["run"].values, ends.sizes["run"]
    plans = {"total_tokens": "tokens", "total_steps": "step"}
    if planned := next((name for name in plans if name in ends), None):
        share = ends[plans[planned]].values / ends[planned].values
        if early := [f"{name} ({part:.0%})" for name, part in zip(names, share, strict=True) if part < ENDED]:
            yield f"{len(early)} of {count} runs are not at their planned end, taken as if they were: {_some(early)}."
    heat = ends[HEAT].values if HEAT in ends else np.zeros(count)
    if np.ptp(heat) > ANNEALED and (hot := names[heat > heat.min() + ANNEALED].tolist()):
        yield (
            f"{len(hot)} of {count} runs end at a higher learning rate than others, which holds their loss up: "
            f"{_some(hot)}. A card with a curve (fit --model NAME+curve) maps them to what annealing gives."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)


def _read_and_say(a: argparse.Namespace, card: bs.Card | None) -> xr.Dataset:
    """Return the curves, and print by which rule checkpoints were left out and what else is wrong."""
    curves = _read(a, card)
    for line in left_out_lines(curves):
        err.print(line, markup=False)
    for finding in findings(curves):
        if finding.level != "info" and finding.code != "left-out":
            err.print(f"{finding.level}: {finding.message}", markup=False)
    return curves


def _read(a: argparse.Namespace, card: bs.Card | None) -> xr.Dataset:
    return bs.read_curves(
        a.runs,
        columns=columns_of(a) or None,
        run=a.named_by,
        runs=a.about,
        batch=a.batch,
        family=families_of(a),
        labels=labels_of(a),
        loss_unit=a.loss_unit,
        params_convention=a.params_convention,
        tracker=a.tracker,
        suspicious="keep" if a.keep_suspicious else "error",
        filters=card.curve.filters if card and card.curve else {},
    )


def add_finish(p: argparse.ArgumentParser) -> None:
    """Add what `bayescale finish` takes."""
    p.add_argument("fit", type=Path, metavar="FIT.nc", help="a posterior of learning curves: fit --model NAME+curve")
    p.add_argument("runs", type=Path, metavar="CURVES", help="the checkpoints of the runs in progress")
    reading_options(p)
    curve_options(p)
    p.add_argument("--tokens", help="where they will end (20B); by default where the log says they were planned to")
    p.add_argument(
        "--lr-fraction", type=float, help="the learning rate at their end as a share of its peak (default 0)"
    )
    p.add_argument("--at", nargs="+", metavar="NAME=VALUE", help="what else changes along a run, at its end")
    p.add_argument("--annealed", action="store_true", help="instead: what each would have if it were annealed now")
    p.add_argument("--tolerance", type=float, help="say from when on the band was narrower than this share of the loss")
    p.add_argument("--target", type=float, help="say from when on the band did not hold this loss any more")
    p.add_argument("--picture", type=Path, metavar="FILE.png", help="save how a run's band shrank")
    p.add_argument("--picture-of", metavar="RUN", help="which run is drawn (default: the first)")
    p.add_argument("--allow-unconverged", action="store_true", help="answer from a failed posterior, marked")
    p.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}")


def finish(a: argparse.Namespace) -> None:
    """Print where runs in progress will end."""
    if a.picture:
        check_picture(a.picture)
    elif a.picture_of:
        raise QuestionError("--picture-of says which run is drawn: add --picture FILE.png.")
    fit = bs.load_fit(a.fit)
    curves = _read_and_say(a, Posterior(fit).card)
    if a.annealed:
        _print_annealed(a, fit, curves)
        return
    known = [str(name) for name in np.unique(curves["run"].values)]
    if a.picture_of and a.picture_of not in known:
        raise QuestionError(f"--picture-of {a.picture_of!r}: no such run.{did_you_mean(a.picture_of, known)}")
    answer = bs.finish(
        fit,
        curves,
        a.tokens,
        lr_fraction=a.lr_fraction or 0.0,
        at={name: values[0] for name, values in given_at(a).items()},
        tolerance=a.tolerance,
        target=a.target,
        seed=a.seed,
        allow_unconverged=a.allow_unconverged,
    )
    clock = "tokens" if "tokens" in answer.coords else "step"
    rows = []
    for name in answer["run"].values:
        one = answer.sel(run=name)
        last = int(np.isfinite(one["median"].values).sum()) - 1
        low, middle, high = (float(one[side].values[last]) for side in ("lower", "median", "upper"))
        safe = [_place(float(one["safe_from"]))] if "safe_from" in one else []
        end = human_number(float(one[clock]))
        rows.append(
            (str(name), f"{float(one['share']):.0%} of {end}", f"{middle:.4g}", f"{low:.4g} to {high:.4g}", *safe)
        )
    titles = ["run", "done", "last loss", f"{answer.attrs['prob']:.0%} band"]
    titles += ["may be stopped from"] * ("safe_from" in answer)
    print_answer(
        f"{answer.attrs['question']} ({answer.attrs['loss_unit']}), model {answer.attrs['model']}",
        titles,
        rows,
        answer,
        "The band is that of the last loss as it will be measured, given the run's own checkpoints so far.\n"
        + say_answer(answer),
    )
    if a.picture:
        from bayescale.plots import plot_finish

        save_picture(lambda: plot_finish(answer, run=a.picture_of), a.picture)
        out.print(f"Picture: {a.picture}", markup=False)


def _print_annealed(a: argparse.Namespace, fit: xr.DataTree, curves: xr.Dataset) -> None:
    """Print what each run's loss would be if its learning rate were let fall to nothing where it stands."""
    of_an_end = ("tokens", "lr_fraction", "at", "tolerance", "target", "picture", "picture_of")
    if idle := [f"--{name.replace('_', '-')}" for name in of_an_end if getattr(a, name) is not None]:
        raise QuestionError(f"--annealed asks about the runs where they stand; it does not take {', '.join(idle)}.")
    answer = bs.annealed(fit, curves, seed=a.seed, allow_unconverged=a.allow_unconverged)
    clock = "tokens" if "tokens" in answer.coords else "step"
    rows = []
    for name in answer["run"].values:
        one = answer.sel(run=name)
        low, middle, high = band(one["loss"], MASS)
        gained = f"{float(one['gained'].median()):.1%}"
        measured = f"{float(one['measured']):.4g}"
        rows.append((str(name), human_number(float(one[clock])), measured, f"{middle:.4g}",
                     f"{low:.4g} to {high:.4g}", gained))  # fmt: skip
    print_answer(
        f"{answer.attrs['question']} ({answer.attrs['loss_unit']}), model {answer.attrs['model']}",
        ["run", f"{clock} so far", "loss now", "annealed", f"{MASS:.0%} band", "gained"],
        rows,
        answer,
        f"Annealing now would take {float(answer['gained'].median()):.1%} off the loss of a run in the middle.",
    )


def _place(tokens: float) -> str:
    return "not yet" if not np.isfinite(tokens) else human_number(tokens) if tokens else "the start"
