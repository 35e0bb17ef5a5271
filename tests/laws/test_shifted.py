import numpy as np
import pandas as pd
import pytest
from fitted import least_squares, log_rms

from bayescale.laws import get_law

LAW = get_law("shifted")
STARTS = {"E": (0.1, 0.5), "from_x": (0.2,), "loss_x": (0.5,), "alpha": (0.3, 1.0)}


def test_it_is_a_power_of_the_shifted_inverse():
    # Alabdulmohsin et al. 2022, M3: y = beta (1/x + gamma)^c.
    x = np.geomspace(1e3, 1e12, 10)
    paper = {"beta": 30.0, "gamma": 2e-8, "alpha": 0.23}
    np.testing.assert_allclose(LAW.paper(np, paper, x=x), 30.0 * (1 / x + 2e-8) ** 0.23, rtol=1e-12)
    assert LAW.floor(LAW.from_paper(np, paper, {"x": 1e6})) == pytest.approx(30.0 * 2e-8**0.23, rel=1e-12)


def test_it_falls_as_a_power_and_reaches_the_floor_as_the_inverse():
    theta = {"E": 1.0, "from_x": 2.0, "alpha": 0.3}

    def slope(x, floor):
        here, there = (LAW.mean(np, {"x_rel": at}, theta) - floor for at in (x, x * 1.001))
        return np.log(there / here) / np.log(1.001)

    assert LAW.mean(np, {"x_rel": 1.0}, theta) == pytest.approx(3.0, rel=1e-12)
    assert slope(1e-7, 0.0) == pytest.approx(-0.3, abs=1e-4)
    assert slope(1e6, 1.0) == pytest.approx(-1.0, abs=1e-3)


# Root mean square of log residuals at the largest x, which the fit by plain least squares in log loss has not seen, on
# the curves of Alabdulmohsin et al.: M1, M2, M3. The M1 of the first and third language curve is not repeated by it.
HELD_OUT = {
    "6 Enc, 6 Dec": (0.2619, 0.0561, 0.0176),
    "28 Enc, 6 Dec": (0.1709, 0.0636, 0.0164),
    "6 Enc, 28 Dec": (0.2340, 0.0661, 0.0099),
    "Dec-only": (0.2520, 0.0376, 0.0164),
    "TEnc-LSTM": (0.1899, 0.0174, 0.0060),
    "1.68e+07": (None, 0.0003, 0.0018),
    "1.34e+08": (0.0143, 0.0014, 0.0021),
    "2.62e+08": (None, 0.0013, 0.0057),
    "4.53e+08": (0.0165, 0.0008, 0.0038),
    "1.07e+09": (0.0171, 0.0018, 0.0032),
}


@pytest.mark.parametrize("curve", HELD_OUT)
def test_held_out_error_on_the_curves_of_the_benchmark(shared_data, curve):
    rows = pd.read_csv(shared_data / "revisiting" / "revisiting_lang.csv").query("Model == @curve")
    rows = rows[rows.Domain.isin(["NMT", "LM"])]
    x, loss, seen = rows["Seen Examples"].to_numpy(float), rows.Loss.to_numpy(), rows.Training.to_numpy() == 1
    for name, published in zip(("power", "power-floor", "shifted"), HELD_OUT[curve], strict=True):
        if published is None:
            continue
        law = get_law(name)
        theta, _ = least_squares(law, {"x": x[seen]}, loss[seen], STARTS)
        error = log_rms(law, {"x": x[~seen]}, loss[~seen], theta, law.reference({"x": x[seen]}))
        assert error == pytest.approx(published, abs=1.1e-4), name
