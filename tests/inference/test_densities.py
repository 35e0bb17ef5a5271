"""Densities of single runs: worked out in pieces, bounded for long logs, and used with the draws that they are of."""

import numpy as np
import pytest
import xarray as xr
from curved import pinned_curves, simulated_curves
from pinned import BESIROGLU, pinned_fit

import bayescale as bs
from bayescale.inference import log_likelihood, runs_of, sampling, with_densities
from bayescale.modeling import prepare
from bayescale.posterior import Posterior


@pytest.mark.parametrize("curves", [False, True])
def test_pieces_give_what_all_runs_at_once_give(curves, monkeypatch):
    fit = pinned_curves(simulated_curves()) if curves else pinned_fit("chinchilla", BESIROGLU)
    problem, posterior = prepare(Posterior(fit).card, runs_of(fit)), fit["posterior"].to_dataset()
    whole = log_likelihood(problem, posterior)
    monkeypatch.setattr(sampling, "CHUNK_BYTES", 8 * 3 * posterior["E"].size)
    pieces = sampling._cut_rows(problem, problem.runs, 3)
    assert len(pieces) > 3
    xr.testing.assert_identical(log_likelihood(problem, posterior), whole)


def thinned_fit():
    """Return a posterior with densities of every fourth draw."""
    fit = pinned_fit("chinchilla", BESIROGLU)
    rng, posterior = np.random.default_rng(0), fit["posterior"].to_dataset()
    noise = {name: 1 + 0.01 * rng.standard_normal(values.shape) for name, values in posterior.data_vars.items()}
    posterior = posterior.assign({name: posterior[name] * noise[name] for name in noise})
    posterior = posterior.assign_coords({dim: np.arange(posterior.sizes[dim]) for dim in ("chain", "draw")})
    fit["posterior"] = posterior
    density = log_likelihood(prepare(Posterior(fit).card, runs_of(fit)), posterior.isel(draw=slice(None, None, 4)))
    fit["log_likelihood"] = density
    return fit


def test_what_leaves_runs_out_takes_the_draws_that_have_densities():
    fit = thinned_fit()
    few = with_densities(fit)
    assert few["posterior"].sizes["draw"] == few["log_likelihood"].sizes["draw"]
    assert fit["posterior"].sizes["draw"] == 4 * few["posterior"].sizes["draw"] - 2
    whole = bs.extrapolate(fit, params=[1e10], tokens=[1e11])["expected_loss"]
    moved, again = (
        bs.trust.influence(each, answer=whole.sel(draw=each["posterior"]["draw"].values)) for each in (fit, few)
    )
    xr.testing.assert_allclose(moved["shift"], again["shift"])
    checked, again = (bs.trust.check_predictive(each, seed=1) for each in (fit, few))
    xr.testing.assert_allclose(checked["loo_pit"], again["loo_pit"])


def test_long_logs_keep_fewer_draws_but_a_hundred_at_least():
    posterior = xr.Dataset({"E": (("chain", "draw"), np.ones((4, 1000)))}, {"draw": np.arange(1000)})
    for count, draws in ((12_500, 1000), (12_501, 500), (10_000_000, 25)):
        kept = sampling.keep_for_runs(posterior, xr.Dataset(coords={"run": np.arange(count)}))
        assert kept.sizes["draw"] == draws
