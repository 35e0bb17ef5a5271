from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitted import least_squares, log_rms

from bayescale.laws import get_law

POWER, FLOORED = get_law("power"), get_law("power-floor")
PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "runs.csv"


@pytest.mark.parametrize(("params", "loss"), [(1e6, 4.0159), (1e8, 2.8300), (1e9, 2.3756), (1e10, 1.9943)])
def test_loss_by_parameters(params, loss):
    # Kaplan et al. 2020, eq. 1.1: alpha_N 0.076, N_c 8.8e13.
    assert POWER.paper(np, {"alpha": 0.076, "x_c": 8.8e13}, x=params) == pytest.approx(loss, abs=5e-5)
    assert POWER.on("params").paper(np, {"alpha": 0.076, "x_c": 8.8e13}, params=params) == pytest.approx(loss, abs=5e-5)


@pytest.mark.parametrize(("alpha", "x_c"), [(0.076, 8.8e13), (0.095, 5.4e13), (0.057, 1.6e7), (0.050, 3.1e8)])
def test_each_law_of_kaplan_is_one_at_its_scale_and_falls_by_its_exponent(alpha, x_c):
    # Kaplan et al. 2020, eq. 1.1 (N), 1.2 (D), 3.3 (C at one batch size), 1.3 (least C; PF-days).
    one, tenth = POWER.paper(np, {"alpha": alpha, "x_c": x_c}, x=np.array([x_c, x_c / 10]))
    assert one == pytest.approx(1.0, rel=1e-12)
    assert np.log10(tenth) == pytest.approx(alpha, rel=1e-12)


@pytest.mark.parametrize(("pf_days", "loss"), [(1.12e4, 1.668), (1.06e5, 1.490)])
def test_loss_by_compute_where_kaplans_two_laws_cross(pf_days, loss):
    # Eq. 1.3, alpha_C 0.050 and C_c 3.1e8 PF-days, at the crossing of section 6.3 by Table 6 and by eq. 6.7.
    assert POWER.paper(np, {"alpha": 0.050, "x_c": 3.1e8}, x=pf_days) == pytest.approx(loss, abs=5e-4)


# Henighan et al. 2020, Table 1, nats a token, C in PF-days: (E, x0, alpha) by N and by C, then C0 and beta of N_opt.
HENIGHAN = {
    "language": ((0, 1.47e14, 0.070), (0, 3.47e8, 0.048), (3.3e-13, 0.73)),
    "image 8x8": ((3.12, 8.0e1, 0.24), (3.13, 1.8e-8, 0.19), (5.3e-14, 0.64)),
    "image 16x16": ((2.64, 2.8e2, 0.22), (2.64, 1.6e-8, 0.16), (4.8e-12, 0.75)),
    "image 32x32": ((2.20, 6.3e1, 0.13), (2.21, 3.6e-9, 0.1), (1.6e-13, 0.65)),
    "image VQ 16x16": ((3.99, 2.7e4, 0.13), (4.09, 6.1e-7, 0.11), (6.2e-14, 0.64)),
    "image VQ 32x32": ((3.07, 1.9e4, 0.14), (3.17, 2.6e-6, 0.12), (9.4e-13, 0.7)),
    "video VQ 16x16x16": ((1.01, 3.7e4, 0.24), (0.95, 2.2e-5, 0.14), (1.13e-12, 0.71)),
}


def henighan(row, x):
    floor, x_c, alpha = row
    if floor == 0:
        return POWER.paper(np, {"x_c": x_c, "alpha": alpha}, x=x)
    return FLOORED.paper(np, {"E": floor, "x_c": x_c, "alpha": alpha}, x=x)


def test_language_at_one_petaflop_day():
    # (3.47e8)^0.048 = 2.57, the coefficient of the law of GPT-3.
    assert henighan(HENIGHAN["language"][1], 1.0) == pytest.approx(2.57, abs=5e-3)


@pytest.mark.parametrize("domain", HENIGHAN)
def test_a_budget_never_reaches_the_converged_loss_of_its_best_size(domain):
    # L(C) is attained by N_opt(C) = (C / C0)^beta stopped early, so it lies above L(N_opt) of the same table.
    by_params, by_compute, (c0, beta) = HENIGHAN[domain]
    for budget in (1e-3, 1e-1, 1.0, 10.0):
        assert 0 < henighan(by_compute, budget) - henighan(by_params, (budget / c0) ** beta) < 0.4


def test_best_size_of_a_petaflop_day_as_the_text_has_it():
    # N_opt = (C / 4.8e-12)^0.75 for 16x16 images by Table 1; 2.8e8 C^0.74 in the text: one, as both are rounded.
    assert (1 / 4.8e-12) ** 0.74 < 2.8e8 < (1 / 4.8e-12) ** 0.75


@pytest.mark.parametrize("budget", [1e17, 1e18, 1e19])
def test_frontiers_that_agree_on_the_runs_differ_in_their_floors(budget):
    # Porian et al. 2024: L = 128.93 C^-0.106 + 2.01, and with one and two higher budgets more 97.27 C^-0.096 + 1.78 and
    # 87.16 C^-0.092 + 1.68.
    frontiers = ((128.93, 0.106, 2.01), (97.27, 0.096, 1.78), (87.16, 0.092, 1.68))
    laws = [{"E": floor, "x_c": a ** (1 / alpha), "alpha": alpha} for a, alpha, floor in frontiers]
    losses = [FLOORED.paper(np, law, x=budget) for law in laws]
    assert losses[0] == pytest.approx(128.93 * budget**-0.106 + 2.01, rel=1e-12)
    assert max(losses) - min(losses) < 0.03


@pytest.mark.parametrize(
    ("domain", "tokens", "c0", "alpha", "floor"),
    [
        ("image 16x16", 768, 1.7e10, 0.16, 2026),
        ("image 32x32", 3072, 2.7e26, 0.1, 6806),
        ("image VQ 16x16", 256, 4.7e15, 0.11, 1047),
        ("image VQ 32x32", 1024, 3.1e19, 0.12, 3246),
    ],
)
def test_loss_an_image_is_loss_a_token_times_its_tokens(domain, tokens, c0, alpha, floor):
    # Henighan et al. 2020, Table 3 (nats an image) against Table 1 (nats a token), each as rounded as it is printed.
    for budget in (1e-2, 1.0, 1e2):
        an_image = FLOORED.paper(np, {"E": floor, "x_c": c0, "alpha": alpha}, x=budget)
        assert an_image == pytest.approx(tokens * henighan(HENIGHAN[domain][1], budget), rel=4e-3)


def test_cerebras_published_law():
    # Dey et al. 2023: L = (C / 5.984e22)^-0.0737 + 0.5066, C in FLOP; at x_c the reducible part is 1.
    law = {"E": 0.5066, "x_c": 5.984e22, "alpha": 0.0737}
    compute = np.array([2.6e18, 1.3e19, 6.1e19, 2.8e20, 1.1e21, 6.3e21, 2.3e22])
    loss = np.array([2.566, 2.299, 2.184, 1.996, 1.834, 1.704, 1.575])
    assert FLOORED.paper(np, law, x=5.984e22) == pytest.approx(1.5066, rel=1e-12)
    # The losses are those of the model card, corrected since; the law was fitted before.
    error = np.abs(FLOORED.paper(np, law, x=compute) / loss - 1)
    assert error[2:].max() < 0.01
    assert error.max() < 0.031


STARTS = {"E": (0.05, 0.5, 1.5), "from_x": (0.3, 1.0), "loss_x": (2.0,), "alpha": (0.1, 0.3)}


# Least squares in log loss on published rows: E, alpha and log-RMS with a floor; alpha and log-RMS without.
@pytest.mark.parametrize(
    ("family", "column", "floored", "pure"),
    [
        ("GPT-3", "params", (1.620, 0.256, 0.0035), (0.0577, 0.028)),
        ("OPT", "params", (2.063, 0.247, 0.0061), None),
    ],
)
def test_least_squares_on_published_rows(family, column, floored, pure):
    rows = pd.read_csv(PUBLISHED).query("family == @family")
    inputs, loss = {"x": rows[column].to_numpy()}, rows.loss.to_numpy()
    theta, rms = least_squares(FLOORED, inputs, loss, STARTS)
    assert (theta["E"], theta["alpha"], rms) == pytest.approx(floored, abs=6e-4)
    assert log_rms(FLOORED, inputs, loss, theta, FLOORED.reference(inputs)) == pytest.approx(rms, rel=1e-9)
    if pure:
        theta, rms = least_squares(POWER, inputs, loss, STARTS)
        assert (theta["alpha"], rms) == pytest.approx(pure, abs=6e-4)


def test_gpt3_coefficient_at_a_billion():
    # The same fit printed as L = 1.620 + 0.655 (N / 1e9)^-0.256: log-RMS 0.0035 on the eight rows.
    rows = pd.read_csv(PUBLISHED).query("family == 'GPT-3'")
    theta = {"E": 1.620, "from_x": 0.655, "alpha": 0.256}
    rms = log_rms(FLOORED, {"x": rows.params.to_numpy()}, rows.loss.to_numpy(), theta, {"x": 1e9})
    assert rms == pytest.approx(0.0035, abs=6e-5)


def test_cerebras_rows_identify_no_floor():
    # Seven rows by Cerebras' own compute: E 0.100 and exponent 0.0554, or no floor and 0.0526: both log-RMS 0.0100.
    inputs = {"x": np.array([2.6e18, 1.3e19, 6.1e19, 2.8e20, 1.1e21, 6.3e21, 2.3e22])}
    loss = np.array([2.566, 2.299, 2.184, 1.996, 1.834, 1.704, 1.575])
    theta, rms = least_squares(FLOORED, inputs, loss, STARTS)
    assert (theta["E"], theta["alpha"], rms) == pytest.approx((0.100, 0.0554, 0.0100), abs=6e-4)
    theta, rms = least_squares(POWER, inputs, loss, STARTS)
    assert (theta["alpha"], rms) == pytest.approx((0.0526, 0.0100), abs=6e-5)


def test_without_a_floor_the_two_laws_are_one():
    theta = {"E": 0.0, "from_x": 1.7, "alpha": 0.2}
    x = {"x_rel": np.geomspace(1e-3, 1e3, 7)}
    np.testing.assert_array_equal(FLOORED.mean(np, x, theta), POWER.mean(np, x, {"loss_x": 1.7, "alpha": 0.2}))
    assert POWER.floor({"loss_x": 1.7, "alpha": 0.2}) == 0.0
    assert not POWER.has_floor
