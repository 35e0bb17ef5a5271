"""`bayescale check` on training curves: a table of checkpoints, or what an experiment tracker wrote."""

import argparse

import bayescale as bs
from bayescale.cli_runs import columns_of
from bayescale.runs.describe_curves import are_curves, describe_curves
from bayescale.terminal import out


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
    curves = bs.read_curves(
        a.runs,
        columns=columns or None,
        run=a.named_by,
        runs=a.about,
        batch=a.batch,
        family=a.family,
        loss_unit=a.loss_unit,
        params_convention=a.params_convention,
        tracker=a.tracker,
    )
    out.print(describe_curves(curves), markup=False)
    return True
