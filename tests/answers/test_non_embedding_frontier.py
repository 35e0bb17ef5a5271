import numpy as np
import pytest
from pinned import BESIROGLU, ROUNDED, pinned_fit, simulated_frame
from scipy.optimize import minimize_scalar

import bayescale as bs
from bayescale.answers.non_embedding_frontier import (
    fitted_exponent,
    frontier_compute,
    local_exponent,
    non_embedding_frontier,
    non_embedding_params,
    to_non_embedding,
    to_total,
    total_params,
)
from bayescale.errors import QuestionError
from bayescale.laws.base import PowerTerms


def terms(paper):
    return PowerTerms(paper["A"], paper["alpha"], paper["B"], paper["beta"])


def test_there_and_back_over_every_size():
    n = np.geomspace(1, 1e15, 301)
    assert non_embedding_params(total_params(n)) == pytest.approx(n, rel=1e-12)
    # Pearce and Song 2024: N_T = N_E + 47491 N_E^(1/3).
    assert total_params(1e9) == pytest.approx(1e9 + 47491e3, rel=1e-12)


@pytest.mark.parametrize("paper", [ROUNDED, BESIROGLU])
def test_the_frontier_is_where_the_loss_is_lowest_at_fixed_compute(paper):
    t = terms(paper)
    for n in (1e4, 1e7, 1e10):
        compute = float(frontier_compute(n, t))

        def loss(log_n, compute=compute):
            tokens = compute / (6 * np.exp(log_n))
            return t.A * total_params(np.exp(log_n)) ** -t.alpha + t.B * tokens**-t.beta

        found = minimize_scalar(loss, bounds=(np.log(n) - 3, np.log(n) + 3), method="bounded", options={"xatol": 1e-9})
        assert np.exp(found.x) == pytest.approx(n, rel=1e-5)


@pytest.mark.parametrize("paper", [ROUNDED, BESIROGLU])
def test_the_local_exponent_is_the_slope_of_the_frontier_and_has_the_published_limits(paper):
    t, n, step = terms(paper), np.geomspace(1e2, 1e12, 11), 1e-4
    longer = np.log(frontier_compute(n * np.exp(step), t) / frontier_compute(n * np.exp(-step), t))
    assert local_exponent(n, t.alpha, t.beta) == pytest.approx(2 * step / longer, rel=1e-6)
    # Pearce and Song 2024: beta/(alpha/3 + beta) at small scale, beta/(alpha + beta) at large.
    assert local_exponent(1e-12, t.alpha, t.beta) == pytest.approx(t.beta / (t.alpha / 3 + t.beta), rel=1e-6)
    assert local_exponent(1e24, t.alpha, t.beta) == pytest.approx(t.beta / (t.alpha + t.beta), rel=1e-6)


@pytest.mark.parametrize(("paper", "published"), [(BESIROGLU, 0.78), (ROUNDED, 0.74)])
def test_a_refit_over_kaplans_sizes_finds_kaplans_exponent(paper, published):
    # Pearce and Song 2024: 0.78 by Besiroglu et al.'s coefficients, 0.74 by Hoffmann et al.'s; Kaplan et al. 2020 had
    # sizes from 768 to 1.5e9, and found 0.73.
    assert float(fitted_exponent(np.geomspace(768, 1.5e9, 20), terms(paper))) == pytest.approx(published, abs=0.01)


def test_runs_are_translated_with_their_compute_and_hash():
    runs = bs.read_runs(simulated_frame(), params_convention="non-embedding")
    total = to_total(runs)
    assert total.attrs["params_convention"] == "total"
    assert total.attrs["sha256"] != runs.attrs["sha256"]
    assert (total["params"] > runs["params"]).all()
    assert total["compute"].values == pytest.approx(6 * total["params"].values * total["tokens"].values)
    assert to_total(runs, recount=False)["compute"].values.tolist() == runs["compute"].values.tolist()
    back = to_non_embedding(total)
    assert back["params"].values == pytest.approx(runs["params"].values, rel=1e-12)
    assert back.attrs["params_convention"] == "non-embedding"


def test_only_runs_of_the_other_convention_are_translated():
    runs = bs.read_runs(simulated_frame(), params_convention="total")
    with pytest.raises(QuestionError, match="N of these runs is 'total'; it takes 'non-embedding'"):
        to_total(runs)
    with pytest.raises(QuestionError, match="'unknown'"):
        to_non_embedding(bs.read_runs(simulated_frame()))


def test_kaplans_view_of_a_chinchilla_fit():
    fit = pinned_fit(paper=BESIROGLU, spread=0.01)
    seen = non_embedding_frontier(fit, np.geomspace(768, 1.5e9, 20))
    assert seen["a"].dims == ("chain", "draw", "point")
    assert float(seen["a_total"].median()) == pytest.approx(0.3658 / (0.3658 + 0.3478), abs=0.003)
    assert float(seen["a_fitted"].median()) == pytest.approx(0.78, abs=0.012)
    at = seen.isel(point=5)
    expected = frontier_compute(float(at["params"]), terms(BESIROGLU))
    assert float(at["compute"].median()) == pytest.approx(expected, rel=0.3)


def test_a_fit_without_embeddings_or_without_a_closed_form_is_refused():
    fit = pinned_fit()
    fit.attrs["params_convention"] = "non-embedding"
    with pytest.raises(QuestionError, match="leaves embeddings out already"):
        non_embedding_frontier(fit, "1B")
    if "farseer" in bs.laws.LAWS:
        runs = bs.read_runs(simulated_frame())
        other = pinned_fit("chinchilla", runs=runs)
        other.attrs["cost"] = "6ND"
        assert "a_fitted" not in non_embedding_frontier(other, "1B")
