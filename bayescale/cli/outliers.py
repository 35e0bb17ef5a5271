"""The command ``bayescale outliers``: the runs of a posterior that lie off its law, as a table and a picture."""

import argparse
from pathlib import Path

import bayescale as bs
from bayescale.cli.console import out, print_answer
from bayescale.cli.runs import positive
from bayescale.plots.file import check_picture, save_picture
from bayescale.report.words.answers import say_answer

SHOWN = 20


def add_outliers(p: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bayescale outliers``."""
    p.add_argument("fit", type=Path, metavar="FIT.nc", help="a posterior that `bayescale fit` wrote")
    p.add_argument("--top", type=positive, default=SHOWN, help=f"how many runs to list (default {SHOWN})")
    p.add_argument("--picture", type=Path, metavar="FILE.png", help="save the picture")
    p.add_argument("--allow-unconverged", action="store_true", help="answer from a failed posterior, marked")


def outliers(a: argparse.Namespace) -> None:
    """List the runs that lie off the law, the farthest first."""
    if a.picture is not None:
        check_picture(a.picture)
    found = bs.outlier_runs(bs.load_fit(a.fit), allow_unconverged=a.allow_unconverged)
    judged = "probability" if "probability" in found else "weight"
    shown = found.isel(run=slice(a.top))
    families = shown["family"].values if "family" in shown.coords else [""] * shown.sizes["run"]
    rows = [
        (str(run), str(family), f"{100 * residual:+.2f}%", f"{value:.2f}")
        for run, family, residual, value in zip(
            shown["run"].values, families, shown["residual"].values, shown[judged].values, strict=True
        )
    ]
    title = {"probability": "probability of being undertuned", "weight": "weight against a run on the law"}[judged]
    print_answer(
        f"runs off the law, model {found.attrs['model']}: the first {len(rows)} of {found.sizes['run']}",
        ["run", "family", "residual", title],
        rows,
        found,
        say_answer(found),
    )
    if a.picture is not None:
        from bayescale.plots import plot_outliers

        save_picture(lambda: plot_outliers(found), a.picture)
        out.print(f"Picture: {a.picture}", markup=False)
