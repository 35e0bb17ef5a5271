import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws.oracles import c_min

from bayescale.laws.critical_batch import b_crit, examples_at, examples_for, s_min, steps_at

SCALES = st.floats(-6, 6).map(lambda z: 10.0**z)


@pytest.mark.parametrize(("loss", "tokens"), [(2, 7.37e6), (2.5, 2.55e6), (3, 1.07e6), (4, 2.72e5)])
def test_critical_batch_of_kaplan(loss, tokens):
    # Kaplan et al. 2020, eq. 1.4 with B_star 2e8 tokens and alpha_B 0.21, worked from the printed constants.
    assert b_crit(loss, 2e8, 0.21) == pytest.approx(tokens, rel=2e-3)


def test_critical_batch_doubles_for_every_13_percent_of_loss():
    # Kaplan et al. 2020, with eq. 1.4: for every 13% or so.
    fall = 1 - 2**-0.21
    assert fall == pytest.approx(0.13, abs=6e-3)
    assert b_crit(3 * (1 - fall), 2e8, 0.21) == pytest.approx(2 * b_crit(3, 2e8, 0.21), rel=1e-12)


def test_at_the_critical_batch_it_takes_twice_the_steps_and_twice_the_examples():
    # McCandlish et al. 2018; Kaplan et al. 2020, eq. 5.1 and 5.2.
    assert steps_at(1e4, 1e6, 1e6) == 2e4
    assert examples_at(1e10, 1e6, 1e6) == 2e10
    assert examples_for(2e4, 1e4, 1e10) == 2e10
    assert s_min(2e4, 1e6, 1e6) == 1e4
    assert c_min(2e20, 1e6, 1e6) == 1e20


@given(steps=SCALES, critical=SCALES, batch=SCALES)
def test_steps_and_examples_trade_as_eq_5_1_says(steps, critical, batch):
    fewest_examples = critical * steps  # eq. 5.2
    step, examples = steps_at(steps, batch, critical), examples_at(fewest_examples, batch, critical)
    assert examples / step == pytest.approx(batch, rel=1e-12)
    excess = (step / steps - 1) * (examples / fewest_examples - 1)
    assert excess == pytest.approx(1, rel=1e-3)  # what rounding leaves of S/S_min - 1 at 1e12 times the critical batch
    assert s_min(step, batch, critical) == pytest.approx(steps, rel=1e-12)
    # At a given N compute goes with examples.
    assert c_min(6e9 * examples, batch, critical) == pytest.approx(6e9 * fewest_examples, rel=1e-12)


def test_the_front_is_that_of_all_batches():
    batch = np.geomspace(1e3, 1e9, 13)
    step = steps_at(5e3, batch, 2e6)
    np.testing.assert_allclose(examples_for(step, 5e3, 2e6 * 5e3), batch * step, rtol=1e-9)
