"""The whole job: all that the report shows, computed once and kept together."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from bayescale.answers import extrapolate, irreducible_loss, optimal_split
from bayescale.cards import Card, load_card
from bayescale.design import identifiability, unidentified
from bayescale.errors import BayescaleError, QuestionError, UnconvergedError
from bayescale.forms import FORECAST, backtest, check_question, compare, forms_for
from bayescale.forms.forms_for import Forms, keep_forms
from bayescale.inference import fit, verdict
from bayescale.inference.sampling import FIT_SECONDS, SEED
from bayescale.numbers import parse_compute
from bayescale.parallel import kept_workers, map_tasks
from bayescale.posterior import Posterior
from bayescale.runs.read import as_runs
from bayescale.studies.stack import Stack, stack_forms
from bayescale.trust import prior_sensitivity

FRONTIER_POINTS = 25
# The plain forms are tested at two cut-offs, which tell which one predicts larger runs. The forecast is tested at more.
PLAIN_FACTORS = (10.0, 100.0)
# The IsoFLOP view: budgets as multiples of the largest run, and how far N goes either way from its optimum.
BUDGETS = (0.01, 0.1, 1.0)
SIZES_EACH_WAY, REACH = 10, 25.0


@dataclass(frozen=True)
class Study:
    """The results of the whole job. Mappings are by plain model and hold those that may be quoted.

    Attributes
    ----------
    runs : xarray.Dataset
        The runs.
    at : str
        Where the loss is extrapolated to, as the user asked: ``100x``.
    fits : dict of str to xarray.DataTree
        Posteriors.
    far : dict of str to xarray.Dataset
        `extrapolate` at ``at``, one point.
    path : dict of str to xarray.Dataset
        `extrapolate` from the smallest run's compute to ``at``, for the band against compute.
    split : dict of str to xarray.Dataset
        `optimal_split` at the same computes as ``path``; its last point is ``at``.
    isoflop : dict of str to xarray.Dataset
        `extrapolate` over N at a few budgets, the last of them ``at``; ``best_params`` and ``best_loss`` over
        ``budget`` are the optima.
    floor : dict of str to xarray.Dataset
        `irreducible_loss`.
    loo : xarray.Dataset or None
        `compare`; None where there are not two to compare.
    held : dict of str to xarray.Dataset
        `backtest`; under ``"forecast"`` that of the stacked forms, where there are any.
    truth : dict of str to float
        Known entropy rates by family, where the run log's card states them.
    design : dict of str to xarray.Dataset
        `identifiability`, from before anything was sampled.
    leans : dict of str to xarray.Dataset
        `prior_sensitivity`.
    stack : Stack or None
        The headline: several forms, one answer. None where no form could be fitted.
    not_stacked : str
        Why not, then.
    not_quoted : dict of str to str
        The plain models whose chains did not agree, each with what the diagnostics say; nothing else is told of them.
    """

    runs: xr.Dataset
    at: str
    fits: dict[str, xr.DataTree]
    far: dict[str, xr.Dataset]
    path: dict[str, xr.Dataset]
    split: dict[str, xr.Dataset]
    isoflop: dict[str, xr.Dataset]
    floor: dict[str, xr.Dataset]
    loo: xr.Dataset | None
    held: dict[str, xr.Dataset]
    truth: dict[str, float]
    design: dict[str, xr.Dataset] = field(default_factory=dict)
    leans: dict[str, xr.Dataset] = field(default_factory=dict)
    stack: Stack | None = None
    not_stacked: str = ""
    not_quoted: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The first of the two plain models; one that may be quoted comes before one that may not."""
        return [*self.fits, *self.not_quoted][0]

    @property
    def against(self) -> str:
        """The other plain model, against which ``model`` is held."""
        return [*self.fits, *self.not_quoted][1]

    @property
    def every_fit(self) -> dict[str, xr.DataTree]:
        """The posteriors that are quoted: of the plain models, then of the forms that were stacked."""
        return self.fits | (self.stack.fits if self.stack else {}) | self.fits

    @property
    def families(self) -> list[str]:
        """Families by name; one unnamed where the runs have none."""
        return Posterior(next(iter(self.every_fit.values()))).families

    def truth_of(self, family: str | None) -> float | None:
        """Return the known entropy rate of a family, where there is one; None stands for the only family."""
        return self.truth.get(family or self.families[0])

    def save(self, out: str | Path = "report") -> Path:
        """Write the page with its figures, the posteriors and ``answers.json`` into a folder.

        Parameters
        ----------
        out : str or Path
            The folder. An earlier report there is replaced; anything else is left alone and refused.

        Returns
        -------
        Path
            The page, ``index.html``.

        Raises
        ------
        OutputError
            If the folder holds other things, or cannot be written.
        """
        from bayescale.report.write import write_report  # the page stands to the right of a study

        return write_report(self, out)


@kept_workers()
def study(
    runs: xr.Dataset,
    at: str = "100x",
    *,
    model: "str | Path | Card" = "chinchilla",
    against: "str | Path | Card" = "kaplan",
    forms: "Forms | Iterable[str | Path | Card] | str | Path | Card | None" = None,
    seed: int = SEED,
    progress: Callable[[str], None] | None = None,
) -> Study:
    """Do the whole job: how low at larger compute, which form and split, and how low it can go at all.

    The first answer is that of several forms stacked, as `forecast` gives it. The other two are by two plain models.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs.
    at : str
        Compute to extrapolate to: a multiple of the largest run, or FLOP.
    model, against : str, path or Card
        The two plain models that are held against each other.
    forms : mapping of str to float, or iterable of str, path or Card, or one of them, optional
        The forms that the first answer stacks; by default those of `forecast`.
    seed : int
        Seed of everything that draws.
    progress : callable, optional
        Called with a line at each step.

    Returns
    -------
    Study
        Without what hangs on a plain model whose chains do not agree. ``study.save("report")`` writes it as a page.

    Raises
    ------
    QuestionError
        If the models or the forms cannot answer a report's questions.
    UnconvergedError
        If nothing may be quoted: neither plain model nor any form.

    Examples
    --------
    >>> import bayescale as bs
    >>> study = bs.study(bs.load_shipped("tinylm"), at="100x")               # doctest: +SKIP
    >>> page = study.save("report")                                          # doctest: +SKIP
    """
    say, runs = progress or (lambda line: None), as_runs(runs)
    target = parse_compute(at, float(runs["compute"].max()))
    cards = {card.name: card for card in (load_card(model), load_card(against))}
    if len(cards) < 2:
        raise QuestionError(f"the report holds one model against another; both are {load_card(model).name!r}.")
    for name, card in cards.items():
        law = card.get_law()
        if set(law.inputs) != {"params", "tokens"}:
            raise QuestionError(
                f"the report splits a budget between N and D; the model {name!r} takes {', '.join(law.inputs)}. "
                f"Use `bayescale fit` and ask it what it can tell."
            )
    forms = keep_forms(forms)
    # Forms are checked here, before minutes of sampling.
    stacked, _ = forms_for(runs, forms)
    if forms is not None:
        check_question(runs, stacked.values(), compute=at)
        for name, card in stacked.items():
            if (response := card.get_law().response) != "loss":
                raise QuestionError(
                    f"the first answer of a report is a loss; the form {name!r} is of {response}. "
                    f"Ask it by `bayescale forecast`."
                )
    design = {name: identifiability(runs, card) for name, card in cards.items()}
    for name, learned in design.items():
        for sentence in unidentified(learned):
            say(f"warning: {name}: {sentence}")
    fits, not_quoted = {}, {}
    names = list(cards)
    trees = map_tasks(
        partial(_fit_plain, runs, seed),
        list(cards.values()),
        seconds=FIT_SECONDS,
        starting=lambda number: say(f"{names[number]}: compiling and sampling"),
    )
    for name, outcome in zip(names, trees, strict=True):
        tree = outcome.get()
        if (judged := verdict(tree)).passed:
            fits[name] = tree
        else:
            not_quoted[name] = judged.sentence
            say(f"warning: {name} may not be quoted: {judged.sentence}")
    say("answering the three questions")
    far = {name: extrapolate(tree, at, seed=seed) for name, tree in fits.items()}
    grid = np.geomspace(float(runs["compute"].min()), target, FRONTIER_POINTS)
    path = {
        # The last point is `far` itself: the same draws, so that a figure and a sentence say the same number.
        name: xr.concat([extrapolate(tree, list(grid[:-1]), seed=seed), far[name]], "point", combine_attrs="override")
        for name, tree in fits.items()
    }
    split = {name: optimal_split(tree, list(grid)) for name, tree in fits.items()}
    isoflop = {name: isoflop_curves(tree, target, seed) for name, tree in fits.items()}
    floor = {name: irreducible_loss(tree) for name, tree in fits.items()}
    leans = {name: prior_sensitivity(tree, compute=at) for name, tree in fits.items()}
    loo = None
    if not not_quoted:
        say("leaving one run out at a time")
        loo = compare(fits, seed=seed, progress=progress)
    held = {name: backtest(runs, cards[name], PLAIN_FACTORS, seed=seed, progress=progress) for name in fits}
    stack, why = None, ""
    try:
        stack = stack_forms(runs, {"compute": at}, at=at, grid=grid, forms=forms, seed=seed, say=say)
        held = {FORECAST: stack.held} | held
    except BayescaleError as error:  # the plain models answer alone, and the report says so
        why = str(error)
        if not fits:
            raise UnconvergedError("\n".join([f"{k}: {v}" for k, v in not_quoted.items()] + [why])) from None
    truth = json.loads(runs.attrs.get("truth", "{}"))
    return Study(
        runs, at, fits, far, path, split, isoflop, floor, loo, held, truth, design, leans, stack, why, not_quoted
    )


def _fit_plain(runs: xr.Dataset, seed: int, card: Card) -> xr.DataTree:
    return fit(runs, card, seed=seed)


def isoflop_curves(fit: xr.DataTree, target: float, seed: int = SEED) -> xr.Dataset:
    """Return the loss over N at a few budgets up to ``target``, with the optimum of each."""
    smallest, largest = Posterior(fit).seen["compute"]
    budgets = sorted({*(largest * f for f in BUDGETS if largest * f > smallest), target})
    best = optimal_split(fit, budgets)
    others = [dim for dim in best["params"].dims if dim != "point"]
    centre = np.exp(xr.ufuncs.log(best["params"]).median(others).values)
    params = centre[:, None] * np.geomspace(1 / REACH, REACH, 2 * SIZES_EACH_WAY + 1)
    compute = np.broadcast_to(np.array(budgets)[:, None], params.shape)
    curves = extrapolate(fit, params=list(params.ravel()), compute=list(compute.ravel()), seed=seed)
    optima = best[["params", "optimal_loss"]].reset_coords(drop=True).rename(point="budget")
    optima = optima.rename(params="best_params", optimal_loss="best_loss")
    return curves.merge(optima.assign_coords(budget_compute=("budget", budgets)), combine_attrs="override")
