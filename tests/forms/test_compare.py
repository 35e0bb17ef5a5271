import numpy as np
import pytest
import xarray as xr
from curved import pinned_curves, simulated_curves
from pinned import BESIROGLU, FAILED, KAPLAN, pinned_fit

import bayescale as bs
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.forms.compare import _make_refitter


def pair(sha="s"):
    fits = {"chinchilla": pinned_fit("chinchilla", BESIROGLU, seed=1), "kaplan": pinned_fit("kaplan", KAPLAN, seed=2)}
    for fit in fits.values():
        fit.attrs["sha256"] = sha
    return fits


def test_one_fit_is_no_comparison():
    with pytest.raises(QuestionError, match="at least two"):
        bs.compare({"chinchilla": pinned_fit()})
    with pytest.raises(QuestionError, match="at least two"):
        bs.compare({})


@pytest.mark.parametrize(
    ("attr", "value", "said"),
    [
        ("sha256", "another", "different runs"),
        ("loss_unit", "nats/byte", "losses in different units"),
        ("response", "loss", "different responses"),
    ],
)
def test_fits_that_cannot_be_compared_are_refused(attr, value, said):
    fits = pair()
    fits["kaplan"].attrs[attr] = value
    with pytest.raises(QuestionError, match=f"{said}.*chinchilla.*kaplan.*{value}.*same runs"):
        bs.compare(fits)


def test_an_unconverged_fit_is_not_compared():
    fits = pair()
    fits["kaplan"].attrs["verdict"] = FAILED.to_json()
    with pytest.raises(UnconvergedError, match="kaplan"):
        bs.compare(fits)


def test_pinned_densities_are_compared_by_their_sum():
    fits = pair()
    # Every draw has one density: leaving a run out changes nothing, so elpd is that density summed over the runs.
    rng, shape = np.random.default_rng(0), fits["kaplan"]["log_likelihood"]["log_loss"].shape
    for fit, each in zip(fits.values(), (3.0, 2.5), strict=True):
        density = each + rng.normal(0, 1e-3, shape)
        run = fit["log_likelihood"]["run"]
        fit["log_likelihood"] = xr.Dataset({"log_loss": (("chain", "draw", "run"), density)}, {"run": run})
    table = bs.compare(fits, refit=False)
    assert table["model"].values.tolist() == ["chinchilla", "kaplan"]
    np.testing.assert_allclose(table["elpd_loo"], [16 * 3.0, 16 * 2.5], atol=0.01)
    np.testing.assert_allclose(table["elpd_diff"], [0, -8], atol=0.02)
    np.testing.assert_allclose(table["weight"], [1, 0], atol=1e-3)
    np.testing.assert_allclose(table["elpd_i"].sum("run"), table["elpd_loo"], rtol=1e-9)
    assert table["bad_k"].values.tolist() == [0, 0]
    assert table["refitted"].values.tolist() == [0, 0]
    assert table.attrs["runs"] == 16


def test_the_order_of_the_runs_does_not_matter():
    fits = pair()
    straight = bs.compare(fits, refit=False)
    for name in ("log_likelihood", "observed_data", "constant_data"):
        group = fits["kaplan"][name].to_dataset()
        fits["kaplan"][name] = group.isel(run=slice(None, None, -1))
    turned = bs.compare(fits, refit=False)
    np.testing.assert_allclose(turned["dse"], straight["dse"])
    np.testing.assert_allclose(turned["elpd_i"].sel(run=straight["run"]), straight["elpd_i"])


def test_of_learning_curves_whole_runs_are_left_out():
    fits = {str(seed): pinned_curves(simulated_curves(), seed=seed) for seed in (1, 2)}
    table = bs.compare(fits, refit=False)
    assert table.attrs["runs"] == table.sizes["run"] == 14
    refit = _make_refitter(fits["1"], seed=1)
    kept, left_out = refit.sel_observations(np.array([3]))
    assert set(left_out["of_run"].values) == {"r03"}
    assert left_out.sizes["run"] > 3
    assert len(set(kept["of_run"].values)) == 13
    # Their density is that of all their checkpoints, as it was in the fit.
    density = refit.log_likelihood__i(left_out, fits["1"])
    np.testing.assert_allclose(density, fits["1"]["log_likelihood"]["log_loss"].sel(run=["r03"]), rtol=1e-9)
