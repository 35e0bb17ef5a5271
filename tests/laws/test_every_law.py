"""What must hold for any law that is listed; a new one is tested by being in LAWS."""

import dataclasses
from functools import cache
from itertools import cycle

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
from bayescale.laws.inputs import complete_inputs
from bayescale.laws.scales import scale_of

# A reference run; 1e6 of anything else.
KNOWN = {"params": 1e9, "tokens": 2e10, "unique_tokens": 5e9, "compute": 1.2e20}
NO_SPLIT = {"multiplicative"}  # takes N and D, yet has no interior optimum
DECADES = st.floats(5, 10).map(lambda z: 10.0**z)


def parametrized(laws):
    return pytest.mark.parametrize("law", laws, ids=[law.name for law in laws])


every_law = parametrized(list(LAWS.values()))
with_closed_form = parametrized([law for law in LAWS.values() if law.power_terms])
with_split = parametrized([law for law in LAWS.values() if law.has_split])


def reference_of(law):
    return {name: KNOWN.get(name, 1e6) for name in law.inputs if scale_of(name).relative}


def value_at(name, position):
    """The input at a position from 0 to 1 of the values met in practice, in its own unit."""
    scale = scale_of(name)
    low, high = scale.typical
    if not scale.relative:
        return low + (high - low) * position
    return KNOWN.get(name, 1e6) * low * (high / low) ** position


@st.composite
def thetas(draw, law):
    return {p.name: draw(st.floats(*p.typical)) for p in law.parameters}


@st.composite
def runs(draw, law):
    return {name: value_at(name, draw(st.floats(0, 1))) for name in law.inputs}


def middle(law):
    return {p.name: np.mean(p.typical) for p in law.parameters}


def others(law):
    """What a split takes beside N and D, in the middle of what is met in practice."""
    free = ("params", "tokens", "compute", "step")
    return {name: value_at(name, 0.5) for name in law.inputs if name not in free}


@cache
def tensor_function(name):
    """The response and its gradients by every input and every parameter."""
    law = LAWS[name]
    given_ = {name: pt.dscalar(name) for name in (*law.inputs, *law.parameter_names)}
    theta = {p: given_[p] for p in law.parameter_names}
    response = law.at(pt, {name: given_[name] for name in law.inputs}, theta, reference_of(law))
    # Pure Python: nothing is compiled.
    return pytensor.function(
        list(given_.values()), [response, *pt.grad(response, list(given_.values()))], mode=Mode("py", None)
    )


def response_and_gradient(law, inputs, theta):
    names = (*law.inputs, *law.parameter_names)
    response, *slopes = (float(v) for v in tensor_function(law.name)(*inputs.values(), *theta.values()))
    return response, dict(zip(names, slopes, strict=True))


@every_law
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_tensors_arrays_and_named_arrays_agree(law, data):
    theta, inputs, x0 = data.draw(thetas(law)), data.draw(runs(law)), reference_of(law)
    response = float(law.at(np, inputs, theta, x0))
    assert np.isfinite(response)
    assert response_and_gradient(law, inputs, theta)[0] == pytest.approx(response, rel=1e-12)
    array = law.at(np, {k: np.array([v, v]) for k, v in inputs.items()}, theta, x0)
    np.testing.assert_allclose(array, [response] * 2, rtol=1e-12)
    points = {k: xr.DataArray([v], dims="point") for k, v in inputs.items()}
    draws = {k: xr.DataArray([v], dims="draw") for k, v in theta.items()}
    named = law.at(np, points, draws, x0)
    assert set(named.dims) == {"point", "draw"}
    np.testing.assert_allclose(named.values, response, rtol=1e-12)


@every_law
@given(data=st.data(), low=st.floats(0, 0.998), step=st.floats(0.002, 1))
@settings(max_examples=20, deadline=None)
def test_the_response_falls_or_rises_with_what_the_law_says(law, data, low, step):
    theta, inputs = data.draw(thetas(law)), data.draw(runs(law))
    for name, sign in (*((f, -1) for f in law.falls_with), *((r, 1) for r in law.rises_with)):
        less, more = (inputs | {name: value_at(name, position)} for position in (low, min(low + step, 1.0)))
        here, slopes = response_and_gradient(law, less, theta)
        there = float(law.at(np, more, theta, reference_of(law)))
        gain = sign * slopes[name] * less[name] / here
        assert gain >= -1e-12
        # A term too small to show beside the other one cannot move a floating-point sum.
        assert sign * (there - here) > 0 if gain > 1e-9 else sign * (there / here - 1) >= -1e-12


@every_law
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_no_loss_lies_below_the_floor(law, data):
    if law.floor is None:
        assert not law.has_floor
        return
    theta = data.draw(thetas(law))
    response = law.at(np, data.draw(runs(law)), theta, reference_of(law))
    assert response >= law.floor(theta) >= 0
    assert (law.floor(theta) > 0) == law.has_floor


@every_law
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_gradients_are_the_finite_differences(law, data):
    theta, inputs = data.draw(thetas(law)), data.draw(runs(law))
    here, slopes = response_and_gradient(law, inputs, theta)
    values, h = inputs | theta, 1e-5
    least = {p.name: 0.01 * max(np.abs(p.typical)) for p in law.parameters}
    for name, slope in slopes.items():
        step = h * max(abs(values[name]), least.get(name, 1e-3))
        up, down = (values | {name: values[name] + s} for s in (step, -step))
        ends = [float(tensor_function(law.name)(*at.values())[0]) for at in (up, down)]
        rounding = 3e-8 * abs(here) * h / step
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=rounding), name


@every_law
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_there_and_back_between_the_reference_run_and_the_paper(law, data):
    theta, x0 = data.draw(thetas(law)), {name: data.draw(DECADES) for name in reference_of(law)}
    paper = law.to_paper(np, theta, x0)
    assert set(paper) == {p.name for p in law.paper_parameters}
    assert not set(paper) & set(theta)
    assert law.from_paper(np, theta | paper, x0) == pytest.approx(theta, rel=1e-9, abs=1e-12)


@every_law
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_neither_reference_run_nor_units_change_the_response(law, data):
    theta, x0 = data.draw(thetas(law)), {name: data.draw(DECADES) for name in reference_of(law)}
    inputs = {k: v * x0[k] / KNOWN.get(k, 1e6) if k in x0 else v for k, v in data.draw(runs(law)).items()}
    response = float(law.at(np, inputs, theta, x0))
    raw = theta | law.to_paper(np, theta, x0)
    assert law.paper(np, raw, **inputs) == pytest.approx(response, rel=1e-8)
    elsewhere = {name: value * factor for (name, value), factor in zip(x0.items(), cycle((7.3, 1 / 41)), strict=False)}
    assert law.at(np, inputs, law.from_paper(np, raw, elsewhere), elsewhere) == pytest.approx(response, rel=1e-8)
    # In other units, from the same draws: what counts in tokens goes together, what the law fixes stays.
    fixed = {scale_of(name).unit for name in law.fixed_units}
    units = {scale_of(name).unit for name in x0} - fixed
    factors = {unit: 10.0**-k for k, unit in enumerate(sorted(units), 2)}
    change = {name: factors.get(scale_of(name).unit, 1.0) for name in x0}
    small = theta | law.to_paper(np, theta, {name: value * change[name] for name, value in x0.items()})
    there = law.paper(np, small, **{name: value * change.get(name, 1.0) for name, value in inputs.items()})
    assert there == pytest.approx(response, rel=1e-8)


@with_closed_form
@given(data=st.data(), log_compute=st.floats(19, 27))
@settings(max_examples=20, deadline=None)
def test_closed_frontier_is_the_solvers_and_meets_the_first_order_condition(law, data, log_compute):
    theta, compute, x0 = data.draw(thetas(law)), 10.0**log_compute, reference_of(law)
    closed = float(optimal_params(law, theta, compute, SIX_ND, x0))
    best = {"params": closed, "tokens": SIX_ND.tokens(closed, compute)}
    here, slopes = response_and_gradient(law, best, theta)
    assert best["params"] * slopes["params"] == pytest.approx(best["tokens"] * slopes["tokens"], rel=1e-8)
    h = 1e-2
    around = [{"params": closed * f, "tokens": best["tokens"] / f} for f in (np.exp(-h), np.exp(h))]
    left, right = (law.at(np, inputs, theta, x0) for inputs in around)
    curvature = (left + right - 2 * here) / h**2 / here
    assume(curvature > 1e-6)
    assert here < min(left, right)
    # Near its minimum a loss is flat: rounding hides steps in log N below sqrt(2 epsilon / curvature) from any solver.
    numeric = optimal_params(dataclasses.replace(law, power_terms=None), theta, compute, SIX_ND, x0)
    assert float(numeric) == pytest.approx(closed, rel=max(1e-6, 8 * np.sqrt(2 * np.finfo(float).eps / curvature)))


@with_split
@pytest.mark.parametrize("compute", [1e20, 1e23])
def test_the_split_meets_the_first_order_condition_or_is_refused(law, compute):
    theta, x0, rest = middle(law), reference_of(law), others(law)
    if law.name in NO_SPLIT:
        with pytest.raises(QuestionError, match="no compute-optimal split"):
            optimal_params(law, theta, compute, SIX_ND, x0, at=rest)
        return
    best = float(optimal_params(law, theta, compute, SIX_ND, x0, at=rest))
    known = complete_inputs(law, {"params": best, "compute": compute} | rest, SIX_ND)
    _, slopes = response_and_gradient(law, {name: known[name] for name in law.inputs}, theta)
    # A larger model leaves fewer tokens, and fewer steps at the same batch.
    lost = sum(known[name] * slopes[name] for name in ("tokens", "step") if name in slopes)
    assert best * slopes["params"] == pytest.approx(lost, rel=1e-5)


@with_closed_form
def test_frontier_exponent_is_the_local_slope_of_the_solver(law):
    numeric = dataclasses.replace(law, power_terms=None)
    a = [frontier_exponent(form, middle(law), 1e22, SIX_ND, reference_of(law)) for form in (law, numeric)]
    assert float(a[1]) == pytest.approx(float(a[0]), rel=1e-5)


@with_closed_form
def test_the_solver_takes_draws_and_budgets_by_name(law):
    rng = np.random.default_rng(0)
    theta = {p.name: xr.DataArray(rng.uniform(0.2, 0.5, (2, 5)), dims=("chain", "draw")) for p in law.parameters}
    budgets = xr.DataArray([1e20, 1e22, 1e24], dims="point")
    numeric = optimal_params(dataclasses.replace(law, power_terms=None), theta, budgets, SIX_ND, reference_of(law))
    closed = optimal_params(law, theta, budgets, SIX_ND, reference_of(law))
    assert numeric.sizes == {"point": 3, "chain": 2, "draw": 5}
    np.testing.assert_allclose(numeric, closed.transpose(*numeric.dims), rtol=1e-6)


@every_law
def test_every_parameter_says_what_it_is(law):
    assert all(p.meaning and p.unit for p in (*law.parameters, *law.paper_parameters))
    assert all(p.typical[0] < p.typical[1] for p in law.parameters)
    assert all(p.typical[0] >= 0 for p in law.parameters if p.support != "real")
    assert all(p.typical[1] <= 1 for p in law.parameters if p.support == "share")
    assert law.equation
    assert law.source
    assert set(law.falls_with) | set(law.rises_with) | set(law.fixed_units) <= set(law.inputs)
    assert get_law(law.name) is law


@pytest.mark.parametrize("mean", [lambda xp, x, t: 1 + x["d"] ** -0.3, lambda xp, x, t: 1 + x["n"] ** -0.3])
def test_a_loss_that_one_scale_alone_lowers_has_no_split(mean):
    law = get_law("chinchilla")
    runaway = dataclasses.replace(law, power_terms=None, mean=mean)
    with pytest.raises(QuestionError, match="no compute-optimal split at 1e\\+22 FLOP for 1 of 1 draws"):
        optimal_params(runaway, middle(law), 1e22, SIX_ND, reference_of(law))


@every_law
def test_an_unknown_law_is_refused_with_a_suggestion(law):
    with pytest.raises(QuestionError, match=f"no law '{law.name}x'.*Did you mean '{law.name}'"):
        get_law(law.name + "x")
