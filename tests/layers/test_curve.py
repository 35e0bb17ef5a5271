import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayescale as bs
from bayescale.errors import CardError, DesignError
from bayescale.layers import respond
from bayescale.layers.course import course, log_density_along, of_curve
from bayescale.layers.curve import CURVE, known_along, one_row
from bayescale.layers.drift import SIDE, STEP, with_steps_beyond
from bayescale.modeling import prepare
from bayescale.runs.curves.bins import COUNT, HEAT, OF_RUN, binned

SIZES = (1e7, 3e7, 1e8, 3e8)
REFERENCE = {"params": 5e7, "tokens": 3e9}


def table(checkpoints=40, rates=False, seed=0):
    """Curves of four sizes, twice each, from 1B to 20B tokens."""
    rng, parts = np.random.default_rng(seed), []
    for place, n in enumerate(np.repeat(SIZES, 2)):
        d = np.linspace(1e9, 20e9, checkpoints)
        log_loss = np.log(1.7 + 400 / n**0.34 + 410 / d**0.28) + rng.normal(0, 0.01)
        part = pd.DataFrame({"run": f"r{place}", "params": n, "tokens": d, "loss": np.exp(log_loss)})
        parts.append(part.assign(lr_fraction=np.linspace(1, 0, checkpoints)) if rates else part)
    return pd.concat(parts, ignore_index=True)


def curves(**options):
    return bs.read_curves(table(**options), params_convention="total", filters=None)


def dense(theta, known, other=None):
    """The covariance of a run's errors written out, without the noise; known and theta are of one draw."""
    other = known if other is None else other
    u = np.sqrt(3) * np.abs(np.subtract.outer(known["clock"], other["clock"])) / theta["length"]
    excess = [
        theta["hot"] * np.exp(theta["hot_params"] * k["heat_params"] + theta["hot_tokens"] * k["heat_tokens"]) * k[HEAT]
        for k in (known, other)
    ]
    return (
        theta["offset_sd"] ** 2
        + theta["tilt_sd"] ** 2 * np.outer(known["decades"], other["decades"])
        + theta["wander_sd"] ** 2 * (1 + u) * np.exp(-u)
        + theta["hot_sd"] ** 2 * np.outer(*excess)
    ), excess[0]


HALF = {"dist": "HalfNormal", "sigma": 0.5}
LAPLACE = {"family": "Laplace", "sigma": {"dist": "Fixed", "value": 0.01}}
THETA = {
    **{"sigma": 0.004, "offset_sd": 0.011, "tilt_sd": 0.013, "wander_sd": 0.008},
    **{"hot": 0.03, "hot_sd": 0.2, "hot_params": 0.3, "hot_tokens": -0.1},
}


@pytest.fixture(scope="module")
def rows():
    return binned(curves(rates=True))


def draws_of(**values):
    return xr.Dataset({name: (("chain", "draw"), np.full((1, 2), value)) for name, value in values.items()})


def test_density_of_a_run_is_that_of_one_multivariate_normal(rows):
    mean = xr.DataArray(np.full((1, 2, rows.sizes["run"]), 2.9), dims=("chain", "draw", "run"))
    found = log_density_along(draws_of(**THETA), mean, rows, REFERENCE, 0.7)
    assert found["run"].values.tolist() == [f"r{k}" for k in range(8)]
    for name in ("r0", "r7"):
        mine = rows.isel(run=rows[OF_RUN].values == name)
        known = known_along(mine, REFERENCE)
        total, above = dense(THETA | {"length": 0.7}, known)
        total += np.diag(THETA["sigma"] ** 2 / known["count"])
        written_out = stats.multivariate_normal.logpdf(np.log(mine["loss"]), np.log(2.9) + above, total)
        assert found.sel(run=name).values[0, 0] == pytest.approx(written_out, rel=1e-9)


def test_course_is_the_conditional_normal_after_each_row(rows):
    mine = rows.isel(run=rows[OF_RUN].values == "r3")
    known, target = known_along(mine.isel(run=slice(0, -1)), REFERENCE), known_along(mine.isel(run=[-1]), REFERENCE)
    observed = np.log(mine["loss"].values[:-1])
    log_mean = np.full((2, mine.sizes["run"]), np.log(2.9))
    found = course(of_curve(draws_of(**THETA)), log_mean, known, observed, target, 0.7)
    theta = THETA | {"length": 0.7}
    for count in (0, 1, 5, observed.size):
        seen = {name: values[:count] for name, values in known.items()}
        own, there = dense(theta, target)
        here, above = dense(theta, seen)
        here += np.diag(THETA["sigma"] ** 2 / seen["count"])
        weights = np.linalg.solve(here, dense(theta, seen, target)[0]) if count else np.zeros((0, 1))
        expected = log_mean[0, -1] + there[0] + weights[:, 0] @ (observed[:count] - log_mean[0, :count] - above)
        variance = own[0, 0] - (weights[:, 0] @ dense(theta, seen, target)[0][:, 0] if count else 0)
        assert found.mean[1, count] == pytest.approx(expected, rel=1e-9)
        assert found.sd[1, count] == pytest.approx(np.sqrt(variance), rel=1e-6)


@pytest.mark.sampling
@pytest.mark.parametrize("name", ["chinchilla+curve", "chinchilla+drift+curve"])
def test_model_has_that_density_up_to_a_constant(name):
    log = curves(rates=True)
    card, rows = CURVE.prepare_rows(bs.load_card(name), log)
    model = bs.modeling.build_model(card, log)
    given = prepare(card, rows)
    law = {"E": 1.6, "from_params": 0.6, "from_tokens": 0.5, "alpha": 0.3, "beta": 0.25}
    law |= {"tau": 0.02, "tau_growth": 0.3} if card.discrepancy else {}
    steps = np.random.default_rng(2).standard_normal(2 * SIDE)
    values = model.initial_point()
    likelihood = model.compile_logp(vars=model.observed_RVs, jacobian=False)
    found, written_out = [], []
    lowest = float(rows["loss"].min())
    for shift in (0.0, 0.3):
        theta = {name: value * np.exp(shift) for name, value in (law | THETA).items()}
        point = dict(values)
        for name, value in theta.items():
            if name == "E":
                point["E_share_logodds__"] = np.array(np.log(value / lowest / (1 - value / lowest)))
            else:
                logged = f"{name}_log__" in values
                point[f"{name}_log__" if logged else name] = np.array(np.log(value) if logged else value)
        theta = xr.Dataset({name: (("chain", "draw"), [[value]]) for name, value in theta.items()})
        if card.discrepancy:
            point[STEP] = steps
            theta[STEP] = (("chain", "draw", "drift_cell"), steps[None, None])
            theta = with_steps_beyond(theta, given.spans, seed=1)
        found.append(float(likelihood(point)))
        inputs = {name: rows[name] for name in ("params", "tokens", "compute")}
        mean, _ = respond(card, dict(theta), inputs, given.reference, given.spans)
        written_out.append(float(log_density_along(theta, mean, rows, given.reference, card.curve.length).sum()))
    assert found[1] - found[0] == pytest.approx(written_out[1] - written_out[0], rel=1e-8)


def test_bins_are_the_same_places_however_often_one_logs():
    few, many = (binned(curves(checkpoints=count)) for count in (200, 400))
    assert few.sizes == many.sizes
    assert few[COUNT].sum() * 2 == many[COUNT].sum()
    np.testing.assert_allclose(few["tokens"], many["tokens"], rtol=0.03)
    np.testing.assert_allclose(few["loss"], many["loss"], rtol=0.01)
    assert set(few["params"].values.tolist()) == set(SIZES)  # not rounded


def test_annealing_is_asked_only_of_curves_whose_rate_falls():
    with_rates, _ = CURVE.prepare_rows(bs.load_card("chinchilla+curve"), curves(rates=True))
    without, _ = CURVE.prepare_rows(bs.load_card("chinchilla+curve"), curves())
    no_size, _ = CURVE.prepare_rows(bs.load_card("power:tokens+curve"), curves(rates=True))
    assert {"hot", "hot_sd", "hot_params", "hot_tokens"} <= set(with_rates.all_priors)
    assert not any(name.startswith("hot") for name in without.all_priors)
    assert "hot_params" not in no_size.all_priors
    assert "hot_tokens" in no_size.all_priors


def test_a_row_by_itself_has_the_density_that_its_run_has_of_one_row(rows):
    theta = {name: xr.DataArray([value], dims="draw") for name, value in THETA.items()}
    one = rows.isel(run=[3])
    above, sigma = one_row(theta, one, REFERENCE)
    known = known_along(one, REFERENCE)
    total, excess = dense(THETA | {"length": 0.7}, known)
    assert float(above.squeeze()) == pytest.approx(excess[0], rel=1e-12)
    assert float(sigma.squeeze() ** 2) == pytest.approx(
        total[0, 0] + THETA["sigma"] ** 2 / known["count"][0], rel=1e-12
    )
    # A run not yet made is annealed, and measured once.
    above, sigma = one_row(theta, {name: one[name] for name in ("params", "tokens")}, REFERENCE)
    assert above == 0.0
    total, _ = dense(THETA | {"length": 0.7, "hot": 0.0}, known)
    assert float(sigma.squeeze() ** 2) == pytest.approx(total[0, 0] + THETA["sigma"] ** 2, rel=1e-12)


def test_runs_tilt_about_the_reference_run_of_laws_that_take_no_tokens(rows):
    by_tokens = known_along(rows, REFERENCE)
    steps = rows.assign(step=rows["tokens"] / 1e6)
    by_steps = known_along(steps, {"params": 5e7, "step": 3e3, "batch": 1e6})
    np.testing.assert_allclose(by_steps["decades"], by_tokens["decades"], rtol=1e-9)
    compute = known_along(rows.assign(compute=6 * rows["params"] * rows["tokens"]), {"compute": 6 * 5e7 * 3e9})
    assert abs(compute["decades"]).max() < 3
    assert (known_along(rows, {"params": 5e7})["decades"] == 0).all()


def test_beliefs_about_curves_are_of_their_checkpoints():
    prior = bs.design.prior_predictive("chinchilla+curve", curves(rates=True))
    rows = binned(curves(rates=True))
    rows = rows.isel(run=rows[HEAT].values >= 0.02)  # without rates a cooled checkpoint has no bin of its own
    hot = np.flatnonzero(rows[HEAT].values > 0.9)
    scatter = np.log(prior["loss"] / prior["expected_loss"]).std("draw")
    assert float(scatter.median()) > 0.01  # a run's offset among it; the noise of a checkpoint is 0.2%
    at = prior["expected_loss_at_runs"].median("draw").values[binned(curves(rates=True))[HEAT].values >= 0.02]
    cold = bs.design.prior_predictive("chinchilla+curve", curves())["expected_loss_at_runs"].median("draw").values
    assert (at[hot] > 1.02 * cold[hot]).all()


def test_learning_rate_is_a_share_of_the_runs_peak():
    log = table().assign(lr=np.tile(np.linspace(4e-4, 1e-4, 40), 8))
    rows = binned(bs.read_curves(log, params_convention="total", filters=None))
    assert float(rows[HEAT].max()) == pytest.approx(1.0)
    assert float(rows[HEAT].min()) == pytest.approx(0.25, abs=0.1)


def test_bins_keep_the_groups_of_their_runs():
    frame = table().assign(corpus="web", arch="moe")
    rows = binned(bs.read_curves(frame, params_convention="total", filters=None, family=["corpus", "arch"]))
    assert {name: set(rows[name].values) for name in ("family", "corpus", "arch")} == {
        "family": {"web / moe"},
        "corpus": {"web"},
        "arch": {"moe"},
    }


def test_a_branch_that_was_cooled_has_bins_of_its_own():
    hot = table(checkpoints=20).assign(lr_fraction=1.0)
    cool = hot[hot["tokens"] > 5e9].assign(lr_fraction=0.0)
    cool = cool.assign(tokens=cool["tokens"] * 1.01, loss=cool["loss"] * 0.97)
    rows = binned(bs.read_curves(pd.concat([hot, cool]), params_convention="total", filters=None))
    assert set(rows[HEAT].values.tolist()) == {0.0, 1.0}
    assert (np.diff(rows["tokens"].values)[np.diff(pd.factorize(rows[OF_RUN].values)[0]) == 0] > 0).all()


@pytest.mark.parametrize("name", ["chinchilla+drift+curve", "chinchilla+curve+drift"])
def test_names_join_with_other_ends(name):
    card = bs.load_card(name)
    assert card.name == name
    assert card.discrepancy is not None
    assert card.curve is not None
    assert "sigma_growth" not in card.all_priors  # a checkpoint's noise is the same at all sizes
    mine = bs.cards.make_card({"extends": "chinchilla", "curve": "curve", "discrepancy": "drift"})
    assert (mine.discrepancy, mine.curve, mine.noise) == (card.discrepancy, card.curve, card.noise)


def test_errors_that_finished_runs_share_are_refused():
    with pytest.raises(CardError, match=r"errors.budget: .*bs.runs.final_runs\(curves\)"):
        bs.load_card("chinchilla+curve+budget")


def test_names_join_with_a_column():
    assert bs.load_card("power:tokens+curve").on("step").name == "power:step+curve"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"extends": "accuracy", "curve": "curve"}, "curve: checkpoints are of loss; this law predicts accuracy"),
        ({"extends": "chinchilla", "curve": {}, "noise": LAPLACE}, "the noise of a checkpoint is Normal, got Laplace"),
        ({"extends": "chinchilla", "curve": {"length": -1.0}}, "curve.length"),
        (
            {"extends": "chinchilla", "curve": {"offset_sd": {"dist": "Normal", "mu": 0, "sigma": 1}}},
            "must be positive",
        ),
        ({"extends": "chinchilla", "curve": {"offset": 1}}, "curve.offset: unknown key"),
        ({"extends": "chinchilla", "curve": {}, "errors": {"design": HALF}}, "errors.design: a card with a curve"),
        ({"extends": "chinchilla", "curve": {}, "pooling": {"sigma": "none(family)"}}, "pooling.sigma: .* complete"),
        (
            {"extends": "chinchilla", "curve": {}, "discrepancy": {"sigma_growth": HALF}},
            "sigma_growth: the noise of a checkpoint is the same at all sizes",
        ),
    ],
)
def test_wrong_tables_are_refused(content, said):
    with pytest.raises(CardError, match=said):
        bs.cards.make_card(content)


def test_a_plain_card_on_curves_and_a_curve_card_on_runs_are_refused():
    with pytest.raises(DesignError, match=r"these are learning curves.*'chinchilla\+curve'.*bs.runs.final_runs"):
        bs.fit(curves(), "chinchilla")
    with pytest.raises(DesignError, match="is of learning curves, and these are 92 finished runs"):
        bs.fit(bs.load_shipped("tinylm"), "chinchilla+curve")


def test_too_few_curves_are_refused():
    two = curves().isel(checkpoint=slice(80))
    with pytest.raises(DesignError, match="2 runs, 2 of them with checkpoints at more than one place"):
        bs.modeling.build_model(bs.load_card("power:tokens+curve"), two)


def test_what_curves_can_teach_is_asked_of_their_last_checkpoints():
    with pytest.raises(DesignError, match=r"identifiability\(bs.runs.final_runs\(curves\), 'chinchilla'\)"):
        bs.design.identifiability(curves(), "chinchilla+curve")


def test_a_card_names_the_rules_by_which_checkpoints_are_left_out():
    card = bs.cards.make_card({"extends": "chinchilla", "curve": {"filters": {"first": 0.3, "spike": False}}})
    curves = bs.runs.load_shipped_curves("tinylm", filters=card.curve.filters)
    assert CURVE.prepare_rows(card, curves)[1].sizes["run"] > 0
    with pytest.raises(DesignError, match=r"rule 'first tokens' is 'within the first 30%.*were read with 'with"):
        CURVE.prepare_rows(card, bs.runs.load_shipped_curves("tinylm"))
    with pytest.raises(DesignError, match=r"these curves were read with 'it off'\. Read them with filters=card"):
        CURVE.prepare_rows(card, bs.runs.load_shipped_curves("tinylm", filters=None))
    some = bs.runs.load_shipped_curves("tinylm", filters={"first": 0.3})
    with pytest.raises(DesignError, match="rule 'spike' is 'off'"):
        CURVE.prepare_rows(card, some)


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"frist": 0.1}, "no 'frist'.*mean 'first'"),
        ({"first": True}, "first = True; accepted: a number, 0 or more, or"),
    ],
)
def test_a_card_with_a_rule_that_is_none_is_refused(filters, said):
    with pytest.raises(CardError, match=f"curve.filters.*{said}"):
        bs.cards.make_card({"extends": "chinchilla", "curve": {"filters": filters}})
