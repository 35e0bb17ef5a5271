from collections import Counter

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from scipy.special import logsumexp

from bayescale.cards import load_card
from bayescale.forms import shipped_forms
from bayescale.forms.rehearse import cut
from benchmarks import our_curves
from benchmarks.curves import Curve, curves, gaussian_log_score, point_forecast, rmsle
from benchmarks.results import CURVES


@pytest.fixture(scope="module")
def language(shared_data):
    return {curve.name.split(" ", 1)[1]: curve for curve in curves() if curve.domain in ("NMT", "LM")}


def test_the_benchmark_has_92_curves(shared_data):
    # Alabdulmohsin et al. 2022: 72 of image classification, 5 of translation, 5 of language models, 10 of BIG-bench.
    found = list(curves())
    assert Counter(curve.domain for curve in found) == {"IC": 72, "NMT": 5, "LM": 5, "BB": 10}
    for curve in found:
        assert curve.x.max() < curve.x_out.min()
        assert len(np.unique(curve.x)) == len(curve.x), "copies are left out"
        assert 1.6 < curve.x_out.max() / curve.x.max() < 2.3


# Root mean square of log residuals on the held-out part, by plain least squares in log loss: M1, M2.
PUBLISHED = {
    "6 Enc, 6 Dec": (0.2619, 0.0561),
    "28 Enc, 6 Dec": (0.1709, 0.0636),
    "6 Enc, 28 Dec": (0.2340, 0.0661),
    "Dec-only": (0.2520, 0.0376),
    "TEnc-LSTM": (0.1899, 0.0174),
    "1.34e+08": (0.0143, 0.0014),
    "4.53e+08": (0.0165, 0.0008),
    "1.07e+09": (0.0171, 0.0018),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_held_out_error_of_the_two_stable_forms(language, name):
    curve = language[name]
    for method, published in zip(("M1", "M2"), PUBLISHED[name], strict=True):
        mean, _ = point_forecast(method, curve, refits=2)
        assert rmsle(mean, curve.loss_out) == pytest.approx(published, abs=1.1e-4), method


def test_the_spread_is_that_of_the_residuals_and_of_the_refits(language):
    curve = language["Dec-only"]
    mean, sd = point_forecast("M2", curve, refits=20)
    again, one = point_forecast("M2", curve, refits=1)
    np.testing.assert_array_equal(mean, again)
    # One refit has no variance: what is left is that of 10 residuals about 3 parameters.
    assert np.ptp(one) == 0
    assert (sd > one).all()


def test_the_log_score_is_the_mean_log_density():
    mean, sd, loss = np.array([0.1, 0.2]), np.array([0.05, 0.3]), np.array([1.2, 1.0])
    expected = stats.norm.logpdf(np.log(loss), mean, sd).mean()
    assert gaussian_log_score(mean, sd, loss) == pytest.approx(expected, rel=1e-12)


# The committed table


def test_the_committed_table_has_the_published_errors_of_the_stable_forms():
    rows = pd.read_csv(CURVES).set_index(["method", "domain"]).sort_index()
    for name, published in PUBLISHED.items():
        for method, value in zip(("M1", "M2"), published, strict=True):
            of_name = rows.loc[method][rows.loc[method]["curve"].str.endswith(" " + name)]
            assert of_name["rmsle"].item() == pytest.approx(value, abs=1.1e-4), (method, name)
    assert set(rows.groupby("method").size()[["M1", "M2", "M3", "M4", "BNSL"]]) == {92}


# Ours


def test_every_curve_is_cut_between_what_is_fitted_and_what_is_predicted(shared_data):
    card = load_card("power:examples")
    for curve in curves():
        train, test = cut(our_curves.runs_of(curve), card, our_curves._find_factor(curve))
        np.testing.assert_array_equal(train["examples"], curve.x)
        np.testing.assert_array_equal(test["examples"], curve.x_out)


@pytest.fixture
def said(monkeypatch):
    """A curve of which every form says something else; the second form alone predicted the upper half of it."""
    x = 100.0 * np.arange(1, 9)
    curve = Curve("LM", "by hand", x, 3 / x, np.array([1600.0, 1600.0]), np.array([0.2, 0.3]))
    forms = list(shipped_forms("examples"))
    centre = np.array([0.1, 0.2, 0.4, 0.8])[:, None, None, None] * np.ones((4, 2, 100, 4))
    density = np.array([[1, 2, -50, -50], [3, 5, 0, 0], [1, 1, -50, -50], [0.0, 1, -50, -50]])
    coords = {
        "form": forms,
        "factor": ("held_out", [2.0, 2.0, 4.0, 4.0]),
        "examples": ("held_out", [1600.0, 1600.0, 700.0, 800.0]),
    }
    coords |= {"run": ("held_out", list("abcd"))}
    values = {
        "predicted": (("form", "chain", "draw", "held_out"), centre),
        "log_density": (("form", "held_out"), density),
    }
    made = xr.Dataset(values | {"loss": ("held_out", [0.2, 0.3, 0.4, 0.4])}, coords)
    made = made.assign_attrs(measure="examples", response="loss", largest=1600.0)
    monkeypatch.setattr(our_curves, "predictions", lambda curve: made)
    return curve, density


def test_our_scores_are_those_of_the_median_and_of_the_mixture(said):
    found = our_curves.scores(our_curves.FORECAST, said[0])
    # A rehearsal that says 20 nats decides: the second form's median is 0.2.
    assert found["rmsle"] == pytest.approx(np.log(1.5) / np.sqrt(2))
    assert found["log_score"] == pytest.approx(4.0, abs=1e-6)


def test_alike_before_means_alike_until_a_rehearsal_speaks(said, monkeypatch):
    curve, density = said
    assert our_curves.scores(our_curves.EQUAL, curve)["log_score"] == pytest.approx(4.0, abs=1e-6)
    silent = our_curves.predictions(curve).isel(held_out=[0, 1])
    monkeypatch.setattr(our_curves, "predictions", lambda curve: silent)
    found = our_curves.scores(our_curves.EQUAL, curve)
    assert found["log_score"] == pytest.approx(np.mean(logsumexp(density[:, :2], axis=0) - np.log(4)))


def test_what_a_form_could_not_say_is_missing_and_kept_draws_are_read_again(tmp_path, monkeypatch):
    x = 100.0 * np.arange(1, 9)
    curve, asked = Curve("LM", "by hand", x, 3 / x, np.array([1600.0]), np.array([0.2])), []

    def rehearse(runs, cards, factors):
        asked.append(cards[0].name)
        # The first form could not be fitted to the lower half.
        found = [f for f in factors if f == factors[0] or cards[0].name != "broken-1:examples"]
        beyond = [(f, run) for f in found for run in runs["run"].values[runs["examples"] > 1600 / f * 1.000001]]
        values = np.ones((1, 2, 10, len(beyond)))
        coords = {"form": [cards[0].name], "factor": ("held_out", [f for f, _ in beyond])}
        said = {"predicted": (("form", "chain", "draw", "held_out"), values)}
        said |= {"log_density": (("form", "held_out"), values[:, 0, 0])}
        return xr.Dataset(said, coords | {"run": ("held_out", [run for _, run in beyond])})

    monkeypatch.setattr(our_curves, "rehearse", rehearse)
    monkeypatch.setattr(our_curves, "KEPT", tmp_path)
    found = our_curves.predictions(curve)
    assert asked == list(shipped_forms("examples"))
    # One point is predicted from all that is fitted; that one and the upper half from the lower.
    assert sorted(zip(found["factor"].values, found["examples"].values, strict=True)) == [
        (2.0, 1600.0),
        *((4.0, at) for at in (500.0, 600.0, 700.0, 800.0, 1600.0)),
    ]
    np.testing.assert_array_equal(found["loss"], np.where(found["examples"] > 800, 0.2, 3 / found["examples"]))
    missing = np.isnan(found["log_density"].sel(form="broken-1:examples").values)
    np.testing.assert_array_equal(missing, found["factor"].values == 4)
    assert np.isfinite(found["log_density"].drop_sel(form="broken-1:examples").values).all()
    xr.testing.assert_identical(found, our_curves.predictions(curve))
    assert len(asked) == 4
