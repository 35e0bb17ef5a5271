"""What must hold for any law that is listed; a new one is tested by being in LAWS."""

import dataclasses
from functools import cache

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytensor.compile.mode import Mode

from bayescale.answers import frontier_exponent, optimal_params
from bayescale.costs import SIX_ND
from bayescale.errors import QuestionError
from bayescale.laws import LAWS, get_law

RANGES = {"1": (0.05, 0.8), "loss": (0.05, 3.0)}  # exponents, and contributions at the reference run
SCALES = st.floats(-3, 3).map(lambda z: 10.0**z)
REFERENCE = st.floats(4, 13).map(lambda z: 10.0**z)
pytestmark = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)


@st.composite
def thetas(draw, law):
    return {p.name: draw(st.floats(*RANGES[p.unit])) for p in law.parameters}


@cache
def tensor_function(name):
    law, (n, d) = LAWS[name], pt.dscalars("n", "d")
    theta = {p: pt.dscalar(p) for p in law.parameter_names}
    loss = law.mean(pt, n, d, theta)
    # Pure Python: nothing is compiled.
    return pytensor.function([n, d, *theta.values()], [loss, *pt.grad(loss, [n, d])], mode=Mode("py", None))


@given(data=st.data(), n=SCALES, d=SCALES)
@settings(max_examples=50, deadline=None)
def test_tensors_arrays_and_named_arrays_agree(law, data, n, d):
    theta = data.draw(thetas(law))
    loss = float(law.mean(np, n, d, theta))
    assert float(tensor_function(law.name)(n, d, *theta.values())[0]) == pytest.approx(loss, rel=1e-12)
    array = law.mean(np, np.array([n, n]), d, {k: np.array([v, v]) for k, v in theta.items()})
    np.testing.assert_allclose(array, loss, rtol=1e-12)
    named = law.mean(
        np, xr.DataArray([n], dims="point"), d, {k: xr.DataArray([v], dims="draw") for k, v in theta.items()}
    )
    assert set(named.dims) == {"point", "draw"}
    np.testing.assert_allclose(named.values, loss, rtol=1e-12)


@given(data=st.data(), n=SCALES, d=SCALES, factor=st.floats(1.01, 1e3))
@settings(deadline=None)
def test_loss_falls_as_either_scale_grows(law, data, n, d, factor):
    theta = data.draw(thetas(law))
    here, by_n, by_d = (float(g) for g in tensor_function(law.name)(n, d, *theta.values()))
    assert here > law.floor(theta) >= 0
    for larger, slope in (((n * factor, d), n * by_n), ((n, d * factor), d * by_d)):
        assert slope <= 0
        there = law.mean(np, *larger, theta)
        # A term too small to show beside the other one cannot move a floating-point sum.
        assert there < here if -slope > 1e-9 * here else there <= here * (1 + 1e-12)


@given(data=st.data(), n=SCALES, d=SCALES)
@settings(max_examples=50, deadline=None)
def test_gradients_are_the_finite_differences(law, data, n, d):
    theta = data.draw(thetas(law))
    here, by_n, by_d = (float(g) for g in tensor_function(law.name)(n, d, *theta.values()))
    h = 1e-5
    up, down = (law.mean(np, n * f, d, theta) for f in (1 + h, 1 - h))
    assert by_n == pytest.approx((up - down) / (2 * h * n), rel=1e-5, abs=1e-9 * here / n)
    up, down = (law.mean(np, n, d * f, theta) for f in (1 + h, 1 - h))
    assert by_d == pytest.approx((up - down) / (2 * h * d), rel=1e-5, abs=1e-9 * here / d)


@given(data=st.data(), params0=REFERENCE, tokens0=REFERENCE)
@settings(deadline=None)
def test_there_and_back_between_the_reference_run_and_the_paper(law, data, params0, tokens0):
    theta = data.draw(thetas(law))
    paper = law.to_paper(np, theta, params0, tokens0)
    assert set(paper) == {p.name for p in law.paper_parameters}
    back = law.from_paper(np, theta | paper, params0, tokens0)
    assert back == pytest.approx(theta, rel=1e-9)


@given(data=st.data(), n=SCALES, d=SCALES, params0=REFERENCE, tokens0=REFERENCE)
@settings(deadline=None)
def test_neither_reference_run_nor_units_change_the_loss(law, data, n, d, params0, tokens0):
    theta = data.draw(thetas(law))
    loss = law.mean(np, n, d, theta)
    params, tokens = n * params0, d * tokens0
    raw = theta | law.to_paper(np, theta, params0, tokens0)
    assert law.loss(np, params, tokens, raw) == pytest.approx(loss, rel=1e-9)
    elsewhere = law.from_paper(np, raw, params0 * 7.3, tokens0 / 41)
    assert law.mean(np, n / 7.3, d * 41, elsewhere) == pytest.approx(loss, rel=1e-9)
    # N in millions and D in billions, from the same draws.
    small = theta | law.to_paper(np, theta, params0 / 1e6, tokens0 / 1e9)
    assert law.loss(np, params / 1e6, tokens / 1e9, small) == pytest.approx(loss, rel=1e-9)


@given(data=st.data(), log_compute=st.floats(19, 27))
@settings(max_examples=40, deadline=None)
def test_closed_frontier_is_the_solvers_and_meets_the_first_order_condition(law, data, log_compute):
    if law.power_terms is None:
        pytest.skip(f"{law.name} has no closed form")
    theta, compute = data.draw(thetas(law)), 10.0**log_compute
    scale = (1e9, 2e10)
    closed = optimal_params(law, theta, compute, SIX_ND, *scale)
    n, d = closed / scale[0], SIX_ND.tokens(closed, compute) / scale[1]
    _, by_n, by_d = (float(g) for g in tensor_function(law.name)(n, d, *theta.values()))
    assert n * by_n == pytest.approx(d * by_d, rel=1e-8)
    h = 1e-2
    here, left, right = (law.mean(np, n * f, d / f, theta) for f in (1.0, np.exp(-h), np.exp(h)))
    curvature = (left + right - 2 * here) / h**2 / here
    assume(curvature > 1e-6)
    assert here < min(left, right)
    # Near its minimum a loss is flat: rounding hides steps in log N below sqrt(2 epsilon / curvature) from any solver.
    numeric = optimal_params(dataclasses.replace(law, power_terms=None), theta, compute, SIX_ND, *scale)
    assert float(numeric) == pytest.approx(closed, rel=max(1e-6, 8 * np.sqrt(2 * np.finfo(float).eps / curvature)))


def test_frontier_exponent_is_the_local_slope_of_the_solver(law):
    theta = {p.name: {"1": 0.3, "loss": 0.6}[p.unit] for p in law.parameters}
    numeric = dataclasses.replace(law, power_terms=None)
    a = [frontier_exponent(form, theta, 1e22, SIX_ND, 1e9, 2e10) for form in (law, numeric)]
    assert float(a[1]) == pytest.approx(float(a[0]), rel=1e-5)


def test_the_solver_takes_draws_and_budgets_by_name(law):
    rng = np.random.default_rng(0)
    theta = {p.name: xr.DataArray(rng.uniform(0.2, 0.5, (2, 5)), dims=("chain", "draw")) for p in law.parameters}
    budgets = xr.DataArray([1e20, 1e22, 1e24], dims="point")
    numeric = optimal_params(dataclasses.replace(law, power_terms=None), theta, budgets, SIX_ND, 1e9, 2e10)
    closed = optimal_params(law, theta, budgets, SIX_ND, 1e9, 2e10)
    assert numeric.sizes == {"point": 3, "chain": 2, "draw": 5}
    np.testing.assert_allclose(numeric, closed.transpose(*numeric.dims), rtol=1e-6)


def test_every_parameter_says_what_it_is(law):
    assert all(p.meaning and p.unit for p in (*law.parameters, *law.paper_parameters))
    assert get_law(law.name) is law


@pytest.mark.parametrize("mean", [lambda xp, n, d, t: 1 + d**-0.3 + 0 * n, lambda xp, n, d, t: 1 + n**-0.3 + 0 * d])
def test_a_loss_that_one_scale_alone_lowers_has_no_split(law, mean):
    runaway = dataclasses.replace(law, power_terms=None, mean=mean)
    theta = {p.name: 0.3 for p in law.parameters}
    with pytest.raises(QuestionError, match="no compute-optimal split at 1e\\+22 FLOP for 1 of 1 draws"):
        optimal_params(runaway, theta, 1e22, SIX_ND, 1e9, 2e10)


def test_an_unknown_law_is_refused_with_a_suggestion(law):
    with pytest.raises(QuestionError, match=f"no law '{law.name[:-1]}'.*Did you mean '{law.name}'"):
        get_law(law.name[:-1])
