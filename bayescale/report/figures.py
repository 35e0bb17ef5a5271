"""All figures of the page: which there are, and what to look at."""

from collections.abc import Iterator

import xarray as xr

from bayescale import plots
from bayescale.answers import KNOWS_OUTLIERS, card_of, outlier_runs
from bayescale.design.identifiability import LEARNED
from bayescale.inference import prior_to_posterior
from bayescale.numbers import scientific
from bayescale.report.figures_stack import stack_check_plates, stack_plates
from bayescale.report.numbers import Numbers
from bayescale.report.panels import Drawer, Panel, Plate, panel
from bayescale.studies.study import Study


def draw_figures(study: Study, numbers: Numbers) -> list[Plate]:
    """Return the figures of the page in order.

    Parameters
    ----------
    study : Study
        From `run_study`.
    numbers : dict
        `collect_numbers` of it.

    Returns
    -------
    list of Plate
    """
    return list(_plates(study, numbers))


def _plates(study: Study, n: Numbers) -> Iterator[Plate]:
    at = scientific(n["question"]["compute_flop"])
    drawer = Drawer(study.families)
    if study.stack is not None:
        yield from stack_plates(study, study.stack, drawer, at)
    else:
        yield _plain_loss(study, drawer, at)
    if study.fits:
        yield from _plain_plates(study, n, drawer, at)
    yield from _check_plates(study, n, drawer)


def _plain_plates(study: Study, n: Numbers, drawer: Drawer, at: str) -> Iterator[Plate]:
    """Yield the figures of the second and the third answer: of the plain forms that may be quoted."""
    each, families, left_out = drawer.each, drawer.families, drawer.left_out
    by = " and by ".join(study.fits)
    yield Plate(
        "backtest",
        f"The largest runs, predicted by {by} from the smaller ones",
        "The same kind of prediction by one form alone, where the outcome is known. Nine points in ten should lie "
        "within their 90% band. Where they do not, that form is too sure of itself. Zero is the predicted loss; below "
        "it, the run did better. The shaded runs lie about as far out as the test is named for; the others are nearer.",
        tuple(
            panel(
                f"backtest-{name}-{factor:g}x",
                f"{name}, {factor:g}x out",
                f"left-out runs against the 90% bands that {name} predicted from runs {factor:g}x smaller",
                lambda ax, name=name, factor=factor: plots.plot_backtest(study.held[name], factor=factor, ax=ax),  # type: ignore[misc]
            )
            for name in study.fits
            for factor in sorted(set(study.held[name]["factor"].values.tolist()), reverse=True)
        ),
        " ".join(
            f"{name}: {study.held[name].attrs['skipped']}" for name in study.fits if study.held[name].attrs["skipped"]
        ),
    )
    yield Plate(
        "isoflop",
        "IsoFLOP view",
        "Each curve spends one budget on models of different size. The diamond is the best size, with its 95% "
        "interval; dots are runs within a factor of 1.5 of the budget. A flat curve means that a wrong size costs "
        "little.",
        each(
            "isoflop",
            f"loss against parameters at a few budgets up to {at} FLOP",
            lambda ax, f: plots.plot_isoflop(study.isoflop[study.model], study.runs, family=f, ax=ax),
        ),
        left_out,
    )
    for quantity, heading, look in (
        ("params", "Recommended size", "Where the two bands part, the choice of form decides the size of the model."),
        ("tokens", "Recommended tokens", "The same choice, seen in tokens."),
    ):
        yield Plate(
            f"frontier_{quantity}",
            heading,
            f"Compute-optimal {'N' if quantity == 'params' else 'D'} by each form, with 50, 80 and 95% bands; grey "
            f"dots are the runs. {look}",
            each(
                f"frontier_{quantity}",
                f"compute-optimal {quantity} against compute by {by}",
                lambda ax, f, quantity=quantity: plots.plot_frontier(  # type: ignore[misc]
                    study.split, study.runs, quantity=quantity, family=f, ax=ax
                ),
            ),
            left_out,
        )
    with_floor = [m for m in study.fits if n["irreducible_loss"][m]["a_parameter"]]
    if with_floor:
        yield Plate(
            "irreducible",
            "Irreducible loss, before and after the runs",
            "If the two curves look alike, the runs have said little and the band is the prior's. The floor cannot "
            "lie above the lowest loss seen by more than noise.",
            each(
                "irreducible_loss",
                f"prior and posterior density of the irreducible loss by {with_floor[0]}",
                lambda ax, f: plots.plot_irreducible(
                    study.floor[with_floor[0]], truth=study.truth_of(f), family=f, ax=ax
                ),
            ),
            left_out,
        )
    if study.loo is not None:
        yield from _held_plates(study, study.loo, drawer)
    yield Plate(
        "residuals",
        "What the form leaves over",
        "Points should scatter about zero without a pattern. A bend at the largest compute, or colours that "
        "separate, means that the form is wrong in a way that grows beyond the data.",
        tuple(
            one
            for name in study.fits
            for one in (
                panel(
                    f"residuals-{name}-{family}",
                    f"{name}" if named is None else f"{name}, {family}",
                    f"residuals of {name} against compute",
                    lambda ax, name=name, named=named: plots.plot_residuals(study.fits[name], family=named, ax=ax),  # type: ignore[misc]
                )
                for family, named in families
            )
        ),
        left_out,
    )
    if plate := outlier_plate(study):
        yield plate


def _held_plates(study: Study, loo: xr.Dataset, drawer: Drawer) -> Iterator[Plate]:
    """Yield the figures of one plain form held against the other."""
    model, against, each, left_out = study.model, study.against, drawer.each, drawer.left_out
    yield Plate(
        "forms",
        f"{against.capitalize()} against {model.capitalize()}: where they lead",
        "Each form at its own recommended split. They agree where there are runs, or should; look at how far they "
        "are apart at the right edge.",
        each(
            "forms",
            f"predicted loss by {model} and by {against} against compute",
            lambda ax, f: plots.plot_forms(study.path, study.runs, family=f, ax=ax),
        ),
        left_out,
    )
    yield Plate(
        "loo",
        f"{against.capitalize()} against {model.capitalize()}: run by run",
        "Each point is a run that was left out and predicted by both forms. A lead that rests on two or three runs "
        "is weak; a lead that changes sign at the right edge speaks about larger runs.",
        each(
            "loo_by_run",
            f"difference in log density of each left-out run between {model} and {against}",
            lambda ax, f: plots.plot_loo_by_run(loo, study.runs, models=(model, against), family=f, ax=ax),
        ),
        left_out,
    )


def _check_plates(study: Study, n: Numbers, drawer: Drawer) -> Iterator[Plate]:
    """Yield the figures of what all of it hangs on."""
    if study.stack is not None:
        yield from stack_check_plates(study.stack, drawer)
    if n["identifiability"]:
        yield identified_plate(study, n, drawer)
    if study.fits:
        yield _learned_plate(study, drawer)
    yield Plate(
        "diagnostics",
        "Did the sampler do its work?",
        "Every check must end left of the limit. Of the plain forms besides, the ranks of the worst parameter by "
        "chain: chains that agree are level.",
        (
            *(one for name, fit in study.fits.items() for one in (_checks(name, fit), _ranks(name, fit))),
            *(_checks(name, fit) for name, fit in study.every_fit.items() if name not in study.fits),
        ),
    )


def _learned_plate(study: Study, drawer: Drawer) -> Plate:
    return Plate(
        "learned",
        "What the runs taught",
        "Each parameter's prior and posterior, relative to the prior's median, with the posterior median on the right. "
        "Magenta: less than half of the prior's spread is gone, so the number is mostly what was put in.",
        tuple(_learned(study, name, family, named) for name in study.fits for family, named in drawer.families),
        drawer.left_out,
    )


def outlier_plate(study: Study) -> Plate | None:
    """Return the runs that lie off the law, by the plain forms whose noise knows outliers; none where none does."""
    found = {name: outlier_runs(fit) for name, fit in study.fits.items() if card_of(fit).noise.family in KNOWS_OUTLIERS}
    if not found:
        return None
    return Plate(
        "outliers",
        "Runs off the law",
        "Each point is a run. Under Student-t noise, how much it counts against one that lies on the law; under noise "
        "with undertuned runs, how likely it is one of them. "
        + " ".join(f"{name.capitalize()}: {one.attrs['sentence']}" for name, one in found.items()),
        tuple(
            panel(
                f"outliers-{name}",
                name,
                f"residual of each run about {name}, and whether it is an outlier",
                lambda ax, one=one: plots.plot_outliers(one, ax=ax),  # type: ignore[misc]
            )
            for name, one in found.items()
        ),
    )


def identified_plate(study: Study, n: Numbers, drawer: Drawer) -> Plate:
    """Return what the design can tell of the plain forms, with the ridge of each that it cannot."""
    found = n["identifiability"]
    weak = [
        (name, family, named)
        for name, one in found.items()
        for family, named in drawer.families
        if name in study.fits and family in one["ridge"] and one["least_learned"][family] < LEARNED
    ]
    look = (
        " Below, the two parameters that most make up each such line, together: along the ridge that the blue contours "
        "follow, the runs fit nearly alike."
    )
    return Plate(
        "identified",
        "What the design can tell"
        if all(one["identified"] for one in found.values())
        else "What the design cannot tell",
        "Worked out from the design before anything was sampled. "
        + " ".join(f"{name.capitalize()}: {text}" for name, one in found.items() for text in one["sentences"])
        + look * bool(weak),
        tuple(
            panel(
                f"ridge-{name}-{family}",
                name if named is None else f"{name}, {family}",
                "joint posterior of {} and {} by {}, with the prior".format(*found[name]["ridge"][family], name),
                lambda ax, name=name, family=family, named=named: plots.plot_ridge(  # type: ignore[misc]
                    study.fits[name], *found[name]["ridge"][family], family=named, ax=ax
                ),
            )
            for name, family, named in weak
        ),
        drawer.left_out if weak else "",
    )


def _checks(name: str, fit: xr.DataTree) -> Panel:
    alt = f"convergence checks of {name} against their limits"
    return panel(f"diagnostics-{name}", f"{name}: checks", alt, lambda ax: plots.plot_diagnostics(fit, ax=ax), 3.2)


def _ranks(name: str, fit: xr.DataTree) -> Panel:
    alt = f"rank histogram of the worst parameter of {name} by chain"
    return panel(f"ranks-{name}", f"{name}: chains", alt, lambda ax: plots.plot_ranks(fit, ax=ax), 3.2)


def _plain_loss(study: Study, drawer: Drawer, at: str) -> Plate:
    model = study.model
    return Plate(
        "loss",
        "Loss against compute",
        f"The band is the predicted loss of one run at the split that {model} recommends. Look at how it opens to the "
        "right of the dashed line, where there are no runs. Runs above the band had another split of N and D. Ringed "
        "runs were left out and predicted in the backtest.",
        drawer.each(
            "loss_against_compute",
            f"predicted loss with bands against compute, up to {at} FLOP, with the runs",
            lambda ax, f: plots.plot_loss_against_compute(
                study.path[model],
                study.runs,
                held=study.held[model],
                floor=study.floor[model],
                truth=study.truth_of(f),
                family=f,
                ax=ax,
            ),
        ),
        drawer.left_out,
    )


def _learned(study: Study, model: str, family: str, named: str | None) -> Panel:
    fit = study.fits[model]
    learned = prior_to_posterior(fit)
    known = [str(p) for p in learned["parameter"].values]
    names = [p for name in card_of(fit).all_priors for p in known if p.partition("[")[0] == name]
    return panel(
        f"prior_posterior-{model}-{family}",
        model if named is None else f"{model}, {family}",
        f"prior and posterior of each parameter of {model}",
        lambda ax: plots.plot_prior_posterior(learned.sel(parameter=names), family=named, ax=ax),
    )
