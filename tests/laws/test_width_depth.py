import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares
from scipy.special import huber

from bayescale.laws import get_law

LAW, CHINCHILLA = get_law("width-depth"), get_law("chinchilla")
COLUMNS = {"params_active_precise": "params", "final_loss": "loss"}


def coefficients(exponents, logs, log_floor):
    """In the order of McLeish et al.'s own files: width, depth, parameters, tokens; coefficients as logarithms."""
    paper = dict(zip(("alpha_w", "alpha_z", "alpha", "beta"), exponents, strict=True))
    return paper | dict(zip(("A_w", "A_z", "A", "B"), np.exp(logs), strict=True)) | {"E": np.exp(log_floor)}


# The authors' repository, parameters_delta-4: their fit to the checkpoints after the learning rate was annealed, their
# fit beyond 100B tokens at a constant one, and there the one in width, depth and tokens alone.
COOLED = coefficients(
    [0.30146699, 0.3655461733, 0.5055007692, 0.4670177667],
    [1.6375654653, -0.0254911443, 7.8653383939, 9.9838221358],
    0.4195179541,
)
HOT = coefficients(
    [0.2195783536, 0.4758917337, 0.3636454068, 0.4935127042],
    [1.082043835, -0.2186969889, 6.0902355695, 10.4720427681],
    0.4282048563,
)
SHAPE_ALONE = coefficients(
    [0.2607743843, 0.1418010881, 1.0, 0.5420589921],
    [2.1161206619, 0.7321112501, -np.inf, 11.5418232414],
    -155.5414963039,
)


@pytest.fixture(scope="module")
def gemstones(shared_data):
    folder = shared_data / "gemstones"
    return {
        name: pd.read_json(folder / f"wandb_df_for_fitting_{name}.jsonl", lines=True).rename(columns=COLUMNS)
        for name in ("cool_end", "hot_100b+")
    }


def test_the_loss_is_four_power_terms_over_a_floor():
    expected = (
        np.exp(0.4195179541)
        + np.exp(1.6375654653) / 1024**0.30146699
        + np.exp(-0.0254911443) / 28**0.3655461733
        + np.exp(7.8653383939) / 5.4e8**0.5055007692
        + np.exp(9.9838221358) / 1e11**0.4670177667
    )
    assert LAW.paper(np, COOLED, params=5.4e8, tokens=1e11, width=1024, depth=28) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("runs", "paper", "objective"),
    [
        ("cool_end", COOLED, 9.00742e-5),
        ("hot_100b+", HOT, 2.949708e-4),
        ("hot_100b+", SHAPE_ALONE, 4.199462e-4),
    ],
    ids=["cooled", "hot", "shape alone"],
)
def test_objective_of_the_published_fits(gemstones, runs, paper, objective):
    # Summed Huber(1e-4) of log loss over their runs: "loss" in the same files.
    frame = gemstones[runs]
    inputs = {name: frame[name].to_numpy(float) for name in LAW.inputs}
    residual = np.log(frame.loss.to_numpy()) - np.log(LAW.paper(np, paper, **inputs))
    assert huber(1e-4, residual).sum() == pytest.approx(objective, rel=2e-6)


def best_fit(law, frame, start):
    inputs = {name: frame[name].to_numpy(float) for name in law.inputs}
    x0, log_loss = law.reference(inputs), np.log(frame.loss.to_numpy())
    theta = law.from_paper(np, start, x0)

    def residual(z):
        free = dict(zip(law.parameter_names, np.exp(z), strict=True))
        return np.log(law.at(np, inputs, free, x0)) - log_loss

    begin = np.log([theta[name] for name in law.parameter_names])
    return least_squares(residual, begin, bounds=(-12, 5), xtol=1e-12, ftol=1e-12, gtol=1e-12)


def test_width_and_depth_halve_what_chinchilla_leaves_unexplained(gemstones):
    frame = gemstones["cool_end"]
    # The authors' fit in N and D alone: approach_3_parameters_grid_search_0_cool_end.json.
    plain = {"alpha": 0.2970133066, "beta": 0.6903991635, "E": np.exp(0.7458889548)}
    plain |= {"A": np.exp(5.3627962101), "B": np.exp(14.9717677508)}
    in_n_and_d, in_shape = best_fit(CHINCHILLA, frame, plain), best_fit(LAW, frame, COOLED)
    rms = [np.sqrt(np.mean(found.fun**2)) for found in (in_n_and_d, in_shape)]
    assert rms[1] < 0.5 * rms[0]
    # Akaike's criterion for Gaussian scatter: four parameters more are worth it many times over.
    aic = [len(frame) * np.log(found.cost) + 2 * len(found.x) for found in (in_n_and_d, in_shape)]
    assert aic[1] < aic[0] - 100
