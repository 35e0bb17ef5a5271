import numpy as np
import pytest

from bayescale.laws import get_law
from bayescale.laws.broken import broken

# Four-digit addition in the repository of Caballero et al. 2022: one break, abrupt, at 613 examples; E is their a.
ADDITION = {
    "E": 0.41388453071629455,
    "b": 2.2772722897737756,
    "c0": 0.055077348404973955,
    "c1": 5.662903816010331,
    "d1": 612.5836172918001,
    "f1": 0.059193036393742314,
}


@pytest.mark.parametrize(
    ("examples", "loss"),
    [
        (10, 2.4199154),
        (100, 2.1809810),
        (405, 2.0494552),
        (600, 1.7529204),
        (700, 1.1351728),
        (1000, 0.5109096),
        (4000, 0.4139196),
    ],
)
def test_four_digit_addition(examples, loss):
    law = get_law("broken-1")
    assert law.paper(np, ADDITION, x=examples) == pytest.approx(loss, abs=5.1e-8)
    x0 = {"x": 500.0}
    assert law.at(np, {"x": examples}, law.from_paper(np, ADDITION, x0), x0) == pytest.approx(loss, abs=5.1e-8)


THREE = {
    **{"E": 0.2, "b": 40.0, "c0": 0.1, "c1": 0.5, "f1": 0.3, "d1": 1e3},
    **{"c2": -0.4, "f2": 0.2, "d2": 3e5, "c3": 0.3, "f3": 0.5, "d3": 2e7},
}


def test_three_breaks_are_the_papers_product():
    # Caballero et al. 2022, eq. 1, as printed; where nothing overflows in it.
    x = np.geomspace(1, 1e10, 11)
    product = np.prod([(1 + (x / THREE[f"d{i}"]) ** (1 / THREE[f"f{i}"])) ** (-THREE[f"c{i}"] * THREE[f"f{i}"])
                       for i in (1, 2, 3)], axis=0)  # fmt: skip
    np.testing.assert_allclose(get_law("broken-3").paper(np, THREE, x=x), 0.2 + 40.0 * x**-0.1 * product, rtol=1e-12)


def test_slopes_on_log_axes_add_up_between_the_breaks():
    law = get_law("broken-3")

    def slope(x):
        here, there = (law.paper(np, THREE, x=at) - 0.2 for at in (x, x * 1.001))
        return np.log(there / here) / np.log(1.001)

    for x, published in ((1e-3, -0.1), (1.7e4, -0.6), (2.4e6, -0.2), (1e14, -0.5)):
        assert slope(x) == pytest.approx(published, abs=0.01)


def test_breaks_are_in_order_whatever_is_drawn():
    law, rng = get_law("broken-3"), np.random.default_rng(3)
    theta = {p.name: rng.uniform(*p.typical, 200) for p in law.parameters}
    raw = law.to_paper(np, theta, {"x": 1e7})
    assert np.all((raw["d1"] < raw["d2"]) & (raw["d2"] < raw["d3"]))
    np.testing.assert_allclose(np.log10(raw["d3"] / raw["d2"]), theta["decades_3"], rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2])
def test_a_break_that_changes_no_slope_is_no_break(n):
    more, fewer = broken(n + 1), broken(n)
    x, rng = {"x_rel": np.geomspace(1e-3, 1e3, 13)}, np.random.default_rng(n)
    theta = {p.name: rng.uniform(*p.typical) for p in more.parameters} | {f"c{n + 1}": 0.0}
    np.testing.assert_allclose(more.mean(np, x, theta), fewer.mean(np, x, theta), rtol=1e-13)


def test_without_any_bend_it_is_the_power_law_over_a_floor():
    x, theta = {"x_rel": np.geomspace(1e-3, 1e3, 13)}, {"E": 1.1, "from_x": 0.7, "break_1": 2.0, "c1": 0.0, "f1": 0.1}
    plain = get_law("power-floor").mean(np, x, theta | {"alpha": 0.3})
    np.testing.assert_allclose(get_law("broken-1").mean(np, x, theta | {"c0": 0.3}), plain, rtol=1e-13)


def test_it_describes_double_descent():
    # Falls at 0.3, rises at 0.2 between a tenth of and ten times the reference run, falls at 0.4 from there.
    theta = {"E": 0.5, "from_x": 1.0, "c0": 0.3, "break_1": 0.1, "c1": -0.5, "f1": 0.1, "decades_2": 2.0, "c2": 0.6,
             "f2": 0.1}  # fmt: skip
    x = np.geomspace(1e-4, 1e4, 801)
    loss = get_law("broken-2").mean(np, {"x_rel": x}, theta)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(loss)))) + 1
    assert x[turns] == pytest.approx([0.1, 10.0], rel=0.15)
    assert loss[turns[0]] < loss[turns[1]] < loss[0]
    assert loss[-1] < loss[turns[0]]
    assert get_law("broken-2").mean(np, {"x_rel": 1.0}, theta) == pytest.approx(1.5, rel=1e-13)


def test_an_abrupt_break_far_away_does_not_overflow():
    theta = {"E": 0.4, "from_x": 1.0, "c0": 0.1, "break_1": 1e-9, "c1": 0.2, "f1": 0.01}
    loss = get_law("broken-1").mean(np, {"x_rel": np.array([1e-12, 1e12])}, theta)
    # 1e9 times the break at either end of the law in log x: slopes 0.1 before it and 0.3 after it.
    assert loss - 0.4 == pytest.approx([10.0 ** (9 * 0.3 + 3 * 0.1), 10.0 ** (-12 * 0.3)], rel=1e-9)
