"""The drift of a law: its process, the same in PyTensor and in NumPy, and how a card says it."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pinned import BESIROGLU, simulated_frame, simulated_runs
from pytensor.compile.mode import Mode
from scipy import integrate, stats
from scipy.special import expit
from simulated import simulated_from

import bayescale as bs
from bayescale.cards import Card, load_card, make_card
from bayescale.errors import CardError
from bayescale.inference import log_likelihood
from bayescale.layers import respond, spans_of
from bayescale.layers.drift import (
    BEYOND,
    CELL,
    DRIFT,
    SIDE,
    STEP,
    basis,
    below_top,
    drift,
    with_steps_beyond,
)
from bayescale.layers.pooling import of_name
from bayescale.layers.spans import Span, decades_below
from bayescale.modeling import build_model, prepare

PY = Mode("py", None)  # nothing is compiled
SPAN = Span(18.0, 20.0, 21.0)
INSIDE = 2 * SIDE
CELLS = INSIDE + len(BEYOND) - 1
POINT = Span(20.0, 20.0, 20.0)


def at(t, span=SPAN):
    return basis(10.0 ** np.asarray(t, dtype=float), span)


def variance(t, span=SPAN, growth=0.0):
    """Of delta at log10 scale `t`, of steps that are independent standard normals, for tau = 1."""
    return ((at(t, span) * np.exp(growth * below_top(span))) ** 2).sum(-1)


# The process


def test_delta_and_its_slope_are_zero_in_the_middle_of_the_runs():
    np.testing.assert_array_equal(at(20.0), np.zeros(CELLS))
    step = 1e-4
    assert np.abs(at([20 - step, 20 + step])).max() / step < 3 * step, "curvature is at most 1 / sqrt(width) = 2"


@pytest.mark.parametrize("side", [-1, 1])
def test_the_variance_within_the_runs_is_that_of_an_integrated_wiener_process(side):
    # Var of the integral of W from 0 to h: h^3 / 3. Cells of constant curvature are its midpoint rule, short of it by
    # sum(width^3) / 12, which is exact for the parabola (h - s)^2.
    width = (2.0 if side < 0 else 1.0) / SIDE
    h = width * np.arange(1, SIDE + 1)
    np.testing.assert_allclose(variance(20 + side * h), h**3 / 3 - np.arange(1, SIDE + 1) * width**3 / 12, rtol=1e-9)
    assert variance(20 + side * h[-1]) == pytest.approx(h[-1] ** 3 / 3, rel=1 / (4 * SIDE**2) + 1e-9)


def test_the_variance_beyond_the_runs_goes_on_as_within():
    widths = np.concatenate([np.full(SIDE, 1 / SIDE), np.diff(BEYOND)])
    h = 1 + BEYOND[1:]
    lost = np.cumsum(widths**3 / 12)[SIDE:]
    np.testing.assert_allclose(variance(20 + h), h**3 / 3 - lost, rtol=1e-9)
    # Wide cells are far out, where they matter little.
    np.testing.assert_allclose(variance(20 + h), h**3 / 3, rtol=0.03)


@pytest.mark.parametrize("h", [1.0, 2.0, 4.0])
def test_a_rate_that_fades_beyond_the_runs_has_the_closed_form(h):
    # Rate exp(-growth s) at s decades beyond the top: Var = int_0^h exp(-2 growth s) (h - s)^2 ds, done by parts.
    growth, a = 0.8, 1.6
    closed = h**2 / a - 2 * h / a**2 + 2 * (1 - np.exp(-a * h)) / a**3
    assert closed == pytest.approx(integrate.quad(lambda s: np.exp(-a * s) * (h - s) ** 2, 0, h)[0], rel=1e-9)
    assert variance(20 + h, POINT, growth) == pytest.approx(closed, rel=0.05)
    assert variance(20 + h, POINT, growth) < variance(20 + h, POINT)


def test_delta_and_its_slope_are_continuous_across_cells():
    t = np.linspace(16, 36, 40001)
    step = t[1] - t[0]
    values = at(t)
    slope = np.diff(values, axis=0) / step
    assert np.abs(np.diff(slope, axis=0)).max() <= 2.001 * step, "a jump of value or slope would not shrink with step"


def test_below_the_smallest_run_delta_goes_on_straight():
    t = np.array([18.0, 17.0, 16.0])
    np.testing.assert_allclose(np.diff(at(t), n=2, axis=0), 0, atol=1e-12)


def test_steps_beyond_the_runs_do_nothing_within_them():
    values = at(np.linspace(18, 21, 50))
    assert not values[:, INSIDE:].any()
    assert values[:, :INSIDE].any(axis=0).all()
    assert at(21.2)[INSIDE:].any()


def test_how_far_below_the_top_each_cell_lies():
    below = below_top(SPAN)
    # By hand: half decades down from the middle, which is a decade below the top; quarters up to the top and beyond it.
    np.testing.assert_allclose(below[:SIDE], [1.25, 1.75, 2.25, 2.75])
    np.testing.assert_allclose(below[SIDE:INSIDE], [0.875, 0.625, 0.375, 0.125])
    np.testing.assert_allclose(below[INSIDE : INSIDE + 2], [-0.125, -0.375])
    np.testing.assert_allclose(decades_below(np.array([1e19, 1e21, 1e25]), SPAN), [2, 0, 0])


@pytest.mark.parametrize("span", [POINT, Span(18.0, 21.0, 21.0), Span(20.0, 20.0, 21.0)])
def test_a_side_without_runs_has_no_steps_to_take(span):
    values = at(np.linspace(16, 26, 101), span)
    assert np.isfinite(values).all()
    down, up = values[:, :SIDE], values[:, SIDE:INSIDE]
    assert down.any() == (span.low < span.middle)
    assert up.any() == (span.middle < span.high)
    # Beyond the top it starts from where it would.
    h = span.high + 1 - span.middle
    assert variance(span.high + 1, span) == pytest.approx(h**3 / 3, rel=0.02)


def test_spans_are_of_the_fitted_runs():
    runs = simulated_runs()
    (span,) = spans_of(load_card("chinchilla+drift"), runs).values()
    logs = np.log10(runs["compute"].values)
    assert span == (logs.min(), np.median(logs), logs.max())
    assert spans_of(load_card("chinchilla"), runs) == {}
    assert prepare(load_card("chinchilla+drift"), runs).spans["compute"] == span


# Steps beyond the runs


def steps(families=None, chains=2, draws=3000, cells=INSIDE, seed=0):
    dims, shape = ("chain", "draw", CELL), (chains, draws, cells)
    if families:
        dims, shape = ("chain", "draw", "family", CELL), (chains, draws, len(families), cells)
    values = np.random.default_rng(seed).standard_normal(shape)
    coords = {"family": families} if families else {}
    return xr.Dataset({STEP: (dims, values), "tau": (("chain", "draw"), np.ones(shape[:2]))}, coords)


def test_steps_beyond_the_runs_come_from_their_prior_once():
    posterior = steps()
    found = with_steps_beyond(posterior, {"compute": SPAN}, seed=1)[STEP]
    assert found.dims == ("chain", "draw", "along", CELL)
    assert found["along"].values.tolist() == ["compute"]
    np.testing.assert_array_equal(found.isel({CELL: slice(INSIDE)}).sel(along="compute"), posterior[STEP])
    beyond = found.isel({CELL: slice(INSIDE, None)}).values.reshape(6000, -1)
    np.testing.assert_allclose(beyond.mean(0), 0, atol=5 / np.sqrt(6000))
    np.testing.assert_allclose(np.cov(beyond.T), np.eye(CELLS - INSIDE), atol=5 * np.sqrt(2 / 6000))
    again = with_steps_beyond(posterior, {"compute": SPAN}, seed=1)[STEP]
    np.testing.assert_array_equal(again, found)
    other = with_steps_beyond(posterior, {"compute": SPAN}, seed=2)[STEP]
    assert (other.isel({CELL: slice(INSIDE, None)}) != found.isel({CELL: slice(INSIDE, None)})).all()


def test_each_scale_and_family_has_its_own_steps():
    posterior = steps(families=["a", "b"], draws=5, cells=2 * INSIDE)
    found = with_steps_beyond(posterior, {"params": SPAN, "tokens": POINT}, seed=1)[STEP]
    assert found.sizes == {"chain": 2, "draw": 5, "family": 2, "along": 2, CELL: CELLS}
    inside = found.isel({CELL: slice(INSIDE)})
    np.testing.assert_array_equal(inside.sel(along="params"), posterior[STEP].isel({CELL: slice(INSIDE)}))
    np.testing.assert_array_equal(inside.sel(along="tokens"), posterior[STEP].isel({CELL: slice(INSIDE, None)}))
    beyond = found.isel({CELL: slice(INSIDE, None)})
    assert (beyond.sel(family="a") != beyond.sel(family="b")).all()
    assert (beyond.sel(along="params") != beyond.sel(along="tokens")).all()


def test_a_posterior_without_a_drift_is_left_as_it_is():
    posterior = steps(draws=2)
    assert with_steps_beyond(posterior, {}, seed=1) is posterior


# One response, two engines


def constrained(point):
    """Sampled values by parameter, from PyMC's unconstrained ones."""
    undo = {"_log__": np.exp, "_logodds__": expit}
    ends = {name: next((end for end in undo if name.endswith(end)), "") for name in point}
    return {name.removesuffix(end): undo.get(end, np.asarray)(point[name]) for name, end in ends.items()}


def steps_at(model, point):
    """The steps at a point of the model, which samples them in other coordinates."""
    (steps,) = model.replace_rvs_by_values([model[STEP]])
    return model.compile_fn(steps, inputs=model.value_vars, mode=PY, on_unused_input="ignore")(point)


def as_posterior(card, data, values):
    """One draw of a posterior, as `fit` keeps it."""
    found = {}
    for name, prior in card.all_priors.items():
        if prior.dist == "Fixed":
            found[name] = prior.arguments["value"]
        else:
            scale = float(data.arrays[of_name(prior)]) if prior.of else 1.0
            found[name] = values[f"{name}_share" if prior.of else name] * scale
    out = xr.Dataset({name: (("chain", "draw"), np.full((1, 1), value)) for name, value in found.items()})
    dims = ("chain", "draw", "family", CELL) if len(data.families) > 1 else ("chain", "draw", CELL)
    out[STEP] = (dims, values[STEP][None, None])
    return out.assign_coords(family=list(data.families)) if len(data.families) > 1 else out


def drifting(**table):
    """Chinchilla with a drift, all else shared by the families."""
    pooling = dict.fromkeys(("default", "E"), "complete")
    return make_card({"extends": "chinchilla", "pooling": pooling, "discrepancy": table or "drift"}, "drifting")


def two_families():
    frames = [simulated_frame(sizes=3, ratios=3, noise=0.01, seed=i, family=name) for i, name in enumerate("ba")]
    return bs.read_runs(pd.concat(frames))


CARDS = {
    "compute": {},
    "params and tokens": {"along": ["params", "tokens"]},
    "a rate that is known": {"tau": {"dist": "Fixed", "value": 0.02}},
}


@pytest.mark.parametrize("table", CARDS.values(), ids=CARDS)
@pytest.mark.parametrize("families", [False, True], ids=["one family", "families"])
def test_the_graph_and_the_numpy_response_agree(table, families):
    card = drifting(**table)
    runs = two_families() if families else simulated_runs(sizes=3, ratios=3, noise=0.01)
    model, data = build_model(card, runs), prepare(card, runs)
    rng = np.random.default_rng(3)
    point = {name: np.asarray(v + rng.standard_normal(np.shape(v))) for name, v in model.initial_point().items()}
    logp = model.logp(vars=[model["log_loss"]], jacobian=False, sum=False)
    (graph,) = model.compile_fn(logp, point_fn=True, mode=PY, on_unused_input="ignore")(point)
    values = constrained(point) | {STEP: steps_at(model, point)}
    posterior = with_steps_beyond(as_posterior(card, data, values), data.spans, 1)
    numpy = log_likelihood(data, posterior)["log_loss"].isel(chain=0, draw=0)
    np.testing.assert_allclose(numpy, graph, rtol=1e-8)
    # And the drift is part of it.
    still = posterior.assign({STEP: 0.0 * posterior[STEP]})
    assert np.abs(log_likelihood(data, still)["log_loss"].isel(chain=0, draw=0) - graph).max() > 0.01


# In which coordinates steps are sampled


@pytest.mark.parametrize("families", [False, True], ids=["one family", "families"])
def test_whitened_steps_are_the_same_model_in_other_coordinates(families):
    card = drifting()
    model = build_model(card, two_families() if families else simulated_runs(sizes=3, ratios=3, noise=0.01))
    rng = np.random.default_rng(4)
    point = {name: np.asarray(v + rng.standard_normal(np.shape(v))) for name, v in model.initial_point().items()}
    steps, name = steps_at(model, point), f"{STEP}_whitened__"

    def density(**options):
        terms = model.compile_logp(vars=[model[STEP]], sum=False, mode=PY, **options)(point)
        return float(np.sum(terms))

    # Without the Jacobian the density is that of the prior; with it, by how much the map stretches as well.
    np.testing.assert_allclose(density(jacobian=False), stats.norm.logpdf(steps).sum(), rtol=1e-10)

    def map_at(u):
        return steps_at(model, point | {name: u.reshape(point[name].shape)}).ravel()

    u, width = point[name].ravel(), 1e-4
    columns = [(map_at(u + width * e) - map_at(u - width * e)) / (2 * width) for e in np.eye(u.size)]
    volume = np.linalg.slogdet(np.array(columns))[1]
    np.testing.assert_allclose(density() - density(jacobian=False), volume, rtol=1e-6)


def test_with_normal_noise_the_steps_are_integrated_out_exactly():
    normal = {"family": "Normal", "sigma": {"dist": "LogNormal", "median": 0.01, "sigma": 0.8}}
    growth = {"dist": "Fixed", "value": 0.15}
    card = make_card({"extends": "chinchilla", "noise": normal, "discrepancy": {"sigma_growth": growth}}, "drifting")
    runs = simulated_runs(sizes=4, ratios=4, noise=0.01)
    model, data, name = build_model(card, runs), prepare(card, runs), f"{STEP}_whitened__"
    rng = np.random.default_rng(5)
    point = {k: np.asarray(v + 0.3 * rng.standard_normal(np.shape(v))) for k, v in model.initial_point().items()}
    logp = model.compile_logp(vars=[model[STEP], model["log_loss"]], mode=PY)
    collapsed = logp(point) - stats.norm.logpdf(point[name]).sum()
    # Whatever the steps are, what is left is the density of the runs without them.
    other = point | {name: rng.standard_normal(point[name].shape)}
    np.testing.assert_allclose(logp(other) - stats.norm.logpdf(other[name]).sum(), collapsed, rtol=1e-9)
    values = constrained(point) | {STEP: np.zeros(INSIDE)}
    posterior = as_posterior(card, data, values).squeeze()
    law = bs.laws.get_law("chinchilla").at(np, data.runs, posterior, data.reference)
    (span,) = data.spans.values()
    compute = data.runs["compute"].values
    rate = float(posterior["tau"]) * np.exp(float(posterior["tau_growth"]) * below_top(span)[:INSIDE])
    effect = basis(compute, span)[:, :INSIDE] * rate
    scatter = float(posterior["sigma"]) * np.exp(0.15 * decades_below(compute, span))
    covariance = effect @ effect.T + np.diag(scatter**2)
    exact = stats.multivariate_normal.logpdf(data.arrays["observed"], np.log(law.values), covariance)
    np.testing.assert_allclose(collapsed, exact, rtol=1e-9)


def test_families_drift_each_on_its_own():
    runs, card = two_families(), drifting()
    model = build_model(card, runs)
    assert model[STEP].eval(mode=PY).shape == (2, INSIDE)
    assert model.named_vars_to_dims[STEP] == ("family", CELL)
    assert [model[name].ndim for name in ("tau", "tau_growth", "sigma_growth")] == [0, 0, 0]
    theta = {name: xr.DataArray(value) for name, value in (("tau", 0.01), ("tau_growth", 0.0))}
    one = xr.zeros_like(with_steps_beyond(steps(["a", "b"], 1, 1), {"compute": SPAN}, 1)[STEP])
    one.loc[{"family": "b"}] = 1.0
    delta = drift(theta | {STEP: one}, {"compute": xr.DataArray([1e19, 1e22], dims="point")}, {"compute": SPAN})
    assert not delta.sel(family="a").any()
    np.testing.assert_allclose(delta.sel(family="b").values.ravel(), 0.01 * at([19.0, 22.0]).sum(-1))


def test_the_response_is_the_laws_times_the_drift_and_scatters_more_below():
    card, law = drifting(), bs.laws.get_law("chinchilla")
    reference = {"params": 1e9, "tokens": 2e10}
    flat = xr.DataArray(np.ones((1, 1)), dims=("chain", "draw"))
    theta = {name: flat * value for name, value in law.from_paper(np, BESIROGLU, reference).items()}
    theta |= {"tau": 0.02 * flat, "tau_growth": 0.5 * flat, "sigma_growth": 0.35 * flat, "sigma": 0.01 * flat}
    drawn = np.random.default_rng(0).standard_normal(CELLS)
    theta[STEP] = xr.DataArray(drawn[None, None, None], dims=("chain", "draw", "along", CELL)).assign_coords(
        along=["compute"]
    )
    n = np.array([1e8, 1e9, 1e11])
    inputs = {name: xr.DataArray(v, dims="point") for name, v in (("params", n), ("tokens", 20 * n))}
    inputs["compute"] = 6 * inputs["params"] * inputs["tokens"]
    mean, local = respond(card, theta, inputs, reference, {"compute": SPAN})
    c = np.log10(120 * n**2)
    delta = 0.02 * (at(c) * np.exp(0.5 * below_top(SPAN))) @ drawn
    expected = law.paper(np, BESIROGLU, params=n, tokens=20 * n) * np.exp(delta)
    np.testing.assert_allclose(mean.values.ravel(), expected, rtol=1e-9)
    np.testing.assert_allclose(local["sigma"].values.ravel(), 0.01 * np.exp(0.35 * np.maximum(21 - c, 0)))
    # Without a drift neither changes.
    mean, local = respond(load_card("chinchilla"), theta, inputs, reference, {})
    np.testing.assert_allclose(mean.values.ravel(), law.paper(np, BESIROGLU, params=n, tokens=20 * n), rtol=1e-9)
    assert local["sigma"] is theta["sigma"]


# Cards


def test_a_name_that_ends_in_drift_is_the_same_card_with_the_shipped_discrepancy():
    plain, card = load_card("chinchilla"), load_card("chinchilla+drift")
    assert plain.discrepancy is None
    assert card.name == "chinchilla+drift"
    assert card.model_dump(exclude={"name", "discrepancy"}) == plain.model_dump(exclude={"name", "discrepancy"})
    assert list(card.all_priors)[-3:] == list(card.discrepancy.priors) == ["tau", "tau_growth", "sigma_growth"]
    assert Card.model_validate_json(json.dumps(card.model_dump(mode="json"))) == card


@pytest.mark.parametrize(
    ("name", "along"),
    [
        ("chinchilla+drift", ("compute",)),
        ("kaplan-steps+drift", ("compute",)),
        ("power:tokens+drift", ("tokens",)),
        ("power-floor:compute+drift", ("compute",)),
        ("power-floor:compute", ()),
    ],
)
def test_a_law_drifts_along_compute_where_it_follows_or_what_it_takes_first(name, along):
    card = load_card(name)
    assert card.name == name
    assert DRIFT.scales(card) == along


@pytest.mark.parametrize("name", bs.list_cards())
def test_every_card_of_a_loss_may_drift(name):
    if load_card(name).get_law().response != "loss":
        with pytest.raises(CardError, match="a drift is of log loss; this law predicts"):
            load_card(f"{name}+drift")
        return
    card = load_card(f"{name}+drift")
    data = prepare(card, simulated_from(card))
    assert data.arrays["drift_basis"].shape == (data.arrays["observed"].size, INSIDE)
    assert data.arrays["drift_basis"].any()
    assert all(np.isfinite(data.arrays[k]).all() for k in ("drift_basis", "drift_below", "run_below"))
    assert data.arrays["run_below"].min() == 0 < data.arrays["run_below"].max()


def test_a_drift_in_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "chinchilla"\ndiscrepancy = "drift"\n')
    card = load_card(path)
    assert card.discrepancy == load_card("chinchilla+drift").discrepancy
    assert load_card(f"{path}+drift") == card, "it has one of its own already"
    path.write_text('extends = "chinchilla"\n')
    assert load_card(path).discrepancy is None
    assert load_card(f"{path}+drift").name == "mine+drift"


def test_a_table_changes_the_shipped_discrepancy_where_it_says_so():
    shipped = load_card("chinchilla+drift").discrepancy
    wider = {"dist": "HalfNormal", "sigma": 0.1}
    card = make_card({"extends": "chinchilla", "discrepancy": {"tau": wider, "along": ["params", "compute"]}})
    assert card.discrepancy.tau.arguments == {"sigma": 0.1}
    assert card.discrepancy.tau_growth == shipped.tau_growth
    assert DRIFT.scales(card) == ("params", "compute")
    assert make_card({"extends": "chinchilla", "discrepancy": "none"}).discrepancy is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"along": ["tokns"]}, "discrepancy.along: 'tokns' is no scale.*mean 'tokens'.*compute, params, tokens"),
        ({"along": ["width"]}, "discrepancy.along: 'width' is no scale that the law takes"),
        ({"along": []}, "discrepancy.along: name at least one scale"),
        ({"kind": "jump"}, "discrepancy.kind: .*'drift'"),
        ({"tau": {"dist": "HalfNorml", "sigma": 1}}, "discrepancy.tau: .*HalfNorml.*HalfNormal"),
        ("dirft", "discrepancy: "),
    ],
)
def test_a_discrepancy_that_is_not_understood_is_refused(given, said):
    with pytest.raises(CardError, match=f"(?s){said}"):
        make_card({"extends": "chinchilla", "discrepancy": given})


def test_an_unknown_card_is_named_as_it_was_asked():
    with pytest.raises(CardError, match=r"no model 'chinchila'.*mean 'chinchilla'"):
        load_card("chinchila+drift")
