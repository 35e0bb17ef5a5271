import numpy as np
import pytest

from bayescale.laws import get_law

LAW = get_law("examples-params")
# Made up: Kirstain et al. 2021 print no coefficients of this form.
THETA = {"level": 0.4, "gain_params": 0.24, "gain_examples": 0.08}
X0 = {"params": 7.7e8, "examples": 256.0}


def log_odds(**inputs):
    share = LAW.at(np, inputs, THETA, X0)
    return np.log(share / (1 - share))


def test_a_doubling_adds_its_gain_to_the_log_odds():
    assert log_odds(**X0) == pytest.approx(0.4)
    assert log_odds(params=2 * 7.7e8, examples=256) == pytest.approx(0.4 + 0.24)
    assert log_odds(params=7.7e8, examples=512) == pytest.approx(0.4 + 0.08)


def test_one_doubling_of_the_parameters_is_worth_three_of_the_examples():
    exchange = LAW.to_paper(np, THETA, X0)["exchange"]
    assert exchange == pytest.approx(3)
    larger = LAW.at(np, X0 | {"params": 2 * 7.7e8}, THETA, X0)
    more = LAW.at(np, X0 | {"examples": 256 * 2**exchange}, THETA, X0)
    assert more == pytest.approx(larger, rel=1e-12)


def test_an_accuracy_is_a_share_at_any_scale():
    at = LAW.at(np, {"params": np.array([1e3, 1e15]), "examples": np.array([1.0, 1e9])}, THETA, X0)
    assert ((at > 0) & (at < 1)).all()
