import numpy as np
import pandas as pd
import pytest
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, pinned_fit, simulated_frame, with_errors

import bayescale as bs
from bayescale.errors import QuestionError, UnconvergedError
from bayescale.posterior import Posterior
from bayescale.trust import grade

LAW = bs.laws.get_law("chinchilla")
# Two families, of which one has none of the larger models.
SMALLER = {"long": "params > 0", "short": "params < 2e8"}


@pytest.fixture(scope="module")
def fit():
    return pinned_fit()


@pytest.fixture(scope="module")
def two():
    return pinned_fit(families={"old": ROUNDED, "new": BESIROGLU})


def test_expected_loss_is_the_laws(fit):
    found = Posterior(fit).expect({"params": 70e9, "tokens": 1.4e12})
    np.testing.assert_allclose(found, 1.97388, atol=6e-6)
    assert found.dims == ("chain", "draw")


def test_the_reference_run_is_no_part_of_the_answer():
    far = [bs.extrapolate(pinned_fit(params0=n, tokens0=d), "100x")["expected_loss"] for n, d in ((1, 1), (3e8, 9e10))]
    np.testing.assert_allclose(far[0], far[1], rtol=1e-9)


# Where


def test_compute_alone_is_answered_at_the_recommended_split(fit):
    largest = Posterior(fit).seen["compute"][1]
    far = bs.extrapolate(fit, "100x")
    assert far.sizes == {"chain": 2, "draw": 250, "point": 1}
    np.testing.assert_allclose(far["compute"], 100 * largest)
    np.testing.assert_allclose(far["params"] * far["tokens"] * 6, far["compute"], rtol=1e-12)
    g = (0.3478 * 482.01 / (0.3658 * 2085.43)) ** (1 / (0.3478 + 0.3658))
    np.testing.assert_allclose(far["params"], g * (100 * largest / 6) ** (0.3658 / (0.3478 + 0.3658)), rtol=1e-10)
    wanted = LAW.paper(np, BESIROGLU, params=float(far["params"][0]), tokens=float(far["tokens"][0]))
    np.testing.assert_allclose(far["expected_loss"], wanted, rtol=1e-12)
    np.testing.assert_allclose(far["decades_beyond"], 2)
    assert far.attrs["question"] == "loss at the recommended split"


@pytest.mark.parametrize("compute", [1e24, "1e24", [1e24], ["1e24"], np.array([1e24]), np.float64(1e24)])
def test_compute_may_be_written_in_many_ways(fit, compute):
    np.testing.assert_allclose(bs.extrapolate(fit, compute)["compute"], [1e24])


@pytest.mark.parametrize("entry", ["100x", "100X", " 100 x", "1e2x", "100×"])
def test_so_may_a_multiple(fit, entry):
    np.testing.assert_allclose(bs.extrapolate(fit, entry)["decades_beyond"], [2])


def test_a_list_may_mix_both(fit):
    far = bs.extrapolate(fit, ["10x", 1e24, "1x"])
    np.testing.assert_allclose(
        far["compute"], [10 * Posterior(fit).seen["compute"][1], 1e24, Posterior(fit).seen["compute"][1]]
    )
    np.testing.assert_allclose(far["decades_beyond"], np.log10(far["compute"] / Posterior(fit).seen["compute"][1]))
    assert far["expected_loss"].sizes["point"] == 3


def test_decades_are_negative_inside_the_data(fit):
    assert float(bs.extrapolate(fit, "0.1x")["decades_beyond"][0]) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("question", "n", "d", "c"),
    [
        ({"params": "70B", "tokens": "1.4T"}, [70e9], [1.4e12], [5.88e23]),
        ({"params": 70e9, "compute": 5.88e23}, [70e9], [1.4e12], [5.88e23]),
        ({"tokens": 1.4e12, "compute": "5.88e23"}, [70e9], [1.4e12], [5.88e23]),
        ({"params": [1e9, 2e9], "tokens": 2e10}, [1e9, 2e9], [2e10, 2e10], [1.2e20, 2.4e20]),
        ({"params": 1e9, "tokens": [2e10, 4e10]}, [1e9, 1e9], [2e10, 4e10], [1.2e20, 2.4e20]),
        ({"params": [1e9, 2e9], "compute": [1.2e20, 2.4e20]}, [1e9, 2e9], [2e10, 2e10], [1.2e20, 2.4e20]),
        ({"params": [1e9], "compute": [1.2e20, 2.4e20]}, [1e9, 1e9], [2e10, 4e10], [1.2e20, 2.4e20]),
    ],
)
def test_two_of_the_three_say_where(fit, question, n, d, c):
    far = bs.extrapolate(fit, **question)
    for name, wanted in (("params", n), ("tokens", d), ("compute", c)):
        np.testing.assert_allclose(far[name], wanted, rtol=1e-12)
    wanted = [LAW.paper(np, BESIROGLU, params=p, tokens=t) for p, t in zip(n, d, strict=True)]
    np.testing.assert_allclose(far["expected_loss"].isel(chain=0, draw=0), wanted, rtol=1e-12)
    assert far.attrs["question"] == "loss at the given N and D"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({}, "say where.*got none of them"),
        ({"params": 1e9}, "say where.*got params"),
        ({"params": 1e9, "tokens": 1e9, "compute": 1e20}, "say where.*got compute, params, tokens"),
        ({"compute": "lots"}, "compute 'lots' is not understood.*100x.*1e26"),
        ({"compute": "x"}, "compute 'x' is not understood"),
        ({"compute": -1e20}, "compute -1e\\+20 is not understood"),
        ({"compute": [1e20, 0]}, "compute 0 is not understood"),
        ({"compute": float("nan")}, "compute nan is not understood"),
        ({"compute": "infx"}, "compute 'infx' is not understood"),
        ({"params": -1e9, "tokens": 1e9}, "params: got -1000000000.0; accepted: a number above 0"),
        ({"params": 1e9, "tokens": "many"}, "tokens: .*many"),
        ({"params": [1e9, 2e9], "tokens": [1e9, 2e9, 3e9]}, "params and tokens must be of equal length"),
    ],
)
def test_a_wrong_question_is_refused(fit, question, said):
    with pytest.raises(QuestionError, match=said):
        bs.extrapolate(fit, **question)


# Noise and its share


def test_the_loss_of_one_run_scatters_by_sigma(fit):
    fit = pinned_fit(sigma=0.02, draws=5000)
    far = bs.extrapolate(fit, params=70e9, tokens=1.4e12)
    ratio = np.log(far["loss"] / far["expected_loss"])
    # nu is a million here: normal. The standard error of the mean of 10,000 draws is 0.0002, of the sd 0.00014.
    assert float(ratio.mean()) == pytest.approx(0, abs=8e-4)
    assert float(ratio.std()) == pytest.approx(0.02, abs=6e-4)


def test_a_heavy_tail_is_drawn_as_such():
    far = bs.extrapolate(pinned_fit(sigma=0.01, nu=2.0, draws=5000), params=70e9, tokens=1.4e12)
    z = np.log(far["loss"] / far["expected_loss"]).values.ravel() / 0.01
    # Student t with 2 degrees of freedom: 90% within 2.92, 99.9% within 31.6.
    assert np.mean(np.abs(z) < 2.92) == pytest.approx(0.90, abs=0.012)
    assert np.abs(z).max() > 15


def test_pinned_parameters_leave_all_of_the_band_to_noise(fit):
    far = bs.extrapolate(fit, "100x")
    np.testing.assert_allclose(far["share_noise"], 1)
    np.testing.assert_allclose(far["share_parameters"], 0, atol=1e-12)


def test_without_noise_all_of_the_band_is_the_parameters():
    far = bs.extrapolate(pinned_fit(sigma=1e-9, spread=0.02), "100x")
    np.testing.assert_allclose(far["share_parameters"], 1, atol=1e-6)
    np.testing.assert_allclose(far["share_noise"] + far["share_parameters"], 1)


def test_the_shares_compare_squared_widths():
    far = bs.extrapolate(pinned_fit(spread=0.01, sigma=0.01, draws=2000), ["1x", "1000x"])
    low, high = (np.log(far["expected_loss"]).quantile(q, ("chain", "draw")).values for q in (0.05, 0.95))
    noise = np.log(far["loss"] / far["expected_loss"])
    width = noise.quantile(0.95, ("chain", "draw")).values - noise.quantile(0.05, ("chain", "draw")).values
    np.testing.assert_allclose(far["share_noise"], width**2 / (width**2 + (high - low) ** 2), rtol=1e-9)


def test_the_same_seed_gives_the_same_draws(fit):
    one, two, other = (bs.extrapolate(fit, "100x", seed=s)["loss"] for s in (5, 5, 6))
    assert one.identical(two)
    assert not one.equals(other)


# Errors that runs share


def apart(far):
    """By how much each new run lies off what is expected of it, in logs: a row for each draw."""
    off = np.log(far["loss"] / far["expected_loss"]).transpose("chain", "draw", ...)
    return off.values.reshape(off.sizes["chain"] * off.sizes["draw"], -1)


def test_what_runs_share_is_told_apart_from_their_noise():
    plain = pinned_fit(sigma=0.01, spread=0.003, draws=4000)
    fit = with_errors(plain, budget=0.02, lean=0.5)
    far, without = (bs.extrapolate(one, params=70e9, tokens=1.4e12) for one in (fit, plain))
    shares = [float(far[f"share_{part}"].item()) for part in ("parameters", "errors", "noise")]
    assert sum(shares) == pytest.approx(1)
    # Both are normal: squared widths are as the variances. A point is in the middle of its profile, which has no lean.
    assert shares[1] / shares[2] == pytest.approx(4, rel=0.08)
    assert float(apart(far).std()) == pytest.approx(np.hypot(0.01, 0.02), rel=0.03)
    np.testing.assert_allclose(far["expected_loss"], without["expected_loss"])
    assert "share_errors" not in without


def test_runs_asked_of_one_budget_err_alike_and_those_of_another_do_not():
    fit = with_errors(pinned_fit(sigma=0.01, draws=4000), budget=0.02)
    far = bs.extrapolate(fit, params=["1B", "3B", "1B"], compute=["1e22", "1e22", "1e23"])
    # Of the variance 0.8 is shared; the standard error of a correlation of 8000 draws is 0.011 at most.
    wanted = [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(np.corrcoef(apart(far).T), wanted, atol=0.045)
    alone = bs.extrapolate(fit, params="3B", compute="1e22")
    np.testing.assert_allclose(apart(alone).std(), apart(far)[:, 1].std(), rtol=0.03)


@pytest.mark.parametrize(
    ("key", "alike", "between"), [("design", 0, 0), ("budget", 0.8, 0), ("family", 0.8, 0), ("seed", 0, 0)]
)
def test_what_is_shared_is_shared_within_a_family(two, key, alike, between):
    fit = with_errors(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}, sigma=0.01, draws=4000), **{key: 0.02})
    where = {"params": ["1B", "3B", "1B"], "compute": ["1e22"] * 3}
    rho = np.corrcoef(apart(bs.extrapolate(fit, **where)).T)  # points, and of each the families
    again = 0.8 if key == "design" else alike
    found = [rho[0, 2], rho[0, 4], rho[0, 1], rho[0, 3]]
    np.testing.assert_allclose(found, [alike, again, between, between], atol=0.045)
    one = np.corrcoef(apart(bs.extrapolate(fit, **where, family="old")).T)
    np.testing.assert_allclose([one[0, 1], one[0, 2]], [alike, again], atol=0.045)


# Families


def test_a_question_lies_its_own_distance_beyond_each_family():
    frames = [simulated_frame(sizes=4, ratios=4, family=name).query(kept) for name, kept in SMALLER.items()]
    runs = bs.read_runs(pd.concat(frames))
    fit = pinned_fit(families=dict.fromkeys(SMALLER, BESIROGLU), runs=runs, reference={"params": 1e9, "tokens": 2e10})
    largest = [float(runs["compute"].values[runs["family"].values == name].max()) for name in SMALLER]
    assert largest[0] / largest[1] > 10
    wanted = np.log10(np.array([[10.0], [100.0]]) * largest[0] / largest)
    for answer in (bs.extrapolate(fit, ["10x", "100x"]), bs.optimal_split(fit, ["10x", "100x"])):
        np.testing.assert_allclose(answer["decades_beyond"], [1, 2])
        np.testing.assert_allclose(answer["family_decades_beyond"].sel(family=list(SMALLER)), wanted)
    far = bs.extrapolate(fit, ["10x", "100x"], family="short")
    np.testing.assert_allclose(far["family_decades_beyond"], wanted[:, 1])
    assert f"{wanted[1, 1]:.1f} decades of compute beyond the largest run of its family" in grade(far, point=1).sentence
    assert "family_decades_beyond" not in bs.extrapolate(pinned_fit(), "10x").coords


def test_each_family_follows_its_own_parameters(two):
    far = bs.extrapolate(two, params=70e9, tokens=1.4e12)
    assert far["loss"].dims == ("chain", "draw", "point", "family")
    np.testing.assert_allclose(far["expected_loss"].sel(family="old"), 1.93665, atol=6e-6)
    np.testing.assert_allclose(far["expected_loss"].sel(family="new"), 1.97388, atol=6e-6)


def test_each_family_is_split_in_its_own_way(two):
    far = bs.extrapolate(two, 5.76e23)
    assert set(far["params"].dims) == {"point", "family"}
    np.testing.assert_allclose(far["params"].sel(family="old"), 3.219e10, rtol=5e-4)
    np.testing.assert_allclose(far["params"].sel(family="new"), 7.225e10, rtol=5e-4)


def test_one_family_can_be_asked_for(two):
    far = bs.extrapolate(two, 5.76e23, family="old")
    assert far["loss"].dims == ("chain", "draw", "point")
    np.testing.assert_allclose(far["expected_loss"], 1.93075, atol=6e-6)
    assert Posterior(two).families == ["new", "old"]


def test_an_unknown_family_suggests(two):
    with pytest.raises(QuestionError, match=r"no family 'odl'.*Did you mean 'old'.*Families: new, old"):
        bs.extrapolate(two, "100x", family="odl")


def test_theta_of_gives_the_law_and_the_noise(two):
    assert set(Posterior(two).theta) == {*LAW.parameter_names, "sigma", "nu"}
    assert Posterior(two, "old").theta["E"].dims == ("chain", "draw")


# What goes with every answer


@pytest.mark.parametrize(
    "ask",
    [
        lambda f, **k: bs.extrapolate(f, "100x", **k),
        lambda f, **k: bs.optimal_split(f, "100x", **k),
        bs.irreducible_loss,
    ],
)
def test_an_unconverged_posterior_is_not_quoted(ask):
    bad = pinned_fit(verdict=FAILED)
    with pytest.raises(UnconvergedError) as caught:
        ask(bad)
    assert "7 of 4000 draws diverged." in str(caught.value)
    assert "chinchilla" in str(caught.value)
    assert "allow_unconverged" in str(caught.value)
    assert ask(bad, allow_unconverged=True).attrs["verdict"] == "NOT CONVERGED"


@pytest.mark.parametrize("ask", [bs.extrapolate, bs.optimal_split])
def test_every_answer_says_where_it_comes_from(fit, ask):
    attrs = ask(fit, "100x").attrs
    assert attrs["verdict"] == "converged"
    assert attrs["model"] == "chinchilla"
    assert attrs["loss_unit"] == "nats/token"
    assert attrs["cost"] == "6ND"
    assert attrs["runs_sha256"] == fit.attrs["sha256"]
    assert attrs["largest_run_flop"] == Posterior(fit).seen["compute"][1]


def test_another_law_is_asked_in_the_same_way():
    far = bs.extrapolate(pinned_fit("kaplan", KAPLAN), params=1e9, tokens=22e9)
    np.testing.assert_allclose(far["expected_loss"], 2.3693, atol=6e-5)
