"""What families lend one another: each family alone, all of them as one, and partial pooling between the two."""

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from bayescale.cards import Card, load_card
from bayescale.cards.files import pooled_as
from bayescale.errors import DesignError
from bayescale.forms.rehearse import Say
from bayescale.inference import ends_of, fit, verdict
from bayescale.inference.sampling import FIT_SECONDS, SEED
from bayescale.modeling import family_names
from bayescale.parallel import map_tasks

POOLINGS = ("none", "partial", "complete")


def shrinkage(
    runs: xr.Dataset, model: "str | Path | Card" = "chinchilla", *, seed: int = SEED, progress: Say | None = None
) -> xr.Dataset:
    """Fit the same card with no pooling, partial and complete pooling over the families.

    Parameters
    ----------
    runs : xarray.Dataset
        Validated runs with families.
    model : str, path or Card
        The card; its own pooling is replaced for every parameter of the law.
    seed : int
        Seed of the sampling.
    progress : callable, optional
        Called with a line at each fit.

    Returns
    -------
    xarray.Dataset
        Each parameter of the law, dims ``(pooling, family, chain, draw)``, and ``runs``, how many each family has;
        ``converged``, whether each posterior may be quoted, dims ``pooling``, and ``attrs["verdicts"]``, why, a line
        each.

    Raises
    ------
    DesignError, CardError, SamplingError
        If the runs have one family, there is no such card, or no chain could start.

    Examples
    --------
    >>> import bayescale as bs
    >>> found = bs.forms.shrinkage(bs.load_shipped("tinylm"))        # doctest: +SKIP
    >>> found["alpha"].dims                                    # doctest: +SKIP
    ('pooling', 'family', 'chain', 'draw')
    """
    card, families = load_card(model), family_names(runs)
    if len(families) < 2:
        which = f"all of {families[0]!r}" if "family" in runs.coords else "of no family"
        raise DesignError(
            f"{runs.attrs.get('source', 'the runs')}: pooling is over families, and these {runs.sizes['run']} runs are "
            f"{which}. Say which columns tell families apart: family=[...] (on the command line: --family corpus)."
        )

    def say(number: int) -> None:
        if progress:
            progress(f"{POOLINGS[number]} pooling: compiling and sampling")

    pooled = partial(_fit_pooled, runs, card, seed)
    drawn, verdicts = [], []
    for outcome in map_tasks(pooled, POOLINGS, seconds=FIT_SECONDS, starting=say):
        posterior_fit = outcome.get()
        verdicts.append(verdict(posterior_fit))
        posterior = posterior_fit["posterior"].to_dataset()[list(card.get_law().parameter_names)]
        every = xr.DataArray(np.ones(len(families)), dims="family", coords={"family": list(families)})
        drawn.append((posterior * every).transpose("family", "chain", "draw"))
    labels = ends_of(posterior_fit)["family"].values
    counts = [int((labels == name).sum()) for name in families]
    out = xr.concat(drawn, xr.Variable("pooling", list(POOLINGS))).assign(runs=("family", counts))
    out = out.assign(converged=("pooling", [judged.passed for judged in verdicts]))
    lines = "\n".join(f"{pooling}: {judged.sentence}" for pooling, judged in zip(POOLINGS, verdicts, strict=True))
    return out.assign_attrs(model=card.name, verdicts=lines, loss_unit=runs.attrs.get("loss_unit", ""))


def _fit_pooled(runs: xr.Dataset, card: Card, seed: int, pooling: str) -> xr.DataTree:
    return fit(runs, pooled_as(card, pooling), seed=seed, prior_draws=0)
