import numpy as np
import pytest
from fitted import least_squares, summed_huber
from hypothesis import given, settings
from hypothesis import strategies as st
from pinned import BESIROGLU, KAPLAN

from bayescale.answers import frontier_exponent, optimal_params
from bayescale.costs import SIX_ND
from bayescale.laws import get_law

LAW, CHINCHILLA, KAPLAN_LAW = get_law("coupled"), get_law("chinchilla"), get_law("kaplan")
SCALE = st.floats(-3, 3).map(lambda z: 10.0**z)
X0 = {"params": 1e9, "tokens": 2e10}


def thetas(law):
    return st.fixed_dictionaries({p.name: st.floats(*p.typical) for p in law.parameters})


def as_coupled(kaplan):
    """The parameters of Kaplan's law under the names of the coupled one."""
    return {
        "E": 0.0,
        "from_params": kaplan["loss_params"],
        "from_tokens": kaplan["loss_tokens"],
        "alpha": kaplan["alpha_N"],
        "beta": kaplan["alpha_D"],
        "kappa": kaplan["alpha_D"],
    }


@given(theta=thetas(CHINCHILLA), n=SCALE, d=SCALE)
@settings(max_examples=50, deadline=None)
def test_with_kappa_one_it_is_chinchilla(theta, n, d):
    x = {"n": n, "d": d}
    assert LAW.mean(np, x, theta | {"kappa": 1.0}) == CHINCHILLA.mean(np, x, theta)


@given(theta=thetas(KAPLAN_LAW), n=SCALE, d=SCALE, log_compute=st.floats(19, 26))
@settings(max_examples=50, deadline=None)
def test_without_floor_and_with_kappa_the_exponent_in_d_it_is_kaplan(theta, n, d, log_compute):
    x = {"n": n, "d": d}
    assert LAW.mean(np, x, as_coupled(theta)) == pytest.approx(KAPLAN_LAW.mean(np, x, theta), rel=1e-12)
    split = [
        optimal_params(law, values, 10.0**log_compute, SIX_ND, X0)
        for law, values in ((LAW, as_coupled(theta)), (KAPLAN_LAW, theta))
    ]
    assert split[0] == pytest.approx(split[1], rel=1e-9)


def test_kaplans_table_2_gives_the_same_loss():
    # Kaplan et al. 2020, eq. 1.5 with Table 2: 2.3693 at N = 1e9 and D = 22e9.
    paper = {
        "E": 0.0,
        "A": KAPLAN["N_c"] ** KAPLAN["alpha_N"],
        "B": KAPLAN["D_c"] ** KAPLAN["alpha_D"],
        "alpha": KAPLAN["alpha_N"],
        "beta": KAPLAN["alpha_D"],
        "kappa": KAPLAN["alpha_D"],
    }
    assert LAW.paper(np, paper, params=1e9, tokens=22e9) == pytest.approx(2.3693, abs=5e-5)
    for params, tokens in ((1e6, 1e8), (1e11, 1e9), (1.5e9, 2.29e10)):
        known = {"params": params, "tokens": tokens}
        assert LAW.paper(np, paper, **known) == pytest.approx(KAPLAN_LAW.paper(np, KAPLAN, **known), rel=1e-12)


def test_each_term_alone_is_what_its_parameters_say():
    # With the other resource unlimited the loss is a power law over the floor, with the exponent that is sampled.
    theta = {"E": 1.7, "from_params": 0.4, "from_tokens": 0.3, "alpha": 0.33, "beta": 0.34, "kappa": 0.774}
    assert LAW.mean(np, {"n": 1.0, "d": np.inf}, theta) == pytest.approx(2.1, rel=1e-12)
    assert LAW.mean(np, {"n": np.inf, "d": 1.0}, theta) == pytest.approx(2.0, rel=1e-12)
    assert LAW.mean(np, {"n": 100.0, "d": np.inf}, theta) == pytest.approx(1.7 + 0.4 * 100**-0.33, rel=1e-12)
    assert LAW.mean(np, {"n": np.inf, "d": 100.0}, theta) == pytest.approx(1.7 + 0.3 * 100**-0.34, rel=1e-12)
    # Written with inner exponents, which is how fits of it are published.
    inner = (0.4 ** (1 / 0.774) * 5.0 ** (-0.33 / 0.774) + 0.3 ** (1 / 0.774) * 7.0 ** (-0.34 / 0.774)) ** 0.774
    assert LAW.mean(np, {"n": 5.0, "d": 7.0}, theta) == pytest.approx(1.7 + inner, rel=1e-12)
    assert frontier_exponent(LAW, theta, 1e22, SIX_ND, X0) == pytest.approx(0.34 / (0.33 + 0.34), rel=1e-12)


def test_as_kappa_goes_to_zero_only_the_larger_term_counts():
    theta = {"E": 0.0, "from_params": 0.5, "from_tokens": 0.3, "alpha": 0.3, "beta": 0.3, "kappa": 0.01}
    assert LAW.mean(np, {"n": 1.0, "d": 1.0}, theta) == pytest.approx(0.5, rel=1e-9)


STARTS = {"E": (1.7,), "from_params": (0.3,), "from_tokens": (0.3,), "alpha": (0.35,), "beta": (0.35,),
          "kappa": (0.5, 1.0)}  # fmt: skip


def test_hoffmanns_runs_lie_between_the_two(open_sets):
    # The 240 points of Hoffmann et al.'s Figure 4 with the outer exponent free: summed Huber(1e-3) gives kappa 0.774,
    # E 1.757 and inner exponents 0.424, 0.431.
    points = open_sets["chinchilla"]
    inputs, loss = {"params": points.N.to_numpy(), "tokens": points.D.to_numpy()}, points.loss.to_numpy()
    theta, value, _ = summed_huber(LAW, inputs, loss, STARTS)
    assert theta["kappa"] == pytest.approx(0.774, abs=1e-3)
    assert theta["E"] == pytest.approx(1.757, abs=1e-3)
    assert theta["alpha"] / theta["kappa"] == pytest.approx(0.424, abs=1e-3)
    assert theta["beta"] / theta["kappa"] == pytest.approx(0.431, abs=1e-3)
    assert value < 1.0182740e-3  # Besiroglu et al.'s optimum of the additive law, on the same points


def test_least_squares_prefers_a_kappa_below_one(open_sets):
    # Gaussian in log loss: kappa 0.737; likelihood ratio against the additive law, half of whose sum of squares is
    # 5.7309435e-3, of 46.2 on the 240 points.
    points = open_sets["chinchilla"]
    inputs, loss = {"params": points.N.to_numpy(), "tokens": points.D.to_numpy()}, points.loss.to_numpy()
    theta, rms = least_squares(LAW, inputs, loss, STARTS)
    assert theta["kappa"] == pytest.approx(0.737, abs=1e-3)
    assert 240 * np.log(2 * 5.7309435e-3 / (240 * rms**2)) == pytest.approx(46.2, abs=0.05)


def test_besiroglu_and_kaplan_are_the_two_ends():
    additive = BESIROGLU | {"kappa": 1.0}
    assert LAW.paper(np, additive, params=70e9, tokens=1.4e12) == pytest.approx(1.97388, abs=5.1e-6)
