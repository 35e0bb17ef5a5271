"""All figures of the page: which there are, and what each is drawn from."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from bayescale import plots
from bayescale.answers import KNOWS_OUTLIERS, outlier_runs
from bayescale.design.identifiability import LEARNED
from bayescale.forms import FORECAST, unpack_skipped
from bayescale.inference import prior_to_posterior
from bayescale.inference.diagnostics import parameter_of
from bayescale.numbers import scientific
from bayescale.posterior import Posterior
from bayescale.report.numbers import Numbers
from bayescale.report.panels import Drawer, Panel, Plate, draw_panel
from bayescale.report.words.answers import say_answer
from bayescale.report.words.captions import RIDGES
from bayescale.studies.stack import Stack
from bayescale.studies.study import PLAIN_FACTORS, Study

SMALL = 3.2


def draw_figures(study: Study, numbers: Numbers) -> list[Plate]:
    """Return the figures of the page in order.

    Parameters
    ----------
    study : Study
        From `bayescale.study`.
    numbers : dict
        `collect_numbers` of it.

    Returns
    -------
    list of Plate
    """
    return list(_draw_plates(study, numbers, make_drawer(study, numbers)))


def make_drawer(study: Study, n: Numbers) -> Drawer:
    """Return what draws the study's figures, with what is filled into their captions."""
    return Drawer(
        study.families,
        at=scientific(n["question"]["compute_flop"]),
        by=" and by ".join(study.fits),
        model=study.model,
        against=study.against,
        Model=study.model.capitalize(),
        Against=study.against.capitalize(),
        leading=study.stack.leading if study.stack else "",
    )


def _draw_plates(study: Study, n: Numbers, draw: Drawer) -> Iterator[Plate]:
    if study.stack is not None:
        yield from draw_stack(study, study.stack, draw)
    else:
        model = study.model
        path = (study.path[model], study.runs)
        told = {"held": study.held[model], "floor": study.floor[model]}
        yield draw.by_family("loss", "loss_against_compute", _plot_plain_loss, study, *path, **told)
    if study.fits:
        yield from _draw_plain(study, n, draw)
    if study.stack is not None:
        yield from _draw_stack_checks(study.stack, draw)
    if n["identifiability"]:
        yield draw_identified(study, n, draw)
    if study.fits:
        yield draw.plate("learned", _draw_learned(study, draw), draw.left_out)
    yield draw.plate("diagnostics", _draw_diagnostics(study, draw))


def _plot_plain_loss(study: Study, *args: xr.Dataset, family: str | None, **options: object) -> object:
    return plots.plot_loss_against_compute(*args, truth=study.truth_of(family), family=family, **options)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ the forms together


def draw_stack(study: Study, stack: Stack, draw: Drawer) -> Iterator[Plate]:
    """Yield the figures that the first answer leads with."""
    path = stack.path
    panels: tuple[Panel, ...] = ()
    drawn = [] if path is None else [str(name) for name in path["form"].values]
    missing = [str(name) for name in stack.far["form"].values if name not in drawn]
    left_out = draw.left_out
    if missing:
        left_out = f"Not drawn: {', '.join(missing)}. Chains agree about the answer, but not about all smaller compute."
    if path is not None:
        panels = draw.each("forecast_path", draw.alt("loss_stacked"), plots.plot_forecast_path, path, study.runs)
    yield draw.plate("loss", panels, left_out, caption="loss_stacked")
    yield draw.by_family("forecast", "forecast", plots.plot_forecast, stack.far)
    yield draw.plate("backtest_forecast", _draw_backtest(study, stack, draw), _join_skipped(stack.held))


def _draw_backtest(study: Study, stack: Stack, draw: Drawer) -> Iterator[Panel]:
    factors = _factors_of(stack.held)
    for factor in factors:
        file, alt = f"backtest-{FORECAST}-{factor:g}x", draw.alt("backtest_forecast", factor=factor)
        yield draw_panel(file, f"{factor:g}x out", alt, plots.plot_backtest, stack.held, factor=factor)
    if factors:
        # At the cut-offs that the forecast and the plain forms share.
        both = {
            name: held.isel(held_out=np.isin(held["factor"].values, PLAIN_FACTORS))
            for name, held in ((name, study.held[name]) for name in (FORECAST, *study.fits))
        }
        alt = "share of the left-out runs inside of the 90% band by distance, both factors together"
        yield draw_panel("backtest-coverage", "", alt, plots.plot_backtest_coverage, both)
        alt = "interval score of the 90% band by distance, both factors together"
        yield draw_panel("backtest-winkler", "", alt, plots.plot_backtest_scores, both, "winkler")


def _factors_of(held: xr.Dataset) -> list[float]:
    return sorted(set(held["factor"].values.tolist()), reverse=True)


def _join_skipped(held: xr.Dataset) -> str:
    return " ".join(map(str, unpack_skipped(held)))


def _draw_stack_checks(stack: Stack, draw: Drawer) -> Iterator[Plate]:
    """Yield the figures of what the first answer hangs on: priors, single runs, and a model that makes such runs."""
    leans, moved, checked = stack.sensitivity, stack.moved, stack.checked
    if leans is not None:
        options = {"height": 4.4, "pad": 36.0}
        panels = draw.each("prior_sensitivity", draw.alt("priors"), plots.plot_prior_sensitivity, leans, **options)
        yield draw.plate("priors", (*panels, *_draw_moved_by_priors(leans, draw)), draw.left_out)
    if moved is not None:
        panels = draw.each("influence", draw.alt("single_runs"), plots.plot_influence, moved)
        alt = "Pareto k of each run over its compute"
        panels += (draw_panel("pareto_k", "", alt, plots.plot_pareto_k, moved),)
        yield draw.plate("single_runs", panels, draw.left_out)
    if checked is not None:
        yield draw.plate("predicted_without", _draw_checked(checked, draw), checked.attrs["warning"])


def _draw_moved_by_priors(leans: xr.Dataset, draw: Drawer) -> Iterator[Panel]:
    expected = leans["answer"].values[[str(name).startswith("expected_") for name in leans["quantity"].values]]
    for i, answer in enumerate(map(str, expected[: len(draw.families)]), 1):
        alt = f"the {answer} with each prior in turn made wider and narrower"
        yield draw_panel(f"moved_by_priors-{i}", "", alt, plots.plot_moved_by_priors, leans, answer, height=4.4)


def _draw_checked(checked: xr.Dataset, draw: Drawer) -> Iterator[Panel]:
    for i, group in enumerate(map(str, checked["group"].values[: len(draw.families) + 2]), 1):
        if int(checked["runs"].sel(group=group)) > 1:
            alt = draw.alt("predicted_without", group=group)
            yield draw_panel(f"loo_pit-{i}-{group}", group, alt, plots.plot_loo_pit, checked, group=group)
    yield draw_panel("loo_coverage", "", "share of the runs inside of each band", plots.plot_coverage, checked)


# --------------------------------------------------------------------------------------------- the plain forms


def _draw_plain(study: Study, n: Numbers, draw: Drawer) -> Iterator[Plate]:
    """Yield the figures of the second and the third answer: of the plain forms that may be quoted."""
    skipped = {name: _join_skipped(study.held[name]) for name in study.fits}
    left_out = " ".join(f"{name}: {lines}" for name, lines in skipped.items() if lines)
    yield draw.plate("backtest", _draw_plain_backtests(study, draw), left_out)
    yield draw.by_family("isoflop", "isoflop", plots.plot_isoflop, study.isoflop[study.model], study.runs)
    for quantity in ("params", "tokens"):
        key = f"frontier_{quantity}"
        yield draw.by_family(key, key, plots.plot_frontier, study.split, study.runs, quantity=quantity)
    with_floor = next((m for m in study.fits if n["irreducible_loss"][m]["a_parameter"]), None)
    if with_floor:
        alt = draw.alt("irreducible", name=with_floor)
        panels = draw.each("irreducible_loss", alt, _plot_floor, study, study.floor[with_floor])
        yield draw.plate("irreducible", panels, draw.left_out)
    if study.loo is not None:
        yield draw.by_family("forms", "forms", plots.plot_forms, study.path, study.runs)
        options = {"models": (study.model, study.against)}
        yield draw.by_family("loo", "loo_by_run", plots.plot_loo_by_run, study.loo, study.runs, **options)
    yield draw.plate("residuals", _draw_residuals(study, draw), draw.left_out)
    if plate := draw_outliers(study, draw):
        yield plate


def _plot_floor(study: Study, floor: xr.Dataset, *, family: str | None, **options: object) -> object:
    return plots.plot_irreducible(floor, truth=study.truth_of(family), family=family, **options)  # type: ignore[arg-type]


def _draw_plain_backtests(study: Study, draw: Drawer) -> Iterator[Panel]:
    for name in study.fits:
        for factor in _factors_of(study.held[name]):
            file, alt = f"backtest-{name}-{factor:g}x", draw.alt("backtest", name=name, factor=factor)
            title = f"{name}, {factor:g}x out"
            yield draw_panel(file, title, alt, plots.plot_backtest, study.held[name], factor=factor)


def _draw_residuals(study: Study, draw: Drawer) -> Iterator[Panel]:
    for name, fit in study.fits.items():
        for family in draw.families:
            yield draw.panel_of("residuals", name, family, draw.alt("residuals", name=name), plots.plot_residuals, fit)


def draw_outliers(study: Study, draw: Drawer) -> Plate | None:
    """Return the runs that lie off the law, by the plain forms whose noise knows outliers; none where none does."""
    outliers_of = {
        name: outlier_runs(fit)
        for name, fit in study.fits.items()
        if Posterior(fit).card.noise.family in KNOWS_OUTLIERS
    }
    if not outliers_of:
        return None
    said = " ".join(f"{name.capitalize()}: {say_answer(outliers)}" for name, outliers in outliers_of.items())
    panels = [
        draw_panel(f"outliers-{name}", name, draw.alt("outliers", name=name), plots.plot_outliers, outliers)
        for name, outliers in outliers_of.items()
    ]
    return draw.plate("outliers", panels, said=said)


def draw_identified(study: Study, n: Numbers, draw: Drawer) -> Plate:
    """Return what the design can tell of the plain forms, with the ridge of each that it cannot."""
    designs = n["identifiability"]
    weak = [
        (name, family)
        for name, design in designs.items()
        for family in draw.families
        if name in study.fits and family[0] in design["ridge"] and design["least_learned"][family[0]] < LEARNED
    ]
    panels = []
    for name, family in weak:
        x, y = designs[name]["ridge"][family[0]]
        alt = draw.alt("identified", x=x, y=y, name=name)
        panels.append(draw.panel_of("ridge", name, family, alt, plots.plot_ridge, study.fits[name], x, y))
    said = " ".join(f"{name.capitalize()}: {text}" for name, design in designs.items() for text in design["sentences"])
    can = "can" if all(design["identified"] for design in designs.values()) else "cannot"
    return draw.plate("identified", panels, draw.left_out * bool(weak), can=can, said=said + RIDGES * bool(weak))


def _draw_learned(study: Study, draw: Drawer) -> Iterator[Panel]:
    for name, fit in study.fits.items():
        learned = prior_to_posterior(fit)
        known = [str(p) for p in learned["parameter"].values]
        names = [p for prior in Posterior(fit).card.all_priors for p in known if parameter_of(p)[0] == prior]
        for family in draw.families:
            args = (draw.alt("learned", name=name), plots.plot_prior_posterior, learned.sel(parameter=names))
            yield draw.panel_of("prior_posterior", name, family, *args)


def _draw_diagnostics(study: Study, draw: Drawer) -> Iterator[Panel]:
    for name, fit in study.every_fit.items():
        alt = draw.alt("diagnostics", name=name)
        yield draw_panel(f"diagnostics-{name}", f"{name}: checks", alt, plots.plot_diagnostics, fit, height=SMALL)
        if name in study.fits:
            alt = f"rank histogram of the worst parameter of {name} by chain"
            yield draw_panel(f"ranks-{name}", f"{name}: chains", alt, plots.plot_ranks, fit, height=SMALL)
