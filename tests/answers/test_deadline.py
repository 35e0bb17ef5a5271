import numpy as np
import pytest
import xarray as xr

from bayescale.answers.critical_batch import cost_of_deadline, fastest_and_cheapest, time_and_compute
from bayescale.errors import QuestionError

# Kaplan et al. 2020, Table 3, with B_star and alpha_B of eq. 1.4.
TABLE_3 = {"N_c": 6.5e13, "alpha_N": 0.077, "S_c": 2.1e3, "alpha_S": 0.76, "B_star": 2e8, "alpha_B": 0.21}
LIMIT = {"max_accelerators": 256, "tokens_per_accelerator": 8192}


def drawn(spread=0.3, draws=500, seed=0):
    """Kaplan's constants with an uncertain critical batch and an uncertain number of steps."""
    rng = np.random.default_rng(seed)
    scatter = {name: np.exp(spread * rng.standard_normal((2, draws))) for name in ("B_star", "S_c")}
    return TABLE_3 | {k: xr.DataArray(TABLE_3[k] * v, dims=("chain", "draw")) for k, v in scatter.items()}


def front_of(constants=TABLE_3, **options):
    return time_and_compute(constants, 2.6, "2B", **{"seconds_per_step": 2} | options)


def test_the_fastest_takes_every_accelerator_and_the_cheapest_the_smallest_batch():
    front = front_of(**LIMIT)
    best = fastest_and_cheapest(front).set_xindex("choice")
    allowed = front.isel(point=front["feasible"].values)
    assert best["time"].sel(choice="fastest").item() == allowed["time"].min().item()
    assert best["compute"].sel(choice="cheapest").item() == allowed["compute"].min().item()
    assert best["batch"].sel(choice="fastest").item() == 256 * 8192
    assert best["accelerators"].sel(choice="fastest").item() == 256
    assert float(front["time"].min()) < float(best["time"].min())  # more accelerators than there are would be faster


def test_a_limit_below_every_batch_is_an_error():
    with pytest.raises(
        QuestionError, match=r"allows no batch beyond 2.1e\+06 tokens, and the smallest looked at is 4e"
    ):
        fastest_and_cheapest(front_of(batches=["4M", "8M"], **LIMIT))


def test_a_deadline_of_twice_the_shortest_time_doubles_the_compute():
    # Kaplan et al. 2020, eq. 5.1: at twice the fewest steps, twice the fewest tokens.
    front = front_of()
    cost = cost_of_deadline(front, 2 * front["shortest_time"].item())
    assert cost["extra_compute"].item() == pytest.approx(1, rel=1e-9)
    assert cost["needed_batch"].item() == pytest.approx(front["critical_batch"].item(), rel=1e-9)
    assert cost["time"].item() == pytest.approx(cost["deadline"].item(), rel=1e-9)


def test_the_recommended_batch_is_in_time_as_surely_as_asked():
    front = front_of(drawn())
    cost = cost_of_deadline(front, ["12h", "1d", "3d"], sure=0.8)
    in_time = (cost["time"] <= cost["deadline"] * (1 + 1e-12)).mean(("chain", "draw"))
    np.testing.assert_allclose(in_time, 0.8, atol=2e-3)
    assert bool((cost["batch"].diff("point") < 0).all())  # more time, a smaller batch
    assert bool((cost["extra_compute"].median(("chain", "draw")).diff("point") < 0).all())
    least = front_of(drawn())["least_compute"]
    np.testing.assert_allclose(cost["compute"], (1 + cost["extra_compute"]) * least, rtol=1e-12)


def test_surer_costs_more():
    front = front_of(drawn())
    batches = [cost_of_deadline(front, "1d", sure=sure)["batch"].item() for sure in (0.5, 0.9, 0.99)]
    assert batches == sorted(batches)
    assert batches[0] < batches[2]


def test_what_no_batch_can_do_is_missing_and_its_probability_is_said():
    front = front_of(drawn())
    at = float(front["shortest_time"].quantile(0.3))
    cost = cost_of_deadline(front, [at, 1.0])
    np.testing.assert_allclose(cost["p_possible"], [0.3, 0], atol=2e-3)
    assert bool(cost["batch"].isnull().all())
    assert bool(cost["compute"].isnull().all())


def test_the_limit_of_accelerators_decides_which_deadlines_can_be_met():
    front = front_of(drawn(), **LIMIT)
    fastest = fastest_and_cheapest(front).isel(point=0)["time"]
    middle = float(fastest.median())
    cost = cost_of_deadline(front, [middle, 10 * middle])
    assert float(cost["p_possible"][0]) == pytest.approx(0.5, abs=2e-3)
    assert bool(cost["batch"].isnull()[0])
    assert float(cost["batch"][1]) < 256 * 8192
    assert float(cost["accelerators"][1]) == np.ceil(float(cost["batch"][1]) / 8192)


@pytest.mark.parametrize(
    ("said", "seconds"), [("90min", 5400), ("12h", 43200), ("1.5d", 129600), ("7200", 7200), ("30 s", 30), (60, 60)]
)
def test_deadlines_as_people_write_them(said, seconds):
    assert cost_of_deadline(front_of(), said)["deadline"].item() == seconds


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda: cost_of_deadline(front_of(), "soon"),
            "deadline 'soon' is not understood. Accepted: seconds, or 90min",
        ),
        (lambda: cost_of_deadline(front_of(), -3), "deadline -3 is not understood"),
        (lambda: cost_of_deadline(front_of(), "1d", sure=1.0), "sure: got 1.0"),
        (lambda: cost_of_deadline(time_and_compute(TABLE_3, 2.6, "2B"), "1d"), "with seconds_per_step"),
    ],
)
def test_a_wrong_deadline_is_refused(ask, said):
    with pytest.raises(QuestionError, match=said):
        ask()
