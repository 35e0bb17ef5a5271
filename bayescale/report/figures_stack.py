"""The figures of the first answer: the stacked forms, their test on these runs, and what the number hangs on."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from bayescale import plots
from bayescale.forms import FORECAST, unpack_skipped
from bayescale.plots.checks import plot_coverage, plot_loo_pit
from bayescale.plots.influence import plot_influence, plot_pareto_k
from bayescale.plots.sensitivity import plot_moved_by_priors, plot_prior_sensitivity
from bayescale.report.panels import Drawer, Plate, panel
from bayescale.studies.stack import Stack
from bayescale.studies.study import PLAIN_FACTORS, Study


def stack_plates(study: Study, stack: Stack, drawer: Drawer, at: str) -> Iterator[Plate]:
    """Yield the figures that the first answer leads with."""
    path = stack.path
    drawn = [] if path is None else [str(name) for name in path["form"].values]
    missing = [str(name) for name in stack.far["form"].values if name not in drawn]
    yield Plate(
        "loss",
        "Loss against compute",
        "The band is the predicted loss of one run by all forms together, at the split that is asked about. Look at "
        "how it opens to the right of the dashed line, where there are no runs, and how far the lines, each the middle "
        "of one form alone, lie apart there. Runs above the band had another split of N and D.",
        ()
        if path is None
        else drawer.each(
            "forecast_path",
            f"predicted loss by all forms together and by each against compute, up to {at} FLOP, with the runs",
            lambda ax, f: plots.plot_forecast_path(path, study.runs, family=f, ax=ax),
        ),
        f"Not drawn: {', '.join(missing)}. Chains agree about the answer, but not about all smaller compute."
        if missing
        else drawer.left_out,
    )
    yield Plate(
        "forecast",
        "What each form says alone",
        "The 50 and 90% bands of one new run by each form, and by all of them together. On the right the weights: what "
        "a form was worth on public runs, and what it is worth after it has predicted your larger runs from the "
        "smaller ones.",
        drawer.each(
            "forecast",
            f"bands of the loss at {at} FLOP by each form with its weights, and by all together",
            lambda ax, f: plots.plot_forecast(stack.far, family=f, ax=ax),
        ),
        drawer.left_out,
    )
    yield _backtest(study, stack)


def _backtest(study: Study, stack: Stack) -> Plate:
    factors = sorted(set(stack.held["factor"].values.tolist()), reverse=True)
    panels = [
        panel(
            f"backtest-{FORECAST}-{factor:g}x",
            f"{factor:g}x out",
            f"left-out runs against the 90% bands that the stacked forms predicted from runs {factor:g}x smaller",
            lambda ax, factor=factor: plots.plot_backtest(stack.held, factor=factor, ax=ax),  # type: ignore[misc]
        )
        for factor in factors
    ]
    if factors:
        by_name = {name: _common(study.held[name]) for name in (FORECAST, *study.fits)}
        panels += [
            panel(
                "backtest-coverage",
                "",
                "share of the left-out runs inside of the 90% band by distance, both factors together",
                lambda ax: plots.plot_backtest_coverage(by_name, ax=ax),
            ),
            panel(
                "backtest-winkler",
                "",
                "interval score of the 90% band by distance, both factors together",
                lambda ax: plots.plot_backtest_scores(by_name, "winkler", ax=ax),
            ),
        ]
    return Plate(
        "backtest_forecast",
        "The largest runs, predicted by all forms from the smaller ones",
        "The first answer's way to predict, where the outcome is known. Nine points in ten should lie within their 90% "
        "band. Zero is the predicted loss; below it, the run did better. The shaded runs lie about as far out as the "
        "test is named for. Last, by distance and beside the plain forms at the cuts that both have: how often the "
        "bands held, and their interval score, in which a miss costs 20 times its size and lower is better.",
        tuple(panels),
        " ".join(map(str, unpack_skipped(stack.held))),
    )


def _common(held: xr.Dataset) -> xr.Dataset:
    """Return what was predicted at the cut-offs that the forecast and the plain forms share."""
    return held.isel(held_out=np.isin(held["factor"].values, PLAIN_FACTORS))


def stack_check_plates(stack: Stack, drawer: Drawer) -> Iterator[Plate]:
    """Yield the figures of what the first answer hangs on: priors, single runs, and a model that makes such runs."""
    name, found, moved, checked = stack.leading, stack.sensitivity, stack.moved, stack.checked
    if found is not None:
        expected = found["answer"].values[[str(name).startswith("expected_") for name in found["quantity"].values]]
        yield Plate(
            "priors",
            "How far the answer leans on priors",
            f"By {name}, the form that weighs most. A prior right of the line moves the answer by more than is "
            "comfortable where it is counted a little more or less. Below, the loss itself with each prior in turn "
            "made 1.4 times wider and narrower.",
            (
                *drawer.each(
                    "prior_sensitivity",
                    f"sensitivity of each answer by {name} to each prior and to the runs",
                    lambda ax, f: plot_prior_sensitivity(found, family=f, ax=ax),
                    4.4,
                    36.0,
                ),
                *(
                    panel(
                        f"moved_by_priors-{i}",
                        "",
                        f"the {answer} with each prior in turn made wider and narrower",
                        lambda ax, answer=answer: plot_moved_by_priors(found, answer, ax=ax),  # type: ignore[misc]
                        4.4,
                    )
                    for i, answer in enumerate(map(str, expected[: len(drawer.families)]), 1)
                ),
            ),
            drawer.left_out,
        )
    if moved is not None:
        yield Plate(
            "single_runs",
            "Does the answer hang on one run?",
            f"How far the loss by {name} would move if any one run had not been there. Runs above the line of the last "
            "panel are so telling that only a fit without them could say.",
            (
                *drawer.each(
                    "influence",
                    "shift of the predicted loss without each run, over the run's compute",
                    lambda ax, f: plot_influence(moved, family=f, ax=ax),
                ),
                panel("pareto_k", "", "Pareto k of each run over its compute", lambda ax: plot_pareto_k(moved, ax=ax)),
            ),
            drawer.left_out,
        )
    if checked is not None:
        yield Plate(
            "predicted_without",
            "Are the runs such as the model would make?",
            f"Each run as {name} predicts it from all the others. The line should stay in the grey band: above it at "
            "the left, runs come out lower than predicted too often; a wave means that bands are too narrow or too "
            "wide. Beside it, how many runs lie inside of each band, against how many it promises.",
            (
                *(
                    panel(
                        f"loo_pit-{i}-{group}",
                        group,
                        f"{group}: where runs fall in the predictions made without them",
                        lambda ax, group=group: plot_loo_pit(checked, group=group, ax=ax),  # type: ignore[misc]
                    )
                    for i, group in enumerate(map(str, checked["group"].values[: len(drawer.families) + 2]), 1)
                    if int(checked["runs"].sel(group=group)) > 1
                ),
                panel(
                    "loo_coverage",
                    "",
                    "share of the runs inside of each band",
                    lambda ax: plot_coverage(checked, ax=ax),
                ),
            ),
            checked.attrs["warning"],
        )
